import { minute } from './duration.ts';

/** How far two clocks may differ, before a time counts as one of the future and times of the two are not compared */
export const clockToleranceMs = 5 * minute;
