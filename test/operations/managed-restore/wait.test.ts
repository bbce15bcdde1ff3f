import { describe, expect, it } from 'vitest';
import { waitForReturn } from '../../../src/operations/managed-restore/wait.ts';
import { makeClock } from '../../support/fake-management.ts';

const start = new Date('2026-11-20T12:00:00Z');
const minute = 60_000;

type State = string | undefined;

/** @param timeline the state of the project from so many minutes after it was asked for, in order */
async function wait(
  timeline: readonly (readonly [minutes: number, status: State])[],
  { leftAt, budget = 300 }: { leftAt?: Date; budget?: number } = {},
) {
  const clock = makeClock(start);
  const left: Date[] = [];
  const long: string[] = [];
  const ending = await waitForReturn(
    {
      ...{ askedAt: start, leftAt, until: new Date(start.getTime() + budget * minute) },
      look: async () => {
        const passed = (clock.now().getTime() - start.getTime()) / minute;
        return timeline.findLast(([from]) => passed >= from)?.[1];
      },
      onLeft: async (at) => void left.push(at),
      onLook: () => undefined,
      onLong: (status) => void long.push(status),
    },
    clock,
  );
  return { ending, left, long, minutes: (clock.now().getTime() - start.getTime()) / minute };
}

describe('a project that was asked to be restored', () => {
  it('is back when it was seen to leave and to come back, and not before it has left', async () => {
    const { ending, left } = await wait([
      [0, 'ACTIVE_HEALTHY'],
      [2, 'RESTORING'],
      [20, 'ACTIVE_HEALTHY'],
    ]);
    expect(ending).toMatchObject({ kind: 'back', leftAt: left[0] });
    expect(left).toHaveLength(1);
  });

  it('is unconfirmed when it has not left within five minutes', async () => {
    const { ending, minutes } = await wait([[0, 'ACTIVE_HEALTHY']]);
    expect(ending).toEqual({ kind: 'unconfirmed', status: 'ACTIVE_HEALTHY' });
    expect(minutes).toBe(5);
  });

  it('has not left when it is unhealthy for a moment, or its state is not known', async () => {
    const { ending } = await wait([
      [0, 'ACTIVE_HEALTHY'],
      [1, 'ACTIVE_UNHEALTHY'],
      [2, 'UNKNOWN'],
      [3, undefined],
      [4, 'ACTIVE_HEALTHY'],
    ]);
    expect(ending.kind).toBe('unconfirmed');
  });

  it('is not unconfirmed while the platform says nothing: it may be away', async () => {
    const { ending } = await wait([
      [0, undefined],
      [40, 'RESTORING'],
      [60, 'ACTIVE_HEALTHY'],
    ]);
    expect(ending.kind).toBe('back');
  });

  it('has left in any state of being worked on, also one that is newer than this program', async () => {
    for (const state of ['RESTORING', 'COMING_UP', 'RESTARTING', 'REWINDING']) {
      const { ending } = await wait([
        [0, 'ACTIVE_HEALTHY'],
        [1, state],
        [9, 'ACTIVE_HEALTHY'],
      ]);
      expect(ending.kind).toBe('back');
    }
  });

  it('is not back while it is unhealthy', async () => {
    const { ending } = await wait([
      [0, 'RESTORING'],
      [10, 'ACTIVE_UNHEALTHY'],
      [12, 'ACTIVE_HEALTHY'],
    ]);
    expect(ending).toMatchObject({ kind: 'back', backAt: new Date(start.getTime() + 12 * minute) });
  });

  it('is told to be long after half an hour, once, and waited for until the end of the budget', async () => {
    const { ending, long, minutes } = await wait([[0, 'RESTORING']], { budget: 90 });
    expect(long).toEqual(['RESTORING']);
    expect(ending).toEqual({ kind: 'waiting', status: 'RESTORING', leftAt: start });
    expect(minutes).toBe(90);
  });

  it('has failed when the platform says so', async () => {
    const { ending } = await wait([
      [0, 'RESTORING'],
      [7, 'RESTORE_FAILED'],
    ]);
    expect(ending).toEqual({ kind: 'failed', status: 'RESTORE_FAILED' });
  });

  it('that an earlier run has seen leave is back at once', async () => {
    const leftAt = new Date(start.getTime() - 60 * minute);
    const { ending, minutes } = await wait([[0, 'ACTIVE_HEALTHY']], { leftAt });
    expect(ending).toEqual({ kind: 'back', leftAt, backAt: start });
    expect(minutes).toBe(0);
  });
});
