import { writePattern } from '../../postgres/catalog/table-patterns.ts';
import { formatBytes, formatCount, formatCounted, formatDuration } from '../../report/quantity.ts';
import type { Manifest, TableEntry } from '../../format/manifest.ts';
import type { Supplement } from '../../format/supplement.ts';
import type { NotCarried } from '../../restorer/omission.ts';
import type { Parity, ParityScope } from '../../parity/compare.ts';
import type { Replayed } from '../../restorer/replay/replay.ts';
import { describeEntry, type RestoreSelection } from '../../restorer/archive/selection.ts';
import { describeNotCarried } from '../backup/report.ts';
import type { Outcome, Section } from '../../interface/outcome.ts';
import { countNotCarried, describeParity } from '../../parity/report.ts';
import type { PhaseClock } from '../../runtime/phase-clock.ts';

/** What a restore is about to do, or has done. */
export interface RestoreScope {
  readonly manifest: Manifest;
  readonly target: string;
  /** Whose functions run with more rights than their owners have, for people */
  readonly acting?: string | undefined;
  readonly tables: readonly TableEntry[];
  readonly selection: RestoreSelection;
  readonly supplement: Supplement;
  readonly kind: ParityScope['kind'];
  /** Names of the target's schemas that are the platform's own; empty unless it is a project */
  readonly managed: ReadonlySet<string>;
  /** What this restore leaves out or cannot do; it grows while the restore runs. */
  readonly notCarried: NotCarried[];
  /** What is otherwise than in the source and no loss, for people */
  readonly notes: string[];
  /** How far it was brought beyond the backup; undefined as long as it was not */
  readonly replayed?: Progression;
}

/** What was replayed upon a backup. */
export type Progression = Pick<Replayed, 'transactions' | 'changes' | 'lastCommitAt' | 'endedBefore'> & {
  /** The point in time that was wanted, ISO 8601 */
  readonly until: string;
  /** How many tables were changed */
  readonly tables: number;
};

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

export function describeNotes(notes: readonly string[]): Section[] {
  if (notes.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'otherwise than in the source, and no loss' }],
      rows: notes.map((note) => [note]),
    },
  ];
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
