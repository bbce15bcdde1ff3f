import { describe, expect, it, test } from 'vitest';
import { judgeStatus, type StatusFacts } from '../../../src/operations/status/findings.ts';
import { describeStatus } from '../../../src/operations/status/report.ts';
import { isHealthy, type Status, type Warning } from '../../../src/operations/status/result.ts';
import { renderText } from '../../../src/report/text.ts';
import { measureFreshness } from '../../../src/repository/backups/freshness.ts';
import { findWindows } from '../../../src/repository/changes/recoverable.ts';
import { ago, hour, now, shelve } from '../../repository/backups/freshness-example.ts';

type Backups = readonly ReturnType<typeof shelve>[];

function weigh(backups: Backups, overrides: Partial<StatusFacts> = {}): Status {
  const catalog = { backups, damaged: [] };
  const freshness = measureFreshness(catalog, [], [], { now, warn: () => undefined });
  return judgeStatus({
    location: './backups',
    limits: { maxAge: 26 * hour, verifiedWithin: undefined, drilledWithin: undefined },
    freshness: freshness,
    recoverable: { windows: findWindows(freshness.usable, []), damaged: [], captured: false },
    stored: 0,
    vanished: [],
    prune: undefined,
    restores: [],
    runs: [],
    now,
    ...overrides,
  });
}

const rows = (count: number) => ({ totals: { rows: count, bytes: 1, stored: 1, added: 1 } });
const kindsOf = ({ warnings }: Status) => warnings.map(({ kind }) => kind);

describe('the status of a repository', () => {
  it('holds what was measured against each limit, and is healthy when all are met', () => {
    const limits = { maxAge: 2 * hour, verifiedWithin: 3 * hour, drilledWithin: undefined };
    const status = weigh([shelve(2)], { limits });
    expect(status.limits).toEqual([
      { input: 'max-age', limit: 2 * hour, age: 2 * hour, met: true },
      { input: 'verified-within', limit: 3 * hour, age: undefined, met: false },
    ]);
    expect(isHealthy(status)).toBe(false);
    expect(isHealthy(weigh([shelve(2)]))).toBe(true);
    expect(isHealthy(weigh([]))).toBe(false);
  });

  it('counts what one would not go back to, and what is damaged', () => {
    const backups = [shelve(1), shelve(2, { damagedAt: ago(1) }), shelve(3, { kind: 'schema' })];
    const damaged = [{ id: '20261101T000000Z-0000', message: 'cut off' }];
    const freshness = measureFreshness({ backups, damaged }, [], [], { now, warn: () => undefined });
    const status = weigh(backups, { freshness: freshness });
    expect(status.counts).toEqual({ unusable: 2, damaged: 2 });
    expect(status.warnings).toEqual([
      { kind: 'unreadable-manifests', ids: ['20261101T000000Z-0000'] },
      { kind: 'damaged-backups', ids: [backups[1]?.id] },
    ]);
  });

  it('warns of what breaks no limit, with the figures', () => {
    const [few, many] = [shelve(1, rows(1)), shelve(2, rows(3))];
    expect(weigh([few, many]).warnings).toEqual([{ kind: 'shrinkage', before: many, after: few }]);
    const mixed = weigh([shelve(1), shelve(2, { encrypted: true }), shelve(3)]);
    expect(mixed.warnings).toEqual([
      { kind: 'mixed-encryption', plain: 2, all: 3, newestPlain: shelve(1).id },
    ]);
    const windows = [{ from: ago(100).toISOString(), to: ago(1).toISOString(), gap: null }];
    const resting = weigh([shelve(100)], { recoverable: { windows, damaged: ['x'], captured: true } });
    expect(resting).toMatchObject({ newestPoint: 'changes', limits: [{ age: hour, met: true }] });
    expect(resting.warnings).toEqual([
      { kind: 'old-backup', age: 100 * hour },
      { kind: 'damaged-changes', keys: ['x'] },
    ]);
    expect(weigh([shelve(1)], { vanished: ['y'] }).warnings).toEqual([
      { kind: 'vanished-backups', ids: ['y'] },
    ]);
    expect(kindsOf(weigh([shelve(1)]))).toEqual([]);
  });

  it('knows what the last cleanup left hidden in the bucket', () => {
    const content = {
      ...{ retention: {}, timeZone: 'UTC', marked: 0, retained: 0 },
      removed: [{ id: '20261115T021700Z-7f3a', why: 'too old' }],
      objects: { removed: 1, bytes: 2 },
    };
    const at = { at: ago(5), storedAt: ago(5) };
    const weighed = (hidden: { objects: number; bytes: number }) =>
      weigh([shelve(1)], { prune: { ...at, content: { ...content, hidden } } });
    expect(weighed({ objects: 3, bytes: 4 })).toMatchObject({
      lastCleanup: { at: ago(5), removed: 1, freed: 2 },
      gap: { isCleaned: true },
      warnings: [{ kind: 'hidden-versions', objects: 3, bytes: 4 }],
    });
    expect(kindsOf(weighed({ objects: 0, bytes: 0 }))).toEqual([]);
  });
});

const [before, after] = [shelve(2, rows(3)), shelve(1, rows(1))];
const told: { [Kind in Warning['kind']]: [Extract<Warning, { kind: Kind }>, string] } = {
  'old-backup': [{ kind: 'old-backup', age: 30 * hour }, 'the newest backup is 30 h 00 min old'],
  'damaged-changes': [{ kind: 'damaged-changes', keys: ['a', 'b'] }, 'changes are damaged, and no backup'],
  shrinkage: [{ kind: 'shrinkage', before, after }, `pin ${before.id} if not`],
  'unreadable-manifests': [{ kind: 'unreadable-manifests', ids: ['a', 'b'] }, 'backups lost: a, b.'],
  'damaged-backups': [{ kind: 'damaged-backups', ids: ['a', 'b'] }, 'were found damaged: a, b.'],
  'vanished-backups': [{ kind: 'vanished-backups', ids: ['a', 'b'] }, 'no cleanup has removed them: a, b.'],
  'hidden-versions': [{ kind: 'hidden-versions', objects: 3, bytes: 4000 }, '3 objects with 4.00 kB'],
  'mixed-encryption': [
    { kind: 'mixed-encryption', plain: 2, all: 3, newestPlain: 'a' },
    '2 backups of 3, the newest a',
  ],
  'failed-drill': [{ kind: 'failed-drill', backup: 'a', why: 'it is gone' }, 'failed, of a: it is gone'],
};

test.each(Object.values(told))(
  '%j is told, and leaves the exit code as the limits have it',
  (warning, words) => {
    for (const status of [weigh([shelve(1)]), weigh([shelve(30)])]) {
      const outcome = describeStatus({ ...status, warnings: [warning] });
      expect(renderText(outcome.report)).toContain('WARNING: ');
      expect(renderText(outcome.report)).toContain(words);
      expect(outcome.exitCode).toBe(isHealthy(status) ? 0 : 3);
    }
  },
);
