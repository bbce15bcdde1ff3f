import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTables, type TableInfo } from '../../src/postgres/catalog/tables.ts';
import { openSession } from '../../src/postgres/session/connection.ts';
import { SourceError } from '../../src/runtime/errors.ts';
import { checkReadable, checkServer } from '../../src/source/preflight.ts';
import { asRole, createDatabase, type Database } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

let cluster: Cluster;
let database: Database;
const created: string[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
  await database.run(`
    CREATE TABLE plain AS SELECT 1 AS id; CREATE TABLE "odd Name" AS SELECT 1 AS id;
    CREATE SCHEMA closed; CREATE TABLE closed.inside AS SELECT 1 AS id;
    CREATE TABLE guarded AS SELECT 1 AS id; ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    CREATE SEQUENCE counter; CREATE SEQUENCE "other Counter";`);
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});

/** What the check says to a role that was given some rights. */
async function check(
  role: string,
  rights: string,
  wanted: (table: TableInfo) => boolean = () => true,
): Promise<string | undefined> {
  created.push(role);
  await database.run(`CREATE ROLE ${role} LOGIN PASSWORD 'p'; ${rights.replaceAll('ROLE_', role)}`);
  const session = await openSession(asRole(database.settings, role, 'p'));
  try {
    await checkReadable(session, (await readTables(session)).filter(wanted));
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(SourceError);
    expect((error as SourceError).next).toMatch(/./);
    return (error as SourceError).message;
  } finally {
    await session.close();
  }
}

const all = 'GRANT pg_read_all_data TO ROLE_;';

describe('a role is refused', () => {
  it('with all the tables that it may not read', async () => {
    const message = await check(
      'reader_1',
      'GRANT SELECT ON plain TO ROLE_; GRANT SELECT ON closed.inside TO ROLE_',
    );
    expect(message).toContain('3 tables');
    for (const name of ['public.odd Name', 'closed.inside', 'public.guarded'])
      expect(message).toContain(name);
    expect(message).not.toContain('public.plain');
  });

  it('with the tables whose rows a policy would hide', async () => {
    const message = await check('reader_2', all);
    expect(message).toContain('BYPASSRLS');
    expect(message).toContain('1 table: public.guarded');
  });

  it('when it owns a table whose policies are forced on the owner', async () => {
    const rights = `${all} CREATE TABLE mine AS SELECT 1 AS id; ALTER TABLE mine OWNER TO ROLE_;
      ALTER TABLE mine ENABLE ROW LEVEL SECURITY; ALTER TABLE mine FORCE ROW LEVEL SECURITY`;
    expect(await check('reader_3', rights, (table) => table.name === 'mine')).toContain(
      '1 table: public.mine',
    );
    await database.run('ALTER TABLE mine NO FORCE ROW LEVEL SECURITY');
    expect(
      await check('reader_4', `${all} GRANT reader_3 TO ROLE_`, (table) => table.name === 'mine'),
    ).toBeUndefined();
    await database.run('DROP TABLE mine');
  });

  it('with the sequences that it may not read', async () => {
    const message = await check(
      'reader_5',
      'ALTER ROLE ROLE_ BYPASSRLS; GRANT USAGE ON SCHEMA closed TO ROLE_; GRANT SELECT ON ALL TABLES IN SCHEMA public, closed TO ROLE_; REVOKE ALL ON counter, "other Counter" FROM ROLE_; GRANT SELECT ON counter TO ROLE_',
    );
    expect(message).toContain('1 sequence: public.other Counter');
  });

  it('with the large objects that it may not read', async () => {
    await database.run(`
      SELECT lo_create(1001), lo_create(1002), lo_create(1003), lo_create(1004);
      GRANT SELECT ON LARGE OBJECT 1002 TO PUBLIC`);
    const rights = `${all} ALTER ROLE ROLE_ BYPASSRLS; ALTER LARGE OBJECT 1003 OWNER TO ROLE_; GRANT SELECT ON LARGE OBJECT 1004 TO ROLE_`;
    const message = await check('reader_6', rights);
    expect(message).toContain('1 large object: 1001');
    await database.run('SELECT lo_unlink(1001), lo_unlink(1002), lo_unlink(1003), lo_unlink(1004)');
  });

  it('with a screenful of names at most', async () => {
    await database.run(
      `DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('CREATE TABLE many_%s ()', i); END LOOP; END $$`,
    );
    expect(await check('reader_7', '')).toMatch(/6\d tables: .*, and 1\d more/);
    await database.run(
      `DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('DROP TABLE many_%s', i); END LOOP; END $$`,
    );
  });
});

describe('a role is accepted', () => {
  it('that may read everything', async () => {
    expect(await check('reader_8', `${all} ALTER ROLE ROLE_ BYPASSRLS`)).toBeUndefined();
  });

  it('whose unreadable tables are left out', async () => {
    expect(await check('reader_9', all, (table) => table.name !== 'guarded')).toBeUndefined();
  });
});

it('a server older than TID range scans is refused', async () => {
  const session = await database.open();
  expect(() => checkServer({ ...session, serverVersion: 130012 })).toThrow(/PostgreSQL 13/);
  checkServer(session);
});
