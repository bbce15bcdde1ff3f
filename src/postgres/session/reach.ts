import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { sqlStateClass } from '../sqlstate.ts';
import { openSession, type Session } from './connection.ts';
import { type ConnectionSettings, describeConnection, parseConnection } from './settings.ts';
import { openKey } from './tls.ts';

/**
 * Reads connection settings (`parseConnection`) and completes them by connecting (`settleConnection`).
 *
 * @param url a libpq URL; when absent, libpq's environment variables count
 */
export async function reachDatabase(
  input: string,
  url: string | undefined,
  sslRootCert: string | undefined,
  context: ReachContext,
): Promise<ConnectionSettings> {
  const { settings, session } = await openReached(input, url, sslRootCert, context);
  await session.close();
  return settings;
}

type ReachContext = Pick<Context, 'env' | 'log' | 'random' | 'signal' | 'temporaryFolder'>;

export interface Reached {
  readonly settings: ConnectionSettings;
  /** The session that completed the settings. */
  readonly session: Session;
}

/** As `reachDatabase`, but keeps the session open for the caller. */
export async function openReached(
  input: string,
  url: string | undefined,
  sslRootCert: string | undefined,
  context: ReachContext,
): Promise<Reached> {
  return settleConnection(parseConnection(input, url, context, sslRootCert), context);
}

/**
 * Completes what only an attempt can tell: which of several hosts to use (all sessions must be on one
 * server), whether `options` may be sent at the start of a session, and whether the server has TLS where
 * `prefer` leaves that open.
 *
 * @returns settings of one server
 * @throws ConfigurationError, SourceError or TargetError of the last host when no host can be reached and
 *   fits target_session_attrs
 */
async function settleConnection(
  settings: ConnectionSettings,
  context: Pick<Context, 'log' | 'signal' | 'temporaryFolder'>,
): Promise<Reached> {
  const { others = [], options, ...first } = settings;
  // A restore into one of several servers needs the one that accepts writes.
  const isWritten = settings.input !== 'database-url' && others.length > 0;
  const sessions = settings.sessions === 'any' && isWritten ? 'read-write' : settings.sessions;
  const all = [{ ...first, sessions, options, others: undefined }, ...others].map((one) =>
    withOpenKey(one, context.temporaryFolder),
  );
  const passes = sessions === 'prefer-standby' ? (['standby', 'any'] as const) : ([sessions] as const);
  let failure: unknown;
  for (const wanted of passes) {
    for (const candidate of all) {
      try {
        const found = await tryHost(candidate, wanted, context);
        if (found !== undefined) return found;
        failure = new ConfigurationError(
          say`${nameInput(settings.input)}: ${describeConnection(candidate)} is not ${wanted}, as target_session_attrs wants it`,
          'Use a server that is, or leave target_session_attrs out.',
        );
      } catch (error) {
        context.signal.throwIfAborted();
        // As in libpq, a refused login is not tried on the next host: the credentials are the same there, and
        // poolers block an address after a few failures.
        if (all.length === 1 || isAboutWho(error)) throw error;
        context.log.info(`${describeConnection(candidate)} is passed over: ${(error as Error).message}`);
        failure = error;
      }
    }
  }
  throw failure;
}

/** @returns undefined when the server does not fit `wanted` */
async function tryHost(
  candidate: ConnectionSettings,
  wanted: ConnectionSettings['sessions'],
  { log, signal }: Pick<Context, 'log' | 'signal'>,
): Promise<Reached | undefined> {
  const session = await openSession(candidate, signal);
  try {
    if (!(await isWanted(session, wanted))) {
      await session.close();
      return undefined;
    }
  } catch (error) {
    session.destroy();
    throw error;
  }
  if (!session.takesOptions && candidate.options !== '') {
    log.info(
      'options: refused by the pooler at the start of a session, so that pg_dump and pg_restore go without them; our own sessions have them',
    );
  }
  // Later sessions do not ask a server without TLS for it again.
  const isPlain = candidate.sslMode === 'prefer' && (session.stream as Partial<TLSSocket>).encrypted !== true;
  const settings: ConnectionSettings = {
    ...candidate,
    optionsAtStart: session.takesOptions,
    sslMode: isPlain ? 'disable' : candidate.sslMode,
  };
  return { settings, session };
}

/** The meaning of libpq's target_session_attrs (PostgreSQL manual 34.1.2). */
async function isWanted(session: Session, wanted: ConnectionSettings['sessions']): Promise<boolean> {
  if (wanted === 'any') return true;
  const [row] = await session.query<{ standby: boolean; readonly: boolean }>(
    `SELECT pg_is_in_recovery() AS standby,
            pg_is_in_recovery() OR (SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only') AS readonly`,
  );
  if (row === undefined) return false;
  switch (wanted) {
    case 'read-write':
      return !row.readonly;
    case 'read-only':
      return row.readonly;
    case 'primary':
      return !row.standby;
    default:
      return row.standby;
  }
}

function isAboutWho(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: unknown } };
  return (
    typeof cause?.code === 'string' && cause.code.startsWith(sqlStateClass.invalidAuthorizationSpecification)
  );
}

function withOpenKey(settings: ConnectionSettings, folder: string): ConnectionSettings {
  const { key, passphrase, ...tls } = settings.tls;
  if (key === undefined || passphrase === undefined) return settings;
  const file = path.join(folder, 'sslkey.pem');
  writeFileSync(file, openKey(settings.input, key, passphrase), { mode: 0o600 });
  return { ...settings, tls: { ...tls, key: file } };
}
