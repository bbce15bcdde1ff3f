import { ConfigurationError, IntegrityError, messageOf, StorageError, TargetError } from '../errors.ts';
import { openSession, type Session } from '../postgres/connection.ts';
import { copyIn } from '../postgres/copy-writer.ts';
import { quoteIdentifier, quoteQualified } from '../postgres/identifier.ts';
import { RowDigest } from '../postgres/row-digest.ts';
import { applySettings } from '../postgres/session-settings.ts';
import type { ConnectionSettings } from '../postgres/settings.ts';
import type { Manifest, TableEntry, TableRange } from '../repository/manifest.ts';
import type { ObjectReader } from '../repository/objects.ts';
import { runWorkers } from '../workers.ts';

interface RangeJob {
  readonly table: TableEntry;
  readonly range: TableRange;
}

/**
 * Loads the rows of tables, range by range, several at a time and several into one table. Each range is one COPY and so one
 * transaction; a range arrives whole or not at all.
 *
 * @returns the digests of what was sent, by the table's oid in the source
 * @throws IntegrityError when a stored object is not what the manifest says; TargetError when the server refuses rows
 */
export async function loadRows(
  settings: ConnectionSettings,
  manifest: Manifest,
  tables: readonly TableEntry[],
  reader: ObjectReader,
  options: {
    workers: number;
    /** Whether what is sent is digested, for a comparison with what arrived */
    digest: boolean;
    signal: AbortSignal;
    onProgress: (rows: number, bytes: number) => void;
  },
): Promise<Map<number, RowDigest> | undefined> {
  const digests = options.digest ? new Map(tables.map((table) => [table.oid, new RowDigest()])) : undefined;
  const queue = new LoadQueue(tables);
  await runWorkers(Math.min(options.workers, queue.length), options.signal, async (signal) => {
    const session = await openSession(settings, signal);
    await applySettings(session, manifest.source.encoding);
    // Durable at the end: the last commit of the restore waits for all of them.
    await session.query('SET synchronous_commit = off');
    await queue.drain(async (jobs) => {
      const cache = new LastObject(reader, manifest);
      for (const job of jobs) {
        signal.throwIfAborted();
        await loadRange(session, job, cache, digests?.get(job.table.oid), signal);
        options.onProgress(job.range.rows, sumBytes([job]));
      }
    });
    await session.close();
  });
  return digests;
}

async function loadRange(
  session: Session,
  { table, range }: RangeJob,
  cache: LastObject,
  total: RowDigest | undefined,
  signal: AbortSignal,
): Promise<void> {
  // Ranges of one table are loaded side by side, and a row may go on in the next piece of its own range.
  const digest = total === undefined ? undefined : new RowDigest();
  const into = table.root ?? table;
  const columns = table.columns.map(quoteIdentifier).join(', ');
  const list = columns === '' ? '' : ` (${columns})`;
  let rows: number;
  try {
    rows = await copyIn(
      session,
      `COPY ${quoteQualified(into.schema, into.name)}${list} FROM STDIN`,
      readRange(range, cache, digest),
    );
  } catch (cause) {
    signal.throwIfAborted();
    throw explain(table, cause);
  }
  if (rows !== range.rows) {
    throw new TargetError(
      `table ${table.schema}.${table.name}: the server took ${rows} rows of a range of ${range.rows}`,
      'Look for rules or triggers on the target that drop rows.',
    );
  }
  if (digest) total?.merge(digest);
}

/** Definitions are there and rows are not: whatever the cause, nobody may take the target for a restored database. */
function explain(table: TableEntry, cause: unknown): Error {
  const message = `table ${table.schema}.${table.name}: ${messageOf(cause)}`;
  const drop = 'The target is incomplete: drop the database,';
  if (cause instanceof ConfigurationError) return cause;
  if (cause instanceof IntegrityError) {
    return new IntegrityError(
      message,
      `${drop} see with validate which backups are whole, and restore one of those.`,
      cause,
    );
  }
  if (cause instanceof StorageError) {
    return new StorageError(message, `${drop} and restore into a new one. ${cause.next}`, { cause });
  }
  return new TargetError(message, `${drop} mend the cause, and restore into a new one.`, cause);
}

/**
 * Hands out what is to be loaded. The ranges of a table go in their order and, as long as there are other tables, to one worker at a
 * time: rows then lie as they lay in the source, which index builds and later reads profit from, and sessions do not wait for each other to
 * extend the same file. Ranges of small tables that share an object go together, so that it is fetched once.
 */
class LoadQueue {
  readonly #lanes: Lane[];

  constructor(tables: readonly TableEntry[]) {
    const large: Lane[] = [];
    const shared = new Map<number, RangeJob[]>();
    for (const table of tables) {
      const jobs = table.ranges.map((range): RangeJob => ({ table, range }));
      const [first] = jobs;
      const piece = first?.range.pieces[0];
      if (jobs.length > 1) large.push(new Lane(jobs.map((job) => [job])));
      else if (first && piece) shared.set(piece.object, [...(shared.get(piece.object) ?? []), first]);
    }
    this.#lanes = [...large, ...[...shared.values()].map((jobs) => new Lane([jobs]))];
  }

  get length(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.jobs.length, 0);
  }

  /** Runs `load` on one part after another until nothing is left. */
  async drain(load: (jobs: readonly RangeJob[]) => Promise<void>): Promise<void> {
    for (;;) {
      const lane = this.#choose();
      const jobs = lane?.jobs.shift();
      if (!lane || !jobs) return;
      if (lane.jobs.length === 0) this.#lanes.splice(this.#lanes.indexOf(lane), 1);
      lane.active++;
      lane.bytes -= sumBytes(jobs);
      await load(jobs).finally(() => lane.active--);
    }
  }

  /** The lane with the fewest workers on it, and of those the one with most left to do. */
  #choose(): Lane | undefined {
    let best = this.#lanes[0];
    for (const lane of this.#lanes) {
      if (!best || lane.active < best.active || (lane.active === best.active && lane.bytes > best.bytes))
        best = lane;
    }
    return best;
  }
}

/** What is left of a table, or of the small tables in one object. */
class Lane {
  readonly jobs: (readonly RangeJob[])[];
  /** bytes still to be handed out */
  bytes: number;
  /** workers on it */
  active = 0;

  constructor(jobs: (readonly RangeJob[])[]) {
    this.jobs = jobs;
    this.bytes = sumBytes(jobs.flat());
  }
}

function sumBytes(jobs: readonly RangeJob[]): number {
  return jobs.flatMap(({ range }) => range.pieces).reduce((sum, piece) => sum + piece.length, 0);
}

async function* readRange(
  range: TableRange,
  cache: LastObject,
  digest: RowDigest | undefined,
): AsyncGenerator<Buffer> {
  for (const piece of range.pieces) {
    const plaintext = await cache.read(piece.object);
    const part = plaintext.subarray(piece.offset, piece.offset + piece.length);
    digest?.update(part);
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
