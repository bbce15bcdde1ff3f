import { day, hour } from './duration.ts';

/** How many backups stay; 0 means that a rule keeps none. */
export interface RetentionPolicy {
  readonly last: number;
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly yearly: number;
  /** milliseconds */
  readonly within: number;
  /** So many verified backups stay whatever the other rules say; at least 1. */
  readonly verified: number;
}

/** `7d` or `36h`, as the input has it. */
export function formatInterval(milliseconds: number): string {
  return milliseconds % day === 0 ? `${milliseconds / day}d` : `${milliseconds / hour}h`;
}
