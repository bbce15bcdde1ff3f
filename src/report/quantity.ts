import { day, hour } from '../values/duration.ts';

/* Quantities for people to read. Machines read the bare numbers in the outputs. */

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Writes a size in decimal units, as storage is billed, with three digits: `512 B`, `1.23 kB`, `45.6 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would round to 1000, which is 1 of the next unit.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`;
}

/** Writes `1,234,567`, whatever the machine's locale. */
export function formatCount(count: number | bigint): string {
  return count.toLocaleString('en-US');
}

/** Writes a count with its noun: `1 table`, `1,234 rows`. */
export function formatCounted(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : plural}`;
}

/** Writes `340 ms`, `12.3 s`, `3 min 05 s` or `2 h 07 min`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

/** Writes an age: `2 h 07 min`, and from two days on `12 d 4 h`. */
export function formatAge(milliseconds: number): string {
  if (milliseconds < 2 * day) return formatDuration(milliseconds);
  const hours = Math.floor((milliseconds % day) / hour);
  return `${Math.floor(milliseconds / day)} d${hours === 0 ? '' : ` ${hours} h`}`;
}

/** Writes bytes per second: `45.6 MB/s`. */
export function formatRate(bytes: number, milliseconds: number): string {
  return `${formatBytes((bytes * 1000) / Math.max(milliseconds, 1))}/s`;
}

/** Writes an amount of money to the cent; what is not nothing is never `0.00`. */
export function formatAmount(amount: number): string {
  return amount > 0 && amount < 0.01 ? 'less than 0.01' : amount.toFixed(2);
}

/** Writes a part of a whole: `12.5%`, and `100%` where the whole is 0. */
export function formatShare(part: number, whole: number): string {
  return `${whole === 0 ? 100 : Number(((part / whole) * 100).toFixed(1))}%`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
