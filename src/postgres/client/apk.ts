import { existsSync } from 'node:fs';
import path from 'node:path';
import type { World } from '../../runtime/context.ts';
import { runAsRoot } from './root-command.ts';

/** How long another program may work with the packages */
const lockTimeoutSeconds = 300;

/**
 * Installs the client programs of one major on Alpine Linux, from the repositories that the image names.
 *
 * @param root `/`, but for a test
 * @returns the folder of the programs
 * @throws Error with what apk complained about
 */
export async function apkInstall(major: number, world: World, root = '/'): Promise<string> {
  const name = `postgresql${major}-client`;
  await runAsRoot(
    ['apk', '--wait', String(lockTimeoutSeconds), 'add', '--no-cache', name],
    /^(ERROR|WARNING): /,
    world,
  );
  // Programs of several majors stand beside each other there, and /usr/bin has those of one.
  const own = path.join(root, 'usr/libexec', `postgresql${major}`);
  return existsSync(path.join(own, 'pg_dump')) ? own : path.join(root, 'usr/bin');
}
