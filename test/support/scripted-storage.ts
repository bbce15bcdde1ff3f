import { StorageError } from '../../src/runtime/errors.ts';
import { RetainedError, type Storage, type StoredValue } from '../../src/storage/storage.ts';
import { MemoryStorage } from './memory-storage.ts';

export interface Call {
  readonly method: 'probe' | 'put' | 'create' | 'get' | 'stat' | 'list' | 'delete';
  /** The prefix of a list, the first key of a delete; empty for a probe. */
  readonly key: string;
  /** Length of what a put or a create was given. */
  readonly bytes: number;
}

/** Methods that leave something behind: only of them it matters whether a death comes before or after. */
export const writes: ReadonlySet<Call['method']> = new Set(['put', 'create', 'delete']);

/**
 * A storage in memory with a clock of its own, which keeps a record of its calls, and at whose calls a test makes the process die: from
 * then on nothing reaches it any more, whatever the code that goes on running tries.
 */
export class ScriptedStorage implements Storage {
  readonly location = 'scripted';
  /** milliseconds by which its clock is ahead of this machine's */
  ahead = 0;
  readonly calls: Call[] = [];
  /** The call, from 1, at which the process dies, and on which side of its effect. */
  death: { readonly call: number; readonly when: 'before' | 'after' } | undefined;
  /** Runs before a call takes effect; what it throws is thrown. */
  before: (call: Call) => void | Promise<void> = () => {};
  retains: (key: string) => boolean = () => false;
  #inner = new MemoryStorage();
  readonly #times = new Map<string, Date>();
  #dead = false;

  get isDead(): boolean {
    return this.#dead;
  }

  now = (): Date => new Date(Date.now() + this.ahead);

  /** A storage that holds the same, with the same times. */
  async fork(): Promise<ScriptedStorage> {
    const copy = new ScriptedStorage();
    copy.ahead = this.ahead;
    for await (const { key } of this.#inner.list('')) {
      await copy.#inner.put(key, await this.#inner.get(key));
      const time = this.#times.get(key);
      if (time) copy.#times.set(key, time);
    }
    return copy;
  }

  /** All keys, which is no call. */
  async keys(prefix = ''): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.#inner.list(prefix)) keys.push(key);
    return keys.sort();
  }

  /** A value, which is no call. */
  read(key: string): Promise<Buffer> {
    return this.#inner.get(key);
  }

  /** Makes values older, which is no call. */
  async age(prefix: string, milliseconds: number): Promise<void> {
    for (const key of await this.keys(prefix)) {
      this.#times.set(key, new Date((this.#times.get(key) ?? this.now()).getTime() - milliseconds));
    }
  }

  /** Gives a value other bytes and no other time, as a disk does that fails, which is no call. */
  rot(key: string, bytes: Uint8Array): Promise<void> {
    return this.#inner.put(key, bytes);
  }

  /** Removes a value as somebody else does, which is no call. */
  remove(key: string): Promise<void> {
    return this.#inner.delete([key]);
  }

  async #call<T>(method: Call['method'], key: string, bytes: number, perform: () => Promise<T>): Promise<T> {
    this.#refuseDead();
    const call = { method, key, bytes };
    this.calls.push(call);
    const number = this.calls.length;
    if (this.death?.call === number && this.death.when === 'before') this.#die();
    await this.before(call);
    this.#refuseDead();
    const result = await perform();
    if (this.death?.call === number && this.death.when === 'after') this.#die();
    return result;
  }

  #die(): never {
    this.#dead = true;
    this.#refuseDead();
    throw new Error('unreachable');
  }

  #refuseDead(): void {
    if (this.#dead) throw new StorageError('the process has ended', 'Start it again.');
  }

  #describe(value: StoredValue): StoredValue {
    return { ...value, modifiedAt: this.#times.get(value.key) ?? value.modifiedAt };
  }

  probe() {
    return this.#call('probe', '', 0, () => this.#inner.probe());
  }

  put(key: string, value: Uint8Array) {
    return this.#call('put', key, value.length, async () => {
      await this.#inner.put(key, value);
      this.#times.set(key, this.now());
    });
  }

  create(key: string, value: Uint8Array) {
    return this.#call('create', key, value.length, async () => {
      const created = await this.#inner.create(key, value);
      if (created) this.#times.set(key, this.now());
      return created;
    });
  }

  get(key: string, limit?: number) {
    return this.#call('get', key, 0, () => this.#inner.get(key, limit));
  }

  stat(key: string) {
    return this.#call('stat', key, 0, async () => {
      const found = await this.#inner.stat(key);
      return found && this.#describe(found);
    });
  }

  async *list(prefix: string) {
    await this.#call('list', prefix, 0, async () => {});
    for await (const value of this.#inner.list(prefix)) yield this.#describe(value);
  }

  async delete(keys: readonly string[]) {
    const retained = keys.filter((key) => this.retains(key));
    // One after another: of several keys some are gone already when a process dies.
    for (const key of keys) {
      if (!retained.includes(key)) await this.#call('delete', key, 0, () => this.#inner.delete([key]));
    }
    if (retained.length > 0) throw new RetainedError(retained, this.location);
  }

  async close() {}

  async [Symbol.asyncDispose]() {}
}
