import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { exec, getExecOutput } from '@actions/exec';
import type { Context } from '../../runtime/context.ts';

/* Runs system programs as root. */

/** The path of a program, searched like a shell does; undefined when it is not found. */
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

/**
 * @throws Error that names what is missing, when this process can neither act as root nor use sudo without a
 *   password
 */
export async function assertRights(context: Context): Promise<void> {
  if (isRoot()) return;
  const who = `the job runs as user ${process.getuid?.()}, who is not root`;
  if (findProgram('sudo', context.env) === undefined)
    throw new Error(`${who}, and there is no sudo here: ${asRootCure}`);
  const look = { ignoreReturnCode: true, silent: true, env: environmentOfSystem(context) };
  const { exitCode } = await getExecOutput('sudo', ['-n', 'true'], look);
  if (exitCode !== 0) throw new Error(`${who}, and sudo asks for a password: ${asRootCure}`);
}

/** Prefixes sudo where needed. sudo removes proxy variables unless told to keep them. */
export function withRights(command: readonly string[], context: Context): readonly string[] {
  if (isRoot()) return command;
  const proxies = Object.keys(environmentOfSystem(context)).filter((name) => isOfProxy(name));
  const kept = proxies.length === 0 ? [] : [`--preserve-env=${proxies.join(',')}`];
  return ['sudo', '-n', ...kept, ...command];
}

/**
 * Runs a command to its end. Its output goes through our log, line by line, because it contains text of
 * package servers. A line repeated while the program waits is logged once.
 *
 * @param isComplaint matches the lines that say why it failed
 * @throws Error with the last three of these lines, when the command does not exit with 0
 */
export async function runAsRoot(
  command: readonly string[],
  isComplaint: RegExp,
  context: Context,
): Promise<void> {
  context.signal.throwIfAborted();
  const [file = '', ...args] = withRights(command, context);
  const complaints: string[] = [];
  let last = '';
  const tell = (line: string) => {
    if (line.trim() !== '' && line !== last) context.log.info(line);
    last = line;
    if (isComplaint.test(line)) complaints.push(line);
  };
  context.log.info(`$ ${[file, ...args].join(' ')}`);
  const exitCode = await exec(file, args, {
    env: environmentOfSystem(context),
    silent: true,
    ignoreReturnCode: true,
    listeners: { stdline: tell, errline: tell },
  });
  if (exitCode === 0) return;
  throw new Error(`${command.slice(0, 1).join()} ended with ${exitCode}: ${complaints.slice(-3).join(' ')}`);
}

const isOfProxy = (name: string): boolean => /^(https?|no)_proxy$/i.test(name);

/**
 * The environment of a system program. Package scripts run as root, and need nothing that this process knows
 * about databases and storages. apt reads proxy variables in lower case only.
 */
export function environmentOfSystem({ env }: Context): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => /^(PATH|HOME)$/.test(name) || isOfProxy(name));
  const lowered = kept.filter(([name]) => isOfProxy(name)).map(([name, text]) => [name.toLowerCase(), text]);
  return {
    ...(Object.fromEntries([...lowered, ...kept]) as Record<string, string>),
    // The program's complaints are parsed.
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
  };
}
