import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { runTogether, runWorkers } from '../../src/runtime/workers.ts';

const never = () => new AbortController().signal;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A task that goes on until it is told to stop, and then takes its time to end. */
function untilAborted(ended: string[], name: string) {
  return async (signal: AbortSignal) => {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve());
    });
    await turn();
    ended.push(name);
    throw new Error(`${name} was interrupted`);
  };
}

describe('tasks run together', () => {
  it('return what each returned, in order', async () => {
    const results = await runTogether<[number, string]>(never(), [
      async () => {
        await turn();
        return 1;
      },
      async () => 'two',
    ]);
    expect(results).toEqual([1, 'two']);
  });

  it('run side by side', async () => {
    const met = Promise.withResolvers<void>();
    await runTogether<[unknown, unknown]>(never(), [async () => met.promise, async () => met.resolve()]);
  });

  it('are all told to stop by the first failure, which is what is thrown after all have ended', async () => {
    const ended: string[] = [];
    const failure = new Error('the first');
    const running = runTogether<[never, never, never]>(never(), [
      untilAborted(ended, 'one'),
      async () => {
        await turn();
        throw failure;
      },
      untilAborted(ended, 'two'),
    ]);
    await expect(running).rejects.toBe(failure);
    expect(ended.sort()).toEqual(['one', 'two']);
  });

  it('that never start to wait do not hide a failure', async () => {
    await expect(
      runTogether<[number, never]>(never(), [async () => 1, () => Promise.reject(new Error('no'))]),
    ).rejects.toThrow('no');
  });

  it('stop with the outer reason when the outer signal aborts, whatever they throw then', async () => {
    const ended: string[] = [];
    const outer = new AbortController();
    const reason = new Error('the user asked');
    const running = runTogether<[never]>(outer.signal, [untilAborted(ended, 'one')]);
    await turn();
    outer.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(ended).toEqual(['one']);
  });

  it('stop with the outer reason also when one had failed before', async () => {
    const outer = new AbortController();
    const reason = new Error('the user asked');
    const running = runTogether<[never, unknown]>(outer.signal, [
      () => Promise.reject(new Error('failed')),
      async () => {
        await turn();
        outer.abort(reason);
      },
    ]);
    await expect(running).rejects.toBe(reason);
  });

  it('see the abort when it came before they began', async () => {
    const reason = new Error('too late');
    const seen: boolean[] = [];
    const running = runTogether<[unknown]>(AbortSignal.abort(reason), [
      async (signal) => {
        seen.push(signal.aborted);
      },
    ]);
    await expect(running).rejects.toBe(reason);
    expect(seen).toEqual([true]);
  });

  it('leave no listener on the outer signal for each run', async () => {
    const outer = new AbortController();
    for (let run = 0; run < 100; run++) await runTogether<[number]>(outer.signal, [async () => run]);
    expect(getEventListeners(outer.signal, 'abort')).toHaveLength(0);
  });
});

describe('workers', () => {
  it('do all jobs of a shared list, each once', async () => {
    const queue = Array.from({ length: 50 }, (_, index) => index).values();
    const done: number[] = [];
    await runWorkers(4, never(), async () => {
      for (const job of queue) {
        await turn();
        done.push(job);
      }
    });
    expect(done.sort((one, other) => one - other)).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  it('take no job after one of them has failed, when they ask the signal', async () => {
    const queue = Array.from({ length: 50 }, (_, index) => index).values();
    const failed = runWorkers(4, never(), async (signal) => {
      for (const job of queue) {
        signal.throwIfAborted();
        await turn();
        if (job === 5) throw new Error('job 5');
      }
    });
    await expect(failed).rejects.toThrow('job 5');
    expect([...queue].length).toBeGreaterThan(30);
  });

  it('leave the rest of the list to the others when one of them returns early', async () => {
    const queue = Array.from({ length: 50 }, (_, index) => index).values();
    const done: number[] = [];
    let leaving = 2;
    await runWorkers(4, never(), async () => {
      for (const job of queue) {
        await turn();
        done.push(job);
        if (leaving-- > 0) return;
      }
    });
    expect(done).toHaveLength(50);
  });

  it('share a list of a million in linear time', async () => {
    const queue = Array.from({ length: 1_000_000 }, (_, index) => index).values();
    let sum = 0;
    await runWorkers(32, never(), async () => {
      for (const job of queue) {
        await undefined;
        sum += job;
      }
    });
    expect(sum).toBe((1_000_000 * 999_999) / 2);
  });

  it('may be none', async () => {
    await runWorkers(0, never(), () => Promise.reject(new Error('called')));
  });
});
