import { describe, expect, it } from 'vitest';
import type { StatusInputs } from '../../src/inputs.ts';
import { weighStanding } from '../../src/operations/standing.ts';
import { findShrinkage, listFailures, measureGap } from '../../src/operations/status-findings.ts';
import { describeStatus, drawBars, type StatusFacts } from '../../src/operations/status-report.ts';
import { renderText } from '../../src/report/text.ts';
import { ago, hour, now, shelve } from './standing-example.ts';

const day = 24 * hour;

describe('the longest gap', () => {
  it('is that of the last seven days, the time since the newest included', () => {
    expect(measureGap([], now)).toBeUndefined();
    expect(measureGap([shelve(5)], now)).toEqual({ length: 5 * hour, from: ago(5), to: null });
    expect(measureGap([shelve(1), shelve(20), shelve(40), shelve(41)], now)).toEqual({
      length: 20 * hour,
      from: ago(40),
      to: ago(20),
    });
  });

  it('counts what was open when the week began, and nothing before', () => {
    expect(measureGap([shelve(100), shelve(200), shelve(1000)], now)).toMatchObject({ length: 100 * hour });
    expect(measureGap([shelve(60), shelve(150), shelve(300)], now)).toMatchObject({
      length: 150 * hour,
      to: ago(150),
    });
    expect(measureGap([shelve(60), shelve(7 * 24), shelve(999)], now)).toMatchObject({ length: 108 * hour });
  });
});

it('an alarm is raised when more than half of the rows are gone', () => {
  const rows = (count: number) => shelve(1, { totals: { rows: count, bytes: 1, stored: 1, added: 1 } });
  expect(findShrinkage([rows(499), rows(1000), rows(1)])).toMatchObject({
    before: { totals: { rows: 1000 } },
  });
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
  );
  expect(found.map(({ what }) => what)).toEqual([
    'drill of x failed: object missing',
    'validate found damage in x',
    'restore of x into t: it differs from the backup',
  ]);
});

describe('the report', () => {
  const describeWith = (backups: ReturnType<typeof shelve>[], overrides: Partial<StatusFacts> = {}) => {
    const shelf = { backups, damaged: [] };
    const standing = weighStanding(shelf, [], [], { now, warn: () => undefined });
    return describeStatus({
      inputs: { maxAge: 26 * hour, verifiedWithin: undefined, drilledWithin: undefined } as StatusInputs,
      location: './backups',
      standing,
      stored: 123_456,
      prune: undefined,
      failures: [],
      gap: measureGap(standing.usable, now),
      shrinkage: findShrinkage(standing.usable),
      now,
      ...overrides,
    });
  };

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
    expect(text).not.toContain('WARNING');
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
