import { assertNever } from '../runtime/errors.ts';
import { displayWidth } from './display-width.ts';
import { printable, printableCode, printableLines } from './printable.ts';
import type { Section, Tone } from './section.ts';
import { renderTable } from './text-table.ts';
import { wrapLines } from './wrap.ts';

/** The screen on which a report is shown. */
export interface Screen {
  /** Columns; undefined for a file or a pipe, where lines are as long as what they hold */
  readonly width?: number | undefined;
  /** Colours a text by its tone */
  readonly paint?: (text: string, tone: Tone | undefined) => string;
}

/**
 * Renders a report for a terminal or a log. Nothing is cut: without a width, a table may be wider than the
 * screen; with one, it is made narrower, or shown in another form.
 */
export function renderText(
  report: readonly Section[],
  { width = Number.POSITIVE_INFINITY, paint = (text) => text }: Screen = {},
): string {
  return report.map((section) => `${renderSection(section, width, paint)}\n`).join('\n');
}

function renderSection(section: Section, width: number, paint: NonNullable<Screen['paint']>): string {
  switch (section.kind) {
    case 'heading': {
      const text = wrapLines(printable(section.text), width);
      const rule = Math.max(...text.split('\n').map(displayWidth));
      return `${paint(text, section.tone)}\n${'='.repeat(rule)}`;
    }
    case 'paragraph':
      return paint(wrapLines(printableLines(String(section.text)), width), section.tone);
    case 'code':
      return printableCode(section.text);
    case 'table':
      return renderTable(section, width, paint);
    case 'details': {
      const title = wrapLines(printable(section.title), width);
      const parts = section.sections.map((part) => renderSection(part, width, paint));
      return [title, ...parts].join('\n\n');
    }
    default:
      return assertNever(section);
  }
}
