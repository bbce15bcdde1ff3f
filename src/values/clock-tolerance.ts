import { minute } from './duration.ts';

/** milliseconds that two clocks may differ, before a time counts as one of the future and times of the two are not compared */
export const clockTolerance = 5 * minute;
