import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { messageOf } from '../../runtime/errors.ts';
import { sqlState } from '../sqlstate.ts';
import { noteAccepted } from './accepted-passwords.ts';
import { refuseClearText, requireChannelBinding } from './authentication.ts';
import { type ConnectionOption, parseOptions } from './options.ts';
import { explainRefusal } from './refusal.ts';
import { leavesSession } from './server-error.ts';
import { type ConnectionSettings, maySendClearText } from './settings.ts';
import { isOurs, restricting, startOptions, writeSetUp } from './setup.ts';
import { ReusingSocket } from './socket.ts';
import { attemptModes } from './tls.ts';

/**
 * One server session. A lost connection is never hidden: `lost` rejects with the reason. Disposal closes the
 * session.
 */
export interface Session extends AsyncDisposable {
  /**
   * Runs one statement. Statements issued together with `Promise.all` go to the server in one round trip, in
   * their order.
   */
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** The socket under the session, for the COPY reader and writer. */
  readonly stream: Socket;
  /** server_version_num */
  readonly serverVersion: number;
  /**
   * Whether the server keeps statements of this session from reading users' views and foreign tables, even if
   * a name has come to mean another relation. Servers can since the minor releases of August 2024
   * (CVE-2024-7348).
   */
  readonly guarded: boolean;
  /**
   * Whether the start-up message may carry `options`: the server or pooler accepted or ignored them. False
   * where they have to be set afterwards.
   */
  readonly takesOptions: boolean;
  /** Rejects when the session ends before `close` is called. */
  readonly lost: Promise<never>;
  close(): Promise<void>;
  /** Ends the session at once, whatever it is doing. */
  destroy(): void;
}

/**
 * Values stay as the server writes them, so that a manifest repeats the server's text. Only counts and oids
 * become numbers, and booleans become booleans.
 */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number) => {
    const number = [20, 21, 23, 26].includes(oid);
    const boolean = oid === 16;
    return (text: string) => (number ? Number(text) : boolean ? text === 't' : text);
  },
};

/**
 * Opens a session with an empty search_path: an unqualified name finds nothing, whatever users have created
 * in `public` or in a schema of the role's name. `RESET search_path` restores the role's own search_path.
 *
 * @throws ConfigurationError, SourceError or TargetError that names the input and the remedy
 *   (`explainRefusal`)
 */
export async function openSession(settings: ConnectionSettings, signal?: AbortSignal): Promise<Session> {
  signal?.throwIfAborted();
  const { client, takesOptions } = await connect(settings);
  const stream = (client as unknown as { connection: { stream: Socket } }).connection.stream;
  if (signal?.aborted) {
    stream.destroy();
    signal.throwIfAborted();
  }
  stream.setKeepAlive(true, 10_000);

  const { promise: lost, reject } = Promise.withResolvers<never>();
  lost.catch(() => undefined);
  let closing = false;
  let firstReason: unknown;
  const onLost = (reason: unknown) => {
    firstReason ??= reason;
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
    takesOptions,
    destroy,
    async query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]> {
      try {
        const result = await client.query<Row>(values === undefined ? { text: sql } : { text: sql, values });
        return result.rows;
      } catch (error) {
        if (isFromServer(error)) throw await nameSeverity(client, error);
        throw stream.destroyed ? toLossError(firstReason ?? error) : error;
      }
    },
    async close() {
      closing = true;
      signal?.removeEventListener('abort', destroy);
      await client.end();
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
  try {
    return Object.assign(session, await setUp(client, settings));
  } catch (error) {
    destroy();
    signal?.throwIfAborted();
    throw await explainRefusal(settings, error);
  }
}

/** @throws the server's error about an option of the user */
async function setUp(
  client: pg.Client,
  { options }: ConnectionSettings,
): Promise<Pick<Session, 'serverVersion' | 'guarded'>> {
  const given = parseOptions(options) ?? [];
  const found = await askSetUp(client, given);
  // The start-up message carries these options, too, so that RESET returns to them; a pooler may have dropped
  // them.
  for (const { name, value } of given) {
    if (!isOurs(name)) await client.query('SELECT set_config($1, $2, false)', [name, value]);
  }
  return { serverVersion: Number(found.get('server_version_num')), guarded: found.has(restricting) };
}

async function askSetUp(client: pg.Client, given: readonly ConnectionOption[]): Promise<Map<string, string>> {
  const ask = async (looks: boolean) => {
    const results = await client.query<{ name: string; value: string }>(writeSetUp(given, looks));
    const { rows } = [results].flat().at(-1) ?? { rows: [] };
    return new Map(rows.map(({ name, value }) => [name, value]));
  };
  try {
    return await ask(true);
  } catch (error) {
    if ((error as { code?: string }).code !== sqlState.invalidParameterValue) throw error;
    return ask(false);
  }
}

/**
 * Lifts the restriction on views and foreign tables, and resets constraint_exclusion. Statements of a restore
 * need this, because checks, indexes and materialized views of the source may read any relation, and so may a
 * user's checks.
 */
export async function letRead(session: Session): Promise<void> {
  if (session.guarded) await session.query(`SET ${restricting} = ''`);
  await session.query('RESET constraint_exclusion');
}

type SaidByServer = Error & { readonly code: string; severity: string };

function isFromServer(error: unknown): error is SaidByServer {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && typeof severity === 'string';
}

/**
 * @param reason the first error of the connection; for later statements the driver only says that it cannot
 *   send them
 */
function toLossError(reason: unknown): Error {
  return new Error(`the connection to the server was lost: ${messageOf(reason)}`, { cause: reason });
}

/**
 * Sets the severity of an error as `ServerError` does. A server writes the severity in its own language, and
 * the driver ignores the field with the untranslated word.
 */
async function nameSeverity(client: pg.Client, error: SaidByServer): Promise<SaidByServer> {
  // A failed transaction refuses the ping, which proves that the server is still there.
  const ping = async () => {
    try {
      await client.query('SELECT 1');
      return true;
    } catch (answer) {
      return (answer as { code?: unknown }).code === sqlState.inFailedSqlTransaction;
    }
  };
  const lives = leavesSession(error.code) || (await ping());
  return Object.assign(error, { severity: lives ? 'ERROR' : 'FATAL' });
}

async function connect(settings: ConnectionSettings): Promise<{ client: pg.Client; takesOptions: boolean }> {
  const { options } = settings;
  const attempt = async (ssl: boolean | ConnectionOptions, options: string): Promise<pg.Client> => {
    const client = new pg.Client({
      host: settings.address ?? settings.host,
      port: settings.port,
      user: settings.user,
      ...(settings.password === undefined ? {} : { password: settings.password }),
      database: settings.database,
      ssl,
      ...(ssl === false ? { stream: () => new ReusingSocket() } : {}),
      connectionTimeoutMillis: settings.connectTimeoutSeconds * 1000,
      application_name: 'supabase-backup',
      ...(options === '' ? {} : { options }),
      ...(settings.tls.direct === true && ssl !== false ? { sslnegotiation: 'direct' } : {}),
      enableChannelBinding: settings.channelBinding === 'require',
      // The server may be far away: statements do not wait for the answer to the one before.
      pipeline: true,
      types,
    });
    // Without a listener an error between two queries would end the process.
    client.on('error', () => undefined);
    if (!maySendClearText(settings)) refuseClearText(client);
    if (settings.channelBinding === 'require') requireChannelBinding(client);
    try {
      await client.connect();
      noteAccepted(settings);
      return client;
    } catch (error) {
      (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
      throw error;
    }
  };
  if (settings.optionsAtStart) {
    try {
      const all = `${startOptions} ${options}`.trim();
      return { client: await attemptModes(settings, (ssl) => attempt(ssl, all)), takesOptions: true };
    } catch (error) {
      // A pooler that refuses start-up options gets them later, by SET.
      if (!refusesOptions(error) || parseOptions(options) === undefined)
        throw await explainRefusal(settings, error);
    }
  }
  try {
    return { client: await attemptModes(settings, (ssl) => attempt(ssl, '')), takesOptions: false };
  } catch (error) {
    throw await explainRefusal(settings, error);
  }
}

/** PgBouncer's wording. */
const refusesOptions = (error: unknown): boolean => /unsupported startup parameter/.test(messageOf(error));
