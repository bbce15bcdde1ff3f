import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { planJobs, planRanges, type RowRange } from '../../../src/postgres/catalog/ranges.ts';
import type { TableInfo } from '../../../src/postgres/catalog/tables.ts';
import type { ReusedRange } from '../../../src/source/incremental/range-choice.ts';
import { checkSample, chooseUnits } from '../../../src/source/incremental/sample-check.ts';
import { BufferPool } from '../../../src/source/rows/buffer-pool.ts';
import { copyRows } from '../../../src/source/rows/copy.ts';
import { type Snapshot, takeSnapshot } from '../../../src/source/snapshot/snapshot.ts';
import { createDatabase, type Database } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { CollectingLog } from '../../support/context.ts';

const hour = 3_600_000;
const start = Date.parse('2026-11-20T02:17:00Z');

function makeSlice(oid: number): RowRange {
  return {
    table: { oid, schema: 'public', name: `t${oid}`, heapBytes: 8192, toastBytes: 0 } as TableInfo,
    from: 0,
    to: null,
  };
}

/** Slices of the objects of given sizes: each object as many rowRanges as it has lengths. */
function share(...objects: number[][]): ReusedRange[] {
  return objects.flatMap((lengths, index) => {
    const object = { name: `object ${index}`, bytes: lengths.reduce((sum, length) => sum + length, 0) };
    let offset = 0;
    return lengths.map((length, rowRange) => {
      const piece = { holder: { object }, offset, length };
      offset += length;
      return { rowRange: makeSlice(index * 1000 + rowRange), rows: 1, places: null, pieces: [piece] };
    });
  });
}

/** One rowRange of several whole objects. */
function spread(...lengths: number[]): ReusedRange {
  const pieces = lengths.map((length, index) => ({
    holder: { object: { name: `part ${index}`, bytes: length } },
    offset: 0,
    length,
  }));
  return { rowRange: makeSlice(9_000_000), rows: 1, places: null, pieces };
}

const all = (reused: readonly ReusedRange[]) => chooseUnits(reused, 1, new Date(start));

describe('what can be checked again', () => {
  it('is an object with all its rowRanges, in their order, or a rowRange with all its objects', () => {
    const shared = share([10, 20, 30], [5]);
    expect(
      all(shared.toReversed())
        .map((unit) => unit.map(({ rowRange }) => rowRange.table.oid))
        .sort(),
    ).toEqual([[0, 1, 2], [1000]]);
    const long = spread(10, 10, 3);
    expect(all([long])).toEqual([[long]]);
  });

  it('is no object of which a rowRange is read anew, or was dropped', () => {
    const [, second, third] = share([10, 20, 30]) as [ReusedRange, ReusedRange, ReusedRange];
    expect(all([second, third])).toEqual([]);
  });

  it('is no rowRange that holds nothing', () => {
    expect(all([{ rowRange: makeSlice(1), rows: 0, places: null, pieces: [] }])).toEqual([]);
  });

  it('is each rowRange once at most, and only in whole objects', () => {
    const lengths = fc.array(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(lengths, fc.infiniteStream(fc.boolean()), (objects, keeps) => {
        const reused = share(...objects).filter(() => keeps.next().value);
        const units = all(reused);
        const members = units.flat();
        expect(new Set(members).size).toBe(members.length);
        for (const unit of units) {
          const bytes = unit.flatMap(({ pieces }) => pieces).reduce((sum, piece) => sum + piece.length, 0);
          expect(bytes).toBe((unit[0]?.pieces[0]?.holder.object as { bytes?: number } | undefined)?.bytes);
        }
        const whole = objects.filter((each, index) =>
          each.every((_, rowRange) =>
            reused.some((one) => one.rowRange.table.oid === index * 1000 + rowRange),
          ),
        );
        expect(units).toHaveLength(whole.length);
      }),
    );
  });
});

describe('the turns', () => {
  it.each([
    ['every hour', 1],
    ['every six hours', 6],
    ['every day', 24],
    ['every two days', 48],
    ['every week', 168],
  ])('of backups made %s come to everything', (_, hours) => {
    for (const [units, portion] of [
      [4, 0.01],
      [100, 0.01],
      [250, 0.01],
      [7, 0.2],
      [60, 0.05],
    ] as const) {
      const reused = share(...Array.from({ length: units }, () => [10]));
      const left = new Set(reused);
      const turns = Math.min(units, Math.round(1 / portion));
      let runs = 0;
      for (; left.size > 0 && runs < 12 * turns; runs++) {
        const chosen = chooseUnits(reused, portion, new Date(start + runs * hours * hour));
        expect(chosen.length).toBeGreaterThan(0);
        for (const member of chosen.flat()) left.delete(member);
      }
      expect(left.size, `of ${units} units at ${portion}, after ${runs} runs`).toBe(0);
    }
  });

  it('take about the share that was asked for', () => {
    const reused = share(...Array.from({ length: 1000 }, () => [10]));
    for (const [portion, count] of [
      [1, 1000],
      [0.5, 500],
      [0.1, 100],
      [0.01, 10],
    ] as const)
      expect(chooseUnits(reused, portion, new Date(start))).toHaveLength(count);
  });

  it('take nothing of nothing', () => {
    expect(chooseUnits([], 0.01, new Date(start))).toEqual([]);
  });
});

describe('a check with PostgreSQL', () => {
  let cluster: Cluster;
  let database: Database;
  let snapshot: Snapshot;
  const name = (plaintext: Buffer) => createHash('sha256').update(plaintext).digest('hex');
  const pool = () => new BufferPool(6, 1 << 20);

  beforeAll(async () => {
    cluster = await startCluster({ settings: { autovacuum: 'off' } });
    database = await createDatabase(cluster);
    await database.run(`
      CREATE TABLE large AS SELECT n AS id, repeat(md5(n::text), 30) AS text FROM generate_series(1, 4000) n;
      CREATE TABLE one AS SELECT n AS id FROM generate_series(1, 100) n;
      CREATE TABLE two AS SELECT n AS id FROM generate_series(1, 100) n;
      CREATE TABLE none (id int);`);
  });
  afterEach(() => snapshot?.lead.destroy());
  afterAll(async () => {
    await database?.close();
    await cluster?.stop();
  });

  /** What a backup would have stored of all tables, ranges of `large` in objects of their own. */
  async function store(): Promise<ReusedRange[]> {
    snapshot = await takeSnapshot(database.settings, () => true, {
      lockTimeoutSeconds: 30,
      signal: new AbortController().signal,
      log: new CollectingLog(),
    });
    const jobs = planJobs(snapshot.tables.flatMap((table) => planRanges(table, 0, 1 << 20)));
    return copyRows(snapshot, database.settings, jobs, {
      workers: 2,
      pool: pool(),
      store: async (plaintext) => ({ name: name(plaintext), bytes: plaintext.length }),
      signal: snapshot.signal,
      onProgress: () => undefined,
    });
  }

  const check = (reused: readonly ReusedRange[]) =>
    checkSample(snapshot, database.settings, all(reused), {
      name,
      workers: 2,
      pool: pool(),
      signal: snapshot.signal,
    });

  it('of what has not changed finds nothing, and reads all of it', async () => {
    const reused = await store();
    expect(reused.length).toBeGreaterThan(5);
    expect(all(reused).flat().length).toBe(reused.filter(({ rows }) => rows > 0).length);
    expect(await check(reused)).toEqual([]);
  });

  it('names the table and the pages of which something lies in an object of another name', async () => {
    const reused = await store();
    const range = reused.find(
      ({ rowRange }) => rowRange.table.name === 'large' && rowRange.from > 0 && rowRange.to !== null,
    );
    const other = range?.pieces[0]?.holder.object?.name;
    const rename = (piece: ReusedRange['pieces'][number]) =>
      piece.holder.object?.name === other
        ? { ...piece, holder: { object: { ...piece.holder.object, name: 'other' } } }
        : piece;
    const tampered = reused.map((each) => ({ ...each, pieces: each.pieces.map(rename) }));
    const found = await check(tampered);
    expect(found).toContain(`public.large, pages ${range?.rowRange.from} to ${range?.rowRange.to}`);
    expect(found.length).toBeLessThan(reused.length / 2);
  });

  it('names every table that shares the object', async () => {
    const reused = await store();
    await database.run('UPDATE two SET id = -1 WHERE id = 50');
    snapshot.lead.destroy();
    await store();
    expect((await check(reused)).sort()).toEqual(['public.one', 'public.two']);
    await database.run('UPDATE two SET id = 50 WHERE id = -1');
  });

  it('finds another number of rows', async () => {
    const reused = (await store()).map((each) =>
      each.rowRange.table.name === 'one' ? { ...each, rows: each.rows + 1 } : each,
    );
    expect(await check(reused)).toEqual(['public.one']);
  });
});
