import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderMetrics } from '../../../src/operations/status/metrics.ts';
import { describeStatus } from '../../../src/operations/status/report.ts';
import type { Status } from '../../../src/operations/status/result.ts';
import { renderText } from '../../../src/report/text.ts';
import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { measureFreshness } from '../../../src/repository/backups/freshness.ts';
import type { RecordContent } from '../../../src/repository/records.ts';
import { ago, hour, now, shelve } from '../../repository/backups/freshness-example.ts';
import { weigh } from './example.ts';

/*
 * What docs/status.md shows. The files are written by this test (`-u`) and compared by it, so that the page is
 * what the program prints.
 */

const folder = path.join(import.meta.dirname, '../../../docs/transcripts');
const day = 24 * hour;

/** A night's backup of a shop that grows by four rows in a thousand a day. */
function nightly(index: number, hours: number): BackupSummary {
  const rows = 2_400_000 - 9600 * index;
  const begun = ago(hours + 24 * index);
  return shelve(hours + 24 * index, {
    totals: { rows, bytes: rows * 900, stored: rows * 160, added: 11_000_000 + 100_000 * ((index * 7) % 5) },
    encrypted: true,
    finishedAt: new Date(begun.getTime() + 190_000 + 4000 * ((index * 3) % 7)),
  });
}

const restored = { phases: {}, parity: true, checks: { asked: 4, failed: [] } };

function look(backups: readonly BackupSummary[], drill: RecordContent<'drills'>): Status {
  const drills = [{ at: ago(80), storedAt: ago(80), content: drill }];
  const freshness = measureFreshness({ backups, damaged: [] }, [], drills, { now, warn: () => undefined });
  return weigh(backups, {
    location: 's3://bucket/production',
    limits: { maxAge: 26 * hour, verifiedWithin: 8 * day, drilledWithin: 35 * day },
    freshness,
    stored: { objects: 713_400_000, manifests: 1_260_000, changes: 0, records: 41_000, others: 22_300 },
    price: 0.023,
  });
}

const good = look(
  Array.from({ length: 14 }, (_, index) => nightly(index, 9.7)),
  { ...restored, backup: nightly(3, 9.7).id, outcome: 'passed', why: null, recovery: 251_000 },
);

/** Two nights are missing, and what came before them has lost rows. */
const [newest, ...others] = Array.from({ length: 12 }, (_, index) => nightly(index, 57.7));
const late = look(
  newest === undefined ? [] : [{ ...newest, totals: { ...newest.totals, rows: 900_000 } }, ...others],
  {
    ...{ ...restored, backup: nightly(1, 57.7).id, outcome: 'failed', fault: 'checks', recovery: null },
    ...{ why: 'check 2 is false: SELECT count(*) > 100000 FROM public.orders' },
  },
);

describe('the transcripts of docs/status.md', () => {
  it.each([
    ['good', good, 0],
    ['late', late, 3],
  ] as const)('show what is printed of a state that is %s', async (name, status, exitCode) => {
    const outcome = describeStatus(status);
    expect(outcome.exitCode).toBe(exitCode);
    const metrics = renderMetrics(status, 'shop').replace(/(version=")[^"]*/, '$11.0.0');
    await expect(renderText(outcome.report)).toMatchFileSnapshot(`${folder}/status-${name}.txt`);
    await expect(metrics).toMatchFileSnapshot(`${folder}/status-${name}.prom`);
  });
});
