import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RestoreSelection } from '../../../src/parity/scope.ts';
import {
  type ArchiveEntry,
  describeEntry,
  readContents,
  writeList,
} from '../../../src/postgres/client/table-of-contents.ts';
import { clientEnvironment } from '../../../src/postgres/session/client-variables.ts';
import {
  createChoice,
  findUnmatchedIn,
  selectAll,
  selectPart,
  withoutExtensions,
} from '../../../src/restorer/archive/selection.ts';
import { createDatabase, type Database } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createContext } from '../../support/context.ts';

let cluster: Cluster;
let database: Database;
let contents: ArchiveEntry[];
let names: Map<number, { schema: string; name: string }>;
const folder = mkdtempSync(path.join(tmpdir(), 'selection-'));
const file = path.join(folder, 'shop.dump');

beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
  await database.run(`
    CREATE EXTENSION IF NOT EXISTS pgcrypto; CREATE ROLE visitor;
    CREATE SCHEMA shop; CREATE SCHEMA audit; CREATE SCHEMA kinds; CREATE SCHEMA unused;
    CREATE TYPE kinds.mood AS ENUM ('glad', 'sad');
    CREATE DOMAIN kinds.email AS text CHECK (VALUE LIKE '%@%');
    CREATE TYPE kinds.address AS (street text, mood kinds.mood);
    CREATE TABLE shop.customers (
      id int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME shop.number_of_customers) PRIMARY KEY, mail kinds.email, mood kinds.mood, address kinds.address);
    CREATE TABLE shop.orders (id serial PRIMARY KEY, customer int REFERENCES shop.customers, token uuid DEFAULT gen_random_uuid());
    CREATE SEQUENCE shop.counter; CREATE TABLE shop.tickets (number bigint DEFAULT nextval('shop.counter'));
    CREATE INDEX by_customer ON shop.orders (customer);
    COMMENT ON INDEX shop.by_customer IS 'finds orders'; COMMENT ON COLUMN shop.orders.id IS 'the number';
    CREATE TABLE audit.log (line text);
    CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION audit.note();
    ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
    CREATE FUNCTION audit.allowed(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
    CREATE POLICY own ON shop.orders USING (audit.allowed(customer));
    CREATE POLICY known ON shop.orders USING (EXISTS (SELECT FROM shop.customers c WHERE c.id = customer));
    GRANT SELECT ON shop.orders TO visitor; GRANT USAGE ON SCHEMA shop TO visitor;
    CREATE VIEW shop.overview AS SELECT o.id, c.mail FROM shop.orders o JOIN shop.customers c ON c.id = o.customer;
    CREATE MATERIALIZED VIEW shop.summary AS SELECT count(*) AS orders FROM shop.orders;
    CREATE UNIQUE INDEX only_one ON shop.summary (orders);
    CREATE FUNCTION shop.total(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE shop.events (at date, what text) PARTITION BY RANGE (at);
    CREATE TABLE shop.z_middle PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (what);
    CREATE TABLE shop.a_leaf PARTITION OF shop.z_middle FOR VALUES IN ('sold');
    CREATE TABLE shop.b_leaf PARTITION OF shop.events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
    CREATE INDEX events_at ON shop.events (at);
    CREATE TABLE shop.base (id int); CREATE TABLE shop.derived (more int) INHERITS (shop.base);
    CREATE STATISTICS shop.correlated ON id, customer FROM shop.orders;
    CREATE RULE quiet AS ON DELETE TO shop.tickets DO INSTEAD NOTHING;
    CREATE PUBLICATION everything FOR TABLE shop.orders;
    CREATE TABLE "audit"."odd ""name"" here" (id int);
    SELECT lo_create(4711);`);
  execFileSync(`${cluster.binFolder}/pg_dump`, ['-Fc', '-f', file], {
    env: clientEnvironment(database.settings, process.env, () => ''),
  });
  const client = {
    major: cluster.major,
    version: '',
    pgDump: '',
    pgRestore: `${cluster.binFolder}/pg_restore`,
  };
  const roles = (await database.rows('SELECT rolname FROM pg_roles')).map(([name]) => name as string);
  contents = await readContents(client, file, roles, createContext());
  const tables = await database.rows(
    "SELECT c.oid, nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND nspname IN ('shop', 'audit')",
  );
  names = new Map(tables.map(([oid, schema = '', name = '']) => [Number(oid), { schema, name }]));
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const select = (include: string[], exclude: string[] = []) =>
  selectPart(contents, names, createChoice({ include, exclude }));
const has = (selection: RestoreSelection, kind: string, name: string) =>
  selection.entries.some((entry) => entry.kind === kind && `${entry.schema ?? '-'}.${entry.name}` === name);
const leftOut = (selection: RestoreSelection) =>
  selection.leftOut.map(({ entry, needs }) => `${describeEntry(entry)} < ${describeEntry(needs)}`).sort();
const rowsOf = (selection: RestoreSelection) =>
  [...selection.tables].flatMap((oid) => names.get(oid)?.name ?? []).sort();

/** Restores a selection into a database of its own with --exit-on-error, and returns it to be looked at. */
async function restore(selection: RestoreSelection): Promise<Database> {
  const target = await createDatabase(cluster);
  const list = path.join(folder, 'list');
  writeFileSync(
    list,
    writeList(selection.entries.filter((entry) => entry.kind !== 'SCHEMA' || entry.name !== 'public')),
  );
  execFileSync(`${cluster.binFolder}/pg_restore`, ['--exit-on-error', '-L', list, '-d', target.name, file], {
    env: clientEnvironment(target.settings, process.env, () => ''),
    stdio: 'pipe',
  });
  return target;
}

describe('a chosen table', () => {
  it('brings its types, domains, sequences, triggers, functions, policies, grants and comments', () => {
    const selection = select(['shop.orders', 'shop.customers']);
    for (const [kind, name] of [
      ['TABLE', 'shop.orders'],
      ['TABLE', 'shop.customers'],
      ['SCHEMA', '-.shop'],
      ['TYPE', 'kinds.mood'],
      ['TYPE', 'kinds.address'],
      ['DOMAIN', 'kinds.email'],
      ['SEQUENCE', 'shop.orders_id_seq'],
      ['SEQUENCE OWNED BY', 'shop.orders_id_seq'],
      ['SEQUENCE SET', 'shop.orders_id_seq'],
      ['SEQUENCE', 'shop.number_of_customers'],
      ['SEQUENCE SET', 'shop.number_of_customers'],
      ['DEFAULT', 'shop.orders id'],
      ['CONSTRAINT', 'shop.orders orders_pkey'],
      ['FK CONSTRAINT', 'shop.orders orders_customer_fkey'],
      ['INDEX', 'shop.by_customer'],
      ['COMMENT', 'shop.INDEX by_customer'],
      ['COMMENT', 'shop.COLUMN orders.id'],
      ['TRIGGER', 'shop.orders note'],
      ['FUNCTION', 'audit.note()'],
      ['POLICY', 'shop.orders own'],
      ['POLICY', 'shop.orders known'],
      ['FUNCTION', 'audit.allowed(integer)'],
      ['ROW SECURITY', 'shop.orders'],
      ['ACL', 'shop.TABLE orders'],
      ['STATISTICS', 'shop.correlated'],
      ['EXTENSION', '-.pgcrypto'],
    ] as const) {
      expect(has(selection, kind, name), `${kind} ${name}`).toBe(true);
    }
    expect(rowsOf(selection)).toEqual(['customers', 'orders']);
    expect(has(selection, 'TABLE', 'audit.log')).toBe(false);
    expect(has(selection, 'PUBLICATION', '-.everything')).toBe(false);
  });

  it('leaves out what needs a table that is not restored, and says so', () => {
    const selection = select(['shop.orders']);
    expect(rowsOf(selection)).toEqual(['orders']);
    expect(leftOut(selection)).toEqual([
      'fk constraint shop.orders orders_customer_fkey < table shop.customers',
      'policy shop.orders known < table shop.customers',
    ]);
    expect(has(selection, 'VIEW', 'shop.overview')).toBe(false);
    expect(has(selection, 'MATERIALIZED VIEW', 'shop.summary')).toBe(false);
  });

  it('brings the sequence of a default that it does not own', () => {
    const selection = select(['shop.tickets']);
    expect(has(selection, 'SEQUENCE', 'shop.counter')).toBe(true);
    expect(has(selection, 'SEQUENCE SET', 'shop.counter')).toBe(true);
    expect(has(selection, 'RULE', 'shop.tickets quiet')).toBe(true);
  });

  it('that is partitioned brings its partitions, of every level', () => {
    const selection = select(['shop.events']);
    expect(rowsOf(selection)).toEqual(['a_leaf', 'b_leaf']);
    expect(selection.definitionsOnly).toEqual([]);
    expect(selection.leftOut).toEqual([]);
    expect(has(selection, 'INDEX', 'shop.events_at')).toBe(true);
  });

  it('that is a partition brings its parents as definitions, not their other partitions', () => {
    const selection = select(['shop.a_leaf']);
    expect(rowsOf(selection)).toEqual(['a_leaf']);
    expect(has(selection, 'TABLE', 'shop.b_leaf')).toBe(false);
  });

  it('that is a child brings its parent as a definition', () => {
    const selection = select(['shop.derived']);
    expect(rowsOf(selection)).toEqual(['derived']);
    expect(selection.definitionsOnly.map(describeEntry)).toEqual(['table shop.base']);
  });

  it('with an odd name is chosen by that name', () => {
    expect(rowsOf(select(['audit."odd ""name"" here"']))).toEqual(['odd "name" here']);
  });
});

describe('a selection', () => {
  it('of a schema leaves out the views over what is excluded', () => {
    const selection = select(['shop.*'], ['shop.customers']);
    expect(has(selection, 'VIEW', 'shop.overview')).toBe(false);
    expect(leftOut(selection)).toContain('view shop.overview < table shop.customers');
    expect(has(selection, 'MATERIALIZED VIEW', 'shop.summary')).toBe(true);
    expect(has(selection, 'FUNCTION', 'shop.total(integer, text)')).toBe(true);
  });

  it('that is left out leaves the sequence of its column out as well', () => {
    const others = select([], ['shop.orders']);
    expect(has(others, 'SEQUENCE', 'shop.orders_id_seq')).toBe(false);
    expect(has(others, 'SEQUENCE', 'shop.counter')).toBe(true);
  });

  it('that nothing fits is told, whatever it may be', () => {
    const patterns = ['shop.ordres', 'shop.total', 'kinds.mood', 'shop.overview', 'audit.*', 'audits.*'];
    expect(findUnmatchedIn(contents, names, patterns)).toEqual(['shop.ordres', 'audits.*']);
  });

  it('of functions and types takes them by name', () => {
    const selection = select(['shop.total', 'kinds.mood']);
    expect(has(selection, 'FUNCTION', 'shop.total(integer, text)')).toBe(true);
    expect(has(selection, 'TYPE', 'kinds.mood')).toBe(true);
    expect(selection.tables.size).toBe(0);
  });

  it('keeps the archive’s order, each entry once', () => {
    for (const selection of [select(['shop.*']), select(['*']), select(['shop.orders'])]) {
      const places = selection.entries.map((entry) => contents.indexOf(entry));
      expect(places).toEqual(places.toSorted((one, other) => one - other));
      expect(new Set(places).size).toBe(places.length);
    }
  });

  it('of all has all', () => {
    const selection = selectAll(
      contents,
      [...names.keys()].map((oid) => ({ oid })),
    );
    expect(selection.entries).toEqual(contents);
    expect(selection.tables.size).toBe(names.size);
  });

  it.each<[string, string[], string[]]>([
    ['one table', ['shop.orders'], []],
    ['two tables with a key between them', ['shop.orders', 'shop.customers'], []],
    ['a table with an identity column', ['shop.customers'], []],
    ['a table with a sequence of its own', ['shop.tickets'], []],
    ['a partitioned table', ['shop.events'], []],
    ['a partition', ['shop.a_leaf'], []],
    ['a child table', ['shop.derived'], []],
    ['a view with its tables', ['shop.overview', 'shop.orders', 'shop.customers'], []],
    ['a materialized view with its table', ['shop.summary', 'shop.orders'], []],
    ['a schema', ['shop.*'], []],
    ['a schema without a table that others need', ['shop.*'], ['shop.customers']],
    ['two schemas', ['audit.*', 'kinds.*'], []],
    ['everything but one schema', ['*'], ['audit.*']],
    ['everything', ['*'], []],
  ])('is restored by pg_restore without an error: %s', async (_what, include, exclude) => {
    const selection = select(include, exclude);
    expect(selection.entries.length).toBeGreaterThan(1);
    const target = await restore(selection);
    const made = await target.rows(
      "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p') AND nspname IN ('shop', 'audit') ORDER BY 1",
    );
    for (const name of rowsOf(selection)) expect(made.flat()).toContain(name);
    await target.close();
  });

  it('restores an identity column as one', async () => {
    const target = await restore(select(['shop.customers']));
    await target.run("INSERT INTO shop.customers (mail) VALUES ('a@b')");
    expect(await target.rows('SELECT id, mail FROM shop.customers')).toEqual([['1', 'a@b']]);
    await target.close();
  });
});

describe('a server that lacks an extension', () => {
  it('gets all that can be without it, and a list of the rest', async () => {
    const other = await createDatabase(cluster);
    await other.run(`
      CREATE EXTENSION citext; CREATE SCHEMA app;
      CREATE TABLE app.people (id int PRIMARY KEY, mail citext);
      CREATE TABLE app.pets (id int PRIMARY KEY, owner int REFERENCES app.people);
      CREATE VIEW app.mails AS SELECT mail FROM app.people;
      CREATE TABLE app.plain (id int DEFAULT 1);
      CREATE FUNCTION app.same(citext) RETURNS citext LANGUAGE sql AS 'SELECT $1';
      GRANT SELECT ON app.people TO PUBLIC;`);
    const dump = path.join(folder, 'citext.dump');
    execFileSync(`${cluster.binFolder}/pg_dump`, ['-Fc', '-f', dump], {
      env: clientEnvironment(other.settings, process.env, () => ''),
    });
    const client = { pgRestore: `${cluster.binFolder}/pg_restore`, pgDump: '', version: '' };
    const all = await readContents(client as never, dump, ['supabase_admin'], createContext());
    const tables = all.filter((entry) => entry.kind === 'TABLE');
    const everything = selectAll(all, tables);
    expect(withoutExtensions(everything, new Set())).toBe(everything);

    const rest = withoutExtensions(everything, new Set(['citext']));
    const kept = rest.entries.map(describeEntry);
    expect(kept).toEqual(
      expect.arrayContaining([
        'schema app',
        'table app.pets',
        'table app.plain',
        'constraint app.pets pets_pkey',
      ]),
    );
    const leftOut = rest.leftOut.map(({ entry }) => describeEntry(entry));
    expect(leftOut).toEqual(
      expect.arrayContaining([
        'table app.people',
        'view app.mails',
        'function app.same(public.citext)',
        'fk constraint app.pets pets_owner_fkey',
        'constraint app.people people_pkey',
      ]),
    );
    expect(kept.filter((entry) => /people|mails|citext/.test(entry))).toEqual([]);
    expect(rest.tables.size).toBe(2);
    await other.close();
  });

  it('gets the partitions of a table that it cannot have, and the sequence of such a table, as things of their own', async () => {
    const other = await createDatabase(cluster);
    await other.run(`
      CREATE EXTENSION citext;
      CREATE TABLE parts (id int, k text) PARTITION BY RANGE ((k::citext));
      CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM ('a') TO ('b');
      CREATE TABLE numbers (id serial, k citext);`);
    const dump = path.join(folder, 'parts.dump');
    execFileSync(`${cluster.binFolder}/pg_dump`, ['-Fc', '-f', dump], {
      env: clientEnvironment(other.settings, process.env, () => ''),
    });
    const client = { pgRestore: `${cluster.binFolder}/pg_restore`, pgDump: '', version: '' };
    const all = await readContents(client as never, dump, ['supabase_admin'], createContext());
    const tables = all.filter((entry) => entry.kind === 'TABLE');
    const rest = withoutExtensions(selectAll(all, tables), new Set(['citext']));
    const kept = rest.entries.map(describeEntry);
    expect(kept).toContain('sequence public.numbers_id_seq');
    expect(leftOut(rest)).toEqual(
      expect.arrayContaining([
        'sequence owned by public.numbers_id_seq < table public.numbers',
        'table attach public.part_1 < table public.parts',
        'table public.numbers < extension citext',
      ]),
    );
    expect(kept).toContain('table public.part_1');
    await other.close();
  });
});
