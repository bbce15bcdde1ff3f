import { quoteIdentifier, quoteQualified } from '../postgres/identifier.ts';
import { recordsSchema } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { recordId } from '../repository/listed-records.ts';
import { stampOf } from '../values/timed-id.ts';
import type { RecordedKind, RecordRows } from './rows.ts';
import { inBoundedTransaction, noteTransaction } from './transaction.ts';

/** Where rows of one kind of record are */
interface Place {
  readonly table: keyof RecordRows;
  /** The column with the id of the record */
  readonly id: string;
  /** Tells a row from the others of its record; a literal where there is one row for each */
  readonly part: string;
  /** A condition that holds for the rows of the repository $1 */
  readonly scope: string;
}

/** The table that has one row for each record is the first. */
const places: Readonly<Record<RecordedKind, readonly [Place, ...Place[]]>> = {
  runs: [
    { table: 'backup_jobs', id: 'id', part: "''", scope: 'repository = $1' },
    {
      table: 'backup_metrics',
      id: 'job_id',
      part: 'name',
      scope: `job_id IN (SELECT id FROM ${recordsSchema}.backup_jobs WHERE repository = $1)`,
    },
  ],
  restores: [
    { table: 'restore_operations', id: 'id', part: "''", scope: `repository = $1 AND kind = 'restore'` },
  ],
  drills: [
    { table: 'restore_operations', id: 'id', part: "''", scope: `repository = $1 AND kind = 'drill'` },
  ],
};

/** Ids in one question */
const askedAtOnce = 1000;

function* chunksOf<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += askedAtOnce) yield all.slice(at, at + askedAtOnce);
}

/**
 * Reads which of these records have rows already. Only they are asked for: whatever else the tables hold does
 * not come here.
 */
export async function readPresent(
  session: Session,
  kind: RecordedKind,
  repository: string,
  ids: readonly string[],
): Promise<Set<string>> {
  const [{ table, id, scope }] = places[kind];
  const present = new Set<string>();
  for (const asked of chunksOf(ids)) {
    const rows = await session.query<{ id: string }>(
      `SELECT ${id} AS id FROM ${recordsSchema}.${table} WHERE ${scope} AND ${id} = ANY ($2::text[])`,
      [repository, asked],
    );
    for (const row of rows) present.add(row.id);
  }
  return present;
}

const idPattern = `^${recordId}$`;

/**
 * Reads the newest of these ids; undefined where there is none. A row that somebody inserted under a name of
 * their own, or a machine whose clock is ahead, must not hide what comes after it.
 */
export async function readNewestId(
  session: Session,
  kind: RecordedKind,
  repository: string,
  now: Date,
): Promise<string | undefined> {
  const [{ table, id, scope }] = places[kind];
  const [row] = await session.query<{ id: string | null }>(
    `SELECT max(${id} COLLATE "C") AS id FROM ${recordsSchema}.${table}
     WHERE ${scope} AND ${id} ~ $2 AND ${id} COLLATE "C" < $3`,
    [repository, idPattern, stampOf(now)],
  );
  return row?.id ?? undefined;
}

/** Says which row of the records of one kind it is. */
type RowKey = Pick<RowDifference, 'table' | 'id' | 'part'>;

/** Reads which rows of these records somebody has deleted, as the log of changes tells. */
export async function readDeleted(
  session: Session,
  kind: RecordedKind,
  repository: string,
  ids: readonly string[],
): Promise<(row: RowKey) => boolean> {
  const [{ table: first }] = places[kind];
  const deleted = new Set<string>();
  for (const { table, id, part, scope } of places[kind]) {
    for (const asked of chunksOf(ids)) {
      const rows = await session.query<Omit<RowKey, 'table'>>(
        `SELECT DISTINCT gone.${id} AS id, ${part} AS part FROM ${recordsSchema}.change_log l,
           jsonb_populate_record(NULL::${recordsSchema}.${table}, l.before) AS gone
         WHERE l.table_name = '${table}' AND l.action = 'DELETE' AND gone.${id} = ANY ($2::text[]) AND ${scope}`,
        [repository, asked],
      );
      for (const row of rows) deleted.add(writeKey({ table, ...row }));
    }
  }
  // The measures of a job went with it.
  return (row) => deleted.has(writeKey(row)) || deleted.has(writeKey({ table: first, id: row.id, part: '' }));
}

const writeKey = ({ table, id, part }: RowKey): string => [table, id, part].join(' ');

/** A row that is not as the repository has it */
export interface RowDifference {
  readonly kind: 'missing' | 'different' | 'surplus';
  readonly table: keyof RecordRows;
  /** Of the record */
  readonly id: string;
  /** The measure, where a record has several rows; otherwise empty */
  readonly part: string;
}

/** Compares what the tables have of these records with what they should have. */
export async function compareRows(
  session: Session,
  kind: RecordedKind,
  repository: string,
  ids: readonly string[],
  wanted: RecordRows,
): Promise<RowDifference[]> {
  const found = await Promise.all(
    places[kind].map(({ table, id, part, scope }) => {
      const name = quoteQualified(recordsSchema, table);
      const keyed = `*, ${id} AS record_id, ${part} AS record_part`;
      return session.query<Omit<RowDifference, 'table'>>(
        `SELECT coalesce(w.record_id, e.record_id) AS id, coalesce(w.record_part, e.record_part) AS part,
           CASE WHEN e.record_id IS NULL THEN 'missing' WHEN w.record_id IS NULL THEN 'surplus' ELSE 'different' END AS kind
         FROM (SELECT ${keyed} FROM jsonb_populate_recordset(NULL::${name}, $2::jsonb)) AS w
         FULL JOIN (SELECT ${keyed} FROM ${name} WHERE ${id} = ANY ($3::text[]) AND ${scope}) AS e
           ON w.record_id = e.record_id AND w.record_part = e.record_part
         WHERE to_jsonb(w) IS DISTINCT FROM to_jsonb(e) ORDER BY 1, 2`,
        [repository, writeJson(wanted[table]), ids],
      );
    }),
  );
  return places[kind].flatMap(({ table }, index) => (found[index] ?? []).map((row) => ({ table, ...row })));
}

/** Surplus rows of one kind that are named at most */
export const mostSurplus = 10_000;

/**
 * Finds rows that no record makes, in the order of their ids, and counts those that are older than all records.
 *
 * @param listed all records of this kind in the repository, oldest first; it keeps those of runs for 13 months,
 *   so that older rows have outlived theirs
 */
export async function findSurplus(
  session: Session,
  kind: RecordedKind,
  repository: string,
  listed: readonly { readonly id: string }[],
): Promise<{ readonly surplus: RowDifference[]; readonly outlived: number }> {
  const [{ table, id, scope }] = places[kind];
  const unknown = `${recordsSchema}.${table} WHERE ${scope}
     AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS known WHERE known = ${id})`;
  const hasOutlived = `${id} COLLATE "C" < $3 AND ${id} ~ '${idPattern}'`;
  const asked = [repository, listed.map((record) => record.id), listed[0]?.id ?? ''];
  const rows = await session.query<{ id: string }>(
    `SELECT ${id} AS id FROM ${unknown} AND NOT (${hasOutlived}) ORDER BY ${id} COLLATE "C" LIMIT ${mostSurplus}`,
    asked,
  );
  const [counted] = await session.query<{ rows: string }>(
    `SELECT count(*) AS rows FROM ${unknown} AND ${hasOutlived}`,
    asked,
  );
  return {
    surplus: rows.map((row) => ({ kind: 'surplus', table, id: row.id, part: '' })),
    outlived: Number(counted?.rows ?? 0),
  };
}

const keys: Readonly<Record<keyof RecordRows, readonly string[]>> = {
  backup_jobs: ['id'],
  backup_metrics: ['job_id', 'name'],
  restore_operations: ['repository', 'kind', 'id'],
};

/**
 * Writes rows in one transaction, which notes itself as ours. A row that is there as it should be stays
 * untouched, so that rows may be written any number of times, by several runs at once.
 *
 * @returns how many were inserted or corrected
 */
export async function writeRows(session: Session, rows: RecordRows): Promise<number> {
  return await inBoundedTransaction(session, async () => {
    let written = 0;
    for (const table of ['backup_jobs', 'backup_metrics', 'restore_operations'] as const)
      written += await writeTable(session, table, rows[table]);
    await noteTransaction(session);
    return written;
  });
}

/** Inserts rows, or brings those that are there up to date. @returns how many it wrote */
async function writeTable(
  session: Session,
  table: keyof RecordRows,
  rows: RecordRows[keyof RecordRows],
): Promise<number> {
  const [first] = rows;
  if (first === undefined) return 0;
  const name = quoteQualified(recordsSchema, table);
  const columns = Object.keys(first).map(quoteIdentifier);
  const of = (side: string) => columns.map((column) => `${side}.${column}`).join(', ');
  const written = await session.query(
    `INSERT INTO ${name} AS existing (${columns.join(', ')})
     SELECT ${of('wanted')} FROM jsonb_populate_recordset(NULL::${name}, $1::jsonb) AS wanted
     ON CONFLICT (${keys[table].join(', ')}) DO UPDATE SET (${columns.join(', ')}) = ROW (${of('excluded')})
     WHERE ROW (${of('existing')}) IS DISTINCT FROM ROW (${of('excluded')})
     RETURNING 1`,
    [writeJson(rows)],
  );
  return written.length;
}

/** Writes JSON that any server takes: `jsonb` holds no NUL, and no half of a character. */
export function writeJson(value: unknown): string {
  return JSON.stringify(clean(value));
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\uFFFD');
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, content]) => [clean(name), clean(content)]));
}
