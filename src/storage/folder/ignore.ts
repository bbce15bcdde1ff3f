import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isTaken } from './durable.ts';
import { codeOf } from './failures.ts';

/**
 * Keeps git from taking up a folder that was just made inside of a work tree: `git add -A` would commit the
 * database. A file that is there stays as it is. It is no value of the storage (`isKey`), so no reader sees it.
 */
export async function ignoreInGit(folder: string): Promise<void> {
  if (!(await isInWorkTree(folder))) return;
  try {
    await writeFile(join(folder, '.gitignore'), '*\n', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

async function isInWorkTree(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    if (await isTaken(join(at, '.git'))) return true;
    if (at === dirname(at)) return false;
  }
}
