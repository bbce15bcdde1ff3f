import type { StoredObject } from '../../format/manifest.ts';
import { readIfPresent } from '../../repository/backups/manifests.ts';
import { readStored } from '../../repository/objects/store.ts';
import type { Repository } from '../../repository/open.ts';
import type { PruneContext } from '../../repository/prune/prune.ts';
import { type RecordContent, readRecords } from '../../repository/records.ts';
import { IntegrityError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';

/** A backup that was recorded as damaged and is whole. */
export interface Cleared {
  readonly id: string;
  /** Names of the objects that were recorded as damaged, and that are as they were stored */
  readonly objects: readonly string[];
}

const readers = 4;

/**
 * Reads again what validations found damaged in some backups, before they are removed because of the damage:
 * bytes that were changed on the way to one reader are no damage of what is stored. Damage that is neither in
 * objects nor in the manifest cannot be checked here, and its record stands.
 *
 * @returns the backups that are whole
 */
export async function lookAgain(
  repository: Repository,
  ids: readonly string[],
  { signal, log }: Pick<PruneContext, 'signal' | 'log'>,
): Promise<Cleared[]> {
  const { suspects, parts } = await readDamage(repository, { signal, log });
  const cleared: Cleared[] = [];
  for (const id of ids) {
    const manifest = await readIfPresent(repository, id);
    if (manifest === undefined) continue;
    const objects = manifest.objects.filter(({ name }) => suspects.has(name));
    const part = parts.get(id);
    // The manifest has been read and its seal is right, so it is what the backup wrote.
    const canTell = part === 'manifest' || (objects.length > 0 && part !== 'contents');
    if (canTell && (await areWhole(repository, objects, signal)))
      cleared.push({ id, objects: objects.map(({ name }) => name) });
  }
  return cleared;
}

type DamagedPart = RecordContent<'validations'>['backups'][number]['part'];

/**
 * Reads the objects that validations found damaged, and for each backup where the newest validation found the
 * damage.
 */
async function readDamage(
  repository: Repository,
  { signal, log }: Pick<PruneContext, 'signal' | 'log'>,
): Promise<{ suspects: Set<string>; parts: Map<string, DamagedPart> }> {
  const suspects = new Set<string>();
  const parts = new Map<string, DamagedPart>();
  const onDamaged = (error: IntegrityError) => log.warn(error.message);
  for (const { content } of await readRecords(repository, 'validations', onDamaged, { signal })) {
    for (const name of content.damagedObjects) suspects.add(name);
    for (const { id, outcome, part } of content.backups) if (outcome === 'damaged') parts.set(id, part);
  }
  return { suspects, parts };
}

async function areWhole(
  { storage }: Repository,
  objects: readonly StoredObject[],
  signal: AbortSignal,
): Promise<boolean> {
  const queue = objects.values();
  let damaged = 0;
  await runWorkers(Math.min(readers, objects.length), signal, async (stop) => {
    for (const object of queue) {
      stop.throwIfAborted();
      if (damaged > 0) return;
      try {
        await readStored(storage, object);
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error;
        damaged += 1;
      }
    }
  });
  return damaged === 0;
}
