import { objectSize } from '../../format/limits.ts';
import { type Supplement, writeSupplement } from '../../format/supplement.ts';
import { readDescription } from '../../postgres/catalog/description.ts';
import { readGlobals } from '../../postgres/catalog/globals.ts';
import { readPrivileges } from '../../postgres/catalog/privileges.ts';
import { askQuestions, readFreshness, tellUnanswered } from '../../postgres/catalog/questions.ts';
import { readQueues } from '../../postgres/catalog/queues.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import { isKnownError, messageOf, SourceError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { type PendingPiece, type PlainObject, type Store, unlessAborted } from '../rows/object-sink.ts';
import { joinSnapshot } from '../snapshot/joined.ts';
import { nameBlockers } from '../snapshot/locks.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { readAdditions } from './extension-additions.ts';

/** The description of a database, and what the caller has read beside it in the same session. */
export interface Described<Beside> {
  readonly description: Supplement;
  readonly beside: Beside;
  /** Sentences about questions that failed */
  readonly unanswered: readonly string[];
}

/** The user's questions about the data. */
export interface Questions {
  readonly checks: readonly string[];
  readonly freshness: readonly { readonly schema: string; readonly table: string; readonly column: string }[];
}

/**
 * Describes the database as the snapshot sees it.
 *
 * @param readBeside reads more in the same session, whose lock timeout is twice the usual one
 * @param signal aborts every wait for a locked table
 * @throws ConfigurationError when a column for the freshness does not exist; SourceError when a table stays
 *   locked
 */
export async function readSupplement<Beside>(
  snapshot: Snapshot,
  settings: ConnectionSettings,
  questions: Questions,
  readBeside: (session: Session) => Promise<Beside>,
  signal: AbortSignal,
): Promise<Described<Beside>> {
  const { lockTimeoutSeconds } = snapshot;
  // A session of its own: its failure does not affect the one that holds the snapshot.
  const session = await joinSnapshot(snapshot, settings, signal);
  try {
    // The server locks a relation to print its expressions. With twice the usual timeout, pg_dump, which
    // waits for the same lock, reports it first.
    await session.query(
      `SET LOCAL lock_timeout = ${Math.round(lockTimeoutSeconds * 2000)}; SET LOCAL enable_seqscan = on`,
    );
    const described = await readThrough(session);
    const beside = await readBeside(session);
    await session.close();
    const { unanswered, ...answered } = await askThrough(snapshot, settings, questions, signal);
    return { description: { ...described, ...answered }, beside, unanswered };
  } catch (error) {
    signal.throwIfAborted();
    if (isKnownError(error)) throw error;
    const locked = (error as { code?: string }).code === sqlState.lockNotAvailable;
    const blockers = locked ? await nameBlockers(settings, await findLocked(settings)) : '';
    throw new SourceError(
      locked
        ? `the definitions could not be read within ${2 * lockTimeoutSeconds} s, because a table is locked${blockers}`
        : `the definitions could not be read: ${messageOf(error)}`,
      locked
        ? say`Nothing was recorded. Run the backup when no migration is running, or raise ${nameInput('lock-timeout')}.`
        : 'Nothing was recorded. Run the backup again.',
      error,
    );
  }
}

/** Relations that another session holds, or awaits, an exclusive lock on. */
async function findLocked(settings: ConnectionSettings): Promise<number[]> {
  await using session = await openSession(settings);
  const rows = await session.query<{ oid: number }>(`
    SELECT relation AS oid FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND locktype = 'relation'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
  return rows.map(({ oid }) => oid);
}

/**
 * Asks the user's questions, which may read views, in a session that does nothing else: there no relation is
 * read by mistake that has taken the name of another.
 */
async function askThrough(
  snapshot: Snapshot,
  settings: ConnectionSettings,
  { checks, freshness }: Questions,
  signal: AbortSignal,
): Promise<Pick<Supplement, 'answers' | 'freshness'> & Pick<Described<unknown>, 'unanswered'>> {
  if (checks.length + freshness.length === 0) return { answers: [], freshness: [], unanswered: [] };
  const unanswered: string[] = [];
  const session = await joinSnapshot(snapshot, settings, signal);
  try {
    await letRead(session);
    await session.query('SET LOCAL enable_seqscan = on');
    const answers = {
      answers: await askQuestions(session, checks, (sql, error) => {
        unanswered.push(tellUnanswered(sql, error));
      }),
      freshness: await readFreshness(session, freshness),
      unanswered,
    };
    await session.close();
    return answers;
  } finally {
    session.destroy();
  }
}

/** Describes the database in the caller's transaction, without the user's questions. */
export async function readThrough(session: Session): Promise<Omit<Supplement, 'answers' | 'freshness'>> {
  const [globals, queues, additions, definitions, privileges] = await Promise.all([
    readGlobals(session),
    readQueues(session),
    readAdditions(session),
    readDescription(session),
    readPrivileges(session),
  ]);
  return { ...globals, queues, additions, definitions, privileges };
}

/**
 * Stores the description in objects of its own: unchanged text gives the same objects.
 *
 * @param signal aborts every wait for the storage
 */
export async function storeSupplement(
  supplement: Supplement,
  store: Store<PlainObject>,
  signal: AbortSignal,
): Promise<PendingPiece[]> {
  const pieces: PendingPiece[] = [];
  for (const part of cutText(writeSupplement(supplement), objectSize)) {
    const object = await unlessAborted(signal, store(part));
    pieces.push({ holder: { object }, offset: 0, length: part.length });
  }
  return pieces;
}

/**
 * Gathers texts into full buffers. Every yield hands out the same buffer, so its content is valid until the
 * next one.
 */
function* cutText(texts: Iterable<string>, size: number): Generator<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(size);
  let length = 0;
  for (const text of texts) {
    let rest = Buffer.from(text);
    while (length + rest.length >= size) {
      rest.copy(buffer, length, 0, size - length);
      rest = rest.subarray(size - length);
      length = 0;
      yield buffer;
    }
    rest.copy(buffer, length);
    length += rest.length;
  }
  if (length > 0) yield buffer.subarray(0, length);
}
