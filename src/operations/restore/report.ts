import type { Outcome } from '../../interface/outcome.ts';
import type { Parity } from '../../parity/compare.ts';
import { countNotCarried, describeParity } from '../../parity/report.ts';
import { describeEntry } from '../../postgres/client/table-of-contents.ts';
import { formatBytes, formatCount, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { RestoreScope } from '../../restorer/scope.ts';
import type { PhaseClock } from '../../runtime/phase-clock.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { describeNotCarried, describeNotes } from '../sections/omissions.ts';

const shownTables = 20;

/** The plan, for a dry run: what would be created, and what would not. */
export function describePlan(scope: RestoreScope, clock: PhaseClock): Outcome {
  const { manifest, target, tables } = scope;
  const largest = tables.toSorted((one, other) => other.bytes - one.bytes).slice(0, shownTables);
  return {
    exitCode: 0,
    outputs: summarize(scope, 'skipped', clock),
    report: [
      { kind: 'heading', text: `Plan: restore backup ${manifest.id} into ${target}` },
      {
        kind: 'paragraph',
        text: `Nothing was changed. The backup shows the database as of ${manifest.source.snapshotAt}. A restore would bring ${describeAmount(scope)}.`,
      },
      {
        kind: 'table',
        columns: [
          { title: largest.length < tables.length ? `the ${shownTables} largest tables` : 'table' },
          { title: 'rows', align: 'right' },
          { title: 'bytes', align: 'right' },
        ],
        rows: largest.map((table) => [
          writePattern(table),
          formatCount(table.rows),
          formatBytes(table.bytes),
        ]),
      },
      ...describeActs(scope),
      ...describeOmissions(scope),
    ],
  };
}

function describeActs({ acting }: RestoreScope): Section[] {
  return acting === undefined ? [] : [{ kind: 'paragraph', text: acting }];
}

/** The result of a restore; `parity` is undefined when nothing was compared. */
export function describeRestore(scope: RestoreScope, parity: Parity | undefined, clock: PhaseClock): Outcome {
  const verdict = parity === undefined ? 'skipped' : parity.equal ? 'equal' : 'different';
  return {
    exitCode: verdict === 'different' || scope.notCarried.some(({ lost }) => lost === true) ? 3 : 0,
    outputs: {
      ...summarize(scope, verdict, clock),
      'recovered-to': scope.replayed?.until ?? '',
      'not-carried': countNotCarried(parity),
    },
    report: [
      { kind: 'heading', text: `Restore of backup ${scope.manifest.id} into ${scope.target}` },
      {
        kind: 'table',
        columns: [{ title: 'phase' }, { title: 'time', align: 'right' }],
        rows: Object.entries(clock.milliseconds()).map(([phase, elapsed]) => [
          phase,
          formatDuration(elapsed),
        ]),
      },
      { kind: 'paragraph', text: `Restored ${describeAmount(scope)}.` },
      ...describeReplay(scope),
      ...describeActs(scope),
      ...describeOmissions(scope),
      ...(parity === undefined
        ? []
        : describeParity(parity, scope.replayed?.until ?? scope.manifest.source.snapshotAt)),
    ],
  };
}

function describeReplay({ replayed }: RestoreScope): Section[] {
  if (replayed === undefined) return [];
  const { until, transactions, changes, tables, lastCommitAt, endedBefore } = replayed;
  const amount =
    transactions === 0
      ? 'nothing was committed in between'
      : `${formatCounted(changes, 'change')} of ${formatCounted(transactions, 'transaction')} in ${formatCounted(tables, 'table')}, the last committed at ${lastCommitAt}`;
  const next = endedBefore === null ? '' : `; the next transaction, of ${endedBefore}, was left out`;
  return [{ kind: 'paragraph', text: `Brought to ${until}: ${amount}${next}.` }];
}

function summarize(
  { manifest, tables }: RestoreScope,
  parity: 'equal' | 'different' | 'skipped',
  clock: PhaseClock,
): Outcome['outputs'] {
  return {
    'backup-id': manifest.id,
    tables: tables.length,
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    parity,
    'duration-seconds': Math.round(clock.elapsed() / 100) / 10,
  };
}

function describeAmount({ tables, selection }: RestoreScope): string {
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  return `${formatCounted(tables.length, 'table')} with ${formatCounted(rows, 'row')} (${formatBytes(bytes)}), by ${formatCounted(selection.entries.length, 'entry', 'entries')} of the archive`;
}

function describeOmissions({ manifest, selection, notCarried, notes }: RestoreScope): Section[] {
  const sections: Section[] = describeNotes(notes);
  if (selection.leftOut.length > 0 || selection.definitionsOnly.length > 0) {
    sections.push(
      { kind: 'paragraph', text: 'Left out, because something it needs is not restored:' },
      {
        kind: 'table',
        columns: [{ title: 'left out' }, { title: 'because of' }],
        rows: [
          ...selection.leftOut.map(({ entry, needs }) => [describeEntry(entry), describeEntry(needs)]),
          ...selection.definitionsOnly.map((entry) => [
            `rows of ${describeEntry(entry)}`,
            'only its definition is needed',
          ]),
        ],
      },
    );
  }
  if (notCarried.length > 0) {
    sections.push(
      { kind: 'paragraph', text: 'Not brought by this restore:' },
      {
        kind: 'table',
        columns: [{ title: 'what' }, { title: 'why' }, { title: 'remedy' }],
        rows: notCarried.map((item) => [item.what, item.why, item.remedy]),
      },
    );
  }
  return [...sections, ...describeNotCarried(manifest)];
}
