import type { Clock } from '../../management/api.ts';
import { minute } from '../../values/duration.ts';
import type { Ending } from './result.ts';

/** Within which the project leaves `ACTIVE_HEALTHY` after the platform has accepted a restore, or never */
export const leavesWithin = 5 * minute;
/** After which Supabase's dashboard, too, tells to ask its support */
export const supportAfter = 30 * minute;

/** Between two looks: short until the project has left, for it may come back soon */
const spacingMs = { leaving: 5000, away: 30_000 } as const;

const steadyStates: ReadonlySet<string> = new Set(['ACTIVE_HEALTHY', 'ACTIVE_UNHEALTHY', 'UNKNOWN']);
const failedStates: ReadonlySet<string> = new Set(['RESTORE_FAILED', 'INIT_FAILED', 'REMOVED']);

/** Whether a project in this state is being worked on. A state that says nothing is none. */
export function isAway(status: string): boolean {
  return !steadyStates.has(status) && !failedStates.has(status);
}

export interface Watch {
  /** When the platform was asked */
  readonly askedAt: Date;
  /** When the project was seen to have left; undefined: not yet */
  readonly leftAt: Date | undefined;
  /** Until when to wait */
  readonly until: Date;
  /** The state of the project now; undefined when the platform gives no answer */
  readonly look: () => Promise<string | undefined>;
  /** Called once, when the project is first seen to have left */
  readonly onLeft: (at: Date) => Promise<void>;
  /** Called after each look. */
  readonly onLook: (status: string | undefined, leftAt: Date | undefined) => void;
  /** Called once, when the project has been away for `supportAfter`. */
  readonly onLong: (status: string) => void;
}

/**
 * Waits until the project has left and come back. That it is healthy proves nothing before it has left: the
 * platform begins some time after it has accepted.
 */
export async function waitForReturn(watch: Watch, clock: Clock): Promise<Ending> {
  const { askedAt, until, look, onLeft, onLook, onLong } = watch;
  let { leftAt } = watch;
  let isTold = false;
  for (;;) {
    const status = await look();
    const now = clock.now();
    if (status !== undefined && failedStates.has(status)) return { kind: 'failed', status };
    if (leftAt === undefined && status !== undefined && isAway(status)) {
      leftAt = now;
      await onLeft(now);
    }
    onLook(status, leftAt);
    if (leftAt !== undefined && status === 'ACTIVE_HEALTHY') return { kind: 'back', leftAt, backAt: now };
    if (leftAt === undefined && status !== undefined && now.getTime() - askedAt.getTime() >= leavesWithin)
      return { kind: 'unconfirmed', status };
    if (
      !isTold &&
      leftAt !== undefined &&
      status !== undefined &&
      now.getTime() - leftAt.getTime() > supportAfter
    ) {
      isTold = true;
      onLong(status);
    }
    const left = until.getTime() - now.getTime();
    if (left <= 0) return { kind: 'waiting', status, leftAt };
    await clock.sleep(Math.min(left, leftAt === undefined ? spacingMs.leaving : spacingMs.away));
  }
}
