import { lstat, mkdir, open, readFile, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { nameHost } from '../../github/run.ts';
import { identityLines } from '../../interface/inputs/key-values.ts';
import type { Operation } from '../../interface/inputs/operations.ts';
import type { KeyFileInputs } from '../../interface/inputs/setup-types.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { MadeKey } from './result.ts';
import { renderSheet, type SheetSubject } from './sheet.ts';

/** Where both files go: absolute paths, at neither of which anything is. */
export type KeyFiles = Pick<MadeKey, 'keyFile' | 'recoverySheet'>;

/** A key that is in memory alone; the identity must not reach a message. */
export interface Key {
  readonly identity: string;
  readonly recipient: string;
}

/**
 * Refuses a step of a workflow: its disk is gone after the job, and what it prints stays.
 *
 * @throws ConfigurationError
 */
export function refuseRunner(operation: Operation, { env }: Pick<Context, 'env'>): void {
  if (nameHost(env) === 'machine') return;
  throw new ConfigurationError(
    `operation: ${operation} must run on your own machine, but this is a step of a workflow`,
    `Run \`supabase-backup ${operation}\` in a terminal. The files that it creates must outlive the job, and nobody else may read them.`,
  );
}

/** Makes a key of the kind that age has known since its first version. */
export async function generateKey(): Promise<Key> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/**
 * Chooses where key and sheet go. Writes nothing.
 *
 * @param name what files in the usual place are named for
 * @throws ConfigurationError where something is there already, or the place is in a git repository
 */
export async function chooseKeyFiles(
  inputs: KeyFileInputs,
  name: string,
  { env }: Pick<Context, 'env'>,
): Promise<KeyFiles> {
  const keyFile = path.resolve(inputs.keyFile ?? usualKeyFile(name, env));
  const recoverySheet = path.resolve(
    inputs.recoverySheet ?? `${keyFile.replace(/\.(key|txt)$/, '')}-recovery-sheet.md`,
  );
  if (keyFile === recoverySheet)
    throw new ConfigurationError(
      say`${nameInput('recovery-sheet')}: is the same file as ${nameInput('key-file')}`,
      'Use another file, or leave it out: the sheet is then written beside the key.',
    );
  await refuseTaken('key-file', keyFile);
  await refuseTaken('recovery-sheet', recoverySheet);
  await refuseRepository('key-file', keyFile);
  await refuseRepository('recovery-sheet', recoverySheet);
  return { keyFile, recoverySheet };
}

function usualKeyFile(name: string, env: NodeJS.ProcessEnv): string {
  const home = env.HOME || env.USERPROFILE;
  const folder = env.XDG_CONFIG_HOME || (home && path.join(home, '.config'));
  if (!folder)
    throw new ConfigurationError(
      say`${nameInput('key-file')}: has no default location, because neither HOME nor XDG_CONFIG_HOME is set`,
      say`Set a file: ${nameInput('key-file', '/path/to/backup.key')}.`,
    );
  const file = name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+/, '') || 'supabase-backup';
  return path.join(folder, 'supabase-backup', `${file}.key`);
}

async function refuseTaken(input: 'key-file' | 'recovery-sheet', file: string): Promise<void> {
  const taken = await lstat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
  if (!taken) return;
  const recipient = input === 'key-file' ? await readRecipient(file) : undefined;
  const use =
    recipient === undefined
      ? 'Name'
      : say`Use that key: ${nameInput('encryption-recipients', recipient)}. Or name`;
  throw new ConfigurationError(
    say`${nameInput(input)}: ${file} already exists and is not overwritten`,
    say`${use} another file with ${nameInput(input)}. Never lose a key that backups are encrypted for.`,
  );
}

/** The recipient of the one key in a file; undefined where there is none that can be read. */
async function readRecipient(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const [only, ...more] = text.includes('AGE-SECRET-KEY-') ? identityLines(text) : [];
  if (only === undefined || more.length > 0) return undefined;
  // What is no identity has no recipient, and then only another file helps.
  return identityToRecipient(only).catch(() => undefined);
}

/** A key in a folder of git is one `git add` away from everybody who can read the repository. */
async function refuseRepository(input: string, file: string): Promise<void> {
  const root = await findWorkTree(path.dirname(file));
  if (root === undefined) return;
  throw new ConfigurationError(
    say`${nameInput(input)}: ${file} is inside the Git repository ${root}, where \`git add\` could publish it`,
    say`Choose a file outside of it with ${nameInput(input)}.`,
  );
}

/** Finds the git repository that a folder, which may not exist yet, is in. */
async function findWorkTree(folder: string): Promise<string | undefined> {
  const existing = await realpath(folder).catch(() => undefined);
  if (existing === undefined) {
    const parent = path.dirname(folder);
    return parent === folder ? undefined : findWorkTree(parent);
  }
  for (let at = existing; ; at = path.dirname(at)) {
    if ((await realpath(path.join(at, '.git')).catch(() => undefined)) !== undefined) return at;
    if (at === path.dirname(at)) return undefined;
  }
}

/**
 * Writes key and sheet, each readable by its owner alone, and on disk when this returns.
 *
 * @throws ConfigurationError where one cannot be written; then there is neither
 */
export async function storeKey(
  { identity, recipient }: Key,
  { keyFile, recoverySheet }: KeyFiles,
  about: SheetSubject,
  { now }: Pick<Context, 'now'>,
): Promise<MadeKey> {
  const made = now();
  const made8601 = made.toISOString().replace(/\.\d+Z$/, 'Z');
  const key = `# created: ${made8601}\n# public key: ${recipient}\n${identity}\n`;
  await writeNew('key-file', keyFile, key);
  try {
    const sheet = renderSheet({ ...about, identity, recipient, keyFile, made });
    await writeNew('recovery-sheet', recoverySheet, sheet);
  } catch (error) {
    await rm(keyFile, { force: true });
    throw error;
  }
  return { recipient, keyFile, recoverySheet };
}

async function writeNew(input: string, file: string, text: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new ConfigurationError(
      say`${nameInput(input)}: ${file} cannot be written`,
      say`Choose a file in a folder that this user can write to with ${nameInput(input)}. Nothing was set up.`,
      cause,
    );
  }
}
