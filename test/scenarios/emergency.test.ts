import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareData, dumpData, dumpSchema } from '../fixture/dump.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { findObject, flipBit, listBackups, listFolder, readStoredManifest } from './repository-folder.ts';
import { createDatabase, createShop, describeDatabase, query } from './shop.ts';

/*
 * The worst day in one operation: rows are gone from production, and the two newest backups are damaged without anybody knowing. What
 * comes back is the newest backup that works, proven elsewhere before production is touched, and what production still had is kept.
 */

const minutes = 60_000;
let cluster: Cluster;
let other: Cluster;
let folder: string;
let storage: string;
let source: string;
let identity: string;
const ids: string[] = [];
const states: Awaited<ReturnType<typeof dump>>[] = [];

const dump = async (url: string) => ({
  schema: await dumpSchema(url, cluster.binFolder),
  data: await dumpData(url, cluster.binFolder),
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'emergency-'));
  storage = join(folder, 'repository');
  [cluster, other] = await Promise.all([startCluster(), startCluster()]);
  source = await createShop(cluster.superuserUrl(), 'shop');
  await query(
    source,
    `CREATE ROLE "the ""accountant"; ALTER TABLE private.notes OWNER TO "the ""accountant"`,
  );
  identity = await generateX25519Identity();
  const env = { SUPABASE_BACKUP_DATABASE_URL: source };
  for (const state of ['first', 'second', 'third']) {
    await query(source, `UPDATE public.events SET text = '${state}' WHERE id % 3 = 0`);
    const words = [
      'backup',
      '--storage',
      storage,
      '--encryption-recipients',
      await identityToRecipient(identity),
    ];
    ids.push(String((await succeed(words, { env }))['backup-id']));
    states.push(await dump(source));
  }
  const damaged = (id = '') =>
    join(storage, findObject(readStoredManifest(storage, id), 'public.events').key);
  rmSync(damaged(ids[1]));
  flipBit(damaged(ids[2]));
  await query(
    source,
    `DELETE FROM sales.orders WHERE id % 2 = 0; DROP TABLE private.notes; CREATE TABLE after (id int)`,
  );
}, 2 * minutes);
afterAll(async () => {
  await Promise.all([cluster?.stop(), other?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

function restore(target: string, ...options: string[]): Promise<Finished> {
  return runCli(['restore', '--storage', storage, ...options], {
    env: {
      SUPABASE_BACKUP_TARGET_URL: target,
      SUPABASE_BACKUP_STAGING_URL: other.superuserUrl(),
      SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity,
      GITHUB_ACTOR: 'octocat',
    },
  });
}

function readRecords(kind: string): Record<string, unknown>[] {
  const path = join(storage, 'records', kind);
  return readdirSync(path)
    .map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')))
    .sort((one, another) => (one.at < another.at ? -1 : 1))
    .map(({ content }) => content);
}

const describeServer = async () => [
  await query(other.superuserUrl(), 'SELECT datname FROM pg_database ORDER BY 1'),
  await query(other.superuserUrl(), 'SELECT rolname FROM pg_roles ORDER BY 1'),
];

test('asks for the words before it tries anything', async () => {
  const before = [listFolder(storage), await describeDatabase(source)];
  expectRefusal(await restore(source, '--clean', '--environment', 'production'), {
    exitCode: 2,
    says: /confirm: .*it is the database that was backed up, environment is production/,
    secrets: [identity, other.superuserUrl()],
  });
  expect([listFolder(storage), await describeDatabase(source)]).toEqual(before);
});

test(
  'leaves production alone when none of the backups that may be tried works',
  async () => {
    const before = await dump(source);
    const words = ['--clean', '--confirm', 'RESTORE PRODUCTION', '--fallback', '1'];
    const run = await restore(source, '--json', ...words);
    expect(run.exitCode, run.stderr).toBe(3);
    expect(readPrinted(run.stdout).outputs).toMatchObject({
      'backup-id': null,
      attempts: 2,
      'safety-backup-id': null,
    });
    const after = await dump(source);
    expect(after.schema).toBe(before.schema);
    expect(compareData(before.data, after.data)).toEqual([]);
    expect(readRecords('restores')).toMatchObject([
      { outcome: 'failed', why: expect.stringContaining('no backup passed on staging') },
    ]);
    expect(listBackups(storage)).toHaveLength(3);
  },
  2 * minutes,
);

test(
  'brings production back to the newest backup that works, and keeps what it still had',
  async () => {
    const [first = '', second = '', third = ''] = ids;
    const lost = await dump(source);
    const server = await describeServer();
    const drills = readRecords('drills').length;
    const run = await restore(
      source,
      ...['--clean', '--environment', 'Production', '--confirm', 'RESTORE PRODUCTION'],
      ...['--checks', 'SELECT count(*) = 400 FROM sales.orders'],
    );
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    expect(run.stdout).toContain(`Restore of backup ${first} into`);
    expect(run.stdout).toMatch(new RegExp(`${third} .*FAILED`));
    expect(run.stdout).toMatch(new RegExp(`${first} .*passed`));
    expect(run.stdout).toMatch(/The database could be used \d.* after the start/);
    expect(run.stdout).toContain('1 of 1 check passed');

    const now = await dump(source);
    expect(now.schema).toBe(states[0]?.schema);
    expect(states[0] && compareData(states[0].data, now.data)).toEqual([]);
    expect(await describeServer()).toEqual(server);
    expect(readRecords('drills').slice(drills)).toMatchObject([
      { backup: third, outcome: 'failed' },
      { backup: second, outcome: 'failed' },
      { backup: first, outcome: 'passed' },
    ]);
    const record = readRecords('restores').at(-1);
    expect(record).toMatchObject({
      ...{ backup: first, outcome: 'equal', actor: 'octocat', environment: 'Production', confirmed: true },
      staging: [
        { backup: third, why: expect.stringContaining('public.events') },
        { backup: second, why: expect.stringContaining('public.events') },
        { backup: first, why: null },
      ],
    });

    // The safety backup holds the same events as the damaged one, and yet it works: what was damaged is stored anew.
    const safety = String(record?.safetyBackup);
    expect(listBackups(storage)).toContain(safety);
    const back = await createDatabase(cluster.superuserUrl(), 'back');
    const kept = await runCli(['restore', '--json', '--storage', storage, '--backup-id', safety], {
      env: { SUPABASE_BACKUP_TARGET_URL: back, SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity },
    });
    expect(kept, kept.stderr).toMatchObject({ exitCode: 0 });
    const found = await dump(back);
    expect(found.schema).toBe(lost.schema);
    expect(compareData(lost.data, found.data)).toEqual([]);
  },
  3 * minutes,
);
