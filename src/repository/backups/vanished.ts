import type { IntegrityError } from '../../runtime/errors.ts';
import { day } from '../../values/duration.ts';
import { compare } from '../../values/ordering.ts';
import { timeOf } from '../../values/timed-id.ts';
import type { Repository } from '../open.ts';
import { readRecords } from '../records.ts';

/** The newest records to read: the names of records order them only to the second. */
const ofOneSecond = 8;

/** The most records of cleanups that are read for backups that are missing: those of five years, one a day */
const mostCleanups = 2000;

/**
 * Finds backups that the last cleanup left, or that later records mention, and that are not listed although
 * no cleanup removed them. Either someone removed them, or the storage's listing is incomplete.
 *
 * A copy may keep less than its source, and has the records of both: the last cleanup may be one of the source,
 * which left what an earlier one has removed here. So what any cleanup has removed since the backup was made
 * has not vanished.
 *
 * @param listed ids of all backups that are listed
 * @returns their ids, oldest first
 */
export async function findVanished(
  repository: Repository,
  listed: ReadonlySet<string>,
  onDamaged: (error: IntegrityError) => void,
  signal?: AbortSignal,
): Promise<string[]> {
  const told = new Set<string>();
  // A cleanup may be read twice, and its damage is told once.
  const tellOnce = (error: IntegrityError) => {
    if (!told.has(error.message)) onDamaged(error);
    told.add(error.message);
  };
  const [last] = (await readRecords(repository, 'prunes', tellOnce, { newest: ofOneSecond, signal })).slice(
    -1,
  );
  const known = new Set(last?.content.kept);
  const isNew = ({ at }: { at: Date }) => last === undefined || at > last.at;
  for (const { content } of (await readRecords(repository, 'validations', tellOnce, { signal })).filter(
    isNew,
  ))
    for (const { id } of content.backups) known.add(id);
  for (const kind of ['pins', 'drills'] as const)
    for (const { content } of (await readRecords(repository, kind, tellOnce, { signal })).filter(isNew))
      known.add(content.backup);
  const missing = [...known].filter((id) => !listed.has(id)).sort(compare);
  return withoutRemoved(repository, missing, tellOnce, signal);
}

/**
 * Leaves out what cleanups have removed. Where there are more cleanups than are read, nothing is said of a
 * backup that an unread one may have removed.
 *
 * @param missing ids, oldest first
 */
async function withoutRemoved(
  repository: Repository,
  missing: readonly string[],
  onDamaged: (error: IntegrityError) => void,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const [oldest] = missing;
  if (oldest === undefined) return [];
  // The clock of the machine that cleaned up may be behind that of the one that took the backup.
  const madeBefore = (time: Date) => new Date(time.getTime() - day);
  let unread = 0;
  const onUnread = (count: number) => {
    unread = count;
  };
  const cleanups = await readRecords(repository, 'prunes', onDamaged, {
    ...{ newest: mostCleanups, since: madeBefore(timeOf(oldest)), onUnread, signal },
  });
  const removed = new Set(cleanups.flatMap(({ content }) => content.removed.map(({ id }) => id)));
  const readSince = unread === 0 ? undefined : cleanups[0]?.at;
  return missing.filter(
    (id) => !removed.has(id) && (readSince === undefined || madeBefore(timeOf(id)) >= readSince),
  );
}
