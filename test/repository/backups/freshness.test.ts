import { describe, expect, it } from 'vitest';
import { formatAge } from '../../../src/report/quantity.ts';
import type { Catalog } from '../../../src/repository/backups/catalog.ts';
import { judgeLimits, measureAges, measureFreshness } from '../../../src/repository/backups/freshness.ts';
import type { StoredRecord } from '../../../src/repository/records.ts';
import { ago, hour, now, shelve } from './freshness-example.ts';

type Validation = StoredRecord<'validations'>;
type Drill = StoredRecord<'drills'>;

const validation = (
  hours: number,
  id: string,
  outcome: 'passed' | 'damaged' = 'passed',
  share = 1,
): Validation => ({
  at: ago(hours),
  storedAt: ago(hours),
  content: { share, damagedObjects: [], backups: [{ id, outcome, opened: true }] },
});
const drill = (hours: number, backup: string, outcome: 'passed' | 'failed' = 'passed'): Drill => ({
  at: ago(hours),
  storedAt: ago(hours),
  content: {
    backup,
    outcome,
    why: null,
    recovery: 4000,
    phases: {},
    parity: true,
    checks: { asked: 0, failed: [] },
  },
});
const weigh = (
  backups: Catalog['backups'],
  validations: Validation[] = [],
  drills: Drill[] = [],
  damaged: Catalog['damaged'] = [],
) => {
  const warnings: string[] = [];
  const freshness = measureFreshness({ backups, damaged }, validations, drills, {
    now,
    warn: (text) => warnings.push(text),
  });
  return { freshness, warnings };
};
const ids = ({ freshness }: ReturnType<typeof weigh>) => freshness.usable.map(({ id }) => id);

describe('the backups one would go back to', () => {
  it('have rows, and are neither damaged, nor for safety, nor of the future; what is newer is told', () => {
    const good = shelve(5);
    const found = weigh([
      shelve(-1),
      shelve(1, { kind: 'schema' }),
      shelve(2, { damagedAt: ago(1) }),
      shelve(3, { purpose: 'safety' }),
      good,
      shelve(6, { damagedAt: ago(1) }),
    ]);
    expect(ids(found)).toEqual([good.id]);
    expect(found.warnings).toEqual([
      expect.stringContaining('still to come'),
      expect.stringContaining('found damaged'),
      expect.stringContaining('safety backup'),
    ]);
  });

  it('are ordinary whatever their label says', () => {
    const found = weigh([shelve(3, { label: 'before restore of 20261120T021700Z-7f3a', pinned: true })]);
    expect(ids(found)).toHaveLength(1);
    expect(found.warnings).toEqual([]);
  });

  it('may be dated a little ahead, and are then of now', () => {
    const found = weigh([shelve(-0.05)]);
    expect(ids(found)).toHaveLength(1);
    expect(measureAges(found.freshness, now, undefined).newest).toBe(0);
  });
});

describe('proofs', () => {
  const [newer, older] = [shelve(2), shelve(30)];

  it('are the newest of whole validations and drills that passed', () => {
    const { freshness } = weigh(
      [newer, older],
      [validation(20, older.id), validation(1, newer.id, 'passed', 0.1)],
      [drill(10, older.id), drill(3, newer.id, 'failed')],
    );
    expect(freshness.verified).toEqual({ id: older.id, at: ago(10) });
    expect(freshness.drilled).toMatchObject({ id: older.id, at: ago(10), recovery: 4000 });
    expect(measureAges(freshness, now, ago(500))).toEqual({
      newest: 2 * hour,
      verified: 10 * hour,
      drilled: 10 * hour,
    });
  });

  it('of one time are those of the newest backup, in whatever order a validation names them', () => {
    for (const ids of [
      [older.id, newer.id],
      [newer.id, older.id],
    ]) {
      const all = validation(1, '');
      const backups = ids.map((id) => ({ id, outcome: 'passed' as const, opened: true }));
      const { freshness } = weigh([newer, older], [{ ...all, content: { ...all.content, backups } }]);
      expect(freshness.verified).toEqual({ id: newer.id, at: ago(1) });
    }
  });

  it('stay when retention removes the backup', () => {
    const { freshness } = weigh([newer], [], [drill(10, older.id)]);
    expect(freshness.verified?.id).toBe(older.id);
    expect(freshness.drilled?.id).toBe(older.id);
  });

  it('are none of a backup that failed since, or is damaged, or has no rows, or of the future', () => {
    expect(
      weigh([newer], [], [drill(10, newer.id), drill(1, newer.id, 'failed')]).freshness.drilled,
    ).toBeUndefined();
    expect(
      weigh([newer], [validation(9, newer.id), validation(1, newer.id, 'damaged')]).freshness.verified,
    ).toBeUndefined();
    const damaged = { id: older.id, message: 'it is damaged' };
    expect(weigh([], [validation(9, older.id)], [drill(9, older.id)], [damaged]).freshness).toMatchObject({
      verified: undefined,
      drilled: undefined,
    });
    const schema = shelve(1, { kind: 'schema' });
    expect(weigh([schema], [validation(1, schema.id)]).freshness.verified).toBeUndefined();
    expect(weigh([newer], [validation(-1, newer.id)]).freshness.verified).toBeUndefined();
  });
});

describe('limits', () => {
  const none = { newest: undefined, verified: undefined, drilled: undefined };

  it('are only those that are asked for, and what never happened breaks them', () => {
    const asked = judgeLimits(none, { maxAge: 1, verifiedWithin: undefined, drilledWithin: 5 });
    expect(asked.map(({ input, met }) => [input, met])).toEqual([
      ['max-age', false],
      ['drilled-within', false],
    ]);
  });

  it('of drills wait for the first one until the repository is as old, and for none after one that failed', () => {
    const backup = shelve(2);
    const isMet = (createdAt: Date | undefined, drills: Parameters<typeof weigh>[2] = []) =>
      judgeLimits(measureAges(weigh([backup], [], drills).freshness, now, createdAt), {
        ...{ maxAge: hour, verifiedWithin: 48 * hour, drilledWithin: 24 * hour },
      }).map(({ met, age }) => [met, age]);
    // Neither a backup nor its verification is waited for.
    expect(isMet(ago(24))).toEqual([
      [false, 2 * hour],
      [false, undefined],
      [true, undefined],
    ]);
    expect(isMet(ago(25))[2]).toEqual([false, undefined]);
    expect(isMet(undefined)[2]).toEqual([false, undefined]);
    expect(isMet(ago(3), [drill(1, backup.id, 'failed')])[2]).toEqual([false, undefined]);
  });

  it('are met to the millisecond', () => {
    const met = (newest: number) =>
      judgeLimits(
        { ...none, newest },
        { maxAge: hour, verifiedWithin: undefined, drilledWithin: undefined },
      )[0]?.met;
    expect([met(hour), met(hour + 1)]).toEqual([true, false]);
  });

  it('and ages are told in days where hours would be many', () => {
    expect([47 * hour, 48 * hour, 51 * hour].map(formatAge)).toEqual(['47 h 00 min', '2 d', '2 d 3 h']);
  });
});
