import { qualifiedName } from '../../postgres/catalog/tables.ts';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { compare } from '../../values/ordering.ts';
import type { ForeignKey, LiveTable, OwnedSequence } from './live-table.ts';
import {
  differs,
  matchKeys,
  nameLive,
  type RowDifference,
  rowText,
  sharedColumns,
} from './row-difference.ts';
import { identify, type SideTable } from './tables.ts';

/** What the repair SQL is written from. */
export interface BringBack {
  /** The side schema */
  readonly schema: string;
  readonly backup: string;
  /** Time of the backup's snapshot, ISO 8601 */
  readonly snapshotAt: string;
  /** Parents before the tables that refer to them */
  readonly differences: readonly RowDifference[];
  readonly lagging: readonly LaggingSequence[];
  /** Tables that refer to each other in a circle, so that no order is right */
  readonly circular: readonly string[];
}

/** A sequence that would hand out a number that a row which is brought back already has. */
export interface LaggingSequence {
  readonly table: SideTable;
  readonly sequence: OwnedSequence;
}

/** Whether the SQL would do anything. */
export function isAnythingToBring({ differences }: BringBack): boolean {
  return differences.some(({ table, missing, changed }) => table.live !== undefined && missing + changed > 0);
}

/**
 * Writes one transaction that inserts missing rows. Updates of changed rows are commented out, for the user
 * to enable.
 */
export function writeBringBack(work: BringBack): string {
  const there = work.differences.filter(({ table }) => table.live !== undefined);
  const inserts = there.filter(({ missing }) => missing > 0);
  const updates = there.filter(({ changed }) => changed > 0);
  const triggers = listTriggers([...inserts, ...updates]);
  const guarded = triggers.length === 0 ? [] : inserts.filter(({ table }) => table.key !== undefined);
  return [
    ...writeHead(work),
    'BEGIN;',
    '',
    '-- Rather fail than overlook a row that row level security hides; compare numbers to the last digit.',
    'SET LOCAL row_security = off;',
    'SET LOCAL extra_float_digits = 3;',
    'SET CONSTRAINTS ALL DEFERRED;',
    ...writeCautions(work, triggers),
    ...guarded.flatMap((difference, index) => writeNote(work.schema, difference, index)),
    ...inserts.flatMap((difference) => ['', ...writeInsert(work.schema, difference)]),
    ...guarded.flatMap((difference, index) => writeCorrection(work.schema, difference, index)),
    ...(updates.length === 0
      ? []
      : ['', '-- Optional: rows that were changed since the backup. Take the comment off to set them back.']),
    ...updates.flatMap((difference) => ['', ...writeUpdate(work.schema, difference)]),
    ...work.lagging.flatMap((lagging) => ['', ...writeSetval(work.schema, lagging)]),
    '',
    'COMMIT;',
    '',
    '-- When nothing is needed of it any more:',
    ...commentOut(`DROP SCHEMA ${quoteIdentifier(work.schema)} CASCADE;`),
    '',
  ].join('\n');
}

function writeHead(work: BringBack): string[] {
  const gone = work.differences.filter(({ table }) => table.live === undefined);
  return [
    '-- review first',
    `-- Brings rows of backup ${work.backup} of ${work.snapshotAt} back from the schema ${oneLine(work.schema)} into the live tables.`,
    '-- Nothing is deleted, and what was added since the backup stays.',
    ...(isAnythingToBring(work) ? [] : ['-- The live tables lack nothing of it: there is nothing to do.']),
    ...gone.map(
      ({ table }) => `-- ${label(table)}: the database has no such table any more, so it is left out.`,
    ),
    '',
  ];
}

function listTriggers(differences: readonly RowDifference[]): string[] {
  const names = differences.flatMap(({ table }) =>
    (table.live?.triggers ?? []).map((name) => `${label(table)} ${oneLine(name)}`),
  );
  return [...new Set(names)];
}

function writeCautions({ circular }: BringBack, triggers: readonly string[]): string[] {
  if (triggers.length === 0 && circular.length === 0) return [];
  return [
    '',
    ...(triggers.length === 0 ? [] : [`-- Triggers that this sets off: ${triggers.join(', ')}.`]),
    ...(circular.length === 0
      ? []
      : [`-- Refer to each other in a circle: ${circular.map(oneLine).join(', ')}.`]),
    '-- Take the comment off to run no triggers and to check no foreign keys; not every role may.',
    '-- SET LOCAL session_replication_role = replica;',
  ];
}

/**
 * Writes a note of the missing rows before the first INSERT, because a trigger on one table may add rows to
 * another: a profile to each user.
 */
function writeNote(schema: string, { table }: RowDifference, index: number): string[] {
  const key = (table.key ?? []).map(({ name }) => `s.${quoteIdentifier(name)}`);
  return [
    '',
    `-- ${label(table)}: what is missing, before a trigger adds rows of its own`,
    `CREATE TEMPORARY TABLE missing_${index + 1} ON COMMIT DROP AS`,
    `SELECT ${key.join(', ')}`,
    `FROM ${quoteQualified(schema, table.sideName)} AS s`,
    ...withoutPartner(table),
  ];
}

function writeCorrection(schema: string, { table }: RowDifference, index: number): string[] {
  const key = table.key ?? [];
  const fixed = new Set([...key.map(({ name }) => name), ...listFixed(table)]);
  const columns = sharedColumns(table).filter((name) => !fixed.has(name));
  if (columns.length === 0) return [];
  return [
    '',
    `-- ${label(table)}: missing rows that a trigger has added meanwhile get the values of the backup`,
    ...writeSet(table, columns),
    `FROM ${quoteQualified(schema, table.sideName)} AS s`,
    `JOIN pg_temp.missing_${index + 1} AS m ON ${readable(matchKeys(key, 'm', 's'))}`,
    `WHERE ${readable(matchKeys(key))}`,
    `  AND ${differs(columns)};`,
  ];
}

function writeSet(table: SideTable, columns: readonly string[]): string[] {
  return [
    `UPDATE ${nameLive(table)} AS l`,
    `SET ${columns.map((name) => `${quoteIdentifier(name)} = s.${quoteIdentifier(name)}`).join(', ')}`,
  ];
}

/** Columns that no UPDATE may set. */
function listFixed(table: SideTable): string[] {
  return (table.live?.columns ?? []).filter((column) => column.identityAlways).map(({ name }) => name);
}

function writeInsert(schema: string, { table, missing }: RowDifference): string[] {
  const columns = sharedColumns(table);
  const side = quoteQualified(schema, table.sideName);
  const caution =
    table.key === undefined
      ? '; without a key, a changed row counts too and comes beside its new version'
      : '';
  const title = `-- ${label(table)}: ${missing} missing${caution}`;
  if (columns.length === 0)
    return [`${title}; it shares no column with the backup, so none can be brought back.`];
  return [
    title,
    `INSERT INTO ${quoteQualified(table.schema, table.name)} (${columns.map(quoteIdentifier).join(', ')})`,
    'OVERRIDING SYSTEM VALUE',
    `SELECT ${columns.map((name) => `s.${quoteIdentifier(name)}`).join(', ')}`,
    `FROM ${side} AS s`,
    ...(table.key === undefined ? surplusRows(side, table, columns) : withoutPartner(table)),
  ];
}

function withoutPartner(table: SideTable): string[] {
  return [
    `WHERE NOT EXISTS (SELECT FROM ${nameLive(table)} AS l WHERE ${readable(matchKeys(table.key ?? []))});`,
  ];
}

/** Of equal rows the backup may have more than the live table: the surplus is missing. */
function surplusRows(side: string, table: SideTable, columns: readonly string[]): string[] {
  const counted = rowText('s', columns);
  return [
    `JOIN (SELECT s.ctid AS place, ${counted} AS content, row_number() OVER (PARTITION BY ${counted}) AS copy FROM ${side} AS s) AS b`,
    '  ON b.place = s.ctid',
    `LEFT JOIN (SELECT ${rowText('l', columns)} AS content, count(*) AS copies FROM ${nameLive(table)} AS l GROUP BY 1) AS n`,
    '  ON n.content = b.content',
    'WHERE b.copy > coalesce(n.copies, 0);',
  ];
}

function writeUpdate(schema: string, { table, changed, changedColumns }: RowDifference): string[] {
  const fixed = new Set(
    table.live?.columns.filter((column) => column.identityAlways).map(({ name }) => name),
  );
  const columns = changedColumns.map(({ name }) => name).filter((name) => !fixed.has(name));
  const title = `-- ${label(table)}: ${changed} changed, in ${changedColumns
    .map(({ name, rows }) => `${oneLine(name)} (${rows})`)
    .join(', ')}`;
  if (columns.length === 0) return [title];
  return [
    title,
    ...[
      ...writeSet(table, columns),
      `FROM ${quoteQualified(schema, table.sideName)} AS s`,
      `WHERE ${readable(matchKeys(table.key ?? []))}`,
      `  AND ${differs(columns)};`,
    ].flatMap(commentOut),
  ];
}

function writeSetval(schema: string, { table, sequence }: LaggingSequence): string[] {
  const name = quoteQualified(sequence.schema, sequence.name);
  const [aggregate, furthest] = sequence.ascending ? ['max', 'greatest'] : ['min', 'least'];
  const rows = `(SELECT ${aggregate}(${quoteIdentifier(sequence.column)}) FROM ${quoteQualified(schema, table.sideName)})`;
  const statement = `SELECT setval(${quoteLiteral(name).trim()}, ${furthest}(${rows}, (SELECT last_value FROM ${name})));`;
  return sequence.lastValue === null
    ? [
        `-- The sequence of ${label(table)} may not be read; it has to stand behind the numbers that are brought back.`,
        ...commentOut(statement),
      ]
    : [`-- The sequence of ${label(table)} stands before numbers that are brought back.`, statement];
}

/** Finds the sequences to move: rows are brought back with numbers that these have yet to hand out. */
export async function findLagging(
  session: Session,
  schema: string,
  { table, missing }: RowDifference,
): Promise<LaggingSequence[]> {
  if (missing === 0) return [];
  const shared = new Set(sharedColumns(table));
  const lagging: LaggingSequence[] = [];
  for (const sequence of table.live?.sequences ?? []) {
    if (!shared.has(sequence.column)) continue;
    const aggregate = sequence.ascending ? 'max' : 'min';
    const [row] = await session.query<{ value: string | null }>(
      `SELECT ${aggregate}(${quoteIdentifier(sequence.column)})::text AS value FROM ${quoteQualified(schema, table.sideName)}`,
    );
    if (row?.value != null && isBefore(sequence, BigInt(row.value))) lagging.push({ table, sequence });
  }
  return lagging;
}

function isBefore({ lastValue, ascending }: OwnedSequence, value: bigint): boolean {
  if (lastValue === null) return true;
  return ascending ? BigInt(lastValue) < value : BigInt(lastValue) > value;
}

/**
 * Orders tables so that parents come before the tables that refer to them. Tables in a circle come in any
 * order, and are returned as `circular`.
 */
export function orderByReferences(
  tables: readonly SideTable[],
  foreignKeys: readonly ForeignKey[],
): { ordered: SideTable[]; circular: string[] } {
  const left = new Set(tables);
  const names = new Map(tables.map((table) => [identify(table), table]));
  const parents = Map.groupBy(foreignKeys, ({ from }) => identify(from));
  const waits = (table: SideTable) =>
    (parents.get(identify(table)) ?? []).some(({ to }) => {
      const parent = names.get(identify(to));
      return parent !== undefined && parent !== table && left.has(parent);
    });
  const ordered: SideTable[] = [];
  const circular: string[] = [];
  while (left.size > 0) {
    const ready = [...left].filter((table) => !waits(table));
    if (ready.length === 0) circular.push(...[...left].map(qualifiedName));
    // A table behind a circle waits for it, too, so all that are left come as they are.
    for (const table of ready.length === 0 ? [...left] : ready) {
      ordered.push(table);
      left.delete(table);
    }
  }
  return { ordered, circular };
}

/**
 * Finds tables beside the chosen ones: `followers`, in which rows were deleted or cleared with those of
 * chosen tables, directly or indirectly; `parents`, which chosen tables refer to.
 */
export function findRelated(
  tables: readonly SideTable[],
  foreignKeys: readonly ForeignKey[],
): { followers: LiveName[]; parents: LiveName[] } {
  const chosen = new Set(tables.map(identify));
  const deletes = new Set(chosen);
  const followers = new Map<string, LiveName>();
  for (let before = -1; before !== deletes.size; ) {
    before = deletes.size;
    for (const { from, to, onDelete } of foreignKeys) {
      if (onDelete === undefined || !deletes.has(identify(to))) continue;
      if (!chosen.has(identify(from))) followers.set(identify(from), from);
      if (onDelete === 'delete') deletes.add(identify(from));
    }
  }
  const parents = foreignKeys.filter(
    ({ from, to }) => chosen.has(identify(from)) && !chosen.has(identify(to)),
  );
  return {
    followers: [...followers.values()].sort((one, other) => compare(identify(one), identify(other))),
    parents: [...new Map(parents.map(({ to }) => [identify(to), to])).values()],
  };
}

type LiveName = Pick<LiveTable, 'schema' | 'name'>;

/** Shortens PostgreSQL's own equality operator, which every search_path finds. */
function readable(condition: string): string {
  return condition.replaceAll('OPERATOR(pg_catalog.=)', '=');
}

function label(table: { schema: string; name: string }): string {
  return oneLine(qualifiedName(table));
}

/** Replaces line breaks in a name, because a comment ends with its line. */
function oneLine(name: string): string {
  return name.replace(/\p{Cc}|\u2028|\u2029/gu, ' ');
}

function commentOut(statement: string): string[] {
  return statement.split(/\r\n|\r|\n/).map((line) => `-- ${line}`);
}
