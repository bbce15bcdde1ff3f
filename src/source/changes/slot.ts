import type { Session } from '../../postgres/session/connection.ts';
import { isTooLong, leavesSession } from '../../postgres/session/server-error.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import { ConfigurationError, messageOf, SourceError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { SlotState } from '../../values/slot-look.ts';

/*
 * The logical replication slot that captures read. The server keeps the write-ahead log until the slot has
 * moved past it. Everything goes through plain SQL (PostgreSQL manual 9.28.6), because a pooler passes
 * nothing else.
 */

export interface Slot extends SlotState {
  /** Where the next reading begins. */
  readonly confirmed: string;
  /** Whether nothing can be read from it any more, above all because the server has given it up. */
  readonly unusable: boolean;
}

const plugin = 'test_decoding';

/** Returns the name of the slot that captures into a repository read. */
export function nameSlot({ id }: { readonly id: string }): string {
  return `supabase_backup_${id.slice(0, 8)}`;
}

/**
 * Reads the state of a slot.
 *
 * @returns undefined when there is no slot of this name
 * @throws ConfigurationError when it belongs to another database or plugin
 */
export async function readSlot(session: Session, name: string): Promise<Slot | undefined> {
  const found = await findSlot(session, name);
  if (found === undefined) return undefined;
  if (!found.isOurs) {
    throw new ConfigurationError(
      say`${nameInput('database-url')}: the replication slot ${name} belongs to another database or plugin`,
      `Drop it if nobody needs it: SELECT pg_drop_replication_slot('${name}').`,
    );
  }
  const { confirmed, state } = found;
  return {
    ...state,
    confirmed: confirmed ?? '0/0',
    unusable: state.walStatus === 'lost' || confirmed === null,
  };
}

/**
 * Measures a slot, for reports: whoever may connect may read it.
 *
 * @returns null when this database has no slot of this name; undefined on a standby, which does not know the
 *   slots of its primary
 * @throws SourceError when the role may not see slots
 */
export async function measureSlot(session: Session, name: string): Promise<SlotState | null | undefined> {
  const [server] = await session.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
  if (server === undefined || server.standby) return undefined;
  const found = await findSlot(session, name);
  return found?.isOurs ? found.state : null;
}

interface FoundSlot {
  /** Whether it is of this database, and of the plugin of captures */
  readonly isOurs: boolean;
  readonly confirmed: string | null;
  readonly state: SlotState;
}

/** @throws SourceError when the role may not see slots, which all may where nobody has forbidden it */
async function findSlot(session: Session, name: string): Promise<FoundSlot | undefined> {
  try {
    return await querySlot(session, name);
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code === undefined || !leavesSession(code)) throw cause;
    throw new SourceError(
      `the replication slots cannot be read: ${messageOf(cause)}`,
      'Grant this role SELECT on pg_catalog.pg_replication_slots.',
      cause,
    );
  }
}

async function querySlot(session: Session, name: string): Promise<FoundSlot | undefined> {
  // A slot without a status keeps nothing.
  const [row] = await session.query<FoundSlot & SlotState>(
    `SELECT coalesce(database = current_database(), false) AND plugin = '${plugin}' AS "isOurs",
            confirmed_flush_lsn::text AS confirmed, slot_name AS name,
            greatest(0, coalesce(pg_current_wal_lsn() - restart_lsn, 0))::int8 AS "retainedBytes",
            safe_wal_size AS "safeBytes", coalesce(wal_status, 'lost') AS "walStatus", active AS "isActive"
     FROM pg_replication_slots WHERE slot_name = $1`,
    [name],
  );
  if (row === undefined) return undefined;
  const { isOurs, confirmed, ...state } = row;
  return { isOurs, confirmed, state };
}

/**
 * Makes sure that a slot can be created, and that the server survives if captures stop.
 *
 * @throws ConfigurationError with its own message for each cause
 */
export async function checkSlotPossible(session: Session, unlimitedWal: boolean): Promise<void> {
  const [server] = await session.query<{
    level: string;
    standby: boolean;
    role: string;
    allowed: boolean;
    limit: number;
    slots: number;
    used: number;
  }>(`
    SELECT current_setting('wal_level') AS level, pg_is_in_recovery() AS standby, current_user AS role,
           (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user) AS allowed,
           (SELECT setting::int8 FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS limit,
           (SELECT setting::int8 FROM pg_settings WHERE name = 'max_replication_slots') AS slots,
           (SELECT count(*) FROM pg_replication_slots) AS used`);
  if (server === undefined) throw new Error('the server did not tell its settings');
  const { level, standby, role, allowed, limit, slots, used } = server;
  const refuse = (what: string, next: string) =>
    new ConfigurationError(say`${nameInput('database-url')}: ${what}`, next);
  if (standby) throw refuse('the server is a standby', 'Capture from the primary.');
  if (level !== 'logical') {
    throw refuse(
      `changes cannot be captured, because wal_level is ${level}`,
      'Set wal_level = logical and restart the server (hosted Supabase has it), or do not use captures: capture: false in a policy.',
    );
  }
  if (!allowed) {
    throw refuse(
      `${role} cannot create a replication slot`,
      `Run "ALTER ROLE ${role} REPLICATION", or use the role postgres of the Supabase project.`,
    );
  }
  if (used >= slots) {
    throw refuse(
      `all ${slots} replication slots of the server are in use`,
      'Drop one that nobody reads (SELECT slot_name, active FROM pg_replication_slots), or raise max_replication_slots.',
    );
  }
  if (limit < 0 && !unlimitedWal) {
    throw new ConfigurationError(
      say`${nameInput('unlimited-wal')}: the server does not limit how much write-ahead log a slot keeps (max_slot_wal_keep_size = -1), so its disk fills up if captures stop`,
      say`Set a limit, for example "ALTER SYSTEM SET max_slot_wal_keep_size = '4GB'" and reload, or accept this with ${nameInput('unlimited-wal', 'true')}.`,
    );
  }
}

/**
 * Names transactions that a new slot waits for: those that have written, in any database of the server, and
 * prepared ones.
 */
export async function nameRunning(session: Session): Promise<string[]> {
  const rows = await session.query<{ text: string }>(`
    SELECT format('process %s (%s, %s, %s for %s)', pid, usename, coalesce(nullif(application_name, ''), 'no application name'), state,
                  date_trunc('second', clock_timestamp() - xact_start)) AS text, xact_start AS since
    FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
    UNION ALL
    SELECT format('prepared transaction %L of %s in %s, %s old', gid, owner, database, date_trunc('second', clock_timestamp() - prepared)), prepared
    FROM pg_prepared_xacts
    ORDER BY since LIMIT 5`);
  return rows.map(({ text }) => text);
}

/**
 * Creates a slot. The server waits for the transactions that are running, because only transactions that
 * begin later are decoded whole.
 *
 * @param timeoutSeconds for each running transaction
 * @throws SourceError that names the transactions that do not end; ConfigurationError when the server refuses
 * the slot
 */
export async function createSlot(session: Session, name: string, timeoutSeconds: number): Promise<void> {
  try {
    await session.query(`SELECT set_config('lock_timeout', $1, false)`, [`${timeoutSeconds}s`]);
    await session.query('SELECT pg_create_logical_replication_slot($1, $2)', [name, plugin]);
    await session.query('SET lock_timeout = 0');
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code === undefined) throw cause;
    if (code === sqlState.lockNotAvailable) {
      await session.query('SET lock_timeout = 0');
      const running = await nameRunning(session);
      throw new SourceError(
        `the replication slot cannot be created, because a transaction does not end within ${timeoutSeconds} s: ${running.join('; ') || 'it has ended by now'}`,
        say`End it (SELECT pg_terminate_backend(PID), or COMMIT PREPARED or ROLLBACK PREPARED), or wait longer with ${nameInput('lock-timeout')}. No slot was left behind.`,
        cause,
      );
    }
    throw new ConfigurationError(
      say`${nameInput('database-url')}: the replication slot cannot be created (${messageOf(cause)})`,
      code === sqlState.undefinedFile
        ? 'Install the contrib modules of the server; test_decoding is one of them.'
        : 'Fix what the server reports, and run capture again.',
      cause,
    );
  }
}

export async function dropSlot(session: Session, name: string): Promise<void> {
  await session.query('SELECT pg_drop_replication_slot($1)', [name]);
}

/** Lets the server discard the log before `position`. Call it when everything up to there is stored. */
export async function advanceSlot(session: Session, name: string, position: string): Promise<void> {
  await session.query('SELECT pg_replication_slot_advance($1, $2::pg_lsn)', [name, position]);
}

/** Changes that no capture can read until the source is changed. */
export class UnreadableChangesError extends SourceError {}

/** Explains a failed reading of the slot by its cause. */
export function explainSlotFailure(cause: unknown): Error {
  const { code } = cause as { code?: string };
  if (code === sqlState.objectInUse) {
    return new SourceError(
      `another process reads the replication slot (${messageOf(cause)})`,
      'Run one capture at a time. If the process is a capture that was killed, the server ends it within minutes.',
      cause,
    );
  }
  if (code === sqlState.configurationLimitExceeded) {
    return new UnreadableChangesError(
      `changes could not be read: a transaction of the source is larger than the server lets a session hold (${messageOf(cause)})`,
      say`Let a superuser raise the limit: ALTER ROLE … SET temp_file_limit = -1. Or discard these changes: capture with ${nameInput('drop-slot', 'true')}, then capture again, which takes a new backup to continue from. Until then, nothing is lost.`,
      cause,
    );
  }
  if (isTooLong(cause)) {
    return new UnreadableChangesError(
      `changes could not be read: a row that was changed is larger than the server can send as text (${messageOf(cause)})`,
      say`The limit is 1 GB, and bytea needs twice its size. Discard these changes: capture with ${nameInput('drop-slot', 'true')}, then capture again, which takes a new backup to continue from. Until then, nothing is lost.`,
      cause,
    );
  }
  return new SourceError(
    `changes could not be read: ${messageOf(cause)}`,
    'Nothing is lost: the slot was not moved. Run capture again.',
    cause,
  );
}
