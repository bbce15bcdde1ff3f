import { createHmac, randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { ConfigurationError, IntegrityError, StorageError } from '../errors.ts';
import { DeniedValueError, ForeignValueError, type Storage } from '../storage/storage.ts';

const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));

const sourceSchema = v.strictObject({ systemIdentifier: v.string(), database: v.string() });

/** 1: seals and names are made with the key itself, which may be another repository's, too. 2: with one that is made of it for this one. */
const format = v.picklist([1, 2]);

const repositorySchema = v.strictObject({
  format,
  id: hex(32),
  createdAt: v.pipe(v.string(), v.isoTimestamp()),
  /** The key of object names: here, or with the user, in which case only a check value is here. */
  key: v.variant('held', [
    v.strictObject({ held: v.literal('repository'), value: hex(64) }),
    v.strictObject({ held: v.literal('outside'), check: hex(64) }),
  ]),
  /** The one database whose backups these are. */
  source: sourceSchema,
});

export type RepositorySource = v.InferOutput<typeof sourceSchema>;

/** An open repository: where it is, and the key that names its objects and seals its manifests, in this repository and no other. */
export interface Repository {
  readonly storage: Storage;
  readonly id: string;
  readonly key: Buffer;
  readonly source: RepositorySource;
}

const location = 'repository.json';

/** bytes; ours has some 400, and the longest name of a database 63 */
const largestConfig = 64 * 1024;

/**
 * Opens a repository for reading.
 *
 * @throws ConfigurationError when there is none, or when it is not of a format this version reads, or the key is wrong
 */
export async function openRepository(
  storage: Storage,
  repositoryKey: string | undefined,
): Promise<Repository> {
  const repository = await findRepository(storage, repositoryKey);
  if (repository) return repository;
  throw new ConfigurationError(
    `storage: there is no repository at ${storage.location}`,
    'Correct the location; a repository is made by its first backup.',
  );
}

/**
 * Opens the repository for a backup of `source`, making it when the place is empty.
 *
 * @param proven waits until the storage has proven that it can be written, before a repository is made
 * @throws ConfigurationError when it belongs to another database
 */
export async function openForBackup(
  storage: Storage,
  repositoryKey: string | undefined,
  source: RepositorySource,
  now: Date,
  proven: () => Promise<unknown> = async () => {},
): Promise<Repository> {
  const found = await findRepository(storage, repositoryKey);
  if (found === undefined) await proven();
  const repository = found ?? (await createRepository(storage, repositoryKey, source, now));
  const bound = repository.source;
  if (bound.systemIdentifier !== source.systemIdentifier || bound.database !== source.database) {
    throw new ConfigurationError(
      `storage: ${storage.location} holds backups of database ${JSON.stringify(bound.database)} of the server with system identifier ` +
        `${bound.systemIdentifier}; this is ${JSON.stringify(source.database)} of ${source.systemIdentifier}`,
      'Use a location of its own for each database. After an upgrade or a move, which make a new server, start a new location and keep the old one for as long as its backups are wanted.',
    );
  }
  return repository;
}

async function createRepository(
  storage: Storage,
  repositoryKey: string | undefined,
  source: RepositorySource,
  now: Date,
): Promise<Repository> {
  for await (const value of storage.list('')) {
    // Left by a probe that was not allowed to delete.
    if (value.key.startsWith('probe/')) continue;
    // Another backup may have made it since we looked.
    const made = await findRepository(storage, repositoryKey);
    if (made) return made;
    throw new ConfigurationError(
      `storage: ${storage.location} is not empty (it holds ${value.key}) and is not a repository`,
      'Give an empty or a new location, or the one that holds your backups.',
    );
  }
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
  const created = await storage.create(location, Buffer.from(`${JSON.stringify(config, null, 2)}\n`));
  // Another backup may have made it in between; then that one counts.
  return created
    ? { storage, id: config.id, key: bindKey(config, key), source: config.source }
    : openRepository(storage, repositoryKey);
}

async function findRepository(
  storage: Storage,
  repositoryKey: string | undefined,
): Promise<Repository | undefined> {
  let text: string;
  try {
    text = (await storage.get(location, largestConfig)).toString('utf8');
  } catch (error) {
    if (error instanceof StorageError && error.missing) return undefined;
    if (error instanceof DeniedValueError)
      throw new ConfigurationError(
        `storage: ${error.message}`,
        'Give this user the right to read it.',
        error,
      );
    if (error instanceof ForeignValueError) throw describeDamage(storage, error.how, error);
    // The first thing that is read of a repository: nothing was done yet, so it is the location that is wrong.
    if (error instanceof StorageError && error.configuration) {
      throw new ConfigurationError(error.message, error.next, error);
    }
    throw error;
  }
  const parsed = parse(text);
  if (typeof parsed === 'string') {
    const format = /"format":\s*(\d{1,9})\b/.exec(text)?.[1];
    throw format !== undefined && format !== '1' && format !== '2'
      ? new ConfigurationError(
          `storage: the repository at ${storage.location} has format ${format}; this version reads formats 1 and 2`,
          'Use the version of supabase-backup that wrote it, or a newer one.',
        )
      : describeDamage(storage, parsed);
  }
  const config = parsed;
  const key = bindKey(config, resolveKey(config.key, repositoryKey));
  return { storage, id: config.id, key, source: config.source };
}

/** What it says, or what is wrong with it: in words of ours alone, for it may be any file of this machine, or hold the key. */
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

function describeDamage(storage: Storage, how: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `${location} at ${storage.location} is damaged: ${how}`,
    'Restore this one small file from a copy; docs/format.md shows its contents.',
    cause,
  );
}

function resolveKey(key: v.InferOutput<typeof repositorySchema>['key'], given: string | undefined): Buffer {
  if (key.held === 'repository') {
    if (given !== undefined && given.toLowerCase() !== key.value) {
      throw new ConfigurationError(
        'repository-key: this repository holds a key of its own, and it is another one',
        'If you have always kept the key of this one outside, somebody has replaced repository.json: bring it back from a copy. If not, leave repository-key empty.',
      );
    }
    return Buffer.from(key.value, 'hex');
  }
  if (given === undefined) {
    throw new ConfigurationError(
      'repository-key: the key of this repository is kept outside of it and was not given',
      'Give the key that was used for its first backup.',
    );
  }
  const candidate = Buffer.from(given, 'hex');
  if (checkValue(candidate) !== key.check) {
    throw new ConfigurationError(
      'repository-key: this is not the key of this repository',
      'Give the key that was used for its first backup.',
    );
  }
  return candidate;
}

/**
 * The key of one repository. Somebody may give one to several, and whoever can write to two of these without knowing it must not be able to
 * pass off a file of the one for a file of the other.
 */
function bindKey(
  { format, id }: Pick<v.InferOutput<typeof repositorySchema>, 'format' | 'id'>,
  key: Buffer,
): Buffer {
  return format === 1 ? key : createHmac('sha256', key).update(`supabase-backup repository ${id}`).digest();
}

/** Tells a right key from a wrong one without telling the key. */
function checkValue(key: Buffer): string {
  return createHmac('sha256', key).update('supabase-backup repository key check').digest('hex');
}
