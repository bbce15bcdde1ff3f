import { day } from '../../../values/duration.ts';

/* Days of the calendar in UTC, as numbers since 1970: what charts have one mark for. */

/** At most so many marks in a chart: a year and a month */
export const mostDays = 400;

export function dayOf(time: Date): number {
  return Math.floor(time.getTime() / day);
}

export function dateOf(number: number): Date {
  return new Date(number * day);
}

/** Writes `2026-11-20`. */
export function formatDay(number: number): string {
  return dateOf(number).toISOString().slice(0, 10);
}

/** A value of each day that has one */
export interface DayValue {
  readonly day: number;
  readonly value: number;
}

/**
 * Takes one value for each day: of those of a day the last.
 *
 * @param values in the order of their times
 */
export function byDay(values: readonly { readonly at: Date; readonly value: number }[]): DayValue[] {
  const days = new Map(values.map(({ at, value }) => [dayOf(at), value]));
  return [...days]
    .map(([number, value]) => ({ day: number, value }))
    .sort((one, other) => one.day - other.day);
}
