import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Lock } from '../../../src/repository/locks/held-lock.ts';
import type { LockOptions } from '../../../src/repository/locks/lock-file.ts';
import { acquireLock, giveBack, listLocks } from '../../../src/repository/locks/locks.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { StorageError } from '../../../src/runtime/errors.ts';
import { DeniedValueError, RetainedError } from '../../../src/storage/storage.ts';
import { MemoryStorage } from '../../support/memory-storage.ts';
import { createRepository } from '../example.ts';

/* Time is vitest's: nothing here waits. The storage's clock is the same plus an offset, where a test sets one. */

const second = 1000;
const minute = 60 * second;

class StoreWithClock extends MemoryStorage {
  /** How far its clock is ahead, in milliseconds. */
  ahead = 0;
  /** Whether it forbids deleting. */
  retains = false;
  /** Times that somebody gave to files */
  readonly claims = new Map<string, Date>();
  /** What this user may not read */
  readonly denied = new Set<string>();
  override async get(key: string) {
    if (this.denied.has(key)) throw new DeniedValueError(key, this.location, 'this user cannot read it');
    return super.get(key);
  }
  override async stat(key: string) {
    const found = await super.stat(key);
    return found && { ...found, modifiedAt: new Date(found.modifiedAt.getTime() + this.ahead) };
  }
  override async *list(prefix: string) {
    for await (const value of super.list(prefix)) {
      const claim = this.claims.get(value.key);
      yield { ...value, modifiedAt: claim ?? new Date(value.modifiedAt.getTime() + this.ahead) };
    }
  }
  override async delete(keys: readonly string[]): Promise<void> {
    if (this.retains && keys.length > 0) throw new RetainedError(keys, this.location);
    await super.delete(keys);
  }
}

let storage: StoreWithClock;
let repository: Repository;
let messages: string[];
const held: Lock[] = [];

beforeEach(async () => {
  vi.useFakeTimers({ now: new Date('2026-11-20T02:17:00Z') });
  storage = new StoreWithClock();
  repository = await createRepository(storage);
  messages = [];
});
afterEach(async () => {
  for (const lock of held.splice(0)) await lock.release();
  vi.useRealTimers();
});

function options(overrides: Partial<LockOptions> = {}): LockOptions {
  const note = (message: string) => void messages.push(message);
  return {
    operation: 'backup',
    mode: 'shared',
    holder: { id: 'test', name: 'this test' },
    now: () => new Date(),
    random: Math.random,
    signal: new AbortController().signal,
    log: { debug: note, info: note, warn: note },
    waitSeconds: 0,
    ...overrides,
  };
}

async function acquire(overrides: Partial<LockOptions> = {}): Promise<Lock> {
  const lock = await acquireLock(repository, options(overrides));
  held.push(lock);
  return lock;
}

/** For what waits: lets time pass until it has ended. */
async function settle<T>(promise: Promise<T>, limit = 10 * minute): Promise<PromiseSettledResult<T>> {
  let result: PromiseSettledResult<T> | undefined;
  promise.then(
    (value) => {
      result = { status: 'fulfilled', value };
    },
    (reason: unknown) => {
      result = { status: 'rejected', reason };
    },
  );
  for (let passed = 0; result === undefined && passed < limit; passed += 100) {
    await vi.advanceTimersByTimeAsync(100);
  }
  if (result === undefined) throw new Error('it waits for ever');
  return result;
}

async function listKeys(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list('locks/')) keys.push(key);
  return keys;
}

const exclusive = { mode: 'exclusive', operation: 'cleanup' } as const;

describe('locks', () => {
  it('that are shared stand beside each other', async () => {
    const [one, other] = [await acquire(), await acquire()];
    expect(one.id).not.toBe(other.id);
    expect(await listLocks(repository)).toHaveLength(2);
  });

  it.each([
    ['shared', 'exclusive'],
    ['exclusive', 'shared'],
    ['exclusive', 'exclusive'],
  ] as const)('that are %s keep %s ones out, which leave nothing behind', async (first, then) => {
    const lock = await acquire({ mode: first });
    await expect(acquire({ mode: then })).rejects.toThrow(StorageError);
    expect(await listKeys()).toEqual([`locks/${lock.id}.json`]);
    await lock.release();
    expect(await listKeys()).toEqual([]);
    await acquire({ mode: then });
  });

  it('name their holder, since when, until when, the file, and what to do', async () => {
    const lock = await acquire({
      ...exclusive,
      holder: { id: 'a step', name: 'https://github.com/a/b/actions/runs/1' },
    });
    const failure = await acquire().catch((error: StorageError) => error);
    expect(failure).toBeInstanceOf(StorageError);
    const { message, next } = failure as StorageError;
    for (const part of [
      'backup could not get its lock',
      'cleanup (https://github.com/a/b/actions/runs/1)',
      'since 2026-11-20T02:17:00.000Z',
      'until 2026-11-20T02:47:00.000Z',
      `locks/${lock.id}.json`,
    ]) {
      expect(message).toContain(part);
    }
    expect(next).toMatch(/Run this again when cleanup has ended.*delete locks\//);
  });

  it('are waited for', async () => {
    const lock = await acquire(exclusive);
    setTimeout(() => void lock.release(), 2 * minute);
    const started = Date.now();
    expect((await settle(acquire({ waitSeconds: 600 }))).status).toBe('fulfilled');
    expect(Date.now() - started).toBeGreaterThanOrEqual(2 * minute);
    expect(Date.now() - started).toBeLessThan(3 * minute);
    expect(messages.filter((message) => message.startsWith('waiting: '))).toHaveLength(1);
  });

  it('are waited for no longer than was asked', async () => {
    await acquire(exclusive);
    const started = Date.now();
    const result = await settle(acquire({ waitSeconds: 90 }));
    expect(result).toMatchObject({ status: 'rejected', reason: expect.any(StorageError) });
    expect(Date.now() - started).toBeGreaterThanOrEqual(90 * second);
    expect(Date.now() - started).toBeLessThan(92 * second);
    expect(await listKeys()).toHaveLength(1);
  });

  it('are not waited for by one who is told to stop', async () => {
    await acquire(exclusive);
    const controller = new AbortController();
    const reason = new Error('interrupted');
    setTimeout(() => controller.abort(reason), 5 * second);
    const result = await settle(acquire({ waitSeconds: 600, signal: controller.signal }));
    expect(result).toMatchObject({ status: 'rejected', reason });
    expect(await listKeys()).toHaveLength(1);
  });

  it('of two who want it alone at once go to one after the other', async () => {
    let holders = 0;
    const take = async () => {
      const lock = await acquire({ ...exclusive, waitSeconds: 600 });
      holders += 1;
      expect(holders).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 10 * second));
      holders -= 1;
      await lock.release();
    };
    for (let round = 0; round < 20; round++) {
      expect((await settle(Promise.all([take(), take(), take()]))).status).toBe('fulfilled');
    }
  });

  it('of two who want it alone at once, and do not wait, go to one at most', async () => {
    for (let round = 0; round < 20; round++) {
      const results = await Promise.allSettled([acquire(exclusive), acquire(exclusive)]);
      const got = results.filter(({ status }) => status === 'fulfilled');
      expect(got.length).toBeLessThanOrEqual(1);
      for (const lock of held.splice(0)) await lock.release();
    }
  });

  it('leave nothing behind when the storage fails between writing and looking', async () => {
    const failing = new StorageError('the network is down', 'Try again.');
    const list = vi.spyOn(storage, 'list').mockImplementation(() => {
      throw failing;
    });
    await expect(acquire()).rejects.toBe(failing);
    list.mockRestore();
    expect(await listKeys()).toEqual([]);
  });

  it('may be released twice, and while they are refreshed', async () => {
    const lock = await acquire();
    vi.advanceTimersByTime(10 * minute);
    await Promise.all([lock.release(), lock.release()]);
    await vi.advanceTimersByTimeAsync(60 * minute);
    expect(await listKeys()).toEqual([]);
    expect(lock.signal.aborted).toBe(false);
  });
});

describe('the clock', () => {
  it.each([-3 * 60 * minute, 3 * 60 * minute])('of the storage decides, here %i ms off', async (ahead) => {
    storage.ahead = ahead;
    const lock = await acquire(exclusive);
    expect(lock.skewSeconds).toBeCloseTo(ahead / 1000);
    expect(lock.acquiredAt.getTime()).toBe(Date.now() + ahead);
    await expect(acquire()).rejects.toThrow(StorageError);
  });

  it('of the holder is for people only', async () => {
    const lock = await acquire({ ...exclusive, now: () => new Date(Date.now() - 24 * 60 * minute) });
    expect(lock.skewSeconds).toBeCloseTo(24 * 60 * 60);
    await expect(acquire()).rejects.toThrow(/since 2026-11-19T02:17:00/);
  });
});

describe('a lock whose holder was killed', () => {
  const abandoned = 'locks/0123456789abcdef.json';
  const content = {
    format: 1,
    operation: 'backup',
    mode: 'shared',
    holder: 'nobody',
    since: '2026-11-20T02:17:00.000Z',
    ttlSeconds: 1800,
  };
  const abandon = (text: string) => storage.put(abandoned, Buffer.from(text));

  it.each([
    ['as it is', JSON.stringify(content)],
    ['cut off', '{"format":1,"opera'],
    ['empty', ''],
    ['of a later format', JSON.stringify({ ...content, format: 2 })],
    ['claiming to hold for a year', JSON.stringify({ ...content, ttlSeconds: 31_536_000 })],
  ])('holds until it expires, then whoever is alone removes it: %s', async (_what, text) => {
    await abandon(text);
    await vi.advanceTimersByTimeAsync(30 * minute - 1);
    await expect(acquire(exclusive)).rejects.toThrow(abandoned);
    await vi.advanceTimersByTimeAsync(1);
    await (await acquire()).release();
    expect(await listKeys()).toEqual([abandoned]);
    const lock = await acquire(exclusive);
    expect(await listKeys()).toEqual([`locks/${lock.id}.json`]);
  });

  it('holds for an hour at the most, whatever time its file claims', async () => {
    await abandon(JSON.stringify({ ...content, mode: 'exclusive' }));
    storage.claims.set(abandoned, new Date('2026-11-20T02:47:00.000Z'));
    await expect(acquire()).rejects.toThrow(abandoned);
    await vi.advanceTimersByTimeAsync(60 * minute);
    await (await acquire()).release();
    storage.claims.set(abandoned, new Date('2099-01-01T00:00:00Z'));
    messages = [];
    await (await acquire()).release();
    expect(messages).toEqual([
      expect.stringMatching(/^locks\/0123456789abcdef\.json claims to be of 2099-01-01T.* it is not a lock/),
    ]);
    const lock = await acquire(exclusive);
    expect(await listKeys()).toEqual([`locks/${lock.id}.json`]);
  });

  it('keeps shared ones out when this user cannot read it', async () => {
    await abandon(JSON.stringify(content));
    storage.denied.add(abandoned);
    await expect(acquire()).rejects.toThrow(/cannot be read/);
    await vi.advanceTimersByTimeAsync(30 * minute);
    await acquire();
  });

  it('keeps shared ones out when it cannot be read', async () => {
    await abandon('?');
    await expect(acquire()).rejects.toThrow(/cannot be read/);
  });

  it('is in the way of nobody when it could not be removed', async () => {
    await abandon(JSON.stringify(content));
    await vi.advanceTimersByTimeAsync(30 * minute);
    storage.retains = true;
    await acquire(exclusive);
    expect(await listKeys()).toContain(abandoned);
  });
});

describe('a lock that is held', () => {
  it('is refreshed for as long as it is', async () => {
    const lock = await acquire(exclusive);
    for (let passed = 0; passed < 300; passed += 7) {
      await vi.advanceTimersByTimeAsync(7 * minute);
      await expect(acquire()).rejects.toThrow(/since 2026-11-20T02:17:00/);
    }
    expect(lock.signal.aborted).toBe(false);
  });

  it('survives a storage that fails for a while', async () => {
    const lock = await acquire();
    const put = vi.spyOn(storage, 'put').mockRejectedValue(new StorageError('down', 'Wait.'));
    const create = vi.spyOn(storage, 'create').mockRejectedValue(new StorageError('down', 'Wait.'));
    await vi.advanceTimersByTimeAsync(28.5 * minute);
    put.mockRestore();
    create.mockRestore();
    await vi.advanceTimersByTimeAsync(60 * minute);
    expect(lock.signal.aborted).toBe(false);
    expect(messages.at(-1)).toMatch(/could not be refreshed yet: down/);
    await expect(acquire(exclusive)).rejects.toThrow(lock.id);
  });

  it('is lost when it cannot be refreshed until it expires', async () => {
    const lock = await acquire();
    storage.put = () => Promise.reject(new StorageError('down', 'Wait.'));
    storage.create = () => Promise.reject(new StorageError('down', 'Wait.'));
    await vi.advanceTimersByTimeAsync(30 * minute - 1);
    expect(lock.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(lock.signal.aborted).toBe(true);
    expect(lock.signal.reason).toBeInstanceOf(StorageError);
    expect(lock.signal.reason.message).toContain(lock.id);
  });

  it('is lost when the storage does not answer', async () => {
    // Not released afterwards: that would wait for the storage, too.
    const lock = await acquireLock(repository, options());
    storage.stat = () => new Promise(() => {});
    await vi.advanceTimersByTimeAsync(30 * minute);
    expect(lock.signal.aborted).toBe(true);
  });

  it('is lost when somebody removed it', async () => {
    const lock = await acquire();
    await storage.delete([`locks/${lock.id}.json`]);
    await vi.advanceTimersByTimeAsync(10 * minute);
    expect(lock.signal.reason?.message).toMatch(/somebody removed it/);
    await vi.advanceTimersByTimeAsync(60 * minute);
    expect(await listKeys()).toEqual([]);
  });

  it('is lost when the machine slept until it expired, whatever its own timers say', async () => {
    const lock = await acquire();
    vi.setSystemTime(Date.now() + 40 * minute);
    await vi.advanceTimersByTimeAsync(10 * minute);
    expect(lock.signal.reason?.message).toMatch(/it expired before it was refreshed/);
  });
});

describe('on a storage that lets nothing be deleted', () => {
  beforeEach(() => {
    storage.retains = true;
  });

  it('a lock that is given back counts as none, and stays as a file', async () => {
    const lock = await acquire(exclusive);
    await lock.release();
    expect(await listKeys()).toHaveLength(1);
    expect(await listLocks(repository)).toEqual([]);
    await acquire(exclusive);
  });

  it('one who waits takes back his own all the same', async () => {
    const lock = await acquire(exclusive);
    await expect(acquire()).rejects.toThrow(StorageError);
    await lock.release();
    await acquire(exclusive);
  });

  it('and nothing be overwritten, a lock is refreshed under another name, and expires after it was given back', async () => {
    const put = storage.put.bind(storage);
    storage.put = async (key, value) => {
      if (await storage.stat(key)) throw new StorageError(`${key} may not be overwritten`, 'Wait.');
      await put(key, value);
    };
    const lock = await acquire(exclusive);
    await vi.advanceTimersByTimeAsync(45 * minute);
    expect(lock.signal.aborted).toBe(false);
    await expect(acquire()).rejects.toThrow(StorageError);
    await lock.release();
    expect(messages.at(-1)).toMatch(/could not be removed/);
    await vi.advanceTimersByTimeAsync(30 * minute);
    await acquire(exclusive);
  });
});

describe('round trips', () => {
  const latency = 50;
  const own = {
    format: 1,
    operation: 'backup',
    mode: 'shared',
    holder: 'x',
    since: '2026-11-20T02:17:00.000Z',
  };
  const leave = async (count: number, released: boolean) => {
    for (let n = 0; n < count; n++) {
      const text = JSON.stringify({ ...own, ttlSeconds: 1800, ...(released ? { released } : {}) });
      await storage.put(`locks/${String(n).padStart(16, '0')}.json`, Buffer.from(text));
    }
  };

  /** From now on each call takes time; tells how much has passed. */
  function slow(): { calls: string[]; measure: (task: () => Promise<unknown>) => Promise<number> } {
    const calls: string[] = [];
    const wait = (call: string) => {
      calls.push(call);
      return new Promise((resolve) => setTimeout(resolve, latency));
    };
    for (const method of ['put', 'get', 'stat', 'delete', 'create'] as const) {
      const inner = storage[method].bind(storage) as (...parameters: unknown[]) => Promise<never>;
      storage[method] = async (...parameters: unknown[]): Promise<never> => {
        await wait(method);
        return inner(...parameters);
      };
    }
    const list = storage.list.bind(storage);
    storage.list = async function* (prefix) {
      await wait('list');
      yield* list(prefix);
    };
    const measure = async (task: () => Promise<unknown>) => {
      const started = Date.now();
      let ended: number | undefined;
      const done = task().finally(() => {
        ended = Date.now();
      });
      while (ended === undefined) await vi.advanceTimersByTimeAsync(10);
      await done;
      return ended - started;
    };
    return { calls, measure };
  }

  it('are two for a lock where there are no others, one to prove it, and one to give it back', async () => {
    const { calls, measure } = slow();
    let lock: Lock | undefined;
    const took = await measure(async () => {
      lock = await acquireLock(repository, options());
    });
    expect(calls).toEqual(['put', 'list']);
    expect(took).toBe(2 * latency);
    expect(await measure(async () => lock?.assertHeld())).toBe(latency);
    expect(await measure(async () => lock?.release())).toBe(latency);
    expect(calls).toEqual(['put', 'list', 'stat', 'delete']);
  });

  it('are three where there are others, which are read together', async () => {
    await leave(30, false);
    const { measure } = slow();
    expect(await measure(() => acquireLock(repository, options()))).toBe(3 * latency);
  });

  it('do not grow with the locks that were given back and could not be deleted', async () => {
    await leave(500, true);
    await vi.advanceTimersByTimeAsync(61 * minute);
    const { calls, measure } = slow();
    expect(await measure(() => acquireLock(repository, options()))).toBe(2 * latency);
    expect(calls).toEqual(['put', 'list']);
  });

  it('of one who removes what holds no longer are one more, and leave its own lock alone', async () => {
    await leave(500, true);
    await vi.advanceTimersByTimeAsync(61 * minute);
    const { calls, measure } = slow();
    await measure(() => acquireLock(repository, options({ removesExpired: true })));
    expect(calls).toEqual(['put', 'list', 'delete']);
    const keys: string[] = [];
    await measure(async () => keys.push(...(await listKeys())));
    expect(keys).toHaveLength(1);
  });
});

describe('a lock that is proven', () => {
  it('is lost when somebody removed it', async () => {
    const lock = await acquire();
    await storage.delete([`locks/${lock.id}.json`]);
    await expect(lock.assertHeld()).rejects.toThrow(/somebody removed it/);
  });

  it('is lost when the machine slept until it expired', async () => {
    const lock = await acquire();
    vi.setSystemTime(Date.now() + 40 * minute);
    await expect(lock.assertHeld()).rejects.toThrow(/it expired before it was refreshed/);
  });

  it('is written again when it was not for some time', async () => {
    const lock = await acquire();
    vi.setSystemTime(Date.now() + 20 * minute);
    const put = vi.spyOn(storage, 'put');
    await lock.assertHeld();
    expect(put).toHaveBeenCalledTimes(1);
  });

  it('and cannot be looked at is held for as long as it would be', async () => {
    const lock = await acquire();
    const stat = vi.spyOn(storage, 'stat').mockRejectedValue(new StorageError('down', 'Wait.'));
    await lock.assertHeld();
    expect(messages.at(-1)).toMatch(/could not be refreshed yet: down/);
    stat.mockRestore();
    await vi.advanceTimersByTimeAsync(60 * minute);
    expect(lock.signal.aborted).toBe(false);
  });
});

describe('what stands in nobody’s way', () => {
  it('is a lock whose holder could not delete it for whatever reason: it is overwritten', async () => {
    const lock = await acquire(exclusive);
    const failing = new StorageError('the store kept answering SlowDown', 'Wait.');
    const remove = vi.spyOn(storage, 'delete').mockRejectedValue(failing);
    await lock.release();
    remove.mockRestore();
    expect(messages).toEqual([]);
    expect(await listKeys()).toEqual([`locks/${lock.id}.json`]);
    await acquire();
  });

  it('is a lock of a run that was killed, whose locks somebody gives back who may not delete', async () => {
    const lock = await acquireLock(repository, options(exclusive));
    storage.retains = true;
    await giveBack(repository, await listLocks(repository));
    expect(await listKeys()).toEqual([`locks/${lock.id}.json`]);
    await acquire();
  });

  it('is a lock that was never written, of which nothing is told but the error', async () => {
    const failing = new StorageError('read-only', 'Name another folder.');
    storage.put = () => Promise.reject(failing);
    storage.create = () => Promise.reject(failing);
    storage.delete = () => Promise.reject(failing);
    await expect(acquire()).rejects.toBe(failing);
    expect(messages).toEqual([]);
  });

  it.each([
    'locks/repository.json',
    'locks/backups/20261120T021700Z-7f3a.json',
    'locks/locks/0.json',
    'locks/note',
  ])('is a file below locks/ that is none: %s', async (key) => {
    await storage.put(key, Buffer.from('{"format":2}'));
    await acquire(exclusive);
    expect(messages).toEqual([
      expect.stringMatching(
        new RegExp(`^${key} in memory has neither the name of a lock nor .* ignored: check`),
      ),
    ]);
    expect(await listKeys()).toContain(key);
  });

  it('is a lock inside of a repository that somebody made below locks/', async () => {
    const inner = 'locks/locks/0123456789abcdef.json';
    await storage.put(inner, Buffer.from('?'));
    await vi.advanceTimersByTimeAsync(2 * 60 * minute);
    await acquire(exclusive);
    expect(await listKeys()).toContain(inner);
  });
});

describe('the holder', () => {
  it('stands in the lock with its id, and with its name for people; older versions wrote the name alone', async () => {
    const lock = await acquire({ holder: { id: 'a4f1', name: 'run 17' } });
    const older = { format: 1, operation: 'backup', mode: 'shared', holder: 'run 16', ttlSeconds: 1800 };
    const key = 'locks/0123456789abcdef.json';
    await storage.put(key, Buffer.from(JSON.stringify({ ...older, since: '2026-11-20T02:17:00.000Z' })));
    const listed = await listLocks(repository);
    expect(listed.find((one) => one.key === `locks/${lock.id}.json`)?.content).toMatchObject({
      holder: 'run 17',
      holderId: 'a4f1',
    });
    const content = listed.find((one) => one.key === key)?.content;
    expect(content).toMatchObject({ holder: 'run 16' });
    expect(content?.holderId).toBeUndefined();
    await expect(acquire(exclusive)).rejects.toThrow(/run 1[67]/);
  });
});
