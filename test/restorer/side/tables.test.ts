import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TableEntry } from '../../../src/format/manifest.ts';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { readLiveTables } from '../../../src/restorer/side/live-table.ts';
import { orderByReferences, writeBringBack } from '../../../src/restorer/side/repair-sql.ts';
import { measureDifference } from '../../../src/restorer/side/row-difference.ts';
import {
  createSideTables,
  indexSideTable,
  nameSideTables,
  planSideTables,
  type SideTable,
} from '../../../src/restorer/side/tables.ts';
import { TargetError } from '../../../src/runtime/errors.ts';
import { createDatabase, type Database } from '../../postgres/database.ts';
import { makeManifest } from '../../repository/example.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';

let cluster: Cluster;
let database: Database;
let session: Session;
beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
  session = await database.open();
  await applySettings(session, 'UTF8');
});
afterAll(async () => {
  await session?.close();
  await database?.close();
  await cluster?.stop();
});

const [example] = makeManifest().tables;

function entry(name: string, columns: readonly string[], rows = 0): TableEntry {
  if (!example) throw new Error('the example manifest has no table');
  return { ...example, schema: 'public', name, columns: [...columns], root: null, rows, ranges: [] };
}

async function plan(name: string, columns: readonly string[], rows = 0): Promise<SideTable> {
  const chosen = [{ schema: 'public', name, parts: [entry(name, columns, rows)], whole: true }];
  const [table] = planSideTables(chosen, await readLiveTables(session, chosen));
  if (!table) throw new Error('nothing was planned');
  return table;
}

describe('side tables', () => {
  test('have their own names, or the schema before them when two are alike', () => {
    expect(
      nameSideTables([
        { schema: 'a', name: 't' },
        { schema: 'b', name: 'u' },
      ]),
    ).toEqual(['t', 'u']);
    expect(
      nameSideTables([
        { schema: 'a', name: 't' },
        { schema: 'b', name: 't' },
      ]),
    ).toEqual(['a__t', 'b__t']);
  });

  test('have different names where the server would cut them to one', () => {
    const long = 'ü'.repeat(31);
    const names = nameSideTables(
      ['a', 'b', 'c'].map((schema) => ({ schema: `${long}${schema}`, name: 't' })),
    );
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
    expect(
      nameSideTables([
        { schema: 'a', name: 'b__c' },
        { schema: 'a__b', name: 'c' },
        { schema: 'x', name: 'c' },
      ]),
    ).toEqual(['a__b__c', 'a__b__c__2', 'x__c']);
  });

  test('are compared by the best key that the backup has columns for', async () => {
    await database.run(`
      CREATE TABLE keys (id int PRIMARY KEY, code text NOT NULL UNIQUE, part int UNIQUE, old text NOT NULL);
      CREATE UNIQUE INDEX ON keys (lower(old));
      CREATE UNIQUE INDEX ON keys (old) WHERE old <> '';
      CREATE TABLE identified (a int NOT NULL, b int NOT NULL, UNIQUE (a));
      CREATE UNIQUE INDEX identified_b ON identified (b);
      ALTER TABLE identified REPLICA IDENTITY USING INDEX identified_b;
      CREATE TABLE covering (a int, b int, PRIMARY KEY (a) INCLUDE (b))`);
    const keyOf = async (name: string, ...columns: string[]) =>
      (await plan(name, columns)).key?.map((column) => column.name);
    expect(await keyOf('keys', 'id', 'code', 'part', 'old')).toEqual(['id']);
    expect(await keyOf('keys', 'code', 'part', 'old')).toEqual(['code']);
    expect(await keyOf('keys', 'part', 'old')).toBeUndefined();
    expect(await keyOf('identified', 'a', 'b')).toEqual(['b']);
    expect(await keyOf('covering', 'a', 'b')).toEqual(['a']);
  });

  test('keep collations, and tell values apart that a collation takes for one', async () => {
    await database.run(`
      CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE collated (id text COLLATE loose PRIMARY KEY, word text COLLATE loose);
      INSERT INTO collated VALUES ('A', 'word')`);
    const table = await plan('collated', ['id', 'word'], 1);
    await createSideTables(session, 'side_collated', [table], 'test');
    await session.query(`INSERT INTO side_collated.collated VALUES ('a', 'WORD')`);
    const indexed = await indexSideTable(session, 'side_collated', table);
    expect(await measureDifference(session, 'side_collated', indexed)).toMatchObject({
      missing: 0,
      changed: 1,
      added: 0,
      changedColumns: [
        { name: 'id', rows: 1 },
        { name: 'word', rows: 1 },
      ],
    });
  });

  test('with more rows than the backup are no copy of it', async () => {
    await database.run('CREATE TABLE counted (id int PRIMARY KEY)');
    const table = await plan('counted', ['id'], 1);
    await createSideTables(session, 'side_counted', [table], 'test');
    await session.query('INSERT INTO side_counted.counted VALUES (1), (2)');
    await expect(indexSideTable(session, 'side_counted', table)).rejects.toThrow(TargetError);
  });
});

describe('the SQL that brings rows back', () => {
  test('keeps a name with a line break within its comment', async () => {
    const name = 'a\nDROP TABLE kept; --';
    await database.run(
      `CREATE TABLE kept (); CREATE TABLE "${name}" (id int PRIMARY KEY, "v\n; DROP TABLE kept; --" int)`,
    );
    await database.run(`INSERT INTO "${name}" VALUES (1, 1), (3, 3)`);
    const table = await plan(name, ['id', 'v\n; DROP TABLE kept; --'], 2);
    await createSideTables(session, 'side\nx', [table], 'test');
    await session.query(`INSERT INTO "side\nx"."${name}" VALUES (1, 2), (2, 2)`);
    const difference = await measureDifference(
      session,
      'side\nx',
      await indexSideTable(session, 'side\nx', table),
    );
    expect(difference).toMatchObject({ missing: 1, changed: 1, added: 1 });
    const backup = { backup: 'b', snapshotAt: 't', lagging: [], circular: [name] };
    const sql = writeBringBack({ schema: 'side\nx', differences: [difference], ...backup });
    await session.query(sql);
    expect(await session.query(`SELECT FROM public."${name}"`)).toHaveLength(3);
    expect(await session.query(`SELECT to_regclass('public.kept')::text AS kept`)).toEqual([
      { kept: 'public.kept' },
    ]);
  });

  test('goes from parents to children, and names a circle', () => {
    const table = (name: string): SideTable => ({
      ...{ schema: 'public', name, sideName: name, parts: [], whole: true, columns: [] },
      ...{ live: undefined, within: undefined, key: undefined },
    });
    const refer = (from: string, to: string) => ({
      from: { schema: 'public', name: from },
      to: { schema: 'public', name: to },
      onDelete: undefined,
    });
    const order = (names: string, ...references: [string, string][]) => {
      const keys = references.map(([from, to]) => refer(from, to));
      const { ordered, circular } = orderByReferences([...names].map(table), keys);
      return [ordered.map(({ name }) => name).join(''), circular];
    };
    expect(order('abc', ['a', 'b'], ['b', 'c'], ['a', 'a'], ['c', 'z'])).toEqual(['cba', []]);
    expect(order('abcd', ['a', 'b'], ['b', 'a'], ['c', 'a'])).toEqual([
      'dabc',
      ['public.a', 'public.b', 'public.c'],
    ]);
  });
});
