import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { StatusFacts } from '../../../src/operations/status/facts.ts';
import { renderMetrics } from '../../../src/operations/status/metrics.ts';
import { describeStatus } from '../../../src/operations/status/report.ts';
import type { Status } from '../../../src/operations/status/result.ts';
import { renderText } from '../../../src/report/text.ts';
import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { measureFreshness } from '../../../src/repository/backups/freshness.ts';
import type { RecordContent, StoredRecord } from '../../../src/repository/records.ts';
import { ago, hour, now, shelve } from '../../repository/backups/freshness-example.ts';
import { weigh } from './example.ts';
import { makeCaptured, makeRun, makeRuns, makeSchedules, slot } from './watched-example.ts';

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

/** How many hours ago the last capture was, and the last night's backup */
const [captured, lastNight] = [0.25, 9.7];
const nights = (hours: number, count = 14) =>
  Array.from({ length: count }, (_, index) => nightly(index, hours));

function drill(overrides: Partial<RecordContent<'drills'>>): RecordContent<'drills'> {
  const restored = { phases: {}, parity: true, checks: { asked: 4, failed: [] } };
  const passed = { outcome: 'passed', why: null, recovery: 251_000 } as const;
  return { backup: nightly(3, lastNight).id, ...restored, ...passed, ...overrides };
}

function cleanup(hours: number): StoredRecord<'prunes'> {
  const content = { retention: { daily: 7 }, timeZone: 'UTC', removed: [], marked: 0, retained: 0 };
  return { at: ago(hours), storedAt: ago(hours), content: { ...content, objects: { removed: 0, bytes: 0 } } };
}

function look(
  backups: readonly BackupSummary[],
  drilled: RecordContent<'drills'>,
  overrides: Partial<StatusFacts>,
): Status {
  const drills = [{ at: ago(80), storedAt: ago(80), content: drilled }];
  const freshness = measureFreshness({ backups, damaged: [] }, [], drills, { now, warn: () => undefined });
  return weigh(backups, {
    location: 's3://bucket/production',
    limits: { maxAge: 26 * hour, verifiedWithin: 8 * day, drilledWithin: 35 * day },
    freshness,
    stored: {
      objects: 713_400_000,
      manifests: 1_260_000,
      changes: 402_000,
      records: 741_000,
      others: 22_300,
    },
    price: 0.023,
    schedules: makeSchedules(),
    runs: makeRuns(captured),
    prune: cleanup(5.7),
    ...makeCaptured(captured),
    ...overrides,
  });
}

const good = look(nights(lastNight), drill({}), {});

/** GitHub has disabled the workflows two days ago, and a drill had failed before. */
const late = look(
  nights(57.7, 12),
  drill({
    ...{ backup: nightly(1, 57.7).id, outcome: 'failed', fault: 'checks', recovery: null },
    why: 'check 2 is false: SELECT count(*) > 100000 FROM public.orders',
  }),
  { schedules: makeSchedules(51), runs: makeRuns(51), prune: cleanup(53.7), ...makeCaptured(51) },
);

/** The newest backup has lost rows. */
const [whole, ...others] = nights(lastNight);
const halved = whole && { ...whole, totals: { ...whole.totals, rows: 900_000, bytes: 810_000_000 } };
const shrinking = look(halved === undefined ? [] : [halved, ...others], drill({}), {});

/** Captures have failed until more was written than the server keeps for the slot. */
const unread = [2.25, 1.25, 0.25].map((hours, index) => {
  const [retainedBytes, safeBytes] = [(index + 2) * 9e8, 4_294_967_296 - (index + 2) * 9e8];
  const message =
    'changes could not be read: a transaction of the source is larger than the server lets a session hold';
  return makeRun(hours, {
    ...{ outcome: 'failed', exitCode: 1, failure: { class: 'SourceError', message, next: null } },
    slot: { at: ago(hours).toISOString(), state: { ...slot, retainedBytes, safeBytes } },
  });
});
const slotLost = look(nights(lastNight), drill({}), {
  ...{ ...makeCaptured(3.25), runs: [...makeRuns(3.25), ...unread] },
  slotNow: { at: now, state: { ...slot, retainedBytes: 0, safeBytes: null, walStatus: 'lost' } },
});

describe('the transcripts of docs/status.md', () => {
  it.each([
    ['good', good, 0],
    ['late', late, 3],
    ['shrinking', shrinking, 0],
    ['slot-lost', slotLost, 3],
  ] as const)('show what is printed of a state that is %s', async (name, status, exitCode) => {
    const outcome = describeStatus(status);
    expect(outcome.exitCode).toBe(exitCode);
    const metrics = renderMetrics(status, 'shop').replace(/(version=")[^"]*/, '$11.0.0');
    await expect(renderText(outcome.report)).toMatchFileSnapshot(`${folder}/status-${name}.txt`);
    await expect(metrics).toMatchFileSnapshot(`${folder}/status-${name}.prom`);
  });

  it.each([
    ['good', good, []],
    ['late', late, ['max-age', 'late-schedule', 'disabled-schedule', 'failed-drill']],
    ['shrinking', shrinking, ['shrinkage']],
    ['slot-lost', slotLost, ['slot-lost']],
  ] as const)('are of the state that they are named for: %s', (_, { findings }, kinds) => {
    const found = findings.filter(({ severity }) => severity !== 'note').map(({ kind }) => kind);
    for (const kind of kinds) expect(found).toContain(kind);
    if (kinds.length === 0) expect(found).toEqual([]);
  });
});
