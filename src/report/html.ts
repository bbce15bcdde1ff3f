import { assertNever } from '../runtime/errors.ts';
import { printable, printableCode, printableLines } from './printable.ts';
import type { Section } from './section.ts';

/** Renders a report as HTML without scripts. All text of the report is data and is shown literally. */
export function renderHtml(report: readonly Section[]): string {
  return report.map((section) => `${renderSection(section)}\n`).join('');
}

/** Escapes a text for the content of an element, and for an attribute in double quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

function renderSection(section: Section): string {
  switch (section.kind) {
    case 'heading':
      return `<h2>${escapeHtml(printable(section.text))}</h2>`;
    case 'paragraph':
      return `<p>${renderLines(section.text)}</p>`;
    case 'code':
      return `<pre><code>${escapeHtml(printableCode(section.text).trimEnd())}</code></pre>`;
    case 'table':
      return renderTable(section);
    default:
      return assertNever(section);
  }
}

/** A wide table scrolls by itself, also with the keyboard. */
function renderTable({ columns, rows }: Extract<Section, { kind: 'table' }>): string {
  const numeric = columns.map(({ align }) => (align === 'right' ? ' class="number"' : ''));
  const head = columns.map(
    ({ title }, index) => `<th scope="col"${numeric[index]}>${renderLines(title)}</th>`,
  );
  const body = rows.map((row) => {
    const cells = columns.map((_, index) => `<td${numeric[index]}>${renderLines(row[index] ?? '')}</td>`);
    return `<tr>${cells.join('')}</tr>`;
  });
  const label = columns.map(({ title }) => title).filter((title) => title !== '');
  return [
    `<div class="table" role="region" tabindex="0" aria-label="${escapeHtml(printable(`Table: ${label.join(', ')}`))}">`,
    `<table><thead><tr>${head.join('')}</tr></thead>`,
    `<tbody>${body.join('\n')}</tbody></table></div>`,
  ].join('\n');
}

function renderLines(text: string): string {
  return escapeHtml(printableLines(text.replace(/\r\n?/g, '\n'))).replace(/\n/g, '<br>');
}
