import { minute } from './duration.ts';

/**
 * Milliseconds that two clocks may differ. Beyond it a time counts as lying in the future, and times of the
 * two clocks are not compared.
 */
export const clockTolerance = 5 * minute;
