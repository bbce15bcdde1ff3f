import { messageOf, TargetError } from '../errors.ts';
import { openSession } from '../postgres/connection.ts';
import { copyIn } from '../postgres/copy-writer.ts';
import { quoteIdentifier, quoteQualified } from '../postgres/identifier.ts';
import { RowDigest } from '../postgres/row-digest.ts';
import { ServerError } from '../postgres/server-error.ts';
import { applySettings } from '../postgres/session-settings.ts';
import type { ConnectionSettings } from '../postgres/settings.ts';
import type { Manifest, TableEntry, TableRange } from '../repository/manifest.ts';
import type { ObjectReader } from '../repository/objects.ts';
import { drain, runWorkers } from '../workers.ts';

interface RangeJob {
  readonly table: TableEntry;
  readonly range: TableRange;
}

/**
 * Loads the rows of tables, range by range, several at a time and several into one table. Each range is one COPY and so one
 * transaction; a range arrives whole or not at all.
 *
 * @returns what was sent, by the table's oid in the source
 * @throws IntegrityError when a stored object is not what the manifest says; TargetError when the server refuses rows
 */
export async function loadRows(
  settings: ConnectionSettings,
  manifest: Manifest,
  tables: readonly TableEntry[],
  reader: ObjectReader,
  options: {
    workers: number;
    signal: AbortSignal;
    onProgress: (rows: number, bytes: number) => void;
  },
): Promise<Map<number, RowDigest>> {
  const digests = new Map(tables.map((table) => [table.oid, new RowDigest()]));
  const jobs = planLoad(tables);
  await runWorkers(Math.min(options.workers, jobs.length), options.signal, async (signal) => {
    const session = await openSession(settings, signal);
    await applySettings(session, manifest.source.encoding);
    // Durable at the end: the last commit of the restore waits for all of them.
    await session.query('SET synchronous_commit = off');
    for (const job of drain(jobs)) {
      const cache = new LastObject(reader, manifest);
      for (const { table, range } of job) {
        signal.throwIfAborted();
        if (range.pieces.length === 0) continue;
        const digest = new RowDigest();
        const columns = table.columns.map(quoteIdentifier).join(', ');
        const list = columns === '' ? '' : ` (${columns})`;
        const into = table.root ?? table;
        const sql = `COPY ${quoteQualified(into.schema, into.name)}${list} FROM STDIN`;
        let rows: number;
        try {
          rows = await copyIn(session, sql, readRange(range, cache, digest));
        } catch (cause) {
          signal.throwIfAborted();
          if (!(cause instanceof ServerError)) throw cause;
          throw new TargetError(
            `table ${table.schema}.${table.name}: ${messageOf(cause)}`,
            'The target is incomplete: drop the database, mend the cause, and restore into a new one.',
            cause,
          );
        }
        if (rows !== range.rows) {
          throw new TargetError(
            `table ${table.schema}.${table.name}: the server took ${rows} rows of a range of ${range.rows}`,
            'Look for rules or triggers on the target that drop rows.',
          );
        }
        digests.get(table.oid)?.merge(digest);
        options.onProgress(
          rows,
          range.pieces.reduce((sum, piece) => sum + piece.length, 0),
        );
      }
    }
    await session.close();
  });
  return digests;
}

/** Large ranges one by one, largest first; ranges that share an object together, so that it is fetched once. */
function planLoad(tables: readonly TableEntry[]): RangeJob[][] {
  const ranges = tables.flatMap((table) => table.ranges.map((range) => ({ table, range })));
  const byObject = Map.groupBy(ranges, ({ range }) => range.pieces[0]?.object ?? -1);
  const bytes = (job: readonly RangeJob[]) =>
    job.reduce((sum, { range }) => sum + range.pieces.reduce((total, piece) => total + piece.length, 0), 0);
  return [...byObject.values()].sort((one, other) => bytes(other) - bytes(one));
}

async function* readRange(range: TableRange, cache: LastObject, digest: RowDigest): AsyncGenerator<Buffer> {
  for (const piece of range.pieces) {
    const plaintext = await cache.read(piece.object);
    const part = plaintext.subarray(piece.offset, piece.offset + piece.length);
    digest.update(part);
    yield part;
  }
}

/** Keeps the object read last: the next small table is most often in it too. */
class LastObject {
  readonly #reader: ObjectReader;
  readonly #manifest: Manifest;
  #index = -1;
  #plaintext: Buffer = Buffer.alloc(0);

  constructor(reader: ObjectReader, manifest: Manifest) {
    this.#reader = reader;
    this.#manifest = manifest;
  }

  async read(index: number): Promise<Buffer> {
    if (index !== this.#index) {
      const object = this.#manifest.objects[index];
      if (!object) throw new Error(`the manifest has no object ${index}`);
      this.#plaintext = await this.#reader.read(object);
      this.#index = index;
    }
    return this.#plaintext;
  }
}
