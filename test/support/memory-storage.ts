import { StorageError } from '../../src/runtime/errors.ts';
import {
  assertKey,
  assertPrefix,
  assertSize,
  type Capabilities,
  largestValue,
  type Storage,
  type StoredValue,
} from '../../src/storage/storage.ts';

/** A storage in memory, for tests of code that uses storages */
export class MemoryStorage implements Storage {
  readonly location = 'memory';
  readonly #values = new Map<string, { bytes: Buffer; modifiedAt: Date }>();

  async probe(): Promise<Capabilities> {
    return { createOnly: true, deletes: true };
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    assertKey(key);
    this.#values.set(key, { bytes: Buffer.from(value), modifiedAt: new Date() });
  }

  async create(key: string, value: Uint8Array): Promise<boolean> {
    assertKey(key);
    if (this.#values.has(key)) return false;
    await this.put(key, value);
    return true;
  }

  async get(key: string, limit = largestValue): Promise<Buffer> {
    assertKey(key);
    const value = this.#values.get(key);
    if (!value) {
      throw new StorageError(`${key} is not in ${this.location}`, 'Run `list` to see what is stored.', {
        missing: true,
      });
    }
    assertSize(key, this.location, value.bytes.length, limit);
    return Buffer.from(value.bytes);
  }

  async stat(key: string): Promise<StoredValue | undefined> {
    assertKey(key);
    const value = this.#values.get(key);
    return value && { key, size: value.bytes.length, modifiedAt: value.modifiedAt };
  }

  async *list(prefix: string): AsyncGenerator<StoredValue> {
    assertPrefix(prefix);
    for (const [key, { bytes, modifiedAt }] of [...this.#values]) {
      if (key.startsWith(prefix)) yield { key, size: bytes.length, modifiedAt };
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    keys.forEach(assertKey);
    for (const key of keys) this.#values.delete(key);
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
