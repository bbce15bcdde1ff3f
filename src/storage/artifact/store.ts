import { mkdir, mkdtemp, readFile, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, messageOf, StorageError } from '../../runtime/errors.ts';
import { nameInput, say, type Wording } from '../../runtime/wording.ts';
import { FileStorage } from '../file.ts';
import { type Capabilities, isKey, type Storage, type StoredValue } from '../storage.ts';
import type { StoredArtifact } from './answers.ts';
import { ArtifactService } from './service.ts';
import { openZip } from './zip.ts';

export interface ArtifactOptions {
  /** Name of the artifact */
  readonly name: string;
  readonly token: string | undefined;
  /** The setting of the GitHub repository when undefined */
  readonly retentionDays: number | undefined;
  readonly context: Pick<Context, 'env' | 'log' | 'now' | 'signal' | 'temporaryFolder'>;
  /** Before a retry */
  readonly delayMs?: number;
}

/**
 * The suffix of the name of a run's second artifact, fourth, and so on. A run can have only one artifact of a
 * name, and the old one must not be removed before the new one exists.
 */
export const secondSlot = '~2';

/** The most rounds of merging and uploading, when other runs store artifacts in between */
const mostRounds = 6;

/** Tells whether a key is stored in the artifact. Locks are not: they are valid in this run's copy only. */
const isShared = (key: string): boolean => !key.startsWith('locks/');

/** The copy of the artifact that one process works on */
interface Copy {
  /** The folder with `files` and temporary downloads */
  readonly root: string;
  readonly files: string;
  readonly storage: FileStorage;
  /** Id of the artifact that the copy was unpacked from or merged with last; 0 when there was none */
  base: number;
  /** Keys of the artifact that the copy was unpacked from */
  readonly original: ReadonlySet<string>;
  /** Keys that this process has stored */
  readonly written: Set<string>;
  /** Keys of `original` that this process has deleted */
  readonly deleted: Set<string>;
}

/**
 * A repository in an artifact of GitHub Actions. The first call downloads the newest artifact of that name
 * and unpacks it into a folder on this machine. Writes are only as durable as that folder, until `close`
 * uploads it as an artifact of this run. `close` uploads when anything was changed, also by an operation that
 * failed: the next operation builds upon the values that it stored.
 *
 * When another run has stored an artifact meanwhile, both are merged: values are created once and named by
 * their content, so the union of both is a sound repository. Values that this run deleted stay in a merge,
 * because the other run may need them.
 *
 * `close` throws when the artifact could not be stored; then no change of this run is kept.
 */
export class ArtifactStorage implements Storage {
  readonly location: string;
  readonly #options: ArtifactOptions;
  readonly #names: readonly [string, string];
  readonly #service: ArtifactService;
  #opening: Promise<Copy> | undefined;
  #isClosed = false;

  /** @throws ConfigurationError when the GitHub repository, the token or support for artifacts is missing */
  constructor(options: ArtifactOptions) {
    const { name, token, context, delayMs } = options;
    this.location = `artifact://${name}`;
    this.#options = options;
    this.#names = [name, name + secondSlot];
    this.#service = new ArtifactService({ env: context.env, signal: context.signal, token, delayMs });
  }

  async probe(): Promise<Capabilities> {
    const refusal = await this.#refuseWriting();
    if (refusal !== undefined) throw new ConfigurationError(...refusal);
    return (await this.#open()).storage.probe();
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    const { storage, written } = await this.#openForWriting();
    await storage.put(key, value);
    written.add(key);
  }

  async create(key: string, value: Uint8Array): Promise<boolean> {
    const { storage, written } = await this.#openForWriting();
    const created = await storage.create(key, value);
    if (created) written.add(key);
    return created;
  }

  async get(key: string, limit?: number): Promise<Buffer> {
    return (await this.#open()).storage.get(key, limit);
  }

  async stat(key: string): Promise<StoredValue | undefined> {
    return (await this.#open()).storage.stat(key);
  }

  async *list(prefix: string): AsyncGenerator<StoredValue> {
    yield* (await this.#open()).storage.list(prefix);
  }

  async delete(keys: readonly string[]): Promise<void> {
    const { storage, original, written, deleted } = await this.#openForWriting();
    await storage.delete(keys);
    for (const key of keys) {
      written.delete(key);
      if (original.has(key)) deleted.add(key);
    }
  }

  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    this.#isClosed = true;
    // The call that opened the copy has thrown the error already.
    const copy = await opening?.catch(() => undefined);
    if (copy === undefined) return;
    try {
      const isChanged = copy.deleted.size > 0 || [...copy.written].some(isShared);
      // After a stop the runner waits a few seconds only, which do not suffice for an upload.
      if (isChanged && !this.#options.context.signal.aborted) await this.#publish(copy);
    } finally {
      await rm(copy.root, { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(): Promise<Copy> {
    // A new copy would be downloaded, and writes into it would never be uploaded.
    if (this.#isClosed) throw new Error(`${this.location} is used after it was closed`);
    this.#opening ??= this.#makeCopy();
    return this.#opening;
  }

  async #openForWriting(): Promise<Copy> {
    const refusal = await this.#refuseWriting();
    if (refusal === undefined) return this.#open();
    const [message, next] = refusal;
    throw new StorageError(message, next, { configuration: true });
  }

  async #refuseWriting(): Promise<[message: Wording, next: string | Wording] | undefined> {
    if (!this.#service.canWrite) {
      return [
        say`${nameInput('storage')}: only the action, in a GitHub Actions run, can write ${this.location}`,
        say`Use the action to write. Or work on a copy: download the artifact, unpack it, and set ${nameInput('storage')} to the folder.`,
      ];
    }
    const distrust = await this.#service.findDistrust();
    if (distrust === undefined) return undefined;
    return [
      say`${nameInput('storage')}: later runs would not find what this run writes to ${this.location}: ${distrust}`,
      'Run workflows that write on the default branch (by a schedule, a dispatch or a push), or use an s3:// storage.',
    ];
  }

  async #makeCopy(): Promise<Copy> {
    const { context } = this.#options;
    const root = await mkdtemp(join(context.temporaryFolder, 'artifact-'));
    try {
      const files = join(root, 'files');
      await mkdir(files, { mode: 0o700 });
      const [newest] = await this.#service.list(this.#names);
      const original = newest ? await this.#fetch(newest, root, files) : [];
      return {
        root,
        files,
        storage: new FileStorage(files, context, this.location),
        base: newest?.id ?? 0,
        original: new Set(original),
        written: new Set(),
        deleted: new Set(),
      };
    } catch (error) {
      await rm(root, { recursive: true, force: true });
      throw error;
    }
  }

  /** Downloads an artifact, unpacks it into `folder`, and returns the keys that it holds. */
  async #fetch(artifact: StoredArtifact, root: string, folder: string): Promise<string[]> {
    this.#options.context.log.debug(
      `reading the artifact ${artifact.name} (${artifact.id}, ${artifact.size} bytes)`,
    );
    await this.#assertSpace(root, artifact.size);
    const download = join(root, `download-${artifact.id}`);
    await mkdir(download, { mode: 0o700 });
    const zip = await openZip(await this.#service.download(artifact, download));
    try {
      const foreign = zip.entries.find(({ name }) => !isKey(name));
      if (foreign) throw toForeignError(artifact, foreign.name);
      await this.#assertSpace(
        root,
        zip.entries.reduce((sum, { size }) => sum + size, 0),
      );
      // We store no locks, so a lock in an artifact is forged, and would keep every run waiting.
      const entries = zip.entries.filter(({ name }) => isShared(name));
      for (const entry of entries) await zip.unpack(entry, folder);
      return entries.map(({ name }) => name);
    } finally {
      await zip.close();
      await rm(download, { recursive: true, force: true });
    }
  }

  async #assertSpace(folder: string, bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(folder);
    if (bytes < bavail * bsize) return;
    throw new StorageError(
      `${this.location} needs ${bytes} bytes on this machine, but only ${bavail * bsize} are free`,
      'Free space, shorten the retention, or use an s3:// storage, which is not copied as a whole.',
    );
  }

  /** Uploads the copy as an artifact, merged with the artifacts that other runs stored since it was made. */
  async #publish(copy: Copy): Promise<void> {
    let blocked: string | undefined;
    for (let round = 1; round <= mostRounds; round++) {
      const [newest] = await this.#service.list(this.#names);
      if (newest && newest.id > copy.base) await this.#merge(copy, newest);
      const base = copy.base;
      const slot = await this.#chooseSlot(blocked);
      const id = await this.#upload(copy, slot);
      if (id === undefined) {
        blocked = slot;
        await delay((this.#options.delayMs ?? 1000) * round, undefined, {
          signal: this.#options.context.signal,
        });
        continue;
      }
      await this.#discardOther(slot);
      copy.base = id;
      const missed = (await this.#service.list(this.#names)).find(
        (other) => other.id > base && other.id < id,
      );
      if (missed === undefined) return;
      await this.#merge(copy, missed);
    }
    throw new StorageError(
      `${this.location} could not be stored: other runs stored it ${mostRounds} times meanwhile`,
      'Give the jobs that write it one `concurrency` group, without `cancel-in-progress`, and run this one again.',
    );
  }

  /**
   * Chooses the name that the newest artifact of this run does not have, and removes an older artifact of
   * that name.
   */
  async #chooseSlot(blocked: string | undefined): Promise<string> {
    const [first, second] = this.#names;
    const own = await this.#service.listOfRun(this.#names);
    const newest = own[0]?.name;
    const slot = newest === first || (newest === undefined && blocked === first) ? second : first;
    if (own.some(({ name }) => name === slot)) await this.#service.discard(slot);
    return slot;
  }

  async #upload({ storage, files }: Copy, slot: string): Promise<number | undefined> {
    const paths: string[] = [];
    for await (const { key } of storage.list('')) if (isShared(key)) paths.push(join(files, key));
    return this.#service.upload(slot, paths, files, this.#options.retentionDays);
  }

  /**
   * Removes the older artifact of this run. A failure is a warning: the older one does no harm, but counts
   * against the quota.
   */
  async #discardOther(slot: string): Promise<void> {
    const own = await this.#service.listOfRun(this.#names);
    const other = own.find(({ name }) => name !== slot);
    if (other === undefined) return;
    try {
      await this.#service.discard(other.name);
    } catch (error) {
      this.#options.context.log.warn(
        `the previous artifact of this run could not be deleted: ${messageOf(error)}`,
      );
    }
  }

  /**
   * Copies all values of another run's artifact into the copy, except for those that this run has written.
   */
  async #merge(copy: Copy, newer: StoredArtifact): Promise<void> {
    const { log } = this.#options.context;
    const folder = join(copy.root, `merge-${newer.id}`);
    await mkdir(folder, { mode: 0o700 });
    const keys = await this.#fetch(newer, copy.root, folder);
    await assertSameRepository(copy.files, folder, this.location);
    for (const key of keys) {
      if (copy.written.has(key)) continue;
      await mkdir(dirname(join(copy.files, key)), { recursive: true, mode: 0o700 });
      await rename(join(folder, key), join(copy.files, key));
      copy.deleted.delete(key);
    }
    await rm(folder, { recursive: true, force: true });
    copy.base = Math.max(copy.base, newer.id);
    log.warn(
      `another run stored ${this.location} meanwhile. Both are merged; what this run removed may reappear until the next cleanup`,
    );
  }
}

/**
 * Refuses to merge two repositories: two concurrent first backups create one each, with its own key, and
 * neither could read the other's objects.
 *
 * @throws StorageError when the repositories differ
 */
async function assertSameRepository(ours: string, theirs: string, location: string): Promise<void> {
  const [one, other] = await Promise.all(
    [ours, theirs].map((folder) =>
      readFile(join(folder, 'repository.json')).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      }),
    ),
  );
  if (one === undefined || other === undefined || one.equals(other)) return;
  throw new StorageError(
    `another run made a repository at ${location} at the same time`,
    'Run this again. It then uses that repository.',
  );
}

function toForeignError({ name, id }: StoredArtifact, entry: string): StorageError {
  return new StorageError(
    `the artifact ${name} (${id}) holds ${JSON.stringify(entry.slice(0, 200))}, which no repository does`,
    'Choose an artifact that only supabase-backup stores.',
  );
}
