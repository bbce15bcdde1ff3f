import { mkdir, mkdtemp, readFile, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { World } from '../../runtime/context.ts';
import { ConfigurationError, messageOf, StorageError } from '../../runtime/errors.ts';
import { FileStorage } from '../file.ts';
import { type Capabilities, isKey, type Storage, type StoredValue } from '../storage.ts';
import type { StoredArtifact } from './answers.ts';
import { ArtifactService } from './service.ts';
import { openZip } from './zip.ts';

export interface ArtifactOptions {
  /** Of the artifact */
  readonly name: string;
  readonly token: string | undefined;
  /** undefined: as the repository is set */
  readonly retentionDays: number | undefined;
  readonly world: Pick<World, 'env' | 'log' | 'now' | 'signal' | 'temporaryFolder'>;
  /** Before something is tried again */
  readonly delayMs?: number;
}

/**
 * Ends the name under which a run stores its second artifact, fourth, and so on. A run may have one of a name, and the old one must
 * not go before the new one is there.
 */
export const secondSlot = '~2';

/** How often others may be quicker. */
const mostRounds = 6;

/** Locks are those of this run's copy: no other run sees them, and none outlives it. */
const isShared = (key: string): boolean => !key.startsWith('locks/');

/** The copy of the artifact that one process works on. */
interface Copy {
  /** Holds `files`, and for a time what is downloaded */
  readonly root: string;
  readonly files: string;
  readonly storage: FileStorage;
  /** What it was unpacked from or merged with last; 0: nothing */
  base: number;
  /** Keys of the artifact that it was unpacked from */
  readonly original: ReadonlySet<string>;
  /** Keys that this process has stored */
  readonly written: Set<string>;
  /** Keys of `original` that this process has deleted */
  readonly deleted: Set<string>;
}

/**
 * A repository in an artifact of GitHub Actions. The first call downloads the newest artifact of that name and unpacks it; from then on it
 * is a folder of this machine, so that everything is as durable as that until `close` stores the folder as an artifact of this run.
 * That happens when something was changed, also by an operation that failed: the next one builds upon what it stored.
 *
 * When another run has stored an artifact meanwhile, both are merged: values are created once and named by their content, so that all
 * of both is a sound repository. What this run has deleted stays there then, since the other run may need it.
 *
 * `close` throws when the artifact could not be stored, and then nothing of this run is kept.
 */
export class ArtifactStorage implements Storage {
  readonly location: string;
  readonly #options: ArtifactOptions;
  readonly #names: readonly [string, string];
  readonly #service: ArtifactService;
  #opening: Promise<Copy> | undefined;
  #isClosed = false;

  /** @throws ConfigurationError when it is not known which repository, or there is no token */
  constructor(options: ArtifactOptions) {
    const { name, token, world, delayMs } = options;
    this.location = `artifact://${name}`;
    this.#options = options;
    this.#names = [name, name + secondSlot];
    this.#service = new ArtifactService({ env: world.env, signal: world.signal, token, delayMs });
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
    // Whoever made the call that opened it was told why it could not be.
    const copy = await opening?.catch(() => undefined);
    if (copy === undefined) return;
    try {
      const isChanged = copy.deleted.size > 0 || [...copy.written].some(isShared);
      // The runner waits for a few seconds only, in which nothing can be stored whole.
      if (isChanged && !this.#options.world.signal.aborted) await this.#publish(copy);
    } finally {
      await rm(copy.root, { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(): Promise<Copy> {
    // It would be downloaded again, and what is stored from now on would be lost.
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

  async #refuseWriting(): Promise<[message: string, next: string] | undefined> {
    if (!this.#service.canWrite) {
      return [
        `storage: ${this.location} can be written only by the action, on a runner of GitHub`,
        'Use the action for what writes, or a copy: download the artifact, unpack it, and give the folder as `storage`.',
      ];
    }
    const distrust = await this.#service.findDistrust();
    if (distrust === undefined) return undefined;
    return [
      `storage: ${this.location} would be written where nobody looks for it: ${distrust}`,
      'Run what writes on the default branch (by a schedule, a dispatch or a push there), or use an s3:// storage.',
    ];
  }

  async #makeCopy(): Promise<Copy> {
    const { world } = this.#options;
    const root = await mkdtemp(join(world.temporaryFolder, 'artifact-'));
    try {
      const files = join(root, 'files');
      await mkdir(files, { mode: 0o700 });
      const [newest] = await this.#service.list(this.#names);
      const original = newest ? await this.#fetch(newest, root, files) : [];
      return {
        root,
        files,
        storage: new FileStorage(files, world, this.location),
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
    this.#options.world.log.debug(
      `reading the artifact ${artifact.name} (${artifact.id}, ${artifact.size} bytes)`,
    );
    await this.#assertSpace(root, artifact.size);
    const download = join(root, `download-${artifact.id}`);
    await mkdir(download, { mode: 0o700 });
    const zip = await openZip(await this.#service.download(artifact, download));
    try {
      const foreign = zip.entries.find(({ name }) => !isKey(name));
      if (foreign) throw describeForeign(artifact, foreign.name);
      await this.#assertSpace(
        root,
        zip.entries.reduce((sum, { size }) => sum + size, 0),
      );
      // A lock in it is nobody's: none is stored, and one of somebody else's making would keep every run waiting.
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
      `${this.location} needs ${bytes} bytes on this machine, of which ${bavail * bsize} are free`,
      'Free space, shorten the retention, or use an s3:// storage, which is not copied as a whole.',
    );
  }

  /** Stores the copy as an artifact, merged with what others have stored since it was made. */
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
          signal: this.#options.world.signal,
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
      `${this.location} could not be stored: other runs did so ${mostRounds} times in between`,
      'Give the jobs that write it one `concurrency` group, without `cancel-in-progress`, and run this one again.',
    );
  }

  /** The name that the newest artifact of this run does not have. */
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

  /** The newer one is there: the older one of this run is in nobody's way, but counts against the quota. */
  async #discardOther(slot: string): Promise<void> {
    const own = await this.#service.listOfRun(this.#names);
    const other = own.find(({ name }) => name !== slot);
    if (other === undefined) return;
    try {
      await this.#service.discard(other.name);
    } catch (error) {
      this.#options.world.log.warn(`the artifact before the newest of this run stays: ${messageOf(error)}`);
    }
  }

  /** Takes over all that another run has stored, except for what this one has stored, too. */
  async #merge(copy: Copy, newer: StoredArtifact): Promise<void> {
    const { log } = this.#options.world;
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
      `another run stored ${this.location} meanwhile: both are merged, and what this run removed may be there again until the next cleanup`,
    );
  }
}

/**
 * Two first backups at once make a repository each, with keys of their own: neither could read what the other has stored.
 *
 * @throws StorageError
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
    'Run this one again: it uses that repository then.',
  );
}

function describeForeign({ name, id }: StoredArtifact, entry: string): StorageError {
  return new StorageError(
    `the artifact ${name} (${id}) holds ${JSON.stringify(entry.slice(0, 200))}, which no repository does`,
    'Name an artifact that nothing but supabase-backup stores.',
  );
}
