import {
  formatAge,
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatRate,
} from '../../report/quantity.ts';
import { formatTimeWithZone } from '../../report/time.ts';
import type { FindingKind, FindingOf, LimitKind, RecoveryPrediction, RowLoss } from './finding.ts';
import { managedTellings } from './managed-tellings.ts';

/** A finding for people: what is so, and what to do about it; each one or more sentences */
export interface Telling {
  readonly sentence: string;
  readonly remedy: string;
}

/** Says a finding in words. The only place that does. */
export function tellFinding<Kind extends FindingKind>(finding: FindingOf<Kind>): Telling {
  const tell: (finding: FindingOf<Kind>) => Telling = tellings[finding.kind];
  return tell(finding);
}

/** Joins both into a paragraph. */
export function joinTelling({ sentence, remedy }: Telling): string {
  return `${sentence}${/[.!?]$/.test(sentence) ? '' : '.'} ${remedy}`;
}

const tellings: { readonly [Kind in FindingKind]: (finding: FindingOf<Kind>) => Telling } = {
  'max-age': (finding) =>
    tellLimit(
      finding,
      finding.newestPoint === 'changes' ? 'the newest point to go back to' : 'the newest backup',
      'there is no backup',
      'Find out why the last `backup` or `capture` failed or did not run, and run it.',
    ),
  'verified-within': (finding) =>
    tellLimit(
      finding,
      'the last verification of a backup',
      'no backup was ever verified',
      'Run `validate` with the default share, which reads all of it, or `drill`.',
    ),
  'drilled-within': (finding) =>
    tellLimit(
      finding,
      'the last drill that passed',
      'no drill ever passed',
      'Run `drill`; if the last one failed, find out why.',
    ),
  'slot-lost': ({ slot, seenAt }) => ({
    sentence: `the server has given up the slot ${slot}, as of ${formatTimeWithZone(seenAt)}: what was committed since the last capture can no longer be captured, and only the times of backups can be recovered after it.`,
    remedy:
      'Run `capture`: it creates the slot again and takes a backup; from then on every time can be recovered. Capture more often, or raise max_slot_wal_keep_size.',
  }),
  'slot-lag': ({ slot, measured = 0, safeBytes, seenAt }) => ({
    sentence: `the slot ${slot} keeps ${formatBytes(measured)} of write-ahead log, and the server gives it up after ${formatBytes(Math.max(0, safeBytes))} more, as of ${formatTimeWithZone(seenAt)}.`,
    remedy:
      'Check that `capture` runs and succeeds, and run it. If it does, capture more often or raise max_slot_wal_keep_size, and end transactions that stay open.',
  }),
  ...managedTellings,
  'late-schedule': tellLateness,
  'disabled-schedule': ({ workflow, jobs, state }) =>
    state === 'disabled'
      ? {
          sentence: `the workflow ${workflow} is disabled, so GitHub starts none of its jobs: ${jobs.join(', ')}.`,
          remedy: `Enable it with \`gh workflow enable ${workflow}\`. GitHub disables schedules after 60 days without activity in the repository; a person can, too.`,
        }
      : {
          sentence: `the workflow ${workflow} is not on GitHub, so none of its jobs is started: ${jobs.join(', ')}.`,
          remedy: 'Merge it into the default branch, the only one whose schedules run.',
        },
  'failed-runs': ({ measured = 0, job, lastClass }) => ({
    sentence: `the last ${formatCounted(measured, 'run')} of \`${job}\` failed, the newest of the class ${lastClass}.`,
    remedy: 'Follow the message of the newest run, in its log or its record, and run it once by hand.',
  }),
  'late-copy': ({ copy, missingBackups, oldestMissing, why, measured, limit = 0 }) =>
    why === undefined
      ? {
          sentence: `the copy ${copy} is missing ${formatCounted(missingBackups, 'backup')}, the oldest ${oldestMissing} for ${measured === undefined ? 'longer' : formatAge(measured)}; at most ${formatAge(limit)} may pass.`,
          remedy: 'Run `mirror`, and find out why the last one failed or did not run.',
        }
      : {
          sentence: `the copy ${copy} could not be read, so what it holds is unknown: ${why}.`,
          remedy: 'Check that it still exists and that its credentials are right, and run `mirror`.',
        },
  'old-backup': ({ measured }) => ({
    sentence: `the newest backup is ${measured === undefined ? 'too' : formatAge(measured)} old, more than max-age: everything after it depends on captured changes alone.`,
    remedy: 'Find out why the last `backup` failed or did not run, and run it.',
  }),
  'damaged-changes': ({ keys }) => ({
    sentence: `these captured changes are damaged, and no restore can replay past them: ${keys.join(', ')}.`,
    remedy: 'Run `backup`: from then on every time can be recovered again.',
  }),
  shrinkage: tellRowLoss,
  'unusual-duration': (finding) =>
    tellUnusual(finding, {
      ...{ what: 'took', format: formatDuration },
      jump: 'Find out what slowed it down: locks, the load of the server, the network; `show` has its phases.',
      drop: 'Check with `show` that it has all tables.',
    }),
  'unusual-size': (finding) =>
    tellUnusual(finding, {
      ...{ what: 'has stored', format: formatBytes },
      jump: 'Check with `show` which tables have grown, and whether that is expected.',
      drop: 'Check with `show` which tables have shrunk, and whether that is expected.',
    }),
  'unusual-rows': (finding) =>
    tellUnusual(finding, {
      ...{ what: 'has', format: (rows) => formatCounted(Math.round(rows), 'row') },
      jump: 'Check with `show` which tables have grown, and whether that is expected.',
      drop: 'Check with `show` which tables have shrunk, and whether that is expected; if not, `pin` an earlier backup.',
    }),
  'unreadable-manifests': ({ ids }) => ({
    sentence: `these manifests are damaged, and their backups lost: ${ids.join(', ')}.`,
    remedy:
      'Restore these files from a copy of the storage, or take a backup now, and find out what else the storage has lost.',
  }),
  'damaged-backups': ({ ids }) => ({
    sentence: `these backups were found damaged: ${ids.join(', ')}.`,
    remedy: 'Run `backup`: a full backup stores again what they are missing.',
  }),
  'vanished-backups': ({ ids }) => ({
    sentence: `these backups are no longer listed, although no cleanup removed them: ${ids.join(', ')}.`,
    remedy:
      'Somebody else removed them, or the listing of the storage is incomplete: look below backups/ with the tools of the storage.',
  }),
  'hidden-versions': ({ objects, measured = 0 }) => ({
    sentence: `the bucket keeps versions: what the last cleanup removed, ${formatCounted(objects, 'object')} with ${formatBytes(measured)}, is hidden and still paid for, until a lifecycle rule expires noncurrent versions.`,
    remedy: 'Set such a rule, or let `cleanup` delete versions.',
  }),
  'mixed-encryption': ({ measured = 0, all, newestPlain }) => ({
    sentence: `${formatCounted(measured, 'backup')} of ${formatCount(all)} ${measured === 1 ? 'is' : 'are'} not encrypted, while others are; the newest is ${newestPlain}, and \`list\` shows which.`,
    remedy: 'Set `encryption-recipients` wherever backups are taken.',
  }),
  'failed-drill': ({ backup, why }) => ({
    sentence: `the last drill failed, of ${backup}: ${why ?? 'the reason was not recorded'}`,
    remedy: 'Fix what it says and run `drill` again; until then rely on an older backup.',
  }),
  'slow-recovery': ({ backup, limit = 0, measured = 0 }) => ({
    sentence: `the last drill that passed, of ${backup}, took ${formatDuration(measured)} until the database could be used, more than its rto-target of ${formatDuration(limit)}.`,
    remedy:
      'The report of `drill` shows which phase takes the time: raise `jobs` or use a larger server, or set `rto-target` to what you can accept.',
  }),
  'unmeasured-recovery': ({ prediction }) => ({
    sentence: `how long a recovery takes was never measured${prediction === undefined ? ', and there is nothing to predict it from' : `; predicted: ${tellPrediction(prediction)}`}.`,
    remedy: 'Run `drill`, which restores a backup and measures it.',
  }),
};

/** Says how long it may take; the speed of full backups tells a lower bound. */
export function tellPredictedTime({ milliseconds, basis }: RecoveryPrediction): string {
  const time = formatDuration(milliseconds);
  return basis === 'restores' ? `about ${time}` : `${time} or more`;
}

/** Says a prediction with what it rests on. */
function tellPrediction(prediction: RecoveryPrediction): string {
  const { basis, bytes, bytesPerSecond, runs } = prediction;
  const time = `${tellPredictedTime(prediction)}, for ${formatBytes(bytes)} at ${formatRate(bytesPerSecond, 1000)}`;
  return basis === 'restores'
    ? `${time}, the speed of the last ${formatCounted(runs, 'whole restore')}`
    : `${time}, the speed at which the last ${formatCounted(runs, 'full backup')} read it: a restore also builds indexes, and compares`;
}

function tellLateness({ job, crons, timeZone, limit = 0, measured }: FindingOf<'late-schedule'>): Telling {
  const due = `It is due by ${crons.map((cron) => `'${cron}'`).join(' and ')} (${timeZone}), and at most ${formatAge(limit)} may pass.`;
  // What a watch has found makes it fail, and is no reason to call it late.
  const which = job === 'watch' ? 'run of `watch`' : `run of \`${job}\` that succeeded`;
  const sentence =
    measured === undefined
      ? `there was no ${which}. ${due}`
      : `the last ${which} is ${formatAge(measured)} old. ${due}`;
  return {
    sentence,
    remedy:
      'Find out why its last run failed, or whether it ran at all: `schedule` with `check` asks GitHub. Then run it once by hand.',
  };
}

function tellLimit(
  { severity, kind, limit, measured }: FindingOf<LimitKind>,
  what: string,
  never: string,
  remedy: string,
): Telling {
  const most = limit === undefined ? 'not limited' : `at most ${formatAge(limit)}`;
  if (severity === 'note' && measured === undefined)
    return { sentence: `${kind} asks for ${most}, and the repository is not that old yet.`, remedy };
  const sentence =
    measured === undefined
      ? `${kind} asks for ${most}, and ${never}.`
      : `${what} is ${formatAge(measured)} old, and ${kind} is ${most}.`;
  return { sentence, remedy: severity === 'note' ? 'Nothing needs to be done.' : remedy };
}

function tellUnusual(
  finding: FindingOf<'unusual-duration' | 'unusual-size' | 'unusual-rows'>,
  words: {
    readonly what: string;
    readonly format: (value: number) => string;
    readonly jump: string;
    readonly drop: string;
  },
): Telling {
  const { backupKind, direction, measured = 0, limit = 0, median, points } = finding;
  const { what, format } = words;
  const bound = direction === 'jump' ? 'at most' : 'at least';
  return {
    sentence: `the newest backup ${what} ${format(measured)}; ${bound} ${format(limit)} is usual, by the ${points} ${backupKind} backups before, whose median is ${format(median)}.`,
    remedy: words[direction],
  };
}

export function tellRowLoss({ before, rowsBefore, rowsAfter }: RowLoss): Telling {
  return {
    sentence: `the newest backup has ${formatCounted(rowsAfter, 'row')}, and the one before, ${before}, had ${formatCount(rowsBefore)}.`,
    remedy: `Check whether the rows were meant to be deleted; if not, pin ${before}.`,
  };
}
