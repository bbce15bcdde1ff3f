import { ConfigurationError, IntegrityError, messageOf, StorageError, TargetError } from '../errors.ts';
import { openSession, type Session } from '../postgres/connection.ts';
import { copyIn } from '../postgres/copy-writer.ts';
import { quoteIdentifier, quoteQualified } from '../postgres/identifier.ts';
import { RowDigest } from '../postgres/row-digest.ts';
import { applySettings } from '../postgres/session-settings.ts';
import type { ConnectionSettings } from '../postgres/settings.ts';
import type { Manifest, StoredObject, TableEntry, TableRange } from '../repository/manifest.ts';
import type { ObjectReader } from '../repository/objects.ts';
import { runWorkers } from '../workers.ts';
import { type LoadPart, LoadQueue, type RangeJob, sumBytes } from './load-queue.ts';

/**
 * Loads the rows of tables, range by range, several at a time and several into one table. Each range is one COPY, which arrives whole
 * or not at all.
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
    /** Called by a worker when a large table has all its rows, for what can be done while others are still being loaded */
    onLoaded: (table: TableEntry, session: Session) => Promise<void>;
  },
): Promise<Map<number, RowDigest> | undefined> {
  const digests = options.digest ? new Map(tables.map((table) => [table.oid, new RowDigest()])) : undefined;
  const queue = new LoadQueue(tables, options.workers);
  await runWorkers(Math.min(options.workers, queue.length), options.signal, async (signal) => {
    const session = await openSession(settings, signal);
    await applySettings(session, manifest.source.encoding);
    // Durable at the end: the last commit of the restore waits for all of them.
    await session.query('SET synchronous_commit = off');
    const load = async (part: LoadPart) => {
      const pieces = new PieceReader(reader, manifest, part);
      const frozen = await beginFrozen(session, part);
      for (const job of part.jobs) {
        signal.throwIfAborted();
        await loadRange(session, job, { pieces, frozen, total: digests?.get(job.table.oid), signal });
        options.onProgress(job.range.rows, sumBytes([job]));
      }
      if (frozen) await session.query('COMMIT');
    };
    await queue.drain(load, (table) => options.onLoaded(table, session));
    await session.close();
  });
  return digests;
}

/**
 * Opens the transaction in which a whole table may be loaded with FREEZE: the table has to be truncated in it, and has just been
 * created empty by this restore. False where this role may not truncate the table, or it is no part of that kind.
 */
async function beginFrozen(session: Session, { whole }: LoadPart): Promise<boolean> {
  if (whole === undefined) return false;
  await session.query('BEGIN');
  try {
    await session.query(`TRUNCATE ONLY ${quoteQualified(whole.schema, whole.name)}`);
    return true;
  } catch (error) {
    await session.query('ROLLBACK');
    if ((error as { code?: string }).code === insufficientPrivilege) return false;
    throw explain(whole, error);
  }
}

const insufficientPrivilege = '42501';

async function loadRange(
  session: Session,
  { table, range }: RangeJob,
  {
    pieces,
    frozen,
    total,
    signal,
  }: { pieces: PieceReader; frozen: boolean; total: RowDigest | undefined; signal: AbortSignal },
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
      `COPY ${quoteQualified(into.schema, into.name)}${list} FROM STDIN${frozen ? ' WITH (FREEZE)' : ''}`,
      readRange(range, pieces, digest),
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

/** The COPY text of a range, piece by piece; what is read is digested. */
export async function* readRange(
  range: TableRange,
  pieces: PieceReader,
  digest: RowDigest | undefined,
): AsyncGenerator<Buffer> {
  for (const piece of range.pieces) {
    const plaintext = await pieces.read(piece.object);
    const part = plaintext.subarray(piece.offset, piece.offset + piece.length);
    digest?.update(part);
    yield part;
  }
}

/** Objects at hand: the one that is being read, and the last one before it, between which changed and unchanged ranges alternate. */
const keptObjects = 2;

/**
 * Reads the objects of a part in the order in which their pieces are needed: a few are at hand, and the next is fetched and opened while the
 * server takes the rows of this one.
 */
export class PieceReader {
  readonly #reader: ObjectReader;
  readonly #objects: readonly StoredObject[];
  /** Indexes of objects, each where it is needed */
  readonly #order: readonly number[];
  #at = 0;
  /** By index of the object, the one that was used last at the end */
  readonly #held = new Map<number, Promise<Buffer>>();
  #next: { readonly object: number; readonly plaintext: Promise<Buffer> } | undefined;

  constructor(reader: ObjectReader, manifest: Manifest, part: LoadPart) {
    this.#reader = reader;
    this.#objects = manifest.objects;
    this.#order = part.jobs
      .flatMap(({ range }) => range.pieces.map((piece) => piece.object))
      .filter((object, position, all) => object !== all[position - 1]);
  }

  async read(object: number): Promise<Buffer> {
    if (this.#order[this.#at] !== object) this.#at++;
    const plaintext = await this.#hold(object);
    this.#prefetch();
    return plaintext;
  }

  #hold(object: number): Promise<Buffer> {
    const plaintext =
      this.#held.get(object) ?? (this.#next?.object === object ? this.#next.plaintext : this.#fetch(object));
    if (this.#next?.object === object) this.#next = undefined;
    this.#held.delete(object);
    this.#held.set(object, plaintext);
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= keptObjects) break;
      this.#held.delete(oldest);
    }
    return plaintext;
  }

  #prefetch(): void {
    const object = this.#order.slice(this.#at + 1).find((later) => !this.#held.has(later));
    if (object === undefined || this.#next !== undefined) return;
    this.#next = { object, plaintext: this.#fetch(object) };
  }

  #fetch(index: number): Promise<Buffer> {
    const object = this.#objects[index];
    if (!object) throw new Error(`the manifest has no object ${index}`);
    const plaintext = this.#reader.read(object);
    // Whoever needs it gets the error; a restore that failed before has no more use for it.
    plaintext.catch(() => undefined);
    return plaintext;
  }
}
