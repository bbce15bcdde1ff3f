import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CronJob } from '../../src/format/supplement.ts';
import { readGlobals } from '../../src/postgres/catalog/globals.ts';
import type { Session } from '../../src/postgres/session/connection.ts';
import { restoreCronJobs } from '../../src/restorer/cron.ts';
import { reconnect } from '../fixture/seed.ts';
import { findServers, startCluster } from '../support/cluster.ts';
import { makeServer, servers, type TestServer } from './servers.ts';

const key = `Bearer ${'k'.repeat(30)}`;
const job = (properties: Partial<CronJob> = {}): CronJob => ({
  name: 'nightly',
  // Never while a test runs
  schedule: '0 0 29 2 *',
  command: 'SELECT 1',
  database: 'source',
  username: 'supabase_admin',
  active: true,
  ...properties,
});

const equipped = (await findServers()).filter(({ binFolder }) =>
  existsSync(path.join(binFolder, '..', 'lib', 'pg_cron.so')),
);

if (equipped.length === 0) {
  it.skip('jobs of pg_cron: it is not installed (apt-get install postgresql-15-cron)', () => undefined);
}

describe.each(equipped.map(({ major }) => major))('jobs of pg_cron on PostgreSQL %i', (major) => {
  let server: TestServer;
  let url: string;
  let session: Session;

  beforeAll(async () => {
    const settings = { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'jobs' };
    const cluster = await startCluster({ major, settings });
    server = makeServer(cluster.superuserUrl(), cluster.binFolder, cluster);
    await server.run('CREATE DATABASE jobs');
    await server.run('CREATE DATABASE "other one"');
    await server.run(`CREATE ROLE app LOGIN PASSWORD 'secret'`);
    await server.run('CREATE ROLE cannot_log_in');
    url = reconnect(server.url, { database: 'jobs' });
    session = await server.open(url);
  });
  beforeEach(() => create(''));
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  const create = (version: string) =>
    server.run(
      `DROP EXTENSION IF EXISTS pg_cron; CREATE EXTENSION pg_cron ${version}; GRANT USAGE ON SCHEMA cron TO app`,
      'jobs',
    );
  const read = async (): Promise<CronJob[]> => (await readGlobals(session)).cronJobs;
  const restored = (properties: Partial<CronJob> = {}) => job({ database: 'jobs', ...properties });

  const jobs = [
    job(),
    job({ name: 'asleep', active: false, command: `SELECT 'it''s' || $$ \\ "x" $$` }),
    job({ name: 'of another', username: 'app' }),
    job({ name: 'elsewhere', database: 'other one' }),
    job({ name: null, command: 'SELECT 2' }),
    job({ name: null, command: 'SELECT 2' }),
    job({ name: null, command: 'SELECT 3', active: false, username: 'app' }),
  ];

  it('come back as they were, in the database that was restored', async () => {
    expect(await restoreCronJobs(session, jobs, 'source', true)).toEqual([]);
    const expected = jobs.map((one) => (one.database === 'source' ? { ...one, database: 'jobs' } : one));
    expect(await read()).toEqual(expected);
  });

  it('are scheduled once', async () => {
    await restoreCronJobs(session, jobs, 'source', true);
    expect(await restoreCronJobs(session, jobs, 'source', true)).toEqual([]);
    expect(await read()).toHaveLength(jobs.length);
  });

  it('that are there stay as they are, and what differs is told', async () => {
    await session.query(`SELECT cron.schedule('nightly', '1 1 29 2 *', 'SELECT 9')`);
    const omitted = await restoreCronJobs(session, [job()], 'source', true);
    expect(omitted).toMatchObject([
      { what: 'cron job nightly', why: 'a job of this name is there, with another schedule or command' },
    ]);
    expect(omitted[0]?.remedy).toContain(`SELECT cron.schedule('nightly', '0 0 29 2 *', 'SELECT 1');`);
    expect(await read()).toEqual([restored({ schedule: '1 1 29 2 *', command: 'SELECT 9' })]);
  });

  it('are switched off where the target is not known to be production, and it is told how to switch them on', async () => {
    const omitted = await restoreCronJobs(
      session,
      [job(), job({ name: 'asleep', active: false })],
      'source',
      false,
    );
    expect(omitted).toMatchObject([{ what: 'cron jobs', remedy: expect.stringContaining('active := true') }]);
    expect(await read()).toEqual([restored({ active: false }), restored({ name: 'asleep', active: false })]);
    await session.query('SELECT cron.alter_job(jobid, active := true) FROM cron.job');
    expect(await read()).toEqual([restored(), restored({ name: 'asleep' })]);
  });

  it('of another role do not take the place of one of the same name', async () => {
    const both = [job({ username: 'app', command: 'SELECT 7' }), job({ active: false })];
    await session.query(`SELECT cron.schedule('nightly', '0 0 29 2 *', 'SELECT 1')`);
    expect(await restoreCronJobs(session, [both[0] as CronJob], 'source', true)).toEqual([]);
    expect(await read()).toEqual([restored(), restored({ username: 'app', command: 'SELECT 7' })]);
  });

  it('that the server refuses are told, and the rest comes all the same', async () => {
    const wrong = [
      job({ name: 'a', username: 'nosuch' }),
      job({ name: 'b', username: 'cannot_log_in', active: false }),
      job({ name: 'c', database: 'nosuch' }),
      job({ name: 'd', schedule: 'when I like' }),
      job({ name: null, database: 'nosuch', command: 'SELECT 4' }),
    ];
    const omitted = await restoreCronJobs(session, [...wrong, job()], 'source', true);
    expect(omitted.map(({ what }) => what.slice(0, 16))).toEqual([
      'cron job a',
      'cron job b',
      'cron job c',
      'cron job d',
      'cron job SHA-256',
    ]);
    expect(omitted[0]?.why).toContain('nosuch');
    expect(omitted[1]?.remedy).toContain(
      `cron.schedule_in_database('b', '0 0 29 2 *', 'SELECT 1', 'jobs', 'cannot_log_in', false);`,
    );
    expect(omitted[4]?.remedy).toContain(
      `cron.alter_job(cron.schedule('0 0 29 2 *', 'SELECT 4'), database := 'nosuch', username := 'supabase_admin', active := true);`,
    );
    // Half a job is none.
    expect(await read()).toEqual([restored()]);
  });

  it('of others stay out of reach of one that is no superuser', async () => {
    await server.run('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO app', 'jobs');
    const app = await server.open(url, 'app');
    const own = job({ name: 'mine', username: 'app', active: false });
    const omitted = await restoreCronJobs(
      app,
      [job(), own, { ...own, name: null, active: true }],
      'source',
      true,
    );
    expect(omitted).toMatchObject([{ what: 'cron job nightly', why: expect.stringContaining('superuser') }]);
    expect(await read()).toEqual([
      restored({ name: 'mine', username: 'app', active: false }),
      restored({ name: null, username: 'app' }),
    ]);
    expect(await restoreCronJobs(app, [own], 'source', true)).toEqual([]);
  });

  it('are as many as an older pg_cron can make', async () => {
    await create(`VERSION '1.3'`);
    // The library of 1.4 does not understand names that come from the functions of 1.3.
    const omitted = await restoreCronJobs(session, jobs.slice(1), 'source', true);
    expect(omitted.map(({ what }) => what).slice(0, 3)).toEqual([
      'cron job asleep',
      'cron job of another',
      'cron job elsewhere',
    ]);
    expect(omitted[0]?.why).toContain('ALTER EXTENSION pg_cron UPDATE');
    expect(await read()).toEqual([
      restored({ name: null, command: 'SELECT 2' }),
      restored({ name: null, command: 'SELECT 2' }),
    ]);
  });
});

describe.each(servers)('without pg_cron on PostgreSQL %i', (_major, start) => {
  it('jobs are told with their statements, and no key of a command is shown', async () => {
    await using server = await start();
    const session = await server.open(await server.createDatabase());
    const { prefix } = server;
    const user = new URL(server.url).username;
    expect(await restoreCronJobs(session, [], 'source', true)).toEqual([]);
    const omitted = await restoreCronJobs(
      session,
      [
        job({ username: user, command: `DELETE FROM logs WHERE at < now() - interval '7 days'` }),
        job({ username: user, name: null, command: `SELECT net.http_post('{"Authorization":"${key}"}')` }),
        job({
          username: user,
          name: 'x',
          active: false,
          command: `SELECT f($k$${key}$k$, "eyJhbGci.eyJz.abc")`,
        }),
        job({ username: user, name: 'y', command: `SELECT 'never ends ${key}` }),
      ],
      'source',
      true,
    );
    expect(omitted).toHaveLength(1);
    expect(omitted[0]).toMatchObject({
      what: 'cron jobs',
      why: 'the database has no pg_cron; the backup has 4 jobs',
    });
    const remedy = omitted[0]?.remedy ?? '';
    expect(remedy).toContain(
      `SELECT cron.schedule('nightly', '0 0 29 2 *', 'DELETE FROM logs WHERE at < now() - interval ''7 days''');`,
    );
    expect(remedy).toContain(`SELECT cron.schedule('0 0 29 2 *', 'SELECT net.http_post(''…'')');`);
    expect(remedy).toContain(
      `SELECT cron.schedule_in_database('x', '0 0 29 2 *', 'SELECT f($$…$$, "…")', '${prefix}_0', '${user}', false);`,
    );
    expect(remedy).not.toContain('kkk');
  });
});
