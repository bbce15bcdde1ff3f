import type { StatusFacts } from '../../../src/operations/status/facts.ts';
import type { ReadSchedules } from '../../../src/operations/status/schedules.ts';
import type { RecordContent, StoredRecord } from '../../../src/repository/records.ts';
import { judgePunctuality } from '../../../src/schedule/verification/punctuality.ts';
import type { WorkflowVerdict } from '../../../src/schedule/verification/verify.ts';
import type { SlotState } from '../../../src/values/slot-look.ts';
import { ago, now } from '../../repository/backups/freshness-example.ts';
import { planOf, production } from '../../schedule/setting.ts';

/* Schedules, runs and the slot of a database whose changes are captured every hour. */

const schedules = `schedules:
  full: 17 2 * * *
  capture: 43 * * * *
  drill: 17 5 2 * *
  cleanup: 17 6 * * *
  watch: 43 */4 * * *
  incremental: false
  schema: false
  archive: false
`;

/** @param stopped hours ago since when GitHub starts nothing but the watch; undefined: it starts all */
export function makeSchedules(stopped?: number): ReadSchedules {
  const plan = planOf(schedules);
  const database = production(plan);
  const files = [...new Set(database.jobs.map(({ file }) => file))];
  const verdicts = files.map((file): WorkflowVerdict => {
    const jobs = database.jobs.filter((job) => job.file === file);
    const isStopped = stopped !== undefined && jobs.every(({ kind }) => kind !== 'watch');
    const last = isStopped ? ago(stopped).getTime() : now.getTime();
    const crons = jobs.flatMap((job) => job.crons);
    const span = { now, since: ago(24 * 40) };
    const due = judgePunctuality(crons, plan.timeZone, [], span).due;
    const runs = due.map(({ at }, id) => {
      const createdAt = new Date(at.getTime() + 4 * 60_000);
      const times = { createdAt, startedAt: createdAt, updatedAt: createdAt };
      return { id, title: 'a run', ...times, conclusion: 'success', url: '' };
    });
    const begun = runs.filter(({ createdAt }) => createdAt.getTime() <= last);
    const punctuality = judgePunctuality(crons, plan.timeZone, begun, span);
    return { file, state: isStopped ? 'disabled' : 'active', punctuality, problems: [] };
  });
  const verification = { verdicts, minutes: new Map(), unreachable: undefined };
  return { database, timeZone: plan.timeZone, verification };
}

export const slot: SlotState = {
  ...{ name: 'supabase_backup_1f0c77ab', retainedBytes: 184_549_376, safeBytes: 4_110_417_920 },
  ...{ walStatus: 'reserved', isActive: false },
};

/** The record of a run that ended so many hours ago. */
export function makeRun(hours: number, overrides: Partial<RecordContent<'runs'>> = {}): StoredRecord<'runs'> {
  const at = ago(hours);
  const startedAt = new Date(at.getTime() - 60_000).toISOString();
  const content: RecordContent<'runs'> = {
    ...{ operation: 'capture', startedAt, endedAt: at.toISOString(), outcome: 'done', exitCode: 0 },
    ...{ failure: null, backup: null, backupType: null, actor: 'octocat', run: null, version: '1.0.0' },
    ...{ host: 'github-hosted', ...overrides },
  };
  return { at, storedAt: at, content };
}

/** The runs of thirty days, oldest first. @param until hours ago, when the last of them ended */
export function makeRuns(until: number): StoredRecord<'runs'>[] {
  const look = { at: ago(until).toISOString(), state: slot };
  const failure = {
    ...{ class: 'SourceError/connection', message: 'database-url: the server did not answer in 10 s' },
    next: 'Try again.',
  };
  const failed = { outcome: 'failed', exitCode: 1, failure } as const;
  const captures = Array.from({ length: 690 }, (_, index) =>
    makeRun(until + index, index === 200 || index === 201 ? failed : { slot: look }),
  );
  const daily = (hours: number, overrides: Partial<RecordContent<'runs'>>) =>
    Array.from({ length: 29 }, (_, index) => hours + 24 * index)
      .filter((each) => each >= until)
      .map((each) => makeRun(each, overrides));
  const backups = daily(9.65, { operation: 'backup', backupType: 'full' });
  const cleanups = daily(5.7, { operation: 'cleanup' });
  return [...captures, ...backups, ...cleanups].sort((one, other) => one.at.getTime() - other.at.getTime());
}

/** What is captured: every time of nine days until so many hours ago */
export function makeCaptured(until: number): Pick<StatusFacts, 'recoverable' | 'capturedThrough'> {
  const windows = [{ from: ago(until + 9 * 24).toISOString(), to: ago(until).toISOString(), gap: null }];
  return { recoverable: { windows, damaged: [], captured: true }, capturedThrough: ago(until) };
}
