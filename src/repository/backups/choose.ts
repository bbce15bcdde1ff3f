import type { Manifest } from '../../format/manifest.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, IntegrityError } from '../../runtime/errors.ts';
import { DamageWarnings } from '../damage-warnings.ts';
import type { Repository } from '../open.ts';
import { type BackupSummary, readCatalog } from './catalog.ts';
import { chooseBackup, readManifest } from './manifests.ts';

/** Excludes safety backups, which only their ids select, and warns: they are newer than the chosen backup. */
function skipSafetyBackups(
  log: Context['log'],
): (backup: Pick<Manifest, 'id' | 'purpose' | 'label'>) => boolean {
  return (backup) => {
    if (backup.purpose !== 'safety') return true;
    log.warn(`${backup.id} is a safety backup (${backup.label}) and passed over: only its id means it`);
    return false;
  };
}

/**
 * Returns the backups that a drill may try, in order: the one that `choice` selects, and those before it,
 * newest first. Backups without rows are left out, and so are safety backups, unless `choice` names one.
 *
 * @param choice an id, `latest`, `latest-verified`, `before:<time>` or `random:<milliseconds>`
 * @throws ConfigurationError when no backup fits
 * @throws IntegrityError when the named one is damaged
 */
export async function chooseBackups(
  repository: Repository,
  choice: string,
  context: Context,
): Promise<BackupSummary[]> {
  using damage = new DamageWarnings(context.log);
  const catalog = await readCatalog(repository, {
    onDamaged: damage.warn,
    signal: context.signal,
  });
  const withRows = catalog.backups.filter((backup) => backup.kind !== 'schema');
  const backups = withRows.filter((backup) => backup.id === choice || backup.purpose !== 'safety');
  const damaged = catalog.damaged.find(({ id }) => id === choice);
  if (damaged) throw new IntegrityError(damaged.message, 'Choose another backup; list names them all.');
  const first = findFirst(backups, choice, context);
  if (first >= 0) {
    const newer = withRows.slice(0, withRows.indexOf(backups[first] as BackupSummary));
    if (choice === 'latest') newer.forEach(skipSafetyBackups(context.log));
    return backups.slice(first);
  }
  const { location } = repository.storage;
  if (findFirst(withRows, choice, context) >= 0) {
    throw new ConfigurationError(
      `backup-id: only safety backups fit ${choice}`,
      'List them with the operation list, and name the one that you mean.',
    );
  }
  throw new ConfigurationError(
    `backup-id: no backup with rows at ${location} fits ${choice} (it holds ${backups.length})`,
    backups.length === 0 ? 'Run a backup first.' : 'List them with the operation list.',
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
    const onDamaged = (error: IntegrityError) => context.log.warn(`${error.message}; passed over`);
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
