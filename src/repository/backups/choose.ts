import type { Manifest } from '../../format/manifest.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, IntegrityError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { timedIdPattern } from '../../values/timed-id.ts';
import { DamageWarnings } from '../damage-warnings.ts';
import type { Repository } from '../open.ts';
import { type BackupSummary, readCatalog } from './catalog.ts';
import { listBackupIds, readIfPresent, readManifest } from './manifests.ts';
import { refuseUnknownId, resolveChoice } from './named.ts';

/** Excludes safety backups, which only their ids select, and warns: they are newer than the chosen backup. */
function skipSafetyBackups(
  log: Context['log'],
): (backup: Pick<Manifest, 'id' | 'purpose' | 'label'>) => boolean {
  return (backup) => {
    if (backup.purpose !== 'safety') return true;
    log.warn(`${backup.id} is a safety backup (${backup.label}) and is skipped: only its id selects it`);
    return false;
  };
}

/**
 * Returns the backups that a drill may try, in order: the one that is asked for, and those before it,
 * newest first. Backups without rows are left out, and so are safety backups, unless an id names one.
 *
 * @param asked an id or its beginning, `latest`, `latest-verified`, `before:<time>` or `random:<milliseconds>`
 * @throws ConfigurationError when no backup fits
 * @throws IntegrityError when the named one is damaged
 */
export async function chooseBackups(
  repository: Repository,
  asked: string,
  context: Context,
): Promise<BackupSummary[]> {
  const choice = await resolveChoice(repository, asked);
  using damage = new DamageWarnings(context.log);
  const catalog = await readCatalog(repository, {
    onDamaged: damage.warn,
    signal: context.signal,
  });
  const withRows = catalog.backups.filter((backup) => backup.kind !== 'schema');
  const backups = withRows.filter((backup) => backup.id === choice || backup.purpose !== 'safety');
  const damaged = catalog.damaged.find(({ id }) => id === choice);
  if (damaged) throw new IntegrityError(damaged.message, 'Choose another backup; `list` shows them all.');
  const first = findFirst(backups, choice, context);
  if (first >= 0) {
    const newer = withRows.slice(0, withRows.indexOf(backups[first] as BackupSummary));
    if (choice === 'latest') newer.forEach(skipSafetyBackups(context.log));
    return backups.slice(first);
  }
  const { location } = repository.storage;
  if (findFirst(withRows, choice, context) >= 0) {
    throw new ConfigurationError(
      say`${nameInput('backup-id')}: only safety backups fit ${choice}`,
      'Give the id of the one that you want; `list` shows them all.',
    );
  }
  if (timedIdPattern.test(choice) && !catalog.backups.some(({ id }) => id === choice))
    throw await refuseUnknownId(repository, choice);
  throw new ConfigurationError(
    say`${nameInput('backup-id')}: no backup with rows at ${location} fits ${choice} (it holds ${backups.length})`,
    backups.length === 0 ? 'Run a backup first.' : 'Choose another one; `list` shows them all.',
  );
}

/**
 * Finds the backup that an input selects: an id or its beginning, `latest`, or `before:<time>`, by the time of its snapshot.
 * `latest` and `before:` skip damaged manifests and report them to `onDamaged`.
 *
 * @param isMeant tells, for `latest` and `before:`, whether a backup may be selected
 * @throws ConfigurationError when no backup fits
 */
export async function chooseBackup(
  repository: Repository,
  choice: string,
  onDamaged: (error: IntegrityError, id: string) => void,
  isMeant: (manifest: Manifest) => boolean = () => true,
): Promise<Manifest> {
  const before = /^before:(.*)$/.exec(choice)?.[1];
  if (choice !== 'latest' && before === undefined) {
    const id = await resolveChoice(repository, choice);
    const manifest = await readIfPresent(repository, id);
    if (manifest) return manifest;
    throw await refuseUnknownId(repository, id);
  }
  const limit = before === undefined ? Number.POSITIVE_INFINITY : Date.parse(before);
  const ids = await listBackupIds(repository);
  // Ids order backups to the second; within one second only their snapshots tell which is the newest.
  for (const group of Map.groupBy(ids.toReversed(), (id) => id.slice(0, id.indexOf('-'))).values()) {
    let newest: Manifest | undefined;
    for (const id of group) {
      try {
        const manifest = await readIfPresent(repository, id);
        if (!manifest || manifest.kind === 'schema') continue;
        const time = Date.parse(manifest.source.snapshotAt);
        const isNewer = !(newest && Date.parse(newest.source.snapshotAt) >= time);
        if (time <= limit && isNewer && isMeant(manifest)) newest = manifest;
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error;
        onDamaged(error, id);
      }
    }
    if (newest) return newest;
  }
  throw new ConfigurationError(
    say`${nameInput('backup-id')}: no backup at ${repository.storage.location} fits ${choice} (it holds ${ids.length})`,
    ids.length === 0 ? 'Run a backup first.' : `The oldest is ${ids[0]}, the newest ${ids.at(-1)}.`,
  );
}

/**
 * Reads the one manifest that `choice` selects. An id, `latest` and `before:<time>` are resolved without
 * reading the rest of the repository: a restore must not fail because of a file that it does not need.
 */
export async function chooseManifest(
  repository: Repository,
  choice: string,
  context: Context,
): Promise<Manifest> {
  if (!/^(latest-verified|random:)/.test(choice)) {
    const onDamaged = (error: IntegrityError) => context.log.warn(`${error.message}; skipped`);
    return chooseBackup(repository, choice, onDamaged, skipSafetyBackups(context.log));
  }
  const [first] = await chooseBackups(repository, choice, context);
  if (first === undefined) throw new Error('a choice of no backup');
  return readManifest(repository, first.id);
}

/** Returns an index into `backups`, which are newest first; -1 when none fits. */
function findFirst(backups: readonly BackupSummary[], choice: string, context: Context): number {
  if (choice === 'latest') return backups.length === 0 ? -1 : 0;
  if (choice === 'latest-verified') return backups.findIndex((backup) => backup.verifiedAt !== null);
  const [, word, value = ''] = /^(before|random):(.*)$/.exec(choice) ?? [];
  if (word === 'before') return backups.findIndex((backup) => backup.snapshotAt <= new Date(value));
  if (word === 'random') {
    const oldest = context.now().getTime() - Number(value);
    const young = backups.filter((backup) => backup.snapshotAt.getTime() >= oldest).length;
    return young === 0 ? -1 : Math.floor(context.random() * young);
  }
  return backups.findIndex((backup) => backup.id === choice);
}
