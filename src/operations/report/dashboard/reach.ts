import { html, type Markup } from '../../../report/html.ts';
import { formatCounted } from '../../../report/quantity.ts';
import { isInterval } from '../../../repository/changes/windows.ts';
import { day } from '../../../values/duration.ts';
import type { DatabaseFacts } from '../facts.ts';
import { round } from './charts.ts';
import { renderFigures, renderUnmeasured } from './tables.ts';

/** Days of the picture; more where the newest point is older */
const shownDays = 8;
/** Windows in the table, the newest */
const listedWindows = 50;

/** Draws which times of the last days can be reached: spans of any second, and single backups as ticks. */
export function renderReach(id: string, { recoverable, status }: DatabaseFacts, isPublic: boolean): Markup {
  const { windows, captured } = recoverable;
  const newest = windows.at(-1);
  if (newest === undefined) return renderUnmeasured('there is no backup, and no time can be reached.');
  const now = status.at.getTime();
  const length = Math.max(shownDays, Math.ceil((now - Date.parse(newest.to)) / day) + 1) * day;
  const begin = now - length;
  const place = (time: string) => Math.min(1, Math.max(0, (Date.parse(time) - begin) / length)) * 1000;
  const shown = windows.filter(({ to }) => Date.parse(to) >= begin).slice(-400);
  const title = `Times of the last ${length / day} days that can be reached`;
  const marks = shown.map(({ from, to }) => {
    const [left, right] = [place(from), place(to)];
    const width = Math.max(3, right - left);
    return html`<rect class="${from < to ? 'passed' : 'bar'}" x="${round(Math.min(left, 1000 - width))}" y="0" width="${round(width)}" height="10"><title>${from} to ${to}</title></rect>`;
  });
  const spans = formatCounted(windows.filter(isInterval).length, 'span');
  return html`<figure><div class="plot low"><svg role="img" aria-labelledby="${id}-t" viewBox="0 0 1000 10" preserveAspectRatio="none"><title id="${id}-t">${title}</title><rect class="none" width="1000" height="10"/>${marks}</svg></div>
<div class="axis"><span>${new Date(begin).toISOString().slice(0, 10)}</span><span>now</span></div>
<figcaption>${captured ? `Any second of ${spans} of captured changes, and the times of backups.` : 'No changes are captured: only the times of backups can be reached, each a stroke.'}</figcaption>
${renderFigures({
  caption: `The newest ${Math.min(listedWindows, windows.length)} of ${windows.length} windows (UTC)`,
  columns: ['from', 'to', ...(isPublic ? [] : ['and no further, because'])],
  rows: windows
    .slice(-listedWindows)
    .toReversed()
    .map((window) => [
      window.from,
      isInterval(window) ? window.to : 'the backup alone',
      ...(isPublic ? [] : [window.gap ?? 'nothing was captured since']),
    ]),
})}</figure>`;
}
