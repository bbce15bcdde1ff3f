import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readTables } from '../../src/postgres/catalog/tables.ts';
import { openSession } from '../../src/postgres/session/connection.ts';
import { inTransaction } from '../../src/postgres/session/transaction.ts';
import { prepareSchema } from '../../src/records/schema.ts';
import { noteTransaction } from '../../src/records/transaction.ts';
import { readOurs } from '../../src/source/own-schemas.ts';
import { leaveToken } from '../../src/source/rollback-token.ts';
import { makeRecords, writeRecord } from '../fixture/records-schema.ts';
import { asRole, createDatabase, type Database } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

let cluster: Cluster;
let database: Database;
const { signal } = new AbortController();

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off' } });
  const setUp = await createDatabase(cluster);
  await setUp.run(
    `CREATE ROLE keeper LOGIN PASSWORD 'keeper'; CREATE ROLE reader LOGIN PASSWORD 'reader'; CREATE ROLE supabase_backup_reader`,
  );
  await setUp.close();
});
afterAll(() => cluster?.stop());
beforeEach(async () => {
  database = await createDatabase(cluster);
  return () => database.close();
});

async function read(user?: string) {
  const settings = user === undefined ? database.settings : asRole(database.settings, user, user);
  await using session = await openSession(settings, signal);
  const ours = await readOurs(session);
  const tables = (await readTables(session)).map(({ schema }) => schema);
  return { ...ours, seen: [...new Set(tables)] };
}

describe('what is ours', () => {
  it('is nothing in a database that has none of it', async () => {
    await database.run('CREATE TABLE mine (id int)');
    expect(await read()).toEqual({ schemas: [], transactions: [], seen: ['public'] });
  });

  it('is the rollback tokens and the records, and the transactions that wrote the records', async () => {
    await database.run(makeRecords);
    await leaveToken(database.settings, signal);
    await database.run(writeRecord);
    await database.run(writeRecord);
    const [[one, other] = []] = await database.rows(
      'SELECT min(xmin::text::bigint), max(xmin::text::bigint) FROM supabase_backup_records.backup_jobs',
    );
    const { transactions, ...ours } = await read();
    expect(ours).toEqual({ schemas: ['supabase_backup', 'supabase_backup_records'], seen: [] });
    expect(transactions.toSorted()).toEqual([BigInt(one ?? 0), BigInt(other ?? 0)]);
  });

  it('is told by a comment of any version, and by none of another kind', async () => {
    await database.run(makeRecords);
    for (const [comment, isOurs] of [
      ['Records of supabase-backup, of a version to come', true],
      ['Our records of supabase-backup', false],
      ['', false],
    ] as const) {
      await database.run(`COMMENT ON SCHEMA supabase_backup_records IS '${comment}'`);
      expect((await read()).schemas).toEqual(isOurs ? ['supabase_backup_records'] : []);
    }
  });

  it('may belong to the owner of the database, whoever makes the backup, and to nobody else', async () => {
    await database.run(
      `${makeRecords} ALTER SCHEMA supabase_backup_records OWNER TO keeper; GRANT USAGE ON SCHEMA supabase_backup_records TO reader`,
    );
    expect(await read('reader')).toMatchObject({ schemas: [], seen: ['supabase_backup_records'] });
    await database.run(`ALTER DATABASE ${database.name} OWNER TO keeper`);
    expect(await read('reader')).toMatchObject({ schemas: ['supabase_backup_records'], seen: [] });
  });

  it.each([
    ['a table of another role', 'ALTER TABLE supabase_backup_records.transactions OWNER TO keeper'],
    [
      'a table with a trigger',
      `CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
       CREATE TRIGGER trap AFTER INSERT ON supabase_backup_records.transactions FOR EACH ROW EXECUTE FUNCTION trap()`,
    ],
    [
      'a view',
      `DROP TABLE supabase_backup_records.transactions;
       CREATE VIEW supabase_backup_records.transactions AS SELECT '1'::xid8 AS xid`,
    ],
    [
      'a table whose row security binds its owner',
      `ALTER TABLE supabase_backup_records.transactions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`,
    ],
  ])('does not believe the transactions of %s', async (_what, sql) => {
    await database.run(makeRecords);
    await database.run(writeRecord);
    expect((await read()).transactions).toHaveLength(1);
    await database.run(sql);
    expect((await read()).transactions).toEqual([]);
  });

  it('does not read transactions that this role may not read', async () => {
    await database.run(makeRecords);
    await database.run(writeRecord);
    expect(await read('reader')).toMatchObject({ transactions: [] });
  });

  it("is no transaction of another server, whose numbers pg_dump brought here, and they stand in no writer's way", async () => {
    await using session = await openSession(database.settings, signal);
    await prepareSchema(session);
    // As if it had noted all that the other server will ever get to.
    await database.run(
      `INSERT INTO supabase_backup_records.transactions (xid) SELECT n::text::xid8 FROM generate_series(1, 5000) n ON CONFLICT DO NOTHING`,
    );
    expect((await readOurs(session)).transactions.length).toBeGreaterThanOrEqual(5000);
    const other = await startCluster({ settings: { autovacuum: 'off' } });
    try {
      const copy = await createDatabase(other);
      const [dump, restore] = ['pg_dump', 'pg_restore'].map((name) => join(cluster.binFolder, name));
      const input = execFileSync(dump ?? '', [
        '-Fc',
        '--no-privileges',
        '--exclude-schema=public',
        database.url,
      ]);
      await copy.run('CREATE ROLE supabase_backup_reader');
      execFileSync(restore ?? '', ['--single-transaction', `--dbname=${copy.url}`], { input });
      await using reader = await openSession(copy.settings, signal);
      expect(await readOurs(reader)).toEqual({ schemas: ['supabase_backup_records'], transactions: [] });
      await using writer = await openSession(copy.settings, signal);
      const [noted] = await inTransaction(writer, async () => {
        await noteTransaction(writer);
        return await writer.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
      });
      expect(Number(noted?.xid)).toBeLessThan(5000);
      expect((await readOurs(reader)).transactions).toEqual([BigInt(noted?.xid ?? 0)]);
      await copy.close();
    } finally {
      await other.stop();
    }
  });
});
