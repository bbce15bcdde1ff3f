import { afterAll, beforeAll, beforeEach, describe, expect, it, test, vi } from 'vitest';
import { recordsSchema as schema } from '../../src/postgres/own-schema.ts';
import { withRecords } from '../../src/records/connection.ts';
import { deliverRecords } from '../../src/records/delivery.ts';
import { migrations } from '../../src/records/migrations.ts';
import { type RebuildMode, rebuildRows } from '../../src/records/rebuild.ts';
import { prepareSchema } from '../../src/records/schema.ts';
import { verifyRows } from '../../src/records/verification.ts';
import { listRecords } from '../../src/repository/listed-records.ts';
import type { Repository } from '../../src/repository/open.ts';
import { appendRun } from '../../src/repository/records.ts';
import { createRepository } from '../repository/example.ts';
import { createDatabase, query } from '../scenarios/shop.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { CollectingLog, presentContext } from '../support/context.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { addDrill, addRestore, addRun, ago, day, deliver, makeRun, minute, open } from './setting.ts';

let cluster: Cluster;
let repository: Repository;
let url: string;
let made = 0;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.stop());
beforeEach(async () => {
  repository = await createRepository();
  url = await createDatabase(cluster.superuserUrl(), `delivered_${++made}`);
});

/** Ids of the rows of one table, oldest first */
const idsIn = async (table: string) =>
  (await query<{ id: string }>(url, `SELECT id FROM ${schema}.${table} ORDER BY id`)).map(({ id }) => id);
const idsOf = async (...kinds: ('runs' | 'restores' | 'drills')[]) =>
  (await Promise.all(kinds.map((kind) => listRecords(repository, kind))))
    .flat()
    .map(({ id }) => id)
    .sort();
/** Inserts a copy of the oldest row of a run under each of these ids, as somebody may by hand. */
const insertCopies = (ids: readonly string[]) =>
  query(
    url,
    `INSERT INTO ${schema}.backup_jobs SELECT (jsonb_populate_record(job, jsonb_build_object('id', stray))).*
     FROM ${schema}.backup_jobs AS job, unnest($1::text[]) AS stray
     WHERE job.id = (SELECT min(id) FROM ${schema}.backup_jobs)`,
    [ids],
  );
/** Each transaction that writes takes a number. */
const lastTransaction = async () =>
  (await query<{ xmax: string }>(url, 'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax'))[0]
    ?.xmax;

describe('what a run brings', () => {
  it('is every record that is missing, and a second time nothing, without a transaction that writes', async () => {
    const run = await addRun(repository, ago(3 * minute), {
      ...{ outcome: 'failed', exitCode: 1, backup: null, actor: 'mona', phases: { copy: 1234, total: 2000 } },
      failure: { class: 'SourceError/lost', message: 'gone', next: 'Again.' },
    });
    await addRestore(repository, ago(2 * minute), {
      outcome: 'different',
      why: '2 tables',
      recoveredTo: '2026-11-20T14:30:00.123456Z',
    });
    await addDrill(repository, ago(minute));
    expect(await deliver(repository, url)).toEqual({ kind: 'brought', records: 3, left: 0 });
    expect(await query(url, `SELECT * FROM ${schema}.backup_jobs`)).toEqual([
      {
        ...{
          id: (await idsOf('runs'))[0],
          repository: repository.id,
          operation: 'backup',
          backup_type: 'full',
          backup_id: null,
        },
        ...{
          status: 'failed',
          exit_code: 1,
          started_at: new Date(run.startedAt),
          completed_at: new Date(run.endedAt),
        },
        ...{ rows: '100', bytes: '1000', stored_bytes: '300', new_bytes: '50', objects: '3' },
        ...{ failure_class: 'SourceError/lost', message: 'gone', remedy: 'Again.', actor: 'mona' },
        ...{
          run_url: 'https://github.com/o/r/actions/runs/7',
          run_attempt: 1,
          host: 'github-hosted',
          tool_version: '1.0.0',
        },
        record: run,
      },
    ]);
    expect(
      await query(
        url,
        `SELECT name, value::float FROM ${schema}.backup_metrics WHERE name ~ '^(dur|phase)' ORDER BY 1`,
      ),
    ).toEqual([
      { name: 'duration_seconds', value: 120 },
      { name: 'phase_copy_seconds', value: 1.234 },
    ]);
    expect(
      await query(
        url,
        `SELECT kind, status, parity, confirmed, actor, recovery_seconds::float AS s, recovered_to::text FROM ${schema}.restore_operations ORDER BY kind`,
      ),
    ).toEqual([
      {
        kind: 'drill',
        status: 'passed',
        parity: true,
        confirmed: null,
        actor: null,
        s: 7.5,
        recovered_to: null,
      },
      {
        kind: 'restore',
        status: 'different',
        parity: false,
        confirmed: true,
        actor: 'mona',
        s: null,
        recovered_to: expect.stringMatching(/:30:00\.123456/),
      },
    ]);
    const before = await lastTransaction();
    expect(await deliver(repository, url)).toEqual({ kind: 'brought', records: 0, left: 0 });
    expect(await lastTransaction()).toBe(before);
  });

  it('continues after the newest row, and looks a day back, also where one clock is a year ahead', async () => {
    await addRun(repository, ago(2 * day));
    await addRun(repository, ago(minute));
    await deliver(repository, url);
    await addRun(repository, ago(2 * minute));
    await addRun(repository, new Date(Date.now() + 365 * day));
    expect(await deliver(repository, url)).toMatchObject({ records: 1 });
    // The one of next year was not listed. Its row, once it is there, does not hide what comes before it.
    await addRun(repository, ago(0));
    expect(await deliver(repository, url)).toMatchObject({ records: 1 });
    await query(url, `DELETE FROM ${schema}.backup_jobs WHERE started_at < now() - interval '36 hours'`);
    expect(await deliver(repository, url)).toMatchObject({ records: 0 });
    await rebuild();
    await addRun(repository, ago(0));
    expect(await deliver(repository, url)).toMatchObject({ records: 1 });
    expect(await idsIn('backup_jobs')).toEqual(await idsOf('runs'));
  });

  it.each([
    ['x-ray', '(by hand)'],
    ['20261340T250000Z-0000', '00000000T000000Z-0000'],
  ])('is not stopped by rows that somebody inserted as %s and %s', async (...strays) => {
    await addRun(repository, ago(2 * day));
    await deliver(repository, url);
    await insertCopies(strays);
    await addRun(repository, ago(36 * 60 * minute));
    await addRun(repository, ago(minute));
    expect(await deliver(repository, url)).toMatchObject({ records: 2, left: 0 });
    expect(new Set(await idsIn('backup_jobs'))).toEqual(new Set([...(await idsOf('runs')), ...strays]));
    await addRun(repository, ago(0));
    expect(await deliver(repository, url)).toMatchObject({ records: 1 });
  });

  it('asks only for the records that it has listed, however many rows there are', async () => {
    await addRun(repository, ago(2 * minute));
    await deliver(repository, url);
    const strays = Array.from(
      { length: 5000 },
      (_, n) => `99990101T000000Z-${n.toString(16).padStart(16, '0')}`,
    );
    await insertCopies(strays);
    await addRun(repository, ago(minute));
    await using session = await open(url);
    const asked = vi.spyOn(session, 'query');
    expect(await deliverRecords(repository, session, presentContext)).toMatchObject({ records: 1 });
    const answers = await Promise.all(
      asked.mock.results.map(({ value }) => value as Promise<unknown[] | undefined>),
    );
    expect(Math.max(...answers.map((rows) => rows?.length ?? 0))).toBeLessThan(100);
    expect(new Set(await idsIn('backup_jobs'))).toEqual(new Set([...(await idsOf('runs')), ...strays]));
  });

  it('is at most a thousand of a kind, the oldest first, and the rest later', async () => {
    for (let n = 1100; n > 0; n--) await addRun(repository, ago(n * 1000));
    expect(await deliver(repository, url)).toEqual({ kind: 'brought', records: 1000, left: 100 });
    expect(await idsIn('backup_jobs')).toEqual((await idsOf('runs')).slice(0, 1000));
    expect(await deliver(repository, url)).toEqual({ kind: 'brought', records: 100, left: 0 });
    expect(await idsIn('backup_jobs')).toEqual(await idsOf('runs'));
  });

  it('is once, whoever brings it: several at once, in several orders', async () => {
    for (let n = 40; n > 0; n--) await addRun(repository, ago(n * minute));
    const all = await Promise.all([1, 2, 3, 4].map(() => deliver(repository, url)));
    expect(all.every(({ kind }) => kind === 'brought')).toBe(true);
    expect(await idsIn('backup_jobs')).toEqual(await idsOf('runs'));
    const [inserted] = await query(
      url,
      `SELECT count(*)::int AS n FROM ${schema}.change_log WHERE table_name = 'backup_jobs'`,
    );
    expect(inserted).toEqual({ n: 40 });
  });

  it('is noted as ours, and the notes of a year ago are forgotten', async () => {
    await addRun(repository, ago(2 * minute));
    await deliver(repository, url);
    await query(url, `UPDATE ${schema}.transactions SET at = now() - interval '401 days'`);
    await addRun(repository, ago(minute));
    await deliver(repository, url);
    const [noted] = await query(
      url,
      `SELECT count(*)::int AS n, bool_and(at > now() - interval '1 hour') AS new FROM ${schema}.transactions`,
    );
    expect(noted).toEqual({ n: 1, new: true });
  });

  it('is not noted as ours where a trigger of a user writes beside it', async () => {
    await deliver(repository, url);
    await query(
      url,
      `CREATE TABLE public.told (n int);
       CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.told VALUES (1); RETURN NULL; END $$;
       CREATE TRIGGER tell AFTER INSERT ON ${schema}.backup_jobs FOR EACH ROW EXECUTE FUNCTION public.tell()`,
    );
    await addRun(repository, ago(minute));
    const noted = () => query(url, `SELECT xid::text FROM ${schema}.transactions`);
    const before = await noted();
    expect(await deliver(repository, url)).toMatchObject({ records: 1 });
    expect(await query(url, 'SELECT n FROM public.told')).toEqual([{ n: 1 }]);
    expect(await noted()).toEqual(before);
  });

  it('is kept apart by repository', async () => {
    await addRun(repository, ago(minute));
    const older = await createRepository();
    await addRun(older, ago(9 * day));
    await addRestore(older, ago(9 * day));
    await deliver(repository, url);
    expect(await deliver(older, url)).toMatchObject({ records: 2 });
    expect(await verify()).toMatchObject({ records: 1, differences: [] });
    expect(await verify(older)).toMatchObject({ records: 2, differences: [] });
  });

  it('is any text, as text', async () => {
    const hostile = `'); DROP SCHEMA ${schema} CASCADE; -- \${x} %s \\ " \u0000 \ud800 \u202e é 日本 ${'😀'.repeat(900)}`;
    const failure = { class: hostile, message: hostile, next: hostile };
    const phases = { [hostile]: 5, copy: 7 };
    await addRun(repository, ago(minute), {
      outcome: 'failed',
      exitCode: 2 ** 40,
      failure,
      actor: hostile,
      phases,
    });
    await addRestore(repository, ago(minute), { target: hostile, why: hostile, recoveredTo: 'yesterday' });
    await addDrill(repository, ago(minute), { why: hostile, checks: { asked: 1, failed: [hostile] } });
    expect(await deliver(repository, url)).toMatchObject({ records: 3 });
    const clean = hostile.replace('\u0000', '\ufffd').replace('\ud800', '\ufffd');
    const rows = await query(
      url,
      `SELECT message, actor, record #>> '{failure,class}' AS class FROM ${schema}.backup_jobs`,
    );
    expect(rows).toEqual([{ message: clean, actor: clean, class: clean }]);
    expect(
      await query(
        url,
        `SELECT target, recovered_to FROM ${schema}.restore_operations WHERE kind = 'restore'`,
      ),
    ).toEqual([{ target: clean, recovered_to: null }]);
    expect(await verify()).toMatchObject({ differences: [] });
  });

  it('passes over a damaged record, and does not stop at it', async () => {
    await addRun(repository, ago(3 * minute));
    const [{ id } = { id: '' }] = await listRecords(repository, 'runs');
    await repository.storage.put(`records/runs/${id}.json`, Buffer.from('{}'));
    await addRun(repository, ago(minute));
    const log = new CollectingLog();
    expect(await deliver(repository, url, { ...presentContext, log })).toMatchObject({ records: 1 });
    expect(log.warnings).toEqual([expect.stringContaining(`records/runs/${id}.json`)]);
  });

  it('is nothing where a newer version made the tables', async () => {
    await deliver(repository, url);
    await using session = await open(url);
    const next = {
      version: migrations.length + 1,
      sql: `ALTER TABLE ${schema}.backup_jobs ADD note text NOT NULL`,
    };
    await prepareSchema(session, [...migrations, next]);
    await addRun(repository, ago(minute));
    const before = await lastTransaction();
    expect(await deliver(repository, url)).toEqual({ kind: 'newer', version: next.version });
    expect(await lastTransaction()).toBe(before);
    await expect(rebuild()).rejects.toThrow(/a newer version of supabase-backup created the tables/);
    await expect(verify()).rejects.toThrow(/has version 2, and this version of supabase-backup works with 1/);
  });

  it.skipIf(!hasPgBouncer).each(['session', 'transaction'])(
    'comes through a pooler in %s mode',
    async (mode) => {
      const { username, password } = new URL(url);
      const pooler = await startPgBouncer(cluster, { [username]: password }, [
        `pool_mode = ${mode}`,
        'default_pool_size = 3',
      ]);
      try {
        for (let n = 30; n > 0; n--) await addRun(repository, ago(n * minute));
        await Promise.all([1, 2, 3].map(() => deliver(repository, pooler.through(url))));
        expect(await idsIn('backup_jobs')).toEqual(await idsOf('runs'));
      } finally {
        await pooler.stop();
      }
    },
  );
});

async function rebuild(mode: RebuildMode = 'write') {
  await using session = await open(url);
  return await rebuildRows(repository, session, mode, presentContext);
}

async function verify(of = repository) {
  await using session = await open(url);
  return await verifyRows(of, session, presentContext);
}

describe('records rebuild', () => {
  it('fills an empty database, mends a partly filled one, and deletes nothing', async () => {
    for (let n = 300; n > 0; n--) await addRun(repository, ago(n * 2 * minute));
    await addRestore(repository, ago(40 * day));
    await addDrill(repository, ago(41 * day));
    const rows = 300 * 7 + 2;
    expect(await rebuild('dry-run')).toEqual({ records: 302, rows });
    expect(await query(url, `SELECT to_regnamespace('${schema}') AS it`)).toEqual([{ it: null }]);
    expect(await rebuild()).toEqual({ records: 302, rows });
    expect(await rebuild()).toMatchObject({ rows: 0 });
    expect(await verify()).toEqual({ records: 302, differences: [], deleted: 0, outlived: 0 });
    const [one, two] = await idsIn('backup_jobs');
    await query(
      url,
      `DELETE FROM ${schema}.backup_jobs WHERE id = '${one}'; UPDATE ${schema}.backup_jobs SET status = 'no' WHERE id = '${two}'`,
    );
    const strays = ['(by hand)', '99990101T000000Z-0000000000000000', 'x-ray'];
    await insertCopies(strays);
    expect(await rebuild('dry-run')).toMatchObject({ rows: 8 });
    expect(await rebuild()).toMatchObject({ rows: 8 });
    expect((await verify()).differences).toEqual(
      strays.map((id) => ({ kind: 'surplus', table: 'backup_jobs', id, part: '' })),
    );
  });
});

describe('records verify', () => {
  beforeEach(async () => {
    for (let n = 5; n > 0; n--) await addRun(repository, ago(n * minute));
    await addDrill(repository, ago(minute));
    await rebuild();
  });

  it('names what is missing without a trace, different and surplus, to the single measure', async () => {
    const [one, two, three] = await idsIn('backup_jobs');
    const [drill] = await idsIn('restore_operations');
    await query(
      url,
      `SET session_replication_role = replica;
       DELETE FROM ${schema}.backup_jobs WHERE id = '${one}'; DELETE FROM ${schema}.backup_metrics WHERE job_id = '${one}';
       RESET session_replication_role;
       UPDATE ${schema}.backup_jobs SET record = record || '{"actor": "nobody"}' WHERE id = '${two}';
       UPDATE ${schema}.backup_metrics SET value = value + 0.001 WHERE job_id = '${three}' AND name = 'duration_seconds';
       UPDATE ${schema}.backup_metrics SET name = 'columns' WHERE job_id = '${three}' AND name = 'rows';
       UPDATE ${schema}.restore_operations SET parity = NULL`,
    );
    const { differences } = await verify();
    const told = differences.map(({ kind, table, id, part }) => `${kind} ${table} ${id} ${part}`.trim());
    const measures = ['bytes', 'duration_seconds', 'new_bytes', 'objects', 'rows', 'stored_bytes'];
    expect(told.sort()).toEqual(
      [
        `missing backup_jobs ${one}`,
        ...measures.map((name) => `missing backup_metrics ${one} ${name}`),
        `different backup_jobs ${two}`,
        `different backup_metrics ${three} duration_seconds`,
        `missing backup_metrics ${three} rows`,
        `surplus backup_metrics ${three} columns`,
        `different restore_operations ${drill}`,
      ].sort(),
    );
  });

  it('does not count rows whose deletion is in the log, nor those older than what the repository keeps', async () => {
    const [first, second, third] = await idsIn('backup_jobs');
    await query(url, `DELETE FROM ${schema}.backup_jobs WHERE id = '${second}'`);
    await query(url, `DELETE FROM ${schema}.backup_metrics WHERE job_id = '${third}' AND name = 'rows'`);
    await query(url, `DELETE FROM ${schema}.restore_operations`);
    await repository.storage.delete([`records/runs/${first}.json`]);
    expect(await verify()).toMatchObject({ differences: [], deleted: 3, outlived: 1 });
    await query(
      url,
      `SET session_replication_role = replica;
       DELETE FROM ${schema}.backup_metrics WHERE job_id = '${third}' AND name = 'bytes'`,
    );
    expect((await verify()).differences).toEqual([
      { kind: 'missing', table: 'backup_metrics', id: third, part: 'bytes' },
    ]);
    await rebuild();
    expect(await verify()).toMatchObject({ differences: [], deleted: 0, outlived: 1 });
  });

  it('names ten thousand surplus rows at most, and says that there are more', async () => {
    await insertCopies(
      Array.from({ length: 10_001 }, (_, n) => `99990101T000000Z-${n.toString(16).padStart(16, '0')}`),
    );
    const log = new CollectingLog();
    await using session = await open(url);
    const { differences } = await verifyRows(repository, session, { ...presentContext, log });
    expect(differences).toHaveLength(10_000);
    expect(log.warnings).toEqual([
      'runs: more than 10000 rows have no record; only the first of them are named',
    ]);
  });

  it('takes no row for surplus that a run brings meanwhile', async () => {
    await using session = await open(url);
    const query = session.query.bind(session);
    const asked = vi.spyOn(session, 'query');
    asked.mockImplementation(async (...args) => {
      if (args[0].includes('LIMIT')) {
        asked.mockImplementation(query);
        await addRun(repository, ago(0));
        await deliver(repository, url);
      }
      return await query(...args);
    });
    expect(await verifyRows(repository, session, presentContext)).toMatchObject({ differences: [] });
    expect(await idsIn('backup_jobs')).toHaveLength(6);
  });

  it('writes nothing', async () => {
    const before = await lastTransaction();
    await verify();
    expect(await lastTransaction()).toBe(before);
  });
});

test('a database without records is told apart from one that differs', async () => {
  await expect(verify()).rejects.toThrow('records-url: there are no records in this database');
});

test('a session that the server ends is told as that', async () => {
  const place = { recordsUrl: url, sslrootcert: undefined };
  const ended = withRecords(place, presentContext, async (session) => {
    await session.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
    await session.query('SELECT 1');
  });
  await expect(ended).rejects.toMatchObject({
    name: 'TargetError',
    message: expect.stringMatching(/^records-url: the connection was lost: /),
  });
});

test('a role that may not write is told what is wrong, and by name', async () => {
  await deliver(repository, url);
  await appendRun(repository, ago(minute), makeRun(ago(minute)));
  await query(url, `CREATE ROLE stranger_${made} LOGIN PASSWORD 'stranger'`);
  const stranger = new URL(url);
  stranger.username = `stranger_${made}`;
  stranger.password = 'stranger';
  const place = { recordsUrl: stranger.href, sslrootcert: undefined };
  const asStranger = withRecords(place, presentContext, (session) =>
    rebuildRows(repository, session, 'write', presentContext),
  );
  await expect(asStranger).rejects.toMatchObject({
    name: 'TargetError',
    message: expect.stringContaining('permission denied for schema supabase_backup_records'),
    next: expect.stringContaining('docs/records.md'),
  });
  const empty = await createDatabase(cluster.superuserUrl(), 'not_to_be_filled');
  stranger.pathname = new URL(empty).pathname;
  const inEmpty = withRecords({ ...place, recordsUrl: stranger.href }, presentContext, (session) =>
    rebuildRows(repository, session, 'write', presentContext),
  );
  await expect(inEmpty).rejects.toMatchObject({
    name: 'TargetError',
    message: 'records-url: the database refused a statement: permission denied for database not_to_be_filled',
  });
});
