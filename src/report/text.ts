import { assertNever } from '../runtime/errors.ts';
import { displayWidth } from './display-width.ts';
import { printable, printableCode, printableLines } from './printable.ts';
import type { Cell, Column, Section } from './section.ts';

const gap = '  ';

/** Renders a report for a terminal or a log. Nothing is cut: a table may be wider than the screen. */
export function renderText(report: readonly Section[]): string {
  return report.map((section) => `${renderSection(section)}\n`).join('\n');
}

function renderSection(section: Section): string {
  switch (section.kind) {
    case 'heading': {
      const text = printable(section.text);
      return `${text}\n${'='.repeat(displayWidth(text))}`;
    }
    case 'paragraph':
      return printableLines(String(section.text));
    case 'code':
      return printableCode(section.text);
    case 'table':
      return renderTable(section.columns, section.rows);
    default:
      return assertNever(section);
  }
}

function renderTable(columns: readonly Column[], rows: readonly (readonly Cell[])[]): string {
  const titles = columns.map((column) => printable(column.title));
  const cells = rows.map((row) => columns.map((_, index) => printable(String(row[index] ?? ''))));
  const widths = columns.map((_, index) =>
    [titles, ...cells].reduce((widest, line) => Math.max(widest, displayWidth(line[index] ?? '')), 0),
  );

  const renderLine = (line: readonly string[]): string =>
    line
      .map((cell, index) => {
        const padding = ' '.repeat((widths[index] ?? 0) - displayWidth(cell));
        return columns[index]?.align === 'right' ? padding + cell : cell + padding;
      })
      .join(gap)
      .trimEnd();

  return [
    renderLine(titles),
    widths.map((width) => '-'.repeat(width)).join(gap),
    ...cells.map(renderLine),
  ].join('\n');
}
