import fc from 'fast-check';
import * as v from 'valibot';
import { expect, it } from 'vitest';
import { manifestSchema, type StoredObject } from '../../../src/format/manifest.ts';
import { assembleManifest, type ManifestParts } from '../../../src/repository/backups/assembly.ts';
import { makeManifest, makeObject } from '../example.ts';

const example = makeManifest();

function makeParts(overrides: Partial<ManifestParts> = {}): ManifestParts {
  return {
    id: example.id,
    kind: 'full',
    purpose: 'ordinary',
    base: null,
    fullBecause: null,
    label: null,
    pin: false,
    startedAt: new Date('2026-11-20T02:17:00Z'),
    finishedAt: new Date('2026-11-20T02:18:00Z'),
    source: example.source,
    recipients: [],
    archive: [],
    extras: [],
    supplement: [],
    rowRanges: [],
    facts: { sequences: [], latest: [], objects: {}, roles: [], extensions: [] },
    notCarried: [],
    added: 0,
    durations: {},
    ...overrides,
  };
}

const table = (oid: number, schema: string, name: string) => ({
  oid,
  schema,
  name,
  relfilenode: oid,
  persistence: 'permanent' as const,
  fingerprint: 'f',
  columns: ['id'],
  root: undefined,
});
const piece = (object: StoredObject, offset: number, length: number) => ({
  holder: { object },
  offset,
  length,
});

it('lists each object once and points pieces at it', () => {
  const [one, two] = [makeObject(100), makeObject(50)];
  const manifest = assembleManifest(
    makeParts({
      archive: [piece(two, 0, 50)],
      rowRanges: [
        {
          rowRange: { table: table(1, 's', 'a'), from: 0, to: null },
          rows: 2,
          places: null,
          pieces: [piece(one, 0, 60)],
        },
        {
          rowRange: { table: table(2, 's', 'b'), from: 0, to: null },
          rows: 3,
          places: null,
          pieces: [piece({ ...one }, 60, 40)],
        },
      ],
    }),
  );
  expect(manifest.objects.map((object) => object.name).sort()).toEqual([one.name, two.name].sort());
  expect(manifest.archive.bytes).toBe(50);
  expect(manifest.archive.objects.map((index) => manifest.objects[index])).toEqual([two]);
  for (const { ranges } of manifest.tables) {
    for (const part of ranges.flatMap((range) => range.pieces))
      expect(manifest.objects[part.object]).toEqual(one);
  }
});

it('is the same in whatever order workers finished, and sums rows and bytes', () => {
  const rowRanges = [1, 2, 3, 4, 5].flatMap((oid) => {
    const of = table(oid, oid % 2 ? 'B' : 'a', `t${oid}`);
    const object = makeObject(90);
    return [0, 10, 200].map((from, index) => ({
      rowRange: { table: of, from, to: [10, 200, null][index] as number | null },
      rows: index,
      places: null,
      pieces: [piece(object, from === 0 ? 0 : 30 * index, 30)],
    }));
  });
  const describe = (parts: ManifestParts) => {
    const { tables, objects } = assembleManifest(parts);
    // Where an object stands in the list may differ; what a piece means may not.
    return tables.map((one) => ({
      ...one,
      ranges: one.ranges.map((range) => ({
        ...range,
        pieces: range.pieces.map((part) => ({ ...part, object: objects[part.object]?.name })),
      })),
    }));
  };
  const expected = describe(makeParts({ rowRanges }));
  expect(expected.map((one) => one.schema)).toEqual(['B', 'B', 'B', 'a', 'a']);
  expect(expected.every((one) => one.rows === 3 && one.bytes === 90)).toBe(true);
  expect(expected.every((one) => one.ranges.map((range) => range.from).join() === '0,10,200')).toBe(true);
  fc.assert(
    fc.property(fc.shuffledSubarray(rowRanges, { minLength: rowRanges.length }), (shuffled) => {
      expect(describe(makeParts({ rowRanges: shuffled }))).toEqual(expected);
    }),
  );
});

it('keeps tables apart that are called the same in two schemas, and ranges without rows', () => {
  const manifest = assembleManifest(
    makeParts({
      rowRanges: [
        { rowRange: { table: table(1, 'a', 't'), from: 0, to: null }, rows: 0, places: null, pieces: [] },
        { rowRange: { table: table(2, 'b', 't'), from: 0, to: null }, rows: 0, places: null, pieces: [] },
      ],
    }),
  );
  expect(manifest.tables.map(({ schema, rows, bytes }) => ({ schema, rows, bytes }))).toEqual([
    { schema: 'a', rows: 0, bytes: 0 },
    { schema: 'b', rows: 0, bytes: 0 },
  ]);
});

it('tells a sequence that moved while the archive was written', () => {
  const state = (name: string, lastValue: string, isCalled = true) => ({
    schema: 's',
    name,
    lastValue,
    isCalled,
  });
  const { sequences } = assembleManifest(
    makeParts({
      facts: {
        sequences: [
          state('still', '5'),
          state('moved', '9223372036854775806'),
          state('called', '1', false),
          state('gone', '7'),
        ],
        latest: [state('moved', '9223372036854775807'), state('called', '1'), state('still', '5')],
        objects: {},
        roles: [],
        extensions: [],
      },
    }),
  ).facts;
  expect(Object.fromEntries(sequences.map(({ name, latest }) => [name, latest]))).toEqual({
    still: null,
    moved: '9223372036854775807',
    called: '1',
    gone: null,
  });
});

it('refuses a piece that was never stored', () => {
  expect(() => assembleManifest(makeParts({ archive: [{ holder: {}, offset: 0, length: 1 }] }))).toThrow();
});

it('makes what a reader of the format accepts', () => {
  const parts = makeParts({
    recipients: ['age1x'],
    archive: [piece(makeObject(5), 0, 5)],
    rowRanges: [
      { rowRange: { table: table(1, 's', 'a'), from: 0, to: null }, rows: 2, places: null, pieces: [] },
    ],
  });
  expect(v.safeParse(manifestSchema, JSON.parse(JSON.stringify(assembleManifest(parts)))).success).toBe(true);
});
