import { formatCounted } from '../../report/quantity.ts';
import type { Context } from '../../runtime/context.ts';
import { isKnownError, messageOf } from '../../runtime/errors.ts';
import type { NamedStorage } from '../../storage/fallback.ts';
import { raceAgainst } from '../../storage/first-answer.ts';
import { listBackupIds } from '../backups/manifests.ts';
import { type Repository, readConfig } from '../open.ts';
import { readRecords } from '../records.ts';
import { backupOf } from './plan.ts';
import { listKind } from './sealed-value.ts';

/** How long a copy may take to list its backups: a restore must not wait for one that it does not need. */
const usualPatienceMs = 30_000;

/** What a look at a copy has found. */
type Look =
  | { readonly kind: 'listed'; readonly ids: readonly string[] }
  /** There is nothing at the place yet */
  | { readonly kind: 'empty' }
  | { readonly kind: 'other' }
  | { readonly kind: 'unknown'; readonly why: string };

/**
 * Warns of backups that copies have and the listing in use lacks, though no cleanup has removed them: part of the
 * storage is lost, or a prefix is wrong, and the newest backup of the listing is not the newest there is. A copy
 * that does not answer soon hides nothing that is not told.
 *
 * @param repository as it is read; its listing is what backups are chosen from
 */
export async function warnOfBackupsElsewhere(
  repository: Repository,
  copies: readonly NamedStorage[],
  { log, signal }: Pick<Context, 'log' | 'signal'>,
  patienceMs = usualPatienceMs,
): Promise<void> {
  if (copies.length === 0) return;
  const listed = (await listBackupIds(repository)).sort();
  const known = new Set(listed);
  const looks = copies.map(async (copy) => ({
    copy,
    found: await look(repository, copy, signal, patienceMs),
  }));
  let removed: ReadonlySet<string> | undefined;
  for (const { copy, found } of await Promise.all(looks)) {
    signal.throwIfAborted();
    const message = describeLook(repository, copy, found);
    if (found.kind === 'unknown') log.info(message ?? '');
    else if (message !== undefined) log.warn(message);
    if (found.kind !== 'listed' || found.ids.every((id) => known.has(id))) continue;
    removed ??= await readRemoved(repository, log, signal);
    const lacking = found.ids.filter((id) => !known.has(id) && !removed?.has(id)).sort();
    if (lacking.length > 0) log.warn(describeLacking(repository, copy, lacking, listed.at(-1)));
  }
}

async function look(
  repository: Repository,
  { storage }: NamedStorage,
  signal: AbortSignal,
  patienceMs: number,
): Promise<Look> {
  const looking = async (): Promise<Look> => {
    try {
      const config = await readConfig(storage, {});
      if (config === undefined) return { kind: 'empty' };
      if (!config.equals(repository.config)) return { kind: 'other' };
      const ids = [...(await listKind(storage, 'backups', signal)).keys()].map(backupOf);
      return { kind: 'listed', ids };
    } catch (error) {
      if (!isKnownError(error) && !signal.aborted) throw error;
      return { kind: 'unknown', why: messageOf(error) };
    }
  };
  const found = await raceAgainst(patienceMs, [looking()]);
  return found ?? { kind: 'unknown', why: `no answer within ${patienceMs / 1000} seconds` };
}

async function readRemoved(
  repository: Repository,
  log: Context['log'],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const prunes = await readRecords(repository, 'prunes', (error) => log.warn(error.message), { signal });
  return new Set(prunes.flatMap(({ content }) => content.removed.map(({ id }) => id)));
}

function describeLook({ storage }: Repository, copy: NamedStorage, found: Look): string | undefined {
  switch (found.kind) {
    case 'listed':
    case 'empty':
      return undefined;
    case 'other':
      return `the copy ${nameOf(copy)} holds another repository than ${storage.location}, so missing or damaged data cannot be read from it`;
    case 'unknown':
      return `it is unknown whether the copy ${nameOf(copy)} has more backups: ${found.why}`;
  }
}

function describeLacking(
  { storage }: Repository,
  copy: NamedStorage,
  lacking: readonly string[],
  newestListed: string | undefined,
): string {
  const newest = lacking.at(-1) ?? '';
  const isNewer = newestListed === undefined || newest > newestListed;
  return (
    `the copy ${nameOf(copy)} has ${formatCounted(lacking.length, 'backup')} that ${storage.location} lacks and no cleanup has removed, ` +
    `the newest ${newest}${isNewer ? ', which is newer than any there' : ''}: give its id to use it, or run \`repair\` first`
  );
}

function nameOf({ name, storage }: NamedStorage): string {
  return name === storage.location ? name : `${name} (${storage.location})`;
}
