import { execFile } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Cluster } from '../support/cluster.ts';

const run = promisify(execFile);

/** What is done to the data folder of a throwaway server behind its back. */

export function dataFolder(cluster: Cluster): string {
  return join(cluster.folder, 'data');
}

/** Ends the server in good order, with a checkpoint; `cluster.start()` starts it again. */
export async function shutDown(cluster: Cluster): Promise<void> {
  const file = join(dataFolder(cluster), 'postmaster.pid');
  process.kill(Number(readFileSync(file, 'utf8').split('\n')[0]), 'SIGINT');
  while (existsSync(file)) await sleep(20);
  // Waits for the process itself.
  await cluster.crash();
}

/** Copies the data folder of a server that does not run; what was at `to` before is gone. Owners and modes stay. */
export async function copyData(from: string, to: string): Promise<void> {
  rmSync(to, { recursive: true, force: true });
  if (process.getuid?.() === 0) await run('cp', ['-a', from, to]);
  else cpSync(from, to, { recursive: true });
}

/** Runs a program of the server as the owner of the data folder, which does not run as root. */
export async function runAsOwner(
  cluster: Cluster,
  program: string,
  args: readonly string[],
): Promise<string> {
  const { uid, gid } = statSync(dataFolder(cluster));
  const account = process.getuid?.() === 0 ? { uid, gid } : {};
  const { stdout } = await run(join(cluster.binFolder, program), args, { ...account, cwd: cluster.folder });
  return stdout;
}
