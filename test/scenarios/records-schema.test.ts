import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { dumpSchema } from '../fixture/dump.ts';
import { makeRecords, writeRecord } from '../fixture/records-schema.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli } from '../support/run-cli.ts';
import { Ladder } from './ladder.ts';
import { createDatabase, createShop, query } from './shop.ts';

/**
 * Records in SQL may lie in the database that is backed up, and in the one that is restored into. They are no part of either: what
 * pg_dump writes without their schema is what comes back, and no run of ours counts as a change.
 */

const minutes = 60_000;
const words = ['--confirm', 'RESTORE PRODUCTION', '--safety-backup', 'false'];
let cluster: Cluster;
let ladder: Ladder;
let made = 0;

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off', max_slot_wal_keep_size: '1GB' } });
});
afterAll(() => cluster?.stop());
beforeEach(async () => {
  const source = await createShop(cluster.superuserUrl(), `recorded_${++made}`);
  await query(source, makeRecords);
  await query(source, writeRecord);
  ladder = new Ladder({ superuserUrl: cluster.superuserUrl(), bin: cluster.binFolder }, source);
  return () => ladder[Symbol.dispose]();
}, minutes);

const countRecords = async (url: string) =>
  (await query(url, 'SELECT count(*)::int AS n FROM supabase_backup_records.backup_jobs'))[0]?.n;

/** Everything that pg_dump writes of a database, but for the records. */
function dumpOthers(url: string): string {
  const args = [
    '--no-password',
    '--rows-per-insert=1000',
    '--exclude-schema=supabase_backup_records',
    '--restrict-key=x',
    url,
  ];
  return execFileSync(join(cluster.binFolder, 'pg_dump'), args, {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
}

test(
  'a backup of a database with records has everything but them, and a restore brings all of it',
  async () => {
    await ladder.take('full');
    const target = await ladder.restore();
    expect(
      await query(target, `SELECT nspname FROM pg_namespace WHERE nspname ~ '^supabase_backup'`),
    ).toEqual([]);
    expect(dumpOthers(target)).toBe(dumpOthers(ladder.source));
    expect(ladder.latest?.manifest.facts.roles).not.toContain('supabase_backup_reader');
  },
  minutes,
);

test(
  'a database in which nothing but records was written is idle',
  async () => {
    const full = await ladder.take('full');
    await query(ladder.source, 'CHECKPOINT');
    await query(ladder.source, writeRecord);
    await query(ladder.source, writeRecord);
    const idle = await ladder.step();
    expect(idle.outputs['new-bytes']).toBe(0);
    expect(idle.manifest.archive.objects.map((index) => idle.manifest.objects[index]?.name)).toEqual(
      full.manifest.archive.objects.map((index) => full.manifest.objects[index]?.name),
    );
    await query(ladder.source, `${writeRecord}; INSERT INTO public.settings VALUES ('beside', 'a record')`);
    await ladder.step({ read: ['settings'], reused: ['readings', 'events'] });
    const target = await ladder.restore();
    expect(dumpOthers(target)).toBe(dumpOthers(ladder.source));
  },
  minutes,
);

test(
  'a database taken for idle that is not: once the recheck finds it, nothing of the base is taken over, definitions neither',
  async () => {
    await ladder.take('full');
    // Notes itself as one that writes nothing but records, which is not true.
    await query(
      ladder.source,
      `BEGIN;
       INSERT INTO supabase_backup_records.transactions DEFAULT VALUES;
       CREATE TABLE public.unseen AS SELECT 5 AS id;
       CREATE FUNCTION public.unseen() RETURNS int LANGUAGE sql AS 'SELECT 5';
       UPDATE public.settings SET value = 'blue' WHERE key = 'colour';
       COMMIT`,
    );
    const run = await ladder.run('incremental', ['--recheck', '100%']);
    expect(run, run.stderr).toMatchObject({ exitCode: 3 });
    expect(run.stderr).toMatch(/public\.settings: its rows are not what backup .* stored/);
    expect(ladder.describe(run).manifest).toMatchObject({ kind: 'full', base: null });
    const target = await ladder.restore();
    expect(dumpOthers(target)).toBe(dumpOthers(ladder.source));
  },
  minutes,
);

test(
  'a database taken for idle in which definitions alone have changed: they are written anew',
  async () => {
    const full = await ladder.take('full');
    await query(
      ladder.source,
      `BEGIN;
       INSERT INTO supabase_backup_records.transactions DEFAULT VALUES;
       CREATE FUNCTION public.unseen() RETURNS int LANGUAGE sql AS 'SELECT 5';
       COMMIT`,
    );
    const step = await ladder.step();
    // No row was read: the database was taken for idle.
    expect(step.outputs['reused-share']).toBe(1);
    expect(step.manifest.source.definitions).not.toBe(full.manifest.source.definitions);
    const target = await ladder.restore();
    expect(dumpOthers(target)).toBe(dumpOthers(ladder.source));
  },
  minutes,
);

test(
  'a clean restore keeps the records of its target, and is equal to the backup all the same',
  async () => {
    await ladder.take('full');
    const target = await createDatabase(cluster.superuserUrl(), 'recorded_target');
    await query(target, `CREATE TABLE public.old (id int); ${makeRecords}`);
    for (let n = 0; n < 3; n++) await query(target, writeRecord);
    const before = await dumpSchema(target, cluster.binFolder);
    const run = await runCli(['restore', '--storage', ladder.storage, '--clean', ...words], {
      env: { SUPABASE_BACKUP_TARGET_URL: target },
    });
    expect(run, run.stdout + run.stderr).toMatchObject({ exitCode: 0 });
    expect(run.stdout).toMatch(/Parity: equal/);
    expect(run.stdout).not.toMatch(/Left out/);
    expect(run.stderr).toContain('The schema supabase_backup_records stays as it is');
    expect(dumpOthers(target)).toBe(dumpOthers(ladder.source));
    expect(await countRecords(target)).toBe(3);
    const linesOf = (text: string) =>
      text.split('\n').filter((line) => line.includes('supabase_backup_records'));
    expect(linesOf(await dumpSchema(target, cluster.binFolder))).toEqual(linesOf(before));
    // Records alone leave a database empty.
    await query(
      target,
      'DROP SCHEMA public, sales, private CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC',
    );
    const again = await runCli(['restore', '--storage', ladder.storage], {
      env: { SUPABASE_BACKUP_TARGET_URL: target },
    });
    expect(again, again.stdout + again.stderr).toMatchObject({ exitCode: 0 });
    expect(await countRecords(target)).toBe(3);
  },
  2 * minutes,
);

test(
  'a capture counts no record as a change, and keeps a TRUNCATE that names other tables too',
  async () => {
    const capture = async () => {
      const run = await runCli(['capture', '--json', '--storage', ladder.storage], {
        env: { SUPABASE_BACKUP_DATABASE_URL: ladder.source },
      });
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      return readPrinted(run.stdout).outputs;
    };
    await capture();
    await query(ladder.source, writeRecord);
    await query(ladder.source, 'TRUNCATE supabase_backup_records.change_log');
    expect(await capture()).toMatchObject({ changes: 0 });
    await query(ladder.source, `${writeRecord}; INSERT INTO public.settings VALUES ('beside', 'a record')`);
    expect(await capture()).toMatchObject({ changes: 1 });
    await query(ladder.source, 'TRUNCATE supabase_backup_records.change_log, public.settings');
    await capture();
    const target = await createDatabase(cluster.superuserUrl(), 'recorded_later');
    const run = await runCli(['restore', '--storage', ladder.storage, '--recovery-target-time', 'latest'], {
      env: { SUPABASE_BACKUP_TARGET_URL: target },
    });
    expect(run, run.stdout + run.stderr).toMatchObject({ exitCode: 0 });
    expect(dumpOthers(target)).toBe(dumpOthers(ladder.source));
    await query(ladder.source, 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
  },
  2 * minutes,
);
