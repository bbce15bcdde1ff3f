import { type ToolEnvironment, toolEnvironment } from '../client/environment.ts';
import { type ConnectionSettings, maySendClearText } from './settings.ts';
import { startOptions } from './setup.ts';

/* How settings reach libpq and the programs that use it. */

/**
 * The environment for pg_dump and pg_restore. Secrets go this way and never in arguments, which every user of the machine can read. The
 * caller's own PG* variables, which would change the meaning, are not among them, nor anything else that they do not need.
 *
 * @param timeZone of the sessions; what the server, the database or the role has when absent
 */
export function clientEnvironment(
  settings: ConnectionSettings,
  env: NodeJS.ProcessEnv,
  rootCertificates: () => string,
  timeZone?: string,
): ToolEnvironment {
  return toolEnvironment(env, connectionVariables(settings, rootCertificates, timeZone));
}

/** What libpq reads, for a program with an environment of its own. */
export function connectionVariables(
  settings: ConnectionSettings,
  rootCertificates: () => string,
  timeZone?: string,
): NodeJS.ProcessEnv {
  const verifies = settings.sslMode === 'verify-ca' || settings.sslMode === 'verify-full';
  const named = settings.sslRootCert === 'system' ? undefined : settings.sslRootCert;
  const rootCert = named ?? (verifies ? rootCertificates() : undefined);
  return {
    PGHOST: settings.host,
    ...(settings.address === undefined ? {} : { PGHOSTADDR: settings.address }),
    PGPORT: String(settings.port),
    PGUSER: settings.user,
    PGDATABASE: settings.database,
    PGSSLMODE: settings.sslMode,
    PGGSSENCMODE: 'disable',
    ...tlsVariables(settings),
    PGCONNECT_TIMEOUT: String(settings.connectTimeoutSeconds),
    PGAPPNAME: 'supabase-backup',
    // Part of the start of a session, which poolers take: they refuse or drop options. The programs switch timeouts off, too, after their first
    // queries.
    ...(timeZone === undefined ? {} : { PGTZ: timeZone }),
    ...(settings.optionsAtStart ? { PGOPTIONS: `${startOptions} ${settings.options}`.trim() } : {}),
    ...(settings.password === undefined ? {} : { PGPASSWORD: settings.password }),
    ...(rootCert === undefined ? {} : { PGSSLROOTCERT: rootCert }),
    // Known to libpq since version 16.
    ...(maySendClearText(settings) ? {} : { PGREQUIREAUTH: '!password' }),
  };
}

/** What of it is not usual. The phrase that opens a key has no variable: `openKey` gives an open one. */
function tlsVariables({ tls, channelBinding }: ConnectionSettings): NodeJS.ProcessEnv {
  return {
    ...(channelBinding === 'prefer' ? {} : { PGCHANNELBINDING: channelBinding }),
    ...(tls.certificate === undefined ? {} : { PGSSLCERT: tls.certificate }),
    ...(tls.key === undefined ? {} : { PGSSLKEY: tls.key }),
    ...(tls.revoked === undefined ? {} : { PGSSLCRL: tls.revoked }),
    ...(tls.minVersion === undefined ? {} : { PGSSLMINPROTOCOLVERSION: tls.minVersion }),
    ...(tls.maxVersion === undefined ? {} : { PGSSLMAXPROTOCOLVERSION: tls.maxVersion }),
    ...(tls.direct ? { PGSSLNEGOTIATION: 'direct' } : {}),
  };
}

/** A value in a libpq connection string (PostgreSQL manual 34.1.1.1). */
export function quoteConnectionValue(value: string): string {
  return `'${value.replace(/[\\']/g, '\\$&')}'`;
}
