import type { Manifest } from '../../format/manifest.ts';
import type { World } from '../../runtime/context.ts';
import { ConfigurationError, IntegrityError } from '../../runtime/errors.ts';
import type { Repository } from '../open.ts';
import { readShelf, type ShelvedBackup } from './catalog.ts';
import { chooseBackup, readManifest } from './manifests.ts';
import { isSafetyBackup } from './safety-label.ts';

/** A safety backup is meant by its id alone; that one is passed over is said, because it is newer than what is taken. */
function passOverSafety(log: World['log']): (backup: { id: string; label: string | null }) => boolean {
  return (backup) => {
    if (!isSafetyBackup(backup)) return true;
    log.warn(`${backup.id} is a safety backup (${backup.label}) and passed over: only its id means it`);
    return false;
  };
}

/**
 * The backups that a drill may fall back upon, in turn: the one that `choice` means, and those before it, newest first. Backups without
 * rows are none of them, nor are safety backups, unless one is named.
 *
 * @param choice an id, `latest`, `latest-verified`, `before:<time>` or `random:<milliseconds>`
 * @throws ConfigurationError when none fits
 */
export async function chooseBackups(
  repository: Repository,
  choice: string,
  world: World,
): Promise<ShelvedBackup[]> {
  const shelf = await readShelf(repository, {
    onDamaged: (error) => world.log.warn(`${error.message}; passed over`),
    signal: world.signal,
  });
  const withRows = shelf.backups.filter((backup) => backup.kind !== 'schema');
  const backups = withRows.filter((backup) => backup.id === choice || !isSafetyBackup(backup));
  const damaged = shelf.damaged.find(({ id }) => id === choice);
  if (damaged) throw new IntegrityError(damaged.message, 'Choose another backup; list names them all.');
  const first = findFirst(backups, choice, world);
  if (first >= 0) {
    const newer = withRows.slice(0, withRows.indexOf(backups[first] as ShelvedBackup));
    if (choice === 'latest') newer.forEach(passOverSafety(world.log));
    return backups.slice(first);
  }
  const { location } = repository.storage;
  if (findFirst(withRows, choice, world) >= 0) {
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
 * The one backup that `choice` means. An id, `latest` and `before:<time>` are found without what else the repository holds: a restore shall
 * not fail because of a file that it does not need.
 */
export async function chooseManifest(
  repository: Repository,
  choice: string,
  world: World,
): Promise<Manifest> {
  if (!/^(latest-verified|random:)/.test(choice)) {
    const onDamaged = (error: IntegrityError) => world.log.warn(`${error.message}; passed over`);
    return chooseBackup(repository, choice, onDamaged, passOverSafety(world.log));
  }
  const [first] = await chooseBackups(repository, choice, world);
  if (first === undefined) throw new Error('a choice of no backup');
  return readManifest(repository, first.id);
}

/** An index into `backups`, which are newest first; -1 when none fits. */
function findFirst(backups: readonly ShelvedBackup[], choice: string, world: World): number {
  if (choice === 'latest') return backups.length === 0 ? -1 : 0;
  if (choice === 'latest-verified') return backups.findIndex((backup) => backup.verifiedAt !== null);
  const [, word, value = ''] = /^(before|random):(.*)$/.exec(choice) ?? [];
  if (word === 'before') return backups.findIndex((backup) => backup.snapshotAt <= new Date(value));
  if (word === 'random') {
    const oldest = world.now().getTime() - Number(value);
    const young = backups.filter((backup) => backup.snapshotAt.getTime() >= oldest).length;
    return young === 0 ? -1 : Math.floor(world.random() * young);
  }
  return backups.findIndex((backup) => backup.id === choice);
}
