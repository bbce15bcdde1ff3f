import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeManifest } from '../../src/repository/backups/manifests.ts';
import { openForBackup } from '../../src/repository/open.ts';
import { FileStorage } from '../../src/storage/file.ts';
import { createBackupId } from '../../src/values/timed-id.ts';
import { GitFolder } from '../migrations/git-folder.ts';
import { makeManifest, onlyMaker } from '../repository/example.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { presentContext } from '../support/context.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type CliOptions, runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { listBackups, listFolder } from './repository-folder.ts';
import { createDatabase, createShop, describeDatabase, query } from './shop.ts';

/* Before a release, and every day: whether there is a backup to go back to. */

let cluster: Cluster;
let folder: string;
let source: string;
/** Holds one backup, taken when the tests began. Tests work on copies. */
let original: string;
let first: string;
let repository: GitFolder;
let base: string;
let places = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gate-'));
  original = join(folder, 'original');
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
  first = String((await succeed(['backup', '--storage', original], { env: env() }))['backup-id']);
  repository = new GitFolder();
  base = repository.commit({ 'supabase/migrations/1.sql': 'CREATE TABLE a (id int);' });
  repository.commit({
    'supabase/migrations/2.sql': '-- DROP TABLE b;\nALTER TABLE sales.customers DROP COLUMN name;',
    'supabase/migrations/3.sql': 'CREATE TABLE c (id int);',
  });
});
afterAll(async () => {
  await cluster?.stop();
  repository?.remove();
  rmSync(folder, { recursive: true, force: true });
});

const env = () => ({ SUPABASE_BACKUP_DATABASE_URL: source });
const newPlace = () => join(folder, `place-${places++}`);

function copy(): string {
  const place = newPlace();
  cpSync(original, place, { recursive: true });
  return place;
}

/** A repository of the same database whose one backup is so old. */
async function makeOld(milliseconds: number): Promise<string> {
  const place = newPlace();
  const taken = new Date(Date.now() - milliseconds);
  const [row] = await query<{ system: string }>(
    source,
    'SELECT system_identifier::text AS system FROM pg_control_system()',
  );
  const bound = { systemIdentifier: row?.system ?? '', database: 'shop' };
  const opened = await openForBackup(
    new FileStorage(place, presentContext),
    undefined,
    bound,
    taken,
    onlyMaker,
  );
  const example = makeManifest();
  await writeManifest(
    opened,
    makeManifest({
      id: createBackupId(taken),
      startedAt: taken.toISOString(),
      finishedAt: taken.toISOString(),
      source: { ...example.source, ...bound, snapshotAt: taken.toISOString() },
      objects: [],
      tables: [],
      archive: { bytes: 0, objects: [] },
    }),
  );
  return place;
}

async function gate(place: string, words: readonly string[] = [], options: CliOptions = {}) {
  const command = ['gate', '--storage', place, ...words];
  const run = await runCli([...command, '--json'], { ...options, env: { ...env(), ...options.env } });
  const { outputs, error } = readPrinted(run.stdout);
  return { run, outputs, error };
}

async function find(place: string, id: unknown) {
  const { list } = await succeed(['list', '--storage', place]);
  const all = list as {
    id: string;
    label: string | null;
    pinned: boolean;
    kind: string;
  }[];
  return all.find((backup) => backup.id === id);
}

describe('a release passes', () => {
  test('on a fresh backup, and nothing is written', async () => {
    const before = listFolder(original);
    const { run, outputs } = await gate(original);
    expect(run.exitCode).toBe(0);
    expect(outputs).toMatchObject({
      gate: 'passed',
      'backup-id': first,
      destructive: null,
      'verified-age-seconds': null,
    });
    expect(outputs['age-seconds']).toBeLessThan(600);
    expect(listFolder(original)).toEqual(before);
  });

  test('with a backup that is taken for it when the newest is too old', async () => {
    const place = copy();
    await sleep(1100);
    const { run, outputs } = await gate(place, ['--max-age', '1s'], {
      env: { GITHUB_SHA: 'abcdef0123456789' },
    });
    expect(run.exitCode).toBe(0);
    expect(outputs).toMatchObject({ gate: 'backed-up' });
    expect(outputs['backup-id']).not.toBe(first);
    expect(listBackups(place)).toHaveLength(2);
    expect(await find(place, outputs['backup-id'])).toMatchObject({
      kind: 'incremental',
      label: 'before abcdef0',
      pinned: false,
    });
  });

  test('where nothing was ever stored, with the first backup, which is copied; with a label of ones own', async () => {
    const [place, other] = [newPlace(), newPlace()];
    const copies = { env: { SUPABASE_BACKUP_COPIES: `- { name: elsewhere, storage: '${other}' }` } };
    const { run, outputs } = await gate(place, ['--label', 'v2.4'], copies);
    expect(run).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('holds nothing yet') });
    expect(outputs).toMatchObject({ gate: 'backed-up', 'backup-id': listBackups(place)[0] });
    expect(await find(place, outputs['backup-id'])).toMatchObject({ label: 'v2.4' });
    expect(outputs.copies).toMatchObject([{ name: 'elsewhere', state: 'complete' }]);
    expect(listBackups(other)).toEqual(listBackups(place));
    // One that takes nothing copies nothing.
    const again = (await gate(place, [], copies)).outputs;
    expect(again).toMatchObject({ gate: 'passed' });
    expect(again.copies).toBeNull();
  });

  test('and the command of the report brings the backup back', async () => {
    const target = await createDatabase(cluster.superuserUrl(), 'gate_target');
    const run = await runCli(['gate', '--storage', original], { env: env() });
    const [, words = ''] = /^supabase-backup (restore .*)$/m.exec(run.stdout) ?? [];
    expect(words).toContain(first);
    await succeed(words.split(' '), { env: { SUPABASE_BACKUP_TARGET_URL: target } });
    expect(await describeDatabase(target)).toEqual(await describeDatabase(source));
  });
});

describe('a release is stopped', () => {
  test('when it is to take no backup, and the newest is too old or there is none', async () => {
    await sleep(1100);
    const before = listFolder(original);
    const { run, outputs } = await gate(original, ['--max-age', '1s', '--on-stale', 'stop']);
    expect(run.exitCode).toBe(3);
    expect(outputs).toMatchObject({ gate: 'stopped', 'backup-id': first });
    expect(listFolder(original)).toEqual(before);

    const place = newPlace();
    const empty = await gate(place, ['--on-stale', 'stop']);
    expect(empty.run.exitCode).toBe(3);
    expect(empty.outputs).toMatchObject({ gate: 'stopped', 'backup-id': null, 'age-seconds': null });
    expect(listFolder(place)).toEqual({});
  });

  test('when no drill has passed, until one does, and no backup is taken in vain', async () => {
    const place = copy();
    const limits = ['--drilled-within', '1d', '--verified-within', '1d'];
    // The repository is older than a second, and younger than a day: then a first drill is waited for.
    const due = ['--drilled-within', '1s', '--verified-within', '1d'];
    const { run, outputs } = await gate(place, [...due, '--max-age', '1s']);
    expect(run.exitCode).toBe(3);
    expect(outputs).toMatchObject({ gate: 'stopped', 'drilled-age-seconds': null });
    expect(listBackups(place)).toEqual([first]);
    const told = await runCli(['gate', '--storage', place, ...due], { env: env() });
    expect(told.stdout).toMatch(
      /no drill has passed within drilled-within \(1\.0 s\): there was none +Run `drill`/,
    );
    expect(told.stdout).toMatch(/drilled-within +since a drill passed +\S+ s +never +BROKEN/);
    const waiting = await runCli(['gate', '--storage', place, '--drilled-within', '1d'], { env: env() });
    expect(waiting.exitCode).toBe(0);
    expect(waiting.stdout).toMatch(/drilled-within +since a drill passed +24 h 00 min +never +not due yet/);

    const targetUrl = cluster.superuserUrl('postgres');
    await succeed(['drill', '--storage', place], { env: { SUPABASE_BACKUP_TARGET_URL: targetUrl } });
    const after = await gate(place, limits);
    expect(after.run.exitCode).toBe(0);
    expect(after.outputs['drilled-age-seconds']).toBeLessThan(60);
    expect(after.outputs['verified-age-seconds']).toBeLessThan(60);
  });

  test('when the backup that it needs fails', async () => {
    const place = await makeOld(48 * 3_600_000);
    const broken = { SUPABASE_BACKUP_DATABASE_URL: source.replace('/shop', '/no_such_database') };
    const { run, outputs, error } = await gate(place, [], { env: broken });
    expect(run.exitCode).not.toBe(0);
    expect(outputs).toBeNull();
    expect(error).toMatchObject({ message: expect.stringContaining('no_such_database') });
  });

  test('when the newest manifest is damaged and those before it are too old', async () => {
    const place = await makeOld(48 * 3_600_000);
    const [old] = listBackups(place);
    const newer = String((await gate(place)).outputs['backup-id']);
    expect((await gate(place, ['--on-stale', 'stop'])).outputs).toMatchObject({
      gate: 'passed',
      'backup-id': newer,
    });
    truncateSync(join(place, 'backups', `${newer}.json`), 500);
    const { run, outputs } = await gate(place, ['--on-stale', 'stop']);
    expect(run).toMatchObject({
      exitCode: 3,
      stderr: expect.stringMatching(/truncated or damaged.*passed over/),
    });
    expect(outputs).toMatchObject({ gate: 'stopped', 'backup-id': old });
  });
});

describe('a migration that destroys data', () => {
  const hour = 3_600_000;

  test('gets a backup of its own, pinned, and is named with its line', async () => {
    const place = await makeOld(hour);
    const event = join(folder, 'event.json');
    writeFileSync(event, JSON.stringify({ pull_request: { base: { sha: base } } }));
    const options = {
      cwd: repository.path,
      env: { ...env(), GITHUB_EVENT_PATH: event, GITHUB_SHA: '0123456789abcdef' },
    };
    const run = await runCli(['gate', '--storage', place], options);
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toMatch(
      /supabase\/migrations\/2\.sql:2 +DROP COLUMN +ALTER TABLE sales\.customers DROP COLUMN name/,
    );
    expect(run.stdout).toContain(`2 SQL migrations since ${base}, of which 1 destroys data`);
    const newest = listBackups(place).at(-1);
    expect(await find(place, newest)).toMatchObject({ pinned: true, label: 'before 0123456' });

    const again = await gate(place, [], options);
    expect(again.outputs).toMatchObject({
      gate: 'passed',
      'backup-id': newest,
      destructive: ['supabase/migrations/2.sql'],
    });
  });

  test('is stopped where no backup may be taken, and harmless ones pass', async () => {
    const place = await makeOld(hour);
    const options = { cwd: repository.path };
    const stop = ['--on-stale', 'stop'];
    expect((await gate(place, [...stop, '--base-ref', base], options)).run.exitCode).toBe(3);
    const none = await gate(place, [...stop, '--base-ref', 'HEAD'], options);
    expect(none.outputs).toMatchObject({ gate: 'passed', destructive: [] });
    const other = await gate(place, [...stop, '--base-ref', base, '--migrations', 'db'], options);
    expect(other.run.exitCode).toBe(3);
    expect(other.run.stderr).toContain('db is no folder of the working folder, and was not checked');
  });

  test('is not overlooked because of a base that git does not know', async () => {
    const { run } = await gate(original, ['--base-ref', 'v9'], { cwd: repository.path });
    expectRefusal(run, { exitCode: 2, says: /base-ref: git knows no commit v9/ });
    const outside = await gate(original, ['--base-ref', base], { cwd: folder });
    expectRefusal(outside.run, { exitCode: 2, says: /base-ref: git cannot read a repository/ });
  });
});

describe('status', () => {
  const status = async (place: string, ...words: string[]) => {
    const text = await runCli(['status', '--storage', place, ...words]);
    const { stdout } = await runCli(['status', '--storage', place, '--json', ...words]);
    return { ...text, outputs: readPrinted(stdout).outputs };
  };

  test('of a fresh backup is healthy, and nothing is written', async () => {
    const before = listFolder(original);
    const found = await status(original);
    expect(found).toMatchObject({ exitCode: 0, outputs: { status: 'healthy', 'backup-id': first } });
    expect(found.stdout).toMatch(/Backups in .*: HEALTHY/);
    expect(found.stdout).toMatch(new RegExp(`newest backup +${first}, .* old .*, full, `));
    expect(listFolder(original)).toEqual(before);
  });

  test('of an old one, or of one that was never proven, is broken', async () => {
    const found = await status(await makeOld(27 * 3_600_000));
    expect(found).toMatchObject({ exitCode: 3, outputs: { status: 'broken' } });
    expect(found.stdout).toMatch(/max-age .* 26 h 00 min +27 h 00 min +BROKEN/);
    expect(found.stderr).toContain('a limit of the backups is broken');
    const unproven = await status(original, '--verified-within', '1d');
    expect(unproven.exitCode).toBe(3);
    const place = copy();
    await succeed(['validate', '--storage', place]);
    expect(await status(place, '--verified-within', '1d')).toMatchObject({ exitCode: 0 });
  });

  test('is printed as metrics, and written for a collector, with the exit code of the report', async () => {
    const metrics = join(folder, 'status.prom');
    const words = ['--format', 'openmetrics', '--metrics-file', metrics, '--database', 'shop'];
    const found = await status(original, ...words);
    expect(found).toMatchObject({ exitCode: 0, outputs: { status: 'healthy' } });
    expect(found.stdout).toMatch(/^# TYPE supabase_backup_status_timestamp_seconds gauge\n/);
    expect(found.stdout).toContain('supabase_backup_limit_broken{database="shop",limit="max-age"} 0\n');
    expect(found.stdout).toMatch(/\n# EOF\n$/);
    expect(readFileSync(metrics, 'utf8')).toMatch(/\n# EOF\n$/);
    const broken = await status(original, ...words, '--verified-within', '1d');
    expect(broken).toMatchObject({ exitCode: 3, outputs: { status: 'broken' } });
    expect(broken.stdout).toContain('{database="shop",limit="verified-within"} 1\n');
    expect(readFileSync(metrics, 'utf8')).toContain('{database="shop",limit="verified-within"} 1\n');
  });

  test('refuses a file of metrics in a folder that does not exist', async () => {
    const run = await runCli(['status', '--storage', original, '--metrics-file', '/nowhere/x.prom']);
    expectRefusal(run, { exitCode: 2, says: /metrics-file: "\/nowhere\/x.prom" cannot be written/ });
  });

  test('shows the trend, and rings when the rows are gone', async () => {
    const place = copy();
    const words = ['backup', '--storage', place, '--exclude', 'public.readings,public.events'];
    await succeed(words, { env: env() });
    const found = await status(place);
    expect(found.exitCode).toBe(0);
    expect(found.stdout).toMatch(/WARNING: the newest backup has \d+ rows, and the one before/);
    expect(found.stdout).toMatch(/rows +█▁ /);
  });

  test('refuses a place that holds no repository', async () => {
    const run = await runCli(['status', '--storage', newPlace()]);
    expectRefusal(run, { exitCode: 2, says: /there is no repository/ });
  });
});
