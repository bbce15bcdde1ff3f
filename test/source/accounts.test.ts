import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTables, type TableInfo } from '../../src/postgres/catalog/tables.ts';
import type { Session } from '../../src/postgres/session/connection.ts';
import { SourceError } from '../../src/runtime/errors.ts';
import { checkAccounts, checkRecorded } from '../../src/source/accounts.ts';
import { findInSystemSchemas } from '../../src/source/archive/system-schemas.ts';
import { leaveToken } from '../../src/source/rollback-token.ts';
import { createDatabase, type Database } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

let cluster: Cluster;
let database: Database;
let session: Session;
let tables: TableInfo[];
/** The oid of the table that belongs to an extension */
let queue: number;

beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
  await database.run(`
    CREATE EXTENSION hstore; CREATE TABLE queue (id int); ALTER EXTENSION hstore ADD TABLE queue;
    CREATE TABLE plain (id int); CREATE UNLOGGED TABLE fast (id int);
    CREATE TABLE parts (id int) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parts DEFAULT;
    CREATE TEMPORARY TABLE passing (id int); CREATE VIEW seen AS SELECT FROM plain; CREATE MATERIALIZED VIEW kept AS SELECT FROM plain;
    CREATE SCHEMA "Other"; CREATE TABLE "Other"."odd Name" ();`);
  await leaveToken(database.settings, new AbortController().signal);
  session = await database.open();
  tables = await readTables(session);
  queue = Number((await database.rows("SELECT 'queue'::regclass::oid"))[0]?.[0]);
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});

const only = (...names: string[]) => tables.filter(({ name }) => names.includes(name));
const except = (...names: string[]) => tables.filter(({ name }) => !names.includes(name));

describe('the accounts of a backup', () => {
  it('add up when each table is copied, left out, an extension’s or the ledger’s', async () => {
    expect(tables.map(({ name }) => name)).toEqual(['odd Name', 'fast', 'part', 'plain']);
    await checkAccounts(session, { tables, leftOut: [] });
    await checkAccounts(session, { tables: except('plain'), leftOut: only('plain') });
  });

  it.each<[string, () => { tables: TableInfo[]; leftOut: TableInfo[] }, string]>([
    ['in no place', () => ({ tables: except('odd Name'), leftOut: [] }), 'Other.odd Name (in no place)'],
    ['in two', () => ({ tables, leftOut: only('plain') }), 'public.plain (copied, left out)'],
    [
      'copied and an extension’s',
      () => ({ tables: [...tables, { ...tables[0], oid: queue } as TableInfo], leftOut: [] }),
      'public.queue (copied, of an extension)',
    ],
    [
      'not in the catalog',
      () => ({ tables: [...tables, { ...tables[0], oid: 1 } as TableInfo], leftOut: [] }),
      'Other.odd Name (not in the catalog)',
    ],
  ])('do not with a table that is %s, and there is no backup', async (_how, books, named) => {
    const error = await checkAccounts(session, books()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SourceError);
    expect((error as Error).message).toContain(named);
  });
  it('are those of what is recorded', () => {
    expect(() => checkRecorded(tables, tables)).not.toThrow();
    expect(() => checkRecorded(except('part'), tables)).toThrow('public.part (was not copied)');
    expect(() => checkRecorded(tables, except('part'))).toThrow('public.part (not requested)');
    expect(() => checkRecorded([...tables, ...only('part')], tables)).toThrow(SourceError);
  });
});

it('what somebody made in the server’s own schemas is named, and what the server has is not', async () => {
  expect(await findInSystemSchemas(session)).toEqual([]);
  await database.run(`
    CREATE FUNCTION pg_catalog.mine(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE VIEW information_schema.mine AS SELECT 1 AS one; CREATE TYPE pg_catalog.my_mood AS ENUM ('x');
    CREATE OPERATOR pg_catalog.<<<< (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)`);
  expect(await findInSystemSchemas(session)).toEqual([
    'function pg_catalog.mine(integer)',
    'operator pg_catalog.<<<<(integer,integer)',
    'type pg_catalog.my_mood',
    'view information_schema.mine',
  ]);
});
