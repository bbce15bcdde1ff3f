import type { Log } from '../runtime/context.ts';
import { StorageError } from '../runtime/errors.ts';
import {
  BrokenBodyError,
  type Capabilities,
  ForeignValueError,
  largestValue,
  type ReadOptions,
  type Storage,
  type StoredValue,
} from './storage.ts';

/** A place that may answer for another one. */
export interface NamedStorage {
  /** What reports call it */
  readonly name: string;
  readonly storage: Storage;
}

/** Why a copy was asked: the place before it could not be reached, lacked a value, or had a damaged one. */
export type FallbackReason = 'unreachable' | 'missing' | 'damaged';

/** What a copy has given that the place before it did not. */
export interface CopyAnswer {
  readonly name: string;
  readonly location: string;
  /** How many readings it has answered, by why it was asked */
  readonly readings: Readonly<Record<FallbackReason, number>>;
}

/**
 * Reads from the first of several places, and what that does not give from the next: a value that is missing,
 * cannot be read, or was found damaged by whoever read it (`ReadOptions.place`), and everything once a place
 * cannot be reached. Each copy that answers is told as a warning, once for each reason, and counted.
 *
 * A listing is that of the first place that can be listed and is not empty: what one place has lost, it must not
 * hide. Writes go to the first place alone.
 */
export class FallbackStorage implements Storage {
  readonly location: string;
  readonly places: number;
  onOpened?: ((config: Buffer) => void) | undefined;
  readonly #places: readonly NamedStorage[];
  readonly #log: Pick<Log, 'warn'>;
  /** Places that could not be reached, by their index; they are asked only when no other is left. */
  readonly #down = new Map<number, StorageError>();
  readonly #answers = new Map<number, Record<FallbackReason, number>>();

  constructor(places: readonly [NamedStorage, ...NamedStorage[]], log: Pick<Log, 'warn'>) {
    const [{ storage: first }] = places;
    this.#places = places;
    this.#log = log;
    this.location = first.location;
    this.places = places.length;
    this.onOpened = first.onOpened;
  }

  /** The copies that have answered, in their order; empty when the first place gave everything */
  get answers(): readonly CopyAnswer[] {
    return this.#places.flatMap(({ name, storage: { location } }, index) => {
      const readings = this.#answers.get(index);
      return readings === undefined ? [] : [{ name, location, readings: { ...readings } }];
    });
  }

  get #first(): Storage {
    return (this.#places[0] as NamedStorage).storage;
  }

  probe(): Promise<Capabilities> {
    return this.#first.probe();
  }

  put(key: string, value: Uint8Array): Promise<void> {
    return this.#first.put(key, value);
  }

  create(key: string, value: Uint8Array): Promise<boolean> {
    return this.#first.create(key, value);
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.#first.delete(keys);
  }

  async get(key: string, limit = largestValue, options: ReadOptions = {}): Promise<Buffer> {
    const { place = 0, ...rest } = options;
    let failure: StorageError | undefined;
    for (const [index, { storage }] of this.#inTurn(place)) {
      try {
        const value = await storage.get(key, limit, rest);
        this.#note(index, key, failure, place);
        return value;
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        if (isUnreachable(error)) this.#down.set(index, error);
        failure ??= error;
      }
    }
    throw failure ?? new Error(`there is no place ${place} of ${this.location}`);
  }

  async stat(key: string): Promise<StoredValue | undefined> {
    let failure: StorageError | undefined;
    for (const [index, { storage }] of this.#inTurn(0)) {
      try {
        const found = await storage.stat(key);
        if (found === undefined) continue;
        this.#note(index, key, failure, 0);
        return found;
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        this.#down.set(index, error);
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  async *list(prefix: string): AsyncGenerator<StoredValue> {
    const seen = new Set<string>();
    let failure: StorageError | undefined;
    for (const [index, { storage }] of this.#inTurn(0)) {
      try {
        for await (const value of storage.list(prefix)) {
          if (seen.has(value.key)) continue;
          if (seen.size === 0) this.#note(index, prefix, failure, 0);
          seen.add(value.key);
          yield value;
        }
        if (seen.size > 0) return;
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        this.#down.set(index, error);
        failure ??= error;
      }
    }
    // An empty listing of one place is no proof while another could not be listed.
    if (failure !== undefined) throw failure;
  }

  /** Lists what any place has that can be listed, each key once, as the first one that has it shows it. */
  async *listEverywhere(prefix: string): AsyncGenerator<StoredValue> {
    const seen = new Set<string>();
    for (const [index, { storage }] of this.#inTurn(0)) {
      try {
        for await (const value of storage.list(prefix)) {
          if (seen.has(value.key)) continue;
          seen.add(value.key);
          yield value;
        }
      } catch (error) {
        if (!(error instanceof StorageError) || this.#down.size === this.places - 1) throw error;
        this.#down.set(index, error);
      }
    }
  }

  async close(): Promise<void> {
    for (const { storage } of this.#places) await storage.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The places from an index on; those that could not be reached only where no other is left. */
  #inTurn(from: number): readonly (readonly [number, NamedStorage])[] {
    const all = [...this.#places.entries()].slice(from);
    const up = all.filter(([index]) => !this.#down.has(index));
    return up.length === 0 ? all : up;
  }

  #note(index: number, key: string, failure: StorageError | undefined, from: number): void {
    if (index === 0) return;
    const down = this.#down.get(0);
    const reason = reasonOf(down, failure, from);
    const readings = this.#answers.get(index) ?? { unreachable: 0, missing: 0, damaged: 0 };
    this.#answers.set(index, readings);
    readings[reason] += 1;
    if (readings[reason] > 1) return;
    const { name, storage } = this.#places[index] as NamedStorage;
    const copy = name === storage.location ? name : `${name} (${storage.location})`;
    this.#log.warn(`${describe(reason, this.location, key, down)}; it is read from the copy ${copy}`);
  }
}

function reasonOf(
  down: StorageError | undefined,
  failure: StorageError | undefined,
  from: number,
): FallbackReason {
  if (down !== undefined) return 'unreachable';
  if (from > 0) return 'damaged';
  return failure === undefined || failure.missing ? 'missing' : 'damaged';
}

function describe(
  reason: FallbackReason,
  location: string,
  key: string,
  down: StorageError | undefined,
): string {
  switch (reason) {
    case 'unreachable':
      return `${location} could not be read (${down?.message})`;
    case 'missing':
      return `${location} lacks ${key}`;
    case 'damaged':
      return `${key} in ${location} is damaged`;
  }
}

/** Tells whether an error is about the place, and not about one of its values. */
function isUnreachable(error: StorageError): boolean {
  return !error.missing && !(error instanceof ForeignValueError) && !(error.cause instanceof BrokenBodyError);
}
