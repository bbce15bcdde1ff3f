import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf, isAbsence } from './failures.ts';

/**
 * Returns the path of a folder without symbolic links; of one that is not there yet, that which it would have.
 * Undefined where it cannot be told, as of a folder that this user may not enter: whoever reads it says so.
 */
export async function findRealPath(folder: string): Promise<string | undefined> {
  try {
    return await realpath(folder);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    const above = dirname(folder);
    if (!isAbsence(code) || above === folder) return undefined;
    const real = await findRealPath(above);
    return real === undefined ? undefined : join(real, basename(folder));
  }
}
