import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { smallPolicy } from '../schedule/setting.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runAction } from '../support/run-action.ts';
import { type Finished, runCli } from '../support/run-cli.ts';
import { Ladder } from './ladder.ts';
import { expectNoSecret, expectRefusal, formsOf } from './refusal.ts';
import { createDatabase, createShop, query } from './shop.ts';

/** The whole way of the records into a database: at the end of each run, and by the operation `records`. */

const minutes = 60_000;
const schema = 'supabase_backup_records';
let cluster: Cluster;
let elsewhere: Cluster;
let folder: string;
let storage: string;
let source: string;
let made = 0;

beforeAll(async () => {
  [cluster, elsewhere] = await Promise.all([
    startCluster({ settings: { autovacuum: 'off', max_slot_wal_keep_size: '1GB' } }),
    startCluster(),
  ]);
});
afterAll(() => Promise.all([cluster?.stop(), elsewhere?.stop()]));
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'records-'));
  storage = join(folder, 'backups');
  source = await createDatabase(cluster.superuserUrl(), `told_${++made}`);
  await query(source, 'CREATE TABLE t AS SELECT n FROM generate_series(1, 100) n');
  return () => rmSync(folder, { recursive: true, force: true });
});

const run = (words: readonly string[], recordsUrl: string, env: NodeJS.ProcessEnv = {}): Promise<Finished> =>
  runCli([...words, '--storage', storage], {
    env: {
      SUPABASE_BACKUP_DATABASE_URL: source,
      SUPABASE_BACKUP_RECORDS_URL: recordsUrl,
      ...env,
    },
  });
const jobs = (url: string) =>
  query<{ operation: string; status: string }>(
    url,
    `SELECT operation, status FROM ${schema}.backup_jobs ORDER BY completed_at`,
  );

describe('a database of the records that', () => {
  let records: string;
  beforeEach(async () => {
    records = await createDatabase(elsewhere.superuserUrl(), `records_${made}`);
  });

  test(
    'is away for some runs costs a warning each, and has all of them after the next',
    async () => {
      expect(await run(['backup'], records)).toMatchObject({ exitCode: 0 });
      await elsewhere.crash();
      for (const words of [['backup', '--backup-type', 'incremental'], ['validate']]) {
        const away = await run(words, records);
        expect(away, away.stderr).toMatchObject({ exitCode: 0 });
        expect(away.stderr).toMatch(
          /warn\S*: the records were not copied to the database of SUPABASE_BACKUP_RECORDS_URL; a later run copies them: /,
        );
      }
      await query(source, 'CREATE ROLE locked_out LOGIN; REVOKE ALL ON t FROM PUBLIC');
      const failed = await run(['backup'], records, {
        SUPABASE_BACKUP_DATABASE_URL: reconnect(source, { user: 'locked_out', password: 'hunter2' }),
      });
      expect(failed.exitCode).not.toBe(0);
      await elsewhere.start();
      const target = reconnect(source, { database: 'postgres' });
      const drill = await run(['drill'], records, { SUPABASE_BACKUP_TARGET_URL: target });
      expect(drill, drill.stderr).toMatchObject({ exitCode: 0 });
      expect(await jobs(records)).toEqual([
        { operation: 'backup', status: 'done' },
        { operation: 'backup', status: 'done' },
        { operation: 'validate', status: 'done' },
        { operation: 'backup', status: 'failed' },
        { operation: 'drill', status: 'done' },
      ]);
      const verified = await run(['records', 'verify', '--json'], records);
      expect(verified, verified.stderr).toMatchObject({ exitCode: 0 });
      expect(readPrinted(verified.stdout).outputs).toEqual({
        ...{ records: 6, 'records-missing': 0, 'records-different': 0, 'records-surplus': 0 },
        'records-differences': [],
        'rows-written': null,
      });
    },
    2 * minutes,
  );

  test(
    'takes the connection and does not answer holds up a run for a while, and no more',
    async () => {
      const sockets = new Set<Socket>();
      const silent = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      const { port } = silent.address() as { port: number };
      try {
        const before = performance.now();
        const held = await run(['backup'], `postgresql://u:p@127.0.0.1:${port}/d`);
        expect(held, held.stderr).toMatchObject({ exitCode: 0 });
        expect(held.stderr).toContain('it took longer than 15 s, and is left to the next run');
        expect(performance.now() - before).toBeLessThan(45_000);
      } finally {
        for (const socket of sockets) socket.destroy();
        silent.close();
      }
    },
    minutes,
  );

  test(
    'is filled and compared by the operation, on the command line and in the action',
    async () => {
      for (const words of [['backup'], ['validate'], ['pin', '--backup-id', 'latest']])
        expect(
          await runCli([...words, '--storage', storage], { env: { SUPABASE_BACKUP_DATABASE_URL: source } }),
        ).toMatchObject({
          exitCode: 0,
        });
      expectRefusal(await run(['records'], records), {
        exitCode: 2,
        says: /records-url: there are no records in this database/,
      });
      const dry = await run(['records', 'rebuild', '--dry-run'], records);
      expect(dry, dry.stderr).toMatchObject({ exitCode: 0 });
      expect(dry.stdout).toMatch(/^Records: \d+ rows would be written\n/);
      expect(await query(records, `SELECT to_regnamespace('${schema}') AS it`)).toEqual([{ it: null }]);

      const inputs = { operation: 'records', storage, 'records-url': records };
      const rebuilt = await runAction({ ...inputs, 'records-task': 'rebuild' });
      expect(rebuilt, rebuilt.stdout).toMatchObject({ exitCode: 0 });
      expect(rebuilt.lines.filter((line) => line.startsWith('::add-mask::'))).toContain(
        `::add-mask::${records}`,
      );
      expect(rebuilt.outputs.get('records')).toBe('3');
      expect(await jobs(records)).toHaveLength(3);

      await query(records, `UPDATE ${schema}.backup_jobs SET status = 'failed' WHERE operation = 'pin'`);
      const [pin] = await query<{ id: string }>(
        records,
        `SELECT id FROM ${schema}.backup_jobs WHERE operation = 'pin'`,
      );
      const differing = await run(['records', 'verify', '--json'], records);
      expect(differing.exitCode).toBe(3);
      expect(readPrinted(differing.stdout).outputs['records-differences']).toEqual([
        { table: 'backup_jobs', id: pin?.id, part: '', kind: 'different' },
      ]);
      const told = await runAction(inputs);
      expect(told.exitCode).toBe(1);
      expect(told.outputs.get('records-different')).toBe('1');
      expect(told.summary).toContain(pin?.id);
      expect(told.lines.filter((line) => line.startsWith('::error::'))).toEqual([
        expect.stringMatching(
          /^::error::records: the records in the database are not those of the repository: 1 row differs; the first, of \w+, \S+, is different/,
        ),
      ]);
      const mended = await run(['records', 'rebuild'], records);
      expect(mended.stdout).toMatch(/^Records: 1 row was written\n/);
      expect(await run(['records', 'verify'], records)).toMatchObject({ exitCode: 0 });
    },
    2 * minutes,
  );

  test(
    'is told no secret, not even its own',
    async () => {
      const secret = `p@ss:w/o?r#d%41 "quo'te\\$(id)`;
      await query(
        records,
        `CREATE ROLE keeper_${made} LOGIN SUPERUSER PASSWORD '${secret.replaceAll("'", "''")}'`,
      );
      const own = new URL(records);
      own.username = `keeper_${made}`;
      own.password = encodeURIComponent(secret);
      const wrong = reconnect(source, { user: 'supabase_admin', password: 'hunter2-of-the-source' });
      const failed = await run(['backup', '--verbose'], own.href, { SUPABASE_BACKUP_DATABASE_URL: wrong });
      expect(failed.exitCode).not.toBe(0);
      expect(await run(['backup'], own.href)).toMatchObject({ exitCode: 0 });
      const again = await run(['backup', '--verbose'], own.href, { SUPABASE_BACKUP_DATABASE_URL: wrong });
      const unreachable = own.href.replace(`:${own.port}/`, ':1/');
      const lost = await run(['validate', '--verbose'], unreachable);
      expect(lost).toMatchObject({ exitCode: 0 });
      const rows = await Promise.all(
        ['backup_jobs', 'backup_metrics', 'restore_operations', 'change_log'].map((table) =>
          query(records, `SELECT to_jsonb(t)::text AS row FROM ${schema}.${table} t`),
        ),
      );
      expect(await jobs(records)).toHaveLength(2);
      const secrets = [secret, own.href, 'hunter2-of-the-source', wrong];
      for (const { stdout, stderr } of [failed, again, lost]) expectNoSecret(stdout + stderr, secrets);
      for (const form of secrets.flatMap(formsOf)) expect(JSON.stringify(rows)).not.toContain(form);
    },
    2 * minutes,
  );

  test(
    'gets the schedules of a policy, and loses those that the policy no longer has',
    async () => {
      const policy = join(folder, 'policy.yml');
      const write = (schedules: string) => writeFileSync(policy, `${smallPolicy}schedules:\n${schedules}`);
      const schedule = (...words: string[]) =>
        runCli(['schedule', '--policy', policy, '--workflows', join(folder, 'workflows'), ...words], {
          env: { SUPABASE_BACKUP_RECORDS_URL: records },
        });
      const rows = () =>
        query(
          records,
          `SELECT kind, cron, enabled FROM ${schema}.backup_schedules WHERE github_repository = 'octo-org/shop' ORDER BY 1`,
        );
      write('  full: 17 2 * * *\n  incremental: 7 9 * * *\n');
      const dry = await schedule('--dry-run');
      expect(dry, dry.stderr).toMatchObject({ exitCode: 0 });
      expect(await query(records, `SELECT to_regnamespace('${schema}') AS it`)).toEqual([{ it: null }]);
      const first = await schedule();
      expect(first, first.stderr).toMatchObject({ exitCode: 0 });
      expect(await rows()).toContainEqual({ kind: 'incremental', cron: '7 9 * * *', enabled: null });
      write('  full: 19 2 * * *\n  incremental: false\n');
      await schedule();
      const left = await rows();
      expect(left).toContainEqual({ kind: 'full', cron: '19 2 * * *', enabled: null });
      expect(left.map(({ kind }) => kind)).not.toContain('incremental');
      const log = () => query(records, `SELECT count(*) FROM ${schema}.change_log`);
      const before = await log();
      expect(await schedule('--check')).toMatchObject({ exitCode: 0 });
      expect(await log()).toEqual(before);
    },
    2 * minutes,
  );
});

describe('records in the source itself', () => {
  let ladder: Ladder;
  beforeEach(async () => {
    source = await createShop(cluster.superuserUrl(), `kept_${made}`);
    ladder = new Ladder({ superuserUrl: cluster.superuserUrl(), bin: cluster.binFolder }, source);
    ladder.env = { SUPABASE_BACKUP_RECORDS_URL: source };
    storage = ladder.storage;
    return () => ladder[Symbol.dispose]();
  });

  test(
    'leave an idle database idle, and are in no backup',
    async () => {
      await ladder.take('full');
      await query(source, 'CHECKPOINT');
      for (let n = 0; n < 2; n++) {
        const idle = await ladder.step();
        expect(idle.outputs['new-bytes']).toBe(0);
      }
      expect(await jobs(source)).toHaveLength(3);
      await query(source, `INSERT INTO public.settings VALUES ('beside', 'the records')`);
      await ladder.step({ read: ['settings'], reused: ['readings', 'events'] });
      const target = await ladder.restore();
      expect(
        await query(target, `SELECT nspname FROM pg_namespace WHERE nspname ~ '^supabase_backup'`),
      ).toEqual([]);
      expect(ladder.latest?.manifest.facts.roles).not.toContain('supabase_backup_reader');
      expect(await run(['records', 'verify'], source)).toMatchObject({ exitCode: 0 });
    },
    2 * minutes,
  );

  test(
    'hide no row that a trigger of a user writes beside them',
    async () => {
      await ladder.take('full');
      await query(
        source,
        `CREATE FUNCTION public.note_job() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
           AS $$ BEGIN INSERT INTO public.settings VALUES (NEW.id, NEW.status); RETURN NULL; END $$;
         CREATE TRIGGER note_job AFTER INSERT ON ${schema}.backup_jobs FOR EACH ROW EXECUTE FUNCTION public.note_job()`,
      );
      await ladder.step();
      await ladder.step({ read: ['settings'], reused: ['readings', 'events'] });
      const target = await ladder.restore();
      expect(await query(target, 'SELECT FROM public.settings')).toHaveLength(4);
    },
    2 * minutes,
  );

  test(
    'are no changes to a capture',
    async () => {
      const capture = async () => {
        const captured = await run(['capture', '--json'], source);
        expect(captured, captured.stderr).toMatchObject({ exitCode: 0 });
        return readPrinted(captured.stdout).outputs;
      };
      await capture();
      expect(await capture()).toMatchObject({ changes: 0, barrier: null });
      await query(source, `INSERT INTO public.settings VALUES ('beside', 'the records')`);
      expect(await capture()).toMatchObject({ changes: 1, barrier: null });
      // The first one had no backup to go on from, and took one.
      const types = `SELECT backup_type, rows > 0 AS with_rows FROM ${schema}.backup_jobs ORDER BY completed_at`;
      const none = { backup_type: null, with_rows: null };
      expect(await query(source, types)).toEqual([{ backup_type: 'full', with_rows: true }, none, none]);
      await query(source, 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
    },
    2 * minutes,
  );

  test(
    'stay through a clean restore of that database, which is among them afterwards',
    async () => {
      await ladder.take('full');
      await query(source, 'DROP TABLE public.readings');
      const words = ['restore', '--clean', '--confirm', 'RESTORE PRODUCTION', '--safety-backup', 'false'];
      const restored = await run(words, source, { SUPABASE_BACKUP_TARGET_URL: source });
      expect(restored, restored.stdout + restored.stderr).toMatchObject({ exitCode: 0 });
      expect(await jobs(source)).toEqual([
        { operation: 'backup', status: 'done' },
        { operation: 'restore', status: 'done' },
      ]);
      expect(await query(source, `SELECT kind, parity, confirmed FROM ${schema}.restore_operations`)).toEqual(
        [{ kind: 'restore', parity: true, confirmed: true }],
      );
      expect(await run(['records', 'verify'], source)).toMatchObject({ exitCode: 0 });
    },
    2 * minutes,
  );
});

test('the help tells the task as a word after the operation', async () => {
  const help = await runCli(['records', '--help']);
  expect(help).toMatchObject({ exitCode: 0 });
  expect(help.stdout).toMatch(
    /^Usage: supabase-backup records \[rebuild\|verify\] --storage <location> \[inputs\]\n/,
  );
  const manifest = readFileSync(new URL('../../action.yml', import.meta.url), 'utf8');
  expect(manifest).toContain('  records-task:');
});
