import { IntegrityError } from '../errors.ts';
import { readIfPresent } from '../repository/backups.ts';
import type { StoredObject } from '../repository/manifest.ts';
import { readStored } from '../repository/objects.ts';
import type { PruneContext } from '../repository/prune.ts';
import { readRecords } from '../repository/records.ts';
import type { Repository } from '../repository/repository.ts';
import { drain, runWorkers } from '../workers.ts';

/** A backup that was recorded as damaged and is not */
export interface Cleared {
  readonly id: string;
  /** Names of the objects that were recorded as damaged, and are as they were stored */
  readonly objects: readonly string[];
}

const readers = 4;

/**
 * Reads once more what of some backups a validation has found damaged, before they are removed because of it: what is lost on the way to
 * one reader is no damage. Where it is not recorded which objects are, there is nothing to look at, and the record stands.
 */
export async function lookAgain(
  repository: Repository,
  ids: readonly string[],
  { signal, log }: Pick<PruneContext, 'signal' | 'log'>,
): Promise<Cleared[]> {
  const suspects = new Set<string>();
  const validations = await readRecords(repository, 'validations', (error) => log.warn(error.message), {
    signal,
  });
  for (const { content } of validations) for (const name of content.damagedObjects) suspects.add(name);
  const cleared: Cleared[] = [];
  for (const id of ids) {
    const manifest = await readIfPresent(repository, id);
    const objects = (manifest?.objects ?? []).filter(({ name }) => suspects.has(name));
    if (objects.length === 0 || !(await areWhole(repository, objects, signal))) continue;
    cleared.push({ id, objects: objects.map(({ name }) => name) });
  }
  return cleared;
}

async function areWhole(
  { storage }: Repository,
  objects: readonly StoredObject[],
  signal: AbortSignal,
): Promise<boolean> {
  const waiting = [...objects];
  let damaged = 0;
  await runWorkers(Math.min(readers, objects.length), signal, async (stop) => {
    for (const object of drain(waiting)) {
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
