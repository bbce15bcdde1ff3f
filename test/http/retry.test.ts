import { describe, expect, it } from 'vitest';
import { readRetryAfterMs, retry } from '../../src/http/retry.ts';

class Passing extends Error {
  readonly wait: number;

  constructor(wait: number) {
    super('it passes');
    this.wait = wait;
  }
}

const waitMsAfter = (error: unknown) => (error instanceof Passing ? error.wait : undefined);
const signal = new AbortController().signal;

describe('trying again', () => {
  it('goes on while waiting may help, and gives what came of it', async () => {
    let attempts = 0;
    const result = retry(
      async () => {
        attempts += 1;
        if (attempts < 3) throw new Passing(0);
        return 'done';
      },
      { retries: 2, delayMs: 1, signal, waitMsAfter },
    );
    await expect(result).resolves.toBe('done');
    expect(attempts).toBe(3);
  });

  it('ends with the last failure', async () => {
    let attempts = 0;
    const fail = async () => {
      attempts += 1;
      throw new Passing(0);
    };
    await expect(retry(fail, { retries: 2, delayMs: 1, signal, waitMsAfter })).rejects.toThrow('it passes');
    expect(attempts).toBe(3);
  });

  it('does not repeat what does not pass', async () => {
    let attempts = 0;
    const fail = async () => {
      attempts += 1;
      throw new Error('never');
    };
    await expect(retry(fail, { retries: 2, delayMs: 1, signal, waitMsAfter })).rejects.toThrow('never');
    expect(attempts).toBe(1);
  });

  it('waits as long as it is told to', async () => {
    const times: number[] = [];
    const fail = async () => {
      times.push(performance.now());
      throw new Passing(150);
    };
    await expect(retry(fail, { retries: 1, delayMs: 1, signal, waitMsAfter })).rejects.toThrow('it passes');
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(140);
  });

  it('ends with the signal, also while it waits', async () => {
    const stop = new AbortController();
    const fail = async () => {
      setTimeout(() => stop.abort(new Error('stopped')), 20);
      throw new Passing(60_000);
    };
    const start = performance.now();
    await expect(
      retry(fail, { retries: 1, delayMs: 1, signal: stop.signal, waitMsAfter }),
    ).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

it('reads how long to wait, in seconds', () => {
  const read = (value?: string) =>
    readRetryAfterMs(new Headers(value === undefined ? {} : { 'retry-after': value }));
  expect([read(), read('2'), read('0'), read('-1'), read('soon')]).toEqual([
    undefined,
    2000,
    0,
    undefined,
    undefined,
  ]);
});
