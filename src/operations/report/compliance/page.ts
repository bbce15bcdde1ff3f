import { html, type Markup } from '../../../report/html.ts';
import type { Column, Section } from '../../../report/section.ts';
import { assertNever } from '../../../runtime/errors.ts';
import { renderPage } from '../dashboard/page.ts';

/** Renders sections as a page without a script, in the frame of the dashboard. */
export function renderSections(title: string, sections: readonly Section[]): string {
  const body = html`<header><h1>${title}</h1></header>
<main id="main" tabindex="-1">
${sections.map((section, index) => html`${renderSection(section, headingOf(sections, index) ?? title)}\n`)}</main>`;
  return renderPage({ title, body, data: undefined });
}

/** The heading that a section stands below */
function headingOf(sections: readonly Section[], index: number): string | undefined {
  const heading = sections.slice(0, index).findLast(({ kind }) => kind === 'heading');
  return heading?.kind === 'heading' ? heading.text : undefined;
}

/** @param heading that it stands below */
function renderSection(section: Section, heading: string): Markup {
  switch (section.kind) {
    case 'heading':
      return html`<h2>${section.text}</h2>`;
    case 'paragraph':
      return html`<p>${renderLines(String(section.text))}</p>`;
    case 'code':
      return html`<pre><code>${section.text.split('\n').map((line) => html`${line}\n`)}</code></pre>`;
    case 'table':
      return renderTable(section, heading);
    case 'details':
      // Evidence is printed: nothing of it is folded before somebody folds it.
      return html`<details open><summary>${section.title}</summary>
${section.sections.map((part) => html`${renderSection(part, heading)}\n`)}</details>`;
    default:
      return assertNever(section);
  }
}

/** A wide table scrolls by itself, also with the keyboard. */
function renderTable({ columns, rows }: Extract<Section, { kind: 'table' }>, heading: string): Markup {
  const label = `${heading}: ${columns.map(({ title }) => title).join(', ')}`;
  const classOf = (index: number, text = '') => {
    if (columns[index]?.align === 'right') return html` class="number"`;
    return text.split('\n').some(isLong) ? html` class="long"` : undefined;
  };
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="evidence">
<thead><tr>${columns.map(({ title }, index) => html`<th scope="col"${classOf(index)}>${title}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${columns.map((_, index) => renderCell(columns[index], String(row[index] ?? ''), classOf(index, String(row[index] ?? ''))))}</tr>\n`)}</tbody></table></div>`;
}

function renderCell(column: Column | undefined, text: string, classes: Markup | undefined): Markup {
  const lines = renderLines(text);
  return html`<td${classes}>${column?.code && text !== '' ? html`<code>${lines}</code>` : lines}</td>`;
}

/** Characters of a text that a narrow column takes well */
const longestShort = 48;

/** Shorter words than these need not be kept in one piece: they break only where a column is narrower still. */
const longestBroken = 20;

/** A sentence, for which a narrow column would be a tower of words */
function isLong(line: string): boolean {
  return line.length > longestShort && line.includes(' ');
}

/** Keeps ids, keys and addresses in one piece, so that they can be read off and searched for. */
function renderLines(text: string): Markup[] {
  return text.split(/\r\n?|\n/).map((line, index) => {
    const isWord = line.length > longestBroken && !line.includes(' ');
    return html`${index === 0 ? undefined : html`<br>`}${isWord ? html`<span class="key">${line}</span>` : line}`;
  });
}
