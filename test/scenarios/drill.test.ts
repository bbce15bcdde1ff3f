import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { findProcesses, hasProc, waitUntil } from './processes.ts';
import { expectRefusal } from './refusal.ts';
import { findObject, flipBit, listFolder, readStoredManifest } from './repository-folder.ts';
import { createDatabase, createShop, query } from './shop.ts';

/* A drill proves a backup by restoring it: into a database that nobody misses, with an answer that is kept. */

let cluster: Cluster;
/** The server of the drills has none of the source's roles. */
let other: Cluster;
let folder: string;
let original: string;
let older: string;
let newer: string;
let copies = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drill-'));
  original = join(folder, 'original');
  [cluster, other] = await Promise.all([startCluster(), startCluster()]);
  const source = await createShop(cluster.superuserUrl(), 'shop');
  await query(
    source,
    `CREATE ROLE "the ""accountant"; ALTER TABLE private.notes OWNER TO "the ""accountant"`,
  );
  const env = { SUPABASE_BACKUP_DATABASE_URL: source };
  const backup = async () => String((await succeed(['backup', '--storage', original], { env }))['backup-id']);
  older = await backup();
  await query(source, `UPDATE public.events SET text = 'changed' WHERE id = 1`);
  newer = await backup();
});
afterAll(async () => {
  await Promise.all([cluster?.stop(), other?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

function copy(): string {
  const path = join(folder, `copy-${++copies}`);
  cpSync(original, path, { recursive: true });
  return path;
}

const env = () => ({ SUPABASE_BACKUP_TARGET_URL: other.superuserUrl() });
const drill = (storage: string, ...words: string[]): Promise<Finished> =>
  runCli(['drill', '--json', '--storage', storage, ...words], { env: env() });

function outputsOf(run: Finished): Record<string, unknown> {
  return readPrinted(run.stdout).outputs;
}

/** What the records of drills say, oldest first. */
function readRecords(storage: string): Record<string, unknown>[] {
  const path = join(storage, 'records', 'drills');
  return readdirSync(path)
    .map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')))
    .sort((one, other) => (one.at < other.at ? -1 : 1))
    .map(({ content }) => content);
}

async function describeServer(): Promise<unknown> {
  return [
    await query(other.superuserUrl(), 'SELECT datname FROM pg_database ORDER BY 1'),
    await query(other.superuserUrl(), 'SELECT rolname FROM pg_roles ORDER BY 1'),
  ];
}

describe('a drill', () => {
  test('of a sound backup passes, measures the recovery, is recorded on it, and leaves the server as it was', async () => {
    const storage = copy();
    const before = await describeServer();
    const run = await drill(
      storage,
      '--checks',
      'SELECT count(*) = 50 FROM sales.customers',
      '--rto-target',
      '10m',
    );
    expect(run.exitCode).toBe(0);
    expect(outputsOf(run)).toMatchObject({
      'backup-id': newer,
      drill: 'passed',
      attempts: 1,
      parity: 'equal',
    });
    expect(outputsOf(run)['recovery-seconds']).toBeGreaterThan(0);
    expect(await describeServer()).toEqual(before);

    const [record] = readRecords(storage);
    expect(record).toMatchObject({ backup: newer, outcome: 'passed', why: null, parity: true });
    expect(record?.checks).toEqual({ asked: 1, failed: [] });
    const listed = (await succeed(['list', '--storage', storage])).list;
    expect(listed[0]).toMatchObject({ id: newer, drilled: { passed: true } });
    expect(listed[0].verifiedAt).not.toBeNull();
    expect(listed[1]).toMatchObject({ id: older, drilled: null, verifiedAt: null });
  });

  test('tests the restored database with the command of the user', async () => {
    const storage = copy();
    const out = join(folder, 'rows');
    const command = `psql -XAtc 'SELECT count(*) FROM public.readings' > '${out}'`;
    expect((await drill(storage, '--command', command)).exitCode).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe('12000\n');
    const failing = await drill(
      storage,
      '--command',
      'echo the app does not start >&2; exit 7',
      '--fallback',
      '0',
    );
    expect(failing.exitCode).toBe(3);
    expect(outputsOf(failing)).toMatchObject({ drill: 'failed', 'backup-id': null });
    expect(readRecords(storage).at(-1)?.why).toMatch(/exited with 7: the app does not start/);
  });

  test('waits for nothing that the command leaves running, and leaves none of that itself', async () => {
    const mark = `mark-${Math.random()}`;
    const started = performance.now();
    const command = `(trap '' TERM; sleep 91; :) & setsid sleep 92 & echo ready`;
    const run = await runCli(['drill', '--storage', copy(), '--command', command], {
      env: { ...env(), LC_SCENARIO: mark },
    });
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    expect(run.stderr).toContain('ready');
    expect(performance.now() - started).toBeLessThan(80_000);
    // What has made itself a group of its own is its maker's business.
    if (hasProc) {
      await waitUntil('it has ended', () =>
        findProcesses(mark).every(({ arguments: words }) => words.endsWith('92\0')),
      );
    }
  });

  test('shows none of our secrets to the command, and to client programs no more than what they need', async () => {
    const hidden = `hidden-${process.pid}`;
    const seen = join(folder, 'seen');
    const wrappers = join(folder, 'wrappers');
    mkdirSync(seen);
    mkdirSync(wrappers);
    for (const name of ['pg_dump', 'pg_restore']) {
      const lines = `#!/bin/sh\nenv >>'${join(seen, name)}'\nexec '${join(other.binFolder, name)}' "$@"\n`;
      writeFileSync(join(wrappers, name), lines, { mode: 0o755 });
    }
    const names = [
      ...['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'ACTIONS_RUNTIME_TOKEN', 'ACTIONS_RESULTS_URL'],
      ...['GITHUB_TOKEN', 'GH_TOKEN', 'GITHUB_ENV', 'GITHUB_OUTPUT', 'INPUT_STORAGE', 'INPUT_GITHUB-TOKEN'],
      ...['SUPABASE_BACKUP_REPOSITORY_KEY_OF_OTHERS', 'NPM_TOKEN', 'PGPASSFILE', 'SMTP_PASSWORD'],
    ];
    const run = await runCli(
      [
        ...['drill', '--json', '--storage', copy(), '--client-path', wrappers],
        ...['--command', `env >'${join(seen, 'command')}'`],
      ],
      {
        env: {
          ...env(),
          ...Object.fromEntries(names.map((name) => [name, hidden])),
          ...{ CI: 'true', GITHUB_WORKSPACE: folder, GITHUB_SHA: 'abc', TZ: 'UTC', LC_TIME: 'C' },
        },
      },
    );
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    const ofAll = 'HOME|LANG|LC_[A-Z]+|PATH|PWD|OLDPWD|SHLVL|TMPDIR|TZ|_|PG[A-Z_]+';
    for (const [file, allowed] of [
      ['command', `${ofAll}|CI|GITHUB_WORKSPACE|GITHUB_SHA`],
      ['pg_dump', ofAll],
      ['pg_restore', ofAll],
    ] as const) {
      const text = readFileSync(join(seen, file), 'utf8');
      expect(text).not.toContain(hidden);
      const found = new Set(text.split('\n').map((line) => line.split('=')[0] ?? ''));
      expect([...found].filter((name) => !new RegExp(`^(${allowed})?$`).test(name))).toEqual([]);
    }
    const lines = readFileSync(join(seen, 'command'), 'utf8').split('\n');
    const wanted = ['CI=true', `GITHUB_WORKSPACE=${folder}`, 'GITHUB_SHA=abc', 'TZ=UTC', 'LC_TIME=C'];
    expect(lines).toEqual(expect.arrayContaining(wanted));
  });

  test.each([
    ['says no', 'SELECT false', 'false'],
    ['has no row', 'SELECT true WHERE false', 'no row'],
    ['cannot be answered by these rows', 'SELECT 1 / (id - id) = 1 FROM sales.customers', 'division by zero'],
  ])('fails when a check %s, and asks the others all the same', async (_what, sql, answer) => {
    const storage = copy();
    const checks = join(folder, 'checks.sql');
    writeFileSync(checks, `-- what the app needs\n${sql}\nSELECT true\n`);
    expect((await drill(storage, '--backup-id', newer)).exitCode).toBe(0);
    const report = join(folder, `report-${copies}`);
    const words = ['drill', '--storage', storage, '--checks', checks, '--report-folder', report];
    const run = await runCli(words, { env: env() });
    expect(run.exitCode).toBe(3);
    expect(run.stdout).toContain('1 of 2 checks passed');
    expect(run.stdout).toContain(`${sql} (answer: ${answer})`);
    // The data came back: no older backup is tried, and nobody is sent to look for damage.
    expect(run.stdout).toContain('The backup is sound');
    expect(run.stdout).not.toContain('validate');
    expect(readRecords(storage).slice(1)).toMatchObject([
      { backup: newer, outcome: 'failed', fault: 'checks', checks: { asked: 2, failed: [sql] } },
    ]);
    expect(readFileSync(join(report, 'parity.md'), 'utf8')).toContain(answer);
    // What was proven before stays proven.
    const standing = await runCli(['status', '--json', '--storage', storage, '--drilled-within', '1h'], {
      env: env(),
    });
    expect(standing.exitCode, standing.stdout).toBe(0);
  });

  test.each([
    ['names what there is not', 'SELECT count(*) > 0 FROM nowhere', 'relation "nowhere" does not exist'],
    [
      'names a column that there is not',
      'SELECT bool_and(gone) FROM sales.customers',
      'column "gone" does not exist',
    ],
    ['cannot be parsed', 'SELECT true FROM WHERE', 'syntax error at or near "WHERE"'],
    ['compares what cannot be compared', 'SELECT id = true FROM sales.customers', 'operator does not exist'],
    ['answers with a number', 'SELECT count(*) FROM sales.customers', 'type bigint'],
    ['would write', 'DELETE FROM private.notes RETURNING true', 'DELETE'],
    [
      'would write behind a question',
      "SELECT nextval('sales.customers_id_seq') > 0",
      'read-only transaction',
    ],
  ])(
    'is a wrong input when a check %s: nothing is recorded, and no other backup tried',
    async (_what, sql, says) => {
      const storage = copy();
      const before = await describeServer();
      const run = await drill(storage, '--checks', sql);
      expectRefusal(run, { exitCode: 2, says: [/checks: /, new RegExp(says)], secrets: [] });
      expect(run.stderr).toContain(sql);
      expect(existsSync(join(storage, 'records', 'drills'))).toBe(false);
      expect(await describeServer()).toEqual(before);
    },
  );

  test('falls back on the backup before when one is damaged, and names it', async () => {
    const storage = copy();
    const before = await describeServer();
    flipBit(join(storage, findObject(readStoredManifest(storage, newer), 'public.events').key));
    const run = await runCli(['drill', '--storage', storage], { env: env() });
    expect(run.exitCode).toBe(3);
    expect(run.stdout).toContain(`the newest backup that works is ${older}`);
    expect(readRecords(storage)).toMatchObject([
      { backup: newer, outcome: 'failed', why: expect.stringContaining('public.events') },
      { backup: older, outcome: 'passed' },
    ]);
    expect(await describeServer()).toEqual(before);
  });

  test('without a fallback says that nothing works', async () => {
    const storage = copy();
    flipBit(join(storage, findObject(readStoredManifest(storage, newer), 'public.events').key));
    const run = await drill(storage, '--fallback', '0');
    expect(run.exitCode).toBe(3);
    expect(outputsOf(run)).toMatchObject({ drill: 'failed', attempts: 1, 'backup-id': null });
  });

  test.each([
    ['its id', () => older],
    ['a time', () => `before:${readSnapshotTime(older)}`],
  ])('of another backup takes it by %s', async (_what, choose) => {
    expect(outputsOf(await drill(copy(), '--backup-id', choose()))).toMatchObject({ 'backup-id': older });
  });

  test('of any backup of the last days takes one of them', async () => {
    const run = await drill(copy(), '--backup-id', 'random:1d');
    expect([older, newer]).toContain(outputsOf(run)['backup-id']);
  });

  test('of the latest verified backup takes the newest that was proven', async () => {
    const storage = copy();
    const none = await runCli(['drill', '--storage', storage, '--backup-id', 'latest-verified'], {
      env: env(),
    });
    expectRefusal(none, { exitCode: 2, says: /no backup with rows .* fits latest-verified/ });
    await succeed(['validate', '--storage', storage, '--backup-id', older]);
    expect(outputsOf(await drill(storage, '--backup-id', 'latest-verified'))).toMatchObject({
      'backup-id': older,
    });
  });

  test('refuses a role that may not make databases, and records nothing', async () => {
    const storage = copy();
    const before = listFolder(storage);
    await query(other.superuserUrl(), `CREATE ROLE poor LOGIN PASSWORD 'poor'`);
    const url = new URL(other.superuserUrl());
    url.username = 'poor';
    url.password = 'poor';
    const run = await runCli(['drill', '--storage', storage], {
      env: { SUPABASE_BACKUP_TARGET_URL: url.href },
    });
    expectRefusal(run, { exitCode: 2, says: /the scratch database cannot be created/, secrets: [url.href] });
    expect(listFolder(storage)).toEqual(before);
    await query(other.superuserUrl(), 'DROP ROLE poor');
  });
});

describe('a restore', () => {
  test('is recorded with who, where and what came of it, unless it was a dry run', async () => {
    const storage = copy();
    const target = await createDatabase(cluster.superuserUrl(), 'restored');
    const env = { SUPABASE_BACKUP_TARGET_URL: target, GITHUB_ACTOR: 'octocat' };
    await succeed(['restore', '--storage', storage, '--dry-run'], { env });
    expect(existsSync(join(storage, 'records', 'restores'))).toBe(false);
    await succeed(['restore', '--storage', storage], { env });
    const [name = ''] = readdirSync(join(storage, 'records', 'restores'));
    const text = readFileSync(join(storage, 'records', 'restores', name), 'utf8');
    const { content } = JSON.parse(text);
    expect(content).toMatchObject({
      backup: newer,
      actor: 'octocat',
      whole: true,
      outcome: 'equal',
      why: null,
    });
    expect(content.target).toMatch(/\/restored$/);
    expect(text).not.toContain(new URL(target).password);
    const shown = await runCli(['show', '--storage', storage, '--backup-id', newer]);
    expect(shown.stdout).toContain('by octocat: equal');
  });
});

function readSnapshotTime(id: string): string {
  const text = readFileSync(join(original, 'backups', `${id}.json`), 'utf8');
  return JSON.parse(text).source.snapshotAt;
}
