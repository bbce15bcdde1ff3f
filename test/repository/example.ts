import { randomBytes } from 'node:crypto';
import type { Manifest } from '../../src/format/manifest.ts';
import { type Maker, openForBackup, type Repository } from '../../src/repository/open.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { createContext } from '../support/context.ts';
import { MemoryStorage } from '../support/memory-storage.ts';

export const source = { systemIdentifier: '7300000000000000001', database: 'postgres' };
export const now = new Date('2026-11-20T02:17:00Z');

/** Makes a repository where nobody else does. */
export const onlyMaker: Maker = {
  ...createContext({ now: () => new Date() }),
  holder: { id: 'nobody', name: 'a first backup' },
};

export function createRepository(storage: Storage = new MemoryStorage()): Promise<Repository> {
  return openForBackup(storage, undefined, source, now, onlyMaker);
}

/** A whole manifest, whose sums are those of its parts; a test names only what it is about. */
export function makeManifest(overrides: Partial<Manifest> = {}): Manifest {
  const manifest = { ...example(), ...overrides };
  return overrides.totals ? manifest : { ...manifest, totals: sumUp(manifest) };
}

function sumUp({ totals, tables, archive, supplement }: Manifest): Manifest['totals'] {
  const sum = (numbers: number[]) => numbers.reduce((one, other) => one + other, 0);
  const rows = sum(tables.map((table) => table.rows));
  return { ...totals, rows, bytes: sum(tables.map(({ bytes }) => bytes)) + archive.bytes + supplement.bytes };
}

function example(): Manifest {
  return {
    format: 2,
    tool: { name: 'supabase-backup', version: '1.0.0' },
    id: '20261120T021700Z-7f3a',
    kind: 'full',
    purpose: 'ordinary',
    base: null,
    fullBecause: null,
    label: 'vor dem Umzug – "ü" 🎉',
    pin: false,
    startedAt: '2026-11-20T02:17:00.000Z',
    finishedAt: '2026-11-20T02:18:00.000Z',
    source: {
      database: 'postgres',
      databaseOid: 5,
      systemIdentifier: source.systemIdentifier,
      timeline: 1,
      postmasterStartedAt: '2026-11-01T00:00:00.123456Z',
      serverVersion: 150018,
      encoding: 'UTF8',
      settings: { DateStyle: 'ISO, YMD' },
      snapshot: '10:20:11',
      lsn: '0/1A2B3C',
      snapshotAt: '2026-11-20T02:17:01.654321Z',
      token: null,
      definitions: 'f'.repeat(64),
    },
    encryption: { scheme: 'none' },
    totals: { rows: 3, bytes: 1050, stored: 140, added: 140 },
    notCarried: [],
    durations: { total: 1 },
    objects: [
      { name: 'a'.repeat(64), bytes: 1000, stored: 100, sha256: 'b'.repeat(64) },
      { name: 'c'.repeat(64), bytes: 50, stored: 40, sha256: 'd'.repeat(64) },
    ],
    archive: { bytes: 50, objects: [1] },
    supplement: { bytes: 0, objects: [] },
    tables: [
      {
        schema: 'public',
        name: 'söme "table"\n',
        oid: 16400,
        relfilenode: 16400,
        persistence: 'permanent',
        fingerprint: 'e'.repeat(64),
        columns: ['id', 'naïve'],
        root: null,
        rows: 3,
        bytes: 1000,
        ranges: [
          { from: 0, to: null, rows: 3, places: null, pieces: [{ object: 0, offset: 0, length: 1000 }] },
        ],
      },
    ],
    facts: {
      sequences: [
        { schema: 'public', name: 's', lastValue: '9223372036854775807', isCalled: true, latest: null },
      ],
      objects: { table: 1 },
      roles: ['postgres'],
      extensions: [],
    },
  };
}

export function makeObject(bytes = 10) {
  return {
    name: randomBytes(32).toString('hex'),
    bytes,
    stored: bytes,
    sha256: randomBytes(32).toString('hex'),
  };
}
