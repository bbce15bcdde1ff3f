import { formatCount, formatCounted } from '../report/quantity.ts';
import { type Parity, type ParityGroup, parityGroups } from './compare.ts';
import type { ParityLine } from './line.ts';

/** A line with its group */
export interface PlacedLine {
  readonly group: ParityGroup;
  readonly line: ParityLine;
}

/** One row of a table: a line, or many lines that say the same */
export interface Gathered {
  readonly name: string;
  readonly expected: string;
  readonly found: string;
  readonly why: string | undefined;
  /** The number of lines that the row stands for */
  readonly count: number;
}

/** Groups by weight, the worst first: privileges, then rows, then definitions and the rest */
const byWeight: readonly ParityGroup[] = [
  'privileges',
  'tables',
  ...parityGroups.filter((group) => group !== 'privileges' && group !== 'tables'),
];

export function placeLines({ groups }: Parity): PlacedLine[] {
  return byWeight.flatMap((group) => groups[group].map((line) => ({ group, line })));
}

/** The most lines of one kind and one reason with rows of their own; more are gathered in one row. */
const flood = 5;
/** Names that a gathered row shows */
const shownNames = 3;

/**
 * Turns lines into rows of a table.
 *
 * @param fold false to give every line a row of its own
 */
export function gatherLines(lines: readonly PlacedLine[], fold: boolean): Gathered[] {
  const alike = Map.groupBy(lines, ({ group, line: { kind, expected, found, why } }) =>
    JSON.stringify([group, kind, why === undefined ? [expected, found] : why]),
  );
  return [...alike.values()].flatMap((some) =>
    fold && some.length > flood ? [gather(some)] : some.map(({ line }) => toRow(line)),
  );
}

function toRow({ kind, what, expected, found, why }: ParityLine): Gathered {
  // The text of a check says by itself that it is one.
  return { name: kind === 'check' ? what : `${kind} ${what}`, expected, found, why, count: 1 };
}

function gather(lines: readonly PlacedLine[]): Gathered {
  const all = lines.map(({ line }) => line);
  const [first] = all as [ParityLine];
  const names = all.slice(0, shownNames).map(({ what }) => what);
  const same = (tell: (line: ParityLine) => string) =>
    all.every((line) => tell(line) === tell(first)) ? tell(first) : 'various';
  return {
    name: `${formatCounted(all.length, first.kind, pluralOf(first.kind))}: ${names.join(', ')} and ${formatCount(all.length - names.length)} more`,
    expected: same(({ expected }) => expected),
    found: same(({ found }) => found),
    why: first.why,
    count: all.length,
  };
}

function pluralOf(kind: string): string {
  if (/(?:s|x|ch)$/.test(kind))
    return /(?:statistics|privileges|rights|members)$/.test(kind) ? kind : `${kind}es`;
  return /[^aeiou]y$/.test(kind) ? `${kind.slice(0, -1)}ies` : `${kind}s`;
}

/** The most kinds that the sentence names; the others are one number. */
const namedKinds = 8;

/** Summarizes the comparison: how many lines differ, and of which kinds, the worst first. */
export function summarizeParity(parity: Parity): string {
  const lines = placeLines(parity);
  const different = lines.filter(({ line }) => line.status === 'different');
  const notCarried = lines.filter(({ line }) => line.status === 'not carried').length;
  const rest =
    notCarried === 0
      ? ''
      : ` ${formatCount(notCarried)} ${notCarried === 1 ? 'is' : 'are'} not carried, for a reason that was known.`;
  if (different.length === 0) {
    const all = lines.length === 1 ? '1 line was' : `All ${formatCount(lines.length)} lines were`;
    return `${lines.length === 0 ? 'Nothing was' : all} compared, and none differs.${rest}`;
  }
  const kinds = Map.groupBy(different, ({ group, line }) => describeKind(group, line.kind));
  const counted = [...kinds].map(([kind, of]) => countKind(kind, of.length));
  const named = counted.slice(0, namedKinds);
  const others = different.length - sum([...kinds.values()].slice(0, namedKinds).map((of) => of.length));
  const wider = different.filter(({ line }) => line.wider).length;
  return [
    `${formatCounted(different.length, 'line differs', 'lines differ')}: `,
    [...named, ...(others > 0 ? [`${formatCounted(others, 'other')}`] : [])].join(', '),
    wider === 0
      ? ''
      : `; ${formatCount(wider)} of them ${wider === 1 ? 'lets' : 'let'} somebody do more than in the source`,
    `.${rest}`,
  ].join('');
}

/** Names the kind of a line for the summary; all privileges are one kind, whatever their objects. */
function describeKind(group: ParityGroup, kind: string): string {
  if (group === 'privileges') return 'privilege';
  return group === 'tables' ? rowsOf : kind;
}

const rowsOf = 'rows of a table';

function countKind(kind: string, count: number): string {
  if (kind === rowsOf) return `the rows of ${formatCounted(count, 'table')}`;
  return formatCounted(count, kind, pluralOf(kind));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
