import { html, Markup, prose } from '../../../report/html.ts';

export type Cell = Markup | string;

export interface Figures {
  /** Says what the table is of to whoever hears it */
  readonly caption: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Indexes of columns that are numbers, and are aligned right */
  readonly numbers?: readonly number[];
}

/** Renders a table below its caption. */
export function renderTable(figures: Figures): Markup {
  return html`<p class="caption" aria-hidden="true">${figures.caption}</p>
${renderScroll(figures)}`;
}

/** A table scrolls by itself where it is too large, also by keyboard. */
function renderScroll({ caption, columns, rows, numbers = [] }: Figures): Markup {
  const classOf = (index: number) => (numbers.includes(index) ? new Markup(' class="number"') : undefined);
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${caption}"><table>
<thead><tr>${columns.map((column, index) => html`<th scope="col"${classOf(index)}>${column}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell, index) => html`<td${classOf(index)}>${cell}</td>`)}</tr>\n`)}</tbody></table></div>`;
}

/** The figures of a chart, for whoever cannot see it, and for whoever wants to know exactly */
export function renderFigures(figures: Figures): Markup {
  return html`<details><summary>Figures: ${figures.caption}</summary>${renderScroll(figures)}</details>`;
}

export function renderPart(
  id: string,
  title: string,
  body: Markup,
  width: 'narrow' | 'wide' = 'narrow',
): Markup {
  return html`<section class="part${width === 'wide' ? ' wide' : ''}"><h3 id="${id}">${title}</h3>
${body}
</section>`;
}

/** What is said where nothing is known; never 0. */
export function renderUnmeasured(why: string): Markup {
  return html`<p class="quiet"><strong>Not measured:</strong> ${prose(why)}</p>`;
}
