import type { SourceSize } from '../interface/estimate.ts';
import { copyStatement, estimateBytes, isWholeTable, planRanges } from '../postgres/catalog/ranges.ts';
import { measureTables, type TableInfo } from '../postgres/catalog/tables.ts';
import type { Session } from '../postgres/session/connection.ts';
import { applySettings } from '../postgres/session/output-settings.ts';
import { copyOut, type RowSink } from '../postgres/wire/copy-reader.ts';
import { createEncoder } from '../repository/objects/codec.ts';

/** bytes on disk to read of one table */
const sampleTarget = 1024 * 1024;
/** The largest tables, which most bytes are in */
const mostTables = 12;
/** milliseconds after which no further table is read */
const enoughMs = 5000;
/** bytes of text after which the rows of a table are not read on */
const mostBytes = 32 * 1024 * 1024;

/** A range of the table is read, and what it came to as text */
interface Reading {
  readonly table: TableInfo;
  /** bytes on disk, expected */
  readonly disk: number;
  readonly text: number;
  readonly stored: number;
  readonly rows: number;
}

/**
 * Measures tables by the catalog, and reads about a megabyte of each of the largest to know how their rows
 * look as text, compressed, and how fast they come. Changes nothing.
 *
 * @param session of its own: it is lost where a row of the sample is too long
 * @param level of compression, as of a backup
 */
export async function measureSource(
  session: Session,
  tables: readonly TableInfo[],
  encoding: string,
  level: number,
): Promise<SourceSize> {
  // Sizes wait for whoever alters a table.
  await session.query(`SET lock_timeout = '5s'`);
  const [server] = await session.query<{ database: number; objects: number }>(
    `SELECT pg_database_size(current_database()) AS database, pg_relation_size('pg_catalog.pg_largeobject') AS objects`,
  );
  const measured = await measureTables(session, tables);
  const counted = await readStatistics(session, measured);
  const { readings, milliseconds } = await readSample(session, measured, encoding, level);
  const weigh = ({ heapBytes, toastBytes }: TableInfo) => heapBytes + toastBytes;
  const tableBytes = sum(measured, weigh);
  const largeObjectBytes = server?.objects ?? 0;
  const of = project(measured, readings, weigh);
  const known = new Map(readings.map((reading) => [reading.table.oid, reading]));
  const rows = measured.map(({ oid }) => counted.get(oid) ?? extrapolate(known.get(oid)));
  return {
    databaseBytes: server?.database ?? 0,
    tables: measured.length,
    ...{ tableBytes, largeObjectBytes },
    rows: sum(rows, (count) => count ?? 0),
    uncounted: rows.filter((count) => count === undefined).length,
    wireBytes: Math.round(of(({ text }) => text) + largeObjectBytes),
    storedBytes: Math.round(of(({ stored }) => stored) + largeObjectBytes),
    sample:
      readings.length === 0
        ? undefined
        : { tables: readings.length, bytes: sum(readings, ({ text }) => text), milliseconds },
  };
}

/** Rows by the last ANALYZE or VACUUM; a table that had none is not in it. */
async function readStatistics(session: Session, tables: readonly TableInfo[]): Promise<Map<number, number>> {
  const rows = await session.query<{ oid: number; rows: number }>(
    'SELECT oid, reltuples::int8 AS rows FROM pg_class WHERE oid = ANY ($1::oid[]) AND reltuples >= 0',
    [`{${tables.map(({ oid }) => oid).join(',')}}`],
  );
  const empty = tables.filter(({ heap, heapBytes }) => heap && heapBytes === 0);
  return new Map([
    ...rows.map((row): [number, number] => [row.oid, row.rows]),
    ...empty.map(({ oid }): [number, number] => [oid, 0]),
  ]);
}

async function readSample(
  session: Session,
  tables: readonly TableInfo[],
  encoding: string,
  level: number,
): Promise<{ readings: readonly Reading[]; milliseconds: number }> {
  const readings: Reading[] = [];
  const encode = createEncoder([], level);
  let milliseconds = 0;
  await applySettings(session, encoding);
  await session.query('BEGIN TRANSACTION READ ONLY; SET LOCAL enable_seqscan = off');
  const largest = tables
    .filter(({ readable, hiddenByRls, heapBytes }) => readable && !hiddenByRls && heapBytes > 0)
    .toSorted((one, other) => other.heapBytes + other.toastBytes - one.heapBytes - one.toastBytes);
  for (const table of largest.slice(0, mostTables)) {
    const ranges = planRanges(table, 0, sampleTarget);
    const range = ranges[Math.floor(ranges.length / 2)];
    // Reading a part plans a query, and a plan may call what the owner of the table has put into an index.
    if (range === undefined || (table.foreign && !isWholeTable(range))) continue;
    const sink = new SampleSink();
    const startedAt = performance.now();
    try {
      await copyOut(session, copyStatement(range), sink);
    } catch (error) {
      if (error instanceof EnoughRead) break;
      throw error;
    }
    milliseconds += performance.now() - startedAt;
    const text = sink.finish();
    const stored = (await encode(text)).length;
    readings.push({ table, disk: estimateBytes(range), text: text.length, stored, rows: sink.rows });
    if (milliseconds > enoughMs) break;
  }
  return { readings, milliseconds };
}

/**
 * Returns a function from a measure of a reading to that of all tables: a table that was read counts by its own
 * reading, and the others by all of them together.
 */
function project(
  tables: readonly TableInfo[],
  readings: readonly Reading[],
  weigh: (table: TableInfo) => number,
): (measure: (reading: Reading) => number) => number {
  const disk = sum(readings, (reading) => reading.disk);
  const rest = sum(tables, weigh) - sum(readings, ({ table }) => weigh(table));
  return (measure) => {
    const shared = disk === 0 ? 1 : sum(readings, measure) / disk;
    const own = sum(readings, (reading) => (measure(reading) * weigh(reading.table)) / reading.disk);
    return own + rest * shared;
  };
}

function extrapolate(reading: Reading | undefined): number | undefined {
  if (reading === undefined) return undefined;
  const { table, disk, rows } = reading;
  return Math.round((rows * (table.heapBytes + table.toastBytes)) / disk);
}

const sum = <T>(list: readonly T[], measure: (element: T) => number): number =>
  list.reduce((total, element) => total + measure(element), 0);

/** The rows of the sample are longer than is worth reading. */
class EnoughRead extends Error {}

class SampleSink implements RowSink {
  buffer = Buffer.allocUnsafe(sampleTarget);
  length = 0;
  rows = 0;
  #bytes = 0;
  readonly #parts: Buffer[] = [];

  async flush(): Promise<void> {
    this.#bytes += this.length;
    if (this.#bytes > mostBytes) throw new EnoughRead();
    this.#parts.push(this.buffer.subarray(0, this.length));
    this.buffer = Buffer.allocUnsafe(sampleTarget);
    this.length = 0;
  }

  endCopy(rows: number): void {
    this.rows += rows;
  }

  finish(): Buffer {
    return Buffer.concat([...this.#parts, this.buffer.subarray(0, this.length)]);
  }
}
