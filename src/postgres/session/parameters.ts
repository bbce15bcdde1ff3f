/**
 * Every connection parameter that libpq of PostgreSQL 18 knows (manual 34.1.2) is either used, ignored or
 * refused here. The value is libpq's variable with the same meaning; `sslpassword` has none.
 */
export const usedParameters = {
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  passfile: 'PGPASSFILE',
  service: 'PGSERVICE',
  servicefile: 'PGSERVICEFILE',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  options: 'PGOPTIONS',
  channel_binding: 'PGCHANNELBINDING',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  load_balance_hosts: 'PGLOADBALANCEHOSTS',
  gssencmode: 'PGGSSENCMODE',
  sslmode: 'PGSSLMODE',
  sslnegotiation: 'PGSSLNEGOTIATION',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslpassword: '',
  sslcrl: 'PGSSLCRL',
  ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
  ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
} as const;

export type UsedParameter = keyof typeof usedParameters;

export const isUsed = (name: string): name is UsedParameter => Object.hasOwn(usedParameters, name);

/** Parameters that change neither the content of a backup nor who receives the password. */
const ignored: ReadonlySet<string> = new Set([
  // Our sessions set these themselves, or do not need them.
  ...['application_name', 'fallback_application_name', 'client_encoding', 'tty'],
  ...['keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout'],
  // TLS has no compression since 1.3, and the host name is always sent.
  ...['sslcompression', 'sslsni', 'requiressl'],
  // Kerberos is not supported.
  ...['krbsrvname', 'gsslib', 'gssdelegation'],
  // Parameters of Supabase's dashboard, Prisma, node-postgres and JDBC.
  ...[
    'pgbouncer',
    'connection_limit',
    'pool_timeout',
    'supa',
    'schema',
    'uselibpqcompat',
    'statement_cache_size',
  ],
  ...['prepareThreshold', 'workaround'],
]);

/**
 * Parameters that cannot be supported, each with a remedy. Ignoring one would give less protection, or
 * another connection, than the user asked for.
 */
const refused: Readonly<Record<string, string>> = {
  require_auth:
    'Leave it out: a password is sent in clear text over TLS only. channel_binding=require asks for more.',
  requirepeer:
    'Leave it out, and give the folder of the socket permissions that let nobody else put one there.',
  sslcrldir: 'Give the list of revoked certificates as one file with sslcrl.',
  sslcertmode: 'Leave it out, and leave sslcert out where no certificate is to be sent.',
  sslkeylogfile: 'Leave it out: it would write down what opens the connection.',
  replication: 'Leave it out: a backup reads plain SQL.',
  oauth_issuer: 'Use a password: OAuth is not supported.',
  oauth_client_id: 'Use a password: OAuth is not supported.',
  oauth_client_secret: 'Use a password: OAuth is not supported.',
  oauth_scope: 'Use a password: OAuth is not supported.',
  scram_client_key: 'Give the password.',
  scram_server_key: 'Give the password.',
  min_protocol_version: 'Leave it out: the protocol of version 3.0 is spoken.',
  max_protocol_version: 'Leave it out: the protocol of version 3.0 is spoken.',
};

/** @returns the remedy for a known parameter that is refused; undefined for any other name */
export const findRemedy = (name: string): string | undefined =>
  Object.hasOwn(refused, name) ? refused[name] : undefined;

export const isIgnored = (name: string): boolean => ignored.has(name);
