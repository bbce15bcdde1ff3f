import { assertNever } from '../runtime/errors.ts';
import { printableCode, printableLines } from './printable.ts';
import type { Section } from './section.ts';

/** GitHub drops a job summary that is larger. */
const summaryLimitBytes = 1024 * 1024;
const truncationNote =
  '\n\n_The rest is left out: a job summary holds 1 MiB. The log of this step has all of it._\n';

/** A report as GitHub-flavoured Markdown. All text of the report is data and shows as it is, whatever it holds. */
export function renderMarkdown(report: readonly Section[]): string {
  return report.map((section) => `${renderSection(section)}\n`).join('\n');
}

function renderSection(section: Section): string {
  switch (section.kind) {
    case 'heading':
      return `### ${escapeLine(section.text)}`;
    case 'paragraph':
      return escapeMarkdown(section.text).replace(/\n/g, '<br>\n');
    case 'table': {
      const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
      return [
        line(section.columns.map((column) => escapeLine(column.title))),
        line(section.columns.map((column) => (column.align === 'right' ? '---:' : '---'))),
        ...section.rows.map((row) => line(section.columns.map((_, index) => escapeLine(row[index] ?? '')))),
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

/** What a block of code begins and ends with: a fence ends at the next run of backticks that is as long. */
export function chooseFence(text: string): string {
  let longest = 2;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return '`'.repeat(longest + 1);
}

/**
 * Makes a text mean itself in Markdown and in the HTML that Markdown may hold. Line breaks stay, and addresses become
 * no links: these would lead to where somebody else wants.
 */
export function escapeMarkdown(text: string): string {
  return (
    printableLines(text.replace(/\r\n?/g, '\n'))
      .replace(/[\\`*_[\]|~$]/g, '\\$&')
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
      // What makes a heading, a list or a rule of a line stands at its start.
      .replace(/^([ \t]*)([#+=-])/gm, '$1\\$2')
      .replace(/^([ \t]*\d+)([.)])(?=\s|$)/gm, '$1\\$2')
      // GitHub makes links of these.
      .replace(/(?<=https?|ftp):(?=\/\/)|(?<=\bwww)\./gi, '\\$&')
  );
}

/** For a table cell or a heading, which end with their line. */
function escapeLine(text: string): string {
  return escapeMarkdown(text).replace(/\r\n|[\r\n]/g, '<br>');
}

/** Cuts a job summary to what GitHub accepts, after a whole line, and says so. */
export function fitSummary(markdown: string, limitBytes = summaryLimitBytes): string {
  if (Buffer.byteLength(markdown) <= limitBytes) return markdown;
  const room = limitBytes - Buffer.byteLength(truncationNote);
  const end = Buffer.from(markdown).subarray(0, room).lastIndexOf('\n');
  return Buffer.from(markdown).subarray(0, Math.max(end, 0)).toString() + truncationNote;
}
