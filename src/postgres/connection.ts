import { lookup } from 'node:dns/promises';
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { ConfigurationError, messageOf, SourceError, TargetError } from '../errors.ts';
import { leavesSession } from './server-error.ts';
import {
  type ConnectionSettings,
  describeConnection,
  maySendClearText,
  readRootCertificates,
} from './settings.ts';
import { ReusingSocket } from './socket.ts';

/** One server session. It never hides that it died: `lost` rejects then, with the reason. */
export interface Session {
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** The socket under the session, for the COPY reader and writer. */
  readonly stream: Socket;
  /** server_version_num */
  readonly serverVersion: number;
  /**
   * Whether the server keeps statements of this session from reading views and foreign tables of users, whatever a name has come to mean.
   * Servers do since the minors of August 2024 (CVE-2024-7348).
   */
  readonly guarded: boolean;
  /** Rejects when the session ends before `close` is called. */
  readonly lost: Promise<never>;
  close(): Promise<void>;
  /** Ends the session at once, whatever it is doing. */
  destroy(): void;
}

/**
 * Values travel as the server writes them: counts and oids fit a number, everything else stays text, so that a manifest says
 * what the server said.
 */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number) => {
    const number = [20, 21, 23, 26].includes(oid);
    const boolean = oid === 16;
    return (text: string) => (number ? Number(text) : boolean ? text === 't' : text);
  },
};

/**
 * Timeouts that a role or a pooler may have set, switched off at start-up because a later SET can come too late. Compiling one of our
 * catalog queries takes half a second and saves nothing.
 */
const startupOptions =
  '-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0 -c lock_timeout=0 -c client_min_messages=warning -c jit=off';

/**
 * Opens a session in which names mean what they say: with an empty search_path nothing is found that a statement does not qualify, whatever
 * users have made in `public` or in a schema of the role's name. `RESET search_path` gives a session what it would have had.
 */
export async function openSession(settings: ConnectionSettings, signal?: AbortSignal): Promise<Session> {
  signal?.throwIfAborted();
  const client = await connect(settings);
  const stream = (client as unknown as { connection: { stream: Socket } }).connection.stream;
  if (signal?.aborted) {
    stream.destroy();
    signal.throwIfAborted();
  }
  stream.setKeepAlive(true, 10_000);

  const { promise: lost, reject } = Promise.withResolvers<never>();
  lost.catch(() => undefined);
  let closing = false;
  const onLost = (reason: unknown) => {
    if (!closing) reject(reason);
  };
  client.on('error', onLost);
  client.on('end', () => onLost(new Error('the server ended the connection')));
  const destroy = () => {
    closing = true;
    stream.destroy();
  };
  signal?.addEventListener('abort', destroy, { once: true });

  const session: Session = {
    stream,
    lost,
    serverVersion: 0,
    guarded: false,
    destroy,
    async query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> {
      try {
        const result = await client.query<Row>(values === undefined ? { text: sql } : { text: sql, values });
        return result.rows;
      } catch (error) {
        throw await nameSeverity(client, error);
      }
    },
    async close() {
      closing = true;
      signal?.removeEventListener('abort', destroy);
      await client.end();
    },
  };
  await session.query(meaning);
  const [row] = await session.query<{ server_version_num: string }>('SHOW server_version_num');
  const serverVersion = Number(row?.server_version_num);
  const guarded = await guard(session);
  if (serverVersion >= 170000) await session.query('SET transaction_timeout = 0');
  if (serverVersion >= 140000) await endWithUs(session);
  return Object.assign(session, { serverVersion, guarded });
}

/**
 * What a statement of ours means, and what it calls, is not for the settings of a database to say. With constraint exclusion the planner calls
 * the functions of checks, as whoever asks. What must not write says so itself.
 */
const meaning = `
  SET search_path = '';
  SET default_transaction_read_only = off;
  SET standard_conforming_strings = on;
  SET quote_all_identifiers = off;
  SET constraint_exclusion = off`;

const restricting = 'restrict_nonsystem_relation_kind';

/** As pg_dump: a relation of a user may be renamed and another one take its name between the look at the catalog and the reading. */
async function guard(session: Pick<Session, 'query'>): Promise<boolean> {
  const [row] = await session.query(
    `SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = '${restricting}'`,
  );
  return row !== undefined;
}

/**
 * Lets a session read what its statements need, views and foreign tables included: for what a restore writes, where checks, indexes and
 * materialized views of the source call what they call, and for what a user asks.
 */
export async function letRead(session: Session): Promise<void> {
  if (session.guarded) await session.query(`SET ${restricting} = ''`);
  await session.query('RESET constraint_exclusion');
}

/**
 * The severity of an error as `ServerError` has it. A server writes it in a language of its own, and the driver passes over the field that
 * has it in English.
 */
async function nameSeverity(client: pg.Client, error: unknown): Promise<unknown> {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  if (typeof code !== 'string' || typeof severity !== 'string') return error;
  // In a transaction that has failed it is refused, by a server that is there.
  const ping = async () => {
    try {
      await client.query('SELECT 1');
      return true;
    } catch (answer) {
      return (answer as { code?: unknown }).code === inFailedTransaction;
    }
  };
  const lives = leavesSession(code) || (await ping());
  return Object.assign(error as Error, { severity: lives ? 'ERROR' : 'FATAL' });
}

const inFailedTransaction = '25P02';

/** Without it a statement of a run that was stopped goes on to its end. */
async function endWithUs(session: Pick<Session, 'query'>): Promise<void> {
  try {
    await session.query(`SET client_connection_check_interval = '1s'`);
  } catch (error) {
    // Servers on some systems cannot look, and refuse any other value than 0.
    if ((error as { code?: string }).code !== invalidParameterValue) throw error;
  }
}

const invalidParameterValue = '22023';

async function connect(settings: ConnectionSettings): Promise<pg.Client> {
  const attempt = async (ssl: boolean | ConnectionOptions): Promise<pg.Client> => {
    const client = new pg.Client({
      host: settings.host,
      port: settings.port,
      user: settings.user,
      ...(settings.password === undefined ? {} : { password: settings.password }),
      database: settings.database,
      ssl,
      ...(ssl === false ? { stream: () => new ReusingSocket() } : {}),
      connectionTimeoutMillis: settings.connectTimeout * 1000,
      application_name: 'supabase-backup',
      options: `${startupOptions} ${settings.options}`.trim(),
      types,
    });
    // Without a listener an error between two queries would end the process.
    client.on('error', () => undefined);
    if (!maySendClearText(settings)) refuseClearText(client);
    try {
      await client.connect();
      return client;
    } catch (error) {
      (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
      throw error;
    }
  };
  try {
    return await attemptModes(settings, attempt);
  } catch (error) {
    throw await explainRefusal(settings, error);
  }
}

/** Whoever stands between asks for a password in clear text, and has it; a server that is what it says has better ways. */
function refuseClearText(client: pg.Client): void {
  const { connection } = client as unknown as { connection: EventEmitter & { stream: Socket } };
  connection.prependListener('authenticationCleartextPassword', () => {
    Object.assign(client, { password: '' });
    connection.stream.destroy(new Error(askedInClear));
  });
}

const askedInClear =
  'the server asks for the password in clear text, over a connection that need not have TLS';

/** libpq's meaning of sslmode (PostgreSQL manual, table 34.1). */
async function attemptModes(
  settings: ConnectionSettings,
  attempt: (ssl: boolean | ConnectionOptions) => Promise<pg.Client>,
): Promise<pg.Client> {
  const ca = readRootCertificates(settings);
  const verify: ConnectionOptions = { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) };
  switch (settings.sslMode) {
    case 'disable':
      return attempt(false);
    case 'verify-full':
      return attempt({ ...verify, servername: settings.host });
    case 'verify-ca':
      return attempt({ ...verify, checkServerIdentity: () => undefined });
    case 'require':
      // With a root certificate at hand libpq treats `require` like `verify-ca`.
      return attempt(
        ca === undefined
          ? { rejectUnauthorized: false }
          : { ...verify, checkServerIdentity: () => undefined },
      );
    case 'allow':
      return attempt(false).catch(() => attempt({ rejectUnauthorized: false }));
    case 'prefer':
      if (settings.host.startsWith('/')) return attempt(false);
      return attempt({ rejectUnauthorized: false }).catch((error: unknown) => {
        if (/does not support SSL/.test(messageOf(error))) return attempt(false);
        throw error;
      });
  }
}

/** One error per cause, each with the remedy. A wrong password is never retried: poolers ban the address after a few. */
async function explainRefusal(settings: ConnectionSettings, error: unknown): Promise<Error> {
  const where = `${settings.input}: ${describeConnection(settings)}`;
  const code = (error as { code?: string }).code ?? '';
  const text = messageOf(error);
  const wrong = (what: string, next: string) => new ConfigurationError(`${where}: ${what}`, next, error);
  if (
    code === '28P01' ||
    code === '28000' ||
    /password authentication failed|SASL|no password supplied/i.test(text)
  ) {
    return settings.password === undefined
      ? wrong(
          `the server asks for a password and none was given (${text})`,
          'Put the password into the URL or set PGPASSWORD.',
        )
      : wrong(
          `the server refused the user or the password (${text})`,
          'Reset the password, or percent-encode its special characters, and store the URL again.',
        );
  }
  if (text.includes(askedInClear)) {
    return wrong(
      `${askedInClear}; it was not sent`,
      'Somebody may stand in between. Use sslmode=require or verify-full; on a network that you trust give the role a scram-sha-256 password.',
    );
  }
  if (code === '3D000') {
    return wrong(
      `there is no such database (${text})`,
      'Correct the database name; on Supabase it is postgres.',
    );
  }
  if (/tenant or user not found|tenant\/user .* not found/i.test(text)) {
    return wrong(
      `the pooler knows no such project (${text})`,
      'Copy the session pooler string from the dashboard: user postgres.PROJECT_REF and the region in the host name must both be right.',
    );
  }
  if (/allow_list|not in tenant/i.test(text)) {
    return wrong(
      `network restrictions keep this address out (${text})`,
      "Add the runner's address under Database settings, Network restrictions.",
    );
  }
  if (/self.signed|certificate|unable to (get|verify)|altname/i.test(`${code} ${text}`)) {
    return wrong(
      `the server's certificate is not trusted (${text})`,
      'Give the CA certificate with sslrootcert, or correct the host name.',
    );
  }
  if (/does not support SSL/.test(text)) {
    return wrong('the server does not offer TLS', 'Use sslmode=disable only on a network you trust.');
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'ENETUNREACH' || code === 'EHOSTUNREACH') {
    if (await isIpv6Only(settings.host)) {
      return wrong(
        'the host has only an IPv6 address, which this machine cannot reach',
        'Use the session pooler (aws-…pooler.supabase.com, port 5432, user postgres.PROJECT_REF): GitHub-hosted runners have no IPv6.',
      );
    }
    return wrong(
      `the host cannot be found (${text})`,
      'Correct the host name; a paused Supabase project loses its name until it is resumed.',
    );
  }
  if (code === 'ECONNREFUSED' || code === 'ENOENT') {
    return wrong(`nothing answers there (${text})`, 'Check host and port, and that the server is running.');
  }
  const failure = `${where}: cannot connect: ${text}`;
  const next = 'Check that the server is reachable from this machine, and try again.';
  return settings.input === 'target-url'
    ? new TargetError(failure, next, error)
    : new SourceError(failure, next, error);
}

async function isIpv6Only(host: string): Promise<boolean> {
  const addresses = await lookup(host, { all: true }).catch(() => []);
  return addresses.length > 0 && addresses.every((address) => address.family === 6);
}
