import { assertNever } from '../runtime/errors.ts';
import { printableCode, printableLines } from './printable.ts';
import type { Section } from './section.ts';

/** GitHub drops a larger job summary. */
const summaryLimitBytes = 1024 * 1024;
const truncationNote =
  '\n\n_The rest is left out: a job summary holds 1 MiB. The log of this step has all of it._\n';

/** Renders a report as GitHub-flavoured Markdown. All text of the report is data and is shown literally. */
export function renderMarkdown(report: readonly Section[]): string {
  return report.map((section) => `${renderSection(section)}\n`).join('\n');
}

function renderSection(section: Section): string {
  switch (section.kind) {
    case 'heading':
      return `### ${escapeLine(section.text)}`;
    case 'paragraph':
      return escapeMarkdown(String(section.text)).replace(/\n/g, '<br>\n');
    case 'table': {
      const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
      return [
        line(section.columns.map((column) => escapeLine(column.title))),
        line(section.columns.map((column) => (column.align === 'right' ? '---:' : '---'))),
        ...section.rows.map((row) =>
          line(section.columns.map((_, index) => escapeLine(String(row[index] ?? '')))),
        ),
      ].join('\n');
    }
    case 'code': {
      const fence = chooseFence(section.text);
      return `${fence}${section.language}\n${printableCode(section.text).trimEnd()}\n${fence}`;
    }
    default:
      return assertNever(section);
  }
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
      // GitHub turns bare addresses into links.
      .replace(/(?<=https?|ftp):(?=\/\/)|(?<=\bwww)\./gi, '\\$&')
  );
}

/** Escapes a text for a table cell or a heading, both of which end at a line break. */
function escapeLine(text: string): string {
  return escapeMarkdown(text).replace(/\r\n|[\r\n]/g, '<br>');
}

/**
 * Cuts a job summary at the end of a line to the size that GitHub accepts, and adds a note that it was cut.
 */
export function fitSummary(markdown: string, limitBytes = summaryLimitBytes): string {
  if (Buffer.byteLength(markdown) <= limitBytes) return markdown;
  const room = limitBytes - Buffer.byteLength(truncationNote);
  const end = Buffer.from(markdown).subarray(0, room).lastIndexOf('\n');
  return Buffer.from(markdown).subarray(0, Math.max(end, 0)).toString() + truncationNote;
}
