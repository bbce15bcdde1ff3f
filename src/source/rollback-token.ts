import { randomBytes } from 'node:crypto';
import {
  foreignOwnSchema,
  isOwnTable,
  ownSchema,
  ownSchemaComment,
  ownSchemaDefinitions,
} from '../postgres/own-schema.ts';
import { openSession, type Session } from '../postgres/session/connection.ts';
import type { ConnectionSettings } from '../postgres/session/settings.ts';
import { ConfigurationError, messageOf, SourceError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';

/** A token that a backup left, with the transaction (xid8) that wrote it. */
export interface RollbackToken {
  readonly token: string;
  readonly xid: bigint;
}

/** More tokens than the number of backups between any base and now. */
const keptTokens = 1000;

/**
 * SQLSTATE classes and system error codes of transient failures, not of configuration: a lost connection, a
 * full disk, a lock.
 */
const passing = /^(08|40|53|55|57|58|E)/;

/**
 * Commits a new token. Call it after the snapshot of the backup that the token stands for: a database rolled
 * back to a state before that snapshot lacks the token, however equal everything else looks.
 *
 * @throws ConfigurationError when the role may not write the token, or the schema is not ours
 * @throws SourceError when it could not be written this time
 */
export async function leaveToken(
  settings: ConnectionSettings,
  signal: AbortSignal,
  lockTimeoutSeconds = 30,
): Promise<string> {
  await using session = await openSession(settings, signal);
  const token = randomBytes(16).toString('hex');
  try {
    await session.query('BEGIN');
    await session.query(`SET LOCAL lock_timeout = ${Math.round(lockTimeoutSeconds * 1000)}`);
    await ensureTokenTable(session);
    await session.query(`INSERT INTO ${ownSchema}.tokens (token) VALUES ($1)`, [token]);
    await session.query(
      `DELETE FROM ${ownSchema}.tokens WHERE xid < (SELECT xid FROM ${ownSchema}.tokens ORDER BY xid DESC OFFSET ${keptTokens} LIMIT 1)`,
    );
    await session.query('COMMIT');
    return token;
  } catch (cause) {
    signal.throwIfAborted();
    const { code = '' } = cause as { code?: string };
    if (passing.test(code) || /^connection terminated/i.test(messageOf(cause))) {
      throw new SourceError(
        say`${nameInput('rollback-token')}: the token could not be written (${messageOf(cause)})`,
        'Nothing was recorded. Run the backup again.',
        cause,
      );
    }
    throw new ConfigurationError(
      say`${nameInput('rollback-token')}: the token cannot be written (${messageOf(cause)})`,
      say`Let the role create the schema ${ownSchema}, or leave ${nameInput('rollback-token')} out.`,
      cause,
    );
  }
}

async function ensureTokenTable(session: Session): Promise<void> {
  const [foreign] = await session.query<{ owner: string }>(foreignOwnSchema);
  if (foreign !== undefined) throw new Error(`the schema ${ownSchema} belongs to ${foreign.owner}`);
  const [found] = await session.query<{ comment: string | null }>(
    `SELECT obj_description(oid, 'pg_namespace') AS comment FROM pg_namespace WHERE nspname = '${ownSchema}'`,
  );
  if (found !== undefined && found.comment !== ownSchemaComment) {
    throw new Error(`there is a schema ${ownSchema} already, and it is not ours`);
  }
  if (found === undefined) await createTokenTable(session);
  // The check includes a table made just now: another role may have created one first.
  const [table] = await session.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isOwnTable('tokens')}`,
  );
  if (table !== undefined) return;
  throw new Error(
    `the table ${ownSchema}.tokens is not as this tool makes it: it belongs to somebody else, or has triggers or rules`,
  );
}

/** Creates the table of tokens under a lock: of two simultaneous backups, the second waits and finds it. */
async function createTokenTable(session: Session): Promise<void> {
  await session.query(`SELECT pg_advisory_xact_lock(hashtext('${ownSchema}'))`);
  const [made] = await session.query(`SELECT FROM pg_namespace WHERE nspname = '${ownSchema}'`);
  if (made !== undefined) return;
  for (const definition of ownSchemaDefinitions) await session.query(definition);
}

/**
 * Reads the tokens that a snapshot sees; undefined without a table of tokens that can be trusted. A row that
 * another transaction wrote than it names is a copy, of another server perhaps, and no token.
 */
export async function readRollbackTokens(session: Session): Promise<RollbackToken[] | undefined> {
  const [ours] = await session.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isOwnTable('tokens')}`,
  );
  if (ours === undefined) return undefined;
  const rows = await session.query<{ token: string; xid: string }>(
    `SELECT token, xid::text AS xid FROM ${ownSchema}.tokens WHERE xmin = xid::xid`,
  );
  return rows.map((row) => ({ token: row.token, xid: BigInt(row.xid) }));
}
