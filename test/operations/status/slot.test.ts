import { describe, expect, it } from 'vitest';
import { describeStatus } from '../../../src/operations/status/report.ts';
import { isHealthy } from '../../../src/operations/status/result.ts';
import { renderText } from '../../../src/report/text.ts';
import type { SlotState } from '../../../src/values/slot-look.ts';
import { ago, now, shelve } from '../../repository/backups/freshness-example.ts';
import { weigh } from './example.ts';
import { makeRun, slot } from './watched-example.ts';

const seen = (hours: number, state: Partial<SlotState> | null, operation = 'capture') =>
  makeRun(hours, {
    ...{ operation, backupType: operation === 'backup' ? 'full' : null },
    slot: { at: ago(hours).toISOString(), state: state && { ...slot, ...state } },
  });
const half = { retainedBytes: 2e9, safeBytes: 2e9, walStatus: 'extended' as const };
const lost = { retainedBytes: 0, safeBytes: null, walStatus: 'lost' as const };
const look = (...runs: ReturnType<typeof seen>[]) => weigh([shelve(1)], { runs });
const troubles = (status: ReturnType<typeof look>) =>
  status.findings.filter(({ kind }) => kind === 'slot-lost' || kind === 'slot-lag');
const rowOf = (status: ReturnType<typeof look>) =>
  /slot of captures +(.*)/.exec(renderText(describeStatus(status).report))?.[1];

describe('the slot of captures', () => {
  it('is as the last run has seen it that looked, and the report says when and which', () => {
    const status = look(seen(5, lost), seen(2, {}, 'backup'), makeRun(1));
    expect(troubles(status)).toEqual([]);
    expect(status.slot).toMatchObject({ at: ago(2), operation: 'backup', trouble: undefined });
    expect(rowOf(status)).toBe(
      'supabase_backup_1f0c77ab keeps 185 MB, given up after 4.11 GB more (reserved), as of 2026-11-20 10:00 UTC, by the last `backup` that looked',
    );
  });

  it('is as this run sees it where it looks', () => {
    const status = weigh([shelve(1)], {
      runs: [seen(2, lost)],
      slotNow: { at: now, state: { ...slot, safeBytes: null, isActive: true } },
    });
    expect(troubles(status)).toEqual([]);
    expect(rowOf(status)).toBe(
      'supabase_backup_1f0c77ab keeps 185 MB, without a limit (reserved, being read), as of 2026-11-20 12:00 UTC',
    );
  });

  it('that keeps half of what is safe is a warning, dated from when runs saw it first', () => {
    const status = look(seen(9, half), seen(7, {}), seen(5, half), seen(3, { ...half, retainedBytes: 3e9 }));
    expect(troubles(status)).toEqual([
      {
        ...{ kind: 'slot-lag', severity: 'warning', limit: 2.5e9, measured: 3e9, since: ago(5) },
        ...{ slot: slot.name, safeBytes: 2e9, seenAt: ago(3) },
      },
    ]);
    expect(isHealthy(status)).toBe(true);
    expect(troubles(look(seen(1, { ...half, retainedBytes: 2e9 - 1 })))).toEqual([]);
    const almost = look(seen(1, { ...half, retainedBytes: 4e9, safeBytes: -5, walStatus: 'unreserved' }));
    expect(troubles(almost)).toMatchObject([{ kind: 'slot-lag', safeBytes: -5 }]);
    expect(rowOf(almost)).toContain('keeps 4.00 GB, given up after 0 B more (unreserved)');
  });

  it('that is lost is broken, and its lag is no number', () => {
    const status = look(seen(4, half), seen(3, lost), seen(2, lost));
    expect(troubles(status)).toEqual([
      {
        ...{ kind: 'slot-lost', severity: 'broken', limit: undefined, measured: undefined, since: ago(3) },
        ...{ slot: slot.name, seenAt: ago(2) },
      },
    ]);
    const { exitCode, outputs } = describeStatus(status);
    expect({ exitCode, lag: outputs['lag-bytes'] }).toEqual({ exitCode: 3, lag: '' });
    expect(rowOf(status)).toContain('supabase_backup_1f0c77ab is LOST, as of 2026-11-20 10:00 UTC');
  });

  it('that is not there, or was never looked at, is no finding and no number', () => {
    const [none, unknown] = [look(seen(2, null)), look(makeRun(2))];
    expect([troubles(none), troubles(unknown)]).toEqual([[], []]);
    expect(rowOf(none)).toBe('none, as of 2026-11-20 10:00 UTC, by the last `capture` that looked');
    expect(rowOf(unknown)).toBe('not measured');
    for (const status of [none, unknown]) expect(describeStatus(status).outputs['lag-bytes']).toBe('');
    expect(describeStatus(look(seen(2, {}))).outputs['lag-bytes']).toBe(184_549_376);
  });
});
