import type { Outcome } from '../../interface/outcome.ts';
import { countNotCarried, describeParity } from '../../parity/report.ts';
import { formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { Overrun } from '../../repository/backups/findings.ts';
import {
  type Attempt,
  explainFailure,
  type Fault,
  findFault,
  hasPassed,
  hasReturned,
  isDoubtful,
} from '../../restorer/trial/attempt.ts';
import { describeChecks } from '../../restorer/trial/user-checks.ts';
import { assertNever } from '../../runtime/errors.ts';
import { describeNotCarried, describeNotes, describeOmitted } from '../sections/omissions.ts';
import { describePhases } from '../sections/phases.ts';
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
      {
        kind: 'heading',
        text: `Drill of ${nameSource(chosen)} ${summarize(drill, overrun)}`,
        tone: kind === 'passed' && overrun === undefined ? 'good' : 'bad',
      },
      { kind: 'paragraph', text: describeVerdict(drill) },
      ...describeOverrun(overrun),
      ...attempts.flatMap((attempt) => describeAttempt(attempt, attempts.length > 1)),
    ],
  };
}

/** The database that was backed up, by the backup itself where its manifest cannot be read */
function nameSource({ manifest, backup }: Attempt): string {
  return manifest === undefined ? `backup ${backup}` : manifest.source.database;
}

/** The verdict, with what counts of it */
function summarize(drill: Drill, overrun: Overrun | undefined): string {
  switch (drill.kind) {
    case 'failed':
      return `FAILED: ${reasons[findFault(drill.chosen) ?? 'restore']}`;
    case 'fell-back':
      return `FAILED: ${reasons[findFault(drill.chosen) ?? 'restore']}; an older backup works`;
    case 'passed': {
      const time = tellTime(drill.works);
      if (overrun !== undefined) {
        return `FAILED: restored${time}, which is more than its target of ${formatDuration(overrun.target)}`;
      }
      const { until } = drill.works;
      return until === undefined
        ? `PASSED: restored${time} and identical to the source`
        : `PASSED: restored${time} and brought to ${until}; nothing is missing`;
    }
    default:
      return assertNever(drill);
  }
}

const reasons: Readonly<Record<Fault, string>> = {
  restore: 'the backup could not be restored',
  parity: 'the restored database is not what was backed up',
  checks: 'the backup is sound, and a check says no',
  command: 'the backup is sound, and the command says no',
};

function describeOverrun(overrun: Overrun | undefined): Section[] {
  if (overrun === undefined) return [];
  return [{ kind: 'paragraph', text: `TOO SLOW: ${tellOverrun(overrun)}`, tone: 'bad' }];
}

function tellOverrun({ took, target }: Overrun): string {
  return `recovery took ${formatDuration(took)}, and the target is ${formatDuration(target)}.`;
}

/** What was restored where, or what failed and what to do about it */
function describeVerdict(drill: Drill): string {
  switch (drill.kind) {
    case 'failed':
      return describeFailure(drill.attempts);
    case 'passed':
      return `${describeRestored(drill.works)}.`;
    case 'fell-back':
      return `Of these, the newest backup that works is ${drill.works.backup}${tellTaken(drill.works)}, restored${tellTime(drill.works)}. Backup ${drill.chosen.backup} failed: ${explainFailure(drill.chosen)}.`;
    default:
      return assertNever(drill);
  }
}

function describeRestored(attempt: Attempt): string {
  const { manifest } = attempt;
  const rows = manifest === undefined ? '' : ` with ${formatCounted(manifest.totals.rows, 'row')}`;
  return `Backup ${attempt.backup}${tellTaken(attempt)} was restored${rows}, into a throwaway database made for this drill`;
}

function tellTaken({ manifest }: Attempt): string {
  return manifest === undefined ? '' : ` of ${manifest.source.snapshotAt}`;
}

function tellTime({ recovery }: Attempt): string {
  return recovery === undefined ? '' : ` in ${formatDuration(recovery)}`;
}

function describeFailure(attempts: readonly Attempt[]): string {
  const sound = attempts.find(hasReturned);
  if (sound !== undefined) {
    const before = attempts.length - 1;
    const others =
      sound === attempts[0]
        ? ''
        : ` The ${formatCounted(before, 'backup')} that ${before === 1 ? 'was' : 'were'} tried before it failed.`;
    const cause = findFault(sound) === 'command' ? 'what the command found' : 'the check, or the data';
    return `Backup ${sound.backup} was restored and is identical to the source, but ${explainFailure(sound)}.${others} The backup is sound: look at ${cause}.`;
  }
  const [first] = attempts;
  const why = first === undefined ? '' : `: ${explainFailure(first)}`;
  const count = formatCounted(attempts.length, 'backup');
  const tell = (verbs: { readonly one: string; readonly none: string }) =>
    attempts.length === 1
      ? `Backup ${first?.backup} ${verbs.one}${why}.`
      : `None of the ${count} that were tried ${verbs.none}. The newest failed${why}.`;
  if (attempts.some(isDoubtful)) {
    return `${tell({ one: 'cannot be relied upon', none: 'can be relied upon' })} Run \`validate\`, which finds what is damaged, and a full backup, which stores it anew.`;
  }
  return `${tell({ one: 'could not be restored on this server', none: 'could be restored on this server' })} That says nothing about what is stored: correct what the server refused, and drill again.`;
}

function describeAttempt(attempt: Attempt, named: boolean): Section[] {
  const isFailed = !hasPassed(attempt);
  return [
    ...(named
      ? [
          {
            kind: 'heading' as const,
            text: `Backup ${attempt.backup}: ${isFailed ? 'FAILED' : 'passed'}`,
          },
        ]
      : []),
    ...(named && isFailed
      ? [{ kind: 'paragraph' as const, text: `It failed: ${explainFailure(attempt)}` }]
      : []),
    ...describeChecks(attempt.checks),
    ...(attempt.parity === undefined
      ? []
      : describeParity(attempt.parity, attempt.manifest?.source.snapshotAt)),
    ...describeOmissions(attempt),
    ...describePhases(attempt.phases),
  ];
}

/** Lists what the restore or the backup does not carry, and what differs from the source without loss. */
function describeOmissions({ manifest, notCarried, notes }: Attempt): Section[] {
  return [
    ...describeNotes(notes),
    ...describeOmitted('Not brought by this restore:', notCarried),
    ...(manifest === undefined ? [] : describeNotCarried(manifest)),
  ];
}
