import type { Session } from '../postgres/connection.ts';

/** Which database this is, and which history of it: the `source` of a manifest, less what only a snapshot knows. */
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

/** to_char's pattern for what Date.toISOString writes, with microseconds */
export const isoFormat = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';
