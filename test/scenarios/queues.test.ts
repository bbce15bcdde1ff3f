import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { queues } from '../fixture/extensions.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { createDatabase, query } from './shop.ts';

/*
 * The tables of message queues are parts of an extension that pg_dump leaves to CREATE EXTENSION, which makes none of them: a restore has the
 * extension make them, and brings rows and what else was theirs. The target has the extension, as every Supabase project can.
 */

const minute = 60_000;
let cluster: Cluster;
let folder: string;
let source: string;
let target: string;

beforeAll(async () => {
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '1GB' } });
  folder = mkdtempSync(join(tmpdir(), 'queues-'));
  source = await createDatabase(cluster.superuserUrl(), 'source');
  await query(cluster.superuserUrl(), 'CREATE ROLE reader; CREATE ROLE worker');
  await query(source, queues);
  await query(
    source,
    `SELECT pgmq.create('mail');
     SELECT pgmq.create_unlogged('fast');
     INSERT INTO pgmq.q_mail (vt, message) SELECT now(), jsonb_build_object('n', n) FROM generate_series(1, 30) n;
     DELETE FROM pgmq.q_mail WHERE msg_id > 25;
     INSERT INTO pgmq.a_mail (msg_id, vt, message) SELECT msg_id, vt, message FROM pgmq.q_mail WHERE msg_id <= 10;
     DELETE FROM pgmq.q_mail WHERE msg_id <= 10;
     INSERT INTO pgmq.q_fast (vt, message) VALUES (now(), '{}');
     CREATE FUNCTION public.may_read() RETURNS bool LANGUAGE sql AS 'SELECT true';
     CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
     ALTER TABLE pgmq.q_mail ENABLE ROW LEVEL SECURITY;
     CREATE POLICY "own mail" ON pgmq.q_mail FOR SELECT TO reader USING (message ->> 'to' = CURRENT_USER);
     CREATE POLICY only_some ON pgmq.q_mail AS RESTRICTIVE TO reader USING (public.may_read());
     CREATE TRIGGER note AFTER INSERT ON pgmq.q_mail FOR EACH ROW EXECUTE FUNCTION public.note();
     ALTER TABLE pgmq.q_mail DISABLE TRIGGER note;
     CREATE INDEX by_address ON pgmq.q_mail ((message ->> 'to'));
     ALTER TABLE pgmq.q_mail OWNER TO worker;
     GRANT SELECT ON pgmq.q_mail TO reader;
     CREATE TABLE public.orders (id int PRIMARY KEY);
     INSERT INTO public.orders VALUES (1)`,
  );
  await succeed(['backup', '--storage', join(folder, 'plain')], {
    env: { SUPABASE_BACKUP_DATABASE_URL: source },
  });
}, 2 * minute);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  target = await createDatabase(cluster.superuserUrl(), 'target');
  await query(target, queues);
});

const restore = (...words: string[]): Promise<Finished> =>
  runCli(['restore', '--storage', join(folder, 'plain'), ...words], {
    env: { SUPABASE_BACKUP_TARGET_URL: target },
  });

/** All that is to come back, apart from what each database numbers of its own. */
const describeQueues = async (url: string) => ({
  messages: await query(url, 'SELECT q::text AS row FROM pgmq.q_mail q ORDER BY msg_id'),
  archived: await query(url, 'SELECT a::text AS row FROM pgmq.a_mail a ORDER BY msg_id'),
  list: await query(url, 'SELECT m::text AS row FROM pgmq.meta m ORDER BY 1'),
  tables: await query(
    url,
    `SELECT relname, relkind, relpersistence, relrowsecurity, pg_get_userbyid(relowner) AS owner, relacl::text,
       EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e') AS member
     FROM pg_class c WHERE relnamespace = 'pgmq'::regnamespace AND relkind IN ('r', 'i', 'S') ORDER BY 1`,
  ),
  sequence: await query(url, 'SELECT last_value, is_called FROM pgmq.q_mail_msg_id_seq'),
  policies: await query(url, `SELECT * FROM pg_policies WHERE schemaname = 'pgmq' ORDER BY policyname`),
  triggers: await query(
    url,
    'SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal',
  ),
});

describe('queues', () => {
  test(
    'come back with their messages, their policies and where their numbers were',
    async () => {
      const done = await restore();
      expect(done, done.stderr + done.stdout).toMatchObject({ exitCode: 0 });
      expect(await describeQueues(target)).toEqual(await describeQueues(source));
      expect(
        await query(target, `INSERT INTO pgmq.q_mail (vt) VALUES (now()) RETURNING msg_id::int`),
      ).toEqual([{ msg_id: 31 }]);
    },
    minute,
  );

  test(
    'come back by hand',
    async () => {
      const script = new URL('../../recover/recover-by-hand.sh', import.meta.url).pathname;
      execFileSync('sh', [script, join(folder, 'plain'), 'latest', target], { stdio: 'pipe' });
      expect(await describeQueues(target)).toEqual(await describeQueues(source));
    },
    minute,
  );

  test(
    'come one by one, too',
    async () => {
      const done = await restore('--exclude', 'pgmq.q_mail, pgmq.a_mail');
      expect(done, done.stderr + done.stdout).toMatchObject({ exitCode: 0 });
      expect(await query(target, 'SELECT queue_name, is_unlogged FROM pgmq.meta')).toEqual([
        { queue_name: 'fast', is_unlogged: true },
      ]);
      expect(await query(target, 'SELECT msg_id::int FROM pgmq.q_fast')).toEqual([{ msg_id: 1 }]);
    },
    minute,
  );

  test(
    'stay empty where what guards their rows cannot be made',
    async () => {
      // Without the function of the policy
      const done = await restore('--include', 'pgmq.*');
      expect(done, done.stderr + done.stdout).toMatchObject({ exitCode: 3 });
      expect(done.stdout).toMatch(
        /policy pgmq\.q_mail only_some +function public\.may_read\(\) does not exist/,
      );
      expect(done.stdout).toMatch(
        /rows of pgmq\.q_mail +without policy pgmq\.q_mail only_some they would be open; 15 rows of the queue are lost/,
      );
      expect(await query(target, 'SELECT FROM pgmq.q_mail')).toEqual([]);
      expect(await query(target, 'SELECT count(*)::int FROM pgmq.a_mail')).toEqual([{ count: 10 }]);
    },
    minute,
  );

  test(
    'whose table the server refuses are told with their rows',
    async () => {
      await query(
        target,
        `CREATE OR REPLACE FUNCTION pgmq.create(queue_name text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room for it'; END $$`,
      );
      const done = await restore();
      expect(done, done.stderr + done.stdout).toMatchObject({ exitCode: 3 });
      expect(done.stdout).toMatch(
        /rows of pgmq\.q_mail +the server refused to make the queue: no room for it; 15 rows of the queue are lost/,
      );
      expect(await query(target, 'SELECT FROM public.orders')).toHaveLength(1);
    },
    minute,
  );

  test(
    'are brought to a point in time',
    async () => {
      const env = { SUPABASE_BACKUP_DATABASE_URL: source, SUPABASE_BACKUP_TARGET_URL: target };
      const storage = ['--storage', join(folder, 'changes')];
      await succeed(['capture', ...storage], { env });
      await query(
        source,
        `INSERT INTO pgmq.q_mail (vt, message) SELECT now(), '{"late": true}' FROM generate_series(1, 5);
         UPDATE pgmq.q_mail SET read_ct = 3 WHERE msg_id = 12;
         DELETE FROM pgmq.q_mail WHERE msg_id = 13;
         INSERT INTO pgmq.a_mail (msg_id, vt) VALUES (13, now())`,
      );
      await succeed(['capture', ...storage], { env });
      const done = await runCli(['restore', ...storage, '--recovery-target-time', 'latest'], { env });
      expect(done, done.stderr + done.stdout).toMatchObject({ exitCode: 0 });
      // Its changes are in no log of the server.
      expect(done.stdout).toMatch(/changes of pgmq\.q_fast since the backup +the table is unlogged/);
      expect(await describeQueues(target)).toEqual(await describeQueues(source));
    },
    minute,
  );
});
