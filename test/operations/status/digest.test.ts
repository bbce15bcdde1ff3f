import { describe, expect, it } from 'vitest';
import { parseRetention } from '../../../src/interface/inputs/time-values.ts';
import { toDigest } from '../../../src/operations/status/digest.ts';
import { measureFreshness } from '../../../src/repository/backups/freshness.ts';
import type { RecordContent, StoredRecord } from '../../../src/repository/records.ts';
import { planRetention } from '../../../src/repository/retention/policy.ts';
import { ago, now, shelve } from '../../repository/backups/freshness-example.ts';
import { weigh } from './example.ts';

function ran(
  hours: number,
  operation: string,
  outcome: RecordContent<'runs'>['outcome'],
): StoredRecord<'runs'> {
  const at = ago(hours);
  const content: RecordContent<'runs'> = {
    ...{ operation, outcome, startedAt: at.toISOString(), endedAt: at.toISOString() },
    ...{ exitCode: { done: 0, no: 3, failed: 1 }[outcome], failure: null, backup: null, backupType: null },
    ...{ actor: 'a', run: null, version: '1', host: 'machine' },
  };
  return { at, storedAt: at, content };
}

const totals = { rows: 1000, bytes: 9_000_000, stored: 3_000_000, added: 1_000_000 };
const backups = Array.from({ length: 12 }, (_, index) => shelve(1 + 24 * index, { totals }));
const drill: RecordContent<'drills'> = {
  ...{ backup: backups[2]?.id ?? '', outcome: 'failed', why: 'check 1 is false', fault: 'checks' },
  ...{ recovery: null, phases: {}, parity: true, checks: { asked: 1, failed: ['1'] } },
};
const drills = [{ at: ago(50), storedAt: ago(50), content: drill }];
const freshness = measureFreshness({ backups, damaged: [] }, [], drills, { now, warn: () => undefined });
const status = weigh(backups, { freshness });
const decisions = planRetention(backups, parseRetention('daily=9'), { now, timeZone: 'UTC' });

describe('a digest', () => {
  const runs = [
    ran(8 * 24, 'backup', 'failed'),
    ran(60, 'drill', 'no'),
    ran(50, 'backup', 'done'),
    ran(26, 'backup', 'failed'),
    ran(2, 'backup', 'done'),
  ];
  const digest = toDigest(status, runs, decisions);

  it('counts the runs of seven days by operation, an answer of no as a failure', () => {
    expect(digest.runs).toEqual([
      { operation: 'backup', succeeded: 2, failed: 1 },
      { operation: 'drill', succeeded: 0, failed: 1 },
    ]);
  });

  it('tells the backups of these days and what they have added, and the newest', () => {
    expect(digest.backups).toEqual({ count: 7, addedBytes: 7_000_000 });
    expect(digest.newest).toMatchObject({ id: backups[0]?.id, rows: 1000, bytes: 9_000_000 });
    expect(digest.storedBytes).toBe(123_456);
    expect(digest.to.getTime() - digest.from.getTime()).toBe(7 * 24 * 3_600_000);
  });

  it('tells the last drill, whatever it came to, and that nothing was verified', () => {
    expect(digest.lastDrill).toEqual({
      at: ago(50),
      backup: drill.backup,
      passed: false,
      recovery: undefined,
    });
    expect(digest.lastVerified).toBeUndefined();
  });

  it('tells what a cleanup with the same rules removes, and why', () => {
    const removed = decisions.filter(({ keep }) => !keep).map(({ backup }) => backup.id);
    expect(removed).toHaveLength(3);
    expect(digest.removals.map(({ backup }) => backup)).toEqual(removed);
    for (const { reasons } of digest.removals) expect(reasons.join()).not.toBe('');
  });

  it('has the findings of the status, each in its words', () => {
    expect(digest.findings.map(({ kind }) => kind)).toEqual(status.findings.map(({ kind }) => kind));
    expect(digest.findings.find(({ kind }) => kind === 'failed-drill')?.sentence).toContain(
      'check 1 is false',
    );
  });
});
