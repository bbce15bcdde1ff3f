import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { exec, getExecOutput } from '@actions/exec';
import type { World } from '../../runtime/context.ts';

/* Programs of the system that change it, run as root. */

/** Where a program is, as a shell would find it; undefined where it is not. */
export function findProgram(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const folders = (env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const isRoot = (): boolean => process.getuid?.() === 0;
const asRootCure =
  'run the job as root (in a container: `options: --user root`), or have the programs in its image';

/** @throws Error with what is missing, where this process can change nothing */
export async function assertRights(world: World): Promise<void> {
  if (isRoot()) return;
  const who = `the job runs as user ${process.getuid?.()}, who is not root`;
  if (findProgram('sudo', world.env) === undefined)
    throw new Error(`${who}, and there is no sudo here: ${asRootCure}`);
  const look = { ignoreReturnCode: true, silent: true, env: environmentOfSystem(world) };
  const { exitCode } = await getExecOutput('sudo', ['-n', 'true'], look);
  if (exitCode !== 0) throw new Error(`${who}, and sudo asks for a password: ${asRootCure}`);
}

/** sudo keeps what names proxies from those whom it starts, unless it is asked. */
export function withRights(command: readonly string[], world: World): readonly string[] {
  if (isRoot()) return command;
  const proxies = Object.keys(environmentOfSystem(world)).filter((name) => isOfProxy(name));
  const kept = proxies.length === 0 ? [] : [`--preserve-env=${proxies.join(',')}`];
  return ['sudo', '-n', ...kept, ...command];
}

/**
 * Runs it to its end. What it prints is told as ours, line by line: servers of packages write into it, too. A line that is said again and again
 * while it waits is told once.
 *
 * @param isComplaint which lines say why it failed
 * @throws Error with the last of them
 */
export async function runAsRoot(
  command: readonly string[],
  isComplaint: RegExp,
  world: World,
): Promise<void> {
  world.signal.throwIfAborted();
  const [file = '', ...args] = withRights(command, world);
  const complaints: string[] = [];
  let last = '';
  const tell = (line: string) => {
    if (line.trim() !== '' && line !== last) world.log.info(line);
    last = line;
    if (isComplaint.test(line)) complaints.push(line);
  };
  world.log.info(`$ ${[file, ...args].join(' ')}`);
  const exitCode = await exec(file, args, {
    env: environmentOfSystem(world),
    silent: true,
    ignoreReturnCode: true,
    listeners: { stdline: tell, errline: tell },
  });
  if (exitCode === 0) return;
  throw new Error(`${command.slice(0, 1).join()} ended with ${exitCode}: ${complaints.slice(-3).join(' ')}`);
}

const isOfProxy = (name: string): boolean => /^(https?|no)_proxy$/i.test(name);

/**
 * The scripts of packages run as root, and none of them needs what this process knows of databases and storages. apt reads the names of proxies
 * in small letters only.
 */
export function environmentOfSystem({ env }: World): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => /^(PATH|HOME)$/.test(name) || isOfProxy(name));
  const lowered = kept.filter(([name]) => isOfProxy(name)).map(([name, text]) => [name.toLowerCase(), text]);
  return {
    ...(Object.fromEntries([...lowered, ...kept]) as Record<string, string>),
    // Its complaints are read.
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
  };
}
