import { minute } from './duration.ts';

/**
 * The largest difference between two clocks that is ignored. A time that is further ahead counts as in the
 * future, and times of clocks that differ by more are not compared.
 */
export const clockToleranceMs = 5 * minute;
