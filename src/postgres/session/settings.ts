import { existsSync, readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import path from 'node:path';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { findPassFile, findPassword, findServiceFiles, homeOf, readPassFile, readService } from './files.ts';
import { chooseSslMode, listHosts, refuseUncheckedName, type SslMode, sslModes } from './hosts.ts';
import { type UsedParameter, usedParameters } from './parameters.ts';
import { readUrl } from './url.ts';

/** How to reach a database and as which user, parsed once from a URL, a service or libpq's variables. */
export interface ConnectionSettings {
  /** A host name, an address, or the folder of a Unix socket. */
  readonly host: string;
  /**
   * libpq's `hostaddr`: the address to connect to without a name lookup. The certificate is still checked
   * against `host`.
   */
  readonly address: string | undefined;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly sslMode: SslMode;
  readonly sslRootCert: string | undefined;
  readonly tls: TlsSettings;
  readonly channelBinding: (typeof channelBindings)[number];
  /** libpq's `target_session_attrs`: which of several servers fits. */
  readonly sessions: (typeof sessionAttributes)[number];
  /** Further start-up options, as libpq's `options`. */
  readonly options: string;
  /**
   * Whether the server takes options when a session starts; false where a pooler has refused them, and they
   * are set later.
   */
  readonly optionsAtStart: boolean;
  readonly connectTimeoutSeconds: number;
  /** The input that these settings came from, for error messages. */
  readonly input: string;
  /**
   * Alternatives, tried in turn when this host does not answer or does not fit `sessions`; undefined when
   * there are none.
   */
  readonly others: readonly ConnectionSettings[] | undefined;
}

/** Paths of PEM files, and TLS versions as OpenSSL names them. */
export interface TlsSettings {
  readonly certificate?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly revoked?: string;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  /** Whether TLS starts without a prior request (`sslnegotiation=direct`, PostgreSQL 17). */
  readonly direct?: boolean;
}

export type TlsVersion = (typeof tlsVersions)[number];

const channelBindings = ['prefer', 'require', 'disable'] as const;
const sessionAttributes = [
  ...['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'],
] as const;
const tlsVersions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;

/**
 * Reads a `postgresql://` URL, the service that it names, or libpq's environment variables, by libpq's rules
 * (PostgreSQL manual 34.1.1, 34.15 to 34.17).
 *
 * @throws ConfigurationError that names the input and never repeats the URL
 */
export function parseConnection(
  input: string,
  url: string | undefined,
  { env, random }: Pick<Context, 'env' | 'random'>,
  sslRootCert?: string,
): ConnectionSettings {
  const given = url === undefined ? new Map<UsedParameter, string>() : readUrl(input, url);
  const service = readNamedService(input, given, env);
  const take = (parameter: UsedParameter): string | undefined =>
    given.get(parameter) ?? service.get(parameter) ?? (env[usedParameters[parameter]] || undefined);
  const choose = <T extends string>(parameter: UsedParameter, values: readonly T[], usual: T): T => {
    const text = take(parameter) ?? usual;
    const found = values.find((value) => value.toLowerCase() === text.toLowerCase());
    if (found !== undefined) return found;
    throw new ConfigurationError(
      say`${nameInput(input)}: ${parameter} ${JSON.stringify(text)} is not known`,
      `Use one of ${values.join(', ')}.`,
    );
  };

  if (choose('gssencmode', ['disable', 'prefer', 'require'], 'prefer') === 'require') {
    throw new ConfigurationError(
      say`${nameInput(input)}: gssencmode=require asks for Kerberos, which is not supported`,
      'Use TLS: sslmode=verify-full.',
    );
  }
  const user = take('user') ?? nameUser(input);
  const database = take('dbname') ?? user;
  const rootCert = sslRootCert ?? take('sslrootcert');
  const entries = readPassFile(findPassFile(env, given.get('passfile') ?? service.get('passfile')));
  const all = listHosts(input, take).map(({ host, address, port }): ConnectionSettings => {
    const sslMode =
      take('sslmode') === undefined
        ? chooseSslMode(host, rootCert, given.has('sslrootcert'))
        : choose('sslmode', sslModes, 'prefer');
    refuseUncheckedName(input, host, sslMode, rootCert);
    const settings: ConnectionSettings = {
      ...{ host, address, port, user, database, sslMode, input },
      password: take('password') ?? findPassword(entries, { host, port, database, user }),
      sslRootCert: rootCert ?? findUsualFile(env, 'root.crt'),
      tls: {
        ...findCertificate(take, env),
        ...defined({
          revoked: take('sslcrl') ?? findUsualFile(env, 'root.crl'),
          minVersion:
            take('ssl_min_protocol_version') && choose('ssl_min_protocol_version', tlsVersions, 'TLSv1.2'),
          maxVersion:
            take('ssl_max_protocol_version') && choose('ssl_max_protocol_version', tlsVersions, 'TLSv1.3'),
          direct: choose('sslnegotiation', ['postgres', 'direct'], 'postgres') === 'direct' || undefined,
        }),
      },
      channelBinding: choose('channel_binding', channelBindings, 'prefer'),
      sessions: choose('target_session_attrs', sessionAttributes, 'any'),
      options: take('options') ?? '',
      optionsAtStart: true,
      connectTimeoutSeconds: Number(take('connect_timeout') ?? '20') || 20,
      others: undefined,
    };
    refusePoolerMistakes(settings);
    return settings;
  });
  const [first, ...others] =
    choose('load_balance_hosts', ['disable', 'random'], 'disable') === 'random' ? shuffle(all, random) : all;
  if (first === undefined) throw new Error('a list of hosts cannot be empty');
  return others.length === 0 ? first : { ...first, others };
}

function readNamedService(
  input: string,
  given: ReadonlyMap<UsedParameter, string>,
  env: NodeJS.ProcessEnv,
): ReadonlyMap<string, string> {
  const name = given.get('service') ?? env.PGSERVICE;
  if (!name) return new Map();
  const files = findServiceFiles(env, given.get('servicefile'));
  const found = readService(files, name);
  if (found !== undefined) return found;
  throw new ConfigurationError(
    say`${nameInput(input)}: there is no service ${JSON.stringify(name)} in ${files.join(' or ')}`,
    'Correct its name, or name the file with PGSERVICEFILE.',
  );
}

/** The client certificate with its key, if one is named or lies in its default place. */
function findCertificate(
  take: (parameter: UsedParameter) => string | undefined,
  env: NodeJS.ProcessEnv,
): Pick<TlsSettings, 'certificate' | 'key' | 'passphrase'> {
  const certificate = take('sslcert') ?? findUsualFile(env, 'postgresql.crt');
  if (certificate === undefined) return {};
  const key = take('sslkey') ?? findUsualFile(env, 'postgresql.key');
  return defined({ certificate, key, passphrase: take('sslpassword') });
}

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined | ''> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined | ''> };
}

function shuffle<T>(list: readonly T[], random: () => number): T[] {
  return list
    .map((value) => ({ value, order: random() }))
    .sort((one, other) => one.order - other.order)
    .map(({ value }) => value);
}

/**
 * A file in libpq's default folder, if it exists. With `root.crt` there, libpq checks the server's
 * certificate in `require`, too.
 */
function findUsualFile(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const file = path.join(homeOf(env), '.postgresql', name);
  return env.HOME && existsSync(file) ? file : undefined;
}

/**
 * Whether the password may be sent in clear text: only where TLS is certain, or over a Unix socket. Elsewhere
 * a man in the middle may be asking for it.
 */
export function maySendClearText({ host, sslMode }: ConnectionSettings): boolean {
  return (
    host.startsWith('/') || sslMode === 'require' || sslMode === 'verify-ca' || sslMode === 'verify-full'
  );
}

/** `user@host:port/database` for messages and manifests, without secrets. */
export function describeConnection(settings: ConnectionSettings): string {
  return `${settings.user}@${settings.host}:${settings.port}/${settings.database}`;
}

/**
 * The user of this process, by whose name libpq connects where no other is given.
 *
 * @throws ConfigurationError for a number without a name, as containers give to processes
 */
function nameUser(input: string): string {
  try {
    return userInfo().username;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
    throw new ConfigurationError(
      say`${nameInput(input)}: has no user name, and the user of this process has none either`,
      'Write the user into the URL, as in postgresql://user:password@host:5432/database.',
      error,
    );
  }
}

/**
 * The CA certificates to trust, as PEM; undefined selects Node's own store.
 *
 * @throws ConfigurationError when the file cannot be read
 */
export function readRootCertificates(settings: ConnectionSettings): string | undefined {
  if (settings.sslRootCert === undefined || settings.sslRootCert === 'system') return undefined;
  const file = settings.sslRootCert.replace(/^~(?=\/)/, () => homedir());
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(
      say`${nameInput('sslrootcert')}: ${path.resolve(file)} cannot be read: ${messageOf(cause)}`,
      'Give the path of a file with the CA certificate in PEM format. Supabase offers it for download under Database settings.',
      cause,
    );
  }
}

/**
 * Refuses the three mistakes that cost Supabase users the most time (docs/troubleshooting.md): the
 * transaction pooler, the pooler's user name without the project, and a user name with the project on the
 * direct host.
 */
function refusePoolerMistakes(settings: ConnectionSettings): void {
  const pooler = /\.pooler\.supabase\.com$/i.test(settings.host);
  const direct = /^db\.([a-z0-9]+)\.supabase\.co$/i.exec(settings.host);
  if (settings.port === 6543 && (pooler || direct)) {
    throw new ConfigurationError(
      say`${nameInput(settings.input)}: port 6543 is the transaction pooler, where a snapshot cannot be held`,
      'Use the session pooler: the same host with port 5432.',
    );
  }
  if (pooler && !settings.user.includes('.')) {
    throw new ConfigurationError(
      say`${nameInput(settings.input)}: the pooler cannot tell the project from the user name ${JSON.stringify(settings.user)}`,
      `Use ${settings.user}.PROJECT_REF as user, as in the dashboard's "Session pooler" connection string.`,
    );
  }
  if (direct && settings.user === `postgres.${direct[1]}`) {
    throw new ConfigurationError(
      say`${nameInput(settings.input)}: ${settings.user} is the pooler's form of the user name, but ${settings.host} is the direct host`,
      'Use the user postgres with this host, or the session pooler host with this user.',
    );
  }
}
