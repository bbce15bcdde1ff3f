import { isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml';
import type { S3Addressing, S3Credentials, S3Encryption } from '../s3-settings.ts';
import {
  checkEndpoint,
  parseRegion,
  parseS3Addressing,
  parseS3Encryption,
  parseStorage,
  parseStorageClass,
} from './storage-values.ts';
import { list, Problem } from './values.ts';

/*
 * The input `copies`: a YAML list of storages, or one address per line. Its text may hold credentials, so no
 * message quotes more of it than the names of fields and of entries.
 */

/** A storage that holds, or is to hold, a copy of the repository. */
export interface CopyPlace {
  /** What reports call it: as it was given, or else the address */
  readonly name: string;
  /** A folder, or `s3://bucket/prefix` */
  readonly storage: string;
  readonly s3Endpoint: string | undefined;
  readonly s3Region: string | undefined;
  readonly s3Addressing: S3Addressing;
  readonly s3Sse: S3Encryption | undefined;
  readonly s3StorageClass: string | undefined;
  /** Undefined: those of the environment, as for the first storage */
  readonly s3Credentials: S3Credentials | undefined;
}

/** Other storages with copies of the repository; none where it is empty. */
export interface CopiesInputs {
  readonly copies: readonly CopyPlace[];
}

const fields = [
  'name',
  'storage',
  'endpoint',
  'region',
  'addressing',
  'sse',
  'storage-class',
  'access-key-id',
  'secret-access-key',
  'session-token',
] as const;
type Field = (typeof fields)[number];
type Entry = ReadonlyMap<Field, string>;

/** The fields of which the values must not be printed */
const secretFields = ['secret-access-key', 'session-token'] as const;

/** The most copies. Each is listed and written in turn. */
const mostCopies = 8;

const listRemedy =
  'Write a YAML list, such as `- storage: s3://bucket/prefix` with `endpoint`, `region` and credentials below it, or one address per line.';

export function parseCopies(text: string): readonly CopyPlace[] {
  const entries = readEntries(text);
  if (entries.length === 0) throw new Problem('names no storage', listRemedy);
  if (entries.length > mostCopies)
    throw new Problem(`has ${entries.length} entries`, `Name at most ${mostCopies} copies.`);
  const copies = entries.map((entry, index) => toCopy(entry, index + 1));
  const names = copies.map(({ name }) => name);
  const repeated = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (repeated >= 0 && entries[repeated]?.has('name'))
    throw new Problem(
      `entry ${repeated + 1}: another entry has the same name`,
      'Give each entry a different name.',
    );
  return copies;
}

/**
 * Lists the credentials in the text, also in one that is no YAML: a character that breaks it is often part of
 * a secret.
 */
export function secretsOfCopies(text: string): readonly string[] {
  const written = Array.from(
    text.matchAll(/(?:secret-access-key|session-token)["']?[ \t]*:[ \t]*(\S[^\r\n]*)/g),
    ([, value = '']) => value.trim(),
  );
  const bare = written.map((value) => value.replace(/\s+#.*$/, '').replace(/^(["'])(.*)\1,?$/, '$2'));
  return [...written, ...bare, ...secretsIn(text)].filter((secret) => secret.length >= 4);
}

function secretsIn(text: string): readonly string[] {
  try {
    return readEntries(text).flatMap((entry) => secretFields.flatMap((field) => entry.get(field) ?? []));
  } catch (error) {
    // What is wrong is told when the input is parsed.
    if (error instanceof Problem) return [];
    throw error;
  }
}

function readEntries(text: string): readonly Entry[] {
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const isPlain = lines.every(
    (line) => !/^[-{[]( |$|\S*:)/.test(line) && !/^["']?[a-z-]+["']?:(\s|$)/.test(line),
  );
  if (isPlain) return lines.map((line) => new Map([['storage', line]]));
  const document = parseDocument(text, { schema: 'failsafe', prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const line = text.slice(0, error.pos[0]).split('\n').length;
    throw new Problem(`is not valid YAML from line ${line} on`, listRemedy);
  }
  const root = document.contents;
  if (!isSeq(root)) throw new Problem('is no list', listRemedy);
  return root.items.map((item, index) => readEntry(item as Node | null, index + 1));
}

function readEntry(item: Node | null, number: number): Entry {
  if (isScalar(item) && typeof item.value === 'string') return new Map([['storage', item.value.trim()]]);
  if (!isMap(item))
    throw new Problem(`entry ${number} is neither an address nor a list of fields`, listRemedy);
  const entry = new Map<Field, string>();
  for (const { key, value } of item.items) {
    const name = isScalar(key) ? String(key.value) : '';
    const field = fields.find((known) => known === name);
    if (field === undefined) {
      const told = /^[a-z][a-z0-9-]{0,39}$/.test(name) ? name : 'one of its fields';
      throw new Problem(
        `entry ${number}: ${told} is not a field of a copy`,
        `The fields are ${list(fields)}.`,
      );
    }
    if (value !== null && !isScalar(value))
      throw new Problem(
        `entry ${number}: ${field} is not text`,
        'Write it on one line, in quotes if YAML requires them.',
      );
    const text = isScalar(value) && typeof value.value === 'string' ? value.value.trim() : '';
    // A variable that is not set leaves the field empty.
    if (text !== '') entry.set(field, text);
  }
  return entry;
}

function toCopy(entry: Entry, number: number): CopyPlace {
  const take = <Value>(field: Field, parse: (text: string) => Value): Value | undefined => {
    const text = entry.get(field);
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      throw new Problem(`entry ${number}: ${field} ${error.message}`, error.remedy);
    }
  };
  const storage = take('storage', parseCopyStorage);
  if (storage === undefined)
    throw new Problem(`entry ${number}: storage is missing`, 'Write a folder or s3://bucket/prefix.');
  const isBucket = /^s3:/i.test(storage);
  const misplaced = [...entry.keys()].find((field) => field !== 'storage' && field !== 'name');
  if (!isBucket && misplaced !== undefined)
    throw new Problem(
      `entry ${number}: ${misplaced} is only for s3://, but its storage is a folder`,
      'Leave it out, or correct the storage.',
    );
  return {
    name: take('name', parseName) ?? storage,
    storage,
    s3Endpoint: take('endpoint', checkEndpoint),
    s3Region: take('region', parseRegion),
    s3Addressing: take('addressing', parseS3Addressing) ?? 'auto',
    s3Sse: take('sse', parseS3Encryption),
    s3StorageClass: take('storage-class', parseStorageClass),
    s3Credentials: takeCredentials(entry, number),
  };
}

function parseCopyStorage(text: string): string {
  if (/^artifact:/i.test(text))
    throw new Problem('is an artifact, which cannot hold a copy', 'Write a folder or s3://bucket/prefix.');
  return parseStorage(text);
}

function parseName(text: string): string {
  if (/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,59}$/u.test(text)) return text;
  throw new Problem('is no name', 'Write up to 60 letters, digits, spaces, dots, hyphens and underscores.');
}

function takeCredentials(entry: Entry, number: number): S3Credentials | undefined {
  const given = (['access-key-id', ...secretFields] as const).filter((field) => entry.has(field));
  if (given.length === 0) return undefined;
  const [accessKeyId, secretAccessKey] = [entry.get('access-key-id'), entry.get('secret-access-key')];
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const missing = accessKeyId === undefined ? 'access-key-id' : 'secret-access-key';
    throw new Problem(
      `entry ${number}: ${missing} is missing, but there is ${given.join(' and ')}`,
      'Give both, or neither to use the credentials of the environment.',
    );
  }
  return { accessKeyId, secretAccessKey, sessionToken: entry.get('session-token') };
}
