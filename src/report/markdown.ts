import { assertNever } from '../runtime/errors.ts';
import { displayWidth } from './display-width.ts';
import { escapeHtml } from './html.ts';
import { cutInline } from './inline.ts';
import { printable, printableCode, printableLines } from './printable.ts';
import type { Column, Section, Shown, Tone } from './section.ts';

type Table = Extract<Shown, { kind: 'table' }>;

/** GitHub drops a larger job summary. */
const summaryLimitBytes = 1024 * 1024;
const truncationNote =
  '\n\n_The rest is left out: a job summary holds 1 MiB. The log of this step has all of it._\n';

/** Renders a report as GitHub-flavoured Markdown. All text of the report is data and is shown literally. */
export function renderMarkdown(report: readonly Section[]): string {
  return report.map((section) => `${renderSection(section)}\n`).join('\n');
}

/** What a terminal has colours for */
const signs: Readonly<Record<Tone, string>> = { good: '✅ ', warning: '⚠️ ', bad: '❌ ' };

function renderSection(section: Section): string {
  switch (section.kind) {
    case 'heading':
      return `### ${section.tone === undefined ? '' : signs[section.tone]}${renderLine(section.text)}`;
    case 'paragraph':
      return renderInline(String(section.text)).replace(/\n/g, '<br>\n');
    case 'table':
      return renderTable(section);
    case 'code': {
      const fence = chooseFence(section.text);
      return `${fence}${section.language}\n${printableCode(section.text).trimEnd()}\n${fence}`;
    }
    case 'details':
      return [
        `<details><summary>${escapeHtml(printable(section.title))}</summary>`,
        ...section.sections.map(renderSection),
        '</details>',
      ].join('\n\n');
    default:
      return assertNever(section);
  }
}

function renderTable(table: Table): string {
  const { columns, rows } = table;
  if (columns.some((column, index) => isKept(column, rows, index)) && isSqueezed(table)) {
    return renderHtmlTable(table);
  }
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map(({ title }) => renderLine(title))),
    line(columns.map(({ align }) => (align === 'right' ? '---:' : '---'))),
    ...rows.map((row) => line(columns.map((column, index) => renderCell(column, cellOf(row, index))))),
  ].join('\n');
}

function renderCell({ code = false }: Column, text: string): string {
  return code && text !== '' ? renderCode(text) : renderLine(text);
}

const cellOf = (row: Table['rows'][number], index: number): string => String(row[index] ?? '');

/** Letters that fit a row of a table on GitHub's page, whose column is 900 pixels wide at most */
const rowLetters = 96;
/** Longer code may break all the same */
const keptLetters = 44;

const longest = (column: Column, rows: Table['rows'], index: number): number =>
  Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(cellOf(row, index))));

function isSqueezed({ columns, rows }: Table): boolean {
  const letters = columns.map((column, index) => longest(column, rows, index) + 4);
  return letters.reduce((sum, width) => sum + width, 0) > rowLetters;
}

/** Whether a column is to be kept from breaking: GitHub breaks code, too, at hyphens and spaces. */
function isKept(column: Column, rows: Table['rows'], index: number): boolean {
  return column.code === true && longest(column, rows, index) <= keptLetters;
}

/**
 * Renders a table as HTML, in which a column can be told how wide it is: GitHub leaves that attribute in, and
 * no other that keeps code from breaking. Inside of it nothing is Markdown.
 */
function renderHtmlTable({ columns, rows }: Table): string {
  const alignOf = ({ align }: Column) => (align === 'right' ? ' align="right"' : '');
  const head = columns.map((column, index) => {
    // Letters of 8.25 pixels, and the padding of code and cell, with GitHub's larger font size.
    const width = Math.ceil(longest(column, rows, index) * 8.25) + 40;
    const kept = isKept(column, rows, index) ? ` width="${width}"` : '';
    return `<th${alignOf(column)}${kept}>${renderHtml(column.title)}</th>`;
  });
  const lines = rows.map((row) => {
    const cells = columns.map((column, index) => {
      const text = cellOf(row, index);
      const content = column.code === true && text !== '' ? renderHtmlCode(text) : renderHtml(text);
      return `<td${alignOf(column)}>${content}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return ['<table>', `<tr>${head.join('')}</tr>`, ...lines, '</table>'].join('\n');
}

function renderHtml(text: string): string {
  return cutInline(text.replace(/\r\n?/g, '\n'))
    .map((piece) => (piece.isCode ? renderHtmlCode(piece.text) : renderHtmlText(piece.text)))
    .join('');
}

const renderHtmlCode = (text: string): string => `<code>${renderHtmlText(text)}</code>`;

function renderHtmlText(text: string): string {
  return escapeHtml(printableLines(text.replace(/\r\n?/g, '\n'))).replace(/\n/g, '<br>');
}

/** Renders sentences; line breaks stay. */
function renderInline(text: string): string {
  return cutInline(text.replace(/\r\n?/g, '\n'))
    .map(({ isCode, text: piece }) => (isCode ? renderCode(piece) : escapeMarkdown(piece)))
    .join('');
}

/** Renders a text for a table cell or a heading, both of which end at a line break. */
function renderLine(text: string): string {
  return renderInline(text).replace(/\n/g, '<br>');
}

/**
 * Renders code. Between backticks all but a backtick is literal, and in a table all but a pipe; where one is,
 * or a backslash before it, the text is escaped instead.
 */
function renderCode(text: string): string {
  if (/^[^`|\\\s](?:[^`|\\\r\n]*[^`|\\\s])?$/.test(text)) return `\`${printable(text)}\``;
  return `<code>${escapeLine(text)}</code>`;
}

/** Chooses a fence longer than any run of backticks in the code: a run as long as the fence would end it. */
export function chooseFence(text: string): string {
  let longest = 2;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return '`'.repeat(longest + 1);
}

/**
 * Escapes a text for Markdown and for the HTML that Markdown may hold. Line breaks stay. Addresses do not
 * become links, whose destination the author of the text would choose.
 */
export function escapeMarkdown(text: string): string {
  return (
    printableLines(text.replace(/\r\n?/g, '\n'))
      .replace(/[\\`*_[\]|~$]/g, '\\$&')
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      // A sign at the start of a line can make it a heading, a list item or a rule.
      .replace(/^([ \t]*)([#+=-])/gm, '$1\\$2')
      .replace(/^([ \t]*\d+)([.)])(?=\s|$)/gm, '$1\\$2')
      // GitHub turns bare addresses into links, also behind a sign such as `_`.
      .replace(/(?<=https?|ftp):(?=\/\/)|(?<=www)\./gi, '\\$&')
  );
}

/** Escapes a text for a table cell, which ends at a line break. */
function escapeLine(text: string): string {
  return escapeMarkdown(text).replace(/\r\n|[\r\n]/g, '<br>');
}

/**
 * Cuts a job summary at the end of a line to the size that GitHub accepts, and adds a note that it was cut,
 * outside of what is folded.
 */
export function fitSummary(markdown: string, limitBytes = summaryLimitBytes): string {
  if (Buffer.byteLength(markdown) <= limitBytes) return markdown;
  let fence = 0;
  for (const [found] of markdown.matchAll(/^`{3,}/gm)) fence = Math.max(fence, found.length);
  const longestEnd = '\n'.length + fence + Buffer.byteLength(endOfTable + endOfDetails + truncationNote);
  const room = Buffer.from(markdown).subarray(0, Math.max(limitBytes - longestEnd, 0));
  const kept = room.subarray(0, Math.max(room.lastIndexOf('\n'), 0)).toString();
  return kept + endWhatIsOpen(kept) + truncationNote;
}

const endOfTable = '\n</table>';
const endOfDetails = '\n\n</details>';

/** Ends the code, the table and the details in which a summary was cut. In code, nothing else begins or ends. */
function endWhatIsOpen(markdown: string): string {
  let fence: string | undefined;
  let [isTable, isFolded] = [false, false];
  for (const line of markdown.split('\n')) {
    if (fence !== undefined) {
      if (line === fence) fence = undefined;
      continue;
    }
    fence = /^(`{3,})[a-z]*$/.exec(line)?.[1];
    if (line === '<table>' || line === '</table>') isTable = line === '<table>';
    if (line.startsWith('<details>') || line === '</details>') isFolded = line !== '</details>';
  }
  return [fence && `\n${fence}`, isTable && endOfTable, isFolded && endOfDetails].filter(Boolean).join('');
}
