import { type CopyJob, copyStatement, isWholeTable, type RowRange } from '../../postgres/catalog/ranges.ts';
import { qualifiedName, type TableInfo } from '../../postgres/catalog/tables.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { copyOut } from '../../postgres/wire/copy-reader.ts';
import { isKnownError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';
import { explainUnreadable, JoinedTransaction, joinSnapshot } from '../snapshot/joined.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { BufferPool } from './buffer-pool.ts';
import { ObjectSink, type PendingPiece, type PlainObject, type Store, unlessAborted } from './object-sink.ts';
import { Uploads } from './uploads.ts';

/** A range whose rows are stored; the holders of its pieces have their objects. */
export interface CopiedRange {
  readonly rowRange: RowRange;
  readonly rows: number;
  /** Unknown: COPY does not report the positions of rows. */
  readonly places: null;
  readonly pieces: readonly PendingPiece[];
}

/**
 * Reads all jobs under the snapshot, several at a time, and stores their rows.
 *
 * @param onProgress called after each job with the number of rows and bytes
 * @throws SourceError that names the table that could not be read
 */
export async function copyRows<Stored extends PlainObject>(
  snapshot: Snapshot,
  settings: ConnectionSettings,
  jobs: readonly CopyJob[],
  options: {
    workers: number;
    pool: BufferPool;
    store: Store<Stored>;
    signal: AbortSignal;
    onProgress: (job: CopyJob, rows: number, bytes: number) => void;
  },
): Promise<CopiedRange[]> {
  const copied: CopiedRange[] = [];
  const queue = jobs.values();
  // The next table is read while the storage takes the rows of the last one.
  const uploads = new Uploads();
  await runWorkers(Math.min(options.workers, jobs.length), options.signal, async (signal) => {
    const session = await joinSnapshot(snapshot, settings, signal);
    const transaction = new JoinedTransaction(snapshot, session);
    for (const job of queue) {
      signal.throwIfAborted();
      const sink = new ObjectSink(options.pool, options.store, signal, uploads);
      await sink.flush();
      try {
        await transaction.makeRoom(job.rowRanges.length);
        for (const rowRanges of planTrips(job)) {
          await transaction.secure(findPlanned(rowRanges));
          await copyOut(session, rowRanges.map(copyStatement).join('; '), sink);
        }
        await transaction.check(job.rowRanges.map(({ table }) => table));
      } catch (error) {
        signal.throwIfAborted();
        throw await explain(job, sink.copies.length, error, snapshot, settings);
      }
      sink.close();
      let rows = 0;
      let bytes = 0;
      for (const [index, copy] of sink.copies.entries()) {
        const rowRange = job.rowRanges[index];
        if (!rowRange) throw new Error('the server ended more COPYs than were asked for');
        copied.push({ rowRange, rows: copy.rows, places: null, pieces: copy.pieces });
        rows += copy.rows;
        for (const piece of copy.pieces) bytes += piece.length;
      }
      if (sink.copies.length !== job.rowRanges.length)
        throw new Error('the server ended fewer COPYs than were asked for');
      options.onProgress(job, rows, bytes);
    }
    // All rows are read and the transaction wrote nothing, so a failed close does not matter.
    await session.close().catch(() => undefined);
  });
  await unlessAborted(options.signal, uploads.finish());
  return copied;
}

/**
 * The ranges to read in each round trip. If a table that is read in parts has an untrusted owner, every range
 * gets a trip of its own, right after its check.
 */
function planTrips({ rowRanges }: CopyJob): (readonly RowRange[])[] {
  const isOwn = findPlanned(rowRanges).every(({ foreign }) => !foreign);
  return isOwn ? [rowRanges] : rowRanges.map((rowRange) => [rowRange]);
}

/** The tables that are read in parts: only these need a plan. */
function findPlanned(rowRanges: readonly RowRange[]): TableInfo[] {
  return [...new Set(rowRanges.filter((rowRange) => !isWholeTable(rowRange)).map(({ table }) => table))];
}

async function explain(
  job: CopyJob,
  done: number,
  error: unknown,
  snapshot: Snapshot,
  settings: ConnectionSettings,
): Promise<unknown> {
  const rowRange = job.rowRanges[done];
  if (!rowRange || !(error instanceof Error) || isKnownError(error)) return error;
  const pages = isWholeTable(rowRange) ? '' : `, pages ${rowRange.from} to ${rowRange.to ?? 'the end'}`;
  const what = `table ${qualifiedName(rowRange.table)}${pages}`;
  return explainUnreadable(error, what, [rowRange.table], snapshot, settings);
}
