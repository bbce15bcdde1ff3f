import type { IntegrityError } from '../../runtime/errors.ts';
import type { Repository } from '../open.ts';
import { readRecords } from '../records.ts';

/** The newest records to read: the names of records order them only to the second. */
const ofOneSecond = 8;

/**
 * Finds backups that the last cleanup left, or that later records mention, and that are not listed although
 * no cleanup removed them. Either someone removed them, or the storage's listing is incomplete.
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
  const [last] = (await readRecords(repository, 'prunes', onDamaged, { newest: ofOneSecond, signal })).slice(
    -1,
  );
  const known = new Set(last?.content.kept);
  const isNew = ({ at }: { at: Date }) => last === undefined || at > last.at;
  for (const { content } of (await readRecords(repository, 'validations', onDamaged, { signal })).filter(
    isNew,
  ))
    for (const { id } of content.backups) known.add(id);
  for (const kind of ['pins', 'drills'] as const)
    for (const { content } of (await readRecords(repository, kind, onDamaged, { signal })).filter(isNew))
      known.add(content.backup);
  for (const { id } of last?.content.removed ?? []) known.delete(id);
  return [...known].filter((id) => !listed.has(id)).sort();
}
