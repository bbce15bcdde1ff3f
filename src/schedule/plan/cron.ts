import { Cron } from 'croner';
import { Problem, patterned } from '../../interface/inputs/values.ts';

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

/** Minutes that GitHub requires between two runs */
const closest = 5;
/** Minutes for `auto/<step>`: they divide an hour evenly. */
const steps = [5, 6, 10, 12, 15, 20, 30];

export interface CronExpression {
  /** `auto` or `auto/<step>` when the plan chooses the minute */
  readonly minute: string;
  /** The other four fields, separated by single spaces */
  readonly rest: string;
}

/** One field, as far as a pattern can say: it compares no numbers, so that ranges may run backwards in it. */
function patternOf({ name, least, most }: Field): string {
  const tens = Array.from({ length: Math.floor(most / 10) + 1 }, (_, ten) => {
    const [from, to] = [ten === 0 ? least : 0, Math.min(most - 10 * ten, 9)];
    return `${ten === 0 ? '0?' : ten}[${from}-${to}]`;
  });
  const words = (names[name] ?? []).map((word) =>
    word.replaceAll(/./g, (letter) => `[${letter.toUpperCase()}${letter}]`),
  );
  const value = `(?:${[...tens, ...words].join('|')})`;
  const stepsBelow = Array.from({ length: countOf({ least, most }) }, (_, index) => index + 1);
  const step = (fits: (step: number) => boolean) => `0?(?:${stepsBelow.filter(fits).join('|')})`;
  const item =
    name === 'minute'
      ? `(?:\\*/${step(staysApart)}|${value}(?:-${value}/${step((minutes) => minutes >= closest)})?)`
      : `(?:\\*(?:/${step(() => true)})?|${value}(?:-${value}(?:/${step(() => true)})?)?)`;
  const list = `${item}(?:,${item})*`;
  return name === 'minute' ? `(?:auto(?:/0*(?:${steps.join('|')}))?|${list})` : list;
}

/** Tells whether two minutes stay apart over the end of the hour, too. */
function staysApart(step: number): boolean {
  return step >= closest && 60 - Math.floor(59 / step) * step >= closest;
}

function countOf({ least, most }: Pick<Field, 'least' | 'most'>): number {
  return most - least + 1;
}

const cron = new RegExp(`^${fields.map(patternOf).join('\\s+')}$`);

/** @throws Problem when the text is no cron expression that GitHub accepts, or is never due */
export const parseCron = patterned(cron, (text): CronExpression => {
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
  const [minute = '', ...others] = parts;
  const rest = others.join(' ');
  checkInterval(minute);
  if (nextTimes(`0 ${rest}`, 'UTC', new Date(0), 1).length === 0)
    throw new Problem('is never due, because no month has that day', 'Choose a day that the month has');
  return { minute, rest };
});

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
    const stepFits =
      step === undefined ||
      ((range === '*' || ends.length === 2) && Number(step) > 0 && Number(step) <= countOf(field));
    if (fits && ordered && stepFits) continue;
    if (fits && ordered)
      throw new Problem(
        `cannot have ${JSON.stringify(item)} as its ${field.name}`,
        `Write a step behind * or a range, from 1 to ${countOf(field)}, as in */2 or ${field.least}-${field.most}/2`,
      );
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

/** Tells whether an expression is due at a quarter of an hour, which `auto` never is. */
export function isAtPeak(text: string): boolean {
  const [minute = ''] = text.split(' ');
  const due = timesBetween(`${minute} * * * *`, 'UTC', new Date(0), new Date(3_600_000));
  return due.some((time) => time.getUTCMinutes() % 15 === 0);
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
