import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSession } from '../../src/postgres/connection.ts';
import { parseConnection } from '../../src/postgres/settings.ts';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { succeed } from '../support/run-cli.ts';
import { createDatabase, createShop, query } from './shop.ts';

/*
 * By way of poolers that pass no start-up parameters on: PgBouncer refuses `options` as it comes, and drops them where it is told to, as
 * Supabase's pooler does. The role has limits that end every long statement.
 */

const password = 'of-the-keeper';
let cluster: Cluster;
let folder: string;
let shop: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pooler-'));
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '1GB' } });
  shop = await createShop(cluster.superuserUrl(), 'shop');
  await query(
    shop,
    `CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '${password}';
     ALTER ROLE keeper SET statement_timeout = '100ms';
     ALTER ROLE keeper SET idle_in_transaction_session_timeout = '200ms';
     ALTER ROLE keeper SET lock_timeout = '100ms';
     ALTER ROLE keeper SET search_path = sales;
     ALTER ROLE keeper SET default_transaction_read_only = on;
     CREATE TABLE public.slow AS SELECT n AS id, repeat(md5(n::text), 200) AS text FROM generate_series(1, 20000) n`,
  );
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const asKeeper = (url: string) => reconnect(url, { user: 'keeper', password });

describe.skipIf(!hasPgBouncer).each([
  ['as it comes', []],
  ['that drops options', ['ignore_startup_parameters = options,extra_float_digits']],
])('by way of PgBouncer %s', (name, lines) => {
  let pooler: PgBouncer;
  const storage = () => join(folder, name);
  const through = (url: string) => pooler.through(asKeeper(url));
  beforeAll(async () => {
    pooler = await startPgBouncer(cluster, { keeper: password }, lines);
  });
  afterAll(() => pooler?.stop());

  test('everything works that works without it, and no limit of the role ends it', async () => {
    const env = { SUPABASE_BACKUP_DATABASE_URL: through(shop) };
    await succeed(['backup', '--storage', storage()], { env });
    await succeed(['capture', '--storage', storage()], { env });
    await query(shop, `UPDATE sales.customers SET name = 'of ${name}' WHERE id = 7`);
    await succeed(['capture', '--storage', storage()], { env });
    await succeed(['backup', '--storage', storage(), '--backup-type', 'incremental'], { env });
    const target = await createDatabase(cluster.superuserUrl(), 'target');
    const restored = await succeed(
      ['restore', '--storage', storage(), '--recovery-target-time', 'latest', '--json'],
      { env: { SUPABASE_BACKUP_TARGET_URL: through(target) } },
    );
    expect(restored).toMatchObject({ parity: 'equal' });
    expect(await query(target, 'SELECT name FROM sales.customers WHERE id = 7')).toEqual([
      { name: `of ${name}` },
    ]);
    const drilled = await succeed(['drill', '--storage', storage(), '--json'], {
      env: { SUPABASE_BACKUP_TARGET_URL: through(cluster.superuserUrl()) },
    });
    expect(drilled).toMatchObject({ drill: 'passed' });
    await succeed(['capture', '--storage', storage(), '--drop-slot'], { env });
  }, 120_000);

  test('options that a user gives are in force, in our sessions at least', async () => {
    const url = `${through(shop)}?options=-c%20work_mem%3D77MB%20-c%20app.of%3Dthe%5C%20user`;
    const session = await openSession(parseConnection('database-url', url, {}));
    const [row] = await session.query(
      "SELECT current_setting('work_mem') AS memory, current_setting('app.of') AS name",
    );
    await session.close();
    expect(row).toEqual({ memory: '77MB', name: 'the user' });
    await succeed(['backup', '--storage', join(folder, `${name} with options`)], {
      env: { SUPABASE_BACKUP_DATABASE_URL: url },
    });
  });
});
