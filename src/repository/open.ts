import { createHmac, randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { ConfigurationError, IntegrityError, StorageError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { DeniedValueError, ForeignValueError, type ReadOptions, type Storage } from '../storage/storage.ts';
import type { LockOptions } from './locks/lock-file.ts';
import { acquireLock } from './locks/locks.ts';
import { assertOwnDatabase } from './own-database.ts';
import { readAgain } from './reading.ts';

const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));

const sourceSchema = v.strictObject({ systemIdentifier: v.string(), database: v.string() });

/** In format 1 the given key, which others may share, seals and names; in format 2 a key derived from it. */
const format = v.picklist([1, 2]);

const repositorySchema = v.strictObject({
  format,
  id: hex(32),
  createdAt: v.pipe(v.string(), v.isoTimestamp()),
  /** The key of object names. It is either here, or with the user; then only a check value is here. */
  key: v.variant('held', [
    v.strictObject({ held: v.literal('repository'), value: hex(64) }),
    v.strictObject({ held: v.literal('outside'), check: hex(64) }),
  ]),
  /** The one database whose backups these are. */
  source: sourceSchema,
});

export type RepositorySource = v.InferOutput<typeof sourceSchema>;

/** An open repository. Its key names the objects and seals the files of this repository and no other. */
export interface Repository {
  readonly storage: Storage;
  readonly id: string;
  readonly key: Buffer;
  readonly source: RepositorySource;
  /** By the first backup */
  readonly createdAt: Date;
  /** `repository.json` as it was read */
  readonly config: Buffer;
}

/** The run that creates a repository, as its lock shows it to runs that want to create it too. */
export interface Maker extends Pick<LockOptions, 'holder' | 'signal' | 'log' | 'now' | 'random'> {
  /** Waits until the storage has proven that it can be written. */
  readonly proven?: () => Promise<unknown>;
}

export const configKey = 'repository.json';

/** Bytes. A file that this tool writes has some 400; the name of a database has 63 at most. */
const largestConfig = 64 * 1024;

/**
 * Opens a repository for reading.
 *
 * @throws ConfigurationError when there is none, this version does not read its format, or the key is wrong
 */
export async function openRepository(
  storage: Storage,
  repositoryKey: string | undefined,
): Promise<Repository> {
  const repository = await findRepository(storage, repositoryKey);
  if (repository) return repository;
  throw new ConfigurationError(
    say`${nameInput('storage')}: there is no repository at ${storage.location}`,
    'Correct the location. The first backup creates a repository.',
  );
}

/**
 * Opens the repository for a backup of `source`, and creates it when the location is empty.
 *
 * @throws ConfigurationError when the repository belongs to another database
 */
export async function openForBackup(
  storage: Storage,
  repositoryKey: string | undefined,
  source: RepositorySource,
  now: Date,
  maker: Maker,
): Promise<Repository> {
  const found = await findRepository(storage, repositoryKey);
  if (found === undefined) await maker.proven?.();
  const repository = found ?? (await makeOnce(storage, repositoryKey, source, now, maker));
  assertOwnDatabase(repository, source);
  return repository;
}

/** How long a run that creates a repository waits for another that does the same. */
const makingWaitSeconds = 120;

/** How long a run that was killed while it created a repository blocks the next one. */
const makingLifetimeSeconds = 30;

/**
 * Creates a repository in an empty location, or opens the one that another run has created meanwhile. Two
 * runs that create one at once would have two keys, one of which is lost, and not every store heeds the
 * request to create a file only if it is absent. So a lock lets one run create it at a time.
 */
async function makeOnce(
  storage: Storage,
  repositoryKey: string | undefined,
  source: RepositorySource,
  now: Date,
  maker: Maker,
): Promise<Repository> {
  const lock = await acquireLock(
    { storage },
    {
      ...maker,
      operation: 'first backup',
      mode: 'exclusive',
      waitSeconds: makingWaitSeconds,
      lifetimeSeconds: makingLifetimeSeconds,
    },
  );
  try {
    const made = await findRepository(storage, repositoryKey);
    if (made) return made;
    await refuseOccupied(storage, maker.log);
    lock.signal.throwIfAborted();
    await createRepository(storage, repositoryKey, source, now);
  } finally {
    await lock.release();
  }
  return openRepository(storage, repositoryKey);
}

async function createRepository(
  storage: Storage,
  repositoryKey: string | undefined,
  source: RepositorySource,
  now: Date,
): Promise<void> {
  const key = repositoryKey === undefined ? randomBytes(32) : Buffer.from(repositoryKey, 'hex');
  const config: v.InferOutput<typeof repositorySchema> = {
    format: 2,
    id: randomBytes(16).toString('hex'),
    createdAt: now.toISOString(),
    key:
      repositoryKey === undefined
        ? { held: 'repository', value: key.toString('hex') }
        : { held: 'outside', check: checkValue(key) },
    source: { systemIdentifier: source.systemIdentifier, database: source.database },
  };
  // The answer does not matter: if another run came first, the file that is there afterwards counts.
  await storage.create(configKey, Buffer.from(`${JSON.stringify(config, null, 2)}\n`));
}

/** Keys of probes, of locks of runs that create it too, and of objects of runs whose location was emptied */
const harmless =
  /^(probe-[0-9a-f-]{36}|probe\/[0-9a-f-]+|locks\/[0-9a-f]{16}(-\d+)?\.json|objects\/([0-9a-f]{2})\/\3[0-9a-f]{62})$/;

/** @throws ConfigurationError when the location holds more than the leftovers of an unfinished backup */
export async function refuseOccupied(storage: Storage, log: Maker['log']): Promise<void> {
  let objects = 0;
  for await (const { key } of storage.list('')) {
    if (harmless.test(key)) {
      if (key.startsWith('objects/')) objects += 1;
      continue;
    }
    const isPart = /^(backups|changes|records|garbage)\/|^outlines\.json$/.test(key);
    throw new ConfigurationError(
      say`${nameInput('storage')}: ${storage.location} is not empty (it holds ${key}) and is not a repository`,
      isPart
        ? 'If it was one, put its repository.json back from a copy: without it, nothing there can be verified. Otherwise, use an empty or new location.'
        : 'Use an empty or new location, or the one that has your backups.',
    );
  }
  if (objects > 0) {
    log.warn(
      `${storage.location} holds ${objects} objects that no backup names, and no repository.json: a new repository is created beside them, and a cleanup removes them after its grace period`,
    );
  }
}

/**
 * Asserts that the repository is still the one that was opened: if another one with another key has replaced
 * it, files sealed with the old key could never be read.
 *
 * @throws IntegrityError when it was replaced, StorageError when it is gone
 */
export async function assertUnreplaced({ storage, config }: Repository): Promise<void> {
  const replaced = () =>
    new IntegrityError(
      `${configKey} at ${storage.location} is not the one that this run started with: another run, or somebody, has replaced it with one that has another key`,
      'Nothing was recorded as a backup. Run it again: it uses the repository that is there now. If nobody created one at that time, check who can write to the storage.',
    );
  try {
    await readAgain(async (options) => {
      const there = await storage.get(configKey, largestConfig, options);
      if (!there.equals(config)) throw replaced();
    });
  } catch (error) {
    if (error instanceof ForeignValueError) throw replaced();
    if (!(error instanceof StorageError) || !error.missing) throw error;
    throw new StorageError(
      `${configKey} is not in ${storage.location} any more: somebody emptied or removed the repository while this run used it`,
      'Nothing was recorded as a backup. Check who can write to the storage, then run this again.',
      { cause: error },
    );
  }
}

/** Opens the repository, if there is one; throws as `openRepository` does for a wrong place or key. */
export async function findRepository(
  storage: Storage,
  repositoryKey: string | undefined,
): Promise<Repository | undefined> {
  try {
    return await readAgain(async (options) => {
      const bytes = await readConfig(storage, options);
      const repository = bytes && parseRepository(storage, bytes, repositoryKey);
      if (repository) storage.onOpened?.(repository.config);
      return repository;
    }, storage.places);
  } catch (error) {
    if (error instanceof DeniedValueError)
      throw new ConfigurationError(
        say`${nameInput('storage')}: ${error.told.message}`,
        'Give this user permission to read it.',
        error,
      );
    if (error instanceof ForeignValueError) throw toDamageError(storage, error.how, error);
    // This is the first read from a repository: nothing was done yet, so the location is wrong.
    if (error instanceof StorageError && error.configuration) {
      throw new ConfigurationError(error.told.message, error.told.next, error);
    }
    throw error;
  }
}

/**
 * Reads the bytes of the file; undefined when there is none. No seal protects them, and one wrong digit of
 * the key makes everything else look damaged, so they count only when two reads return the same.
 */
export async function readConfig(storage: Storage, options: ReadOptions): Promise<Buffer | undefined> {
  const read = async () => {
    try {
      return await storage.get(configKey, largestConfig, options);
    } catch (error) {
      if (error instanceof StorageError && error.missing) return undefined;
      throw error;
    }
  };
  const [one, other] = await Promise.all([read(), read()]);
  // Another run creates it at this moment.
  if (one === undefined || other === undefined) return one ?? other;
  if (!one.equals(other)) throw toDamageError(storage, 'two readings brought different bytes');
  return one;
}

/**
 * Opens the repository that `repository.json` describes, and asks the storage nothing: a run may come back to
 * one that it has opened before.
 */
export function parseRepository(
  storage: Storage,
  bytes: Buffer,
  repositoryKey: string | undefined,
): Repository {
  const text = bytes.toString('utf8');
  const parsed = parse(text);
  if (typeof parsed === 'string') {
    const format = /"format":\s*(\d{1,9})\b/.exec(text)?.[1];
    throw format !== undefined && format !== '1' && format !== '2'
      ? new ConfigurationError(
          say`${nameInput('storage')}: the repository at ${storage.location} has format ${format}; this version reads formats 1 and 2`,
          'Use the version of supabase-backup that wrote it, or a newer one.',
        )
      : toDamageError(storage, parsed);
  }
  const key = bindKey(parsed, resolveKey(parsed.key, repositoryKey));
  const { id, source, createdAt } = parsed;
  return { storage, id, key, source, createdAt: new Date(createdAt), config: bytes };
}

/** Returns the content, or what is wrong, without quoting the file: it may be any file, or hold the key. */
function parse(text: string): v.InferOutput<typeof repositorySchema> | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is no JSON';
  }
  const parsed = v.safeParse(repositorySchema, value);
  if (parsed.success) return parsed.output;
  const known = new Set(['format', 'id', 'createdAt', 'key', 'source']);
  const fields = new Set(parsed.issues.map((issue) => String(issue.path?.[0]?.key)));
  const wrong = [...fields]
    .filter((field) => known.has(field))
    .map((field) => `\`${field}\` is not as it should be`);
  return wrong.length === 0 ? 'it is not what a backup writes' : wrong.join(', ');
}

function toDamageError(storage: Storage, how: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `${configKey} at ${storage.location} is damaged: ${how}`,
    'Restore this one small file from a copy; docs/format.md shows its contents.',
    cause,
  );
}

function resolveKey(key: v.InferOutput<typeof repositorySchema>['key'], given: string | undefined): Buffer {
  if (key.held === 'repository') {
    if (given !== undefined && given.toLowerCase() !== key.value) {
      throw new ConfigurationError(
        say`${nameInput('repository-key')}: this repository has its own key, and it is a different one`,
        say`If you have always kept the key outside of the repository, somebody has replaced repository.json: put it back from a copy. If not, leave ${nameInput('repository-key')} empty.`,
      );
    }
    return Buffer.from(key.value, 'hex');
  }
  if (given === undefined) {
    throw new ConfigurationError(
      say`${nameInput('repository-key')}: the key of this repository is kept outside of it and was not given`,
      'Use the key that was used for its first backup.',
    );
  }
  const candidate = Buffer.from(given, 'hex');
  if (checkValue(candidate) !== key.check) {
    throw new ConfigurationError(
      say`${nameInput('repository-key')}: this is not the key of this repository`,
      'Use the key that was used for its first backup.',
    );
  }
  return candidate;
}

/**
 * Derives the key of one repository. A user may give the same key to several. A person who can write to two
 * of them, without knowing the key, must not be able to pass off a file of one as a file of the other.
 */
function bindKey(
  { format, id }: Pick<v.InferOutput<typeof repositorySchema>, 'format' | 'id'>,
  key: Buffer,
): Buffer {
  return format === 1 ? key : createHmac('sha256', key).update(`supabase-backup repository ${id}`).digest();
}

/** Tells a right key from a wrong one without revealing the key. */
function checkValue(key: Buffer): string {
  return createHmac('sha256', key).update('supabase-backup repository key check').digest('hex');
}
