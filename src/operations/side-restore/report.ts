import type { Outcome } from '../../interface/outcome.ts';
import type { Omission } from '../../parity/scope.ts';
import { isAboutRows } from '../../parity/subject.ts';
import { formatBytes, formatCount, formatCounted } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { RowDifference } from '../../restorer/side/row-difference.ts';
import type { SideTable } from '../../restorer/side/tables.ts';
import { assertNever } from '../../runtime/errors.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { describeOmitted } from '../sections/omissions.ts';
import { describePhases } from '../sections/phases.ts';
import { withReadings } from '../sections/readings-report.ts';
import type { ComparedAside, PlannedAside, SideRestore, SideScope } from './result.ts';

export function describeAside(done: SideRestore): Outcome {
  return withReadings(describeEnd(done), done.readFrom);
}

function describeEnd(done: SideRestore): Outcome {
  switch (done.kind) {
    case 'planned':
      return describePlanned(done);
    case 'compared':
      return describeCompared(done);
    default:
      return assertNever(done);
  }
}

function describePlanned({ scope, elapsed }: PlannedAside): Outcome {
  const { manifest, target, schema, tables } = scope;
  return {
    exitCode: 0,
    outputs: summarize(scope, elapsed),
    report: [
      {
        kind: 'heading',
        text: `Plan: restore rows of backup ${manifest.id} into the schema ${schema} of ${target}`,
        tone: 'good',
      },
      {
        kind: 'paragraph',
        text: `Nothing was changed. The backup shows the database as of ${manifest.source.snapshotAt}. A restore would make the schema, fill these tables in it, and compare them with the live ones.`,
      },
      {
        kind: 'table',
        columns: [
          { title: 'table' },
          { title: 'side table' },
          { title: 'compared by' },
          { title: 'rows', align: 'right' },
          { title: 'bytes', align: 'right' },
        ],
        rows: tables.map((table) => [
          describeTable(table),
          `${schema}.${table.sideName}`,
          describeKey(table),
          formatCount(sum(table.parts.map((part) => part.rows))),
          formatBytes(sum(table.parts.map((part) => part.bytes))),
        ]),
      },
      ...describeOmitted(
        'Not compared or not brought back:',
        tables.flatMap((table) => listOmissions(scope, table)),
      ),
      ...describeRelated(scope),
    ],
  };
}

/**
 * Reports the comparison, and the SQL that brings rows back or the file that holds it. Only keys of rows are
 * shown, because a job summary may be public.
 */
function describeCompared({ scope, findings, file, phases, elapsed }: ComparedAside): Outcome {
  const { differences, sql } = findings;
  const { manifest, target, schema } = scope;
  const total = (which: 'missing' | 'changed' | 'added') => sum(differences.map((line) => line[which]));
  return {
    exitCode: 0,
    outputs: {
      ...summarize(scope, elapsed),
      'rows-missing': total('missing'),
      'rows-changed': total('changed'),
      'rows-added': total('added'),
    },
    report: [
      {
        kind: 'heading',
        text: `Backup ${manifest.id} beside the live tables of ${target}: ${formatCount(total('missing'))} missing, ${formatCount(total('changed'))} changed, ${formatCount(total('added'))} new`,
        tone: 'good',
      },
      {
        kind: 'paragraph',
        text: `The rows of ${manifest.source.snapshotAt} are in the schema ${schema}, for this role alone. Compared with the backup, the live tables are missing ${formatCounted(total('missing'), 'row')}, ${formatCount(total('changed'))} ${total('changed') === 1 ? 'differs' : 'differ'}, and ${formatCount(total('added'))} ${total('added') === 1 ? 'is' : 'are'} new.`,
      },
      ...describeDifferences(schema, differences),
      ...describeExamples(differences),
      ...describeOmitted('Not compared or not brought back:', [
        ...manifest.notCarried.filter(isAboutRows),
        ...differences.flatMap((difference) => listOmissions(scope, difference.table, difference)),
      ]),
      ...describeRelated(scope),
      ...describeSql(sql, file),
      {
        kind: 'paragraph',
        text: `The tables of ${schema} are unlogged: a crash of the server empties them. Backups include them until the schema is dropped: drop it when you need nothing of it any more.`,
      },
      ...describePhases(phases),
    ],
  };
}

function summarize({ manifest, tables }: SideScope, elapsed: number): Outcome['outputs'] {
  const parts = tables.flatMap((table) => table.parts);
  return {
    'backup-id': manifest.id,
    tables: parts.length,
    rows: sum(parts.map((part) => part.rows)),
    parity: 'skipped',
    'duration-seconds': Math.round(elapsed / 100) / 10,
  };
}

function describeDifferences(schema: string, differences: readonly RowDifference[]): Section[] {
  return [
    {
      kind: 'table',
      columns: [
        { title: 'table' },
        { title: 'side table' },
        { title: 'compared by' },
        { title: 'missing', align: 'right' },
        { title: 'changed', align: 'right' },
        { title: 'only live', align: 'right' },
        { title: 'changed columns' },
      ],
      rows: differences.map(({ table, missing, changed, added, changedColumns }) => [
        describeTable(table),
        `${schema}.${table.sideName}`,
        describeKey(table),
        formatCount(missing),
        table.key === undefined ? '–' : formatCount(changed),
        formatCount(added),
        changedColumns.map(({ name, rows }) => `${name} (${formatCount(rows)})`).join(', '),
      ]),
    },
  ];
}

function describeExamples(differences: readonly RowDifference[]): Section[] {
  const titles = { missing: 'missing', changed: 'changed', added: 'only live' } as const;
  const rows = differences.flatMap(({ table, examples, ...counts }) =>
    (['missing', 'changed', 'added'] as const)
      .filter((which) => examples[which].length > 0)
      .map((which) => {
        const more = counts[which] - examples[which].length;
        return [
          writePattern(table),
          titles[which],
          `${examples[which].join(', ')}${more > 0 ? `, and ${formatCount(more)} more` : ''}`,
        ];
      }),
  );
  if (rows.length === 0) return [];
  return [{ kind: 'table', columns: [{ title: 'table' }, { title: 'rows' }, { title: 'keys' }], rows }];
}

/**
 * Lists what of a table cannot be compared or brought back. Without `difference`, before the comparison, the
 * list holds only what the catalog tells.
 */
function listOmissions({ schema }: SideScope, table: SideTable, difference?: RowDifference): Omission[] {
  const name = writePattern(table);
  const side = `${schema}.${table.sideName}`;
  if (table.live === undefined) {
    return [
      {
        what: name,
        why: 'the database has no such table any more; its rows come with all columns as text',
        remedy: `Restore it straight, with its definition: include ${name}, without side-schema, into an empty database.`,
      },
    ];
  }
  return [
    ...listColumns(table, side),
    ...listKeyless(table, difference),
    ...(difference === undefined ? [] : listUnwritable(table, difference)),
  ];
}

function listColumns(table: SideTable, side: string): Omission[] {
  const live = new Map(table.live?.columns.map((column) => [column.name, column]));
  return table.columns
    .filter((column) => !column.shared)
    .map((column) => {
      const now = live.get(column.name);
      const remedy = `The backup's values are in ${side}.`;
      const what = `column ${writePattern(table)}.${column.name}`;
      if (now === undefined) return { what, why: 'the live table no longer has it', remedy };
      if (now.generated) return { what, why: 'the live table computes it by now', remedy };
      return {
        what,
        why: `values of the backup are not of its type ${now.type}`,
        remedy: `${remedy} They are text there.`,
      };
    });
}

function listKeyless(table: SideTable, difference: RowDifference | undefined): Omission[] {
  if (table.key !== undefined || (difference && difference.missing + difference.added === 0)) return [];
  return [
    {
      what: `changed rows of ${writePattern(table)}`,
      why: 'it has no primary key or unique index without nulls that tells the rows of both apart, so whole rows are compared',
      remedy:
        'A changed row counts as missing and as only live, and the SQL brings its old version beside the new: look first.',
    },
  ];
}

function listUnwritable(table: SideTable, { missing, changedColumns }: RowDifference): Omission[] {
  const brought = new Set(table.columns.filter(({ shared }) => shared).map((column) => column.name));
  const columns = table.live?.columns ?? [];
  const required = columns.filter(
    (column) => column.required && !column.generated && !brought.has(column.name),
  );
  const changed = new Set(changedColumns.map((column) => column.name));
  return [
    ...(missing === 0 ? [] : required).map((column) => ({
      what: `missing rows of ${writePattern(table)}`,
      why: `the live table wants a value for ${column.name}, which the backup does not have`,
      remedy: 'Give the column a default, or add a value to the INSERT.',
    })),
    ...columns
      .filter((column) => column.identityAlways && changed.has(column.name))
      .map((column) => ({
        what: `changes of ${writePattern(table)}.${column.name}`,
        why: 'it is GENERATED ALWAYS AS IDENTITY, which no UPDATE may set',
        remedy: 'Delete these rows and insert them from the side table.',
      })),
  ];
}

/**
 * Names related tables that are not included: a deleted row took referring rows with it, and a row that is
 * brought back needs the rows that it refers to.
 */
function describeRelated({ followers, parents }: SideScope): Section[] {
  const say = (names: readonly { schema: string; name: string }[], text: string): Section[] =>
    names.length === 0
      ? []
      : [{ kind: 'paragraph', text: `${text}: ${names.map(writePattern).join(', ')}.` }];
  return [
    ...say(
      followers,
      'These tables are not included. Their rows may have been deleted or cleared together with rows that they refer to',
    ),
    ...say(parents, 'These tables are not included. Rows that are brought back may refer to rows of them'),
  ];
}

function describeSql(sql: string, file: string | undefined): Section[] {
  if (file !== undefined) {
    return [
      {
        kind: 'paragraph',
        text: `The SQL that brings rows back is in ${file}. Review it, then run it with psql --file.`,
      },
    ];
  }
  return [
    { kind: 'paragraph', text: 'The SQL that brings rows back, to be reviewed first:' },
    { kind: 'code', language: 'sql', text: sql },
  ];
}

function describeTable(table: SideTable): string {
  if (table.whole) return writePattern(table);
  return `${writePattern(table)} (${table.parts.map((part) => part.name).join(', ')})`;
}

function describeKey({ live, key }: SideTable): string {
  if (live === undefined) return 'nothing: it is gone';
  return key === undefined ? 'whole rows' : key.map((column) => column.name).join(', ');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
