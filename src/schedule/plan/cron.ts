import { Cron } from 'croner';
import { Problem } from '../../interface/inputs/values.ts';

/*
 * Cron as GitHub reads it: five fields of POSIX, in a time zone. In the spring, a time that the clock skips
 * moves to the next time that exists; in the autumn, a time that the clock shows twice is due once, the first
 * time.
 */

const names: Readonly<Record<string, readonly string[]>> = {
  month: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  'day of the week': ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'],
};
const fields = [
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day of the month', least: 1, most: 31 },
  { name: 'month', least: 1, most: 12 },
  { name: 'day of the week', least: 0, most: 6 },
] as const;
type Field = (typeof fields)[number];

/** Minutes for `auto/<step>`: they divide an hour evenly and are at least the five that GitHub requires. */
const steps = [5, 6, 10, 12, 15, 20, 30];

export interface CronExpression {
  /** `auto` or `auto/<step>` when the plan chooses the minute */
  readonly minute: string;
  /** The other four fields, separated by single spaces */
  readonly rest: string;
}

/** @throws Problem when the text is no cron expression that GitHub accepts */
export function parseCron(text: string): CronExpression {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== fields.length) {
    throw new Problem(
      `is not a cron expression of five fields: ${JSON.stringify(text)}`,
      'Write minute, hour, day of the month, month and day of the week, as in "auto 2 * * *"',
    );
  }
  for (const [index, field] of fields.entries()) {
    const part = parts[index] ?? '';
    if (field.name === 'minute' && part.startsWith('auto')) checkAuto(part);
    else checkField(part, field);
  }
  const [minute = '', ...rest] = parts;
  checkInterval(minute);
  return { minute, rest: rest.join(' ') };
}

function checkAuto(part: string): void {
  const [, step] = /^auto(?:\/(\d+))?$/.exec(part) ?? [undefined, 'no'];
  if (step === undefined || steps.includes(Number(step))) return;
  throw new Problem(
    `cannot have ${JSON.stringify(part)} as its minute`,
    `Write auto, or auto/<minutes> with ${steps.join(', ')}`,
  );
}

function checkField(part: string, field: Field): void {
  const known = names[field.name] ?? [];
  const toNumber = (value: string) =>
    /^\d{1,2}$/.test(value) ? Number(value) : known.indexOf(value.toLowerCase()) + field.least;
  const isValid = (value: string) =>
    (/^\d{1,2}$/.test(value) || known.includes(value.toLowerCase())) &&
    toNumber(value) >= field.least &&
    toNumber(value) <= field.most;
  for (const item of part.split(',')) {
    const [, range = '', step] = /^([^/]*)(?:\/(\d{1,2}))?$/.exec(item) ?? [];
    const ends = range.split('-');
    const fits = range === '*' || (ends.length < 3 && ends.every(isValid));
    const ordered = ends.length < 2 || toNumber(ends[0] ?? '') <= toNumber(ends[1] ?? '');
    if (fits && ordered && step !== '0' && step !== '00') continue;
    throw new Problem(
      `cannot have ${JSON.stringify(item)} as its ${field.name}`,
      `Write numbers from ${field.least} to ${field.most}, with * , - and / only`,
    );
  }
}

/** Checks GitHub's limit: a schedule is due at most every five minutes. */
function checkInterval(minute: string): void {
  if (minute.startsWith('auto')) return;
  const due = nextTimes(`${minute} * * * *`, 'UTC', new Date(0), 61);
  const tooClose = due.some(
    (time, index) => index > 0 && time.getTime() - (due[index - 1] as Date).getTime() < 300_000,
  );
  if (tooClose)
    throw new Problem('is due more often than GitHub allows', 'Leave five minutes or more between two runs');
}

/** Lists the first `count` times after `from`, in order. */
export function nextTimes(cron: string, timeZone: string, from: Date, count: number): Date[] {
  return new Cron(cron, { timezone: timeZone, paused: true, mode: '5-part' }).nextRuns(count, from);
}

/** Lists the times that are due in [from, until), in order. */
export function timesBetween(cron: string, timeZone: string, from: Date, until: Date): Date[] {
  const job = new Cron(cron, { timezone: timeZone, paused: true, mode: '5-part' });
  const times: Date[] = [];
  // `nextRun` is exclusive, and a time exactly at `from` counts.
  let next = job.nextRun(new Date(from.getTime() - 1000));
  while (next !== null && next < until) {
    if (next >= from) times.push(next);
    next = job.nextRun(next);
  }
  return times;
}
