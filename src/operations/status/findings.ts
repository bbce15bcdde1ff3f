import { type Finding, findingKinds } from '../../interface/findings/finding.ts';
import { findFailureRows } from '../../repository/backups/failure-rows.ts';
import { findOverrun, findShrinkage, measurePoint } from '../../repository/backups/findings.ts';
import {
  type Ages,
  type BackupFreshness,
  type JudgedLimit,
  judgeLimits,
} from '../../repository/backups/freshness.ts';
import type { RecoveryTime } from '../../repository/backups/recovery-time.ts';
import type { Trends } from '../../repository/backups/trends.ts';
import type { Managed } from '../managed/result.ts';
import type { StatusFacts } from './facts.ts';
import type { Schedules } from './kept-schedules.ts';
import type { SlotSight } from './slot.ts';

/** What a warning without a limit or measure has in common with others */
const warning = { severity: 'warning', limit: undefined, measured: undefined, since: undefined } as const;

/** What was measured already, for everything that is told of it */
export interface Measures {
  readonly ages: Ages;
  readonly recovery: RecoveryTime;
  readonly trends: Trends;
  readonly schedules: Schedules | undefined;
  readonly slot: SlotSight | undefined;
  readonly managed: Managed | undefined;
}

/** Finds what is wrong and what is worth knowing, in the order of `findingKinds`. */
export function listFindings(facts: StatusFacts, measures: Measures): Finding[] {
  const { ages, recovery, trends } = measures;
  const found: readonly (Finding | undefined)[] = [
    ...findLimits(facts, ages),
    findSlotTrouble(measures),
    ...(measures.managed?.findings ?? []),
    ...findLateSchedules(measures),
    ...findDisabledSchedules(measures),
    ...findFailedRuns(facts),
    findOldBackup(facts),
    findDamagedChanges(facts),
    findRowLoss(facts),
    ...findUnusual(facts, trends),
    findBackups('unreadable-manifests', facts.freshness.catalog.damaged),
    findDamagedBackups(facts),
    findBackups(
      'vanished-backups',
      facts.vanished.map((id) => ({ id })),
    ),
    findHiddenVersions(facts),
    findMixedEncryption(facts.freshness),
    findFailedDrill(facts),
    findSlowRecovery(facts),
    findUnmeasuredRecovery(facts, recovery),
  ];
  const order = Object.keys(findingKinds);
  return found
    .filter((finding) => finding !== undefined)
    .sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind));
}

function findLimits({ limits, recoverable, now }: StatusFacts, ages: Ages): Finding[] {
  const point = measurePoint(recoverable.windows, ages.newest, now);
  const newestPoint = point === ages.newest ? ('backup' as const) : ('changes' as const);
  return judgeLimits({ ...ages, newest: point }, limits).map((judged): Finding => {
    const measure = toMeasure(judged, now);
    return judged.input === 'max-age'
      ? { kind: judged.input, ...measure, newestPoint }
      : { kind: judged.input, ...measure };
  });
}

/** Dates a broken limit from when the age passed it; one of what never happened has no date. */
function toMeasure({ limit, age, met }: JudgedLimit, now: Date) {
  return {
    severity: met ? ('note' as const) : ('broken' as const),
    limit,
    measured: age,
    since: met || age === undefined ? undefined : new Date(now.getTime() - age + limit),
  };
}

function findSlotTrouble({ slot }: Measures): Finding | undefined {
  if (slot?.trouble === undefined) return undefined;
  const { at: seenAt, trouble } = slot;
  const seen = { ...warning, since: trouble.since, slot: trouble.slot, seenAt };
  if (trouble.kind === 'lost') return { ...seen, kind: 'slot-lost', severity: 'broken' };
  const { retainedBytes: measured, safeBytes } = trouble;
  const limit = Math.floor((measured + safeBytes) / 2);
  return { ...seen, kind: 'slot-lag', limit, measured, safeBytes };
}

function findLateSchedules({ schedules }: Measures): Finding[] {
  if (schedules === undefined) return [];
  const { jobs, timeZone } = schedules;
  return jobs.flatMap(({ kind: job, crons, lateness }): Finding[] => {
    if (lateness?.since === undefined) return [];
    const { limit, age: measured, since } = lateness;
    return [{ ...warning, kind: 'late-schedule', limit, measured, since, job, crons, timeZone }];
  });
}

function findDisabledSchedules({ schedules }: Measures): Finding[] {
  const jobs = schedules?.jobs ?? [];
  return [...new Set(jobs.map(({ file }) => file))].flatMap((file): Finding[] => {
    const own = jobs.filter((job) => job.file === file);
    const state = own[0]?.workflow?.state;
    if (state === undefined || state === 'enabled') return [];
    return [
      { ...warning, kind: 'disabled-schedule', workflow: file, jobs: own.map(({ kind }) => kind), state },
    ];
  });
}

function findFailedRuns({ runs }: StatusFacts): Finding[] {
  return findFailureRows(runs).map(({ job, count, since, lastClass }) => {
    return { ...warning, kind: 'failed-runs', measured: count, since, job, lastClass };
  });
}

function findOldBackup({ freshness, recoverable, limits, now }: StatusFacts): Finding | undefined {
  const [newest] = freshness.usable;
  if (newest === undefined || !recoverable.captured) return undefined;
  const taken = newest.snapshotAt.getTime();
  const measured = now.getTime() - taken;
  if (measured <= limits.maxAge) return undefined;
  const since = new Date(taken + limits.maxAge);
  return { ...warning, kind: 'old-backup', limit: limits.maxAge, measured, since };
}

function findDamagedChanges({ recoverable: { damaged } }: StatusFacts): Finding | undefined {
  if (damaged.length === 0) return undefined;
  return { ...warning, kind: 'damaged-changes', measured: damaged.length, keys: damaged };
}

function findRowLoss({ freshness: { usable } }: StatusFacts): Finding | undefined {
  const loss = findShrinkage(usable);
  if (loss === undefined) return undefined;
  return {
    ...warning,
    kind: 'shrinkage',
    ...{ limit: loss.rowsBefore / 2, measured: loss.rowsAfter, since: usable[0]?.snapshotAt },
    ...loss,
  };
}

const unusualKinds = { duration: 'unusual-duration', size: 'unusual-size', rows: 'unusual-rows' } as const;

/** Finds what of the newest backup is unlike earlier ones. A loss of rows that is told already is not told twice. */
function findUnusual({ freshness: { usable } }: StatusFacts, found: Trends): Finding[] {
  if (found.kind === 'unmeasured') return [];
  const { backup, points, trends } = found;
  const isTold = findShrinkage(usable) !== undefined;
  return trends.flatMap(({ measure, value, median, least, most }): Finding[] => {
    const direction = value > most ? 'jump' : value < least ? 'drop' : undefined;
    if (direction === undefined || (measure === 'rows' && direction === 'drop' && isTold)) return [];
    const limit = direction === 'jump' ? most : least;
    const comparison = { backup: backup.id, backupKind: backup.kind, direction, median, points } as const;
    const since = backup.snapshotAt;
    return [{ ...warning, kind: unusualKinds[measure], limit, measured: value, since, ...comparison }];
  });
}

function findDamagedBackups({ freshness: { catalog } }: StatusFacts): Finding | undefined {
  const damaged = catalog.backups.filter(({ damagedAt }) => damagedAt !== null);
  const times = damaged.map(({ damagedAt }) => damagedAt?.getTime() ?? Number.POSITIVE_INFINITY);
  return findBackups('damaged-backups', damaged, new Date(Math.min(...times)));
}

function findBackups(
  kind: 'unreadable-manifests' | 'damaged-backups' | 'vanished-backups',
  backups: readonly { readonly id: string }[],
  since?: Date,
): Finding | undefined {
  if (backups.length === 0) return undefined;
  return { ...warning, kind, measured: backups.length, since, ids: backups.map(({ id }) => id) };
}

function findHiddenVersions({ prune }: StatusFacts): Finding | undefined {
  const hidden = prune?.content.hidden;
  if (hidden === undefined || hidden.objects === 0) return undefined;
  return {
    ...warning,
    kind: 'hidden-versions',
    measured: hidden.bytes,
    since: prune?.at,
    objects: hidden.objects,
  };
}

function findMixedEncryption({ catalog }: BackupFreshness): Finding | undefined {
  const plain = catalog.backups.filter(({ encrypted }) => !encrypted);
  const [newest] = plain;
  if (newest === undefined || plain.length === catalog.backups.length) return undefined;
  return {
    ...warning,
    kind: 'mixed-encryption',
    measured: plain.length,
    all: catalog.backups.length,
    newestPlain: newest.id,
  };
}

function findFailedDrill({ freshness: { drills } }: StatusFacts): Finding | undefined {
  const last = drills.at(-1);
  if (last?.content.outcome !== 'failed') return undefined;
  const { backup, why } = last.content;
  return { ...warning, kind: 'failed-drill', since: last.at, backup, why };
}

function findSlowRecovery({ freshness: { drills } }: StatusFacts): Finding | undefined {
  const passed = drills.filter(({ content }) => content.outcome === 'passed');
  const newest = passed.at(-1);
  const overrun = newest && findOverrun(newest.content);
  if (newest === undefined || overrun === undefined) return undefined;
  const first = passed.findLastIndex(({ content }) => findOverrun(content) === undefined) + 1;
  return {
    ...{ ...warning, kind: 'slow-recovery', limit: overrun.target, measured: overrun.took },
    ...{ since: passed[first]?.at, backup: newest.content.backup },
  };
}

/** Without a backup there is nothing to recover, which a limit says. */
function findUnmeasuredRecovery({ freshness }: StatusFacts, recovery: RecoveryTime): Finding | undefined {
  if (recovery.kind === 'measured' || freshness.usable.length === 0) return undefined;
  const prediction = recovery.kind === 'predicted' ? recovery.prediction : undefined;
  return { ...warning, kind: 'unmeasured-recovery', severity: 'note', prediction };
}
