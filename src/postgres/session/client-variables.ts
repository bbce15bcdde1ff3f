import { type ToolEnvironment, toolEnvironment } from '../client/environment.ts';
import { type ConnectionSettings, maySendClearText } from './settings.ts';
import { startOptions } from './setup.ts';

/* Passes connection settings to libpq and to the programs that use it. */

/**
 * The environment for pg_dump and pg_restore. Secrets travel here and never in arguments, which every user of
 * the machine can read. It leaves out the caller's own PG* variables, which would change the meaning, and
 * everything else that the programs do not need.
 *
 * @param timeZone time zone of the sessions; when absent, the default of the server, the database or the role
 */
export function clientEnvironment(
  settings: ConnectionSettings,
  env: NodeJS.ProcessEnv,
  rootCertificates: () => string,
  timeZone?: string,
): ToolEnvironment {
  return toolEnvironment(env, connectionVariables(settings, rootCertificates, timeZone));
}

/** The variables that libpq reads, for a program that has an environment of its own. */
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
    // Poolers accept PGTZ, which is part of the start-up message, while they refuse or drop `options`.
    // pg_dump and pg_restore also switch timeouts off themselves, after their first queries.
    ...(timeZone === undefined ? {} : { PGTZ: timeZone }),
    ...(settings.optionsAtStart ? { PGOPTIONS: `${startOptions} ${settings.options}`.trim() } : {}),
    ...(settings.password === undefined ? {} : { PGPASSWORD: settings.password }),
    ...(rootCert === undefined ? {} : { PGSSLROOTCERT: rootCert }),
    // libpq knows this variable since version 16.
    ...(maySendClearText(settings) ? {} : { PGREQUIREAUTH: '!password' }),
  };
}

/**
 * TLS settings that differ from libpq's defaults. `sslpassword` has no variable: `openKey` decrypts the key
 * instead.
 */
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

/** Quotes a value for a libpq connection string (PostgreSQL manual 34.1.1.1). */
export function quoteConnectionValue(value: string): string {
  return `'${value.replace(/[\\']/g, '\\$&')}'`;
}
