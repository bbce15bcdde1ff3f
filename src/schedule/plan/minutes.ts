import { createHash } from 'node:crypto';

/*
 * Minutes off the peaks. GitHub delays and drops schedules when many are due at once, above all at the full
 * and the half hour. A minute is derived from names only, so that it is the same on every machine and no
 * workflow file changes without a reason.
 */

const peaks = new Set([0, 15, 30, 45]);

/**
 * Chooses the minutes of a schedule.
 *
 * @param minute `auto` or `auto/<step>`
 * @param key names the schedule; with equal `taken`, the same key gets the same minutes
 * @param taken minutes of other schedules, avoided while others are free; the chosen minutes are added
 * @returns the minute field of a cron expression
 */
export function chooseMinute(minute: string, key: string, taken: Set<number>): string {
  const step = Number(/^auto\/(\d+)$/.exec(minute)?.[1] ?? 60);
  const choices = Array.from({ length: step }, (_, first) => first).filter((first) =>
    listMinutes(first, step).every((at) => !peaks.has(at)),
  );
  const start = createHash('sha256').update(key).digest().readUInt32BE(0) % choices.length;
  const ordered = [...choices.slice(start), ...choices.slice(0, start)];
  const isFree = (first: number) => listMinutes(first, step).every((at) => !taken.has(at));
  const chosen = listMinutes(ordered.find(isFree) ?? (ordered[0] as number), step);
  for (const at of chosen) taken.add(at);
  return chosen.join(',');
}

function listMinutes(first: number, step: number): number[] {
  return Array.from({ length: 60 / step }, (_, index) => first + index * step);
}
