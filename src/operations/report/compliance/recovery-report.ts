import { formatCount } from '../../../report/quantity.ts';
import type { Section } from '../../../report/section.ts';
import { tellObjective, tellRun, tellTime, toTable } from './cells-report.ts';
import type { DrillEvidence, Evidence, RestoreEvidence } from './result.ts';

const columns = [
  'started',
  'ended',
  'by',
  'backup, taken, brought to',
  'scope',
  'environment or target',
  'outcome',
  'recovery time (RTO)',
  'loss (RPO)',
];

export function describeDrills({ drills }: Evidence): Section[] {
  const title: Section = { kind: 'heading', text: 'Drills' };
  if (drills.length === 0) {
    return [title, { kind: 'paragraph', text: 'No drill of the period is recorded.' }];
  }
  return [
    title,
    {
      kind: 'paragraph',
      text:
        'A drill restores a backup into a database that is dropped afterwards, compares it with what was recorded of the source, and asks the user’s checks. The recovery ' +
        'time is until the database could have been used; the loss is how old the restored state was when the drill began.',
    },
    toTable(
      [...columns, 'differences', 'checks', 'what was wrong, and then', 'evidence'],
      drills.map((drill) => [
        ...tellRecovery(drill, drill.target ?? 'not known'),
        drill.parity === 'equal' ? 'none' : drill.parity,
        drill.checks.asked === 0
          ? 'none asked'
          : `${formatCount(drill.checks.asked - drill.checks.failed.length)} of ${formatCount(drill.checks.asked)} true`,
        tellFault(drill),
        `${drill.evidence}${drill.recordedRun === null ? '' : `\n${drill.recordedRun}`}${tellRun(drill.run, '\n')}`,
      ]),
    ),
  ];
}

function tellFault({ outcome, why, checks, nextPassed }: DrillEvidence): string {
  if (outcome === 'passed') return '';
  const since =
    nextPassed === null
      ? 'no drill has passed since'
      : `the next that passed: ${tellTime(nextPassed.at)}, ${nextPassed.evidence}`;
  return [why ?? 'not known', ...checks.failed.map((sql) => `not true: ${sql}`), since].join('\n');
}

/** Tells who restored what, and who approved it; and who changed what is kept. */
export function describeAccess({ restores, pins }: Evidence): Section[] {
  return [
    { kind: 'heading', text: 'Restores and access' },
    {
      kind: 'paragraph',
      text:
        restores.length === 0
          ? 'No restore of the period is recorded. Dry runs are not; a restore with credentials that may only read leaves no record, and says so in its log.'
          : 'Every restore that is recorded. Its times are of this tool; a restore brings back what was erased since the backup, and erasures of that time have to be ' +
            'repeated. Approved is what reviewers of an environment of GitHub did, where it was asked.',
    },
    ...(restores.length === 0
      ? []
      : [
          toTable(
            [
              ...columns,
              'words typed',
              'approved by',
              'safety backup',
              'tried before',
              'what was wrong',
              'evidence',
            ],
            restores.map((restore) => [
              ...tellRecovery(restore, tellTarget(restore)),
              restore.wordsTyped === null ? 'not known' : restore.wordsTyped ? 'yes' : 'no',
              tellApprovals(restore),
              restore.safetyBackup ?? 'none',
              restore.triedBefore.map(({ backup, why }) => `${backup}: ${why ?? 'passed'}`).join('\n') ||
                'nothing',
              restore.why ?? '',
              `${restore.evidence}${restore.recordedRun === null ? '' : `\n${restore.recordedRun}`}${tellRun(restore.run, '\n')}`,
            ]),
          ),
        ]),
    ...(pins.length === 0
      ? []
      : [
          toTable(
            ['pin', 'backup', 'by', 'evidence'],
            pins.map(({ at, backup, pinned, actor, run, evidence }) => [
              `${pinned ? 'pinned' : 'unpinned'} ${tellTime(at)}`,
              backup,
              actor ?? 'not known',
              `${evidence}${tellRun(run, '\n')}`,
            ]),
          ),
        ]),
  ];
}

function tellRecovery(recovery: DrillEvidence | RestoreEvidence, target: string): string[] {
  const { startedAt, endedAt, actor, backup, backupTakenAt, recoveredTo, scope, outcome, rto, rpo } =
    recovery;
  return [
    startedAt === null ? 'not known' : tellTime(startedAt),
    tellTime(endedAt),
    actor ?? 'not known',
    [backup, tellTime(backupTakenAt), ...(recoveredTo === null ? [] : [recoveredTo])].join('\n'),
    scope,
    target,
    outcome,
    tellObjective(rto),
    tellObjective(rpo),
  ];
}

function tellTarget({ target, targetKind, environment }: RestoreEvidence): string {
  return [target, targetKind, environment === null ? null : `environment ${environment}`]
    .filter((part) => part !== null)
    .join('\n');
}

function tellApprovals({ approvals }: RestoreEvidence): string {
  if (approvals === null) return 'not known';
  if (approvals.length === 0) return 'nobody was asked';
  return approvals
    .map(
      ({ by, state, environments }) =>
        `${state} by ${by || 'a deleted account'} for ${environments.join(', ')}`,
    )
    .join('\n');
}
