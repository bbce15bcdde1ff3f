import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import path from 'node:path';
import { type Operation, operations } from '../../interface/inputs/operations.ts';
import { type InputName, inputs, type ReadInput } from '../../interface/inputs/schema.ts';
import { list } from '../../interface/inputs/values.ts';
import type { Log } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { readForTerminal, type TerminalInputs } from '../../schedule/plan/terminal.ts';
import type { Arguments } from './arguments.ts';

/*
 * A policy as the configuration of the command line. One that the user names is his word. One that lies in the
 * folder in which he starts may be anybody's: it is read where no storage is named otherwise, is told, and
 * names no variable that is read, so that it cannot send a secret anywhere.
 */

/** The file that is looked for in the working folder */
export const usualFile = 'supabase-backup.yml';
export const configVariable = 'SUPABASE_BACKUP_CONFIG';

/** A policy is a few kilobytes. */
const mostBytes = 1_000_000;

export interface Configuration {
  /** Values of inputs that are given nowhere else */
  readonly values: ReadonlyMap<InputName, string>;
  /** Variables of the environment to be set, or to be removed */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** One line for the user */
  readonly told: string;
  readonly isNamed: boolean;
}

export interface Surroundings {
  /** The file that was named, by option or variable */
  readonly named: string | undefined;
  /** Inputs of the command line and the environment */
  readonly read: ReadInput;
  readonly env: NodeJS.ProcessEnv;
  readonly folder: string;
  /** The user's number; undefined where the system has none */
  readonly userId: number | undefined;
}

/** Reads the policy for this operation, if there is one, says so, and sets the variables of its storage. */
export async function configure(
  { config, switches }: Arguments,
  read: ReadInput,
  log: Pick<Log, 'info' | 'warn'>,
  { env, cwd, getuid }: Pick<NodeJS.Process, 'env' | 'cwd' | 'getuid'>,
): Promise<Configuration | undefined> {
  const wanted = read('operation')?.trim();
  const configuration = await readConfiguration(
    operations.find((operation) => operation === wanted),
    {
      ...{ named: config ?? (env[configVariable]?.trim() || undefined), read, env },
      ...{ folder: cwd(), userId: getuid?.() },
    },
  );
  if (configuration === undefined) return undefined;
  // What nobody named must be seen, also by those who want to see little.
  const tell = configuration.isNamed || !switches.has('quiet') ? log.info : log.warn;
  tell(configuration.told);
  for (const [name, value] of Object.entries(configuration.environment)) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  return configuration;
}

/**
 * Reads the policy that was named, or the one of the working folder.
 *
 * @returns undefined when there is none, or the operation is told otherwise all that it would say
 * @throws ConfigurationError when it cannot be read, is wrong, or may be somebody else's
 */
export async function readConfiguration(
  operation: Operation | undefined,
  surroundings: Surroundings,
): Promise<Configuration | undefined> {
  const { named, read, env, folder, userId } = surroundings;
  if (operation === undefined || (!inputs.storage.operations.includes(operation) && operation !== 'estimate'))
    return undefined;
  const file = named ?? usualFile;
  const isNamed = named !== undefined;
  if (!isNamed && !needsPlace(operation, read, env)) return undefined;
  const source = await readFile(path.resolve(folder, file), file, isNamed ? undefined : userId);
  if (source === undefined && !isNamed) return undefined;
  if (source === undefined)
    throw new ConfigurationError(`config: ${file} cannot be found`, 'Correct the path, or leave it out.');
  const wanted = read('database')?.trim() || undefined;
  return toConfiguration(readForTerminal({ source, file, wanted }, operation), file, surroundings);
}

/** Whoever names a place has no need of what lies about, and a checkout of a CI may be of anybody's branch. */
function needsPlace(operation: Operation, read: ReadInput, env: NodeJS.ProcessEnv): boolean {
  const names: readonly InputName[] = [
    'storage',
    'policy',
    ...(operation === 'estimate' ? ['database-url' as const] : []),
  ];
  return !env.CI && !env.GITHUB_ACTIONS && !names.some((name) => read(name)?.trim());
}

/**
 * Reads a file of the user.
 *
 * @param owner who must own it, besides root, and alone may write it; undefined: not asked
 * @returns undefined when there is none
 */
async function readFile(file: string, name: string, owner: number | undefined): Promise<string | undefined> {
  try {
    const link = owner === undefined ? undefined : await lstat(file);
    // A pipe would not be waited for.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    if (!found.isFile() || found.size > mostBytes)
      throw new ConfigurationError(
        `config: ${name} is ${found.isFile() ? 'larger than a policy is' : 'no file'}`,
        'Write the path of a policy file. docs/install.md has one to start with.',
      );
    const isForeign = [found.uid, link?.uid].some((uid) => uid !== undefined && uid !== owner && uid !== 0);
    if (owner !== undefined && (isForeign || (found.mode & 0o022) !== 0))
      throw new ConfigurationError(
        `config: ${name} of this folder is not read, because ${isForeign ? 'you do not own it' : 'others can write to it'}`,
        `Check its content, then ${isForeign ? '' : `run \`chmod go-w ${name}\`, or `}name it: --config ${name}. Or set the storage.`,
      );
    return await handle.readFile('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof ConfigurationError) throw error;
    throw new ConfigurationError(
      `config: ${name} cannot be read`,
      'Make it readable, or use another file.',
      error,
    );
  }
}

function toConfiguration(
  { database, values, variables, storageKeys }: TerminalInputs,
  file: string,
  { named, read, env }: Surroundings,
): Configuration {
  const isNamed = named !== undefined;
  const isOwnPlace = !read('storage')?.trim();
  const isTaken = (name: InputName) => !read(name)?.trim() && (isOwnPlace || !ofPlace.includes(name));
  const asked = [...variables].filter(([name]) => isTaken(name));
  const keys = isNamed && isOwnPlace && storageKeys !== undefined ? [storageKeys.id, storageKeys.secret] : [];
  const set = isNamed ? asked.filter(([, variable]) => env[variable]?.trim()) : [];
  const names = [...asked.map(([, variable]) => variable), ...keys];
  const storage = isOwnPlace ? values.get('storage') : undefined;
  const endpoint = isOwnPlace ? values.get('s3-endpoint') : undefined;
  const [id, secret] = keys.map((name) => env[name]?.trim() || undefined);
  return {
    isNamed,
    values: new Map([
      ...[...values].filter(([name]) => isTaken(name)),
      ...set.map(([name, variable]) => [name, env[variable] ?? ''] as const),
    ]),
    environment:
      id === undefined || secret === undefined
        ? {}
        : { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: undefined },
    told: [
      `${file}: ${database}`,
      ...(storage === undefined ? [] : [`in ${storage}${endpoint === undefined ? '' : ` at ${endpoint}`}`]),
      ...tellVariables(names, isNamed, file, env),
    ].join(', '),
  };
}

/** What belongs to the storage that the policy names, and to no other */
const ofPlace: readonly InputName[] = [
  ...(['s3-endpoint', 's3-region', 's3-addressing', 's3-sse', 's3-storage-class'] as const),
  ...(['copies', 'repository-key', 'encryption-identity'] as const),
];

function tellVariables(
  names: readonly string[],
  isNamed: boolean,
  file: string,
  env: NodeJS.ProcessEnv,
): string[] {
  if (names.length === 0) return [];
  if (!isNamed)
    return [`without ${listAll(names)}: variables are read for a file that is named (--config ${file})`];
  const absent = names.filter((name) => !env[name]?.trim());
  const present = names.filter((name) => !absent.includes(name));
  return [
    ...(present.length === 0 ? [] : [`with ${listAll(present)} of the environment`]),
    ...(absent.length === 0 ? [] : [`without ${listAll(absent)}, not set in the environment`]),
  ];
}

function listAll(names: readonly string[]): string {
  return list([...new Set(names)], 'and');
}
