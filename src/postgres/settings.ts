import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { homedir, userInfo } from 'node:os';
import path from 'node:path';
import { ConfigurationError, messageOf } from '../errors.ts';
import { type ToolEnvironment, toolEnvironment } from './environment.ts';

export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

/** Where a database is and who asks, parsed once from a URL or from libpq's variables. */
export interface ConnectionSettings {
  /** A host name, an address, or the folder of a Unix socket */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly sslMode: SslMode;
  readonly sslRootCert: string | undefined;
  /** Further startup options, as libpq's `options` */
  readonly options: string;
  /** seconds */
  readonly connectTimeout: number;
  /** The input these settings came from, for error messages */
  readonly input: string;
}

const sslModes: readonly string[] = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];

/**
 * Reads a `postgresql://` URL, or libpq's environment variables when there is none, by libpq's rules (PostgreSQL manual
 * 34.1.1 and 34.15) for the parameters that a backup needs; an unknown parameter is refused rather than ignored.
 *
 * @throws ConfigurationError that names the input and never repeats the URL
 */
export function parseConnection(
  input: string,
  url: string | undefined,
  env: NodeJS.ProcessEnv,
  sslRootCert?: string,
): ConnectionSettings {
  const given = url === undefined ? new Map<string, string>() : parseUrl(input, url);
  const take = (parameter: string, variable: string): string | undefined =>
    given.get(parameter) ?? (env[variable] || undefined);

  const user = take('user', 'PGUSER') ?? userInfo().username;
  const host = take('host', 'PGHOST') ?? 'localhost';
  const rootCert = sslRootCert ?? take('sslrootcert', 'PGSSLROOTCERT');
  const isOfThisHost = given.has('sslrootcert');
  const sslMode = take('sslmode', 'PGSSLMODE') ?? chooseSslMode(host, rootCert, isOfThisHost);
  if (!sslModes.includes(sslMode)) {
    throw new ConfigurationError(
      `${input}: sslmode ${JSON.stringify(sslMode)} is not known`,
      `Use one of ${sslModes.join(', ')}.`,
    );
  }
  // As libpq: whoever asks for the authorities of the system wants the server checked, and any of them vouches for any name.
  if (rootCert === 'system' && !(isNearby(host) && sslMode === 'prefer') && sslMode !== 'verify-full') {
    throw new ConfigurationError(
      `${input}: sslmode ${sslMode} does not check the name of the server, which sslrootcert=system is for`,
      'Use sslmode=verify-full, or leave sslmode out.',
    );
  }
  const port = Number(take('port', 'PGPORT') ?? '5432');
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new ConfigurationError(`${input}: the port is not a number from 1 to 65535`, 'Correct the port.');
  }
  const settings: ConnectionSettings = {
    host,
    port,
    user,
    password: take('password', 'PGPASSWORD'),
    database: take('dbname', 'PGDATABASE') ?? user,
    sslMode: sslMode as SslMode,
    sslRootCert: rootCert ?? findUsualRootCertificate(env),
    options: take('options', 'PGOPTIONS') ?? '',
    connectTimeout: Number(take('connect_timeout', 'PGCONNECT_TIMEOUT') ?? '20') || 20,
    input,
  };
  refusePoolerMistakes(settings);
  return settings;
}

/**
 * libpq's own choice, `prefer`, speaks without TLS to whoever answers that he has none, and dashboards give URLs without a mode. It is kept for
 * hosts of this machine and of private networks, where servers often have none.
 *
 * @param isOfThisHost whether the certificate was named for this host alone, and not for every one that the program speaks with
 */
function chooseSslMode(host: string, rootCert: string | undefined, isOfThisHost: boolean): SslMode {
  if (isNearby(host) && !isOfThisHost) return 'prefer';
  return rootCert === undefined ? 'require' : 'verify-full';
}

/** Addresses that are not routed on the internet (RFC 1918, 3927, 4193, 4291), and names that only a local network knows */
function isNearby(host: string): boolean {
  if (host.startsWith('/')) return true;
  if (isIP(host) === 4) return /^(?:127|10|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01]))\./.test(host);
  if (isIP(host) === 6) return host === '::1' || /^(?:f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):/i.test(host);
  // To a resolver a number is an address of the internet.
  if (/^(?:0x[0-9a-f]*|\d+)$/i.test(host)) return false;
  return !host.includes('.') || /\.(?:local|localhost|internal|lan|home\.arpa)$/i.test(host);
}

/** Where libpq looks when nothing is said: with this file it checks the server's certificate in `require`, too. */
function findUsualRootCertificate(env: NodeJS.ProcessEnv): string | undefined {
  if (!env.HOME) return undefined;
  const file = path.join(env.HOME, '.postgresql', 'root.crt');
  return existsSync(file) ? file : undefined;
}

/**
 * Whether a password may go to the server as it is: where TLS is sure, and to this machine by a socket. A server that asks for it elsewhere
 * may be one who stands in between.
 */
export function maySendClearText({ host, sslMode }: ConnectionSettings): boolean {
  return (
    host.startsWith('/') || sslMode === 'require' || sslMode === 'verify-ca' || sslMode === 'verify-full'
  );
}

const knownParameters = new Set([
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'sslrootcert',
  'options',
  'connect_timeout',
  'application_name',
]);
/** Parameters that the Supabase dashboard and common drivers append and that do not change what a backup sees. */
const ignoredParameters = new Set(['pgbouncer', 'connection_limit', 'pool_timeout', 'supa']);

const urlPattern =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>[^@/?#]*))?@)?(?<host>\[[^\]]+\]|[^:/?#@]*)(?::(?<port>\d*))?(?:\/(?<dbname>[^?#/@]*))?(?:\?(?<query>[^#]*))?$/;

function parseUrl(input: string, url: string): Map<string, string> {
  const wrong = (what: string): never => {
    throw new ConfigurationError(
      `${input}: ${what}`,
      'Give it as postgresql://USER:PASSWORD@HOST:5432/DATABASE, with special characters in the password percent-encoded.',
    );
  };
  if (!/^postgres(ql)?:\/\//.test(url.trim())) wrong('it does not start with postgresql://');
  const parts = urlPattern.exec(url.trim())?.groups;
  if (!parts) {
    return wrong('it is not a URL (a password with the characters @ : / # ? or % must be percent-encoded)');
  }
  const parameters = new Map<string, string>();
  const decode = (name: string, part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      return wrong(`its ${name} has a % that starts no percent-encoded character`);
    }
  };
  for (const name of ['host', 'port', 'user', 'password', 'dbname']) {
    const part = name === 'host' ? parts.host?.replace(/^\[|\]$/g, '') : parts[name];
    if (part) parameters.set(name, decode(name, part));
  }
  // Not URLSearchParams: to libpq a plus is a plus.
  for (const parameter of (parts.query ?? '').split('&').filter((text) => text !== '')) {
    const [, name = '', value = ''] = /^([a-z_]+)=(.*)$/s.exec(parameter) ?? [];
    if (ignoredParameters.has(name)) continue;
    if (!knownParameters.has(name)) {
      // A ? in a password makes the rest of it look like parameters; then nothing is repeated.
      const isName = name !== '' && !parts.query?.includes('@');
      wrong(
        isName ? `the parameter ${JSON.stringify(name)} is not supported` : 'behind its ? are no parameters',
      );
    }
    parameters.set(name, decode(name, value));
  }
  return parameters;
}

/**
 * The three mistakes that cost Supabase users the most time (docs/troubleshooting.md): the transaction pooler, the pooler's
 * user name without the project, and a user name with the project on the direct host.
 */
function refusePoolerMistakes(settings: ConnectionSettings): void {
  const pooler = /\.pooler\.supabase\.com$/i.test(settings.host);
  const direct = /^db\.([a-z0-9]+)\.supabase\.co$/i.exec(settings.host);
  if (settings.port === 6543 && (pooler || direct)) {
    throw new ConfigurationError(
      `${settings.input}: port 6543 is the transaction pooler, where a snapshot cannot be held`,
      'Use the session pooler: the same host with port 5432.',
    );
  }
  if (pooler && !settings.user.includes('.')) {
    throw new ConfigurationError(
      `${settings.input}: the pooler cannot tell the project from the user name ${JSON.stringify(settings.user)}`,
      `Use ${settings.user}.PROJECT_REF as user, as in the dashboard's "Session pooler" connection string.`,
    );
  }
  if (direct && settings.user === `postgres.${direct[1]}`) {
    throw new ConfigurationError(
      `${settings.input}: ${settings.user} is the pooler's form of the user name, but ${settings.host} is the direct host`,
      'Use the user postgres with this host, or the session pooler host with this user.',
    );
  }
}

/** For messages and manifests: `user@host:port/database`, no secret. */
export function describeConnection(settings: ConnectionSettings): string {
  return `${settings.user}@${settings.host}:${settings.port}/${settings.database}`;
}

/**
 * The environment for pg_dump and pg_restore. Secrets go this way and never in arguments, which every user of the machine can read. The
 * caller's own PG* variables, which would change the meaning, are not among them, nor anything else that they do not need.
 *
 * @param options further ones of the sessions, as in PGOPTIONS
 */
export function clientEnvironment(
  settings: ConnectionSettings,
  env: NodeJS.ProcessEnv,
  rootCertificates: () => string,
  options = '',
): ToolEnvironment {
  return toolEnvironment(env, connectionVariables(settings, rootCertificates, options));
}

/** What libpq reads, for a program with an environment of its own. */
export function connectionVariables(
  settings: ConnectionSettings,
  rootCertificates: () => string,
  options = '',
): NodeJS.ProcessEnv {
  const verifies = settings.sslMode === 'verify-ca' || settings.sslMode === 'verify-full';
  const named = settings.sslRootCert === 'system' ? undefined : settings.sslRootCert;
  const rootCert = named ?? (verifies ? rootCertificates() : undefined);
  return {
    PGHOST: settings.host,
    PGPORT: String(settings.port),
    PGUSER: settings.user,
    PGDATABASE: settings.database,
    PGSSLMODE: settings.sslMode,
    PGGSSENCMODE: 'disable',
    PGCONNECT_TIMEOUT: String(settings.connectTimeout),
    PGAPPNAME: 'supabase-backup',
    // The programs switch timeouts off themselves, but only after their first queries.
    PGOPTIONS: [
      '-c statement_timeout=0 -c idle_in_transaction_session_timeout=0',
      ...[options, settings.options].filter((part) => part !== ''),
    ].join(' '),
    ...(settings.password === undefined ? {} : { PGPASSWORD: settings.password }),
    ...(rootCert === undefined ? {} : { PGSSLROOTCERT: rootCert }),
    // Known to libpq since version 16.
    ...(maySendClearText(settings) ? {} : { PGREQUIREAUTH: '!password' }),
  };
}

/** The CA certificates to trust, as PEM; undefined leaves the choice to Node's own store. */
export function readRootCertificates(settings: ConnectionSettings): string | undefined {
  if (settings.sslRootCert === undefined || settings.sslRootCert === 'system') return undefined;
  const file = settings.sslRootCert.replace(/^~(?=\/)/, homedir());
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(
      `sslrootcert: ${path.resolve(file)} cannot be read: ${messageOf(cause)}`,
      'Give the path of a file with the CA certificate in PEM form; Supabase offers it under Database settings.',
      cause,
    );
  }
}

/** A value in a libpq connection string (PostgreSQL manual 34.1.1.1). */
export function quoteConnectionValue(value: string): string {
  return `'${value.replace(/[\\']/g, '\\$&')}'`;
}
