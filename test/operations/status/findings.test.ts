import { describe, expect, it } from 'vitest';
import type { Finding, FindingKind } from '../../../src/interface/findings/finding.ts';
import { tellFinding } from '../../../src/interface/findings/telling.ts';
import type { StatusFacts } from '../../../src/operations/status/facts.ts';
import { describeStatus } from '../../../src/operations/status/report.ts';
import { isHealthy, type Status } from '../../../src/operations/status/result.ts';
import { renderText } from '../../../src/report/text.ts';
import { measureFreshness } from '../../../src/repository/backups/freshness.ts';
import type { RecordContent, StoredRecord } from '../../../src/repository/records.ts';
import { examples } from '../../interface/findings/examples.ts';
import { ago, hour, now, shelve } from '../../repository/backups/freshness-example.ts';
import { weigh } from './example.ts';
import { makeRun } from './watched-example.ts';

const rows = (count: number) => ({ totals: { rows: count, bytes: 1, stored: 1, added: 1 } });
const warningsOf = ({ findings }: Status) => findings.filter(({ severity }) => severity === 'warning');
const kindsOf = (status: Status) => warningsOf(status).map(({ kind }) => kind);
const warning = { severity: 'warning', limit: undefined, measured: undefined, since: undefined };

describe('the status of a repository', () => {
  it('holds what was measured against each limit, and is healthy when all are met', () => {
    const limits = { maxAge: 2 * hour, verifiedWithin: 3 * hour, drilledWithin: undefined };
    const status = weigh([shelve(2)], { limits });
    const [newest, verified] = status.findings;
    const unmeasured = { measured: undefined, since: undefined };
    expect(newest).toEqual({
      ...{ kind: 'max-age', severity: 'note', limit: 2 * hour, measured: 2 * hour, since: undefined },
      newestPoint: 'backup',
    });
    expect(verified).toEqual({
      kind: 'verified-within',
      ...{ severity: 'broken', limit: 3 * hour, ...unmeasured },
    });
    expect(isHealthy(status)).toBe(false);
    expect(weigh([shelve(30)]).findings[0]).toMatchObject({ severity: 'broken', since: ago(4) });
    expect(isHealthy(weigh([shelve(2)]))).toBe(true);
    expect(isHealthy(weigh([]))).toBe(false);
  });

  it('says which limit is broken by how much, for whoever does not see the report', () => {
    expect(describeStatus(weigh([shelve(30)]))).toMatchObject({
      exitCode: 3,
      found: expect.stringContaining(
        'the newest backup is 30 h 00 min old, and max-age is at most 26 h 00 min.',
      ),
    });
    expect(describeStatus(weigh([shelve(2)])).found).toBeUndefined();
  });

  it('counts what one would not go back to, and what is damaged', () => {
    const backups = [shelve(1), shelve(2, { damagedAt: ago(1) }), shelve(3, { kind: 'schema' })];
    const damaged = [{ id: '20261101T000000Z-0000', message: 'cut off' }];
    const freshness = measureFreshness({ backups, damaged }, [], [], { now, warn: () => undefined });
    const status = weigh(backups, { freshness: freshness });
    expect(status.counts).toEqual({ unusable: 2, damaged: 2 });
    expect(warningsOf(status)).toEqual([
      { ...warning, kind: 'unreadable-manifests', measured: 1, ids: ['20261101T000000Z-0000'] },
      { ...warning, kind: 'damaged-backups', measured: 1, since: ago(1), ids: [backups[1]?.id] },
    ]);
  });

  it('warns of what breaks no limit, with the figures', () => {
    const [few, many] = [shelve(1, rows(1)), shelve(2, rows(3))];
    expect(warningsOf(weigh([few, many]))).toEqual([
      {
        ...warning,
        ...{ kind: 'shrinkage', limit: 1.5, measured: 1, since: ago(1) },
        ...{ before: many.id, rowsBefore: 3, rowsAfter: 1 },
      },
    ]);
    const mixed = weigh([shelve(1), shelve(2, { encrypted: true }), shelve(3)]);
    expect(warningsOf(mixed)).toEqual([
      { ...warning, kind: 'mixed-encryption', measured: 2, all: 3, newestPlain: shelve(1).id },
    ]);
    const windows = [{ from: ago(100).toISOString(), to: ago(1).toISOString(), gap: null }];
    const resting = weigh([shelve(100)], { recoverable: { windows, damaged: ['x'], captured: true } });
    expect(resting.findings[0]).toMatchObject({ newestPoint: 'changes', severity: 'note', measured: hour });
    expect(warningsOf(resting)).toEqual([
      { ...warning, kind: 'old-backup', limit: 26 * hour, measured: 100 * hour, since: ago(74) },
      { ...warning, kind: 'damaged-changes', measured: 1, keys: ['x'] },
    ]);
    expect(warningsOf(weigh([shelve(1)], { vanished: ['y'] }))).toEqual([
      { ...warning, kind: 'vanished-backups', measured: 1, ids: ['y'] },
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
    });
    expect(warningsOf(weighed({ objects: 3, bytes: 4 }))).toEqual([
      { ...warning, kind: 'hidden-versions', measured: 4, since: ago(5), objects: 3 },
    ]);
    expect(kindsOf(weighed({ objects: 0, bytes: 0 }))).toEqual([]);
  });
});

describe.each(Object.values(examples))('a finding of the kind $kind', (finding: Finding) => {
  const signs = { broken: 'BROKEN', warning: 'WARNING', note: 'NOTE' } as const;

  it('is reported with its sentence and its remedy', () => {
    const { sentence, remedy } = tellFinding(finding);
    const { report } = describeStatus({ ...weigh([shelve(1)]), findings: [finding] });
    expect(renderText(report)).toContain(`${signs[finding.severity]}: ${sentence}`);
    expect(renderText(report)).toContain(remedy);
  });

  it('decides the exit code, and the output, when it is broken and only then', () => {
    const { exitCode, outputs } = describeStatus({ ...weigh([shelve(1)]), findings: [finding] });
    const isBroken = finding.severity === 'broken';
    expect({ exitCode, status: outputs.status }).toEqual(
      isBroken ? { exitCode: 3, status: 'broken' } : { exitCode: 0, status: 'healthy' },
    );
  });
});

it('findings have the order of the list of kinds', () => {
  const backups = [shelve(30, rows(1)), shelve(31, rows(3)), shelve(32, { damagedAt: ago(1) })];
  const found = weigh(backups, { vanished: ['x'] }).findings.map(({ kind }): FindingKind => kind);
  expect(found.slice(0, 4)).toEqual(['max-age', 'shrinkage', 'damaged-backups', 'vanished-backups']);
});

describe('runs that failed in a row', () => {
  const failure = { class: 'SourceError/connection', message: 'no answer', next: null };
  const failed = { outcome: 'failed', exitCode: 1, failure } as const;
  const no = { outcome: 'no', exitCode: 3, failure } as const;
  const backup = (hours: number, backupType: string, more: object = {}) =>
    makeRun(hours, { operation: 'backup', backupType, ...more });
  const found = (...runs: StatusFacts['runs']) =>
    weigh([shelve(1)], { runs }).findings.filter(({ kind }) => kind === 'failed-runs');

  it('are counted for each kind, since the first of them, with the class of the newest', () => {
    const lost = { ...failed, failure: { ...failure, class: 'SourceError/lost' } };
    const runs = [
      ...[backup(90, 'full', failed), backup(80, 'full'), backup(70, 'full', failed), makeRun(69, failed)],
      ...[backup(60, 'full', failed), makeRun(59, failed), makeRun(58), backup(50, 'full', lost)],
      ...[makeRun(49, { operation: 'drill', ...failed }), makeRun(48, { operation: 'drill', ...failed })],
      ...[
        makeRun(47, { operation: 'validate', ...failed }),
        makeRun(46, { operation: 'validate', ...failed }),
      ],
    ];
    expect(found(...runs)).toEqual([
      {
        ...{ ...warning, kind: 'failed-runs', measured: 2, since: ago(49) },
        ...{ job: 'drill', lastClass: 'SourceError/connection' },
      },
      {
        ...{ ...warning, kind: 'failed-runs', measured: 3, since: ago(70) },
        ...{ job: 'full', lastClass: 'SourceError/lost' },
      },
    ]);
  });

  it('are none where one failed alone, or the newest came to its end', () => {
    expect(found(makeRun(3, failed))).toEqual([]);
    expect(found(makeRun(3, failed), makeRun(2, failed), makeRun(1))).toEqual([]);
    expect(found(makeRun(3, failed), makeRun(2, failed), makeRun(1, no))).toEqual([]);
    const incremental = [backup(3, 'incremental', failed), backup(2, 'incremental', failed)];
    expect(found(...incremental, backup(1, 'full'))).toEqual([]);
    expect(found(...incremental, backup(1, 'schema'))).toHaveLength(1);
    expect(
      found(backup(3, 'full', failed), backup(2, 'full', failed), backup(1, 'incremental')),
    ).toHaveLength(1);
  });
});

describe('a recovery that is slower than it may be', () => {
  const look = (...drills: [hours: number, overrides: Partial<RecordContent<'drills'>>][]) => {
    const records = drills.map(([hours, overrides]): StoredRecord<'drills'> => {
      const restored = { phases: {}, parity: true, checks: { asked: 0, failed: [] }, why: null };
      const content = {
        backup: shelve(1).id,
        outcome: 'passed',
        recovery: hour,
        ...restored,
        ...overrides,
      } as const;
      return { at: ago(hours), storedAt: ago(hours), content };
    });
    const catalog = { backups: [shelve(1)], damaged: [] };
    return weigh([shelve(1)], {
      freshness: measureFreshness(catalog, [], records, { now, warn: () => undefined }),
    });
  };
  const [slow, quick] = [{ rtoTarget: hour / 2 }, { rtoTarget: hour }];

  it('is found by the newest drill that passed, since the first of those that were', () => {
    const status = look([50, slow], [40, quick], [30, slow], [20, slow]);
    expect(warningsOf(status)).toEqual([
      {
        ...{ ...warning, kind: 'slow-recovery', limit: hour / 2, measured: hour, since: ago(30) },
        backup: shelve(1).id,
      },
    ]);
    expect(status.failures.map(({ kind, at }) => [kind, at])).toEqual([
      ['slow-drill', ago(20)],
      ['slow-drill', ago(30)],
      ['slow-drill', ago(50)],
    ]);
    const text = renderText(describeStatus(status).report);
    expect(text).toContain(`drill of ${shelve(1).id} took 1 h 00 min, and its target is 30 min 00 s`);
  });

  it('is none without a target, within it, or by a drill that failed', () => {
    expect(kindsOf(look([20, {}]))).toEqual([]);
    expect(kindsOf(look([20, { rtoTarget: null }]))).toEqual([]);
    expect(kindsOf(look([30, slow], [20, quick]))).toEqual([]);
    const failed = { ...slow, outcome: 'failed', why: 'gone' } as const;
    expect(kindsOf(look([20, failed]))).toEqual(['failed-drill']);
  });
});

describe('what is unlike earlier backups', () => {
  const earlier = (count: number) => [1, 2, 3, 4, 5].map((index) => shelve(24 * index, rows(count)));

  it('is found, with the limit and the baseline', () => {
    const newest = shelve(1, rows(3000));
    const found = weigh([newest, ...earlier(1000)]);
    expect(warningsOf(found)).toMatchObject([
      {
        ...{ kind: 'unusual-rows', measured: 3000, since: ago(1), backup: newest.id, backupKind: 'full' },
        ...{ direction: 'jump', median: 1000, points: 5 },
      },
    ]);
    expect(isHealthy(found)).toBe(true);
    expect(renderText(describeStatus(found).report)).toMatch(
      /of 5 earlier full backups.*\n.*\n.*\n.*\nrows +1,000 +481 +1,519 +3,000/,
    );
  });

  it('is not found after a single backup, or a few', () => {
    const few = [shelve(1, rows(3000)), ...earlier(1000).slice(0, 4)];
    expect(kindsOf(weigh(few))).toEqual([]);
    expect(renderText(describeStatus(weigh(few)).report)).toContain(
      'What is usual is not measured: 4 earlier full backups, and 5 are needed.',
    );
  });

  it('is told once where it is a loss since the backup before', () => {
    expect(kindsOf(weigh([shelve(1, rows(100)), ...earlier(1000)]))).toEqual(['shrinkage']);
    const later = [shelve(0.5, rows(100)), shelve(1, rows(100)), ...earlier(1000)];
    expect(kindsOf(weigh(later))).toEqual(['unusual-rows']);
  });
});
