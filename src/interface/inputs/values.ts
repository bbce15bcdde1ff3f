import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { Decrypter, Encrypter } from 'age-encryption';
import { messageOf } from '../../runtime/errors.ts';
import type { ColumnName } from '../../values/column-name.ts';
import { day, hour, minute, week } from '../../values/duration.ts';
import type { RetentionPolicy } from '../../values/retention-policy.ts';
import { splitPatterns } from '../../values/table-patterns.ts';
import { timedIdPattern } from '../../values/timed-id.ts';
import { archivingClasses, type S3Encryption, s3Addressings } from '../s3-settings.ts';

/* What the texts of inputs mean: each function gets a trimmed text that is not empty, and throws `Problem` and nothing else. */

export const databaseUrlForm = 'postgresql://user:password@host:5432/database';

/** One wrong input: what is wrong with it, and what to write instead. Neither may quote a secret. */
export class Problem extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}

export function oneOf<const T extends string>(values: readonly T[]): (text: string) => T {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new Problem(`cannot be ${JSON.stringify(text)}`, `Write ${list(values)}.`);
    return found;
  };
}

/** For texts that fit one pattern. Quotes nothing of what was given, so that a secret may use it. */
export function matching(pattern: RegExp, message: string, remedy: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new Problem(message, remedy);
    return text;
  };
}

/** What is in a backup is read by its server, and so is the password of whatever else that can reach. */
export const parseImage = matching(
  /^(supabase\/)?postgres:\w[\w.-]{0,127}(@sha256:[0-9a-f]{64})?$/,
  'is not an image of postgres or of supabase/postgres',
  'Write it as in supabase/postgres:17.6.1.054',
);

export const parseS3Addressing = oneOf(s3Addressings);

export function parseS3Encryption(text: string): S3Encryption {
  if (text === 'AES256' || text === 'aws:kms') return { algorithm: text };
  const [, keyId] = /^aws:kms:([A-Za-z0-9:/_-]{1,2048})$/.exec(text) ?? [];
  if (keyId !== undefined) return { algorithm: 'aws:kms', keyId };
  throw new Problem(
    'names no encryption of S3',
    'Write AES256, aws:kms, or aws:kms:KEY with the id or the ARN of the key.',
  );
}

export function parseStorageClass(text: string): string {
  if (archivingClasses.has(text)) {
    throw new Problem(
      `is ${text}, whose objects cannot be read at once: no backup could be built on, validated or restored`,
      'Write GLACIER_IR, which can, STANDARD_IA, or leave it out.',
    );
  }
  if (/^[A-Z][A-Z0-9_]{1,40}$/.test(text)) return text;
  throw new Problem('is not the name of a storage class', 'Write it as in STANDARD_IA.');
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new Problem(`cannot be ${JSON.stringify(text)}`, `Write a whole number from ${least} to ${most}.`);
  };
}

/** The YAML 1.2 core schema, as GitHub's own actions read booleans. */
export function parseBoolean(text: string): boolean {
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  throw new Problem(`cannot be ${JSON.stringify(text)}`, 'Write true or false.');
}

/** The form only, and early; what a bucket may be called is known to storage/open.ts, which refuses it before contacting anyone. */
export function parseStorage(text: string): string {
  if (/^artifact:\/\/[^":<>|*?\\/\p{Cc}]{1,200}$/iu.test(text)) return text;
  if (/^artifact:/i.test(text)) {
    throw new Problem(
      'names an artifact that cannot exist',
      'Write artifact://name, without any of " : < > | * ? \\ and / in the name, at most 200 characters.',
    );
  }
  if (text.includes('://') && text.includes('@')) {
    throw new Problem(
      'must not hold credentials',
      'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.',
    );
  }
  if (/^(s3:\/\/[^/]|file:\/\/\/|\.{0,2}\/|\.\.?$)/i.test(text)) return text;
  throw new Problem(
    'is neither a folder nor an S3 location nor an artifact',
    'Write a folder that starts with ./ or /, such as ./backups, s3://bucket/prefix, or artifact://name.',
  );
}

export function parseEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new Problem('is not the address of an S3 service', 'Write it as in https://s3.example.com.');
  }
  return text;
}

export function parseDatabaseUrl(text: string): string {
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
  const standard = text
    .replace(/@(:\d+)?\//, (match) => match.replace('@', '@localhost'))
    // Nor does that know more hosts than one.
    .replace(/^([a-z]+:\/\/(?:[^/?#]*@)?[^/?#,@]*)(?:,[^/?#,@]*)+/i, '$1');
  const url = URL.canParse(standard) ? new URL(standard) : undefined;
  if (url === undefined || decode(url.password) === undefined) {
    const remedy = `Write it as ${databaseUrlForm}; in a password, percent-encode what is no letter or digit (@ is %40, / is %2F, # is %23, % is %25).`;
    throw new Problem('is not a valid URL', remedy);
  }
  // A service, or libpq's variables, say all that a URL leaves out.
  if (url.searchParams.get('service') || /^postgres(?:ql)?:\/{2,3}(?:\?|$)/i.test(text)) return text;
  if (url.hostname === '' && !url.searchParams.get('host') && !url.searchParams.get('hostaddr'))
    throw new Problem('names no host', `Write it as ${databaseUrlForm}.`);
  if (url.pathname.length < 2 && !url.searchParams.get('dbname')) {
    throw new Problem(
      'names no database',
      `Write it as ${databaseUrlForm}; on Supabase the database is postgres.`,
    );
  }
  return text;
}

export function parseBackupId(text: string): string {
  if (['latest', 'latest-verified', 'all'].includes(text) || timedIdPattern.test(text)) return text;
  const [, interval] = /^random:(.*)$/.exec(text) ?? [];
  if (interval !== undefined) return `random:${parseInterval(interval)}`;
  const [, time] = /^before:(.*)$/.exec(text) ?? [];
  if (time === undefined) {
    throw new Problem(
      `cannot be ${JSON.stringify(text)}`,
      'Write an id such as 20261120T021700Z-7f3a, latest, latest-verified, all, before:<time> or random:<interval>.',
    );
  }
  const date = parseTime(time);
  if (date !== undefined) return `before:${date.toISOString()}`;
  throw new Problem(
    `holds no time: ${JSON.stringify(time)}`,
    'Write it with its zone, as in before:2026-11-20T06:00:00Z.',
  );
}

/** `latest`, or a time in UTC, ISO 8601 to the microsecond: commit times are that exact. */
export function parseRecoveryTarget(text: string): string {
  if (text === 'latest') return text;
  const date = /^\d{4}-\d\d-\d\d[T ]\d/.test(text) ? parseTime(text) : undefined;
  if (date === undefined) {
    throw new Problem(
      `is no point in time: ${JSON.stringify(text)}`,
      'Write date and time with their zone, as in 2026-11-20T14:30:00Z, or latest.',
    );
  }
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  return date.toISOString().replace(/\.\d+Z$/, `.${fraction.slice(0, 6).padEnd(6, '0')}Z`);
}

/** A time without a zone would mean something else on every machine: undefined. */
function parseTime(text: string): Date | undefined {
  const isAbsolute = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const date = new Date(text.replace(' ', 'T'));
  return isAbsolute && !Number.isNaN(date.getTime()) ? date : undefined;
}

/** A schema and a table, or the star for all of its tables: each quoted, or plain text in which further dots may stand. */
const tablePattern =
  /^(?:"(?:[^"]|"")+"|[^".*]+(?:\.[^".*]+)*)\.(?:"(?:[^"]|"")+"|[^".*]+(?:\.[^".*]+)*|\*)$/;

export function parsePatterns(text: string): readonly string[] {
  return splitPatterns(text).map((pattern) => {
    if (pattern === '*' || tablePattern.test(pattern)) return pattern;
    throw new Problem(
      `cannot contain ${JSON.stringify(pattern)}`,
      'Write schema.table, schema.* or *, names as they are; double quotes around a part make its dots, commas and stars ordinary, as in "v1.2"."a,b".',
    );
  });
}

export function parseColumns(text: string): readonly ColumnName[] {
  return splitList(text).map((name) => {
    const [schema, table, column, ...more] = name.split('.');
    if (schema && table && column && more.length === 0 && !name.includes('"'))
      return { schema, table, column };
    throw new Problem(
      `cannot contain ${JSON.stringify(name)}`,
      'Write schema.table.column, names as they are, without quotes.',
    );
  });
}

export function parseShare(text: string): number {
  const [, digits] = /^(\d{1,3}(?:\.\d{1,6})?) ?%$/.exec(text) ?? [];
  const share = Number(digits ?? Number.NaN) / 100;
  if (share > 0 && share <= 1) return share;
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write a percentage above 0% and up to 100%, such as 10%.',
  );
}

export function parseRecipients(text: string): readonly string[] {
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

export function parseIdentities(text: string): readonly string[] {
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
export function identityLines(text: string): readonly string[] {
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

export function parseFolder(path: string): string {
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

/** The path of a file with certificates, or they themselves in PEM form: a job that checks nothing out has no file of its repository. */
export function parseCertificates(text: string): string {
  parsePem(text.includes('-----BEGIN') ? text : readFile(text));
  return text;
}

export function parsePem(given: string): void {
  const remedy = 'Give the CA certificate in PEM form; Supabase offers it under Database settings.';
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(given)) throw new Problem('holds a private key', remedy);
  const blocks = given.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  if (blocks.length === 0 || !blocks.every(isCertificate)) throw new Problem('is no certificate', remedy);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    // What OpenSSL cannot read says nothing to people.
    return false;
  }
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Problem(
      `cannot be read: ${JSON.stringify(path)}`,
      'Write the path of a file that can be read here.',
    );
  }
}

export function splitList(text: string): readonly string[] {
  return text
    .split(/[,\r\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

export function list(values: readonly string[]): string {
  return values.length < 2 ? values.join() : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

const intervalUnits: Readonly<Record<string, number>> = { h: hour, d: day, w: week };

/** milliseconds of `36h`, `7d` or `2w` */
export function parseInterval(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,5})([hdw])$/.exec(text) ?? [];
  const milliseconds = Number(digits) * (intervalUnits[unit] ?? Number.NaN);
  if (milliseconds > 0) return milliseconds;
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write hours, days or weeks, such as 36h, 7d or 2w.',
  );
}

export function parseTimeZone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    throw new Problem(
      `is no time zone: ${JSON.stringify(text)}`,
      'Write a name of the IANA database, such as Europe/Berlin, or UTC.',
    );
  }
}

const retentionCounts = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'verified'] as const;

export function parseRetention(text: string): RetentionPolicy {
  const policy = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, within: 0, verified: 3 };
  const seen = new Set<string>();
  for (const rule of text.split(/[\s,]+/)) {
    const [, name = '', value = ''] = /^([a-z]+)=(\w+)$/.exec(rule) ?? [];
    const count = retentionCounts.find((known) => known === name);
    if (seen.has(name)) throw new Problem(`names ${name} twice`, 'Write each rule once.');
    seen.add(name);
    if (name === 'within') {
      policy.within = parseInterval(value);
    } else if (count !== undefined && /^\d{1,5}$/.test(value)) {
      policy[count] = Number(value);
    } else {
      throw new Problem(
        `cannot contain ${JSON.stringify(rule)}`,
        `Write rules such as daily=7 weekly=5 monthly=12; there are ${list(retentionCounts)}=<number> and within=<interval>.`,
      );
    }
  }
  if (policy.verified < 1) {
    throw new Problem(
      'cannot have verified=0',
      'Write verified=1 or more: the newest verified backup always stays.',
    );
  }
  return policy;
}

export function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** SQL statements, one a line, or in a file; empty lines and those that begin with `--` or `#` are passed over. */
export function parseChecks(text: string): readonly string[] {
  const source = text.includes('\n') || /^select\b/i.test(text) ? text : readFileAsText(text);
  const checks = source
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(--|#)/.test(line));
  if (checks.length === 0) {
    throw new Problem('holds no check', 'Write one SELECT a line, each of which must return true.');
  }
  return checks;
}

function readFileAsText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Problem(
      `is neither a SELECT nor a file that can be read: ${JSON.stringify(path)}`,
      'Write one SELECT a line, each of which must return true, or the path of a file with them.',
    );
  }
}

const shortUnits: Readonly<Record<string, number>> = { s: 1000, m: minute, h: hour, d: day };

/** milliseconds of `90s`, `30m` or `4h` */
export function parseDuration(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const milliseconds = Number(digits) * (shortUnits[unit] ?? Number.NaN);
  if (milliseconds > 0) return milliseconds;
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write seconds, minutes, hours or days, such as 90s, 30m or 4h.',
  );
}

/** A list of names of one form. */
export function listOf(form: RegExp, wrong: string, remedy: string): (text: string) => readonly string[] {
  return (text) =>
    splitList(text).map((name) => {
      if (form.test(name)) return name;
      throw new Problem(`cannot contain ${JSON.stringify(name)}: ${wrong}`, remedy);
    });
}

/** An address that messages are sent to: https, or this machine. */
export function parseWebhook(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Problem('is not an address', 'Write it as in https://example.com/path.');
  }
  const local = url.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'https:' || local) return url.href;
  throw new Problem(`has the scheme ${url.protocol}`, 'Write an address with https.');
}
