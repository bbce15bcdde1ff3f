import { day, hour, week } from './duration.ts';

/** A stretch of time that a report is about. `to` is exclusive. */
export interface Period {
  readonly from: Date;
  readonly to: Date;
}

/** A period as it is asked for: one of the calendar, in UTC, or the last so many milliseconds. */
export type AskedPeriod =
  | ({ readonly kind: 'calendar' } & Period)
  | { readonly kind: 'last'; readonly length: number };

const units: Readonly<Record<string, number>> = { h: hour, d: day, w: week };

/** Reads `2026`, `2026-Q3`, `2026-10` or `90d`; undefined for anything else. */
export function readPeriod(text: string): AskedPeriod | undefined {
  const [, digits, unit = ''] = /^(\d{1,4})([hdw])$/.exec(text) ?? [];
  if (Number(digits) > 0) return { kind: 'last', length: Number(digits) * (units[unit] ?? Number.NaN) };
  const [, year, quarter, month] = /^(20\d\d)(?:-Q([1-4])|-(0[1-9]|1[0-2]))?$/.exec(text) ?? [];
  if (year === undefined) return undefined;
  const first =
    quarter !== undefined ? (Number(quarter) - 1) * 3 : month !== undefined ? Number(month) - 1 : 0;
  const months = quarter !== undefined ? 3 : month !== undefined ? 1 : 12;
  const start = (index: number) => new Date(Date.UTC(Number(year), index, 1));
  return { kind: 'calendar', from: start(first), to: start(first + months) };
}

/** Places a period in time. One that is not over yet keeps its end, which is to come then. */
export function resolvePeriod(asked: AskedPeriod, now: Date): Period {
  if (asked.kind === 'last') return { from: new Date(now.getTime() - asked.length), to: now };
  return { from: asked.from, to: asked.to };
}

export function isWithin(time: Date, { from, to }: Period): boolean {
  return time >= from && time < to;
}
