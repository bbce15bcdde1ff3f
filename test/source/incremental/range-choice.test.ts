import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Manifest, TableEntry, TableRange } from '../../../src/format/manifest.ts';
import { planRanges } from '../../../src/postgres/catalog/ranges.ts';
import type { TableInfo } from '../../../src/postgres/catalog/tables.ts';
import { chooseRanges, isUnchanged, matchTables } from '../../../src/source/incremental/range-choice.ts';
import type { RangeCount } from '../../../src/source/incremental/range-counts.ts';
import { makeManifest, makeObject } from '../../repository/example.ts';

const MiB = 1024 * 1024;
const pageSize = 8192;

function makeTable(overrides: Partial<TableInfo> = {}): TableInfo {
  return {
    oid: 16400,
    schema: 'public',
    name: 't',
    relfilenode: 16500,
    fingerprint: 'same',
    persistence: 'permanent',
    volatileType: undefined,
    columns: ['id', 'text'],
    root: undefined,
    heap: true,
    heapBytes: 20 * MiB,
    toastBytes: 0,
    readable: true,
    hiddenByRls: false,
    foreign: false,
    ...overrides,
  };
}

/** A base that holds a table as it is, each range in an object of its own. */
function makeBase(table: TableInfo, change: Partial<TableEntry> = {}): Manifest {
  const slices = planRanges(table);
  const ranges = slices.map(
    ({ from, to }, index): TableRange => ({
      from,
      to,
      rows: 10 + index,
      places: null,
      pieces: [{ object: index, offset: 0, length: 100 }],
    }),
  );
  const { oid, schema, name, relfilenode, persistence, fingerprint, columns } = table;
  return makeManifest({
    objects: slices.map(() => makeObject(100)),
    tables: [
      {
        ...{ oid, schema, name, relfilenode, persistence, fingerprint, columns: [...columns], root: null },
        ...{ rows: 0, bytes: 0, ranges },
        ...change,
      },
    ],
  });
}

const stored = () => true;
const table = makeTable();

describe('a table', () => {
  it('that is what it was has all of its ranges to be counted', () => {
    const [plan] = matchTables(makeBase(table), [table], stored, false);
    expect(plan?.why).toBeUndefined();
    expect(plan?.candidates.map(({ rowRange: slice }) => [slice.from, slice.to])).toEqual(
      planRanges(table).map(({ from, to }) => [from, to]),
    );
  });

  it.each<[string, Partial<TableInfo>, string]>([
    ['is new', { oid: 1 }, 'new'],
    ['has another file', { relfilenode: 1 }, 'rewritten or truncated'],
    ['has other columns or types', { fingerprint: 'other' }, 'its columns or their types changed'],
    ['has its columns in another order', { columns: ['text', 'id'] }, 'its columns changed'],
    [
      'has a volatile type',
      { volatileType: 'it has a column of type pg_catalog.regclass' },
      'it has a column of type pg_catalog.regclass',
    ],
    ['is unlogged', { persistence: 'unlogged', volatileType: 'it is unlogged' }, 'it is unlogged'],
  ])('that %s is read whole', (_, now, why) => {
    const base = makeBase(table);
    const plans = matchTables(base, [{ ...table, ...now }], stored, false);
    expect(plans).toMatchObject([{ candidates: [], why }]);
    const choices = chooseRanges(base, plans, new Map());
    expect(choices).toMatchObject([{ reused: [], why }]);
    expect(choices[0]?.read).toEqual(planRanges({ ...table, ...now }));
  });

  it('with a volatile type has not changed when no transaction has written, unless it is unlogged', () => {
    const volatile = makeTable({ volatileType: 'it has a column of type pg_catalog.regclass' });
    expect(matchTables(makeBase(volatile), [volatile], stored, true)[0]?.why).toBeUndefined();
    const unlogged = makeTable({ persistence: 'unlogged', volatileType: 'it is unlogged' });
    expect(matchTables(makeBase(unlogged), [unlogged], stored, true)[0]?.why).toBe('it is unlogged');
  });

  it('that is rewritten or altered is read even when no transaction seems to have written', () => {
    for (const now of [{ relfilenode: 1 }, { fingerprint: 'other' }]) {
      expect(matchTables(makeBase(table), [{ ...table, ...now }], stored, true)[0]?.why).toBeDefined();
    }
  });

  it('that is gone is not mentioned', () => {
    expect(matchTables(makeBase(table), [], stored, false)).toEqual([]);
  });

  it('whose object is lost has the range of it read, and no other', () => {
    const base = makeBase(table);
    const lost = base.objects[1]?.name;
    const plans = matchTables(base, [table], (object) => object.name !== lost, true);
    const [choice] = chooseRanges(base, plans, undefined);
    const ranges = planRanges(table);
    expect(choice?.read).toEqual([ranges[1]]);
    expect(choice?.reused).toHaveLength(ranges.length - 1);
  });
});

describe('a range', () => {
  const range: TableRange = { from: 0, to: null, rows: 7, places: '42', pieces: [] };
  const count: RangeCount = { rows: 7, modifiedRows: 0, places: '42' };

  it('is unchanged when nothing of it is new, nothing is gone and all is in its place', () => {
    expect(isUnchanged(range, count)).toBe(true);
    expect(isUnchanged({ ...range, places: null }, count)).toBe(true);
  });

  it.each<[string, Partial<RangeCount>]>([
    ['a row is new', { modifiedRows: 1 }],
    ['a row is gone', { rows: 6 }],
    ['a row came and is not new', { rows: 8 }],
    ['rows are elsewhere', { places: '43' }],
    ['a row is new for one that is gone', { rows: 7, modifiedRows: 1 }],
  ])('is changed when %s', (_, now) => {
    expect(isUnchanged(range, { ...count, ...now })).toBe(false);
  });
});

const shapes = fc.record({
  heapBytes: fc.integer({ min: 0, max: 30_000 }).map((pages) => pages * pageSize),
  toastBytes: fc.integer({ min: 0, max: 30_000 }).map((pages) => pages * pageSize),
});

it('what is taken over and what is read make up the table, each page once, whatever changed and however it grew or shrank', () => {
  fc.assert(
    fc.property(shapes, shapes, fc.infiniteStream(fc.boolean()), fc.boolean(), (then, now, changes, idle) => {
      const before = makeTable(then);
      const after = makeTable(now);
      const base = makeBase(before);
      const plans = matchTables(base, [after], stored, idle);
      const changed = new Set<number>();
      const counts = new Map(
        plans[0]?.candidates.map(({ rowRange: slice, range }) => {
          const modifiedRows = changes.next().value === true ? 1 : 0;
          if (modifiedRows > 0 && !idle) changed.add(range.from);
          return [slice, { rows: range.rows, modifiedRows, places: '5' }];
        }),
      );
      const [choice] = chooseRanges(base, plans, idle ? undefined : counts);
      const slices = [
        ...(choice?.reused.map(({ rowRange: slice }) => slice) ?? []),
        ...(choice?.read ?? []),
      ].sort((one, other) => one.from - other.from);
      expect(slices[0]?.from).toBe(0);
      expect(slices.at(-1)?.to).toBeNull();
      for (const [index, slice] of slices.entries()) {
        if (index > 0) expect(slice.from).toBe(slices[index - 1]?.to);
        expect(slice.table).toBe(after);
      }
      expect(choice?.reused.some(({ rowRange: slice }) => changed.has(slice.from))).toBe(false);
      expect(choice?.reused).toHaveLength((base.tables[0]?.ranges.length ?? 0) - changed.size);
    }),
    { numRuns: 300 },
  );
});

it('a range that was not counted is read', () => {
  const base = makeBase(table);
  const plans = matchTables(base, [table], stored, false);
  const [choice] = chooseRanges(base, plans, new Map());
  expect(choice?.reused).toEqual([]);
  expect(choice?.why).toMatch(/^(\d+) of \1 ranges changed$/);
});

it('what is taken over points where the base does, with the places that were counted', () => {
  const base = makeBase(table);
  const plans = matchTables(base, [table], stored, false);
  const counts = new Map(
    plans.flatMap(({ candidates }) =>
      candidates.map(
        ({ rowRange: slice, range }) => [slice, { rows: range.rows, modifiedRows: 0, places: '-9' }] as const,
      ),
    ),
  );
  const [choice] = chooseRanges(base, plans, counts);
  expect(choice?.read).toEqual([]);
  for (const [index, reused] of (choice?.reused ?? []).entries()) {
    expect(reused).toMatchObject({ rows: 10 + index, places: '-9' });
    expect(reused.pieces).toEqual([{ holder: { object: base.objects[index] }, offset: 0, length: 100 }]);
  }
});
