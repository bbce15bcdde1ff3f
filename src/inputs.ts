import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { Decrypter, Encrypter } from 'age-encryption';
import { ConfigurationError, messageOf } from './errors.ts';

/**
 * Every input, once. The Action's `with:`, the command line, the environment, action.yml, `--help` and the README's table
 * all come from `schema`; past `parseInputs` nobody reads a raw input again.
 */

export const operations = ['backup', 'validate', 'restore'] as const;
export type Operation = (typeof operations)[number];

export const operationSummaries: Readonly<Record<Operation, string>> = {
  backup: 'Store a restore point of the database',
  validate: 'Read back what is stored and check every byte of it; needs no database',
  restore: 'Restore a stored backup into a database and compare the result with what was recorded',
};

export interface Input {
  /** The operations that read it. */
  readonly operations: readonly Operation[];
  /** One of these operations cannot do without it. */
  readonly required?: true;
  /** What an absent input means: the same for every operation, or one value each. */
  readonly default?: string | Readonly<Partial<Record<Operation, string>>>;
  /** Never printed, and masked on a runner before the first line. */
  readonly secret?: true;
  /** `true` or `false`; on the command line its name alone means true. */
  readonly flag?: true;
  /** Stands for the value in `--help`. */
  readonly placeholder: string;
  /** What a value looks like, for those who gave none. */
  readonly example?: string;
  /** Complete sentences; the default and the secrecy are added where it is printed. */
  readonly description: string;
  /** Gets a trimmed text that is not empty. Throws `Problem` and nothing else. */
  parse(text: string): unknown;
}

/** One wrong input: what is wrong with it, and what to write instead. Neither may quote a secret. */
class Problem extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}

const everyOperation = operations;
const databaseUrlForm = 'postgresql://user:password@host:5432/database';

const schema = {
  operation: {
    operations: everyOperation,
    required: true,
    placeholder: 'name',
    example: 'backup',
    description: `What to do: ${operations.map((name) => `\`${name}\``).join(', ')}.`,
    parse: oneOf(operations),
  },
  storage: {
    operations: everyOperation,
    required: true,
    placeholder: 'location',
    example: './backups or s3://bucket/prefix',
    description:
      'Where the backups are kept: a folder such as `./backups`, or `s3://bucket/prefix` for Amazon S3 and everything that speaks ' +
      'its protocol (Cloudflare R2, MinIO, Backblaze B2, Supabase Storage). S3 credentials come from the default AWS chain: ' +
      '`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, a profile, or a role.',
    parse: parseStorage,
  },
  's3-endpoint': {
    operations: everyOperation,
    placeholder: 'url',
    description:
      'Address of an S3 service other than Amazon, for example `https://<account>.r2.cloudflarestorage.com`. Only with an `s3://` storage. ' +
      'When empty, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` is used.',
    parse: parseEndpoint,
  },
  's3-region': {
    operations: everyOperation,
    placeholder: 'region',
    description: 'Region of the S3 bucket. When empty, `AWS_REGION` or the AWS profile decides.',
    parse: matching(
      /^[a-z0-9-]+$/,
      'is not the name of a region',
      'Write it as in `eu-central-1` or `auto`.',
    ),
  },
  'repository-key': {
    operations: everyOperation,
    secret: true,
    placeholder: 'hex',
    description:
      'The key that names stored objects by their content, 64 hexadecimal digits as `openssl rand -hex 32` prints them. When empty, ' +
      'a key is made with the repository and kept in it; give your own to keep it elsewhere, and then with every operation.',
    parse: matching(
      /^[0-9a-f]{64}$/i,
      'is not 64 hexadecimal digits',
      'Make one with `openssl rand -hex 32`, once, and keep it.',
    ),
  },
  'encryption-identity': {
    operations: everyOperation,
    secret: true,
    placeholder: 'identity',
    description:
      'The age identity that opens encrypted backups: the text of the file that `age-keygen` wrote (`AGE-SECRET-KEY-1…`, one or ' +
      'several lines, comments allowed), or the path of such a file. A backup does not need it to be written, only to be read.',
    parse: parseIdentities,
  },
  'client-path': {
    operations: everyOperation,
    placeholder: 'folder',
    description:
      "The folder with `pg_dump` and `pg_restore` of the server's major version or newer. When empty, they are looked for on this machine.",
    parse: parseFolder,
  },
  'database-url': {
    operations: ['backup'],
    secret: true,
    placeholder: 'url',
    example: databaseUrlForm,
    description:
      'The database to back up: `postgresql://user:password@host:5432/database`, with a direct connection or the session pooler (port ' +
      '5432, not 6543). When empty, the variables of libpq (`PGHOST`, `PGUSER`, `PGPASSWORD`, …) are used.',
    parse: parseDatabaseUrl,
  },
  'backup-type': {
    operations: ['backup'],
    default: 'full',
    placeholder: 'type',
    description: 'What to store: `full` for schema and rows, `schema` for definitions without rows.',
    parse: oneOf(['full', 'schema'] as const),
  },
  label: {
    operations: ['backup'],
    placeholder: 'text',
    description:
      'A note kept with the backup, for example the release that follows it. At most 200 characters.',
    parse: matching(/^\P{Cc}{1,200}$/u, 'is not one line of at most 200 characters', 'Shorten it.'),
  },
  pin: {
    operations: ['backup'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description: 'Whether the backup is kept for good, whatever a retention policy says.',
    parse: parseBoolean,
  },
  'target-url': {
    operations: ['restore'],
    required: true,
    secret: true,
    placeholder: 'url',
    example: databaseUrlForm,
    description:
      'The database to restore into: `postgresql://user:password@host:5432/database`. Required for `restore`.',
    parse: parseDatabaseUrl,
  },
  'backup-id': {
    operations: ['validate', 'restore'],
    default: { validate: 'all', restore: 'latest' },
    placeholder: 'id',
    description:
      'Which backup: an id such as `20261120T021700Z-7f3a` or `latest`; for `validate` also `all`; for `restore` also ' +
      '`before:<time>`, the newest backup made before a time such as `before:2026-11-20T06:00:00Z`.',
    parse: parseBackupId,
  },
  include: {
    operations: ['backup', 'restore'],
    placeholder: 'tables',
    description:
      'The tables to take, separated by commas or lines: `schema.table`, `schema.*` or `*`, names as they are, without quotes. When ' +
      'empty, all. `backup` stores the rows of no other table, and the definitions of all; `restore` restores no other table.',
    parse: parsePatterns,
  },
  exclude: {
    operations: ['backup', 'restore'],
    placeholder: 'tables',
    description: 'The tables to leave out, of those that `include` takes; written as there.',
    parse: parsePatterns,
  },
  'encryption-recipients': {
    operations: ['backup'],
    placeholder: 'recipients',
    description:
      'Who can open the backup: age recipients (`age1…`), separated by commas or lines. When empty, the backup is stored unencrypted.',
    parse: parseRecipients,
  },
  'compression-level': {
    operations: ['backup'],
    // Of COPY text, level 2 makes about the size of zstd's own default, 3, in two thirds of its time; docs/benchmarks.md.
    default: '2',
    placeholder: '1-19',
    description: 'The zstd level, 1 to 19. Higher is smaller and slower.',
    parse: wholeNumber(1, 19),
  },
  jobs: {
    operations: ['backup', 'restore'],
    default: '4',
    placeholder: '1-16',
    description: 'How many connections copy rows at the same time, 1 to 16.',
    parse: wholeNumber(1, 16),
  },
  'lock-timeout': {
    operations: ['backup'],
    default: '30',
    placeholder: 'seconds',
    description:
      'How many seconds to wait for the lock of a table before giving way to whoever holds it, 1 to 3600.',
    parse: wholeNumber(1, 3600),
  },
  sslrootcert: {
    operations: ['backup', 'restore'],
    placeholder: 'file',
    description:
      "The path of a file with the certificate authority that the database server's certificate is checked against.",
    parse: parseFile,
  },
  share: {
    operations: ['validate'],
    default: '100%',
    placeholder: 'percentage',
    description: 'How much of the stored objects to read back, chosen at random: a percentage such as `10%`.',
    parse: parseShare,
  },
  verify: {
    operations: ['restore'],
    default: 'content',
    placeholder: 'depth',
    description:
      'What is compared after the restore: `content` of every restored table, `counts` of rows only, or `none`.',
    parse: oneOf(['content', 'counts', 'none'] as const),
  },
  'dry-run': {
    operations: ['restore'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description: 'Whether to print what the restore would do and stop there.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;

export type InputName = keyof typeof schema;

export const inputNames = Object.keys(schema) as readonly InputName[];

/** The schema for those who print it rather than parse with it. */
export const inputs: Readonly<Record<InputName, Input>> = schema;

interface CommonInputs {
  readonly storage: string;
  readonly s3Endpoint: string | undefined;
  readonly s3Region: string | undefined;
  /** 64 hexadecimal digits; undefined: the repository keeps a key of its own. */
  readonly repositoryKey: string | undefined;
  /** `AGE-SECRET-KEY-1…` lines, each checked; empty when none was given. */
  readonly encryptionIdentity: readonly string[];
  /** An existing folder. */
  readonly clientPath: string | undefined;
}

export interface BackupInputs extends CommonInputs {
  readonly operation: 'backup';
  /** Undefined: the PG… variables of the environment say it all. */
  readonly databaseUrl: string | undefined;
  readonly backupType: 'full' | 'schema';
  readonly label: string | null;
  readonly pin: boolean;
  /** `schema.table`, `schema.*` or `*`; empty means all. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** `age1…`, each checked; empty means unencrypted. */
  readonly encryptionRecipients: readonly string[];
  readonly compressionLevel: number;
  readonly jobs: number;
  readonly lockTimeoutSeconds: number;
  /** A readable file. */
  readonly sslrootcert: string | undefined;
}

export interface ValidateInputs extends CommonInputs {
  readonly operation: 'validate';
  /** An id, `latest` or `all`. */
  readonly backupId: string;
  /** Above 0, at most 1. */
  readonly share: number;
}

export interface RestoreInputs extends CommonInputs {
  readonly operation: 'restore';
  readonly targetUrl: string;
  /** An id, `latest`, or `before:` and an ISO 8601 time in UTC. */
  readonly backupId: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly jobs: number;
  readonly verify: 'content' | 'counts' | 'none';
  readonly dryRun: boolean;
  /** A readable file. */
  readonly sslrootcert: string | undefined;
}

export type Inputs = BackupInputs | ValidateInputs | RestoreInputs;

/** The text of an input as the user gave it; undefined or empty means not given. */
export type ReadInput = (name: InputName) => string | undefined;

type Parsed<N extends InputName> = ReturnType<(typeof schema)[N]['parse']>;
type Taken<N extends InputName> = (typeof schema)[N] extends { required: true } | { default: unknown }
  ? Parsed<N>
  : Parsed<N> | undefined;

/**
 * Reads, checks and types the inputs of the operation they name. Throws one `ConfigurationError` that tells all that is wrong,
 * so that nobody has to run it once per mistake.
 */
export function parseInputs(read: ReadInput, env: NodeJS.ProcessEnv = process.env): Inputs {
  const operation = parseOperation(read);
  const problems: { name: InputName; problem: Problem }[] = [];

  function take<N extends InputName>(name: N): Taken<N> {
    try {
      const input = inputs[name];
      const text = read(name)?.trim() || defaultOf(name, operation);
      if (text !== undefined) return input.parse(text) as Taken<N>;
      if (input.required)
        throw new Problem(`is required for ${operation}`, `Set it, for example to ${input.example}.`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problems.push({ name, problem: error });
    }
    // Either it may be absent, or the problem just noted is thrown before anyone sees this value.
    return undefined as Taken<N>;
  }

  const parsed = takeAll();
  if (parsed.operation === 'backup' && !read('database-url')?.trim() && !env.PGHOST) {
    const missing = 'is required for backup, because PGHOST is not set either';
    problems.push({
      name: 'database-url',
      problem: new Problem(missing, `Set it, for example to ${databaseUrlForm}.`),
    });
  }
  if (problems.length > 0) throw toConfigurationError(operation, problems);
  return parsed;

  function takeAll(): Inputs {
    const storage = take('storage');
    // The SDK would follow these on its own, but as if they were Amazon's.
    const awsEndpoint = storage?.startsWith('s3:')
      ? env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL
      : undefined;
    const common: CommonInputs = {
      storage,
      s3Endpoint: take('s3-endpoint') ?? awsEndpoint,
      s3Region: take('s3-region'),
      repositoryKey: take('repository-key'),
      encryptionIdentity: take('encryption-identity') ?? [],
      clientPath: take('client-path'),
    };
    switch (operation) {
      case 'backup':
        return {
          operation,
          ...common,
          databaseUrl: take('database-url'),
          backupType: take('backup-type'),
          label: take('label') ?? null,
          pin: take('pin'),
          include: take('include') ?? [],
          exclude: take('exclude') ?? [],
          encryptionRecipients: take('encryption-recipients') ?? [],
          compressionLevel: take('compression-level'),
          jobs: take('jobs'),
          lockTimeoutSeconds: take('lock-timeout'),
          sslrootcert: take('sslrootcert'),
        };
      case 'validate': {
        const backupId = take('backup-id');
        if (backupId?.startsWith('before:')) problems.push(unfitBackupId('before:<time>', operation));
        return { operation, ...common, backupId, share: take('share') };
      }
      case 'restore': {
        const backupId = take('backup-id');
        if (backupId === 'all') problems.push(unfitBackupId('all', operation));
        return {
          operation,
          ...common,
          targetUrl: take('target-url'),
          backupId,
          include: take('include') ?? [],
          exclude: take('exclude') ?? [],
          jobs: take('jobs'),
          verify: take('verify'),
          dryRun: take('dry-run'),
          sslrootcert: take('sslrootcert'),
        };
      }
    }
  }
}

function parseOperation(read: ReadInput): Operation {
  const text = read('operation')?.trim();
  const known = operations.find((operation) => operation === text);
  if (known !== undefined) return known;
  throw new ConfigurationError(
    text ? `operation: there is none named ${quoteWord(text)}` : 'operation: is required',
    `The operations are ${list(operations)}.`,
  );
}

/** Someone who forgot the `--name` of a secret input must not see it in a log: only what looks like a word is repeated. */
export function quoteWord(text: string): string {
  return /^[a-z][a-z-]{0,19}$/i.test(text)
    ? JSON.stringify(text)
    : `what stands there (${text.length} characters)`;
}

function toConfigurationError(
  operation: Operation,
  problems: readonly { name: InputName; problem: Problem }[],
): ConfigurationError {
  const [only] = problems;
  if (only !== undefined && problems.length === 1) {
    return new ConfigurationError(`${only.name}: ${only.problem.message}`, only.problem.remedy);
  }
  const lines = problems.map(({ name, problem }) => `- ${name}: ${problem.message}. ${problem.remedy}`);
  return new ConfigurationError(
    `${problems.length} inputs of ${operation} are wrong\n${lines.join('\n')}`,
    'Correct them all and start again; nothing was read or written.',
  );
}

function unfitBackupId(
  value: string,
  operation: 'validate' | 'restore',
): { name: InputName; problem: Problem } {
  const remedy =
    operation === 'validate' ? 'Write an id, latest or all.' : 'Write an id, latest or before:<time>.';
  return { name: 'backup-id', problem: new Problem(`cannot be ${value} for ${operation}`, remedy) };
}

/** What an absent input means for an operation; undefined when it simply is absent. */
export function defaultOf(name: InputName, operation: Operation): string | undefined {
  const value = inputs[name].default;
  return typeof value === 'object' ? value[operation] : value;
}

/** Those of the given inputs that the operation does not read. An input at its default counts as not given. */
export function findUnused(operation: Operation, read: ReadInput): readonly InputName[] {
  return inputNames.filter((name) => {
    const input = inputs[name];
    const text = read(name)?.trim();
    return text && text !== input.default && !input.operations.includes(operation);
  });
}

/**
 * Every text that must not be printed, longest first, from the raw inputs: they are masked before anything is parsed, so that
 * even a message about a wrong input is safe. A runner's masker does not decode URLs, so passwords are listed in both forms.
 */
export function listSecrets(read: ReadInput, env: NodeJS.ProcessEnv): readonly string[] {
  const secrets = new Set<string>();
  for (const name of inputNames.filter((name) => inputs[name].secret)) {
    const text = read(name)?.trim();
    if (!text) continue;
    if (inputs[name].parse === parseDatabaseUrl) {
      secrets.add(text);
      for (const password of passwordsIn(text)) secrets.add(password);
    } else if (name === 'encryption-identity') {
      for (const line of identityLines(text)) secrets.add(line);
    } else {
      secrets.add(text);
    }
  }
  for (const variable of ['PGPASSWORD', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) {
    const text = env[variable]?.trim();
    if (text) secrets.add(text);
  }
  return [...secrets].sort((a, b) => b.length - a.length);
}

/** Works on texts that are no valid URL, too: a password that breaks the URL is the usual mistake. */
function passwordsIn(url: string): readonly string[] {
  const [, user, encoded] = /^[a-z]+:\/\/([^:/@]*):(.*)@/is.exec(url) ?? [];
  const inQuery = /[?&]password=([^&]*)/i.exec(url)?.[1];
  return [encoded, inQuery].flatMap((password) => {
    // A password that is the user's name protects nothing, and masking it would star the name wherever it stands.
    if (!password || password === user) return [];
    return [password, decode(password) ?? password];
  });
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function oneOf<const T extends string>(values: readonly T[]): (text: string) => T {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new Problem(`cannot be ${JSON.stringify(text)}`, `Write ${list(values)}.`);
    return found;
  };
}

/** For texts that fit one pattern. Quotes nothing of what was given, so that a secret may use it. */
function matching(pattern: RegExp, message: string, remedy: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new Problem(message, remedy);
    return text;
  };
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new Problem(`cannot be ${JSON.stringify(text)}`, `Write a whole number from ${least} to ${most}.`);
  };
}

/** The YAML 1.2 core schema, as GitHub's own actions read booleans. */
function parseBoolean(text: string): boolean {
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  throw new Problem(`cannot be ${JSON.stringify(text)}`, 'Write true or false.');
}

/** The form only, and early; what a bucket may be called is known to storage/open.ts, which refuses it before contacting anyone. */
function parseStorage(text: string): string {
  if (text.includes('://') && text.includes('@')) {
    throw new Problem(
      'must not hold credentials',
      'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.',
    );
  }
  if (/^(s3:\/\/[^/]|file:\/\/\/|\.{0,2}\/|\.\.?$)/i.test(text)) return text;
  throw new Problem(
    'is neither a folder nor an S3 location',
    'Write a folder that starts with ./ or /, such as ./backups, or s3://bucket/prefix.',
  );
}

function parseEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new Problem('is not the address of an S3 service', 'Write it as in https://s3.example.com.');
  }
  return text;
}

function parseDatabaseUrl(text: string): string {
  if (!/^postgres(ql)?:\/\//.test(text)) {
    throw new Problem('does not start with postgresql://', `Write it as ${databaseUrlForm}.`);
  }
  if (/\[your-password\]/i.test(text)) {
    throw new Problem(
      'still holds the placeholder [YOUR-PASSWORD]',
      'Put the password of the database in its place.',
    );
  }
  // libpq allows an empty host before a socket folder (`user@/database?host=/run/postgresql`), the URL standard does not.
  const standard = text.replace(/@(:\d+)?\//, (match) => match.replace('@', '@localhost'));
  const url = URL.canParse(standard) ? new URL(standard) : undefined;
  if (url === undefined || decode(url.password) === undefined) {
    const remedy = `Write it as ${databaseUrlForm}; in a password, percent-encode what is no letter or digit (@ is %40, / is %2F, # is %23, % is %25).`;
    throw new Problem('is not a valid URL', remedy);
  }
  if (url.hostname === '' && !url.searchParams.get('host'))
    throw new Problem('names no host', `Write it as ${databaseUrlForm}.`);
  if (url.pathname.length < 2) {
    throw new Problem(
      'names no database',
      `Write it as ${databaseUrlForm}; on Supabase the database is postgres.`,
    );
  }
  return text;
}

function parseBackupId(text: string): string {
  if (text === 'latest' || text === 'all' || /^\d{8}T\d{6}Z-[0-9a-f]{4}$/.test(text)) return text;
  const [, time] = /^before:(.*)$/.exec(text) ?? [];
  if (time === undefined) {
    throw new Problem(
      `cannot be ${JSON.stringify(text)}`,
      'Write an id such as 20261120T021700Z-7f3a, latest, all, or before:<time>.',
    );
  }
  // A time without a zone would mean something else on every machine.
  const isAbsolute = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(time);
  const date = new Date(time.replace(' ', 'T'));
  if (!isAbsolute || Number.isNaN(date.getTime())) {
    throw new Problem(
      `holds no time: ${JSON.stringify(time)}`,
      'Write it with its zone, as in before:2026-11-20T06:00:00Z.',
    );
  }
  return `before:${date.toISOString()}`;
}

function parsePatterns(text: string): readonly string[] {
  return splitList(text).map((pattern) => {
    if (pattern === '*' || /^[^."*]+\.([^."*]+|\*)$/.test(pattern)) return pattern;
    throw new Problem(
      `cannot contain ${JSON.stringify(pattern)}`,
      'Write schema.table, schema.* or *, names as they are, without quotes.',
    );
  });
}

function parseShare(text: string): number {
  const [, digits] = /^(\d{1,3}(?:\.\d{1,6})?) ?%$/.exec(text) ?? [];
  const share = Number(digits ?? Number.NaN) / 100;
  if (share > 0 && share <= 1) return share;
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write a percentage above 0% and up to 100%, such as 10%.',
  );
}

function parseRecipients(text: string): readonly string[] {
  return splitList(text).map((recipient) => {
    // Someone who pastes the wrong half of a key pair must not see it in a log.
    if (/AGE-SECRET-KEY-/i.test(recipient)) {
      throw new Problem(
        'holds an identity, which is the secret half',
        'Write the recipient that starts with age1; `age-keygen -y` prints it. Replace that identity if this was logged.',
      );
    }
    try {
      new Encrypter().addRecipient(recipient);
      return recipient;
    } catch (error) {
      throw new Problem(
        `${JSON.stringify(recipient)} is not an age recipient (${messageOf(error)})`,
        'Write what `age-keygen -y` prints; it starts with age1.',
      );
    }
  });
}

function parseIdentities(text: string): readonly string[] {
  const lines = identityLines(text);
  if (lines.length === 0) {
    throw new Problem(
      'is neither an age identity nor a file that holds one',
      'Write the text of the file that `age-keygen` made, or the path of a file that can be read here.',
    );
  }
  for (const [index, line] of lines.entries()) {
    try {
      new Decrypter().addIdentity(line);
    } catch {
      // The library's message quotes the identity, so neither it nor the error as a cause goes on.
      throw new Problem(
        `holds a line that is no valid age identity, number ${index + 1} of ${lines.length} without comments`,
        'Copy it again from the file that `age-keygen` made, whole lines only.',
      );
    }
  }
  return lines;
}

/** The lines of a text that holds identities, or of the file that it names, without comments and empty lines. */
function identityLines(text: string): readonly string[] {
  const content = text.includes('AGE-SECRET-KEY-') ? text : readIfPossible(text);
  return content
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function readIfPossible(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function parseFolder(path: string): string {
  if (isFolder(path)) return path;
  throw new Problem(`is no folder: ${JSON.stringify(path)}`, 'Write the path of an existing folder.');
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function parseFile(path: string): string {
  try {
    accessSync(path, constants.R_OK);
    return path;
  } catch {
    throw new Problem(
      `cannot be read: ${JSON.stringify(path)}`,
      'Write the path of a file that can be read here.',
    );
  }
}

function splitList(text: string): readonly string[] {
  return text
    .split(/[,\r\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function list(values: readonly string[]): string {
  return values.length < 2 ? values.join() : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}
