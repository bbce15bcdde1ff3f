import { IntegrityError, StorageError } from '../../runtime/errors.ts';
import { ForeignValueError, type Storage } from '../../storage/storage.ts';
import { timedId } from '../../values/timed-id.ts';
import { manifestKey } from '../backups/manifests.ts';
import { segmentKey } from '../changes/segments.ts';
import { recordId } from '../listed-records.ts';
import type { Repository } from '../open.ts';
import { readAgain } from '../reading.ts';
import { BrokenSealError, checkSeal, type SealedKind, sizeLimit } from '../signature.ts';
import type { DescribedObject } from './object-table.ts';

/** The kinds of values that a copy gets, in the order in which it gets them; objects precede them all. */
export const valueKinds = ['backups', 'changes', 'signatures', 'records'] as const;
export type ValueKind = (typeof valueKinds)[number];

/** The names of each kind. What has another name is no value of a repository, and stays where it is. */
const keyPatterns: Readonly<Record<ValueKind, RegExp>> = {
  backups: new RegExp(`^backups/${timedId}\\.json$`),
  changes: new RegExp(`^changes/${timedId}/[0-9a-f]{16}-[0-9a-f]{16}\\.json$`),
  signatures: /^signatures\/[A-Za-z0-9._/-]+\.sig$/,
  records: new RegExp(`^records/[a-z]+/${recordId}\\.json$`),
};

/** The key of an object, which holds its name twice */
const objectPattern = /^objects\/([0-9a-f]{2})\/(\1[0-9a-f]{62})$/;

/** Bytes of a signature; one in OpenSSH's form has some 300. */
const largestSignature = 64 * 1024;

/** Lists the values of a kind, by key, with their sizes in bytes. */
export async function listKind(
  storage: Pick<Storage, 'list'>,
  kind: ValueKind,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const values = new Map<string, number>();
  for await (const { key, size } of storage.list(`${kind}/`)) {
    signal.throwIfAborted();
    if (keyPatterns[kind].test(key)) values.set(key, size);
  }
  return values;
}

/** The name of an object by its key; undefined for another key. */
export function objectName(key: string): string | undefined {
  return objectPattern.exec(key)?.[2];
}

/**
 * Reads a value with the bytes that are stored, and proves by its seal that it is what this repository wrote, and
 * that it wrote it under this key; undefined when there is none. A signature proves itself to whoever checks it, and is read as it is.
 *
 * @throws IntegrityError when it is damaged
 */
export async function readValue(
  repository: Repository,
  kind: ValueKind,
  key: string,
): Promise<Buffer | undefined> {
  const { storage } = repository;
  return readAgain(async (options) => {
    try {
      const bytes = await storage.get(key, limitOf(kind, key), options);
      if (kind !== 'signatures') assertOwnKey(kind, key, checkSeal(repository, sealedKind(kind, key), bytes));
      return bytes;
    } catch (cause) {
      if (cause instanceof BrokenSealError) throw toDamage(key, cause.message, cause);
      if (cause instanceof ForeignValueError) throw toDamage(key, cause.how, cause);
      if (cause instanceof StorageError && cause.missing) return undefined;
      throw cause;
    }
  }, storage.places);
}

function limitOf(kind: ValueKind, key: string): number {
  return kind === 'signatures' ? largestSignature : sizeLimit(sealedKind(kind, key));
}

function sealedKind(kind: Exclude<ValueKind, 'signatures'>, key: string): SealedKind {
  switch (kind) {
    case 'backups':
      return 'manifest';
    case 'changes':
      return 'segment';
    case 'records':
      return `record ${key.split('/')[1]}`;
  }
}

/**
 * Refuses a value that lies where another one belongs: its seal is sound, for it has no key in it.
 *
 * @param open as it was sealed; only quotes between fields are unescaped, so no text of a user looks like a field
 */
function assertOwnKey(kind: Exclude<ValueKind, 'signatures'>, key: string, open: Buffer): void {
  const own = findOwnKey(kind, key, open);
  if (own !== key) throw new BrokenSealError(`it says that it is ${own?.slice(0, 120) ?? 'nothing'}`);
}

function findOwnKey(kind: Exclude<ValueKind, 'signatures'>, key: string, open: Buffer): string | undefined {
  const id = findText(open, kind === 'changes' ? '"chain":{"id":"' : ',"id":"');
  if (id === undefined) return undefined;
  switch (kind) {
    case 'backups':
      return manifestKey(id);
    case 'records':
      return `records/${key.split('/')[1]}/${id}.json`;
    case 'changes': {
      const [from, to] = [findText(open, ',"from":"'), findText(open, ',"to":"')];
      const isPosition = (text: string | undefined) => /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/.test(text ?? '');
      if (from === undefined || to === undefined || !isPosition(from) || !isPosition(to)) return undefined;
      return segmentKey({ chain: { id }, from, to });
    }
  }
}

/** The text that follows the first field of this name, without parsing the rest, which may be large */
function findText(open: Buffer, field: string): string | undefined {
  const start = open.indexOf(field);
  if (start < 0) return undefined;
  const from = start + field.length;
  return /^([^"\\]*)"/.exec(open.toString('latin1', from, from + 100))?.[1];
}

function toDamage(key: string, how: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `${key}: ${how}`,
    'It is not copied. `validate` shows which backups are affected.',
    cause,
  );
}

const objectsField = ',"objects":[';

/**
 * Reads what a manifest or a header of changes says of its objects, without parsing the rest, which may be large.
 *
 * @throws IntegrityError when it lists none
 */
export function* describedObjects(key: string, bytes: Buffer): Generator<DescribedObject> {
  // Only quotes between fields are unescaped, so no text of a user can look like this.
  const start = bytes.indexOf(objectsField);
  if (start < 0) throw toDamage(key, 'it is sealed but lists no objects');
  // Objects hold numbers and hexadecimal digits, so the first bracket is the one that ends the list.
  const end = bytes.indexOf(']', start + objectsField.length);
  for (let at = bytes.indexOf('{', start); at >= 0 && at < end; at = bytes.indexOf('{', at + 1)) {
    const close = bytes.indexOf('}', at);
    yield toDescribed(key, bytes.toString('latin1', at, close + 1));
  }
}

function toDescribed(key: string, text: string): DescribedObject {
  let parsed: Partial<DescribedObject>;
  try {
    parsed = JSON.parse(text) as Partial<DescribedObject>;
  } catch (cause) {
    throw toDamage(key, 'it is sealed but names an object that cannot be', cause);
  }
  const { name, stored, sha256 } = parsed;
  const isHash = (value: unknown) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
  if (!isHash(name) || !isHash(sha256) || !Number.isSafeInteger(stored) || (stored ?? -1) < 0)
    throw toDamage(key, 'it is sealed but names an object that cannot be');
  return { name, stored, sha256 } as DescribedObject;
}
