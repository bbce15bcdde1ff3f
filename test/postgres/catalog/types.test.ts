import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTables, type TableInfo } from '../../../src/postgres/catalog/tables.ts';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createDatabase, type Database } from '../database.ts';

let cluster: Cluster;
let database: Database;
let session: Session;

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off' } });
  database = await createDatabase(cluster);
  session = await database.open();
  await applySettings(session, 'UTF8');
  for (const name of ['hstore', 'citext', 'isn', 'cube', 'ltree', 'seg', 'lo'])
    await database.run(`CREATE EXTENSION ${name}${name === 'hstore' ? " VERSION '1.4'" : ''}`);
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});

async function read(name: string, through = session): Promise<TableInfo> {
  const found = (await readTables(through)).find((table) => table.name === name);
  if (!found) throw new Error(`no table ${name}`);
  return found;
}

let made = 0;

describe('the fingerprint of a table', () => {
  it.each<[string, string, string]>([
    ['a column is added', 'CREATE TABLE $ (a int)', 'ALTER TABLE $ ADD b int'],
    [
      'a column is added with a default',
      'CREATE TABLE $ (a int); INSERT INTO $ VALUES (1)',
      "ALTER TABLE $ ADD b text DEFAULT 'x'",
    ],
    ['a column is dropped', 'CREATE TABLE $ (a int, b int)', 'ALTER TABLE $ DROP b'],
    ['a column is made anew', 'CREATE TABLE $ (a int, b int)', 'ALTER TABLE $ DROP b, ADD b int'],
    ['a column is renamed', 'CREATE TABLE $ (a int)', 'ALTER TABLE $ RENAME a TO b'],
    [
      'the type of a column changes',
      'CREATE TABLE $ (a timestamptz)',
      "SET TimeZone = 'UTC'; ALTER TABLE $ ALTER a TYPE timestamp",
    ],
    [
      'the length of a column changes',
      'CREATE TABLE $ (a varchar(5))',
      'ALTER TABLE $ ALTER a TYPE varchar(6)',
    ],
    [
      'the collation of a column changes',
      'CREATE TABLE $ (a text)',
      'ALTER TABLE $ ALTER a TYPE text COLLATE "C"',
    ],
    [
      'a column is no longer generated',
      'CREATE TABLE $ (a int, b int GENERATED ALWAYS AS (a) STORED)',
      'ALTER TABLE $ ALTER b DROP EXPRESSION',
    ],
    [
      'a label is renamed',
      "CREATE TYPE $e AS ENUM ('a'); CREATE TABLE $ (a $e)",
      "ALTER TYPE $e RENAME VALUE 'a' TO 'b'",
    ],
    [
      'a label is added',
      "CREATE TYPE $e AS ENUM ('a'); CREATE TABLE $ (a $e)",
      "ALTER TYPE $e ADD VALUE 'b'",
    ],
    [
      'a label in an array is renamed',
      "CREATE TYPE $e AS ENUM ('a'); CREATE TABLE $ (a $e[])",
      "ALTER TYPE $e RENAME VALUE 'a' TO 'b'",
    ],
    [
      'a label in a domain over a domain is renamed',
      "CREATE TYPE $e AS ENUM ('a'); CREATE DOMAIN $d AS $e; CREATE DOMAIN $dd AS $d; CREATE TABLE $ (a $dd)",
      "ALTER TYPE $e RENAME VALUE 'a' TO 'b'",
    ],
    [
      'a label in a range is renamed',
      "CREATE TYPE $e AS ENUM ('a'); CREATE TYPE $r AS RANGE (subtype = $e); CREATE TABLE $ (a $r)",
      "ALTER TYPE $e RENAME VALUE 'a' TO 'b'",
    ],
    [
      'a label in a multirange is renamed',
      "CREATE TYPE $e AS ENUM ('a'); CREATE TYPE $r AS RANGE (subtype = $e, multirange_type_name = $m); CREATE TABLE $ (a $m[])",
      "ALTER TYPE $e RENAME VALUE 'a' TO 'b'",
    ],
    [
      'a label deep in composites is renamed',
      "CREATE TYPE $e AS ENUM ('a'); CREATE TYPE $c AS (x $e[]); CREATE TYPE $cc AS (y $c[]); CREATE DOMAIN $d AS $cc[]; CREATE TABLE $ (a $d)",
      "ALTER TYPE $e RENAME VALUE 'a' TO 'b'",
    ],
    [
      'an attribute is added',
      'CREATE TYPE $c AS (x int); CREATE TABLE $ (a $c)',
      'ALTER TYPE $c ADD ATTRIBUTE y int',
    ],
    [
      'an attribute is dropped',
      'CREATE TYPE $c AS (x int, y int); CREATE TABLE $ (a $c)',
      'ALTER TYPE $c DROP ATTRIBUTE x',
    ],
    [
      'an attribute in an array is added',
      'CREATE TYPE $c AS (x int); CREATE TABLE $ (a $c[])',
      'ALTER TYPE $c ADD ATTRIBUTE y int',
    ],
    [
      'a row type gets a column',
      'CREATE TABLE $o (x int); CREATE TABLE $ (a $o)',
      'ALTER TABLE $o ADD y int',
    ],
    ['an extension is updated', 'CREATE TABLE $ (a hstore)', 'ALTER EXTENSION hstore UPDATE'],
    [
      'an output function is replaced',
      `CREATE TYPE $b; CREATE FUNCTION $bi(cstring) RETURNS $b LANGUAGE internal IMMUTABLE STRICT AS 'textin';
       CREATE FUNCTION $bo($b) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
       CREATE TYPE $b (INPUT = $bi, OUTPUT = $bo, LIKE = text); CREATE TABLE $ (a $b)`,
      "CREATE OR REPLACE FUNCTION $bo($b) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout'",
    ],
  ])('changes when %s', async (_, create, change) => {
    const name = `t${++made}`;
    await database.run(create.replaceAll('$', name));
    const before = await read(name);
    expect((await read(name)).fingerprint).toBe(before.fingerprint);
    await database.run(change.replaceAll('$', name));
    const after = await read(name);
    expect(after.fingerprint).not.toBe(before.fingerprint);
    expect(after.relfilenode, 'without a rewrite').toBe(before.relfilenode);
  });

  it.each<[string, string, string]>([
    ['of a default', 'CREATE TABLE $ (a int)', 'ALTER TABLE $ ALTER a SET DEFAULT 1'],
    ['of a constraint', 'CREATE TABLE $ (a int)', 'ALTER TABLE $ ADD CHECK (a > 0)'],
    ['of NOT NULL', 'CREATE TABLE $ (a int)', 'ALTER TABLE $ ALTER a SET NOT NULL'],
    ['of an index', 'CREATE TABLE $ (a int)', 'CREATE INDEX ON $ (a)'],
    [
      'of storage and statistics',
      'CREATE TABLE $ (a text)',
      'ALTER TABLE $ ALTER a SET STORAGE EXTERNAL, ALTER a SET STATISTICS 7',
    ],
    [
      'of a constraint of a domain',
      'CREATE DOMAIN $d AS int; CREATE TABLE $ (a $d)',
      'ALTER DOMAIN $d ADD CHECK (VALUE > 0)',
    ],
    ['of a row', 'CREATE TABLE $ (a int)', 'INSERT INTO $ VALUES (1); ANALYZE $; VACUUM $'],
    [
      'of an enum it does not use',
      "CREATE TYPE $e AS ENUM ('a'); CREATE TABLE $ (a int); CREATE TABLE $x (a $e)",
      "ALTER TYPE $e RENAME VALUE 'a' TO 'b'",
    ],
    [
      'of another table with its name in it',
      'CREATE TABLE $ (a int); CREATE TABLE $o (x $)',
      'ALTER TABLE $o ADD y int',
    ],
  ])('knows nothing %s', async (_, create, change) => {
    const name = `t${++made}`;
    await database.run(create.replaceAll('$', name));
    const before = await read(name);
    for (const statement of change.replaceAll('$', name).split('; ')) await database.run(statement);
    expect((await read(name)).fingerprint).toBe(before.fingerprint);
  });

  it('is the same whatever the search_path of the session', async () => {
    await database.run('CREATE TABLE extended (a hstore, b citext, c cube[])');
    const other = await database.open();
    await applySettings(other, 'UTF8');
    const there = await read('extended', other);
    await other.query('SET search_path = public');
    expect((await read('extended', other)).fingerprint).toBe(there.fingerprint);
    expect((await read('extended')).fingerprint).toBe(there.fingerprint);
  });

  it('holds the values that rows from before a column have', async () => {
    for (const [table, value] of [
      ['early', 1],
      ['late', 2],
    ] as const)
      await database.run(
        `CREATE TABLE ${table} (a int); INSERT INTO ${table} VALUES (0); ALTER TABLE ${table} ADD b int DEFAULT ${value}`,
      );
    expect((await read('early')).fingerprint).not.toBe((await read('late')).fingerprint);
  });
});

describe('a column', () => {
  const steady = [
    ...[
      'bool',
      'bytea',
      '"char"',
      'name',
      'int8',
      'int2',
      'int4',
      'text',
      'oid',
      'json',
      'xml',
      'point',
      'lseg',
      'path',
      'box',
      'polygon',
    ],
    ...[
      'line',
      'float4',
      'float8',
      'circle',
      'money',
      'macaddr',
      'macaddr8',
      'inet',
      'cidr',
      'char(3)',
      'varchar',
      'date',
      'time(3)',
    ],
    ...[
      'timestamp',
      'timestamptz',
      'interval',
      'timetz',
      'bit(3)',
      'varbit',
      'numeric(5,2)',
      'uuid',
      'jsonb',
      'jsonpath',
      'tsvector',
    ],
    ...[
      'tsquery',
      'pg_lsn',
      'int2vector',
      'oidvector',
      'int4range',
      'tstzrange',
      'nummultirange',
      'text[]',
      'numeric[][]',
      'daterange[]',
    ],
    ...[
      'hstore',
      'citext',
      'citext[]',
      'cube',
      'ltree',
      'seg',
      'a_enum',
      'a_enum[]',
      'a_domain',
      'a_composite',
      'a_composite[]',
    ],
    ...['a_range', 'a_multirange', 'a_row', 'a_row[]', 'lo'],
  ];
  const volatile = [
    ...[
      'regclass',
      'regproc',
      'regprocedure',
      'regoper',
      'regoperator',
      'regtype',
      'regrole',
      'regnamespace',
      'regconfig',
      'regdictionary',
    ],
    ...[
      'regcollation',
      'aclitem',
      'aclitem[]',
      'xid',
      'xid8',
      'cid',
      'tid',
      'pg_snapshot',
      'txid_snapshot',
      'refcursor',
      'regclass[]',
    ],
    ...[
      'isbn',
      'lquery',
      'reg_domain',
      'reg_domain[]',
      'reg_composite',
      'reg_composite[]',
      'reg_nested',
      'reg_range',
      'reg_multirange',
    ],
    ...['reg_row', 'of_its_own', 'of_its_own[]', 'posing'],
  ];

  beforeAll(async () => {
    await database.run(`
      CREATE TYPE a_enum AS ENUM ('a'); CREATE DOMAIN a_domain AS a_enum; CREATE TYPE a_composite AS (x a_enum, y text[]);
      CREATE TYPE a_range AS RANGE (subtype = text, multirange_type_name = a_multirange); CREATE TABLE a_row (x a_composite);
      CREATE DOMAIN reg_domain AS regclass; CREATE TYPE reg_composite AS (x int, y regclass); CREATE TYPE reg_nested AS (x reg_composite[]);
      CREATE TYPE reg_range AS RANGE (subtype = regtype, subtype_opclass = oid_ops, multirange_type_name = reg_multirange);
      CREATE TABLE reg_row (x reg_domain);
      CREATE TYPE of_its_own; CREATE FUNCTION own_in(cstring) RETURNS of_its_own LANGUAGE internal IMMUTABLE STRICT AS 'textin';
      CREATE FUNCTION own_out(of_its_own) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
      CREATE TYPE of_its_own (INPUT = own_in, OUTPUT = own_out, LIKE = text);
      CREATE SCHEMA elsewhere; CREATE DOMAIN posing AS of_its_own;`);
    await database.run(
      [...steady, ...volatile]
        .map((type, index) => `CREATE TABLE typed_${index} (plain int, v ${type})`)
        .join('; '),
    );
  });

  it('of a type whose text depends on the value alone can be taken over', async () => {
    const tables = new Map((await readTables(session)).map((table) => [table.name, table.volatileType]));
    const wrong = steady.filter((_, index) => tables.get(`typed_${index}`) !== undefined);
    expect(wrong).toEqual([]);
    expect(tables.has(`typed_${steady.length - 1}`)).toBe(true);
  });

  it('of a type that names something, counts transactions or is not known is always read', async () => {
    const tables = new Map((await readTables(session)).map((table) => [table.name, table.volatileType]));
    const wrong = volatile.filter(
      (_, index) => !tables.get(`typed_${steady.length + index}`)?.includes('column of type'),
    );
    expect(wrong).toEqual([]);
  });

  it('that is dropped or generated does not count', async () => {
    await database.run(`CREATE TABLE former (a int, b regclass, c regtype GENERATED ALWAYS AS (a::oid::regtype) STORED);
                        ALTER TABLE former DROP b`);
    expect((await read('former')).volatileType).toBeUndefined();
  });
});

it('a table that is unlogged or no heap says so', async () => {
  await database.run(`CREATE UNLOGGED TABLE unlogged (a int); CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler;
                      CREATE TABLE not_heap (a int) USING other`);
  expect(await read('unlogged')).toMatchObject({ persistence: 'unlogged', volatileType: 'it is unlogged' });
  expect(await read('not_heap')).toMatchObject({ heap: false, volatileType: 'it is not a heap table' });
});
