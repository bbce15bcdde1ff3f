import { quoteIdentifier, quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { KeyColumn } from './live-table.ts';
import type { SideTable } from './tables.ts';

/** How the rows of a live table differ from those of the backup. */
export interface RowDifference {
  readonly table: SideTable;
  /** Rows of the backup that the live table lacks */
  readonly missing: number;
  /** Rows of both that are not equal; 0 where whole rows are compared, which are then missing and added */
  readonly changed: number;
  /** Rows that only the live table has */
  readonly added: number;
  /** The columns in which the changed rows differ, and in how many rows */
  readonly changedColumns: readonly { readonly name: string; readonly rows: number }[];
  /** Keys of some of the rows; none where there is no key */
  readonly examples: {
    readonly missing: readonly string[];
    readonly changed: readonly string[];
    readonly added: readonly string[];
  };
}

const shownExamples = 10;

/**
 * Compares a side table with the live one, on the server: keys by the equality of their index, values by the
 * text that their type prints, so that json, xml and point can be compared, too. To be called in a
 * transaction with one snapshot for all tables.
 */
export async function measureDifference(
  session: Session,
  schema: string,
  table: SideTable,
): Promise<RowDifference> {
  if (table.live === undefined) {
    const missing = await count(session, `FROM ${quoteQualified(schema, table.sideName)}`);
    return { ...nothing(table), missing };
  }
  return table.key === undefined
    ? compareWholeRows(session, schema, table)
    : compareByKey(session, schema, table, table.key);
}

function nothing(table: SideTable): RowDifference {
  return {
    table,
    missing: 0,
    changed: 0,
    added: 0,
    changedColumns: [],
    examples: { missing: [], changed: [], added: [] },
  };
}

async function compareByKey(
  session: Session,
  schema: string,
  table: SideTable,
  key: readonly KeyColumn[],
): Promise<RowDifference> {
  const side = `${quoteQualified(schema, table.sideName)} AS s`;
  const live = `${nameLive(table)} AS l`;
  const same = matchKeys(key);
  const missing = `FROM ${side} WHERE NOT EXISTS (SELECT FROM ${live} WHERE ${same})`;
  const added = `FROM ${live} WHERE ${limitToPartitions(table)}NOT EXISTS (SELECT FROM ${side} WHERE ${same})`;
  const changed = `FROM ${side} JOIN ${live} ON ${same} WHERE ${differs(sharedColumns(table))}`;
  const counts = {
    missing: await count(session, missing),
    ...(await countChangedColumns(session, table, changed)),
    added: await count(session, added),
  };
  return {
    table,
    ...counts,
    examples: {
      missing: counts.missing === 0 ? [] : await readKeys(session, key, 's', missing),
      changed: counts.changed === 0 ? [] : await readKeys(session, key, 's', changed),
      added: counts.added === 0 ? [] : await readKeys(session, key, 'l', added),
    },
  };
}

async function countChangedColumns(
  session: Session,
  table: SideTable,
  changed: string,
): Promise<Pick<RowDifference, 'changed' | 'changedColumns'>> {
  const names = sharedColumns(table);
  const counts = names.map((name, index) => `count(*) FILTER (WHERE ${differs([name])}) AS c${index}`);
  const [row] = await session.query<Record<string, number>>(
    `SELECT ${['count(*) AS total', ...counts].join(', ')} ${changed}`,
  );
  return {
    changed: row?.total ?? 0,
    changedColumns: names
      .map((name, index) => ({ name, rows: row?.[`c${index}`] ?? 0 }))
      .filter(({ rows }) => rows > 0),
  };
}

async function compareWholeRows(session: Session, schema: string, table: SideTable): Promise<RowDifference> {
  const names = sharedColumns(table);
  const side = `SELECT ${rowText('s', names)} FROM ${quoteQualified(schema, table.sideName)} AS s`;
  const live = `SELECT ${rowText('l', names)} FROM ${nameLive(table)} AS l`;
  const limit = limitToPartitions(table).replace(/ AND $/, '');
  const here = limit === '' ? live : `${live} WHERE ${limit}`;
  return {
    ...nothing(table),
    missing: await count(session, `FROM (${side} EXCEPT ALL ${live}) AS missing`),
    added: await count(session, `FROM (${here} EXCEPT ALL ${side}) AS added`),
  };
}

async function count(session: Session, from: string): Promise<number> {
  const [row] = await session.query<{ count: number }>(`SELECT count(*) AS count ${from}`);
  return row?.count ?? 0;
}

async function readKeys(
  session: Session,
  key: readonly KeyColumn[],
  alias: 's' | 'l',
  from: string,
): Promise<string[]> {
  const columns = key.map(({ name }) => `${alias}.${quoteIdentifier(name)}`);
  const texts = columns.map((column, index) => `left(${column}::text, 100) AS k${index}`);
  const rows = await session.query<Record<string, string>>(
    `SELECT ${texts.join(', ')} ${from} ORDER BY ${columns.join(', ')} LIMIT ${shownExamples}`,
  );
  return rows.map((row) => {
    const values = columns.map((_, index) => row[`k${index}`] ?? '');
    return values.length === 1 ? (values[0] ?? '') : `(${values.join(', ')})`;
  });
}

/** The columns that are compared and written, in the backup's order. */
export function sharedColumns(table: SideTable): string[] {
  return table.columns.filter((column) => column.shared).map((column) => column.name);
}

/** Writes what follows FROM, UPDATE or INSERT INTO for the rows of the live table. */
export function nameLive({ live }: SideTable): string {
  if (live === undefined) throw new Error('a table that is gone has no rows');
  return `${live.partitioned ? '' : 'ONLY '}${quoteQualified(live.schema, live.name)}`;
}

/** Compares the keys of two aliases by the equality of their index: in a citext, `A` equals `a`. */
export function matchKeys(key: readonly KeyColumn[], left = 'l', right = 's'): string {
  return key
    .map(({ name, equals }) => `${left}.${quoteIdentifier(name)} ${equals} ${right}.${quoteIdentifier(name)}`)
    .join(' AND ');
}

/**
 * A row as one text, which two rows share only if each value has the same text or is null in both. The text
 * comes from the types' output functions, because a cast to text may be another function; "C", because a
 * collation may take two texts for equal.
 */
export function rowText(alias: string, columns: readonly string[]): string {
  return `(ROW(${columns.map((name) => `${alias}.${quoteIdentifier(name)}`).join(', ')})::text COLLATE "C")`;
}

/** Whether `s` and `l` differ in any of the columns. */
export function differs(columns: readonly string[]): string {
  return `${rowText('s', columns)} <> ${rowText('l', columns)}`;
}

function limitToPartitions({ within }: SideTable): string {
  if (within === undefined) return '';
  return within.length === 0 ? 'false AND ' : `l.tableoid IN (${within.join(', ')}) AND `;
}
