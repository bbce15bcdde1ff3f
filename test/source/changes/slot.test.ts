import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openSession, type Session } from '../../../src/postgres/session/connection.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { measureSlot, nameSlot, readSlot } from '../../../src/source/changes/slot.ts';
import { connect } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { emptyContext } from '../../support/context.ts';

/* On the newest server of this machine, and on others where the environment has their addresses. */

const addresses = {
  'of this machine': undefined,
  17: process.env.TESTBED_PG17_URL,
  18: process.env.TESTBED_PG18_URL,
};
const servers = Object.entries(addresses).filter(
  ([version, url]) => url !== undefined || version === 'of this machine',
);

describe.each(servers)('a slot of a server %s', (_version, address) => {
  const name = `supabase_backup_${randomBytes(4).toString('hex')}`;
  const database = `slot_test_${randomBytes(4).toString('hex')}`;
  let cluster: Cluster | undefined;
  let admin: Awaited<ReturnType<typeof connect>>;
  let client: Awaited<ReturnType<typeof connect>>;
  let session: Session;

  beforeAll(async () => {
    cluster = address === undefined ? await startCluster() : undefined;
    const url = new URL(address ?? cluster?.superuserUrl() ?? '');
    admin = await connect(url.href);
    await admin.query(`CREATE DATABASE ${database}`);
    url.pathname = database;
    client = await connect(url.href);
    const settings = parseConnection('database-url', url.href, emptyContext, undefined);
    session = await openSession(settings, emptyContext.signal);
  });
  afterEach(() =>
    client.query(
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
      [name],
    ),
  );
  afterAll(async () => {
    await session?.close();
    await client?.end();
    await admin?.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    await admin?.end();
    await cluster?.stop();
  });

  const create = (plugin = 'test_decoding') =>
    client.query('SELECT pg_create_logical_replication_slot($1, $2)', [name, plugin]);

  it('is measured as the server tells it', async () => {
    await create();
    await client.query('CREATE TABLE IF NOT EXISTS t AS SELECT n FROM generate_series(1, 10000) n');
    const measured = await measureSlot(session, name);
    const { rows } = await client.query(
      `SELECT slot_name AS name, (pg_current_wal_lsn() - restart_lsn)::float8 AS "retainedBytes", wal_status AS "walStatus",
              safe_wal_size::float8 AS "safeBytes", active AS "isActive" FROM pg_replication_slots WHERE slot_name = $1`,
      [name],
    );
    const { retainedBytes, ...told } = rows[0];
    expect(measured).toMatchObject({ ...told, safeBytes: null, walStatus: 'reserved', isActive: false });
    expect(measured?.retainedBytes).toBeGreaterThan(100_000);
    expect(measured?.retainedBytes).toBeLessThanOrEqual(retainedBytes);
    expect(await readSlot(session, name)).toMatchObject({ name, unusable: false });
  });

  it('that is not there is none', async () => {
    expect(await measureSlot(session, name)).toBeNull();
  });

  it('of another plugin is not ours, which only those need to know that would use it', async () => {
    await create('pgoutput');
    expect(await measureSlot(session, name)).toBeNull();
    await expect(readSlot(session, name)).rejects.toThrow(/belongs to another database or plugin/);
  });

  it('can be measured by a role without any right', async () => {
    await create();
    await client.query('BEGIN');
    const role = `${database}_role`;
    await admin.query(`CREATE ROLE ${role}`);
    try {
      await session.query(`SET ROLE ${role}`);
      expect(await measureSlot(session, name)).toMatchObject({ name, walStatus: 'reserved' });
    } finally {
      await session.query('RESET ROLE');
      await admin.query(`DROP ROLE ${role}`);
      await client.query('ROLLBACK');
    }
  });
});

it('the name of a slot is that of its repository', () => {
  expect(nameSlot({ id: '0123456789abcdef0123456789abcdef' })).toBe('supabase_backup_01234567');
});
