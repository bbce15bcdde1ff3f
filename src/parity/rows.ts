import type { Manifest, TableEntry } from '../format/manifest.ts';
import { findUnplannable, markUnplannable } from '../postgres/catalog/plannable.ts';
import { copyStatement, planJobs, planRanges, type RowRange } from '../postgres/catalog/ranges.ts';
import { measureTables, qualifiedName, readTables, type TableInfo } from '../postgres/catalog/tables.ts';
import { quoteQualified } from '../postgres/identifier.ts';
import { openSession, type Session } from '../postgres/session/connection.ts';
import { applySettings } from '../postgres/session/output-settings.ts';
import type { ConnectionSettings } from '../postgres/session/settings.ts';
import { sqlState } from '../postgres/sqlstate.ts';
import { copyOut, type RowSink } from '../postgres/wire/copy-reader.ts';
import { RowDigest } from '../postgres/wire/row-digest.ts';
import { messageOf, TargetError } from '../runtime/errors.ts';
import { append } from '../runtime/lists.ts';
import { runWorkers } from '../runtime/workers.ts';
import { judge, type KnownDifference } from './known-differences.ts';
import type { ParityLine } from './line.ts';
import type { ParityScope, TableChanges } from './scope.ts';

export interface RowsOptions {
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onProgress: (rows: number) => void;
}

/** One table, or all partitions of one root, between which a restore may have moved rows */
interface Group {
  readonly tables: readonly TableEntry[];
  /** Digest of the rows that were sent; undefined when rows are only counted */
  readonly sent: RowDigest | undefined;
  /** Why the rows of this group are only counted, where those of others are compared */
  readonly why: string | undefined;
  /** Changes replayed after the load, by oid of the table in the source */
  readonly changes: ReadonlyMap<number, TableChanges>;
}

/**
 * Compares the rows of every restored table: the whole content where a digest of the sent rows exists,
 * otherwise the number of rows.
 */
export async function compareRows(
  session: Session,
  settings: ConnectionSettings,
  manifest: Manifest,
  scope: Pick<ParityScope, 'tables' | 'sent' | 'countOnly' | 'advanced'>,
  known: KnownDifference,
  options: RowsOptions,
): Promise<ParityLine[]> {
  const groups = groupTables(scope);
  const there = await readExisting(session);
  const byName = new Map(there.map((table) => [identify(table), table]));
  const isPlannable = (table: TableEntry) => byName.get(identify(table))?.heap !== false;
  const counted = groups.filter((group) => group.sent === undefined).flatMap((group) => group.tables);
  const existing = counted.filter((table) => byName.has(identify(table)));
  const counts = await countRows(session, existing.filter(isPlannable));
  const read = groups.filter((group) => group.sent !== undefined).flatMap((group) => group.tables);
  const unplannable = existing.filter((table) => !isPlannable(table));
  const wanted = [...read, ...unplannable];
  const digests = await readBack(session, settings, manifest.source.encoding, wanted, there, options);
  for (const table of unplannable) counts.set(table.oid, digests.get(identify(table))?.rows ?? 0);
  return groups.map((group) => {
    const { schema, name } = group.tables[0]?.root ?? (group.tables[0] as TableEntry);
    const { expected, found, equal } =
      group.sent === undefined ? compareCounts(group, counts) : compareContent(group, digests);
    const line = judge(
      { kind: 'table', what: qualifiedName({ schema, name }), expected, found },
      equal,
      known({ kind: 'table', schema, relation: null, name }),
    );
    return group.why === undefined || line.why !== undefined ? line : { ...line, why: group.why };
  });
}

function groupTables({
  tables,
  sent,
  countOnly,
  advanced,
}: Pick<ParityScope, 'tables' | 'sent' | 'countOnly' | 'advanced'>): Group[] {
  return [...Map.groupBy(tables, (table) => identify(table.root ?? table)).values()].map((group) => {
    const why = group.map((table) => countOnly?.get(table.oid)).find((reason) => reason !== undefined);
    const changes = new Map(
      group.flatMap(({ oid }) => {
        const found = advanced?.tables.get(oid);
        return found === undefined ? [] : [[oid, found]];
      }),
    );
    if (sent === undefined || why !== undefined || changes.size > 0) {
      return { tables: group, sent: undefined, why, changes };
    }
    const digest = new RowDigest();
    for (const table of group) digest.merge(sent.get(table.oid) ?? new RowDigest());
    return { tables: group, sent: digest, why, changes };
  });
}

interface Comparison {
  readonly expected: string;
  readonly found: string;
  readonly equal: boolean;
}

function compareContent(
  { tables, sent = new RowDigest() }: Group,
  found: ReadonlyMap<string, RowDigest>,
): Comparison {
  const rows = sumRows(tables);
  const actual = new RowDigest();
  for (const table of tables) actual.merge(found.get(identify(table)) ?? new RowDigest());
  const missing = tables.filter((table) => !found.has(identify(table)));
  return {
    expected: describeDigest(rows, sent),
    found:
      missing.length > 0
        ? `no table ${missing.map((table) => table.name).join(', ')}`
        : describeDigest(actual.rows, actual),
    equal: missing.length === 0 && actual.rows === rows && actual.toString() === sent.toString(),
  };
}

function compareCounts(
  { tables, changes }: Pick<Group, 'tables' | 'changes'>,
  found: ReadonlyMap<number, number>,
): Comparison {
  const rows = tables.reduce((sum, { oid, rows }) => sum + (changes.get(oid)?.rows ?? rows), 0);
  const missing = tables.filter((table) => !found.has(table.oid));
  const count = tables.reduce((sum, table) => sum + (found.get(table.oid) ?? 0), 0);
  return {
    expected: `${rows} rows${describeChanges(sumRows(tables), [...changes.values()])}`,
    found: missing.length > 0 ? 'no such table' : `${count} rows`,
    equal: missing.length === 0 && count === rows,
  };
}

/** Describes how the expected number of rows follows from the backup and the changes since. */
function describeChanges(before: number, changes: readonly TableChanges[]): string {
  if (changes.length === 0) return '';
  if (changes.some(({ truncates }) => truncates > 0)) return ', emptied since the backup';
  const added = changes.reduce((sum, { inserts }) => sum + inserts, 0);
  const removed = changes.reduce((sum, { deletes }) => sum + deletes, 0);
  return `, ${before} of the backup, ${added} added, ${removed} removed since`;
}

function sumRows(tables: readonly TableEntry[]): number {
  return tables.reduce((sum, table) => sum + table.rows, 0);
}

function describeDigest(rows: number, digest: RowDigest): string {
  // The digest is a sum, and for few rows only its last digits differ.
  return `${rows} rows, …${digest.toString().slice(-8)}`;
}

/** Bytes of heap that one range covers */
const readBackRange = 64 * 1024 * 1024;

/** Reads tables of the target and returns the digests of their rows; missing tables are left out. */
async function readBack(
  session: Session,
  settings: ConnectionSettings,
  encoding: string,
  tables: readonly TableEntry[],
  existing: readonly TableInfo[],
  options: RowsOptions,
): Promise<Map<string, RowDigest>> {
  const columns = new Map(tables.map((table) => [identify(table), table.columns]));
  // Tables are read with the column list of the backup, as far as the target has these columns, so that equal
  // rows give the same text.
  const named = existing.flatMap((table): TableInfo[] => {
    const wanted = columns.get(identify(table));
    if (wanted === undefined) return [];
    return [{ ...table, columns: wanted.filter((column) => table.columns.includes(column)) }];
  });
  const there = await measureTables(session, named);
  const found = new Map(there.map((table) => [identify(table), new RowDigest()]));
  const jobs = planJobs(there.flatMap((table) => planRanges(table, 0, readBackRange)));
  const queue = jobs.values();
  await runWorkers(Math.min(options.workers, jobs.length), options.signal, async (signal) => {
    const reader = await openSession(settings, signal);
    await applySettings(reader, encoding);
    await reader.query('SET enable_seqscan = off');
    for (const job of queue) {
      signal.throwIfAborted();
      for (const [index, digest] of (await readRanges(reader, job.rowRanges)).entries()) {
        const rowRange = job.rowRanges[index];
        if (rowRange) found.get(identify(rowRange.table))?.merge(digest);
        options.onProgress(digest.rows);
      }
    }
    await reader.close();
  });
  return found;
}

/**
 * Reads ranges in one message, which is one transaction; reads them one by one when the server refuses that.
 */
async function readRanges(reader: Session, rowRanges: readonly RowRange[]): Promise<RowDigest[]> {
  const sink = new DigestSink();
  try {
    await copyOut(reader, rowRanges.map(copyStatement).join('; '), sink);
    return sink.digests;
  } catch (error) {
    if (!isOutOfLocks(error) && !isHidden(error)) throw error;
    const [rowRange] = rowRanges;
    if (rowRanges.length === 1 && rowRange !== undefined && isHidden(error)) {
      return withoutForce(reader, rowRange.table, () => readRanges(reader, rowRanges));
    }
    if (rowRanges.length === 1) throw error;
    const digests: RowDigest[] = [];
    for (const rowRange of rowRanges) append(digests, await readRanges(reader, [rowRange]));
    return digests;
  }
}

/** Tells whether row security hides rows: when forced, it applies to an owner without BYPASSRLS, too. */
function isHidden(error: unknown): boolean {
  return (error as { code?: unknown }).code === sqlState.insufficientPrivilege;
}

/** Reads a table whose rows are hidden from its owner, in a transaction that is rolled back. */
async function withoutForce<T>(
  session: Session,
  { schema, name }: Pick<TableEntry, 'schema' | 'name'>,
  body: () => Promise<T>,
): Promise<T> {
  await session.query('BEGIN');
  try {
    await session.query(`ALTER TABLE ${quoteQualified(schema, name)} NO FORCE ROW LEVEL SECURITY`);
    return await body();
  } catch (error) {
    if (!isHidden(error)) throw error;
    throw new TargetError(
      `table ${qualifiedName({ schema, name })}: its rows cannot be read back: ${messageOf(error)}`,
      'Compare as a superuser, or as a role with BYPASSRLS: ALTER ROLE … BYPASSRLS.',
      error,
    );
  } finally {
    await session.query('ROLLBACK');
  }
}

/** Tells whether the server's lock table is full (max_locks_per_transaction). */
function isOutOfLocks(error: unknown): boolean {
  return (error as { code?: unknown }).code === sqlState.outOfMemory;
}

/**
 * Lists the tables of the target. A table that cannot be planned for gets `heap` false, so that it is read as
 * a whole.
 */
async function readExisting(session: Session): Promise<TableInfo[]> {
  await session.query('BEGIN');
  const tables = await readTables(session);
  const unplannable = await findUnplannable(session, tables);
  await session.query('COMMIT');
  return markUnplannable(tables, unplannable);
}

/** Receives rows and keeps only their digests, one for each COPY. */
class DigestSink implements RowSink {
  buffer: Buffer = Buffer.allocUnsafeSlow(1 << 20);
  length = 0;
  readonly digests: RowDigest[] = [];
  #digest = new RowDigest();

  async flush(): Promise<void> {
    this.#digest.update(this.buffer.subarray(0, this.length));
    this.length = 0;
  }

  endCopy(): void {
    this.#digest.update(this.buffer.subarray(0, this.length));
    this.length = 0;
    this.digests.push(this.#digest);
    this.#digest = new RowDigest();
  }
}

/** The most tables that are counted in one statement */
const countBatch = 200;

/** Counts rows, by oid of the table in the source. */
async function countRows(session: Session, tables: readonly TableEntry[]): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  for (let start = 0; start < tables.length; start += countBatch) {
    for (const { oid, count } of await countTogether(session, tables.slice(start, start + countBatch))) {
      found.set(oid, count);
    }
  }
  return found;
}

interface Count extends Record<string, unknown> {
  readonly oid: number;
  readonly count: number;
}

/** Counts tables in one statement; counts them one by one when the server refuses that. */
async function countTogether(session: Session, tables: readonly TableEntry[]): Promise<Count[]> {
  const counts = tables.map(
    ({ oid, schema, name }) => `SELECT ${oid} AS oid, count(*) FROM ONLY ${quoteQualified(schema, name)}`,
  );
  try {
    return await session.query<Count>(counts.join(' UNION ALL '));
  } catch (error) {
    if (!isOutOfLocks(error) && !isHidden(error)) throw error;
    const [table] = tables;
    if (tables.length === 1 && table !== undefined && isHidden(error)) {
      return withoutForce(session, table, () => countTogether(session, tables));
    }
    if (tables.length === 1) throw error;
    const found: Count[] = [];
    for (const table of tables) append(found, await countTogether(session, [table]));
    return found;
  }
}

export function identify(relation: { schema: string; name: string }): string {
  return JSON.stringify([relation.schema, relation.name]);
}
