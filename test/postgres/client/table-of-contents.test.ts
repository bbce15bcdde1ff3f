import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClientTools } from '../../../src/postgres/client/find.ts';
import {
  type ArchiveEntry,
  parseContents,
  readContents,
  writeList,
} from '../../../src/postgres/client/table-of-contents.ts';
import { clientEnvironment } from '../../../src/postgres/session/client-variables.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createContext } from '../../support/context.ts';
import { createDatabase, type Database } from '../database.ts';

let cluster: Cluster;
let database: Database;
let entries: ArchiveEntry[];
let client: ClientTools;
const folder = mkdtempSync(path.join(tmpdir(), 'contents-'));
const file = path.join(folder, 'odd.dump');

beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
  client = {
    major: cluster.major,
    version: String(cluster.major),
    pgDump: `${cluster.binFolder}/pg_dump`,
    pgRestore: `${cluster.binFolder}/pg_restore`,
  };
  await database.run(`
    CREATE ROLE owner; CREATE ROLE "two words"; CREATE ROLE words;
    CREATE SCHEMA a; CREATE SCHEMA "a b"; CREATE SCHEMA "a b c"; ALTER SCHEMA "a b" OWNER TO "two words";
    CREATE SCHEMA "DATA"; CREATE SCHEMA "SET"; CREATE SCHEMA "-"; CREATE SCHEMA "x.y";
    CREATE TABLE a.plain (id serial PRIMARY KEY);
    CREATE TABLE "a b".plain (id int); CREATE TABLE "a b"."c d" (id int); CREATE TABLE "a b c".d (id int);
    CREATE TABLE a.two (id int); ALTER TABLE a.two OWNER TO "two words";
    CREATE TABLE "a b"."t words" (id int); ALTER TABLE "a b"."t words" OWNER TO words;
    CREATE TABLE "DATA".t (id int); CREATE SEQUENCE "SET".s;
    CREATE TABLE "x.y"."new
line" (id int);
    CREATE TABLE public."; 1 2 3 TABLE public fake owner" (id int);
    CREATE TABLE public."line\u2028separator" (id int);
    CREATE FUNCTION a.f(one int, "two three" text DEFAULT 'x (y)') RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE VIEW a.v AS SELECT * FROM a.plain;
    CREATE TYPE a.mood AS ENUM ('x');
    COMMENT ON TABLE "a b"."c d" IS 'with a comment';
    CREATE EXTENSION hstore;
    SELECT lo_create(77);`);
  const env = clientEnvironment(database.settings, process.env, () => '');
  execFileSync(client.pgDump, ['-Fc', '-f', file], { env });
  const roles = (await database.rows('SELECT rolname FROM pg_roles')).map(([name]) => name as string);
  entries = await readContents(client, file, roles, createContext());
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What the catalog says that the archive must hold. */
const relations = () =>
  database.rows(`
    SELECT CASE relkind WHEN 'r' THEN 'TABLE' WHEN 'S' THEN 'SEQUENCE' ELSE 'VIEW' END, nspname,
           translate(relname, E'\\n', ' '), c.oid
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'S', 'v') AND nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY c.oid`);

describe('the table of contents', () => {
  it('has every relation with its kind, schema, name and oid, whatever they are called', async () => {
    const found = entries
      .filter((entry) => entry.catalogOid === 1259 && ['TABLE', 'SEQUENCE', 'VIEW'].includes(entry.kind))
      .sort((one, other) => one.oid - other.oid)
      .map((entry) => [entry.kind, entry.schema, entry.name, String(entry.oid)]);
    expect(found).toEqual(await relations());
  });

  it('has schemas, functions with their arguments, types and large objects', () => {
    const find = (kind: string) => entries.filter((entry) => entry.kind === kind);
    expect(
      find('SCHEMA')
        .map((entry) => entry.name)
        .sort(),
    ).toEqual(['-', 'DATA', 'SET', 'a', 'a b', 'a b c', 'x.y']);
    expect(find('FUNCTION')).toMatchObject([{ schema: 'a', name: 'f(integer, text)' }]);
    expect(find('TYPE')).toMatchObject([{ schema: 'a', name: 'mood' }]);
    expect(
      find('BLOB')
        .map((entry) => entry.name)
        .concat(find('BLOB METADATA').map((entry) => entry.name)),
    ).toHaveLength(1);
  });

  it('tells whom each object belongs to, whatever the role is called', async () => {
    const owners = await database.rows(`
      SELECT nspname, translate(relname, E'\\n', ' '), pg_get_userbyid(relowner)
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
      WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY c.oid`);
    const found = entries
      .filter((entry) => entry.kind === 'TABLE')
      .sort((one, other) => one.oid - other.oid)
      .map((entry) => [entry.schema, entry.name, entry.owner]);
    expect(found).toEqual(owners);
    expect(new Set(found.map(([, , owner]) => owner))).toEqual(
      new Set(['supabase_admin', 'two words', 'words']),
    );
    expect(entries.find((entry) => entry.kind === 'EXTENSION')).toMatchObject({ name: 'hstore', owner: '' });
    expect(entries.find((entry) => entry.kind === 'SCHEMA' && entry.name === 'a b')).toMatchObject({
      owner: 'two words',
    });
  });

  it('tells what has to be there before', () => {
    const byId = new Map(entries.map((entry) => [entry.id, entry]));
    const needs = (kind: string, name: string) =>
      entries
        .find((entry) => entry.kind === kind && entry.name === name)
        ?.needs.map((id) => byId.get(id)?.kind)
        .sort();
    expect(needs('CONSTRAINT', 'plain plain_pkey')).toContain('TABLE');
    expect(needs('DEFAULT', 'plain id')).toEqual(expect.arrayContaining(['SEQUENCE', 'TABLE']));
    expect(needs('VIEW', 'v')).toContain('TABLE');
  });

  it('knows each kind that stands in it', () => {
    for (const entry of entries) expect(entry.kind).toMatch(/^[A-Z]+( [A-Z]+)*$/);
    expect(new Set(entries.map((entry) => entry.id)).size).toBe(entries.length);
  });

  it('makes a list that pg_restore takes as all of it', () => {
    const list = path.join(folder, 'list');
    writeFileSync(list, writeList(entries));
    const whole = execFileSync(client.pgRestore, ['-f', '-', file]).toString();
    const listed = execFileSync(client.pgRestore, ['-f', '-', '-L', list, file]).toString();
    const clean = (script: string) => script.replace(/^\\(un)?restrict .*$/gm, '');
    expect(clean(listed)).toBe(clean(whole));
  });

  it('is read from an archive that is damaged as an error', async () => {
    const bad = path.join(folder, 'bad.dump');
    writeFileSync(bad, readFileSync(file).subarray(0, 600));
    await expect(readContents(client, bad, [], createContext())).rejects.toThrow(/pg_restore exited with 1/);
  });

  it('refuses a line that it does not understand', () => {
    expect(() => parseContents('; comment\n\n12; what is this', [])).toThrow(/something unknown/);
  });

  it('finds the schema of tables that an extension’s schema holds, which has no entry of its own', () => {
    const listing = '215; 1259 16400 TABLE pgmq q_orders postgres\n';
    expect(parseContents(listing, ['postgres'])).toMatchObject([{ schema: 'pgmq', name: 'q_orders' }]);
  });
});

it('takes time in proportion to what the archive has, whatever it is called', () => {
  const roles = Array.from({ length: 5000 }, (_, n) => `role ${n}`);
  const lines = [
    ...Array.from({ length: 20_000 }, (_, n) => `${n + 1}; 2615 ${n} SCHEMA - s ${n} role ${n % 5000}`),
    ...Array.from(
      { length: 20_000 },
      (_, n) => `${n + 30_000}; 1259 ${n} TABLE s ${n} t ${n} role ${n % 5000}`,
    ),
    // More than a call can have arguments
    `;\tdepends on:${' 1'.repeat(300_000)}`,
    `90000; 1255 1 FUNCTION s 1 f(${'a '.repeat(500_000)}) role 7`,
  ];
  const started = performance.now();
  const found = parseContents(lines.join('\n'), roles);
  expect(performance.now() - started).toBeLessThan(5000);
  expect(found).toHaveLength(40_001);
  expect(found[39_999]).toMatchObject({ schema: 's 19999', name: 't 19999', owner: 'role 4999' });
  expect(found[39_999]?.needs).toHaveLength(300_000);
  expect(found[40_000]).toMatchObject({ schema: 's 1', owner: 'role 7' });
});
