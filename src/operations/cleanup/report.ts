import type { Outcome } from '../../interface/outcome.ts';
import { formatBytes, formatCount, formatCounted } from '../../report/quantity.ts';
import type { Section, Tone } from '../../report/section.ts';
import { formatSecond, formatTime } from '../../report/time.ts';
import { manifestKey } from '../../repository/backups/manifests.ts';
import { formatWindow } from '../../repository/changes/windows.ts';
import type { Tally } from '../../repository/prune/garbage-marks.ts';
import { formatInterval } from '../../values/retention-policy.ts';
import { describeReasons } from '../sections/reasons.ts';
import { describeVerification } from '../sections/verification.ts';
import { tellCleanup } from './details.ts';
import { type Cleanup, type Ending, type Postponement, sumTallies } from './result.ts';

/** How many retained keys, or vanished backups, the report names. */
const shownKeys = 20;

type Stop = Extract<Ending, { kind: 'stopped' }>;

export function describeCleanup(done: Cleanup): Outcome {
  return {
    exitCode: done.ending.kind === 'stopped' ? 3 : 0,
    found: tellStop(done.ending),
    outputs: {
      backups: done.backups - done.removed.length,
      removed: done.removed.length,
      'removed-objects': done.swept.objects,
      'removed-bytes': done.swept.bytes,
      'marked-objects': sumTallies(done.waiting).objects,
      retained: done.retained.length,
    },
    details: tellCleanup(done),
    report: [
      { kind: 'heading', text: describeTitle(done), tone: toneOf(done) },
      { kind: 'paragraph', text: describeOutlook(done) },
      ...describeBlind(done),
      ...describeDamaged(done),
      ...describeVanished(done),
      ...describeCleared(done),
      describeFigures(done),
      ...describeHidden(done),
      ...describeRetained(done),
      ...describePlan(done),
    ],
  };
}

function describeTitle({ kind, ending, removed, backups, swept, storage }: Cleanup): string {
  const title = `${kind === 'planned' ? 'Cleanup, dry run' : 'Cleanup'} of ${storage}`;
  if (ending.kind === 'stopped') return `${title}: STOPPED${describeStop(ending)}`;
  const what = removed.length === 0 ? 'no backup' : formatCounted(removed.length, 'backup');
  const freed = swept.bytes === 0 ? '' : `, ${formatBytes(swept.bytes)} freed`;
  return `${title}: ${what} ${kind === 'planned' ? 'would be removed' : 'removed'}, ${formatCount(backups - removed.length)} ${kind === 'planned' ? 'would stay' : 'stay'}${freed}`;
}

function toneOf({ ending, vanished }: Cleanup): Tone {
  if (ending.kind === 'stopped') return 'bad';
  return ending.kind === 'postponed' || vanished.length > 0 ? 'warning' : 'good';
}

function tellStop(ending: Ending): string | undefined {
  if (ending.kind !== 'stopped') return undefined;
  const [first] = ending.damaged;
  if (ending.blind || first === undefined) return 'no backup is listed, although objects are stored';
  const more =
    ending.damaged.length === 1 ? '' : `, and ${formatCounted(ending.damaged.length - 1, 'more', 'more')}`;
  return `${first.id}: ${first.message}${more}`;
}

function describeStop({ blind, damaged }: Stop): string {
  if (blind) return ', for no backup is listed';
  return ` by ${formatCounted(damaged.length, 'damaged file')}`;
}

/** Lists each backup with what becomes of it, and below, why: reasons are long. */
function describePlan({ decisions }: Cleanup): Section[] {
  if (decisions.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [
        { title: 'backup', code: true },
        { title: 'taken (UTC)', code: true },
        { title: 'kind' },
        { title: 'size', align: 'right' },
        { title: 'verified (UTC)' },
        { title: 'plan' },
      ],
      rows: decisions.map(({ backup, keep }) => [
        backup.id,
        formatTime(backup.snapshotAt),
        backup.kind,
        formatBytes(backup.totals.stored),
        describeVerification(backup),
        keep ? 'keep' : 'remove',
      ]),
      tones: decisions.map(({ keep }) => (keep ? undefined : 'warning')),
    },
    describeReasons(decisions),
  ];
}

function describeBlind({ ending, storage }: Cleanup): Section[] {
  if (ending.kind !== 'stopped' || !ending.blind) return [];
  return [
    {
      kind: 'paragraph',
      text:
        `${storage} lists no backup, although it holds objects: nothing was marked, and nothing removed. Look below backups/ with the ` +
        "storage's own tools. If there are files, its listings lack something: tell its operator. If there are none, and there were, bring them " +
        'back from a copy, or from the versions that the storage keeps. If no backup has ever come to its end here, or all were given up, ' +
        'run a backup first; a cleanup after it removes what it does not need.',
    },
  ];
}

function describeVanished({ vanished }: Cleanup): Section[] {
  if (vanished.length === 0) return [];
  const more = vanished.length - shownKeys;
  const ids = vanished.slice(0, shownKeys).join(', ') + (more > 0 ? ` and ${formatCount(more)} more` : '');
  return [
    {
      kind: 'paragraph',
      text:
        `WARNING: ${formatCounted(vanished.length, 'backup is', 'backups are')} not listed any more, although no cleanup has removed ${vanished.length === 1 ? 'it' : 'them'}: ${ids}. ` +
        'If you deleted these yourself, all is well. If not, somebody else has, or the listing lacks something: look below backups/ before the next ' +
        'cleanup, which takes it as it is. No object was removed in this run.',
    },
  ];
}

function describeCleared({ cleared }: Cleanup): Section[] {
  if (cleared.length === 0) return [];
  return [
    {
      kind: 'paragraph',
      text:
        `Recorded as damaged, and not damaged when it was looked at again: ${cleared.map(({ id }) => id).join(', ')}. It counts as unverified again; ` +
        'what a validation has read was changed on the way to it, and not in the storage. Validate again.',
    },
  ];
}

function describeDamaged({ kind, ending, storage, removed }: Cleanup): Section[] {
  if (ending.kind !== 'stopped' || ending.damaged.length === 0) return [];
  const removals =
    removed.length > 0
      ? 'No object was removed'
      : kind === 'planned'
        ? 'Nothing would be removed'
        : 'Nothing was removed';
  return [
    {
      kind: 'paragraph',
      text:
        `${removals}: which objects the files below need cannot be told, and no cleanup removes any before that is settled. The time of each ` +
        'is in its name. Where a backup or a capture of yours ran then, bring the file back from a copy, or delete it by hand if you give up what it ' +
        `stands for. Where none did, somebody who may write to ${storage} has put it there: delete it, and see who that was. Then run cleanup again.`,
    },
    {
      kind: 'table',
      columns: [{ title: `file in ${storage}`, code: true }, { title: 'what is wrong' }],
      rows: ending.damaged.map(({ id, message }) => [
        id.startsWith('changes/') ? id : manifestKey(id),
        message,
      ]),
    },
  ];
}

function describeFigures(done: Cleanup): Section {
  const { ending, backups, removed, swept, hidden, retained } = done;
  return {
    kind: 'table',
    columns: [{ title: 'what' }, { title: 'value', align: 'right' }],
    rows: [
      ['backups that stay', formatCount(backups - removed.length)],
      ['backups removed', formatCount(removed.length)],
      ...describeChanges(done),
      ...(swept.objects === 0 ? [] : [['objects removed', describeTally(swept)]]),
      ...(hidden.objects === 0
        ? []
        : [
            ['objects hidden behind delete markers', describeTally(hidden)],
            ['bytes freed', formatBytes(swept.bytes)],
          ]),
      ...(done.waiting.length === 0
        ? []
        : [['objects marked, not yet removed', describeTally(sumTallies(done.waiting))]]),
      ...(retained.length === 0 ? [] : [['retained by the storage', formatCount(retained.length)]]),
      ...(ending.kind === 'postponed' ? [['removal of objects', 'postponed to the next run']] : []),
    ],
  };
}

/** Lists the figures of captured changes; none when nothing was ever captured. */
function describeChanges({ kind, ending, changes }: Cleanup): string[][] {
  const { segments, removed, window } = changes;
  if (segments === 0) return [];
  return [
    ['segments of changes that stay', formatCount(segments - removed)],
    ['segments of changes removed', formatCount(removed)],
    ...(ending.kind === 'stopped' && ending.damaged.length > 0
      ? []
      : [
          [
            `any point in time${kind === 'planned' ? ', then' : ''}`,
            window === undefined ? 'none' : formatWindow(window),
          ],
        ]),
  ];
}

function describeTally({ objects, bytes }: Tally): string {
  return objects === 0 ? '0' : `${formatCount(objects)} (${formatBytes(bytes)})`;
}

/**
 * Explains versions: no bytes are freed when the bucket keeps versions and these credentials may not remove
 * them.
 */
function describeHidden({ hidden, hiddenFiles, versions }: Cleanup): Section[] {
  if (hidden.objects + hiddenFiles === 0) {
    if (versions === 0) return [];
    const text = `The bucket keeps versions, and these credentials may remove them: ${formatCounted(versions, 'version')} of what was removed ${versions === 1 ? 'is' : 'are'} gone for good, and the bytes freed.`;
    return [{ kind: 'paragraph', text }];
  }
  const files = [
    ...(hidden.objects === 0 ? [] : [formatCounted(hidden.objects, 'object')]),
    ...(hiddenFiles === 0 ? [] : [formatCounted(hiddenFiles, 'manifest or header', 'manifests and headers')]),
  ].join(' and ');
  return [
    {
      kind: 'paragraph',
      text:
        `The bucket keeps versions: ${files} ${hidden.objects + hiddenFiles === 1 ? 'is' : 'are'} hidden behind delete markers, and the bytes stay, and are paid for, until a lifecycle rule of the bucket ` +
        'expires noncurrent versions. Have such a rule (docs/retention.md shows one), or give cleanup the rights s3:GetBucketVersioning, ' +
        's3:ListBucketVersions and s3:DeleteObjectVersion, with which it removes the versions too.',
    },
  ];
}

function describeRetained({ retained }: Cleanup): Section[] {
  if (retained.length === 0) return [];
  const shown = retained.slice(0, shownKeys);
  const more = retained.length - shown.length;
  const undone = retained.filter(({ confirmed }) => confirmed).length;
  return [
    {
      kind: 'paragraph',
      text:
        'The storage did not let these files go: a retention lock, or credentials without the right to delete. That is no failure; ' +
        'a later cleanup tries again. A backup whose manifest is among them is still there, with all that it needs.' +
        (undone === 0
          ? ''
          : ` WARNING: of ${formatCounted(undone, 'file')} it confirmed the deletion and lists them all the same: ask its operator why.`),
    },
    {
      kind: 'table',
      columns: [
        { title: more > 0 ? `retained (${formatCount(more)} more)` : 'retained', code: true },
        { title: 'until' },
      ],
      rows: shown.map(({ key, until, confirmed }) => [
        key,
        confirmed ? 'its deletion was confirmed' : until === undefined ? 'not told' : formatSecond(until),
      ]),
    },
  ];
}

/** Tells how many bytes will be freed, and when. */
function describeOutlook(done: Cleanup): string {
  const { kind, ending, waiting, gracePeriod } = done;
  if (ending.kind === 'stopped') {
    return ending.damaged.length > 0
      ? 'No bytes are freed before the damaged files are dealt with.'
      : 'No bytes are freed before it is known which backups there are.';
  }
  const reason =
    ending.kind === 'postponed'
      ? ` What is due was left to the next run: ${describePostponement(ending.why, done)}`
      : '';
  const total = sumTallies(waiting);
  if (total.objects === 0) return `Nothing waits to be removed.${reason}`;
  const times = waiting.map(({ markedAt }) => markedAt.getTime() + gracePeriod);
  const [first, last] = [new Date(Math.min(...times)), new Date(Math.max(...times))].map(formatSecond);
  const when = first === last ? `after ${first}` : `between ${first} and ${last}`;
  return (
    `${formatBytes(total.bytes)} in ${formatCounted(total.objects, 'object')} that nothing needs ${kind === 'planned' ? 'would be' : 'are'} freed by ` +
    `the cleanups that run ${when}, ${formatInterval(gracePeriod)} after they were marked.${reason}`
  );
}

function describePostponement(why: Postponement, { vanished }: Cleanup): string {
  if (why.kind === 'hindered') return why.message;
  const more = vanished.length > 1 ? ` and ${vanished.length - 1} more` : '';
  return `${vanished[0]}${more} is not listed any more, although no cleanup has removed it.`;
}
