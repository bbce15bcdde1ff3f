import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkTarget, readSchemas } from '../../src/restorer/preflight.ts';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { createDatabase, type Database } from '../postgres/database.ts';
import { makeManifest } from '../repository/example.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

let cluster: Cluster;
const example = makeManifest();
const manifest = makeManifest({ facts: { ...example.facts, roles: ['supabase_admin'] } });
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
});

async function check(database: Database, of = manifest): Promise<string | undefined> {
  const session = await database.open();
  try {
    await checkTarget(session, of, 'plain');
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as ConfigurationError).message).toMatch(/^target-url: /);
    return `${(error as ConfigurationError).message} ${(error as ConfigurationError).next}`;
  } finally {
    await session.close();
  }
}

const madeBy = (source: Partial<typeof example.source>) => ({
  ...manifest,
  source: { ...manifest.source, serverVersion: 140000, ...source },
});
const fitting = madeBy({});

describe('a target', () => {
  it('that is empty is accepted, extensions and their objects aside', async () => {
    const database = await createDatabase(cluster);
    // The last has composite types, whose membership is recorded otherwise.
    await database.run(
      'CREATE EXTENSION hstore; CREATE EXTENSION pgcrypto; CREATE SCHEMA extensions; CREATE EXTENSION tablefunc',
    );
    expect(await check(database, fitting)).toBeUndefined();
    await database.close();
  });

  it.each([
    ['a table', 'CREATE TABLE "my Table" (id int)', 'table public."my Table"'],
    ['a partitioned table', 'CREATE TABLE t (id int) PARTITION BY LIST (id)', 'table public.t'],
    ['a view', 'CREATE VIEW v AS SELECT 1 AS one', 'view public.v'],
    ['a materialized view', 'CREATE MATERIALIZED VIEW m AS SELECT 1 AS one', 'materialized view public.m'],
    ['a sequence', 'CREATE SEQUENCE s', 'sequence public.s'],
    ['a function', "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", 'function public.f'],
    ['an enum', "CREATE TYPE e AS ENUM ('a')", 'type public.e'],
    ['a domain', 'CREATE DOMAIN d AS text', 'type public.d'],
    ['a composite type', 'CREATE TYPE c AS (a int)', 'public.c'],
    ['a range type', 'CREATE TYPE r AS RANGE (subtype = int)', 'public.r'],
    ['a large object', 'SELECT lo_create(4711)', 'large object 4711'],
    ['a table elsewhere', 'CREATE SCHEMA x; CREATE TABLE x.t ()', 'table x.t'],
  ])('that holds %s is refused by its name', async (_what, sql, name) => {
    const database = await createDatabase(cluster);
    await database.run(sql);
    expect(await check(database, fitting)).toContain(name);
    await database.close();
  });

  it('that holds much is refused with a few names and the number of the rest', async () => {
    const database = await createDatabase(cluster);
    await database.run(
      `DO $$ BEGIN FOR i IN 1..30 LOOP EXECUTE format('CREATE TABLE t%s ()', i); END LOOP; END $$`,
    );
    expect(await check(database, fitting)).toContain('and 25 more objects');
    await database.close();
  });

  it('of an older major is refused, of the same or a newer one accepted', async () => {
    const database = await createDatabase(cluster);
    const version = (major: number) => madeBy({ serverVersion: major * 10000 + 99 });
    expect(await check(database, version(cluster.major + 1))).toContain(`PostgreSQL ${cluster.major + 1}`);
    expect(await check(database, version(cluster.major))).toBeUndefined();
    expect(await check(database, version(cluster.major - 1))).toBeUndefined();
    await database.close();
  });

  it('without an encoding is refused for text of a known one, and the reverse', async () => {
    const bytes = await createDatabase(cluster, "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");
    const latin = await createDatabase(cluster, "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    expect(await check(bytes, fitting)).toContain("ENCODING 'UTF8'");
    expect(await check(latin, madeBy({ encoding: 'SQL_ASCII' }))).toContain("ENCODING 'SQL_ASCII'");
    expect(await check(bytes, madeBy({ encoding: 'SQL_ASCII' }))).toBeUndefined();
    // The server converts, and refuses a character that it cannot write.
    expect(await check(latin, fitting)).toBeUndefined();
    await bytes.close();
    await latin.close();
  });
});

it('the schemas that are there are known by their names', async () => {
  const database = await createDatabase(cluster);
  await database.run('CREATE SCHEMA "odd Schema"');
  const session = await database.open();
  const schemas = await readSchemas(session);
  expect([...schemas]).toEqual(expect.arrayContaining(['public', 'odd Schema', 'pg_catalog']));
  await session.close();
  await database.close();
});
