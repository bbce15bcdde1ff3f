import { formatBytes, formatCount, formatCounted, formatDuration } from '../report/quantity.ts';
import type { Manifest, TableEntry } from '../repository/manifest.ts';
import type { Parity, ParityLine } from '../target/parity.ts';
import { describeEntry, type RestoreSelection } from '../target/selection.ts';
import { describeNotCarried } from './backup-report.ts';
import type { Outcome, Section } from './outcome.ts';
import type { PhaseClock } from './phases.ts';

/** What a restore is about to do, or has done. */
export interface RestoreScope {
  readonly manifest: Manifest;
  readonly target: string;
  readonly tables: readonly TableEntry[];
  readonly selection: RestoreSelection;
}

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
          `${table.schema}.${table.name}`,
          formatCount(table.rows),
          formatBytes(table.bytes),
        ]),
      },
      ...describeOmissions(scope),
    ],
  };
}

/** The result of a restore; `parity` is undefined when nothing was compared. */
export function describeRestore(scope: RestoreScope, parity: Parity | undefined, clock: PhaseClock): Outcome {
  const verdict = parity === undefined ? 'skipped' : parity.equal ? 'equal' : 'different';
  return {
    exitCode: verdict === 'different' ? 3 : 0,
    outputs: summarize(scope, verdict, clock),
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
      ...describeOmissions(scope),
      ...(parity === undefined ? [] : describeParity(parity)),
    ],
  };
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

function describeOmissions({ manifest, selection }: RestoreScope): Section[] {
  const sections: Section[] = [];
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
  return [...sections, ...describeNotCarried(manifest)];
}

/** Every difference, and otherwise a line per kind: a table of 2,000 equal tables would hide the one that is not. */
export function describeParity(parity: Parity): Section[] {
  const groups: readonly (readonly [string, readonly ParityLine[]])[] = [
    ['tables: rows and content', parity.tables],
    ['sequences', parity.sequences],
    ['kinds of objects', parity.objects],
  ];
  const different = groups.flatMap(([, lines]) => lines.filter((line) => !line.equal));
  return [
    { kind: 'heading', text: parity.equal ? 'Parity: equal' : 'Parity: DIFFERENT' },
    {
      kind: 'table',
      columns: [
        { title: 'compared' },
        { title: 'equal', align: 'right' },
        { title: 'different', align: 'right' },
      ],
      rows: groups.map(([title, lines]) => {
        const equal = lines.filter((line) => line.equal).length;
        return [title, formatCount(equal), formatCount(lines.length - equal)];
      }),
    },
    ...(different.length === 0
      ? []
      : ([
          {
            kind: 'table',
            columns: [{ title: 'different' }, { title: 'in the backup' }, { title: 'in the target' }],
            rows: different.map((line) => [line.what, line.expected, line.found]),
          },
        ] as const)),
  ];
}
