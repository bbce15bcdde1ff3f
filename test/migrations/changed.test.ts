import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEventBase } from '../../src/github/event.ts';
import { lookAtMigrations } from '../../src/migrations/changed.ts';
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

const context = (env: NodeJS.ProcessEnv = {}) => ({
  env: { PATH: process.env.PATH, HOME: repository.path, ...env },
  signal: new AbortController().signal,
});
const look = (question: { folder?: string; baseRef?: string; derived?: string } = { baseRef: base }) =>
  lookAtMigrations(
    { folder: 'supabase/migrations', baseRef: undefined, derived: undefined, ...question },
    context(),
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

  it.each(['.sql', 'more/1.sql', '1.pgsql', '1.PSQL', '1.ddl', '1.down.sql'])(
    'are those whose names say so: %s',
    async (name) => {
      repository.commit({ [`supabase/migrations/${name}`]: 'DROP TABLE a;' });
      expect(await paths()).toEqual([`supabase/migrations/${name}`]);
    },
  );

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

describe('what runs with the release and cannot be looked at', () => {
  /** What the gate takes for a reason to stop */
  const unseen = async (folder = 'supabase/migrations') => {
    const found = await look({ folder, baseRef: base });
    if (found.kind !== 'looked-at') throw new Error(found.why);
    return found.passedOver.flatMap(({ path, why, remedy }) => (remedy === undefined ? [] : [[path, why]]));
  };

  it('is a folder that is a link', async () => {
    repository.git('rm', '-rq', 'supabase/migrations');
    repository.write('elsewhere/2.sql', 'DROP TABLE a;');
    mkdirSync('supabase', { recursive: true });
    symlinkSync('../elsewhere', 'supabase/migrations');
    repository.commit({});
    expect(await unseen()).toContainEqual(['supabase/migrations', 'not a plain file']);
    expect(await unseen('supabase/migrations/.')).not.toEqual([]);
  });

  it('is a folder below a link', async () => {
    repository.git('mv', 'supabase', 'elsewhere');
    symlinkSync('elsewhere', 'supabase');
    base = repository.commit({});
    repository.commit({ 'elsewhere/migrations/2.sql': 'DROP TABLE a;' });
    const found = await look({ derived: base });
    const seen = found.kind === 'looked-at' ? found.passedOver.map(({ remedy }) => remedy) : [found.kind];
    expect(seen).not.toEqual([]);
    expect(seen).not.toContain(undefined);
  });

  it.each(['supabase', 'supabase/migrations', 'supabase/migrations/more'])(
    'is a repository of its own, also where .gitmodules hides it: %s',
    async (place) => {
      const other = new GitFolder();
      try {
        other.commit({ '2.sql': 'DROP TABLE a;', 'migrations/2.sql': 'DROP TABLE a;' });
        if (place !== 'supabase/migrations/more') repository.git('rm', '-rq', place);
        repository.git('-c', 'protocol.file.allow=always', 'submodule', 'add', '-q', other.path, place);
        repository.git('config', '-f', '.gitmodules', `submodule.${place}.ignore`, 'all');
        repository.commit({});
        expect(await unseen()).not.toEqual([]);
      } finally {
        other.remove();
      }
    },
  );

  it('is a repository that nobody has added', async () => {
    const nested = join(repository.path, 'supabase/migrations/more');
    mkdirSync(nested);
    execFileSync('git', ['init', '-q', nested]);
    writeFileSync(join(nested, '2.sql'), 'DROP TABLE a;');
    expect(await unseen()).toEqual([['supabase/migrations/more/', 'a repository of its own']]);
  });

  it('is a file that git is to ignore', async () => {
    repository.commit({ '.gitignore': '2.sql\n*.log\n' });
    repository.write('supabase/migrations/2.sql', 'DROP TABLE a;');
    repository.write('supabase/migrations/2.log', '');
    expect(await unseen()).toEqual([['supabase/migrations/2.sql', 'not committed']]);
  });

  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 14\n`;

  it('is a file that Git LFS has and that is not checked out', async () => {
    repository.commit({ 'supabase/migrations/2.sql': pointer });
    expect(await unseen()).toEqual([['supabase/migrations/2.sql', 'kept elsewhere than in git']]);
  });

  it('is none that a filter of git keeps otherwise, and checks out', async () => {
    repository.git('config', 'filter.lfs.clean', `printf '${pointer.replaceAll('\n', '\\n')}'`);
    repository.git('config', 'filter.lfs.smudge', "printf 'DROP TABLE a;'");
    repository.commit({
      '.gitattributes': '2.sql filter=lfs',
      'supabase/migrations/2.sql': 'DROP TABLE a;',
    });
    expect(repository.git('show', 'HEAD:supabase/migrations/2.sql')).toContain('git-lfs');
    expect(await paths()).toEqual(['supabase/migrations/2.sql']);
    rmSync('supabase/migrations/2.sql');
    expect(await unseen()).toEqual([['supabase/migrations/2.sql', 'kept elsewhere than in git']]);
  });

  it.each([
    ['packed', gzipSync('DROP TABLE a;'.repeat(100))],
    ['of nothing but NUL', Buffer.alloc(1000)],
    ['with a NUL in it', Buffer.from('SELECT 1;\n\0DROP TABLE a;')],
  ])('is a file that is %s', async (_, content) => {
    repository.commit({ 'supabase/migrations/2.sql': content });
    expect(await unseen()).toEqual([['supabase/migrations/2.sql', 'no text']]);
  });

  it('is a file that is too large', async () => {
    repository.commit({ 'supabase/migrations/2.sql': Buffer.alloc(65 * 1024 * 1024, ' ') });
    expect(await unseen()).toEqual([['supabase/migrations/2.sql', 'larger than 64 MiB']]);
  });

  it('is a folder that somebody has named, and that never was', async () => {
    expect(await unseen('db/migrations')).toEqual([['db/migrations', 'no folder of the working folder']]);
    repository.git('rm', '-rq', 'supabase');
    repository.commit({});
    expect(await unseen()).toEqual([]);
    expect(await unseen('supabase/migrations/')).toEqual([]);
  });
});

describe('a migration in another encoding', () => {
  const hidden = "-- \u0127 \u2700 it's\nDROP TABLE a;\n";
  const swap = (bytes: Buffer) => Buffer.from(bytes).swap16();
  it.each([
    ['UTF-16', Buffer.from(`\uFEFF${hidden}`, 'utf16le')],
    ['UTF-16 the other way round', swap(Buffer.from(`\uFEFF${hidden}`, 'utf16le'))],
    ['UTF-16 without a mark', Buffer.from(hidden, 'utf16le')],
    ['UTF-8 with a mark', Buffer.from(`\uFEFF${hidden}`)],
    ['Latin-1', Buffer.from("-- M\u00fcller's\nDROP TABLE a;", 'latin1')],
    ['lines of Windows', Buffer.from('SELECT 1;\r\nDROP TABLE a;\r\n')],
    ['lines of old Macs', Buffer.from('SELECT 1;\rDROP TABLE a;\r')],
  ])('is read: %s', async (_, content) => {
    repository.commit({ 'supabase/migrations/2.sql': content });
    expect(await paths()).toEqual(['supabase/migrations/2.sql']);
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
    expect(await lookAtMigrations(question, context({ PATH: folder }))).toMatchObject({
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
  expect(await lookAtMigrations(question, context(env))).toMatchObject({ kind: 'looked-at' });
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
