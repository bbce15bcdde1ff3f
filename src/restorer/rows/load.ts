import type { Manifest, TableEntry } from '../../format/manifest.ts';
import type { Omission } from '../../parity/scope.ts';
import { about } from '../../parity/subject.ts';
import { qualifiedName } from '../../postgres/catalog/tables.ts';
import { quoteIdentifier, quoteQualified } from '../../postgres/identifier.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import { applyInputSettings } from '../../postgres/session/output-settings.ts';
import { isShortage, ServerError } from '../../postgres/session/server-error.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import { copyIn } from '../../postgres/wire/copy-writer.ts';
import { RowDigest } from '../../postgres/wire/row-digest.ts';
import type { ObjectReader } from '../../repository/objects/store.ts';
import {
  ConfigurationError,
  IntegrityError,
  isRaised,
  messageOf,
  StorageError,
  TargetError,
} from '../../runtime/errors.ts';
import { say } from '../../runtime/wording.ts';
import { runWorkers } from '../../runtime/workers.ts';
import type { SearchPaths } from '../search-paths.ts';
import { ObjectsAhead } from './objects-ahead.ts';
import { PieceReader, readRange } from './pieces.ts';
import { type LoadJob, LoadQueue, type RangeJob, sumBytes } from './queue.ts';
import { RowRelief } from './relief.ts';
import { ChecksAside } from './set-aside.ts';

/** The outcome of loading rows. */
export interface LoadOutcome {
  /** Digests of the rows that were sent, by the table's oid in the source; undefined where none were made */
  readonly digests: Map<number, RowDigest> | undefined;
  /** Rows that the server refused in the end */
  readonly notCarried: readonly Omission[];
  /** Checks that were dropped for rows; the caller gives them back when all rows are loaded */
  readonly checks: ChecksAside;
}

export interface LoadOptions {
  readonly workers: number;
  /** Whether sent rows are digested, for a comparison with those that arrived */
  readonly digest: boolean;
  /** What checks and generated columns may rely on; undefined: a row that the server refuses ends the load */
  readonly searchPaths: SearchPaths | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (rows: number, bytes: number) => void;
  /**
   * Called by a worker when a large table has all its rows, for what can be done while others are still being
   * loaded
   */
  readonly onLoaded: (table: TableEntry, session: Session) => Promise<void>;
}

/**
 * Loads the rows of tables, range by range, several at once, also into one table. Each range is one COPY,
 * which arrives whole or not at all. Checks that refuse rows are dropped for them, and a table whose rows the
 * server refuses does not keep the others out, unless `searchPaths` is undefined.
 *
 * @throws IntegrityError when a stored object is not what the manifest says
 * @throws TargetError when the server is lost or lacks resources
 */
export async function loadRows(
  settings: ConnectionSettings,
  manifest: Manifest,
  tables: readonly TableEntry[],
  reader: ObjectReader,
  options: LoadOptions,
): Promise<LoadOutcome> {
  const digests = options.digest ? new Map(tables.map((table) => [table.oid, new RowDigest()])) : undefined;
  const checks = new ChecksAside();
  const lost = new Map<TableEntry, LostRows>();
  const queue = new LoadQueue(tables, options.workers);
  const ahead = new ObjectsAhead(reader, manifest.objects);
  // A check may read a table that is loaded later, so refused rows are tried once more when all others are
  // there.
  const waiting: LoadJob[] = [];
  const inSession = async (
    signal: AbortSignal,
    later: LoadJob[] | undefined,
    body: (loader: Loader, session: Session) => Promise<void>,
  ) => {
    const session = await openSession(settings, signal);
    await letRead(session);
    await applyInputSettings(session, manifest.source.encoding);
    // The last commit of the restore waits for all others, so these are durable at the end.
    await session.query('SET synchronous_commit = off');
    const loader = new Loader(session, manifest, ahead, {
      ...options,
      digests,
      checks,
      lost,
      signal,
      later,
    });
    await body(loader, session);
    await session.close();
  };
  await runWorkers(Math.min(options.workers, queue.length), options.signal, (signal) =>
    inSession(signal, waiting, (loader, session) =>
      queue.drain(
        (part) => {
          ahead.expect(queue.upcoming());
          return loader.load(part);
        },
        async (table) => {
          const isLoaded = !waiting.some(({ jobs }) => jobs.some((job) => job.table === table));
          if (isLoaded) await options.onLoaded(table, session);
        },
      ),
    ),
  );
  const again = waiting.values();
  await runWorkers(Math.min(options.workers, waiting.length), options.signal, (signal) =>
    inSession(signal, undefined, async (loader) => {
      for (const part of again) await loader.load(part);
    }),
  );
  return { digests, notCarried: [...lost.entries()].map(describeLost), checks };
}

interface LostRows {
  rows: number;
  readonly why: string;
}

function describeLost([table, { rows, why }]: readonly [TableEntry, LostRows]): Omission {
  const some = rows === table.rows ? `its ${rows} rows` : `${rows} of its ${table.rows} rows`;
  return {
    ...about({ kind: 'rows', table }),
    why: `the server refused them: ${why}; ${some} are lost`,
    remedy: `Fix the cause, and restore the table ${qualifiedName(table)} into a schema beside the others (the inputs side-schema and include), or restore again.`,
    lost: true,
  };
}

type LoaderOptions = LoadOptions &
  Pick<LoadOutcome, 'digests' | 'checks'> & {
    readonly lost: Map<TableEntry, LostRows>;
    /** Collects the parts that the server refuses, for another try; undefined in that try */
    readonly later: LoadJob[] | undefined;
  };

/** One session that loads rows. */
class Loader {
  readonly #session: Session;
  readonly #manifest: Manifest;
  readonly #reader: Pick<ObjectReader, 'read'>;
  readonly #options: LoaderOptions;
  /** What the current attempt has reported as progress */
  #sent = { rows: 0, bytes: 0 };

  constructor(
    session: Session,
    manifest: Manifest,
    reader: Pick<ObjectReader, 'read'>,
    options: LoaderOptions,
  ) {
    this.#session = session;
    this.#manifest = manifest;
    this.#reader = reader;
    this.#options = options;
  }

  async load({ jobs, whole }: LoadJob): Promise<void> {
    if (whole !== undefined) {
      await this.#untilTaken(whole, { jobs, whole }, () => this.#loadTogether(whole, jobs));
      return;
    }
    let pieces = this.#openPieces(jobs);
    for (const [index, job] of jobs.entries()) {
      await this.#untilTaken(job.table, { jobs: [job], whole: undefined }, async () => {
        try {
          this.#merge(job, await this.#copyRange(job, pieces, false));
        } catch (error) {
          // The pieces have been read in part.
          pieces = this.#openPieces(jobs.slice(index));
          throw error;
        }
      });
    }
  }

  /** Loads a whole table in one transaction, with COPY FREEZE where this role may truncate it. */
  async #loadTogether(table: TableEntry, jobs: readonly RangeJob[]): Promise<void> {
    const pieces = this.#openPieces(jobs);
    const frozen = await beginFrozen(this.#session, table);
    try {
      const digests: (RowDigest | undefined)[] = [];
      for (const job of jobs) digests.push(await this.#copyRange(job, pieces, frozen));
      await this.#session.query('COMMIT');
      for (const [index, job] of jobs.entries()) this.#merge(job, digests[index]);
    } catch (error) {
      // In a lost session the rollback fails, too; the first error says why the session was lost.
      await Promise.allSettled([this.#session.query('ROLLBACK')]);
      throw error;
    }
  }

  /** Tries again as long as a relief may help. Rows that the server still refuses are recorded as lost. */
  async #untilTaken(table: TableEntry, part: LoadJob, attempt: () => Promise<void>): Promise<void> {
    const { signal, checks, searchPaths, lost, later, onProgress } = this.#options;
    const paths = searchPaths ?? { candidates: [], needed: undefined };
    const relief = new RowRelief(this.#session, table, checks, paths);
    for (let taken = false; !taken; ) {
      signal.throwIfAborted();
      this.#sent = { rows: 0, bytes: 0 };
      try {
        await attempt();
        taken = true;
      } catch (cause) {
        signal.throwIfAborted();
        if (!isRefusal(cause) || searchPaths === undefined) throw explain(table, cause);
        onProgress(-this.#sent.rows, -this.#sent.bytes);
        if (later !== undefined) {
          later.push(part);
          break;
        }
        if (await relief.helps(cause)) continue;
        const rows = part.jobs.reduce((sum, { range }) => sum + range.rows, 0);
        const before = lost.get(table)?.rows ?? 0;
        lost.set(table, { rows: before + rows, why: relief.why });
        break;
      }
    }
    await relief.end();
  }

  #merge({ table }: RangeJob, digest: RowDigest | undefined): void {
    if (digest !== undefined) this.#options.digests?.get(table.oid)?.merge(digest);
  }

  #openPieces(jobs: readonly RangeJob[]): PieceReader {
    return new PieceReader(this.#reader, this.#manifest, { jobs, whole: undefined });
  }

  async #copyRange(
    { table, range }: RangeJob,
    pieces: PieceReader,
    frozen: boolean,
  ): Promise<RowDigest | undefined> {
    this.#options.signal.throwIfAborted();
    // Ranges of one table are loaded at the same time, and a row may continue in the next piece of its range,
    // so each range has a digest of its own.
    const digest = this.#options.digests === undefined ? undefined : new RowDigest();
    const into = table.root ?? table;
    const columns = table.columns.map(quoteIdentifier).join(', ');
    const list = columns === '' ? '' : ` (${columns})`;
    const copy = `COPY ${quoteQualified(into.schema, into.name)}${list} FROM STDIN${frozen ? ' WITH (FREEZE)' : ''}`;
    const rows = await copyIn(this.#session, copy, readRange(range, pieces, digest));
    if (rows !== range.rows) {
      throw new TargetError(
        `table ${qualifiedName(table)}: the server accepted ${rows} of ${range.rows} rows of a range`,
        'Check the target for rules or triggers that drop rows.',
      );
    }
    const bytes = sumBytes([{ table, range }]);
    this.#sent.rows += rows;
    this.#sent.bytes += bytes;
    this.#options.onProgress(rows, bytes);
    return digest;
  }
}

/**
 * Begins the transaction that loads a whole table. FREEZE needs a TRUNCATE in it; the table has just been
 * created empty by this restore.
 *
 * @returns false where this role may not truncate the table
 */
async function beginFrozen(session: Session, table: TableEntry): Promise<boolean> {
  await session.query('BEGIN');
  try {
    await session.query(`TRUNCATE ONLY ${quoteQualified(table.schema, table.name)}`);
    return true;
  } catch (error) {
    await session.query('ROLLBACK');
    if ((error as { code?: string }).code !== sqlState.insufficientPrivilege) throw error;
    await session.query('BEGIN');
    return false;
  }
}

/** Whether the server refused these rows, and the session can go on. */
function isRefusal(cause: unknown): cause is ServerError {
  return cause instanceof ServerError && cause.severity === 'ERROR' && !isShortage(cause);
}

/**
 * Makes every error say that the target is incomplete: it has definitions without rows, and must not be taken
 * for a restored database.
 */
function explain(table: TableEntry, cause: unknown): Error {
  const message = `table ${qualifiedName(table)}: ${messageOf(cause)}`;
  const drop = 'The target is incomplete. Drop the database,';
  if (cause instanceof ConfigurationError || cause instanceof TargetError) return cause;
  if (cause instanceof IntegrityError) {
    return new IntegrityError(
      message,
      `${drop} run \`validate\` to see which backups are intact, and restore one of those.`,
      cause,
    );
  }
  if (cause instanceof StorageError) {
    return new StorageError(message, say`${drop} and restore into a new one. ${cause.told.next}`, { cause });
  }
  const hint =
    cause instanceof ServerError && cause.hint !== undefined && !isRaised(cause) ? ` ${cause.hint}` : '';
  return new TargetError(message, `${drop} fix the cause, and restore into a new one.${hint}`, cause);
}
