import { existsSync } from 'node:fs';
import path from 'node:path';
import { ConfigurationError, messageOf } from '../errors.ts';
import { gitEnvironment } from '../postgres/environment.ts';
import { runTool } from '../postgres/process.ts';
import type { World } from '../world.ts';
import { type Finding, findDestructive } from './destructive.ts';

/** Why SQL was passed over that is going to run all the same */
export const unseenFiles: readonly string[] = ['not committed', 'not a plain file'];

export interface DestructiveMigration {
  /** From the top of the repository */
  readonly path: string;
  readonly findings: readonly Finding[];
}

export type Migrations =
  | {
      readonly kind: 'looked-at';
      /** What was compared, as the user or the event has named it */
      readonly base: string;
      /** SQL files that were added or changed since, in the order of their names */
      readonly files: readonly string[];
      readonly destructive: readonly DestructiveMigration[];
      /** Of the folder, too, and not looked at: why not, by path */
      readonly passedOver: readonly { readonly path: string; readonly why: string }[];
    }
  /** Nothing names a commit to compare with: nobody asked. */
  | { readonly kind: 'not-asked'; readonly why: string }
  /** There was something to look at, and it could not be. */
  | { readonly kind: 'unseen'; readonly why: string; readonly remedy: string };

interface Question {
  /** A folder, seen from the working folder */
  readonly folder: string;
  readonly baseRef: string | undefined;
  /** What the event of the run says, when `baseRef` is not given */
  readonly derived: string | undefined;
}

type GitWorld = Pick<World, 'env' | 'signal'>;

/**
 * Looks through the migrations that HEAD has and the base has not, or has otherwise. What is not committed is told, and not looked at.
 *
 * @throws ConfigurationError when the user named a base, and git cannot compare with it
 */
export async function lookAtMigrations(
  { folder, baseRef, derived }: Question,
  world: GitWorld,
): Promise<Migrations> {
  const base = baseRef ?? derived;
  if (base === undefined) {
    return {
      kind: 'not-asked',
      why: 'there is no base-ref, and the event of the run names no commit before',
    };
  }
  try {
    const found = await lookThrough(await listChanges(folder, base, world), world);
    // A name with a slip in it would let everything pass.
    const absent = existsSync(folder) ? [] : [{ path: folder, why: 'no folder of the working folder' }];
    return { kind: 'looked-at', base, ...found, passedOver: [...found.passedOver, ...absent] };
  } catch (error) {
    world.signal.throwIfAborted();
    if (!(error instanceof NoComparison)) throw error;
    if (baseRef === undefined) return { kind: 'unseen', why: error.message, remedy: error.next };
    throw new ConfigurationError(`base-ref: ${error.message}`, error.next, error);
  }
}

/** Git cannot tell what changed. */
class NoComparison extends Error {
  readonly next: string;

  constructor(message: string, next: string, cause?: unknown) {
    super(message, { cause });
    this.next = next;
  }
}

interface Change {
  /** As git writes it: 100644 and 100755 are files, 120000 is a link. Of what is not committed, empty. */
  readonly mode: string;
  readonly blob: string;
  readonly path: string;
}

async function listChanges(folder: string, base: string, world: GitWorld): Promise<Change[]> {
  await requireCommit(base, world);
  // Renames are no special case: under a new name, a migration runs again.
  const words = ['diff', '--raw', '-z', '--no-abbrev', '--no-renames', '--no-ext-diff', '--diff-filter=AMT'];
  const differences = await askGit([...words, `${base}...HEAD`, '--', folder], world).catch((cause) => {
    throw new NoComparison(
      `git cannot compare HEAD with ${base} (${messageOf(cause)})`,
      'Check out the commits between the two: `fetch-depth: 0` of actions/checkout.',
      cause,
    );
  });
  const changes = parseRaw(differences);
  const status = await read(['status', '--porcelain', '-z', '--no-renames', '-uall', '--', folder], world);
  const loose = status.split('\0').filter((entry) => entry.length > 3 && !/^.?D/.test(entry));
  return [...changes, ...loose.map((entry) => ({ mode: '', blob: '', path: entry.slice(3) }))].sort(
    (one, other) => (one.path < other.path ? -1 : 1),
  );
}

async function requireCommit(base: string, world: GitWorld): Promise<void> {
  await askGit(['rev-parse', '--git-dir'], world).catch((cause) => {
    const isOfAnother = /dubious ownership/.test(messageOf(cause));
    throw new NoComparison(
      `git cannot read a repository in the working folder (${messageOf(cause)})`,
      isOfAnother
        ? 'The checkout belongs to another user, as in a job with a container. Say before this step that it may be read: git config --global --add safe.directory "$GITHUB_WORKSPACE".'
        : 'Check the repository out with actions/checkout before this step, and see that git is installed.',
      cause,
    );
  });
  await askGit(['rev-parse', '--verify', '--quiet', `${base}^{commit}`], world).catch(async (cause) => {
    const shallow = (await askGit(['rev-parse', '--is-shallow-repository'], world)).trim() === 'true';
    throw new NoComparison(
      `git knows no commit ${base} here${shallow ? ': only part of the history was checked out' : ''}`,
      shallow
        ? 'Set `fetch-depth: 0` of actions/checkout.'
        : 'Name a commit, a tag or a branch that was fetched; a branch of GitHub is origin/main.',
      cause,
    );
  });
}

/** `:<old mode> <new mode> <old blob> <new blob> <letter>` and the path, each with a NUL behind it. */
function parseRaw(text: string): Change[] {
  const fields = text.split('\0');
  const changes: Change[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [, mode = '', , blob = ''] = (fields[index] ?? '').split(' ');
    changes.push({ mode, blob, path: fields[index + 1] ?? '' });
  }
  return changes;
}

async function lookThrough(changes: readonly Change[], world: GitWorld) {
  const files: string[] = [];
  const destructive: DestructiveMigration[] = [];
  const passedOver: { path: string; why: string }[] = [];
  for (const { path: file, mode, blob } of changes) {
    const why = whyNot(file, mode);
    if (why !== undefined) {
      passedOver.push({ path: file, why });
      continue;
    }
    files.push(file);
    // PowerShell writes UTF-16, in which every other byte of the code is NUL.
    const text = (await read(['cat-file', 'blob', blob], world)).replaceAll('\0', '');
    const findings = findDestructive(text.replace(/^[\uFEFF\uFFFD]+/, ''));
    if (findings.length > 0) destructive.push({ path: file, findings });
  }
  return { files, destructive, passedOver };
}

function whyNot(file: string, mode: string): string | undefined {
  if (path.extname(file).toLowerCase() !== '.sql') return 'not SQL';
  if (mode === '') return 'not committed';
  return mode.startsWith('100') ? undefined : 'not a plain file';
}

/** Asks for what must be there. */
async function read(args: readonly string[], world: GitWorld): Promise<string> {
  try {
    return await askGit(args, world);
  } catch (cause) {
    throw new NoComparison(
      `git cannot read the migrations (${messageOf(cause)})`,
      'See that the repository is checked out whole.',
      cause,
    );
  }
}

async function askGit(args: readonly string[], world: GitWorld): Promise<string> {
  const env = gitEnvironment(world.env, forAnswers);
  const { stdout } = await runTool('git', args, { env, signal: world.signal });
  return stdout;
}

/** Answers are read by a program, and a look writes nothing. */
const forAnswers = {
  LC_ALL: 'C',
  GIT_LITERAL_PATHSPECS: '1',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
};
