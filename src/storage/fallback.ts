import { formatDuration } from '../report/quantity.ts';
import type { Log } from '../runtime/context.ts';
import { ConfigurationError, StorageError } from '../runtime/errors.ts';
import { askInTurn, raceAgainst } from './first-answer.ts';
import {
  BrokenBodyError,
  type Capabilities,
  DeniedValueError,
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

/**
 * Why a copy was asked: the place before it could not be reached or did not answer, lacked a value, had a damaged
 * one, or did not give it out.
 */
export type FallbackReason = 'unreachable' | 'missing' | 'damaged' | 'withheld';

/** What a place says when it does not answer a reading; anything else is a mistake of this program. */
type Failure = StorageError | ConfigurationError;

/** How long a place may be silent before the next one is asked, too. S3 gives up by itself a little later. */
const usualPatienceMs = 180_000;

/** How often a place that was down is asked again for what no other place has, until it answers */
const mostReturns = 3;

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
 * cannot be reached. A place that is silent for too long is not waited for where the next one answers. Each copy
 * that answers is told as a warning, once for each reason, and counted.
 *
 * A listing is that of the first place that can be listed and is not empty: what one place has lost, it must not
 * hide. `warnOfBackupsElsewhere` tells which backups only the others list. Writes go to the first place alone.
 */
export class FallbackStorage implements Storage {
  readonly location: string;
  readonly places: number;
  onOpened?: ((config: Buffer) => void) | undefined;
  readonly #places: readonly NamedStorage[];
  readonly #log: Pick<Log, 'warn'>;
  readonly #patienceMs: number;
  /** Places that could not be reached, by their index; they are asked only for what no other place has. */
  readonly #down = new Map<number, Error>();
  /** How often each of them was asked again */
  readonly #returns = new Map<number, number>();
  readonly #answers = new Map<number, Record<FallbackReason, number>>();

  constructor(
    places: readonly [NamedStorage, ...NamedStorage[]],
    log: Pick<Log, 'warn'>,
    { patienceMs = usualPatienceMs }: { readonly patienceMs?: number } = {},
  ) {
    const [{ storage: first }] = places;
    this.#places = places;
    this.#log = log;
    this.#patienceMs = patienceMs;
    this.location = first.location;
    this.places = places.length;
    this.onOpened = first.onOpened;
  }

  /** The places behind the first, in their order */
  get copies(): readonly NamedStorage[] {
    return this.#places.slice(1);
  }

  /** The copies that have answered, in their order; empty when the first place gave everything */
  get answers(): readonly CopyAnswer[] {
    return this.#places.flatMap(({ name, storage: { location } }, index) => {
      const readings = this.#answers.get(index);
      return readings === undefined ? [] : [{ name, location, readings: { ...readings } }];
    });
  }

  get #first(): Storage {
    return this.#at(0);
  }

  #at(index: number): Storage {
    return (this.#places[index] as NamedStorage).storage;
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
    const read = (storage: Storage) => storage.get(key, limit, rest);
    const { answer, failures } = await this.#ask(place, key, read);
    if (answer !== undefined) return answer;
    throw this.#describe(failures, place);
  }

  async stat(key: string): Promise<StoredValue | undefined> {
    const look = async (storage: Storage) => {
      const found = await storage.stat(key);
      if (found !== undefined) return found;
      throw new StorageError(`${key} is not in ${storage.location}`, 'Run `list` to see what is stored.', {
        missing: true,
      });
    };
    const { answer, failures } = await this.#ask(0, key, look);
    const failure = failures.find((each) => !isMissing(each));
    // An absence in one place is no proof while another could not be asked.
    if (answer === undefined && failure !== undefined) throw failure;
    return answer;
  }

  async *list(prefix: string): AsyncGenerator<StoredValue> {
    const seen = new Set<string>();
    const turn = this.#inTurn(0);
    let failure: Failure | undefined;
    for (const [at, [index, { storage }]] of turn.entries()) {
      const patienceMs = at === turn.length - 1 ? undefined : this.#patienceMs;
      try {
        for await (const value of listInTime(storage, prefix, patienceMs)) {
          if (seen.has(value.key)) continue;
          if (seen.size === 0) this.#note(index, prefix, failure, 0);
          seen.add(value.key);
          yield value;
        }
        if (seen.size > 0) return;
      } catch (error) {
        if (!isFailure(error)) throw error;
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
        if (!isFailure(error) || this.#down.size === this.places - 1) throw error;
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

  /**
   * Asks the places in turn, and for what no other place has also those that could not be reached before: they may
   * be back, and a copy may lack what is new.
   */
  async #ask<Answer>(
    from: number,
    key: string,
    read: (storage: Storage) => Promise<Answer>,
  ): Promise<{ readonly answer?: Answer; readonly failures: readonly Failure[] }> {
    const turn = this.#inTurn(from).map(([index]) => index);
    const back = [...this.#down.keys()].filter(
      (index) => index >= from && !turn.includes(index) && (this.#returns.get(index) ?? 0) < mostReturns,
    );
    const ask = (index: number) => {
      if (back.includes(index)) this.#returns.set(index, (this.#returns.get(index) ?? 0) + 1);
      return read(this.#at(index));
    };
    const ended = await askInTurn([...turn, ...back], ask, this.#patienceMs, isFailure);
    for (const [index, error] of ended.failures) if (isAboutPlace(error)) this.#down.set(index, error);
    const failures = ended.failures.map(([, error]) => error as Failure);
    if (ended.kind === 'unanswered') return { failures };
    for (const index of ended.late) this.#down.set(index, silent(this.#at(index), this.#patienceMs));
    this.#down.delete(ended.from);
    this.#returns.delete(ended.from);
    this.#note(ended.from, key, failures[0], from);
    return { answer: ended.answer, failures };
  }

  /** What is wrong with the first place that was asked, and which others could not be. */
  #describe(failures: readonly Failure[], from: number): Error {
    const [failure] = failures;
    if (failure === undefined) return new Error(`there is no place ${from} of ${this.location}`);
    const unasked = [...this.#down].filter(([, error]) => !failures.includes(error as Failure));
    const down = [...unasked.map(([, error]) => error), ...failures.slice(1).filter(isAboutPlace)];
    if (!isMissing(failure) || down.length === 0) return failure;
    const others = down.map((error) => error.message).join('; ');
    return new StorageError(
      `${failure.message}, and the copies could not be searched (${others})`,
      'Check why that storage does not answer. It may have what is missing here.',
      { cause: failure.cause, missing: true },
    );
  }

  #note(index: number, key: string, failure: Failure | undefined, from: number): void {
    if (index === 0) return;
    const down = this.#down.get(0);
    const reason = reasonOf(down, failure, from);
    const readings = this.#answers.get(index) ?? {
      ...{ unreachable: 0, missing: 0, damaged: 0, withheld: 0 },
    };
    this.#answers.set(index, readings);
    readings[reason] += 1;
    if (readings[reason] > 1) return;
    const { name, storage } = this.#places[index] as NamedStorage;
    const copy = name === storage.location ? name : `${name} (${storage.location})`;
    this.#log.warn(`${describe(reason, this.location, key, down)}; it is read from the copy ${copy}`);
  }
}

function reasonOf(down: Error | undefined, failure: Failure | undefined, from: number): FallbackReason {
  if (down !== undefined) return 'unreachable';
  if (failure instanceof DeniedValueError || isCutShort(failure)) return 'withheld';
  if (from > 0) return 'damaged';
  return failure === undefined || isMissing(failure) ? 'missing' : 'damaged';
}

function describe(reason: FallbackReason, location: string, key: string, down: Error | undefined): string {
  switch (reason) {
    case 'unreachable':
      return `${location} could not be read (${down?.message})`;
    case 'missing':
      return `${location} lacks ${key}`;
    case 'damaged':
      return `${key} in ${location} is damaged`;
    case 'withheld':
      return `${location} does not return ${key}`;
  }
}

function isFailure(error: unknown): error is Failure {
  // A folder with a link inside, for example, holds no repository any more.
  return error instanceof StorageError || error instanceof ConfigurationError;
}

function isMissing(error: Error): boolean {
  return error instanceof StorageError && error.missing;
}

function isCutShort(error: Error | undefined): boolean {
  return error instanceof StorageError && error.cause instanceof BrokenBodyError;
}

/** Tells whether an error is about the place, and not about one of its values. */
function isAboutPlace(error: Error): boolean {
  return !isMissing(error) && !(error instanceof ForeignValueError) && !isCutShort(error);
}

function silent({ location }: Storage, patienceMs: number): StorageError {
  return new StorageError(
    `${location} did not answer within ${formatDuration(patienceMs)}`,
    'Check whether it can be reached, and whether its mount hangs.',
  );
}

/** Lists a place; throws when it is silent for longer than `patienceMs`. */
async function* listInTime(
  storage: Storage,
  prefix: string,
  patienceMs: number | undefined,
): AsyncGenerator<StoredValue> {
  const values = storage.list(prefix)[Symbol.asyncIterator]();
  let isHanging = false;
  try {
    for (;;) {
      const next = await raceAgainst(patienceMs, [settle(values.next())]);
      isHanging = next === undefined;
      if (next === undefined) throw silent(storage, patienceMs ?? 0);
      if ('error' in next) throw next.error;
      if (next.result.done) return;
      yield next.result.value;
    }
  } finally {
    // What hangs would let this wait, too.
    if (!isHanging) await values.return?.();
  }
}

async function settle<Result>(
  promise: Promise<Result>,
): Promise<{ readonly result: Result } | { readonly error: unknown }> {
  try {
    return { result: await promise };
  } catch (error) {
    return { error };
  }
}
