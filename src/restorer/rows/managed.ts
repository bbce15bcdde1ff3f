import type { Manifest, TableEntry } from '../../format/manifest.ts';
import type { Omission } from '../../parity/scope.ts';
import { about } from '../../parity/subject.ts';
import { quoteIdentifier, quoteQualified } from '../../postgres/identifier.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import { applyInputSettings } from '../../postgres/session/output-settings.ts';
import { isShortage } from '../../postgres/session/server-error.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import { copyIn } from '../../postgres/wire/copy-writer.ts';
import { RowDigest } from '../../postgres/wire/row-digest.ts';
import type { ObjectReader } from '../../repository/objects/store.ts';
import { messageOf } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { runWorkers } from '../../runtime/workers.ts';
import type { PresentTable } from '../../supabase/project-selection.ts';
import { tryStatement } from '../omission.ts';
import { PieceReader, readRange } from './pieces.ts';

/** The outcome of loading rows into tables that the target had already. */
export interface ManagedRows {
  /**
   * Digests of the rows that were sent, by the table's oid in the source, for tables that can be compared by
   * content
   */
  readonly sent: Map<number, RowDigest>;
  /** Why the rows of a table can only be counted, by its oid in the source */
  readonly countOnly: Map<number, string>;
  readonly notCarried: Omission[];
}

interface Refused {
  readonly present: PresentTable;
  /** SQLSTATE */
  readonly code: string;
  readonly why: string;
}

/**
 * Loads rows into existing tables, whose definitions may be of another version. Each table arrives whole or
 * not at all, and one that the server refuses does not keep the others out. No table is emptied first: the
 * platform guards its tables against that.
 *
 * @throws IntegrityError or StorageError when a stored object is not what the manifest says
 */
export async function loadManagedRows(
  settings: ConnectionSettings,
  manifest: Manifest,
  tables: readonly PresentTable[],
  reader: ObjectReader,
  options: { workers: number; signal: AbortSignal; onProgress: (rows: number, bytes: number) => void },
): Promise<ManagedRows> {
  const outcome: ManagedRows = { sent: new Map(), countOnly: new Map(), notCarried: [] };
  let isTold = false;
  for (const { table, missing } of tables) {
    // Nothing is sent of an empty table, and a comparison of the content needs all columns.
    if (table.rows === 0 && missing.length > 0) outcome.countOnly.set(table.oid, describeMissing(missing));
  }
  const loadAll = async (wanted: readonly PresentTable[]): Promise<Refused[]> => {
    const refused: Refused[] = [];
    const queue = wanted.toSorted((one, other) => other.table.bytes - one.table.bytes).values();
    await runWorkers(Math.min(options.workers, wanted.length), options.signal, async (signal) => {
      const session = await openSession(settings, signal);
      const omission = await prepareLoader(session, manifest);
      // The server refuses it to each session, and it is one omission.
      if (omission !== undefined && !isTold) outcome.notCarried.push(omission);
      isTold ||= omission !== undefined;
      for (const present of queue) {
        signal.throwIfAborted();
        const why = await loadTable(session, present, manifest, reader, outcome);
        if (why !== undefined) refused.push(why);
        else options.onProgress(present.table.rows, present.table.bytes);
      }
      await session.close();
    });
    return refused;
  };
  let refused = await loadAll(tables.filter(({ table }) => table.rows > 0));
  // Where foreign keys are checked, a table that refers to another one waits for it.
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    const waiting = refused.filter(({ code }) => code === sqlState.foreignKeyViolation);
    append(outcome.notCarried, refused.filter((item) => !waiting.includes(item)).map(describeRefused));
    if (waiting.length === 0 || waiting.length >= before) {
      append(outcome.notCarried, waiting.map(describeRefused));
      return outcome;
    }
    before = waiting.length;
    refused = await loadAll(waiting.map(({ present }) => present));
  }
}

function describeMissing(columns: readonly string[]): string {
  return `the target's table has no ${columns.join(', ')}`;
}

function describeRefused({ present: { table }, why }: Refused): Omission {
  return {
    ...about({ kind: 'rows', table }),
    why: `the server refused them: ${why}; ${table.rows} rows are lost`,
    remedy: 'Fix the cause, and restore into an empty target again.',
    lost: true,
  };
}

/**
 * Prepares a session to load. session_replication_role = replica disables triggers and foreign keys in this
 * session only, and hosted projects allow it.
 */
async function prepareLoader(session: Session, manifest: Manifest): Promise<Omission | undefined> {
  await letRead(session);
  await applyInputSettings(session, manifest.source.encoding);
  await session.query('SET synchronous_commit = off');
  const why = await tryStatement(session, 'SET session_replication_role = replica');
  if (why === undefined) return undefined;
  return {
    what: "rows loaded without the platform's triggers",
    why: `${why}; triggers of the platform's tables ran for the rows as if they were new`,
    remedy: 'As a superuser: GRANT SET ON PARAMETER session_replication_role TO the role of the restore.',
  };
}

/** @returns why the server refused the rows; undefined when they are there */
async function loadTable(
  session: Session,
  present: PresentTable,
  manifest: Manifest,
  reader: ObjectReader,
  outcome: ManagedRows,
): Promise<Refused | undefined> {
  const { table, missing } = present;
  await session.query('BEGIN');
  try {
    if (missing.length === 0) {
      const { digest, taken } = await copyTable(session, table, qualify(table), manifest, reader);
      if (taken !== table.rows) {
        await session.query('ROLLBACK');
        return {
          present,
          code: '',
          why: `it accepted only ${taken} of them, because of rules or triggers of the target`,
        };
      }
      outcome.sent.set(table.oid, digest);
    } else {
      append(outcome.notCarried, await loadByWay(session, present, manifest, reader));
      outcome.countOnly.set(table.oid, describeMissing(missing));
    }
    await session.query('COMMIT');
    return undefined;
  } catch (error) {
    const { code, severity, routine } = error as { code?: unknown; severity?: unknown; routine?: string };
    if (typeof code !== 'string' || severity !== 'ERROR' || isShortage({ code, routine })) throw error;
    await session.query('ROLLBACK');
    return { present, code, why: messageOf(error) };
  }
}

async function copyTable(
  session: Session,
  table: TableEntry,
  into: string,
  manifest: Manifest,
  reader: ObjectReader,
): Promise<{ digest: RowDigest; taken: number }> {
  const total = new RowDigest();
  let taken = 0;
  const jobs = table.ranges.filter((range) => range.pieces.length > 0).map((range) => ({ table, range }));
  const pieces = new PieceReader(reader, manifest, { jobs, whole: undefined });
  const columns = table.columns.map(quoteIdentifier).join(', ');
  for (const { range } of jobs) {
    const digest = new RowDigest();
    taken += await copyIn(session, `COPY ${into} (${columns}) FROM STDIN`, readRange(range, pieces, digest));
    total.merge(digest);
  }
  return { digest: total, taken };
}

const staged = 'pg_temp.supabase_backup_rows';

/**
 * Loads rows through a temporary table that also has the columns which the target lacks, because COPY cannot
 * leave any out.
 *
 * @returns the values of those columns, as omissions
 */
async function loadByWay(
  session: Session,
  { table, missing }: PresentTable,
  manifest: Manifest,
  reader: ObjectReader,
): Promise<Omission[]> {
  const common = table.columns.filter((column) => !missing.includes(column));
  const list = common.map(quoteIdentifier).join(', ');
  await session.query(
    `CREATE TEMPORARY TABLE supabase_backup_rows ON COMMIT DROP AS SELECT ${list} FROM ${qualify(table)} WITH NO DATA`,
  );
  for (const column of missing) {
    await session.query(`ALTER TABLE ${staged} ADD COLUMN ${quoteIdentifier(column)} text`);
  }
  await copyTable(session, table, staged, manifest, reader);
  await session.query(
    `INSERT INTO ${qualify(table)} (${list}) OVERRIDING SYSTEM VALUE SELECT ${list} FROM ${staged}`,
  );
  const lost: Omission[] = [];
  for (const column of missing) {
    const [counted] = await session.query<{ values: number; different: number }>(
      `SELECT count(${quoteIdentifier(column)}) AS values, count(DISTINCT ${quoteIdentifier(column)}) AS different FROM ${staged}`,
    );
    if (counted && counted.values > 0) lost.push(describeLost(table, column, counted));
  }
  return lost;
}

function describeLost(
  table: TableEntry,
  column: string,
  { values, different }: { values: number; different: number },
): Omission {
  const kinds = different === 1 ? 'all of them the same' : `${different} different ones`;
  return {
    ...about({ kind: 'column', table, name: column }),
    why: `the target's table has no such column; ${values} values are lost, ${kinds}`,
    remedy: 'Upgrade the target project and restore again, if you need them.',
  };
}

function qualify({ schema, name }: TableEntry): string {
  return quoteQualified(schema, name);
}
