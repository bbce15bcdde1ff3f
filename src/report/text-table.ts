import { displayWidth } from './display-width.ts';
import { printable } from './printable.ts';
import type { Column, Shown, Tone } from './section.ts';
import { longestWord, wrap } from './wrap.ts';

type Table = Extract<Shown, { kind: 'table' }>;
type Paint = (text: string, tone: Tone | undefined) => string;

const gap = '  ';
/** Columns of a wrapped column that a reader still takes in well */
const narrowest = 22;
/** Columns of the rule below a title, where no screen says how wide it is */
const longestRule = 60;
/** How far what does not fit beside the first cells of a row is indented below them */
const indent = '    ';

/** A table whose cells are printable, and how wide each column is */
interface Laid {
  readonly columns: readonly Column[];
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly widths: readonly number[];
}

/**
 * Renders a table in one of three forms: each row on a line; where that is wider than the screen, with cells
 * wrapped at words; and where the columns would be towers of words, the first cells of a row on its line, and
 * the others below it, each behind its title.
 *
 * @param width of the screen in columns; may be infinite
 */
export function renderTable(table: Table, width: number, paint: Paint): string {
  const { columns, tones = [] } = table;
  const titles = columns.map(({ title }) => printable(title));
  const rows = table.rows.map((row) => columns.map((_, index) => printable(String(row[index] ?? ''))));
  const widths = columns.map((_, index) => widest([titles, ...rows], index));
  const laid = { columns, titles, rows, widths };
  const fitted = chooseWidths(laid, width);
  const lines =
    fitted === undefined
      ? rows.map((row) => renderFlowing(row, laid, width))
      : rows.map((row) => renderWrapped(row, { ...laid, widths: fitted }));
  const head = fitted === undefined ? describeLead(laid, width) : { ...laid, widths: fitted };
  return [...renderHead(head, width), ...lines.map((line, index) => paint(line, tones[index]))].join('\n');
}

function widest(lines: readonly (readonly string[])[], index: number): number {
  return lines.reduce((most, line) => Math.max(most, displayWidth(line[index] ?? '')), 0);
}

function sum(widths: readonly number[]): number {
  return widths.reduce((total, width) => total + width, gap.length * Math.max(0, widths.length - 1));
}

/** Returns the widths with which the table fits the screen; undefined when it does not. */
function chooseWidths({ columns, titles, rows, widths }: Laid, width: number): readonly number[] | undefined {
  if (sum(widths) <= width) return widths;
  const least = widths.map((natural, index) => {
    if (columns[index]?.align === 'right') return natural;
    const words = [titles, ...rows].map((line) => longestWord(line[index] ?? ''));
    return Math.min(natural, Math.max(narrowest, ...words));
  });
  if (sum(least) > width) return undefined;
  const fitted = [...widths];
  for (let surplus = sum(widths) - width; surplus > 0; surplus--) {
    const spare = fitted.map((now, index) => now - (least[index] ?? 0));
    const most = spare.indexOf(Math.max(...spare));
    fitted[most] = (fitted[most] ?? 0) - 1;
  }
  return fitted;
}

function renderLine(cells: readonly string[], { columns, widths }: Pick<Laid, 'columns' | 'widths'>): string {
  return cells
    .map((cell, index) => {
      const padding = ' '.repeat(Math.max(0, (widths[index] ?? 0) - displayWidth(cell)));
      return columns[index]?.align === 'right' ? padding + cell : cell + padding;
    })
    .join(gap)
    .trimEnd();
}

function renderHead(laid: Pick<Laid, 'columns' | 'titles' | 'widths'>, width: number): string[] {
  const { titles, widths } = laid;
  const rules = widths.map((natural, index) => {
    const isLast = index === widths.length - 1;
    const most = isLast && width === Number.POSITIVE_INFINITY ? longestRule : natural;
    return '-'.repeat(Math.min(natural, Math.max(most, displayWidth(titles[index] ?? ''))));
  });
  const wrapped = titles.map((title, index) => wrap(title, widths[index] ?? 0));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  return [
    ...Array.from({ length: height }, (_, at) =>
      renderLine(
        wrapped.map((lines) => lines[at] ?? ''),
        laid,
      ),
    ),
    rules
      .map((rule, index) => rule.padEnd(widths[index] ?? 0))
      .join(gap)
      .trimEnd(),
  ];
}

function renderWrapped(row: readonly string[], laid: Laid): string {
  const cells = row.map((cell, index) =>
    displayWidth(cell) <= (laid.widths[index] ?? 0) ? [cell] : wrap(cell, laid.widths[index] ?? 0),
  );
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, at) =>
    renderLine(
      cells.map((lines) => lines[at] ?? ''),
      laid,
    ),
  ).join('\n');
}

/** How many columns of the table stand beside each other, from the first on */
function countLead({ widths }: Laid, width: number): number {
  let count = 1;
  while (count < widths.length && sum(widths.slice(0, count + 1)) <= width) count += 1;
  return count;
}

function describeLead(laid: Laid, width: number): Pick<Laid, 'columns' | 'titles' | 'widths'> {
  const count = countLead(laid, width);
  const { columns, titles, widths } = laid;
  return {
    columns: columns.slice(0, count),
    titles: titles.slice(0, count),
    widths: widths.slice(0, count).map((natural) => Math.min(natural, width)),
  };
}

/** The first cells of a row on its line, the others below it. Empty ones are left out. */
function renderFlowing(row: readonly string[], laid: Laid, width: number): string {
  const lead = describeLead(laid, width);
  const count = lead.columns.length;
  const others = row.flatMap((cell, index) =>
    index < count || cell === '' ? [] : [`${laid.titles[index]}: ${cell}`],
  );
  const below = others.length === 0 ? [] : wrap(others.join('; '), width - indent.length);
  return [
    renderWrapped(row.slice(0, count), { ...laid, ...lead }),
    ...below.map((line) => indent + line),
  ].join('\n');
}
