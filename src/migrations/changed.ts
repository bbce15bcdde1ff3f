import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ConfigurationError, messageOf } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { compare } from '../values/ordering.ts';
import { type Finding, findDestructive } from './destructive.ts';
import { askGit, type GitContext, NoComparison, readGit } from './git.ts';
import { decodeScript, isPointer } from './script-text.ts';

export interface DestructiveMigration {
  /** Relative to the top of the repository */
  readonly path: string;
  readonly findings: readonly Finding[];
}

/** A file or folder that was not inspected, and why */
export interface PassedOver {
  readonly path: string;
  readonly why: string;
  /** What makes an inspection possible; undefined for a file that cannot run with the release */
  readonly remedy?: string;
}

export type Migrations =
  | {
      readonly kind: 'looked-at';
      /** The commit that HEAD was compared with, as the user or the event names it */
      readonly base: string;
      /** SQL files that were added or changed since then, sorted by path */
      readonly files: readonly string[];
      readonly destructive: readonly DestructiveMigration[];
      /** Files, and the folder itself where it is not what it seems */
      readonly passedOver: readonly PassedOver[];
    }
  /** Neither the user nor the event names a commit to compare with. */
  | { readonly kind: 'not-asked'; readonly why: string }
  /** The event names a commit, and git cannot compare with it or cannot read the migrations. */
  | { readonly kind: 'unseen'; readonly why: string; readonly remedy: string };

interface Question {
  /** A folder, relative to the working folder */
  readonly folder: string;
  readonly baseRef: string | undefined;
  /** The base commit by the run's event, which counts when `baseRef` is undefined */
  readonly derived: string | undefined;
}

/** The folder of migrations by default */
const usualFolder = 'supabase/migrations';
/** Bytes */
const largestScript = 64 * 1024 * 1024;

/**
 * Inspects the migrations that HEAD adds to the base or changes. Files that are not committed are reported as
 * passed over.
 *
 * @throws ConfigurationError when the user named a base that git cannot compare with
 */
export async function lookAtMigrations(
  { folder, baseRef, derived }: Question,
  context: GitContext,
): Promise<Migrations> {
  const base = baseRef ?? derived;
  if (base === undefined) {
    return {
      kind: 'not-asked',
      why: 'there is no base-ref, and the event of the run has no previous commit',
    };
  }
  try {
    await requireCommit(base, context);
    const top = (await readGit(['rev-parse', '--show-toplevel'], context)).toString().replace(/\n$/, '');
    const changes = await listChanges(folder, base, context);
    const found = await lookThrough(changes, top, context);
    const place = await judgeFolder(folder, base, top, context);
    return { kind: 'looked-at', base, ...found, passedOver: [...found.passedOver, ...place] };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof NoComparison)) throw error;
    if (baseRef === undefined) return { kind: 'unseen', why: error.message, remedy: error.next };
    throw new ConfigurationError(say`${nameInput('base-ref')}: ${error.message}`, error.next, error);
  }
}

async function requireCommit(base: string, context: GitContext): Promise<void> {
  await askGit(['rev-parse', '--git-dir'], context).catch((cause) => {
    const isOfAnother = /dubious ownership/.test(messageOf(cause));
    throw new NoComparison(
      `git cannot read a repository in the working folder (${messageOf(cause)})`,
      isOfAnother
        ? 'The checkout belongs to another user, as in a job with a container. Say before this step that it may be read: git config --global --add safe.directory "$GITHUB_WORKSPACE".'
        : 'Check the repository out with actions/checkout before this step, and see that git is installed.',
      cause,
    );
  });
  await askGit(['rev-parse', '--verify', '--quiet', `${base}^{commit}`], context).catch(async (cause) => {
    const shallow = (await askGit(['rev-parse', '--is-shallow-repository'], context)).trim() === 'true';
    throw new NoComparison(
      `git knows no commit ${base} here${shallow ? ': only part of the history was checked out' : ''}`,
      shallow
        ? 'Set `fetch-depth: 0` of actions/checkout.'
        : 'Name a commit, a tag or a branch that was fetched; a branch of GitHub is origin/main.',
      cause,
    );
  });
}

interface Change {
  /** Git's mode: 100644 and 100755 files, 120000 symbolic link, 160000 submodule; empty if not committed */
  readonly mode: string;
  readonly blob: string;
  readonly path: string;
}

/** Shows submodules that .gitmodules hides: a pull request can change that file itself. */
const withSubmodules = '--ignore-submodules=none';

async function listChanges(folder: string, base: string, context: GitContext): Promise<Change[]> {
  // A renamed migration counts as added: it runs again under its new name.
  const words = ['diff', '--raw', '-z', '--no-abbrev', '--no-renames', '--no-ext-diff', '--diff-filter=AMT'];
  const differences = await askGit([...words, withSubmodules, `${base}...HEAD`, '--', folder], context).catch(
    (cause) => {
      throw new NoComparison(
        `git cannot compare HEAD with ${base} (${messageOf(cause)})`,
        'Check out the commits between the two: `fetch-depth: 0` of actions/checkout.',
        cause,
      );
    },
  );
  const changes = [...parseRaw(differences), ...(await listLoose(folder, context))];
  return changes.sort((one, other) => compare(one.path, other.path));
}

/** Lists files whose content is not committed: they run with the release, even where git ignores them. */
async function listLoose(folder: string, context: GitContext): Promise<Change[]> {
  const words = ['status', '--porcelain', '-z', '--no-renames', '-uall', '--ignored', withSubmodules];
  const status = await readGit([...words, '--', folder], context);
  return status
    .toString()
    .split('\0')
    .filter((entry) => entry.length > 3 && !/^.?D/.test(entry))
    .filter((entry) => !entry.startsWith('!!') || isSql(entry))
    .map((entry) => ({ mode: '', blob: '', path: entry.slice(3) }));
}

/** Parses `:<old mode> <new mode> <old blob> <new blob> <letter>` and a path, each ended by a NUL. */
function parseRaw(text: string): Change[] {
  const fields = text.split('\0');
  const changes: Change[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [, mode = '', , blob = ''] = (fields[index] ?? '').split(' ');
    changes.push({ mode, blob, path: fields[index + 1] ?? '' });
  }
  return changes;
}

async function lookThrough(changes: readonly Change[], top: string, context: GitContext) {
  const files: string[] = [];
  const destructive: DestructiveMigration[] = [];
  const passedOver = changes.flatMap((change) => whyNot(change) ?? []);
  const scripts = changes.filter((change) => whyNot(change) === undefined);
  const facts = await readFacts(scripts, top, context);
  for (const script of scripts) {
    const text = await readScript(script, facts, top, context);
    if (typeof text !== 'string') {
      passedOver.push(text);
      continue;
    }
    files.push(script.path);
    const findings = findDestructive(text);
    if (findings.length > 0) destructive.push({ path: script.path, findings });
  }
  return {
    files,
    destructive,
    passedOver: passedOver.sort((one, other) => compare(one.path, other.path)),
  };
}

const isSql = (file: string): boolean => /\.(sql|psql|pgsql|ddl)$/i.test(file);

function whyNot({ path: file, mode }: Change): PassedOver | undefined {
  // Links and repositories come before the test of the name, as both may hold scripts. A repository that is
  // not committed is listed with a slash at the end.
  if (mode === '160000' || (mode === '' && file.endsWith('/'))) {
    const remedy = 'Keep migrations in this repository. Migrations of another repository cannot be compared.';
    return { path: file, why: 'a repository of its own', remedy };
  }
  if (mode === '120000') return { path: file, why: 'not a plain file', remedy: asFile };
  if (!isSql(file)) return { path: file, why: 'not SQL' };
  return mode === '' ? { path: file, why: 'not committed', remedy: asFile } : undefined;
}

const asFile = 'Commit it as a file, or remove it.';

interface ScriptFacts {
  /** Bytes, by blob */
  readonly sizes: ReadonlyMap<string, number>;
  /** Paths whose stored content differs from the checked-out file: Git LFS, git-crypt */
  readonly filtered: ReadonlySet<string>;
}

async function readFacts(scripts: readonly Change[], top: string, context: GitContext): Promise<ScriptFacts> {
  if (scripts.length === 0) return { sizes: new Map(), filtered: new Set() };
  const blobs = scripts.map(({ blob }) => `${blob}\n`).join('');
  const sizes = await readGit(['cat-file', '--batch-check=%(objectname) %(objectsize)'], context, blobs);
  const names = scripts.map((script) => `${script.path}\0`).join('');
  const attributes = await readGit(['-C', top, 'check-attr', '-z', '--stdin', 'filter'], context, names);
  const fields = attributes.toString().split('\0');
  return {
    sizes: new Map(
      sizes
        .toString()
        .split('\n')
        .map((line) => line.split(' '))
        .map(([blob = '', size]) => [blob, Number(size)]),
    ),
    filtered: new Set(
      fields.filter(
        (_, index) => index % 3 === 0 && !['unspecified', 'unset', undefined].includes(fields[index + 2]),
      ),
    ),
  };
}

/** Reads the text of a script as it will run, or says why it cannot be read. */
async function readScript(
  { path: file, blob }: Change,
  { sizes, filtered }: ScriptFacts,
  top: string,
  context: GitContext,
): Promise<string | PassedOver> {
  const size = sizes.get(blob);
  if (size === undefined || Number.isNaN(size)) {
    throw new NoComparison(`git does not have ${file}`, 'See that the repository is checked out whole.');
  }
  const isLarge = { path: file, why: 'larger than 64 MiB', remedy: 'Split it, and keep rows elsewhere.' };
  if (size > largestScript) return isLarge;
  const bytes = filtered.has(file)
    ? readChecked(path.join(top, file))
    : await readGit(['cat-file', 'blob', blob], context);
  if (bytes === undefined || isPointer(bytes)) {
    const remedy = 'Check it out: `lfs: true` of actions/checkout.';
    return { path: file, why: 'kept elsewhere than in git', remedy };
  }
  if (bytes.length > largestScript) return isLarge;
  return (
    decodeScript(bytes) ?? { path: file, why: 'no text', remedy: 'Store it as text, in UTF-8 or UTF-16.' }
  );
}

function readChecked(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    // The file is not checked out, and the blob that git stores in its place is no SQL.
    return undefined;
  }
}

/**
 * Reports a folder that is a link, a submodule or missing: git lists no changes in it, so every migration
 * would pass.
 */
async function judgeFolder(
  folder: string,
  base: string,
  top: string,
  context: GitContext,
): Promise<PassedOver[]> {
  const prefix = (await readGit(['rev-parse', '--show-prefix'], context)).toString().trimEnd();
  const fromTop = path.isAbsolute(folder) ? path.relative(top, folder) : path.posix.join(prefix, folder);
  const parts = fromTop.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
  const places = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
  const entries = places.length === 0 ? [] : await listTree('HEAD', places, top, context);
  const detour = entries.find(({ mode }) => mode === '120000' || mode === '160000');
  if (detour !== undefined) {
    const remedy = 'Set `migrations` to the folder itself, in the repository that contains it.';
    return [{ path: detour.path, why: 'a link, or a repository of its own', remedy }];
  }
  if (existsSync(folder) || places.length === 0) return [];
  const wasThere = (await listTree(base, places.slice(-1), top, context)).length > 0;
  if (wasThere || entries.length === places.length) return [];
  const why = 'no folder of the working folder';
  if (folder === usualFolder) return [{ path: folder, why }];
  return [{ path: folder, why, remedy: 'Correct `migrations`, which is relative to the working folder.' }];
}

async function listTree(
  commit: string,
  places: readonly string[],
  top: string,
  context: GitContext,
): Promise<{ mode: string; path: string }[]> {
  const listed = await readGit(['-C', top, 'ls-tree', '-z', commit, '--', ...places], context);
  return listed
    .toString()
    .split('\0')
    .filter((entry) => entry !== '')
    .map((entry) => ({ mode: entry.slice(0, 6), path: entry.slice(entry.indexOf('\t') + 1) }));
}
