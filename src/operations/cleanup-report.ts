import { formatBytes, formatCount, formatCounted } from '../report/quantity.ts';
import { manifestKey } from '../repository/backups.ts';
import type { MarkedTally, Tally } from '../repository/marks.ts';
import { formatInterval } from '../repository/retention.ts';
import type { Cleanup } from './cleanup.ts';
import { describeVerification } from './list-report.ts';
import type { Outcome, Section } from './outcome.ts';
import { formatWindow } from './windows.ts';

/** Of what a storage did not let go, so many keys are named. */
const shownKeys = 20;

export function describeCleanup(done: Cleanup): Outcome {
  return {
    exitCode: done.damaged.length === 0 ? 0 : 3,
    outputs: {
      backups: done.backups - done.removed.length,
      removed: done.removed.length,
      'removed-objects': done.swept.objects,
      'removed-bytes': done.swept.bytes,
      'marked-objects': sumWaiting(done).objects,
      retained: done.retained.length,
    },
    report: [
      { kind: 'heading', text: describeTitle(done) },
      ...describePlan(done),
      ...describeDamaged(done),
      describeFigures(done),
      ...describeRetained(done),
      { kind: 'paragraph', text: describeOutlook(done) },
    ],
  };
}

/** What is marked and not swept. */
export function sumWaiting(done: Cleanup): Tally {
  const waiting = listWaiting(done);
  return {
    objects: waiting.reduce((sum, { objects }) => sum + objects, 0),
    bytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function listWaiting({ marked, isSwept }: Cleanup): MarkedTally[] {
  return marked.filter(({ markedAt }) => !isSwept(markedAt));
}

function describeTitle({ inputs, damaged, removed }: Cleanup): string {
  const title = inputs.dryRun ? 'Cleanup, dry run' : 'Cleanup';
  if (damaged.length > 0) return `${title}: stopped by ${formatCounted(damaged.length, 'damaged file')}`;
  const what = removed.length === 0 ? 'no backup' : formatCounted(removed.length, 'backup');
  return `${title}: ${what} ${inputs.dryRun ? 'would be removed' : 'removed'}`;
}

function describePlan({ decisions }: Cleanup): Section[] {
  if (decisions.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [
        { title: 'backup' },
        { title: 'taken' },
        { title: 'kind' },
        { title: 'size', align: 'right' },
        { title: 'verified' },
        { title: 'plan' },
        { title: 'why' },
      ],
      rows: decisions.map(({ backup, keep, reasons }) => [
        backup.id,
        formatTime(backup.snapshotAt),
        backup.kind,
        formatBytes(backup.totals.stored),
        describeVerification(backup),
        keep ? 'keep' : 'remove',
        reasons.join('; '),
      ]),
    },
  ];
}

function describeDamaged({ damaged, inputs, removed }: Cleanup): Section[] {
  if (damaged.length === 0) return [];
  const removals =
    removed.length > 0
      ? 'No object was removed'
      : inputs.dryRun
        ? 'Nothing would be removed'
        : 'Nothing was removed';
  return [
    {
      kind: 'paragraph',
      text:
        `${removals}: which objects the files below need cannot be told, and no cleanup removes any before that is settled. The time of each ` +
        'is in its name. Where a backup or a capture of yours ran then, bring the file back from a copy, or delete it by hand if you give up what it ' +
        `stands for. Where none did, somebody who may write to ${inputs.storage} has put it there: delete it, and see who that was. Then run cleanup again.`,
    },
    {
      kind: 'table',
      columns: [{ title: `file in ${inputs.storage}` }, { title: 'what is wrong' }],
      rows: damaged.map(({ id, message }) => [id.startsWith('changes/') ? id : manifestKey(id), message]),
    },
  ];
}

function describeFigures(done: Cleanup): Section {
  const { inputs, backups, removed, swept, retained, postponed } = done;
  const waiting = sumWaiting(done);
  return {
    kind: 'table',
    columns: [{ title: 'what' }, { title: '', align: 'right' }],
    rows: [
      ['backups that stay', formatCount(backups - removed.length)],
      ['backups removed', formatCount(removed.length)],
      ...describeChanges(done),
      ['objects removed', describeTally(swept)],
      ['objects marked, not yet removed', describeTally(waiting)],
      ['retained by the storage', inputs.dryRun ? 'not known before' : formatCount(retained.length)],
      ...(postponed === undefined ? [] : [['removal of objects', 'postponed to the next run']]),
    ],
  };
}

/** Nothing where nothing was ever captured */
function describeChanges({ changes, inputs, damaged }: Cleanup): string[][] {
  const { segments, removed, window } = changes;
  if (segments === 0) return [];
  return [
    ['segments of changes that stay', formatCount(segments - removed)],
    ['segments of changes removed', formatCount(removed)],
    ...(damaged.length > 0
      ? []
      : [
          [
            `any point in time${inputs.dryRun ? ', then' : ''}`,
            window === undefined ? 'none' : formatWindow(window),
          ],
        ]),
  ];
}

function describeTally({ objects, bytes }: Tally): string {
  return objects === 0 ? '0' : `${formatCount(objects)} (${formatBytes(bytes)})`;
}

function describeRetained({ retained }: Cleanup): Section[] {
  if (retained.length === 0) return [];
  const shown = retained.slice(0, shownKeys);
  const more = retained.length - shown.length;
  return [
    {
      kind: 'paragraph',
      text:
        'The storage did not let these files go: a retention lock, or credentials without the right to delete. That is no failure; ' +
        'a later cleanup tries again. A backup whose manifest is among them is still there, with all that it needs.',
    },
    {
      kind: 'table',
      columns: [{ title: more > 0 ? `retained (${formatCount(more)} more)` : 'retained' }],
      rows: shown.map((key) => [key]),
    },
  ];
}

/** How many bytes will be freed, and when. */
function describeOutlook(done: Cleanup): string {
  const { inputs, postponed, damaged } = done;
  const waiting = listWaiting(done);
  const total = sumWaiting(done);
  if (damaged.length > 0) return 'No bytes are freed before the damaged files are dealt with.';
  const reason = postponed === undefined ? '' : ` What is due was left to the next run: ${postponed}`;
  if (total.objects === 0) return `Nothing waits to be removed.${reason}`;
  const times = waiting.map(({ markedAt }) => markedAt.getTime() + inputs.gracePeriod);
  const [first, last] = [new Date(Math.min(...times)), new Date(Math.max(...times))].map(formatTime);
  const when = first === last ? `after ${first}` : `between ${first} and ${last}`;
  return (
    `${formatBytes(total.bytes)} in ${formatCounted(total.objects, 'object')} that nothing needs ${inputs.dryRun ? 'would be' : 'are'} freed by ` +
    `the cleanups that run ${when}, ${formatInterval(inputs.gracePeriod)} after they were marked.${reason}`
  );
}

/** `2026-11-20 02:17:01Z` */
function formatTime(time: Date): string {
  return time.toISOString().replace('T', ' ').replace(/\.\d+/, '');
}
