import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TableEntry } from '../../../src/format/manifest.ts';
import { type LoadJob, LoadQueue } from '../../../src/restorer/rows/queue.ts';

let oid = 0;

/** A table whose ranges are of these bytes, each in an object of its own, or all in the one that is named */
function makeTable(bytes: readonly number[], object?: number): TableEntry {
  oid += 1;
  const base = oid * 1000;
  const ranges = bytes.map((length, index) => ({
    rows: 1,
    pieces: [{ object: object ?? base + index, offset: 0, length }],
  }));
  const sum = bytes.reduce((one, other) => one + other, 0);
  return { oid, root: null, bytes: sum, ranges } as unknown as TableEntry;
}

const sizeOf = (part: LoadJob) =>
  part.jobs.flatMap(({ range }) => range.pieces).reduce((sum, { length }) => sum + length, 0);

/** Drains a queue by several workers, each of which takes a part after as many turns as it has bytes. */
async function drain(tables: readonly TableEntry[], workers: number) {
  const queue = new LoadQueue(tables, workers);
  const taken: { part: LoadJob; beside: number }[] = [];
  const loaded: TableEntry[] = [];
  const active = new Map<TableEntry | undefined, number>();
  const work = () =>
    queue.drain(
      async (part) => {
        const [one] = part.jobs;
        const table = one?.table;
        taken.push({ part, beside: active.get(table) ?? 0 });
        active.set(table, (active.get(table) ?? 0) + 1);
        for (let turn = 0; turn < sizeOf(part) % 7; turn++) await null;
        active.set(table, (active.get(table) ?? 0) - 1);
      },
      async (table) => void loaded.push(table),
    );
  await Promise.all(Array.from({ length: workers }, work));
  return { queue, taken, loaded };
}

describe('the parts to load', () => {
  const tables = fc.array(fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 6 }), { maxLength: 12 });

  it('are handed out once each, those of a table in their order, and a table is loaded after its last', async () => {
    await fc.assert(
      fc.asyncProperty(tables, fc.integer({ min: 1, max: 4 }), async (sizes, workers) => {
        const made = sizes.map((each) => makeTable(each));
        const { queue, taken, loaded } = await drain(made, workers);
        const given = taken.flatMap(({ part }) => part.jobs);
        for (const table of made)
          expect(given.filter((job) => job.table === table).map(({ range }) => range)).toEqual(table.ranges);
        expect(given).toHaveLength(sizes.flat().length);
        expect(loaded.map((table) => table.oid).sort()).toEqual(
          made
            .filter(({ ranges }) => ranges.length > 1)
            .map((table) => table.oid)
            .sort(),
        );
        expect(queue.length).toBe(0);
      }),
    );
  });

  it('of the table with the most bytes left go first, and one worker is on each as long as there are others', async () => {
    const made = [
      [1, 1, 1],
      [9, 9, 9],
      [5, 5],
    ].map((sizes) => makeTable(sizes));
    const queue = new LoadQueue(made, 1);
    expect([...queue.upcoming()].map(sizeOf)).toEqual([9, 5, 1]);
    const order: number[] = [];
    await queue.drain(
      async (part) => {
        order.push(sizeOf(part));
        if (order.length === 2) expect([...queue.upcoming()].map(sizeOf)).toEqual([5, 1]);
      },
      async () => undefined,
    );
    // 27 bytes, 18, then 10 and 9, 5 and 3
    expect(order).toEqual([9, 9, 5, 9, 5, 1, 1, 1]);
    const two = await drain(made, 2);
    const others = (at: number) => new Set(two.taken.slice(at + 1).map(({ part }) => part.jobs[0]?.table));
    for (const [at, { part, beside }] of two.taken.entries())
      if (beside > 0) expect([...others(at)].every((table) => table === part.jobs[0]?.table)).toBe(true);
  });

  it('of small tables in one object are one', async () => {
    const { taken } = await drain([makeTable([3], 7), makeTable([4], 8), makeTable([5], 7)], 2);
    expect(taken.map(({ part }) => sizeOf(part)).sort()).toEqual([4, 8]);
  });

  it.each<[string, () => TableEntry[]]>([
    ['of one table', () => [makeTable(new Array<number>(100_000).fill(10))]],
    ['of as many tables', () => Array.from({ length: 100_000 }, (_, index) => makeTable([10 + (index % 7)]))],
    ['of half as many tables', () => Array.from({ length: 50_000 }, () => makeTable([10, 10]))],
    ['in one object', () => Array.from({ length: 100_000 }, () => makeTable([10], 1))],
  ])('are planned and handed out within seconds when there are 100,000 %s', async (_, make) => {
    const made = make();
    const startedAt = performance.now();
    const { taken } = await drain(made, 8);
    expect(taken.reduce((sum, { part }) => sum + part.jobs.length, 0)).toBe(100_000);
    expect(performance.now() - startedAt).toBeLessThan(15_000);
  });
});
