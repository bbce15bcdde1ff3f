import { day, hour } from './duration.ts';

/** How many backups each retention rule keeps; 0 switches the rule off. */
export interface RetentionPolicy {
  readonly last: number;
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly yearly: number;
  /** Milliseconds: every backup younger than this stays. */
  readonly within: number;
  /** The number of verified backups that stay whatever the other rules say; at least 1 */
  readonly verified: number;
}

/** Writes a duration as the inputs spell it: `7d` or `36h`. */
export function formatInterval(milliseconds: number): string {
  return milliseconds % day === 0 ? `${milliseconds / day}d` : `${milliseconds / hour}h`;
}
