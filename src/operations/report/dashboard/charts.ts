import { html, type Markup } from '../../../report/html.ts';
import { type DayValue, formatDay } from './days.ts';
import { renderFigures } from './tables.ts';

/*
 * Charts as SVG of our own. The picture has shapes alone, so that it may be stretched; words stand in HTML
 * beside it, and the figures in a table below.
 */

export interface DayChart {
  /** Unique in the page */
  readonly id: string;
  readonly title: string;
  /** What the chart shows, in a sentence */
  readonly sentence: string;
  /** At least one, by day */
  readonly values: readonly DayValue[];
  /** The last day of the axis */
  readonly today: number;
  /** The days of the axis at least; more where values are older */
  readonly span: number;
  readonly format: (value: number) => string;
  /** What the values are called in the table */
  readonly column: string;
}

const height = 100;

/** Draws a bar for each day with a value; a day without one stays empty, because nothing is not 0. */
export function renderDayChart(chart: DayChart): Markup {
  const { id, title, sentence, values, today, format, column } = chart;
  const first = Math.min(values[0]?.day ?? today, today - chart.span + 1);
  const days = today - first + 1;
  const most = Math.max(...values.map(({ value }) => value), 0);
  const rise = (value: number) => (most === 0 ? 0 : Math.max(0.8, (value / most) * (height - 4)));
  const bars = values.map(({ day, value }) => {
    const [x, tall] = [day - first, rise(value)];
    return html`<rect class="bar" x="${round(x + 0.1)}" width="0.8" y="${round(height - tall)}" height="${round(tall)}"><title>${formatDay(day)}: ${format(value)}</title></rect>`;
  });
  return html`<figure>
<div class="axis"><span>${format(most)}</span></div>
<div class="plot"><svg role="img" aria-labelledby="${id}" viewBox="0 0 ${days} ${height}" preserveAspectRatio="none"><title id="${id}">${title}</title>
${bars}<line class="base" x1="0" x2="${days}" y1="${height}" y2="${height}"/></svg></div>
<div class="axis"><span>${formatDay(first)}</span><span>${formatDay(today)}</span></div>
<figcaption>${sentence}</figcaption>
${renderFigures({
  caption: title,
  columns: ['day (UTC)', column],
  rows: values.toReversed().map(({ day, value }) => [formatDay(day), format(value)]),
})}
</figure>`;
}

export interface Share {
  readonly label: string;
  readonly value: number;
}

/** Draws parts of a whole as one bar, each with its word in the legend. */
export function renderShares(
  id: string,
  title: string,
  shares: readonly Share[],
  format: (value: number) => string,
): Markup {
  const whole = shares.reduce((sum, { value }) => sum + value, 0);
  let at = 0;
  const parts = shares.map(({ label, value }, index) => {
    const width = whole === 0 ? 0 : (value / whole) * 1000;
    const part = html`<rect class="${barClass(index)}" x="${round(at)}" y="0" width="${round(width)}" height="10"><title>${label}: ${format(value)}</title></rect>`;
    at += width;
    return part;
  });
  return html`<figure>
<div class="plot low"><svg role="img" aria-labelledby="${id}" viewBox="0 0 1000 10" preserveAspectRatio="none"><title id="${id}">${title}</title>${parts}</svg></div>
<ul class="legend">${shares.map(({ label, value }, index) => html`<li>${swatch(barClass(index))}${label} ${format(value)}</li>`)}</ul>
</figure>`;
}

function barClass(index: number): string {
  return index === 0 ? 'bar' : `bar-${index + 1}`;
}

/** A square in the colour of a class, for legends */
export function swatch(colour: string): Markup {
  return html`<svg aria-hidden="true" viewBox="0 0 10 10"><rect class="${colour}" width="10" height="10" rx="1"/></svg>`;
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
