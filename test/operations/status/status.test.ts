import { describe, expect, it } from 'vitest';
import { describeStatus, drawBars } from '../../../src/operations/status/report.ts';
import { renderText } from '../../../src/report/text.ts';
import {
  findShrinkage,
  listFailures,
  measureGap,
  measurePoint,
} from '../../../src/repository/backups/findings.ts';
import type { Window } from '../../../src/repository/changes/recoverable.ts';
import type { RecordContent } from '../../../src/repository/records.ts';
import { ago, hour, now, shelve } from '../../repository/backups/freshness-example.ts';
import { weigh } from './example.ts';

const day = 24 * hour;

/** Each from so many hours ago to so many hours ago; one number is a backup alone. Oldest last, like backups. */
function makeWindows(...hours: (number | [number, number])[]): Window[] {
  return hours.toReversed().map((span) => {
    const [from, to] = typeof span === 'number' ? [span, span] : span;
    return { from: ago(from).toISOString(), to: ago(to).toISOString(), gap: 'no changes were captured' };
  });
}

describe('the longest gap', () => {
  const measure = (...hours: Parameters<typeof makeWindows>) => measureGap(makeWindows(...hours), now);

  it('is that of the last seven days, the time since the newest included', () => {
    expect(measure()).toBeUndefined();
    expect(measure(5)).toEqual({ length: 5 * hour, from: ago(5), to: null });
    expect(measure(1, 20, 40, 41)).toEqual({ length: 20 * hour, from: ago(40), to: ago(20) });
  });

  it('counts what was open when the week began, and nothing before', () => {
    expect(measure(100, 200, 1000)).toMatchObject({ length: 100 * hour });
    expect(measure(60, 150, 300)).toMatchObject({ length: 150 * hour, to: ago(150) });
    expect(measure(60, 7 * 24, 999)).toMatchObject({ length: 108 * hour });
  });

  it('is no longer where changes were captured', () => {
    expect(measure([100, 1], [140, 102])).toEqual({ length: 2 * hour, from: ago(102), to: ago(100) });
    expect(measure([7 * 24, 3], 999)).toEqual({ length: 3 * hour, from: ago(3), to: null });
    expect(measure([100, 3], [999, 110])).toEqual({ length: 10 * hour, from: ago(110), to: ago(100) });
  });
});

describe('the newest point to go back to', () => {
  it('is what was captured last, as long as a backup of the last eight days is below it', () => {
    const windows = makeWindows([100, 1]);
    expect(measurePoint(windows, 100 * hour, now)).toBe(hour);
    expect(measurePoint(windows, 8 * day, now)).toBe(hour);
    expect(measurePoint(windows, 8 * day + 1, now)).toBe(8 * day + 1);
  });

  it('is the newest backup where that is newer, and none without a backup', () => {
    expect(measurePoint(makeWindows(2, [100, 5]), 2 * hour, now)).toBe(2 * hour);
    expect(measurePoint([], undefined, now)).toBeUndefined();
    expect(measurePoint(makeWindows([5, -0.01]), 5 * hour, now)).toBe(0);
  });
});

it('an alarm is raised when more than half of the rows are gone', () => {
  const rows = (count: number) => shelve(1, { totals: { rows: count, bytes: 1, stored: 1, added: 1 } });
  expect(findShrinkage([rows(499), rows(1000), rows(1)])).toMatchObject({ rowsBefore: 1000, rowsAfter: 499 });
  expect(findShrinkage([rows(500), rows(1000)])).toBeUndefined();
  expect(findShrinkage([rows(0)])).toBeUndefined();
  expect(findShrinkage([rows(0), rows(0)])).toBeUndefined();
});

it('bars are drawn from nothing to the most', () => {
  expect(drawBars([0, 50, 100])).toBe('▁▅█');
  expect(drawBars([0, 0])).toBe('▁▁');
});

it('failures are what records tell, newest first', () => {
  const at = (hours: number) => ({ at: ago(hours), storedAt: ago(hours) });
  const drill = { recovery: null, phases: {}, parity: null, checks: { asked: 0, failed: [] } };
  const restore = { target: 't', actor: 'a', run: 'r', whole: true, phases: {} };
  const failure = { class: 'SourceError', message: 'no such host', next: 'Look.' };
  const run = (
    operation: string,
    from: number,
    to: number,
    outcome: RecordContent<'runs'>['outcome'],
  ): RecordContent<'runs'> => ({
    ...{ operation, outcome, startedAt: ago(from).toISOString(), endedAt: ago(to).toISOString() },
    ...{ exitCode: 1, failure: outcome === 'done' ? null : failure, backup: null, backupType: null },
    ...{ actor: 'a', run: null, version: '1', host: 'machine' },
  });
  const found = listFailures(
    {
      validations: [
        {
          ...at(3),
          content: { share: 1, damagedObjects: [], backups: [{ id: 'x', outcome: 'damaged', opened: true }] },
        },
        {
          ...at(1),
          content: { share: 1, damagedObjects: [], backups: [{ id: 'y', outcome: 'passed', opened: true }] },
        },
      ],
      drills: [
        { ...at(2), content: { ...drill, backup: 'x', outcome: 'failed', why: 'object missing' } },
        { ...at(1), content: { ...drill, backup: 'y', outcome: 'passed', why: null } },
      ],
    },
    [
      { ...at(4), content: { ...restore, backup: 'x', outcome: 'different', why: null } },
      { ...at(1), content: { ...restore, backup: 'y', outcome: 'equal', why: null } },
    ],
    [
      { ...at(1.5), content: run('backup', 1.6, 1.5, 'failed') },
      // What it found is told by its own record.
      { ...at(3.9), content: run('restore', 4.1, 3.9, 'failed') },
      // It failed before it could record anything.
      { ...at(5), content: run('drill', 5.1, 5, 'failed') },
      { ...at(6), content: run('capture', 6.1, 6, 'no') },
      { ...at(7), content: run('gate', 7.1, 7, 'no') },
      { ...at(8), content: run('backup', 8.1, 8, 'done') },
    ],
  );
  expect(found).toEqual([
    { kind: 'run', at: ago(1.5), operation: 'backup', ...failure },
    { kind: 'drill', at: ago(2), backup: 'x', why: 'object missing' },
    { kind: 'damage', at: ago(3), damaged: ['x'] },
    { kind: 'restore', at: ago(4), backup: 'x', target: 't', why: null },
    { kind: 'run', at: ago(5), operation: 'drill', ...failure },
    { kind: 'run', at: ago(6), operation: 'capture', ...failure },
  ]);
});

describe('the report', () => {
  const describeWith = (...given: Parameters<typeof weigh>) => describeStatus(weigh(...given));
  it('tells the failures, which break no limit', () => {
    const { exitCode, report } = describeStatus({
      ...weigh([shelve(2)]),
      failures: [
        { kind: 'drill', at: ago(2), backup: 'x', why: 'object missing' },
        { kind: 'damage', at: ago(3), damaged: ['x', 'y'] },
        { kind: 'restore', at: ago(4), backup: 'x', target: 't', why: null },
        {
          ...{ kind: 'run', at: ago(5), operation: 'backup', class: 'SourceError/connection' },
          ...{ message: 'database-url: no such host', next: 'Correct it.' },
        },
      ],
    });
    expect(exitCode).toBe(0);
    const [table] = report.slice(-1);
    expect(table?.kind === 'table' && table.rows).toEqual([
      ['2026-11-20 10:00', '2 h 00 min', 'drill of x failed: object missing'],
      ['2026-11-20 09:00', '3 h 00 min', 'validate found damage in x, y'],
      ['2026-11-20 08:00', '4 h 00 min', 'restore of x into t: it differs from the backup'],
      ['2026-11-20 07:00', '5 h 00 min', 'backup: database-url: no such host'],
    ]);
  });

  it('tells at a glance what is healthy', () => {
    const grown = (hours: number, rows: number) =>
      shelve(hours, { totals: { rows, bytes: rows * 100, stored: rows * 10, added: rows } });
    const outcome = describeWith([grown(2, 800), grown(26, 400), grown(50, 0)]);
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { status: 'healthy', 'age-seconds': 7200 } });
    const text = renderText(outcome.report);
    expect(text).toMatch(/max-age +age of the newest backup +26 h 00 min +2 h 00 min +met/);
    expect(text).toMatch(/rows +▁▅█ +0 +800 +800/);
    expect(text).toMatch(/longest gap of 7 days +24 h 00 min, from 2026-11-19 10:00 to 2026-11-20 10:00/);
    expect(text).toMatch(/stored +123 kB/);
    expect(text).toMatch(
      /of it +objects 120 kB, manifests 3.00 kB, headers of changes 200 B, records 250 B, others 6 B/,
    );
    expect(text).not.toContain('WARNING');
  });

  it('tells which points in time can be recovered, and why no others', () => {
    const windows = makeWindows([20, 1], [100, 30], 150, 170);
    const outcome = describeWith([shelve(20), shelve(100)], {
      recoverable: { windows, damaged: [], captured: true },
    });
    expect(outcome).toMatchObject({
      exitCode: 0,
      outputs: {
        'recoverable-from': ago(20).toISOString(),
        'recoverable-to': ago(1).toISOString(),
        'age-seconds': 20 * 3600,
      },
    });
    const text = renderText(outcome.report);
    expect(text).toMatch(/max-age +age of the newest point to go back to +26 h 00 min +1 h 00 min +met/);
    expect(text).toMatch(/2026-11-19 16:00:00Z to 2026-11-20 11:00:00Z +no changes were captured/);
    expect(text).toMatch(/2026-11-16 08:00:00Z to 2026-11-19 06:00:00Z/);
    expect(text).toMatch(/2026-11-14T06:00:00.000Z, the backup alone/);
    expect(text).not.toContain('2026-11-13');
    expect(text).toMatch(/longest gap of 7 days +2 d 2 h/);
    expect(text).not.toContain('WARNING');
  });

  it('lets captured changes stand in for backups for a while, and warns of it', () => {
    const windows = makeWindows([100, 1]);
    const recoverable = { windows, damaged: [], captured: true };
    const outcome = describeWith([shelve(100)], { recoverable });
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { status: 'healthy', 'age-seconds': 360_000 } });
    expect(renderText(outcome.report)).toContain(
      'WARNING: the newest backup is 4 d 4 h old, more than max-age',
    );
    const late = describeWith([shelve(200)], {
      recoverable: { ...recoverable, windows: makeWindows([200, 1]) },
    });
    expect(late).toMatchObject({ exitCode: 3, outputs: { status: 'broken' } });
    expect(renderText(late.report)).toMatch(
      /max-age +age of the newest backup +26 h 00 min +8 d 8 h +BROKEN/,
    );
  });

  it('warns of captured changes that are damaged', () => {
    const damaged = { windows: makeWindows(2), damaged: ['changes/x/1-2.json'], captured: true };
    const outcome = describeWith([shelve(2)], { recoverable: damaged });
    const text = renderText(outcome.report);
    expect(text).toContain('WARNING: these captured changes are damaged');
    expect(text).toContain('changes/x/1-2.json');
    expect(outcome.outputs).toMatchObject({ 'recoverable-to': ago(2).toISOString() });
  });

  it('tells no time from which on any can be recovered where nothing was captured', () => {
    const { outputs } = describeWith([shelve(2), shelve(20)]);
    expect(outputs).toMatchObject({ 'recoverable-from': '' });
    expect(Date.parse(String(outputs['recoverable-to']))).toBe(ago(2).getTime());
    expect(describeWith([]).outputs).toMatchObject({ 'recoverable-from': '', 'recoverable-to': '' });
  });

  it('says no to a broken limit, and warns of what breaks none', () => {
    const few = shelve(30, { totals: { rows: 1, bytes: 1, stored: 1, added: 1 } });
    const outcome = describeWith([few, shelve(31), shelve(32, { damagedAt: ago(1) })]);
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { status: 'broken', 'backup-id': few.id } });
    const text = renderText(outcome.report);
    expect(text).toMatch(/30 h 00 min +BROKEN/);
    expect(text).toContain('WARNING: the newest backup has 1 row, and the one before');
    expect(text).toContain('WARNING: these backups were found damaged');
  });

  it('warns of backups that are not encrypted beside others that are', () => {
    const text = (...encrypted: boolean[]) =>
      JSON.stringify(
        describeWith(encrypted.map((each, hours) => shelve(hours + 1, { encrypted: each }))).report,
      );
    expect(text(true, false, false)).toContain('WARNING: 2 backups of 3 are not encrypted, while others are');
    for (const alike of [text(true, true), text(false, false)]) expect(alike).not.toContain('not encrypted');
  });

  it('of no backup at all is broken', () => {
    const outcome = describeWith([]);
    expect(outcome).toMatchObject({
      exitCode: 3,
      outputs: { status: 'broken', 'backup-id': '', 'age-seconds': '', 'verified-age-seconds': '' },
    });
    expect(renderText(outcome.report)).toMatch(/there is none +BROKEN/);
  });

  it('says when a gap may be the work of retention', () => {
    const removed = [{ id: '20261115T021700Z-7f3a', why: 'too old' }];
    const content = {
      retention: {},
      timeZone: 'UTC',
      removed,
      objects: { removed: 1, bytes: 2 },
      marked: 0,
      retained: 0,
    };
    const text = (at: Date) =>
      renderText(describeWith([shelve(1)], { prune: { at, storedAt: at, content } }).report);
    expect(text(ago(2))).toContain('cleanups have removed backups since');
    expect(text(new Date(now.getTime() - 8 * day))).not.toContain('cleanups have removed');
  });
});

describe('what would be lost, and how long it would take', () => {
  const text = (status: ReturnType<typeof weigh>) => renderText(describeStatus(status).report);

  it('is measured, and told with what measured it', () => {
    const status = weigh([shelve(2)], {
      recoverable: { windows: makeWindows([20, 1]), damaged: [], captured: true },
    });
    expect(status.loss).toBe(hour);
    const at = ago(3);
    const measured = {
      ...status,
      recovery: { kind: 'measured' as const, milliseconds: 90_000, backup: 'x', at },
    };
    expect(text(measured)).toMatch(/a recovery takes +1 min 30 s, measured by the drill of x/);
    expect(text(measured)).toMatch(/would be lost now +1 h 00 min/);
  });

  it('is told as not measured, never as 0, where nothing tells it', () => {
    const unmeasured = weigh([shelve(2, { kind: 'incremental' })]);
    expect(text(unmeasured)).toMatch(/a recovery takes +not measured\n/);
    expect(text(unmeasured)).toContain(
      'NOTE: how long a recovery takes was never measured, and there is nothing to predict it from',
    );
    expect(text(weigh([shelve(2)]))).toMatch(/a recovery takes +not measured; predicted: 1 min 00 s or more/);
    expect(text(weigh([]))).toMatch(/would be lost now +everything/);
    expect(weigh([]).findings.map(({ kind }) => kind)).toEqual(['max-age']);
  });
});

describe('what is stored', () => {
  const text = (status: ReturnType<typeof weigh>) => renderText(describeStatus(status).report);
  const daily = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      shelve(24 * index, { totals: { rows: 1, bytes: 20_000_000_000, stored: 1, added: 1_000_000_000 } }),
    );

  it('is forecast for a month by what backups have added, and priced', () => {
    const stored = { objects: 100_000_000_000, manifests: 0, changes: 0, records: 0, others: 0 };
    const status = weigh(daily(11), { stored, price: 0.02 });
    expect(text(status)).toMatch(
      /a month adds +30.0 GB if it goes on as with the 11 backups of the last 30 days/,
    );
    expect(text(status)).toMatch(/costs a month +2.00, and in a month 2.60, in the currency/);
    expect(text(status)).toMatch(/a full backup takes +20.0 GB of egress, at Supabase 1.80 US dollars past/);
  });

  it('is not forecast, and not priced, where nothing tells it', () => {
    const status = weigh(daily(3), { price: 0.02 });
    expect(text(status)).toMatch(/a month adds +not measured: 3 backups of the last 30 days/);
    expect(text(status)).toMatch(/costs a month +less than 0.01/);
    expect(text(weigh(daily(3)))).not.toContain('costs a month');
    expect(text(weigh([]))).toMatch(/a full backup takes +not measured: there is no full backup/);
  });
});

it('damage of captured changes is a failure, too, by its key or by the objects that older versions recorded', () => {
  const validation = (hours: number, content: Partial<RecordContent<'validations'>>) => ({
    ...{ at: ago(hours), storedAt: ago(hours) },
    content: { share: 1, damagedObjects: ['a'.repeat(64)], backups: [], ...content },
  });
  const key = 'changes/20261120T000000Z-0000/0000000000000100-0000000000000200.json';
  const validations = [
    validation(3, {}),
    validation(2, { damagedSegments: [{ key, part: 'objects' }] }),
    validation(1, { damagedObjects: [] }),
  ];
  expect(listFailures({ validations, drills: [] }, [], [])).toEqual([
    { kind: 'damage', at: ago(2), damaged: [key] },
    { kind: 'damage', at: ago(3), damaged: ['1 object of captured changes'] },
  ]);
});
