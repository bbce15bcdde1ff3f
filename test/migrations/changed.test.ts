import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lookAtMigrations } from '../../src/migrations/changed.ts';
import { readEventBase } from '../../src/migrations/event-base.ts';
import { GitFolder } from './git-folder.ts';

let repository: GitFolder;
let base: string;
const start = process.cwd();
beforeEach(() => {
  repository = new GitFolder();
  base = repository.commit({ 'supabase/migrations/1.sql': 'DROP TABLE old;', 'README.md': '' });
  process.chdir(repository.path);
});
afterEach(() => {
  process.chdir(start);
  repository.remove();
});

const world = (env: NodeJS.ProcessEnv = {}) => ({
  env: { PATH: process.env.PATH, HOME: repository.path, ...env },
  signal: new AbortController().signal,
});
const look = (question: { folder?: string; baseRef?: string; derived?: string } = { baseRef: base }) =>
  lookAtMigrations(
    { folder: 'supabase/migrations', baseRef: undefined, derived: undefined, ...question },
    world(),
  );
const paths = async (question?: Parameters<typeof look>[0]) => {
  const found = await look(question);
  return found.kind === 'looked-at' ? found.destructive.map(({ path }) => path) : found;
};

describe('the migrations that came', () => {
  it('are those that were added or changed, by their names, and no others', async () => {
    repository.commit({
      'supabase/migrations/3 ü"x.sql': 'SELECT 1;\nTRUNCATE b;',
      'supabase/migrations/2.SQL': 'DROP TABLE a;',
      'supabase/migrations/4.sql': 'CREATE TABLE c (id int);',
      'supabase/seed.sql': 'TRUNCATE c;',
      'other/5.sql': 'DROP TABLE d;',
    });
    expect(await look()).toMatchObject({
      kind: 'looked-at',
      base,
      files: ['supabase/migrations/2.SQL', 'supabase/migrations/3 ü"x.sql', 'supabase/migrations/4.sql'],
      destructive: [
        { path: 'supabase/migrations/2.SQL', findings: [{ line: 1 }] },
        { path: 'supabase/migrations/3 ü"x.sql', findings: [{ line: 2, what: 'TRUNCATE' }] },
      ],
      passedOver: [],
    });
  });

  it('are none that a branch lacks because the base went on without it', async () => {
    repository.git('checkout', '-q', '-b', 'feature');
    repository.commit({ 'supabase/migrations/2.sql': 'SELECT 1;' });
    repository.git('checkout', '-q', 'main');
    repository.commit({ 'supabase/migrations/1.sql': 'SELECT 1;' });
    repository.git('checkout', '-q', 'feature');
    expect(await look({ baseRef: 'main' })).toMatchObject({
      files: ['supabase/migrations/2.sql'],
      destructive: [],
    });
  });

  it('include one that was changed or renamed, and not one that was removed', async () => {
    repository.commit({ 'supabase/migrations/1.sql': 'DROP TABLE old, new;' });
    expect(await paths()).toEqual(['supabase/migrations/1.sql']);
    repository.git('mv', 'supabase/migrations/1.sql', 'supabase/migrations/2.sql');
    repository.commit({});
    expect(await paths()).toEqual(['supabase/migrations/2.sql']);
    repository.git('rm', '-q', 'supabase/migrations/2.sql');
    repository.commit({});
    expect(await paths()).toEqual([]);
  });

  it('are found from a folder below, and read as they were committed', async () => {
    repository.commit({ 'supabase/migrations/2.sql': 'DROP TABLE a;' });
    writeFileSync('supabase/migrations/2.sql', 'SELECT 1;');
    process.chdir('supabase');
    expect(await look({ folder: 'migrations', baseRef: base })).toMatchObject({
      destructive: [{ path: 'supabase/migrations/2.sql' }],
      passedOver: [{ path: 'supabase/migrations/2.sql', why: 'not committed' }],
    });
  });

  it('are read in UTF-16 too, as PowerShell writes it', async () => {
    repository.commit({ 'supabase/migrations/2.sql': Buffer.from('\uFEFFDROP TABLE a;', 'utf16le') });
    expect(await paths()).toEqual(['supabase/migrations/2.sql']);
  });

  it('are named where they cannot be looked at', async () => {
    symlinkSync('1.sql', 'supabase/migrations/link.sql');
    repository.commit({ 'supabase/migrations/2.ts': 'drop()' });
    repository.write('supabase/migrations/3.sql', 'DROP TABLE a;');
    expect(await look()).toMatchObject({
      files: [],
      passedOver: [
        { path: 'supabase/migrations/2.ts', why: 'not SQL' },
        { path: 'supabase/migrations/3.sql', why: 'not committed' },
        { path: 'supabase/migrations/link.sql', why: 'not a plain file' },
      ],
    });
  });

  it('are none where the folder is missing, and that is told: it may be a slip', async () => {
    expect(await look({ folder: 'db/migrations', baseRef: base })).toMatchObject({
      kind: 'looked-at',
      files: [],
      passedOver: [{ path: 'db/migrations', why: expect.stringContaining('no folder') }],
    });
  });
});

describe('a base that git cannot compare with', () => {
  const refuse = async (question: Parameters<typeof look>[0]) => {
    const error = await look(question).then(
      () => undefined,
      (thrown) => thrown,
    );
    return { name: error?.name, message: error?.message, next: error?.next };
  };

  it('is refused when the user named it, and told when it was derived', async () => {
    expect(await refuse({ baseRef: 'v9' })).toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringMatching(/^base-ref: git knows no commit v9/),
    });
    expect(await look({ derived: 'a'.repeat(40) })).toMatchObject({
      kind: 'unseen',
      why: expect.stringContaining('git knows no commit aaa'),
    });
    expect(await look({})).toMatchObject({
      kind: 'not-asked',
      why: expect.stringContaining('no base-ref'),
    });
  });

  it('in a shallow clone is told as such', async () => {
    repository.commit({ 'supabase/migrations/2.sql': 'DROP TABLE a;' });
    const clone = mkdtempSync(join(tmpdir(), 'shallow-'));
    try {
      repository.git('clone', '-q', '--depth', '1', `file://${repository.path}`, clone);
      process.chdir(clone);
      expect(await refuse({ baseRef: base })).toMatchObject({
        message: expect.stringContaining('only part of the history'),
        next: expect.stringContaining('fetch-depth: 0'),
      });
      expect(await look({ derived: base })).toMatchObject({ kind: 'unseen' });
    } finally {
      process.chdir(start);
      rmSync(clone, { recursive: true });
    }
  });

  it.skipIf(process.getuid?.() !== 0)(
    'because the checkout is of somebody else is told with what to do about that',
    async () => {
      execFileSync('chown', ['-R', 'nobody', repository.path]);
      const remedy = expect.stringMatching(/belongs to another user.*safe\.directory/);
      expect(await look({ derived: base })).toMatchObject({ kind: 'unseen', remedy });
      expect(await refuse({ baseRef: base })).toMatchObject({ next: remedy });
    },
  );

  it('is refused where there is no repository, no git, or no common history', async () => {
    repository.git('checkout', '-q', '--orphan', 'other');
    repository.commit({ a: '' });
    expect(await refuse({ baseRef: base })).toMatchObject({
      message: expect.stringContaining('cannot compare'),
    });
    const folder = mkdtempSync(join(tmpdir(), 'no-git-'));
    process.chdir(folder);
    expect(await refuse({ baseRef: base })).toMatchObject({
      message: expect.stringContaining('cannot read a repository'),
    });
    const question = { folder: 'x', baseRef: undefined, derived: base };
    expect(await lookAtMigrations(question, world({ PATH: folder }))).toMatchObject({
      kind: 'unseen',
      remedy: expect.stringContaining('git is installed'),
    });
    process.chdir(start);
    rmSync(folder, { recursive: true });
  });
});

it('git gets none of our secrets', async () => {
  repository.commit({ 'supabase/migrations/2.sql': 'DROP TABLE a;' });
  const folder = mkdtempSync(join(tmpdir(), 'fake-git-'));
  const log = join(folder, 'log');
  writeFileSync(join(folder, 'git'), `#!/bin/sh\nenv >> ${log}\nPATH=${process.env.PATH} exec git "$@"\n`);
  chmodSync(join(folder, 'git'), 0o755);
  const env = {
    PATH: `${folder}:${process.env.PATH}`,
    SUPABASE_BACKUP_DATABASE_URL: 'hunter2',
    AWS_SECRET_ACCESS_KEY: 'hunter2',
  };
  const question = { folder: 'supabase/migrations', baseRef: base, derived: undefined };
  expect(await lookAtMigrations(question, world(env))).toMatchObject({ kind: 'looked-at' });
  const seen = readFileSync(log, 'utf8');
  expect(seen).toContain('GIT_LITERAL_PATHSPECS=1');
  expect(seen).not.toContain('hunter2');
  rmSync(folder, { recursive: true });
});

describe('the event of a run', () => {
  const read = (event: unknown) => {
    writeFileSync('event.json', typeof event === 'string' ? event : JSON.stringify(event));
    return readEventBase({ env: { GITHUB_EVENT_PATH: join(repository.path, 'event.json') } });
  };
  const [one, other] = ['1'.repeat(40), '2'.repeat(40)];

  it.each([
    ['a pull request', { pull_request: { base: { sha: one } }, before: other }, one],
    ['a push', { before: other }, other],
    ['a merge queue', { merge_group: { base_sha: one } }, one],
    ['a new branch', { before: '0'.repeat(40) }, undefined],
    ['a dispatch', { inputs: {} }, undefined],
  ])('of %s names the commit before', async (_what, event, expected) => {
    expect(await read(event)).toBe(expected);
  });

  it('that cannot be read, or that names no commit where one should be, is a mistake', async () => {
    for (const event of ['{', { before: '--output=x' }]) {
      await expect(read(event)).rejects.toThrow(/the event of this run cannot be read/);
    }
    expect(await readEventBase({ env: {} })).toBeUndefined();
  });
});
