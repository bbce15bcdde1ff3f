import { describe, expect, it } from 'vitest';
import { measureSuccessRate, rateWindow } from '../../../src/repository/backups/success-rate.ts';
import { makeRun } from '../../operations/status/watched-example.ts';
import { ago, now } from './freshness-example.ts';

const failed = { outcome: 'failed', exitCode: 1 } as const;
const no = { outcome: 'no', exitCode: 3 } as const;

describe('the success rate', () => {
  it('counts how the runs of each operation ended, and of all', () => {
    const backup = { operation: 'backup', backupType: 'full' };
    const runs = [
      ...[makeRun(9, backup), makeRun(8, { ...backup, ...failed }), makeRun(7, backup)],
      ...[makeRun(3, no), makeRun(2), makeRun(1)],
    ];
    expect(measureSuccessRate({ runs, unread: 0 }, now)).toEqual({
      ...{ since: new Date(now.getTime() - rateWindow), unread: 0 },
      all: { runs: 6, done: 4, no: 1, failed: 1 },
      operations: new Map([
        ['backup', { runs: 3, done: 2, no: 0, failed: 1 }],
        ['capture', { runs: 3, done: 2, no: 1, failed: 0 }],
      ]),
    });
  });

  it('is of thirty days: older runs do not count, nor those of a clock that is ahead', () => {
    const runs = [makeRun(30 * 24 + 0.01, failed), makeRun(30 * 24), makeRun(-1, failed)];
    expect(measureSuccessRate({ runs, unread: 0 }, now)?.all).toEqual({ runs: 1, done: 1, no: 0, failed: 0 });
  });

  it('says from when on it counts where not all records were read', () => {
    const runs = [makeRun(40), makeRun(20)];
    expect(measureSuccessRate({ runs, unread: 7 }, now)).toMatchObject({ since: ago(40), unread: 7 });
  });

  it('is not measured where no run is recorded, which is not 0', () => {
    expect(measureSuccessRate({ runs: [], unread: 0 }, now)).toBeUndefined();
    expect(measureSuccessRate({ runs: [makeRun(31 * 24)], unread: 0 }, now)).toBeUndefined();
  });
});
