import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { World } from './context.ts';

/**
 * Gives one restore of several a temporary folder of its own and removes it at once afterwards: its archive
 * may be large.
 */
export async function inScratchFolder<T>(world: World, body: (world: World) => Promise<T>): Promise<T> {
  const temporaryFolder = await mkdtemp(path.join(world.temporaryFolder, 'restore-'));
  try {
    return await body({ ...world, temporaryFolder });
  } finally {
    await rm(temporaryFolder, { recursive: true, force: true });
  }
}
