import { html, type Markup } from '../../../report/html.ts';
import { formatCounted } from '../../../report/quantity.ts';
import { listFailures } from '../../../repository/backups/findings.ts';
import type { DatabaseFacts } from '../facts.ts';
import { round, swatch } from './charts.ts';
import { dayOf, formatDay } from './days.ts';
import { renderFigures } from './tables.ts';

/** Days that are shown */
export const calendarDays = 90;

interface Day {
  readonly day: number;
  readonly backups: number;
  readonly failures: number;
}

type Look = 'passed' | 'some' | 'failed' | 'none';

const looks: Readonly<Record<Look, string>> = {
  passed: 'backups, no failure',
  some: 'backups, and failures',
  failed: 'failures, no backup',
  none: 'neither',
};

/**
 * Draws a square for each of the last days: whether there are backups of it that a restore would use, and
 * failures, which are those that the list of failures has. What retention has removed since leaves a day empty.
 */
export function renderCalendar(id: string, facts: DatabaseFacts): Markup {
  const days = countDays(facts);
  const title = `The last ${calendarDays} days: backups and failures`;
  const counted = (look: Look) => days.filter((day) => lookOf(day) === look).length;
  return html`<figure class="calendar">
${drawCalendar(`${id}-t`, title, days)}
<ul class="legend">${(Object.keys(looks) as Look[]).map((look) => html`<li>${swatch(look)}${looks[look]}: ${formatCounted(counted(look), 'day')}</li>`)}</ul>
<figcaption>A column is a week from Monday, the newest on the right; days are of UTC. Failures are those that the list of failures counts. A day whose backups retention has removed is empty.</figcaption>
${renderFigures({
  caption: title,
  columns: ['day (UTC)', 'backups', 'failures'],
  numbers: [1, 2],
  rows: days
    .toReversed()
    .map(({ day, backups, failures }) => [formatDay(day), String(backups), String(failures)]),
})}
</figure>`;
}

export function countDays({ status, freshness, records }: DatabaseFacts): Day[] {
  const today = dayOf(status.at);
  const count = (times: readonly Date[]) => {
    const days = new Map<number, number>();
    for (const at of times) days.set(dayOf(at), (days.get(dayOf(at)) ?? 0) + 1);
    return days;
  };
  const sound = freshness.catalog.backups.filter(
    ({ damagedAt, purpose }) => damagedAt === null && purpose !== 'safety',
  );
  const backups = count(sound.map(({ snapshotAt }) => snapshotAt));
  const failures = count(listFailures(freshness, records.restores, records.runs).map(({ at }) => at));
  return Array.from({ length: calendarDays }, (_, index) => {
    const day = today - calendarDays + 1 + index;
    return { day, backups: backups.get(day) ?? 0, failures: failures.get(day) ?? 0 };
  });
}

function lookOf({ backups, failures }: Day): Look {
  if (backups === 0) return failures === 0 ? 'none' : 'failed';
  return failures === 0 ? 'passed' : 'some';
}

/** A square and the room around it */
const [side, pitch] = [17, 21];

function drawCalendar(id: string, title: string, days: readonly Day[]): Markup {
  const first = days[0]?.day ?? 0;
  // 1970-01-01 was a Thursday, and a week begins on Monday.
  const offset = (first + 3) % 7;
  const columns = Math.ceil((offset + days.length) / 7);
  const squares = days.map((day, index) => {
    const [x, y] = [Math.floor((index + offset) / 7) * pitch, ((index + offset) % 7) * pitch];
    const look = lookOf(day);
    const cross = look === 'failed' || look === 'some';
    return html`<g><title>${formatDay(day.day)}: ${formatCounted(day.backups, 'backup')}, ${formatCounted(day.failures, 'failure')}</title><rect class="${look}" x="${x}" y="${y}" width="${side}" height="${side}" rx="2"/>${cross ? drawCross(x, y, look === 'failed') : undefined}</g>`;
  });
  return html`<svg role="img" aria-labelledby="${id}" viewBox="0 0 ${columns * pitch} ${7 * pitch}"><title id="${id}">${title}</title>${squares}</svg>`;
}

/** One stroke where backups came all the same, two where none did: the colour alone tells nothing. */
function drawCross(x: number, y: number, isWhole: boolean): Markup {
  const [near, far] = [4.5, side - 4.5];
  const stroke = (from: number, to: number) =>
    html`<line class="cross" x1="${round(x + near)}" y1="${round(y + from)}" x2="${round(x + far)}" y2="${round(y + to)}"/>`;
  return html`${stroke(far, near)}${isWhole ? stroke(near, far) : undefined}`;
}
