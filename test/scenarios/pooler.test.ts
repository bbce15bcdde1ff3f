import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSession } from '../../src/postgres/session/connection.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { emptyContext } from '../support/context.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
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

  test('options that the server does not take are refused with what to correct', async () => {
    const run = await runCli(['backup', '--storage', join(folder, 'never')], {
      env: { SUPABASE_BACKUP_DATABASE_URL: `${through(shop)}?options=-c%20work_mem%3Dnonsense` },
    });
    expectRefusal(run, {
      exitCode: 2,
      says: /does not accept the `options`.*work_mem/,
      secrets: [password],
    });
  });

  test('options that a user gives are in force, in our sessions at least', async () => {
    const url = `${through(shop)}?options=-c%20work_mem%3D77MB%20-c%20app.of%3Dthe%5C%20user`;
    const session = await openSession(parseConnection('database-url', url, emptyContext));
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

describe('where there are fewer sessions than 8 jobs want', () => {
  let source: string;
  const owner = 'owner';
  beforeAll(async () => {
    await query(cluster.superuserUrl(), `CREATE ROLE ${owner} LOGIN PASSWORD '${password}'`);
    source = await createOwned('owned');
    for (let table = 1; table <= 12; table++)
      await query(
        source,
        `CREATE TABLE t${table} AS SELECT n AS id, repeat(md5(n::text), 30) AS text FROM generate_series(1, 3000) n`,
      );
  });

  async function createOwned(database: string): Promise<string> {
    const url = await createDatabase(cluster.superuserUrl(), database);
    await query(url, `ALTER DATABASE ${database} OWNER TO ${owner}; ALTER SCHEMA public OWNER TO ${owner}`);
    return reconnect(url, { user: owner, password });
  }

  test.each([3, 4, 5, 6])('as of %i of the role, it takes longer and is told', async (limit) => {
    const storage = join(folder, `repository of ${limit}`);
    await query(cluster.superuserUrl(), `ALTER ROLE ${owner} CONNECTION LIMIT ${limit}`);
    const backedUp = await runCli(['backup', '--storage', storage, '--jobs', '8'], {
      env: { SUPABASE_BACKUP_DATABASE_URL: source },
    });
    expect(backedUp, backedUp.stderr).toMatchObject({ exitCode: 0 });
    expect(backedUp.stderr).toMatch(/there are not the 12 sessions that 8 jobs want: it continues with \d/);
    const target = await createOwned(`target_${limit}`);
    const restored = await runCli(['restore', '--storage', storage, '--jobs', '8', '--json'], {
      env: { SUPABASE_BACKUP_TARGET_URL: target },
    });
    expect(restored, restored.stderr).toMatchObject({ exitCode: 0 });
    expect(restored.stderr).toMatch(/8 jobs need 11: it continues with \d/);
    expect(readPrinted(restored.stdout).outputs).toMatchObject({ parity: 'equal' });
  });

  test('as of none at all, it is refused with what helps', async () => {
    await query(cluster.superuserUrl(), `ALTER ROLE ${owner} CONNECTION LIMIT 0`);
    const run = await runCli(['backup', '--storage', join(folder, 'none')], {
      env: { SUPABASE_BACKUP_DATABASE_URL: source },
    });
    expectRefusal(run, { exitCode: 1, says: /no free session/, secrets: [password] });
  });
});
