import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide, ownBackupWithin } from '../../../src/operations/gate/decision.ts';
import { describeGate } from '../../../src/operations/gate/report.ts';
import { judgeLimits } from '../../../src/repository/backups/freshness.ts';
import { makeGateResult } from './example.ts';

const hour = 3_600_000;
const limits = { maxAge: 24 * hour, verifiedWithin: 7 * 24 * hour, drilledWithin: 35 * 24 * hour };

interface Case {
  age: number | undefined;
  verified: number | undefined;
  drilled: number | undefined;
  isDestructive: boolean;
  onStale: 'backup' | 'stop';
}
const judge = ({ age, verified, drilled, isDestructive, onStale }: Case) =>
  decide({ judged: judgeLimits({ newest: age, verified, drilled }, limits), age, isDestructive, onStale });
const good: Case = { age: hour, verified: hour, drilled: hour, isDestructive: false, onStale: 'backup' };

describe('the gate', () => {
  it('passes what is fresh and proven', () => {
    for (const onStale of ['backup', 'stop'] as const)
      expect(judge({ ...good, onStale })).toEqual({ kind: 'pass' });
    expect(judge({ ...good, age: limits.maxAge })).toEqual({ kind: 'pass' });
  });

  it('takes a backup, or stops, when the newest is too old or there is none', () => {
    for (const age of [limits.maxAge + 1, undefined]) {
      expect(judge({ ...good, age })).toMatchObject({ kind: 'back-up', pin: false });
      expect(judge({ ...good, age, onStale: 'stop' })).toMatchObject({ kind: 'stop', missing: [{}] });
    }
  });

  it('wants a backup of its own for a migration that destroys data, and pins it', () => {
    const destructive = { ...good, isDestructive: true };
    expect(judge(destructive)).toMatchObject({ kind: 'back-up', pin: true });
    expect(judge({ ...destructive, onStale: 'stop' })).toMatchObject({ kind: 'stop' });
    expect(judge({ ...destructive, age: ownBackupWithin })).toEqual({ kind: 'pass' });
    expect(judge({ ...destructive, age: undefined })).toMatchObject({
      kind: 'back-up',
      why: ['no-backup', 'unguarded'],
    });
  });

  it('passes nothing that could not be looked at, however fresh a backup is', () => {
    const unseen = [
      { kind: 'unseen-migrations', why: 'git is not there', remedy: 'Check them out.' },
    ] as const;
    for (const onStale of ['backup', 'stop'] as const) {
      const judged = judgeLimits({ newest: 1, verified: 1, drilled: 1 }, limits);
      expect(decide({ judged, age: 1, isDestructive: false, unseen, onStale })).toEqual({
        kind: 'stop',
        missing: unseen,
      });
    }
  });

  it('takes no backup for a release that cannot pass', () => {
    const cases = [
      [{ verified: undefined }, 'verified-within'],
      [{ drilled: limits.drilledWithin + 1 }, 'drilled-within'],
    ] as const;
    for (const [broken, limit] of cases) {
      const verdict = judge({ ...good, ...broken, age: undefined, isDestructive: true });
      expect(verdict).toEqual({
        kind: 'stop',
        missing: [
          { kind: 'unproven', limit },
          { kind: 'stale', why: 'no-backup', onStale: 'backup' },
          { kind: 'stale', why: 'unguarded', onStale: 'backup' },
        ],
      });
      const [, table] = describeGate(makeGateResult({ verdict })).report;
      const rows = table?.kind === 'table' ? table.rows : [];
      expect(rows).toHaveLength(3);
      for (const [, remedy] of rows) expect(remedy).toMatch(/\.$/);
    }
  });

  it('is never passed by what breaks a limit', () => {
    const age = fc.oneof(fc.constant(undefined), fc.integer({ min: 0, max: 50 * 24 * hour }));
    const cases = fc.record({
      age,
      verified: age,
      drilled: age,
      isDestructive: fc.boolean(),
      onStale: fc.constantFrom('backup' as const, 'stop' as const),
    });
    const within = (value: number | undefined, limit: number) => value !== undefined && value <= limit;
    fc.assert(
      fc.property(cases, (each) => {
        const proven =
          within(each.verified, limits.verifiedWithin) && within(each.drilled, limits.drilledWithin);
        const fresh = within(each.age, each.isDestructive ? ownBackupWithin : limits.maxAge);
        const expected = proven && fresh ? 'pass' : proven && each.onStale === 'backup' ? 'back-up' : 'stop';
        expect(judge(each).kind).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });
});
