import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Context } from './context.ts';

/**
 * Gives one restore of several a temporary folder of its own and removes it at once afterwards: its archive
 * may be large.
 */
export async function inScratchFolder<T>(
  context: Context,
  body: (context: Context) => Promise<T>,
): Promise<T> {
  const temporaryFolder = await mkdtemp(path.join(context.temporaryFolder, 'restore-'));
  try {
    return await body({ ...context, temporaryFolder });
  } finally {
    await rm(temporaryFolder, { recursive: true, force: true });
  }
}
