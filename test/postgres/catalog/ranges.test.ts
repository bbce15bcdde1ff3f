import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  copyStatement,
  isWholeTable,
  planJobs,
  planRanges,
  type RowRange,
} from '../../../src/postgres/catalog/ranges.ts';
import { readTables, type TableInfo } from '../../../src/postgres/catalog/tables.ts';
import { copyOut, type RowSink } from '../../../src/postgres/wire/copy-reader.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createDatabase, type Database } from '../database.ts';

const pageSize = 8192;
const MiB = 1024 * 1024;
let oid = 16384;

function makeTable(overrides: Partial<TableInfo> = {}): TableInfo {
  oid++;
  return {
    oid,
    schema: 'public',
    name: `t${oid}`,
    relfilenode: oid,
    fingerprint: '',
    persistence: 'permanent',
    volatileType: undefined,
    columns: ['id'],
    root: undefined,
    heap: true,
    heapBytes: 0,
    toastBytes: 0,
    readable: true,
    hiddenByRls: false,
    foreign: false,
    ...overrides,
  };
}

const sizes = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 200 }).map((pages) => pages * pageSize) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 20_000 }).map((pages) => pages * pageSize) },
  // Up to 32 TiB, the largest table PostgreSQL can hold.
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 22 }).map((pages) => pages * pageSize) },
);
const tableOf = fc
  .record({
    heapBytes: sizes,
    toastBytes: sizes,
    heap: fc.boolean(),
    schema: fc.constantFrom('a', 'b', 'c'),
  })
  .map((sizes) => makeTable(sizes));
const target = fc.integer({ min: 8, max: 64 }).map((count) => count * MiB);

/** Gapless and half-open, from page 0 to the end. */
function expectCover(slices: readonly RowRange[]): void {
  expect(slices[0]?.from).toBe(0);
  expect(slices.at(-1)?.to).toBeNull();
  for (const [index, slice] of slices.entries()) {
    const next = slices[index + 1];
    if (!next) continue;
    expect(slice.to).toBe(next.from);
    expect(next.from).toBeGreaterThan(slice.from);
    expect(Number.isInteger(next.from)).toBe(true);
  }
}

describe('the ranges of a table', () => {
  it('are gapless and half-open, the first from page 0, the last without an end', () => {
    fc.assert(
      fc.property(tableOf, target, (table, bytes) => {
        const slices = planRanges(table, 0, bytes);
        expectCover(slices);
        expect(slices.every((slice) => slice.table === table)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('grow with the table, between 2 and 16 MiB', () => {
    const size = (bytes: number) =>
      (planRanges(makeTable({ heapBytes: bytes }))[0]?.to ?? bytes / pageSize) * pageSize;
    expect(size(100 * MiB)).toBe(2 * MiB);
    expect(size(1024 * MiB)).toBe(4 * MiB);
    expect(size(100 * 1024 * MiB)).toBe(16 * MiB);
  });

  it('go on where another range ended', () => {
    const table = makeTable({ heapBytes: 100 * MiB });
    const slices = planRanges(table, 6400);
    expect(slices[0]?.from).toBe(6400);
    expect(slices.length).toBeGreaterThan(5);
    expect(slices.at(-1)?.to).toBeNull();
    // Beyond its end: the table has shrunk, and may grow again.
    expect(planRanges(table, 99_999)).toEqual([{ table, from: 99_999, to: null }]);
  });

  it('are one where rows cannot be addressed by page', () => {
    fc.assert(
      fc.property(tableOf, target, (table, bytes) => {
        expect(planRanges({ ...table, heap: false }, 0, bytes)).toEqual([
          { table: { ...table, heap: false }, from: 0, to: null },
        ]);
      }),
    );
  });

  it('hold about what was asked for, TOAST included', () => {
    const count = (heapBytes: number, toastBytes: number) =>
      planRanges(makeTable({ heapBytes, toastBytes }), 0, 32 * MiB).length;
    expect(count(0, 0)).toBe(1);
    expect(count(32 * MiB, 0)).toBe(1);
    expect(count(320 * MiB, 0)).toBe(10);
    expect(count(32 * MiB, 288 * MiB)).toBe(10);
    // Few pages, nearly all bytes out of line.
    expect(count(100 * pageSize, 1600 * MiB)).toBe(50);
    expect(count(1 * pageSize, 1600 * MiB)).toBe(1);
    expect(count(0, 1600 * MiB)).toBe(1);
  });

  it('are never more than its pages, nor much larger than asked for while pages allow', () => {
    fc.assert(
      fc.property(tableOf, target, (table, bytes) => {
        const slices = planRanges({ ...table, heap: true }, 0, bytes);
        const pages = Math.max(1, table.heapBytes / pageSize);
        expect(slices.length).toBeLessThanOrEqual(pages);
        const weight = table.heapBytes + table.toastBytes;
        // A range has whole pages, so the step is rounded up by less than one of them.
        const largest = ((slices[0]?.to ?? pages) * weight) / pages;
        if (slices.length < pages / 2) expect(largest).toBeLessThan(bytes * 1.5 + (2 * weight) / pages);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the jobs of a backup', () => {
  const tables = fc.array(tableOf, { maxLength: 40 });

  it('read every table exactly once, whole or in ranges', () => {
    fc.assert(
      fc.property(tables, target, (list, bytes) => {
        const slices = planJobs(list.flatMap((table) => planRanges(table, 0, bytes))).flatMap(
          (job) => job.rowRanges,
        );
        const byTable = Map.groupBy(slices, (slice) => slice.table);
        expect([...byTable.keys()].map((table) => table.oid).sort()).toEqual(
          list.map((table) => table.oid).sort(),
        );
        for (const members of byTable.values())
          expectCover(members.toSorted((one, other) => one.from - other.from));
      }),
      { numRuns: 300 },
    );
  });

  it('come heaviest first and weigh together what the tables weigh', () => {
    fc.assert(
      fc.property(tables, target, (list, bytes) => {
        const weights = planJobs(list.flatMap((table) => planRanges(table, 0, bytes))).map(
          (job) => job.weight,
        );
        expect(weights).toEqual(weights.toSorted((one, other) => other - one));
        const total = list.reduce((sum, table) => sum + table.heapBytes + table.toastBytes, 0);
        expect(weights.reduce((sum, weight) => sum + weight, 0) / Math.max(1, total)).toBeCloseTo(
          total > 0 ? 1 : 0,
          6,
        );
      }),
    );
  });

  it('share an object among ranges of one table, or among small tables of one schema, and never more than 16 MiB', () => {
    fc.assert(
      fc.property(tables, target, (list, bytes) => {
        for (const job of planJobs(list.flatMap((table) => planRanges(table, 0, bytes)))) {
          if (job.rowRanges.length === 1) continue;
          expect(job.weight).toBeLessThanOrEqual(16 * MiB);
          if (job.rowRanges.every(isWholeTable)) {
            expect(new Set(job.rowRanges.map((slice) => slice.table.schema)).size).toBe(1);
            expect(job.rowRanges.every((slice) => slice.table.heapBytes + slice.table.toastBytes < MiB)).toBe(
              true,
            );
          } else {
            expect(new Set(job.rowRanges.map((slice) => slice.table)).size).toBe(1);
          }
        }
      }),
    );
  });

  it('read neighbouring ranges together', () => {
    const slices = planRanges(makeTable({ heapBytes: 320 * MiB }));
    const jobs = planJobs(slices);
    expect(slices.length).toBe(160);
    expect(jobs.length).toBe(20);
    for (const { rowRanges: together } of jobs) {
      for (const [index, slice] of together.entries()) {
        if (index > 0) expect(slice.from).toBe(together[index - 1]?.to);
      }
    }
  });

  it('pack a thousand empty tables into a few round trips', () => {
    const list = Array.from({ length: 1000 }, () => makeTable());
    const jobs = planJobs(list.flatMap((table) => planRanges(table, 0, 32 * MiB)));
    expect(jobs.length).toBe(4);
    expect(jobs.flatMap((job) => job.rowRanges)).toHaveLength(1000);
  });
});

describe('the COPYs of all ranges, with PostgreSQL', () => {
  let cluster: Cluster;
  let database: Database;
  beforeAll(async () => {
    cluster = await startCluster();
    database = await createDatabase(cluster);
    await database.run(`
      CREATE TABLE lived (id int, "odd ""name" text, twice int GENERATED ALWAYS AS (id * 2) STORED, gone int, big text);
      ALTER TABLE lived ALTER big SET STORAGE EXTERNAL;
      INSERT INTO lived (id, "odd ""name", gone, big)
        SELECT i, md5(i::text), i, CASE WHEN i % 10 = 0 THEN repeat(md5(i::text), 300) END FROM generate_series(1, 8000) AS i;
      ALTER TABLE lived DROP gone;
      DELETE FROM lived WHERE id BETWEEN 1000 AND 3000 OR id % 7 = 0;
      UPDATE lived SET "odd ""name" = 'updated' WHERE id % 5 = 0;
      UPDATE lived SET big = repeat('z', 9000) WHERE id % 110 = 0;
      CREATE TABLE child () INHERITS (lived);
      INSERT INTO child (id) VALUES (-1);
      CREATE TABLE bare ();
      INSERT INTO bare SELECT FROM generate_series(1, 1000);
      CREATE TABLE derived (twice int GENERATED ALWAYS AS (42) STORED);
      INSERT INTO derived DEFAULT VALUES;`);
  });
  afterAll(async () => {
    await database?.close();
    await cluster?.stop();
  });

  async function readRows(statement: string): Promise<string[]> {
    const session = await database.open();
    await session.query('SET enable_seqscan = off');
    let text = '';
    const sink: RowSink = {
      buffer: Buffer.alloc(100_000),
      length: 0,
      async flush() {
        text += this.buffer.toString('utf8', 0, this.length);
        this.length = 0;
      },
      endCopy() {},
    };
    await copyOut(session, statement, sink);
    await sink.flush();
    await session.close();
    return text.split('\n').slice(0, -1);
  }

  it.each([
    ['lived', 10_000],
    ['lived', 100_000],
    ['lived', 100 * MiB],
    ['bare', 10_000],
    ['bare', 100 * MiB],
    ['derived', 100 * MiB],
  ])('are the rows of %s cut at %i bytes, none twice, none missing, no child’s', async (name, bytes) => {
    const session = await database.open();
    const found = (await readTables(session)).find((one) => one.name === name) as TableInfo;
    const [[heap, toast]] = (await database.rows(
      'SELECT pg_relation_size(oid), coalesce(pg_relation_size(nullif(reltoastrelid, 0)), 0) FROM pg_class WHERE oid = $1',
      [found.oid],
    )) as [[string, string]];
    const table = { ...found, heapBytes: Number(heap), toastBytes: Number(toast) };
    await session.close();
    const slices = planRanges(table, 0, bytes);
    if (bytes === 10_000) expect(slices.length).toBeGreaterThan(1);
    const rows = (await Promise.all(slices.map((slice) => readRows(copyStatement(slice))))).flat();
    const expected = await readRows(`COPY ${name} TO STDOUT`);
    expect(rows.sort()).toEqual(expected.sort());
    expect(rows.length).toBeGreaterThan(0);
  });

  it('reads a range by its pages, not by looking through the whole table', async () => {
    await database.run('SET enable_seqscan = off');
    const statement = copyStatement({ table: makeTable({ name: 'lived' }), from: 3, to: 5 });
    const query = /^COPY \((.*)\) TO STDOUT$/.exec(statement)?.[1];
    const lines = await database.rows(`EXPLAIN ${query}`);
    expect(lines.flat().join('\n')).toMatch(/Tid Range Scan on lived/);
  });
});
