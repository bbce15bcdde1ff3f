import type { Manifest } from '../../src/format/manifest.ts';
import type { RecoveryBase } from '../../src/repository/changes/recoverable.ts';
import type { Segment } from '../../src/repository/changes/segments.ts';
import { makeManifest, source } from './example.ts';

export const definitions = 'f'.repeat(64);

export const chain: Segment['chain'] = {
  id: '20261120T000000Z-0000',
  slot: 'supabase_backup_0123abcd',
  startedAt: '2026-11-20T00:00:00.000Z',
  because: null,
  database: 'postgres',
  databaseOid: 5,
  systemIdentifier: source.systemIdentifier,
  timeline: 1,
};

/** A segment without transactions; a test names only what it is about. */
export function makeSegment(overrides: Partial<Segment> = {}): Segment {
  return {
    format: 1,
    tool: { name: 'supabase-backup', version: '1.0.0' },
    chain,
    from: '0/100',
    to: '0/200',
    fromXmax: '10',
    toXmax: '20',
    through: '2026-11-20T03:00:00.000000Z',
    firstCommitAt: null,
    lastCommitAt: null,
    transactions: 0,
    changes: 0,
    serverVersion: 150018,
    encoding: 'UTF8',
    settings: { DateStyle: 'ISO, YMD' },
    encryption: { scheme: 'none' },
    objects: [],
    tables: [],
    uncovered: [],
    sequences: [],
    definitions,
    filenodes: {},
    barrier: null,
    ...overrides,
  };
}

/**
 * Segments that meet, one for each time, which is the hour it is complete until: the one of hour 3 goes from position 0/20 to 0/30 and from
 * transaction 200 to 300.
 */
export function makeChain(hours: readonly number[], overrides: Partial<Segment> = {}): Segment[] {
  return hours.map((hour) =>
    makeSegment({
      from: `0/${(hour - 1) * 10}`,
      to: `0/${hour * 10}`,
      fromXmax: String((hour - 1) * 100),
      toXmax: String(hour * 100),
      through: atHour(hour),
      ...overrides,
    }),
  );
}

/** `2026-11-20T03:30:00.000000Z` of 3.5 */
export function atHour(hour: number): string {
  const time = Date.parse('2026-11-20T00:00:00Z') + Math.round(hour * 3_600_000);
  return new Date(time).toISOString().replace('Z', '000Z');
}

/** What a backup of the source of `makeChain` records at an hour when no transaction is running */
export function sourceAt(hour: number, overrides: Partial<Manifest['source']> = {}): Manifest['source'] {
  const next = Math.round(hour * 100);
  return {
    ...makeManifest().source,
    snapshot: `${next}:${next}:`,
    lsn: `0/${Math.round(hour * 10)}`,
    snapshotAt: atHour(hour),
    definitions,
    ...overrides,
  };
}

export function makeBase(hour: number, overrides: Partial<RecoveryBase> = {}): RecoveryBase {
  return { id: idAt(hour), kind: 'full', source: sourceAt(hour), ...overrides };
}

export function idAt(hour: number): string {
  return `${atHour(hour).replace(/[-:]|\.\d+/g, '')}-0000`;
}
