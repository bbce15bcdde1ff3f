import type { Outcome } from '../../interface/outcome.ts';
import { countNotCarried, describeParity } from '../../parity/report.ts';
import type { Omission } from '../../parity/scope.ts';
import { formatCount, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { summarize } from '../../restorer/clean/part.ts';
import type { RestoreScope } from '../../restorer/scope.ts';
import { type Attempt, explainFailure, hasPassed, hasReturned } from '../../restorer/trial/attempt.ts';
import { describeChecks } from '../../restorer/trial/user-checks.ts';
import { assertNever } from '../../runtime/errors.ts';
import { say, type Wording } from '../../runtime/wording.ts';
import { describeOmitted } from '../sections/omissions.ts';
import { describePhases } from '../sections/phases.ts';
import { withReadings } from '../sections/readings-report.ts';
import { tellRestore } from './details.ts';
import { describeGone, describeLoss, describeSurplus, findLost } from './loss.ts';
import { describeReason } from './reasons.ts';
import {
  findShortfalls,
  type NonePassed,
  type PlannedRestore,
  type Restored,
  type RestoreResult,
  type SafetyBackup,
  type Shortfall,
} from './result.ts';
import { tellRootKey } from './root-key-report.ts';
import {
  describeActs,
  describeAmount,
  describeLargest,
  describeOmissions,
  describeReplay,
} from './scope-report.ts';
import { tellShortfalls } from './shortfalls.ts';
import { holdsObjects, nameExisting } from './target-state.ts';

export function describeRestore(result: RestoreResult): Outcome {
  return { ...withReadings(describeEnd(result), result.readFrom), details: tellRestore(result) };
}

function describeEnd(result: RestoreResult): Outcome {
  switch (result.kind) {
    case 'planned':
      return describePlanned(result);
    case 'restored':
      return describeRestored(result);
    case 'none-passed':
      return describeNonePassed(result);
    default:
      return assertNever(result);
  }
}

/**
 * Reports a plan: what would be created, what would be left out, and what is missing for the restore to
 * begin.
 */
function describePlanned(plan: PlannedRestore): Outcome {
  const { manifest, state, scope, foreseen, elapsed } = plan;
  return {
    exitCode: 0,
    outputs: {
      ...tellFigures(scope, 'skipped', elapsed),
      'safety-backup-id': '',
      'target-kind': state.kind,
      attempts: 0,
    },
    report: [
      {
        kind: 'heading',
        text: `Plan: restore backup ${manifest.id} into ${scope.target}${plan.refusals.length > 0 ? `; ${formatCounted(plan.refusals.length, 'thing')} MISSING` : ''}`,
        tone: plan.refusals.length > 0 ? 'warning' : 'good',
      },
      tell(
        `Nothing was changed. The backup shows the database as of ${manifest.source.snapshotAt}. A restore would bring ${describeAmount(scope)}.`,
      ),
      ...[
        ...describeMeeting(plan),
        ...listSteps(plan),
        ...foreseen,
        ...tellRootKey(plan.rootKey),
        ...plan.refusals.map(({ told }) => say`Missing: ${told.message}. ${told.next}`),
      ].map(tell),
      ...describeRecovery(plan),
      describeLargest(scope),
      ...describeActs(scope),
      ...describeOmissions(scope),
    ],
  };
}

/** Lists what would happen before anything of the target is removed. */
function listSteps({ reasons, isStaged, safetyStorage }: PlannedRestore): string[] {
  return [
    ...(reasons.length > 0
      ? [`The restore has to be confirmed: ${reasons.map(describeReason).join(', ')}.`]
      : []),
    ...(isStaged ? ['It would be tried on staging first.'] : []),
    ...(safetyStorage === undefined
      ? []
      : [`The target would be backed up to ${safetyStorage} before anything is removed.`]),
  ];
}

/** Reports a restore: its result, and everything that was done before and after it. */
function describeRestored(restored: Restored): Outcome {
  const { scope, state, parity, safetyBackup, attempts, elapsed } = restored;
  const verdict = parity === undefined ? 'skipped' : parity.equal ? 'equal' : 'different';
  return {
    exitCode: findShortfalls(restored).length === 0 ? 0 : 3,
    found: tellShortfalls(restored),
    outputs: {
      ...tellFigures(scope, verdict, elapsed),
      'recovered-to': scope.replayed?.until ?? '',
      'not-carried': countNotCarried(parity),
      'safety-backup-id': safetyBackup?.id ?? '',
      'target-kind': state.kind,
      attempts: attempts?.length ?? 1,
    },
    report: [
      {
        kind: 'heading',
        text: `Restore of backup ${scope.manifest.id} into ${scope.target}: ${summarizeRestored(restored)}`,
        tone: findShortfalls(restored).length === 0 ? 'good' : 'bad',
      },
      tell(
        `Restored ${describeAmount(scope)}. The database could be used ${formatDuration(restored.usableAfter)} after the start.`,
      ),
      ...describeChecks(restored.checks),
      ...describeSafetyBackup(safetyBackup),
      ...describeReplay(scope),
      ...describeRemoved(restored),
      ...describeLeft(restored.left),
      ...describeUngiven(restored.ungiven),
      ...tellRootKey(restored.rootKey).map(tell),
      ...describeActs(scope),
      ...(parity === undefined
        ? []
        : describeParity(parity, scope.replayed?.until ?? scope.manifest.source.snapshotAt)),
      ...describeOmissions(scope),
      ...describeAttempts(attempts ?? []),
      ...describePhases(restored.phases),
    ],
  };
}

const shortfalls: Readonly<Record<Shortfall, string>> = {
  different: 'DIFFERENT from the backup',
  lost: 'something of the backup is LOST',
  'not given back': 'not all of the target was given back',
  checks: 'a check FAILED',
};

/** The verdict, with the rows that came back */
function summarizeRestored(restored: Restored): string {
  const missing = findShortfalls(restored);
  if (missing.length > 0) return missing.map((shortfall) => shortfalls[shortfall]).join(', ');
  const rows = formatCounted(
    restored.scope.tables.reduce((sum, table) => sum + table.rows, 0),
    'row',
  );
  return restored.parity === undefined
    ? `${rows}, and nothing was compared`
    : `identical to the backup, ${rows}`;
}

function describeSafetyBackup(backup: SafetyBackup | undefined): Section[] {
  if (backup === undefined) return [];
  return [
    tell(
      `The target was backed up before anything was removed: ${backup.id}, pinned, in ${backup.storage}. To go back to it, name its id: \`latest\` never selects it.`,
    ),
  ];
}

function tellFigures(
  { manifest, tables }: RestoreScope,
  parity: 'equal' | 'different' | 'skipped',
  elapsed: number,
): Outcome['outputs'] {
  return {
    'backup-id': manifest.id,
    tables: tables.length,
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    parity,
    'duration-seconds': tellSeconds(elapsed),
  };
}

/** Converts to seconds, rounded to a tenth. */
function tellSeconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10;
}

/** Tells what of the target would be removed, and what would stay. */
function describeMeeting({ manifest, state }: PlannedRestore): string[] {
  const { part } = state;
  if (part === undefined) {
    if (!holdsObjects(state)) return [];
    return [
      `The target is not empty: it has ${nameExisting(state)}.`,
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

/** Tells in numbers what the target held before, and by name what of it did not come back. */
function describeRemoved({ manifest, state }: Restored): Section[] {
  if (!holdsObjects(state)) return [];
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
    tell(`${what} that the target held before were removed${describeGone(findLost(manifest, state))}.`),
  ];
}

function describeSize(tables: number, rows: number): string {
  return `${formatCounted(tables, 'table')} with about ${formatCount(rows)} rows`;
}

function describeUngiven(ungiven: readonly Omission[]): Section[] {
  return describeOmitted('These depended on the replaced objects and are not as they were:', ungiven, [
    'what',
    'why',
    'what to do',
  ]);
}

function describeRecovery({ recovery }: PlannedRestore): Section[] {
  if (recovery === undefined) return [];
  const { until, segments } = recovery;
  const changes = segments.reduce((sum, segment) => sum + segment.changes, 0);
  const what = `${formatCounted(changes, 'captured change')} in ${formatCounted(segments.length, 'segment')}`;
  return [
    tell(
      `Then the database would be brought to ${until}, by replaying what was committed since the backup: ${what} at most.`,
    ),
  ];
}

function describeNonePassed({ attempts, manifest, state, elapsed }: NonePassed): Outcome {
  return {
    exitCode: 3,
    found: describeStop(attempts),
    outputs: {
      'backup-id': '',
      'recovered-to': '',
      parity: 'skipped',
      'safety-backup-id': '',
      'target-kind': state.kind,
      attempts: attempts.length,
      'duration-seconds': tellSeconds(elapsed),
    },
    report: [
      {
        kind: 'heading',
        text: `Restore of backup ${manifest.id} into ${state.target}: NOT RESTORED`,
        tone: 'bad',
      },
      tell(describeStop(attempts)),
      ...describeAttempts(attempts),
      ...attempts.flatMap(({ checks }) => describeChecks(checks)),
    ],
  };
}

function describeStop(attempts: readonly Attempt[]): string {
  const sound = attempts.find(hasReturned);
  if (sound === undefined) {
    return 'No backup passed on staging, and the target was not touched. Try older ones with backup-id before:<time> or a greater fallback.';
  }
  return `Backup ${sound.backup} was restored on staging and is identical to the source, but ${explainFailure(sound)}. The target was not touched. The backup is sound: correct the check or leave it out, or name another backup with backup-id.`;
}

function describeAttempts(attempts: readonly Attempt[]): Section[] {
  if (attempts.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [
        { title: 'tried on staging', code: true },
        { title: 'as of', code: true },
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
  return describeOmitted('These were in the target before and could not be removed:', left, [
    'still there',
    'why',
    'what to do',
  ]);
}

function tell(text: string | Wording): Section {
  return { kind: 'paragraph', text };
}
