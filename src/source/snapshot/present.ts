import { setTimeout as sleep } from 'node:timers/promises';
import { expressionsQuery } from '../../postgres/catalog/plannable.ts';
import { qualifiedName, type TableInfo } from '../../postgres/catalog/tables.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { SourceError } from '../../runtime/errors.ts';
import { nameInput, say, type Wording } from '../../runtime/wording.ts';

type Table = Pick<TableInfo, 'oid' | 'schema' | 'name'>;

/**
 * Provides a session that sees the present. All workers share it, because a pooler grants few sessions. It is
 * opened on first use, and again after a loss, since it is idle most of the time. It ends with the lead
 * session.
 *
 * @param first a session that is open already
 */
export function openPresent(
  lead: Session,
  settings: ConnectionSettings,
  signal: AbortSignal,
  first?: Session,
): () => Promise<Session> {
  let opened: Promise<Session> | undefined;
  const follow = (session: Session): Session => {
    const end = () => session.destroy();
    if (lead.stream.destroyed) end();
    else lead.stream.once('close', end);
    session.lost.catch(() => {
      opened = undefined;
    });
    return session;
  };
  // The session of an earlier attempt has ended with its lead.
  if (first !== undefined && !first.stream.destroyed) opened = Promise.resolve(follow(first));
  return () => {
    opened ??= openSession(settings, signal).then(follow, (error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}

/**
 * Secures tables right before a statement that has to be planned. Planning calls functions of a table's
 * indexes and statistics, in their present version. Our lock keeps a table from being altered or renamed, but
 * not its schema from being renamed, nor an index or statistics from being created. The lock comes first, so
 * that no other role can make us wait between the check and the plan. This function also waits for locks on
 * indexes, for which the plan would wait.
 *
 * @param session under the snapshot
 * @param locked oids of tables that its transaction has locked already; gets those of `tables`
 * @throws SourceError that names the tables that changed or are still locked
 */
export async function secureTables(
  session: Session,
  snapshot: { readonly present: () => Promise<Session>; readonly lockTimeoutSeconds: number },
  tables: readonly Table[],
  locked = new Set<number>(),
): Promise<void> {
  if (tables.length === 0) return;
  await lockTogether(
    session,
    tables.filter(({ oid }) => !locked.has(oid)),
  );
  for (const { oid } of tables) locked.add(oid);
  const present = await snapshot.present();
  const until = performance.now() + snapshot.lockTimeoutSeconds * 1000;
  let states = await readStates(present, tables);
  while (states.some(({ locked }) => locked) && performance.now() < until) {
    await sleep(delayMs);
    states = await readStates(present, tables);
  }
  const byOid = new Map(states.map((state) => [state.oid, state]));
  const having = (what: (table: Table, state: State | undefined) => boolean) =>
    tables.filter((table) => what(table, byOid.get(table.oid)));
  refuse(
    having((table, state) => state === undefined || qualifiedName(state) !== qualifiedName(table)),
    'renamed or dropped after the snapshot was taken',
    'Run the backup when no migration is running.',
  );
  refuse(
    having((_, state) => state?.locked === true),
    `an index of it was locked for ${snapshot.lockTimeoutSeconds} s`,
    say`Run the backup when nothing is being reindexed, or raise ${nameInput('lock-timeout')}.`,
  );
  refuse(
    having((_, state) => state?.strange === true),
    'given an index or statistics while the backup ran, with functions of another role that would run as the backup',
    'Run the backup again: a table that has such functions from the beginning is read by COPY, which calls none.',
  );
}

async function lockTogether(session: Session, tables: readonly Table[]): Promise<void> {
  if (tables.length === 0) return;
  const names = tables.map((table) => `ONLY ${quoteQualified(table.schema, table.name)}`).join(', ');
  await session.query(`LOCK TABLE ${names} IN ACCESS SHARE MODE`);
}

const delayMs = 100;

/** A table as it is now. */
interface State extends Table {
  /** Whether another session keeps an index of it exclusively locked. */
  readonly locked: boolean;
  /** Whether planning would call a function of an untrusted owner. */
  readonly strange: boolean;
}

/** Reads everything in one statement: the plan follows only one round trip after the answer. */
function readStates(present: Session, tables: readonly Table[]): Promise<State[]> {
  return present.query<State & Record<string, unknown>>(
    `SELECT c.oid, n.nspname AS schema, c.relname AS name, coalesce(x.foreign, false) AS strange, EXISTS (
       SELECT FROM pg_locks l JOIN pg_index i ON i.indexrelid = l.relation
       WHERE l.mode = 'AccessExclusiveLock' AND i.indrelid = c.oid
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS locked
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN (${expressionsQuery}) AS x ON x.oid = c.oid
     WHERE c.relkind = 'r' AND c.oid = ANY ($1::oid[])`,
    [`{${tables.map(({ oid }) => oid).join(',')}}`],
  );
}

/** @throws SourceError when there is any table */
function refuse(tables: readonly Table[], what: string, next: string | Wording): void {
  if (tables.length === 0) return;
  const names = tables.slice(0, 5).map(qualifiedName).join(', ');
  throw new SourceError(`${names}: ${what}`, say`Nothing was recorded. ${next}`);
}
