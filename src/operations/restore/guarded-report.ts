import type { Outcome } from '../../interface/outcome.ts';
import type { Parity } from '../../parity/compare.ts';
import type { Omission } from '../../parity/scope.ts';
import { formatCount, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { summarize } from '../../restorer/clean/part.ts';
import type { RestoreScope } from '../../restorer/scope.ts';
import { type Attempt, explainFailure, hasPassed, hasReturned } from '../../restorer/trial/attempt.ts';
import type { CheckResult } from '../../restorer/trial/checks.ts';
import { describeChecks } from '../../restorer/trial/user-checks.ts';
import { describeOccupants, findReasons, findRefusals, isOccupied, needsSafetyBackup } from './guard.ts';
import type { Job } from './job.ts';
import { describeGone, describeLoss, describeSurplus, findLost } from './loss.ts';
import { describePlan, describeRestore } from './report.ts';

interface Result extends Job {
  readonly safetyBackup: string | null;
  readonly left: readonly Omission[];
  readonly ungiven: readonly Omission[];
  readonly scope: RestoreScope;
  readonly parity: Parity | undefined;
  readonly checks: readonly CheckResult[];
  /** milliseconds from the start until the database could have been used */
  readonly usableAfter: number;
}

/** The result of a restore with all that was done around it. */
export function describeResult(result: Result): Outcome {
  const { inputs, state, scope, parity, checks, attempts, safetyBackup, left, ungiven, clock, usableAfter } =
    result;
  const outcome = describeRestore(scope, parity, clock);
  const [heading, ...rest] = outcome.report;
  return {
    exitCode: ungiven.length === 0 && checks.every((check) => check.passed) ? outcome.exitCode : 3,
    outputs: {
      ...outcome.outputs,
      'safety-backup-id': safetyBackup ?? '',
      'target-kind': state.kind,
      attempts: attempts?.length ?? 1,
    },
    report: [
      ...(heading === undefined ? [] : [heading]),
      ...describeAttempts(attempts ?? []),
      ...(safetyBackup === null
        ? []
        : [
            tell(
              `The target was backed up before anything was removed: ${safetyBackup}, pinned, in ${inputs.safetyStorage ?? inputs.storage}. It is no \`latest\` for a restore; its id brings it back.`,
            ),
          ]),
      ...describeRemoved(result),
      ...describeLeft(left),
      ...describeUngiven(ungiven),
      tell(`From the start until the database could be used: ${formatDuration(usableAfter)}.`),
      ...rest,
      ...describeChecks(checks),
    ],
  };
}

/** The plan of a dry run, and what would be asked for before it. */
export function describeForesight(job: Job, scope: RestoreScope, foreseen: readonly string[]): Outcome {
  const { inputs, manifest, state, clock } = job;
  const outcome = describePlan(scope, clock);
  const [heading, ...rest] = outcome.report;
  const reasons = findReasons(inputs, manifest, state);
  const steps = [
    ...describeMeeting(job),
    ...(reasons.length > 0 ? [`The restore has to be confirmed: ${reasons.join(', ')}.`] : []),
    ...(inputs.stagingUrl === undefined ? [] : ['It would be tried on staging first.']),
    ...(needsSafetyBackup(inputs, state)
      ? [
          `The target would be backed up to ${inputs.safetyStorage ?? inputs.storage} before anything is removed.`,
        ]
      : []),
    ...foreseen,
    ...findRefusals(inputs, manifest, state).map(({ message, next }) => `Missing: ${message}. ${next}`),
  ];
  return {
    ...outcome,
    outputs: { ...outcome.outputs, 'safety-backup-id': '', 'target-kind': state.kind, attempts: 0 },
    report: [
      ...(heading === undefined ? [] : [heading]),
      ...steps.map(tell),
      ...describeRecovery(job),
      ...rest,
    ],
  };
}

/** What of the target goes, and what stays. */
function describeMeeting({ manifest, state }: Job): string[] {
  const { part } = state;
  if (part === undefined) {
    if (!isOccupied(state)) return [];
    return [
      `The target is not empty: it has ${describeOccupants(state)}.`,
      `With clean ${describeLoss(manifest, state)}.`,
    ];
  }
  if (!part.isInUse) return [];
  const { held } = part.replaced;
  return [
    `The target is in use, and stays as it is but for the chosen objects: ${describeLoss(manifest, state)}.`,
    ...(held.length === 0 ? [] : [`Taken away and given back: ${summarize(held.map(({ what }) => what))}.`]),
  ];
}

/** What was there before, in numbers: what of it did not come back is told by name. */
function describeRemoved({ manifest, state }: Result): Section[] {
  if (!isOccupied(state)) return [];
  const { part } = state;
  if (part !== undefined) {
    const { names, tables, rows, lost } = part.replaced;
    if (names.length === 0) return [];
    return [
      tell(
        `Replaced, and nothing else: ${summarize(names)}, ${describeSize(tables, rows)}${describeGone(lost)}${describeSurplus(part)}.`,
      ),
    ];
  }
  const what = describeSize(state.tables, state.rows);
  return [
    tell(`Of what was in the target before, ${what} gave way${describeGone(findLost(manifest, state))}.`),
  ];
}

function describeSize(tables: number, rows: number): string {
  return `${formatCounted(tables, 'table')} with about ${formatCount(rows)} rows`;
}

function describeUngiven(ungiven: readonly Omission[]): Section[] {
  if (ungiven.length === 0) return [];
  return [
    tell('What hung on the replaced objects and is not as it was:'),
    {
      kind: 'table',
      columns: [{ title: 'what' }, { title: 'why' }, { title: 'what to do' }],
      rows: ungiven.map(({ what, why, remedy }) => [what, why, remedy]),
    },
  ];
}

function describeRecovery({ recovery }: Job): Section[] {
  if (recovery === undefined) return [];
  const { until, segments } = recovery;
  const changes = segments.reduce((sum, segment) => sum + segment.changes, 0);
  const what = `of ${formatCounted(changes, 'captured change')} in ${formatCounted(segments.length, 'segment')}`;
  return [
    tell(
      `Then it would be brought to ${until}: what was committed between the two is replayed, ${what} at most.`,
    ),
  ];
}

/** No backup passed on staging, so that the target was left alone. */
export function describeNoneWorks({ attempts = [], manifest, state, clock }: Job): Outcome {
  return {
    exitCode: 3,
    outputs: {
      'backup-id': '',
      'recovered-to': '',
      parity: 'skipped',
      'safety-backup-id': '',
      'target-kind': state.kind,
      attempts: attempts.length,
      'duration-seconds': Math.round(clock.elapsed() / 100) / 10,
    },
    report: [
      { kind: 'heading', text: `Restore of backup ${manifest.id} into ${state.target}` },
      ...describeAttempts(attempts),
      ...attempts.flatMap(({ checks }) => describeChecks(checks)),
      tell(`NOT RESTORED: ${describeStop(attempts)}`),
    ],
  };
}

function describeStop(attempts: readonly Attempt[]): string {
  const sound = attempts.find(hasReturned);
  if (sound === undefined) {
    return 'no backup passed on staging, and the target was not touched. Try older ones with backup-id before:<time> or a greater fallback.';
  }
  return `backup ${sound.backup} came back on staging as it was, and ${explainFailure(sound)}. The target was not touched. The backup is sound; correct the check or leave it out, or name another backup with backup-id.`;
}

function describeAttempts(attempts: readonly Attempt[]): Section[] {
  if (attempts.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [
        { title: 'tried on staging' },
        { title: 'as of' },
        { title: 'time', align: 'right' },
        { title: 'result' },
      ],
      rows: attempts.map((attempt) => [
        attempt.backup,
        attempt.manifest?.source.snapshotAt ?? '',
        formatDuration(attempt.phases.total ?? 0),
        hasPassed(attempt) ? 'passed' : `FAILED: ${explainFailure(attempt)}`,
      ]),
    },
  ];
}

function describeLeft(left: readonly Omission[]): Section[] {
  if (left.length === 0) return [];
  return [
    tell('Of what was in the target before, this could not be removed:'),
    {
      kind: 'table',
      columns: [{ title: 'still there' }, { title: 'why' }, { title: 'what to do' }],
      rows: left.map(({ what, why, remedy }) => [what, why, remedy]),
    },
  ];
}

function tell(text: string): Section {
  return { kind: 'paragraph', text };
}
