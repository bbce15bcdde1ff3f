import { describe, expect, it } from 'vitest';
import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { measureRecovery } from '../../../src/repository/backups/recovery-time.ts';
import type { RecordContent, StoredRecord } from '../../../src/repository/records.ts';
import { ago, shelve } from './freshness-example.ts';

const totals = (bytes: number) => ({ totals: { rows: 1, bytes, stored: 1, added: 1 } });
const lasting = (hours: number, bytes: number, milliseconds: number): BackupSummary =>
  shelve(hours, { ...totals(bytes), finishedAt: new Date(ago(hours).getTime() + milliseconds) });

function restored(
  backup: BackupSummary,
  total: number,
  overrides: Partial<RecordContent<'restores'>> = {},
): StoredRecord<'restores'> {
  const run = { target: 't', actor: 'a', run: 'r', whole: true, outcome: 'equal', why: null } as const;
  const content = { ...run, backup: backup.id, phases: { rows: 1, total }, ...overrides };
  return { at: ago(1), storedAt: ago(1), content };
}

describe('how long a recovery takes', () => {
  const [newest, older] = [lasting(1, 8_000_000, 500), lasting(25, 1_000_000, 1000)];
  const usable = [newest, older];

  it('is what the newest drill that passed has measured', () => {
    const drilled = { id: older.id, at: ago(3), passed: true, recovery: 4000 };
    expect(measureRecovery({ usable, drilled }, [restored(older, 1)])).toEqual({
      kind: 'measured',
      ...{ milliseconds: 4000, backup: older.id, at: ago(3) },
    });
  });

  it('is predicted by the median speed of whole restores, where no drill has measured it', () => {
    const drilled = { id: older.id, at: ago(3), passed: true, recovery: null };
    const restores = [2000, 1000, 4000].map((total) => restored(older, total));
    expect(measureRecovery({ usable, drilled }, restores)).toEqual({
      kind: 'predicted',
      prediction: {
        ...{ milliseconds: 16_000, basis: 'restores', bytes: 8_000_000 },
        ...{ bytesPerSecond: 500_000, runs: 3 },
      },
    });
  });

  it('is predicted by restores that were whole, did not fail, and are of a backup that is known', () => {
    const gone = lasting(99, 1, 1);
    const restores = [
      restored(older, 7, { whole: false }),
      restored(older, 7, { outcome: 'failed' }),
      restored(older, 7, { phases: {} }),
      restored(gone, 7),
    ];
    const found = measureRecovery({ usable, drilled: undefined }, restores);
    expect(found).toMatchObject({ prediction: { basis: 'full-backups', runs: 2 } });
  });

  it('is predicted by the newest five runs alone', () => {
    const restores = [9, 9, 9, 9, 9, 9, 1, 1, 1, 1, 1].map((seconds) => restored(older, seconds * 1000));
    const found = measureRecovery({ usable, drilled: undefined }, restores);
    expect(found).toMatchObject({ prediction: { milliseconds: 8000, runs: 5 } });
  });

  it('is not guessed where nothing tells a speed', () => {
    const unread = [shelve(1, { kind: 'incremental' }), lasting(2, 0, 0)];
    expect(measureRecovery({ usable: unread, drilled: undefined }, [])).toEqual({ kind: 'unmeasured' });
    expect(measureRecovery({ usable: [], drilled: undefined }, [])).toEqual({ kind: 'unmeasured' });
  });
});
