import { randomUUID } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { link, lstat, open, readdir, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Context } from '../runtime/context.ts';
import { ConfigurationError, messageOf, StorageError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { day } from '../values/duration.ts';
import { isTaken, makeFolder, readBytes, syncFolder, writeDurably } from './folder/durable.ts';
import { codeOf, foreignValues, fullDisk, isAbsence, wrongFolder } from './folder/failures.ts';
import { ignoreInGit } from './folder/ignore.ts';
import { findRealPath } from './folder/real-path.ts';
import {
  assertKey,
  assertPrefix,
  assertSize,
  type Capabilities,
  isKey,
  largestValue,
  RetainedError,
  type Storage,
  type StoredValue,
} from './storage.ts';

/** Files that `list` examines concurrently */
const looksAtOnce = 64;

/** A write that takes longer than this was killed. */
const abandonedAfterMs = day;

/** Names of files that are being written, as `randomUUID` returns them */
const temporaryName = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Flags with which opening a link fails, and opening a pipe does not block. */
const readOnly = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Error codes of `link` on a filesystem without hard links: FAT, and many network and FUSE mounts */
const noHardLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/**
 * A storage in a local folder. A value is written to `tmp/`, flushed, and then published under its name in
 * one step of the filesystem: `rename` for `put`, `link` (which refuses an existing name) for `create`. Files
 * have mode 0600 and folders 0700.
 *
 * Symbolic links are followed only in the path of the folder itself, which may be a mount. Otherwise a person
 * with write access to a shared folder could read, write and delete elsewhere with the rights of the job. A
 * link in place of a folder is a `ConfigurationError`; a link in place of a value is listed, but cannot be
 * read.
 */
export class FileStorage implements Storage {
  readonly location: string;
  readonly #root: string;
  readonly #context: Pick<Context, 'now'>;
  /** True after the first write: the folder exists from then on. */
  #isMade = false;
  #hardLinks = true;

  /**
   * @param root a path, absolute or relative to the working folder
   * @param location the name of the folder for people
   */
  constructor(root: string, context: Pick<Context, 'now'>, location = root) {
    this.#root = resolve(root);
    this.#context = context;
    this.location = location;
  }

  async probe(): Promise<Capabilities> {
    const key = `probe-${randomUUID()}`;
    const value = Buffer.from(key);
    try {
      await this.#removeAbandoned();
      await this.create(key, value);
      const again = await this.create(key, value);
      const seen = (await this.get(key)).equals(value) && (await this.#isListed(key));
      if (again || !seen) {
        throw new StorageError(
          `${this.location} does not return what was written to it`,
          'Check the filesystem, or use another storage.',
        );
      }
      await this.delete([key]);
    } catch (error) {
      await rm(this.#path(key), { force: true }).catch(() => {});
      const wrong = error instanceof StorageError && wrongFolder[codeOf(error.cause) ?? ''];
      if (wrong) throw new ConfigurationError(`${this.location} ${wrong.what}`, wrong.next, error.cause);
      throw error;
    }
    return { createOnly: this.#hardLinks, deletes: true };
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    assertKey(key);
    await this.#write(key, value, async (temporary, path) => {
      await rename(temporary, path);
      return true;
    });
  }

  async create(key: string, value: Uint8Array): Promise<boolean> {
    assertKey(key);
    return this.#write(key, value, async (temporary, path) => {
      if (this.#hardLinks) {
        try {
          await link(temporary, path);
          await unlink(temporary);
          return true;
        } catch (error) {
          const code = codeOf(error);
          if (code === 'EEXIST') {
            await unlink(temporary);
            return false;
          }
          if (!code || !noHardLinks.has(code)) throw error;
          this.#hardLinks = false;
        }
      }
      if (await isTaken(path)) {
        await unlink(temporary);
        return false;
      }
      await rename(temporary, path);
      return true;
    });
  }

  async get(key: string, limit = largestValue): Promise<Buffer> {
    assertKey(key);
    try {
      await this.#refuseLinks(dirname(key));
      const file = await open(this.#path(key), readOnly);
      try {
        const found = await file.stat();
        if (!found.isFile()) throw Object.assign(new Error('it is no file'), { code: 'EISDIR' });
        assertSize(key, this.location, found.size, limit);
        return await readBytes(file, found.size);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw this.#failure('read', key, error);
    }
  }

  async stat(key: string): Promise<StoredValue | undefined> {
    assertKey(key);
    await this.#refuseLinks(dirname(key));
    return this.#look(key);
  }

  async *list(prefix: string): AsyncGenerator<StoredValue> {
    assertPrefix(prefix);
    const folders = [prefix.slice(0, prefix.lastIndexOf('/') + 1)];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const keys: string[] = [];
      for (const entry of await this.#entries(folder)) {
        const key = folder + entry.name;
        if (!isKey(key)) continue;
        if (entry.isDirectory() && (key.startsWith(prefix) || prefix.startsWith(`${key}/`)))
          folders.push(`${key}/`);
        if ((entry.isFile() || entry.isSymbolicLink()) && key.startsWith(prefix)) keys.push(key);
      }
      for (let from = 0; from < keys.length; from += looksAtOnce) {
        const values = await Promise.all(keys.slice(from, from + looksAtOnce).map((key) => this.#look(key)));
        // A value may be deleted after the folder was read; then it is not listed.
        yield* values.filter((value) => value !== undefined);
      }
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    keys.forEach(assertKey);
    const folders = new Set<string>();
    const retained: string[] = [];
    let denial: unknown;
    for (const folder of new Set(keys.map((key) => dirname(key)))) await this.#refuseLinks(folder);
    for (const key of keys) {
      try {
        await unlink(this.#path(key));
        folders.add(dirname(this.#path(key)));
      } catch (error) {
        const code = codeOf(error);
        if (isAbsence(code)) continue;
        if (code !== 'EPERM' && code !== 'EACCES') throw this.#failure('delete', key, error);
        retained.push(key);
        denial = error;
      }
    }
    for (const folder of folders) await syncFolder(folder);
    if (retained.length > 0) throw new RetainedError(retained, this.location, denial);
  }

  findRealPlace(): Promise<string | undefined> {
    return findRealPath(this.#root);
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #path(key: string): string {
    return join(this.#root, key);
  }

  /** Writes a value under a temporary name; `publish` renames it, or removes it and returns false. */
  async #write(
    key: string,
    value: Uint8Array,
    publish: (temporary: string, path: string) => Promise<boolean>,
  ): Promise<boolean> {
    const path = this.#path(key);
    const temporary = join(this.#root, 'tmp', randomUUID());
    try {
      const missing: string[] = [];
      for (const folder of ['tmp', dirname(key)])
        if (!(await this.#refuseLinks(folder))) missing.push(folder);
      await this.#refuseRemoved();
      const isNew = !this.#isMade && !(await isTaken(this.#root));
      for (const folder of missing) await makeFolder(join(this.#root, folder));
      if (isNew) await ignoreInGit(this.#root);
      await writeDurably(temporary, value);
      const published = await publish(temporary, path);
      await syncFolder(dirname(path));
      this.#isMade = true;
      return published;
    } catch (error) {
      // The first error is thrown; a temporary file that cannot be removed now is removed by a later probe.
      await rm(temporary, { force: true }).catch(() => {});
      throw this.#failure('store', key, error);
    }
  }

  /** Refuses to create a removed folder again: new values would lack everything that they refer to. */
  async #refuseRemoved(): Promise<void> {
    if (!this.#isMade || (await isTaken(this.#root))) return;
    throw new StorageError(
      `the folder ${this.location} was removed while it was in use`,
      'Check who removed it. It is not created again, and what was stored in it is lost.',
    );
  }

  async #look(key: string): Promise<StoredValue | undefined> {
    try {
      const found = await lstat(this.#path(key));
      const isValue = found.isFile() || found.isSymbolicLink();
      return isValue ? { key, size: found.size, modifiedAt: found.mtime } : undefined;
    } catch (error) {
      if (isAbsence(codeOf(error))) return undefined;
      throw this.#failure('look at', key, error);
    }
  }

  async #entries(folder: string): Promise<Dirent[]> {
    await this.#refuseLinks(folder);
    try {
      return await readdir(join(this.#root, folder), { withFileTypes: true });
    } catch (error) {
      // A root that is a file is an error; below the root, a file in place of a folder means that there are
      // no keys below it.
      if (codeOf(error) === 'ENOENT' || (folder !== '' && codeOf(error) === 'ENOTDIR')) return [];
      // Folders that others nested deeper than any key can be
      if (folder !== '' && codeOf(error) === 'ENAMETOOLONG') return [];
      throw this.#failure('list', folder, error);
    }
  }

  async #isListed(key: string): Promise<boolean> {
    for await (const value of this.list(key)) if (value.key === key) return true;
    return false;
  }

  async #removeAbandoned(): Promise<void> {
    for (const entry of await this.#entries('tmp')) {
      if (!temporaryName.test(entry.name)) continue;
      const path = join(this.#root, 'tmp', entry.name);
      const found = await lstat(path).catch(() => undefined);
      const ageMs = this.#context.now().getTime() - (found?.mtimeMs ?? Number.NaN);
      if (found?.isFile() && ageMs > abandonedAfterMs) await rm(path, { force: true });
    }
  }

  /**
   * Refuses links in the path of a folder. It is checked before each use, because others can change it at any
   * time.
   *
   * @param folder relative to the root; `.` or empty for the root, which may be a link
   * @returns whether it was seen to be there; of the root that is not asked
   * @throws ConfigurationError when the folder or one above it, below the root, is a link
   */
  async #refuseLinks(folder: string): Promise<boolean> {
    let path = this.#root;
    const parts = folder.split('/').filter((name) => name !== '' && name !== '.');
    for (const part of parts) {
      path = join(path, part);
      const found = await lstat(path).catch(() => undefined);
      if (found === undefined) return false;
      if (!found.isSymbolicLink()) continue;
      throw new ConfigurationError(
        say`${nameInput('storage')}: ${path} is a symbolic link, and links inside a repository are not followed`,
        'If you created it, move the folder itself there, mount it, or make the folder of the whole repository a link. If not, check who can write there, and remove the link.',
      );
    }
    return parts.length > 0;
  }

  #failure(action: string, key: string, cause: unknown): StorageError | ConfigurationError {
    if (cause instanceof ConfigurationError || cause instanceof StorageError) return cause;
    const code = codeOf(cause);
    const foreign = action === 'read' && code ? foreignValues[code] : undefined;
    if (foreign !== undefined) return new foreign.kind(key, this.location, foreign.how, cause);
    if (action === 'read' && isAbsence(code)) {
      return new StorageError(
        `${key} is not in ${this.location}`,
        'Run `validate`: a file is missing from the repository.',
        {
          cause,
          missing: true,
        },
      );
    }
    const why = (code && wrongFolder[code]?.what) ?? messageOf(cause);
    const next =
      (code && (wrongFolder[code]?.next ?? fullDisk[code])) ?? 'Check the disk and its filesystem.';
    return new StorageError(`cannot ${action} ${key || 'the folder'} in ${this.location}: ${why}`, next, {
      cause,
    });
  }
}
