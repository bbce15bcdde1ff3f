import { openSession, type Session } from '../postgres/connection.ts';
import { copyOut, type RowSink } from '../postgres/copy-reader.ts';
import { countObjects, readSequences } from '../postgres/facts.ts';
import { quoteLiteral, quoteQualified } from '../postgres/identifier.ts';
import { copyStatement, planJobs, planRanges } from '../postgres/ranges.ts';
import { RowDigest } from '../postgres/row-digest.ts';
import { applySettings } from '../postgres/session-settings.ts';
import type { ConnectionSettings } from '../postgres/settings.ts';
import { measureTables, readTables, type TableInfo } from '../postgres/tables.ts';
import type { Manifest, SequenceFact, TableEntry } from '../repository/manifest.ts';
import { drain, runWorkers } from '../workers.ts';

/** One line of the comparison of a restored database with the facts of the backup. */
export interface ParityLine {
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly equal: boolean;
}

export interface Parity {
  readonly equal: boolean;
  readonly tables: readonly ParityLine[];
  readonly sequences: readonly ParityLine[];
  readonly objects: readonly ParityLine[];
}

export interface ParityScope {
  readonly tables: readonly TableEntry[];
  /** undefined: sequences and objects are not compared, because only a part was restored */
  readonly whole: boolean;
  /** What was sent, by the table's oid in the source; undefined: rows are counted and their content is not read back. */
  readonly sent: ReadonlyMap<number, RowDigest> | undefined;
}

/** Reads the target back and compares. Never throws because of a difference. */
export async function compareWithBackup(
  settings: ConnectionSettings,
  manifest: Manifest,
  scope: ParityScope,
  options: { workers: number; signal: AbortSignal; onProgress: (rows: number) => void },
): Promise<Parity> {
  const session = await openSession(settings, options.signal);
  await applySettings(session, manifest.source.encoding);
  const tables =
    scope.sent === undefined
      ? await compareCounts(session, scope.tables)
      : await compareContent(session, settings, manifest, scope.tables, scope.sent, options);
  // Definitions alone carry no values of sequences and no large objects.
  const sequences =
    scope.whole && manifest.kind !== 'schema' ? await compareSequences(session, manifest) : [];
  const objects = scope.whole ? await compareObjects(session, manifest) : [];
  await session.close();
  const equal = [...tables, ...sequences, ...objects].every((line) => line.equal);
  return { equal, tables, sequences, objects };
}

async function compareContent(
  session: Session,
  settings: ConnectionSettings,
  manifest: Manifest,
  tables: readonly TableEntry[],
  sent: ReadonlyMap<number, RowDigest>,
  options: { workers: number; signal: AbortSignal; onProgress: (rows: number) => void },
): Promise<ParityLine[]> {
  const columns = new Map(tables.map((table) => [identify(table), table.columns]));
  // Read with the backup's own column list: the target's must come to the same text.
  const named = (await readTables(session)).flatMap((table): TableInfo[] => {
    const wanted = columns.get(identify(table));
    return wanted === undefined ? [] : [{ ...table, columns: wanted }];
  });
  const there = await measureTables(session, named);
  const found = new Map(there.map((table) => [identify(table), new RowDigest()]));
  const queue = planJobs(there.flatMap((table) => planRanges(table, 0, readBackRange)));
  await runWorkers(Math.min(options.workers, queue.length), options.signal, async (signal) => {
    const reader = await openSession(settings, signal);
    await applySettings(reader, manifest.source.encoding);
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
  return [...Map.groupBy(tables, (table) => identify(table.root ?? table)).values()].map((group) => {
    // Partitions of one root are compared together where a restore may have moved rows between them.
    const expected = new RowDigest();
    const actual = new RowDigest();
    for (const table of group) {
      expected.merge(sent.get(table.oid) ?? new RowDigest());
      actual.merge(found.get(identify(table)) ?? new RowDigest());
    }
    const rows = group.reduce((sum, table) => sum + table.rows, 0);
    const named = group[0]?.root ?? group[0];
    const missing = group.filter((table) => !found.has(identify(table)));
    return {
      what: `${named?.schema}.${named?.name}`,
      expected: describeDigest(rows, expected),
      found:
        missing.length > 0
          ? `no table ${missing.map((table) => table.name).join(', ')}`
          : describeDigest(actual.rows, actual),
      equal: missing.length === 0 && actual.rows === rows && actual.toString() === expected.toString(),
    };
  });
}

/** bytes of heap that one reading covers */
const readBackRange = 64 * 1024 * 1024;

function describeDigest(rows: number, digest: RowDigest): string {
  return `${rows} rows, ${digest.toString().slice(0, 8)}…`;
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

async function compareCounts(session: Session, tables: readonly TableEntry[]): Promise<ParityLine[]> {
  const existing = new Set((await readTables(session)).map(identify));
  const found = new Map<number, number>();
  for (let start = 0; start < tables.length; start += countBatch) {
    const batch = tables.slice(start, start + countBatch);
    const counted = batch.filter((table) => existing.has(identify(table)));
    const rows =
      counted.length === 0
        ? []
        : await session.query<{ id: string; count: number }>(
            counted
              .map(
                (table) =>
                  `SELECT ${quoteLiteral(identify(table))} AS id, count(*) AS count FROM ONLY ${quoteQualified(table.schema, table.name)}`,
              )
              .join(' UNION ALL '),
          );
    const counts = new Map(rows.map((row) => [row.id, row.count]));
    for (const table of counted) found.set(table.oid, counts.get(identify(table)) ?? 0);
  }
  return [...Map.groupBy(tables, (table) => identify(table.root ?? table)).values()].map((group) => {
    const named = group[0]?.root ?? group[0];
    const rows = group.reduce((sum, table) => sum + table.rows, 0);
    const count = group.reduce((sum, table) => sum + (found.get(table.oid) ?? Number.NaN), 0);
    return {
      what: `${named?.schema}.${named?.name}`,
      expected: `${rows} rows`,
      found: Number.isNaN(count) ? 'no such table' : `${count} rows`,
      equal: count === rows,
    };
  });
}

async function compareSequences(session: Session, manifest: Manifest): Promise<ParityLine[]> {
  const found = new Map((await readSequences(session)).map((state) => [identify(state), state]));
  return manifest.facts.sequences.map((fact) => {
    const state = found.get(identify(fact));
    return {
      what: `${fact.schema}.${fact.name}`,
      expected: fact.latest === null ? describeState(fact) : `${fact.lastValue} to ${fact.latest}`,
      found: state === undefined ? 'no such sequence' : describeState(state),
      equal: state !== undefined && isWithin(fact, state),
    };
  });
}

/** A sequence that moved while the archive was written may have been read at any point of its way. */
function isWithin(fact: SequenceFact, state: { lastValue: string; isCalled: boolean }): boolean {
  if (fact.latest === null) return state.lastValue === fact.lastValue && state.isCalled === fact.isCalled;
  const [first, last, value] = [BigInt(fact.lastValue), BigInt(fact.latest), BigInt(state.lastValue)];
  return first <= last ? first <= value && value <= last : last <= value && value <= first;
}

function describeState(state: { lastValue: string; isCalled: boolean }): string {
  return `${state.lastValue}${state.isCalled ? '' : ' (not called)'}`;
}

async function compareObjects(session: Session, manifest: Manifest): Promise<ParityLine[]> {
  const found = await countObjects(session);
  const kinds = [...new Set([...Object.keys(manifest.facts.objects), ...Object.keys(found)])]
    .filter((kind) => manifest.kind !== 'schema' || kind !== 'large object')
    .sort();
  return kinds.map((kind) => {
    const expected = manifest.facts.objects[kind] ?? 0;
    const actual = found[kind] ?? 0;
    return { what: kind, expected: String(expected), found: String(actual), equal: expected === actual };
  });
}

function identify(relation: { schema: string; name: string }): string {
  return JSON.stringify([relation.schema, relation.name]);
}
