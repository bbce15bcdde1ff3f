import { formatCount, formatCounted, formatDuration } from '../../../report/quantity.ts';
import { type GapKind, gapKinds } from './gap-kinds.ts';
import type { Evidence, Gap } from './result.ts';

type Gathered = Omit<Evidence, 'gaps'>;
type Found = Omit<Gap, 'kind' | 'from' | 'to'> & Partial<Pick<Gap, 'from' | 'to'>>;

/** Lists what the evidence lacks, and what it shows that ought not to be, in the order of `gapKinds`. */
export function listGaps(gathered: Gathered): Gap[] {
  return gapKinds.flatMap((kind) =>
    finders[kind](gathered).map(({ from = null, to = null, text, evidence }) => {
      return { kind, from, to, text, evidence };
    }),
  );
}

const finders: Readonly<Record<GapKind, (gathered: Gathered) => readonly Found[]>> = {
  'no-backups': ({ backups, header }) =>
    backups.total > 0
      ? []
      : [ofPeriod(header, 'No backup of this period is stored, nor does any record name one.')],
  'vanished-backups': ({ disposal }) =>
    disposal.gone.map(({ id, evidence }) => ({
      text: `Backup ${id} is gone, and there is no record of its removal.`,
      evidence,
    })),
  'damaged-backups': ({ integrity }) =>
    integrity
      .map((validation) => ({ ...validation, names: nameDamaged(validation) }))
      .filter(({ names }) => names.length > 0)
      .map(({ at, names, evidence }) => ({
        from: at,
        text: `A validation found damage in ${names.join(', ')}.`,
        evidence: [evidence],
      })),
  'unreadable-evidence': ({ unreadable }) =>
    unreadable.map(({ key, message }) => ({
      text: `Evidence that is stored cannot be read, and counts nowhere: ${message}`,
      evidence: [key],
    })),
  'missed-schedule': ({ schedule }) =>
    (schedule?.jobs ?? []).flatMap(({ job, gaps }) =>
      gaps.map(({ from, to, due }) => ({
        ...{ from, to },
        text:
          due === 1
            ? `${job} was due, and did not run.`
            : `${job} was due ${formatCount(due)} times in a row, and did not run.`,
        evidence: [],
      })),
    ),
  // A gate that stops a release has done its work.
  'open-failure': ({ runs }) =>
    runs.list
      .filter(
        ({ outcome, followUp, operation }) => outcome !== 'done' && followUp === null && operation !== 'gate',
      )
      .map(({ operation, endedAt, failure, evidence }) => ({
        from: endedAt,
        text: `A run of ${operation} did not succeed (${failure?.class ?? 'no'}), and none has since.`,
        evidence: [evidence],
      })),
  'failed-drill': ({ drills }) =>
    drills
      .filter(({ outcome }) => outcome === 'failed')
      .map(({ backup, endedAt, nextPassed, evidence }) => ({
        ...{ from: endedAt, to: nextPassed?.at ?? null },
        text: `The drill of ${backup} failed, ${nextPassed === null ? 'and none has passed since' : 'and the next one that passed ended this'}.`,
        evidence: [evidence, ...(nextPassed === null ? [] : [nextPassed.evidence])],
      })),
  'no-drill': ({ drills, header }) =>
    drills.some(({ outcome }) => outcome === 'passed')
      ? []
      : [ofPeriod(header, 'No drill of this period has passed.')],
  'objective-not-met': ({ drills, restores }) => [...drills, ...restores].flatMap(findMissed),
  'no-validation': ({ integrity, header }) =>
    integrity.some(({ passed, damaged }) => passed.length + damaged.length > 0)
      ? []
      : [ofPeriod(header, 'Nothing that is stored was read back by a validation in this period.')],
  'unencrypted-backups': ({ backups }) => {
    const plain = backups.stored.filter(({ encryption }) => encryption === 'none');
    const text = `Not encrypted by this tool: ${formatCounted(plain.length, 'backup')} of ${backups.stored.length} that are stored.`;
    return plain.length === 0 ? [] : [{ text, evidence: plain.map(({ evidence }) => evidence) }];
  },
  'overdue-disposal': ({ disposal }) =>
    disposal.overdue.map(({ id, takenAt, why, evidence }) => ({
      from: takenAt,
      text: `Backup ${id} is stored, and the rules did not keep it any more: ${why}.`,
      evidence: [evidence],
    })),
  'no-cleanup': ({ disposal, header }) =>
    disposal.cleanups.length > 0 ? [] : [ofPeriod(header, 'No cleanup of this period is recorded.')],
  'unapproved-restore': ({ restores }) =>
    restores
      .filter(({ approvals }) => approvals === null || approvals.length === 0)
      .map(({ backup, endedAt, evidence, approvals }) => ({
        from: endedAt,
        text: `Who approved the restore of ${backup} is ${approvals === null ? 'not known here' : 'nobody, as GitHub tells it'}.`,
        evidence: [evidence],
      })),
  'objective-not-measured': ({ drills, restores, header }) =>
    [...drills, ...restores].some(({ rto }) => rto.measured !== null)
      ? []
      : [ofPeriod(header, 'How long a recovery takes was not measured in this period.')],
  'no-policy': ({ header }) =>
    header.policy !== null
      ? []
      : [
          {
            text: 'No policy file was given: what was scheduled, and the targets for recovery and loss, are not known here.',
            evidence: [],
          },
        ],
  'no-repository': ({ header }) => {
    const { from, to } = timesBefore(header, header.repository.createdAt);
    const text = 'There was no repository here yet, and so no backup in it.';
    return from < to ? [{ from, to, text, evidence: [] }] : [];
  },
  'runs-not-recorded': ({ header }) => findUnrecorded(header),
  'period-not-over': ({ header }) =>
    header.period.isOver
      ? []
      : [
          {
            ...{ from: header.generatedAt, to: header.period.to },
            text: 'The period is not over yet.',
            evidence: [],
          },
        ],
};

/** A record of older versions names no captured changes, only how many objects of them were damaged. */
function nameDamaged({ damaged, damagedChanges, damagedObjects }: Evidence['integrity'][number]): string[] {
  const names = [...damaged, ...damagedChanges];
  return names.length > 0 || damagedObjects === 0
    ? names
    : [`${formatCounted(damagedObjects, 'object')} of captured changes`];
}

function ofPeriod({ period, generatedAt }: Evidence['header'], text: string): Found {
  return { from: period.from, to: period.isOver ? period.to : generatedAt, text, evidence: [] };
}

function findMissed({
  backup,
  endedAt,
  evidence,
  rto,
  rpo,
}: Evidence['drills'][number] | Evidence['restores'][number]): Found[] {
  const objectives = [
    ['recovery time', rto],
    ['loss', rpo],
  ] as const;
  return objectives.flatMap(([what, { target, measured, verdict }]) =>
    verdict !== 'not met' || target === null || measured === null
      ? []
      : [
          {
            from: endedAt,
            text: `The ${what} with ${backup} was ${formatDuration(measured)}, and the target is ${formatDuration(target)}.`,
            evidence: [evidence],
          },
        ],
  );
}

function findUnrecorded(header: Evidence['header']): Found[] {
  const { repository, runsRecordedSince, generatedAt } = header;
  const { from, to } = timesBefore(header, runsRecordedSince ?? generatedAt);
  const begin = later(from, repository.createdAt);
  if (begin >= to) return [];
  const text =
    runsRecordedSince === null
      ? 'No run is recorded. Backups, drills, restores, validations and cleanups are; failures before them are not known.'
      : 'Runs are recorded only from the end of this time on. Before it, failures are not known; backups, drills, restores, validations and cleanups are.';
  return [{ from: begin, to, text, evidence: [] }];
}

/** The part of the period before a time; none where `to` is not later than `from` */
function timesBefore({ period }: Evidence['header'], time: string): { from: string; to: string } {
  return { from: period.from, to: time < period.to ? time : period.to };
}

function later(one: string, other: string): string {
  return one > other ? one : other;
}
