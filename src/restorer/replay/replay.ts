import type { TableEntry } from '../../format/manifest.ts';
import type { Omission, TableChanges } from '../../parity/scope.ts';
import { type DecodedRow, readDecodedRows } from '../../postgres/decoding/decoded-rows.ts';
import { parseChange, readHead, type TableName } from '../../postgres/decoding/test-decoding.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import { applyInputSettings, setSearchPath } from '../../postgres/session/output-settings.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { Pipeline, type PreparedStatement } from '../../postgres/wire/pipeline.ts';
import { isKnownError, messageOf, TargetError } from '../../runtime/errors.ts';
import type { PresentTable } from '../../supabase/project-selection.ts';
import { isVisible, parseSnapshot, type SnapshotText, widenXid } from '../../values/pg-snapshot.ts';
import { formatTimestamp, parseTimestamp } from '../../values/timestamp.ts';
import { tryStatement } from '../omission.ts';
import { broken, checkRows, diverged, explainRefusal, incomplete, type Note, nobody } from './failures.ts';
import { type Effect, ReplayTables, type Route } from './routes.ts';
import type { Execution } from './statements.ts';
import { readReplayTables } from './tables.ts';
import { ReplayTally, type SkippedTable } from './tally.ts';

/** What is replayed, and on which tables. */
export interface ReplayRequest {
  /** In order; each starts where the one before it ends */
  readonly segments: readonly ReplaySegment[];
  /** pg_current_snapshot() of the restored backup */
  readonly snapshot: string;
  /** Transactions that were committed later are left out. ISO 8601, with microseconds */
  readonly until: string;
  /** Encoding of the text, as in client_encoding */
  readonly encoding: string;
  /** Restored tables that the restore created */
  readonly created: readonly TableEntry[];
  /** Restored tables that the target had before */
  readonly present: readonly PresentTable[];
  /** The value of search_path that generated columns and indexes need; undefined: none */
  readonly searchPath?: string | undefined;
  /** Tables whose changes do not identify a row; they stay as they are */
  readonly uncovered: readonly TableName[];
  readonly signal: AbortSignal;
  readonly onProgress: (done: ReplayProgress) => void;
}

export interface ReplaySegment {
  /** A transaction number with its epoch, above those of all transactions in the segment */
  readonly toXmax: string;
  /** COPY text of the columns lsn, xid and data */
  readonly text: AsyncIterable<Buffer>;
}

export interface ReplayProgress {
  readonly transactions: number;
  readonly changes: number;
  /** Commit time of the last transaction that is in the target, in ISO 8601 */
  readonly lastCommitAt: string | null;
}

/** What a replay has done. */
export interface Replayed extends ReplayProgress {
  /**
   * Commit time of the first transaction that was left out because it is later; null when the text ended
   * before that
   */
  readonly endedBefore: string | null;
  /** Changes of the tables that were changed, by oid in the source */
  readonly tables: ReadonlyMap<number, TableChanges>;
  /** Skipped changes of tables that are not covered */
  readonly uncovered: readonly SkippedTable[];
  /** Skipped changes of tables that were not restored */
  readonly elsewhere: readonly SkippedTable[];
  readonly notCarried: readonly Omission[];
}

/**
 * Rolls restored tables forward: applies the transactions that their snapshot does not see, in the order of
 * their commits, up to the first that was committed after `until`, as recovery_target_time does. Each is
 * applied whole or not at all.
 *
 * @throws TargetError when a change does not hit exactly the row that it is about, or the server refuses it
 * @throws IntegrityError when the text is not what the source writes. The target is incomplete after any
 * throw
 */
export async function replayChanges(settings: ConnectionSettings, request: ReplayRequest): Promise<Replayed> {
  const session = await openSession(settings, request.signal);
  try {
    const { replica, notCarried } = await prepareSession(session, request);
    const found = await readReplayTables(session, request.created, request.present);
    const replay = new Replay(session, request, new ReplayTables(found, request.uncovered, replica));
    for (const segment of request.segments) if (!(await replay.run(segment))) break;
    const result = await replay.finish();
    await session.close();
    return { ...result, notCarried };
  } catch (cause) {
    // Ends the session with everything that is under way in it.
    session.destroy();
    request.signal.throwIfAborted();
    if (isKnownError(cause)) throw cause;
    throw new TargetError(`replay: ${messageOf(cause)}`, incomplete, cause);
  }
}

/**
 * Prepares a session to replay. With session_replication_role = replica, triggers of tables that were there
 * before do not fire, and their foreign keys are not checked.
 */
async function prepareSession(
  session: Session,
  { encoding, present, searchPath }: ReplayRequest,
): Promise<{ replica: boolean; notCarried: Omission[] }> {
  await letRead(session);
  await applyInputSettings(session, encoding);
  if (searchPath !== undefined) await setSearchPath(session, searchPath);
  // The last commit of the restore waits for all others, so these are durable at the end.
  await session.query('SET synchronous_commit = off');
  // Every statement looks up one row by its index, however small the table was when the statement was
  // prepared.
  await session.query('SET enable_seqscan = off');
  await session.query('SET plan_cache_mode = force_generic_plan');
  if (present.length === 0) return { replica: true, notCarried: [] };
  const why = await tryStatement(session, 'SET session_replication_role = replica');
  if (why === undefined) return { replica: true, notCarried: [] };
  const omission = {
    what: "changes replayed without the platform's triggers",
    why: `${why}; triggers of the platform's tables ran for the changes as if they were new`,
    remedy: 'As a superuser: GRANT SET ON PARAMETER session_replication_role TO the role of the restore.',
  };
  return { replica: false, notCarried: [omission] };
}

/**
 * Changes after which a transaction of the target ends, together with the source's transaction that reaches
 * them.
 */
const changesAtOnce = 10_000;
/**
 * Characters of a transaction of the source that are held until its end; a longer one is applied while it is
 * read.
 */
const heldAtOnce = 16 * 1024 * 1024;

const begin: PreparedStatement = { name: 'begin', sql: 'BEGIN' };
const defer: PreparedStatement = { name: 'defer', sql: 'SET CONSTRAINTS ALL DEFERRED' };
const commit: PreparedStatement = { name: 'commit', sql: 'COMMIT' };
const rollback: PreparedStatement = { name: 'rollback', sql: 'ROLLBACK' };

/** The transaction of the source that is being read. Only its end tells when it was committed. */
interface SourceTransaction {
  readonly xid: number;
  /** Whether the snapshot sees it, so that it is skipped */
  readonly visible: boolean;
  /** Changes that are not in the target yet */
  held: DecodedRow[];
  /** Characters of `held` */
  size: number;
  /** Whether it has a transaction of the target for itself */
  alone: boolean;
}

class Replay {
  readonly #pipeline: Pipeline<Note>;
  readonly #tables: ReplayTables;
  readonly #snapshot: SnapshotText;
  readonly #until: bigint;
  readonly #onProgress: ReplayRequest['onProgress'];
  readonly #tally = new ReplayTally();
  #source: SourceTransaction | undefined;
  /** Changes in the open transaction of the target; undefined when none is open */
  #open: number | undefined;
  #endedBefore: bigint | undefined;

  constructor(session: Session, request: ReplayRequest, tables: ReplayTables) {
    this.#tables = tables;
    this.#snapshot = parseSnapshot(request.snapshot);
    this.#until = parseTimestamp(request.until);
    this.#onProgress = request.onProgress;
    this.#pipeline = new Pipeline(session, checkRows, explainRefusal);
  }

  /** @returns false when `until` is reached */
  async run({ toXmax, text }: ReplaySegment): Promise<boolean> {
    const next = BigInt(toXmax);
    // latin1 keeps every byte as it is: names are decoded where they are needed, values never.
    for await (const rows of readDecodedRows(text, 'latin1')) {
      for (const row of rows) {
        if (this.#source === undefined) this.#start(row, next);
        else if (row.data.startsWith('COMMIT ')) {
          if (!(await this.#end(this.#source, row))) return false;
        } else if (!this.#source.visible) await this.#take(this.#source, row);
      }
    }
    if (this.#source !== undefined) {
      throw broken(`the captured changes end within transaction ${this.#source.xid}`);
    }
    return true;
  }

  /** Commits what is open, waits until every statement is answered, and gives the connection back. */
  async finish(): Promise<Omit<Replayed, 'notCarried'>> {
    await this.#commit();
    await this.#pipeline.settle();
    this.#pipeline.release();
    const endedBefore = this.#endedBefore === undefined ? null : formatTimestamp(this.#endedBefore);
    return { ...this.#tally.sum(), endedBefore };
  }

  #start(row: DecodedRow, next: bigint): void {
    const change = parseChange(row.data);
    if (change.kind === 'message') return;
    if (change.kind !== 'begin' || change.xid !== row.xid) {
      throw broken(`the captured changes have something outside of a transaction, at ${row.lsn}`);
    }
    const visible = isVisible(this.#snapshot, widenXid(row.xid, next));
    this.#source = { xid: row.xid, visible, held: [], size: 0, alone: false };
  }

  async #take(source: SourceTransaction, row: DecodedRow): Promise<void> {
    const { kind } = readHead(row.data);
    // A non-transactional message stands where it was written, even within a transaction.
    if (kind === 'message') return;
    if (kind === 'begin' || row.xid !== source.xid) {
      throw broken(`the captured changes have a part of another transaction at ${row.lsn}`);
    }
    if (source.alone) return this.#apply(row);
    source.held.push(row);
    source.size += row.data.length + row.long.reduce((sum, { length }) => sum + length, 0);
    if (source.held.length <= changesAtOnce && source.size <= heldAtOnce) return;
    // Only its end tells whether it is applied. What came before it is committed first, whatever becomes of
    // it.
    await this.#commit();
    source.alone = true;
    for (const held of source.held) await this.#apply(held);
    source.held = [];
  }

  /** @returns false when it is later than `until` */
  async #end(source: SourceTransaction, row: DecodedRow): Promise<boolean> {
    const change = parseChange(row.data);
    if (change.kind !== 'commit' || change.xid !== source.xid) {
      throw broken(`the captured changes have the end of another transaction at ${row.lsn}`);
    }
    this.#source = undefined;
    if (source.visible) return true;
    if (change.at > this.#until) {
      this.#endedBefore = change.at;
      if (source.alone) await this.#rollback();
      return false;
    }
    for (const held of source.held) await this.#apply(held);
    this.#tally.endTransaction(change.at);
    if (source.alone || (this.#open ?? 0) >= changesAtOnce) await this.#commit();
    return true;
  }

  async #apply(row: DecodedRow): Promise<void> {
    const head = readHead(row.data);
    if (!('tables' in head)) throw broken(`the captured changes have no change at ${row.lsn}`);
    const route = this.#tables.route(head.tables);
    for (const table of route.skipped) this.#tally.skip(table);
    if (route.effects.length === 0) return;
    await this.#begin();
    for (const effect of route.effects) {
      const note = { effect, row };
      const { statement, values } = this.#express(note, route);
      this.#tally.count(effect.table.entry, head.kind);
      await this.#pipeline.execute(statement, values, note);
    }
    this.#open = (this.#open ?? 0) + 1;
  }

  #express(note: Note & { effect: Effect; row: DecodedRow }, route: Route): Execution {
    const { statements } = note.effect;
    const change = parseChange(note.row.data, note.row.long);
    try {
      switch (change.kind) {
        case 'insert':
          return statements.insert(change.row);
        case 'update':
          return statements.update(change.old, change.row);
        case 'delete':
          return statements.delete(change.old);
        case 'truncate':
          this.#tables.checkEmptied(route);
          return statements.truncate();
        default:
          throw new Error(`a ${change.kind} is no change of a table`);
      }
    } catch (cause) {
      throw diverged(note, `${change.kind}: ${messageOf(cause)}`, cause);
    }
  }

  async #begin(): Promise<void> {
    if (this.#open !== undefined) return;
    this.#open = 0;
    await this.#pipeline.execute(begin, [], nobody);
    await this.#pipeline.execute(defer, [], nobody);
  }

  async #commit(): Promise<void> {
    if (this.#open !== undefined) {
      // Commits only when every statement has hit its row.
      await this.#pipeline.settle();
      await this.#pipeline.execute(commit, [], nobody);
      this.#open = undefined;
    }
    this.#tally.commit();
    const { transactions, changes, lastCommitAt } = this.#tally.sum();
    this.#onProgress({ transactions, changes, lastCommitAt });
  }

  async #rollback(): Promise<void> {
    this.#tally.rollback();
    if (this.#open === undefined) return;
    await this.#pipeline.execute(rollback, [], nobody);
    this.#open = undefined;
  }
}
