import type { Outcome } from '../../interface/outcome.ts';
import { countNotCarried, describeParity } from '../../parity/report.ts';
import { formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { Overrun } from '../../repository/backups/findings.ts';
import {
  type Attempt,
  explainFailure,
  findFault,
  hasPassed,
  hasReturned,
  isDoubtful,
} from '../../restorer/trial/attempt.ts';
import { describeChecks } from '../../restorer/trial/user-checks.ts';
import { assertNever } from '../../runtime/errors.ts';
import { describeNotCarried, describeNotes } from '../sections/omissions.ts';
import { withReadings } from '../sections/readings-report.ts';
import { tellDrill } from './details.ts';
import type { Drill } from './result.ts';

export function describeDrill(drill: Drill): Outcome {
  return withReadings(describeTried(drill), drill.readFrom);
}

function describeTried(drill: Drill): Outcome {
  const { kind, chosen, attempts } = drill;
  const { works, overrun } = kind === 'failed' ? { works: undefined, overrun: undefined } : drill;
  return {
    exitCode: kind === 'passed' && overrun === undefined ? 0 : 3,
    found: overrun === undefined ? explainFailure(chosen) : tellOverrun(overrun),
    outputs: {
      'backup-id': works?.backup ?? '',
      drill: kind,
      attempts: attempts.length,
      parity: chosen.parity === undefined ? 'skipped' : chosen.parity.equal ? 'equal' : 'different',
      'not-carried': countNotCarried(chosen.parity),
      'recovered-to': works?.until ?? '',
      'recovery-seconds': works?.recovery === undefined ? '' : Math.round(works.recovery / 100) / 10,
      'duration-seconds':
        Math.round(attempts.reduce((sum, { phases }) => sum + (phases.total ?? 0), 0) / 100) / 10,
    },
    details: tellDrill(drill),
    report: [
      { kind: 'heading', text: `Drill of backup ${chosen.backup}` },
      ...attempts.flatMap((attempt) => describeAttempt(attempt, attempts.length > 1)),
      { kind: 'paragraph', text: describeVerdict(drill), tone: kind === 'passed' ? 'good' : 'bad' },
      ...describeOverrun(overrun),
    ],
  };
}

function describeOverrun(overrun: Overrun | undefined): Section[] {
  if (overrun === undefined) return [];
  return [{ kind: 'paragraph', text: `TOO SLOW: ${tellOverrun(overrun)}` }];
}

function tellOverrun({ took, target }: Overrun): string {
  return `recovery took ${formatDuration(took)}, and the target is ${formatDuration(target)}.`;
}

function describeVerdict(drill: Drill): string {
  switch (drill.kind) {
    case 'failed':
      return describeFailure(drill.attempts);
    case 'passed': {
      const { until } = drill.works;
      const time = tellTime(drill.works);
      return until === undefined
        ? `PASSED: restored${time}, and identical to the source.`
        : `PASSED: restored${time}, with changes replayed until ${until}; nothing is missing.`;
    }
    case 'fell-back': {
      const { backup, manifest } = drill.works;
      const takenAt = manifest?.source.snapshotAt ?? 'an unknown time';
      return `FAILED: the newest backup that works is ${backup} of ${takenAt}; it was restored${tellTime(drill.works)}.`;
    }
    default:
      return assertNever(drill);
  }
}

function tellTime({ recovery }: Attempt): string {
  return recovery === undefined ? '' : ` in ${formatDuration(recovery)}`;
}

function describeFailure(attempts: readonly Attempt[]): string {
  const sound = attempts.find(hasReturned);
  if (sound !== undefined) {
    const others =
      sound === attempts[0] ? '' : ` The ${formatCounted(attempts.length - 1, 'backup')} before it failed.`;
    const cause = findFault(sound) === 'command' ? 'what the command found' : 'the check, or the data';
    return `FAILED: backup ${sound.backup} came back as it was, and ${explainFailure(sound)}.${others} The backup is sound: look at ${cause}.`;
  }
  const subject =
    attempts.length === 1
      ? `backup ${attempts[0]?.backup}`
      : `none of the ${formatCounted(attempts.length, 'backup')} that were tried`;
  const not = attempts.length === 1 ? ' not' : '';
  if (attempts.some(isDoubtful)) {
    return `FAILED: ${subject} can${not} be relied upon. Run validate, which finds what is damaged, and a full backup, which stores it anew.`;
  }
  return `FAILED: ${subject} could${not} be restored here as it was. That says nothing about what is stored: see below what the server refused, mend it, and drill again.`;
}

function describeAttempt(attempt: Attempt, named: boolean): Section[] {
  return [
    ...(named ? [{ kind: 'heading' as const, text: `Backup ${attempt.backup}` }] : []),
    {
      kind: 'table',
      columns: [{ title: 'phase' }, { title: 'time', align: 'right' }],
      rows: Object.entries(attempt.phases).map(([phase, elapsed]) => [phase, formatDuration(elapsed)]),
    },
    ...(hasPassed(attempt)
      ? []
      : [{ kind: 'paragraph' as const, text: `Failed: ${explainFailure(attempt)}` }]),
    ...(attempt.parity === undefined
      ? []
      : describeParity(attempt.parity, attempt.manifest?.source.snapshotAt)),
    ...describeChecks(attempt.checks),
    ...describeOmissions(attempt),
  ];
}

/** Lists what the restore or the backup does not carry, and what differs from the source without loss. */
function describeOmissions({ manifest, notCarried, notes }: Attempt): Section[] {
  return [
    ...describeNotes(notes),
    ...(notCarried.length === 0
      ? []
      : [
          { kind: 'paragraph' as const, text: 'Not brought by this restore:' },
          {
            kind: 'table' as const,
            columns: [{ title: 'what' }, { title: 'why' }, { title: 'remedy' }],
            rows: notCarried.map((item) => [item.what, item.why, item.remedy]),
          },
        ]),
    ...(manifest === undefined ? [] : describeNotCarried(manifest)),
  ];
}
