import type { Session } from '../postgres/session/connection.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';

/** Identifies a database and its history: the `source` of a manifest, without what only a snapshot knows. */
export interface SourceIdentity {
  readonly database: string;
  readonly databaseOid: number;
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly postmasterStartedAt: string;
  readonly serverVersion: number;
  readonly serverEncoding: string;
}

export async function readIdentity(session: Session): Promise<SourceIdentity> {
  const [row] = await session.query<{
    database: string;
    oid: number;
    encoding: string;
    system: string;
    timeline: number;
    started: string;
  }>(`
    SELECT d.datname AS database, d.oid, pg_encoding_to_char(d.encoding) AS encoding,
           (SELECT system_identifier::text FROM pg_control_system()) AS system,
           (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
           to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', '${isoFormat}') AS started
    FROM pg_database d WHERE d.datname = current_database()`);
  if (!row) throw new Error('the current database is not in pg_database');
  return {
    database: row.database,
    databaseOid: row.oid,
    systemIdentifier: row.system,
    timeline: row.timeline,
    postmasterStartedAt: row.started,
    serverVersion: session.serverVersion,
    serverEncoding: row.encoding,
  };
}

/**
 * Makes sure that two sessions have reached one server: a load balancer over a primary and its replicas would
 * give each session another state.
 *
 * @param input the input with the connection, for the message
 * @throws ConfigurationError when they have reached two servers, or the server was restarted in between
 */
export function assertSameServer(input: string, one: SourceIdentity, other: SourceIdentity): void {
  const isSame =
    one.systemIdentifier === other.systemIdentifier &&
    one.databaseOid === other.databaseOid &&
    one.postmasterStartedAt === other.postmasterStartedAt;
  if (isSame) return;
  throw new ConfigurationError(
    say`${nameInput(input)}: two sessions reached two servers, or the server restarted in between`,
    'Connect to one server, without a load balancer in between, or run this again.',
  );
}

/** The pattern for to_char that gives the format of Date.toISOString, with microseconds. */
export const isoFormat = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';
