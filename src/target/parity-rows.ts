import { openSession, type Session } from '../postgres/connection.ts';
import { copyOut, type RowSink } from '../postgres/copy-reader.ts';
import { quoteQualified } from '../postgres/identifier.ts';
import { copyStatement, planJobs, planRanges } from '../postgres/ranges.ts';
import { RowDigest } from '../postgres/row-digest.ts';
import { applySettings } from '../postgres/session-settings.ts';
import type { ConnectionSettings } from '../postgres/settings.ts';
import { measureTables, qualifiedName, readTables, type TableInfo } from '../postgres/tables.ts';
import type { Manifest, TableEntry } from '../repository/manifest.ts';
import { drain, runWorkers } from '../workers.ts';
import { type Excuse, judge } from './parity-excuses.ts';
import type { ParityLine, ParityScope } from './parity-line.ts';
import type { TableChanges } from './replay-tally.ts';

export interface RowsOptions {
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onProgress: (rows: number) => void;
}

/** All the partitions of one root, where a restore may have moved rows between them, or one table. */
interface Group {
  readonly tables: readonly TableEntry[];
  /** What was sent; undefined: its rows are counted */
  readonly sent: RowDigest | undefined;
  /** Why they are only counted although others are not */
  readonly why: string | undefined;
  /** Those that were changed after they were loaded, by oid in the source */
  readonly changes: ReadonlyMap<number, TableChanges>;
}

/** Compares the rows of every restored table: their whole content where it is known what was sent, otherwise how many there are. */
export async function compareRows(
  session: Session,
  settings: ConnectionSettings,
  manifest: Manifest,
  scope: Pick<ParityScope, 'tables' | 'sent' | 'countOnly' | 'advanced'>,
  excuse: Excuse,
  options: RowsOptions,
): Promise<ParityLine[]> {
  const groups = groupTables(scope);
  const there = await readTables(session);
  const counts = await countRows(
    session,
    groups.filter((group) => group.sent === undefined).flatMap((group) => group.tables),
    new Set(there.map(identify)),
  );
  const read = groups.filter((group) => group.sent !== undefined).flatMap((group) => group.tables);
  const digests = await readBack(session, settings, manifest.source.encoding, read, there, options);
  return groups.map((group) => {
    const { schema, name } = group.tables[0]?.root ?? (group.tables[0] as TableEntry);
    const { expected, found, equal } =
      group.sent === undefined ? compareCounts(group, counts) : compareContent(group, digests);
    const line = judge(
      { kind: 'table', what: qualifiedName({ schema, name }), expected, found },
      equal,
      excuse({ kind: 'table', schema, relation: null, name }),
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

/** How rows came to be so many. */
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
  return `${rows} rows, ${digest.toString().slice(0, 8)}…`;
}

/** bytes of heap that one reading covers */
const readBackRange = 64 * 1024 * 1024;

/** The digests of what the target holds, by table; tables that it lacks are left out. */
async function readBack(
  session: Session,
  settings: ConnectionSettings,
  encoding: string,
  tables: readonly TableEntry[],
  existing: readonly TableInfo[],
  options: RowsOptions,
): Promise<Map<string, RowDigest>> {
  const columns = new Map(tables.map((table) => [identify(table), table.columns]));
  // Read with the backup's own column list: the target's must come to the same text.
  const named = existing.flatMap((table): TableInfo[] => {
    const wanted = columns.get(identify(table));
    return wanted === undefined ? [] : [{ ...table, columns: wanted }];
  });
  const there = await measureTables(session, named);
  const found = new Map(there.map((table) => [identify(table), new RowDigest()]));
  const queue = planJobs(there.flatMap((table) => planRanges(table, 0, readBackRange)));
  await runWorkers(Math.min(options.workers, queue.length), options.signal, async (signal) => {
    const reader = await openSession(settings, signal);
    await applySettings(reader, encoding);
    await reader.query('SET enable_seqscan = off');
    for (const job of drain(queue)) {
      signal.throwIfAborted();
      const sink = new DigestSink();
      await copyOut(reader, job.slices.map(copyStatement).join('; '), sink);
      for (const [index, digest] of sink.digests.entries()) {
        const slice = job.slices[index];
        if (slice) found.get(identify(slice.table))?.merge(digest);
        options.onProgress(digest.rows);
      }
    }
    await reader.close();
  });
  return found;
}

/** Takes rows in and keeps nothing but their digest. */
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

/** Tables counted in one statement. */
const countBatch = 200;

/** Rows by oid in the source; tables that the target lacks are left out. */
async function countRows(
  session: Session,
  tables: readonly TableEntry[],
  existing: ReadonlySet<string>,
): Promise<Map<number, number>> {
  const counted = tables.filter((table) => existing.has(identify(table)));
  const found = new Map<number, number>();
  for (let start = 0; start < counted.length; start += countBatch) {
    const counts = counted
      .slice(start, start + countBatch)
      .map(
        ({ oid, schema, name }) => `SELECT ${oid} AS oid, count(*) FROM ONLY ${quoteQualified(schema, name)}`,
      );
    const rows = await session.query<{ oid: number; count: number }>(counts.join(' UNION ALL '));
    for (const { oid, count } of rows) found.set(oid, count);
  }
  return found;
}

export function identify(relation: { schema: string; name: string }): string {
  return JSON.stringify([relation.schema, relation.name]);
}
