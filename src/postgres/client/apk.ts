import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Context } from '../../runtime/context.ts';
import { runAsRoot } from './root-command.ts';

/** How long to wait for another program that works with the packages */
const lockTimeoutSeconds = 300;

/**
 * Installs the client programs of one major version on Alpine Linux, from the repositories of the image.
 *
 * @param root `/`, except in tests
 * @returns the folder of the programs
 * @throws Error with apk's complaints
 */
export async function apkInstall(major: number, context: Context, root = '/'): Promise<string> {
  const name = `postgresql${major}-client`;
  await runAsRoot(
    ['apk', '--wait', String(lockTimeoutSeconds), 'add', '--no-cache', name],
    /^(ERROR|WARNING): /,
    context,
  );
  // Each major version has a folder of its own there; /usr/bin holds the programs of one of them.
  const own = path.join(root, 'usr/libexec', `postgresql${major}`);
  return existsSync(path.join(own, 'pg_dump')) ? own : path.join(root, 'usr/bin');
}
