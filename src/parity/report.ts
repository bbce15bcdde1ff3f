import { formatCount, formatCounted, formatDuration } from '../report/quantity.ts';
import type { Section } from '../report/section.ts';
import { type Parity, type ParityGroup, parityGroups } from './compare.ts';
import { type Gathered, gatherLines, type PlacedLine, placeLines, summarizeParity } from './groups.ts';
import type { ParityLine, ParityStatus } from './line.ts';

const titles: Readonly<Record<ParityGroup, string>> = {
  tables: 'tables: rows and content',
  sequences: 'sequences',
  definitions: 'definitions',
  privileges: 'effective privileges',
  objects: 'kinds of objects',
  server: 'database, jobs and roles',
  freshness: 'newest values',
  answers: 'recorded checks',
};

/** Rows in a job summary, which GitHub shows as a whole or not at all */
const shownRows = 200;

/**
 * Describes a comparison: one sentence, the counts of each group, and every line that is not equal, those
 * first by which a role may do more, and many lines that say the same as one. Equal lines are left out,
 * because 2,000 equal tables would hide the one that differs.
 *
 * @param snapshotAt the time of the backup's snapshot, ISO 8601; undefined to leave out the ages of newest
 * values
 * @param limit the most rows of all tables together; without a limit (Infinity) every line has its own row
 */
export function describeParity(parity: Parity, snapshotAt: string | undefined, limit = shownRows): Section[] {
  const groups = parityGroups.filter((group) => parity.groups[group].length > 0);
  const lines = placeLines(parity);
  const room = new Room(limit);
  const wider = lines.filter(({ line }) => line.status === 'different' && line.wider);
  const different = lines.filter(({ line }) => line.status === 'different' && !line.wider);
  return [
    {
      kind: 'heading',
      text: parity.equal ? 'Parity: equal' : 'Parity: DIFFERENT',
      tone: parity.equal ? 'good' : 'bad',
    },
    { kind: 'paragraph', text: summarizeParity(parity) },
    describeCounts(parity, groups),
    ...describeWider(parity, room.take(wider)),
    ...describeLines('different', 'Different:', room.take(different)),
    ...describeFreshness(parity.groups.freshness, snapshotAt),
    ...describeNotes(room.take(lines.filter(({ line }) => line.status === 'equal' && line.why))),
    ...describeLines(
      'not carried',
      'Not carried, for a reason that was known:',
      room.take(lines.filter(({ line }) => line.status === 'not carried')),
    ),
    ...room.tellRest(),
  ];
}

/** Says how much differs, and the first line that does; undefined where nothing does. */
export function tellDifference(parity: Parity): string | undefined {
  const [first] = placeLines(parity).filter(({ line }) => line.status === 'different');
  if (first === undefined) return undefined;
  const { kind, what, expected, found } = first.line;
  return `${summarizeParity(parity)} The first: ${kind} ${what} is ${shorten(found)} instead of ${shorten(expected)}`;
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

/** Counts the lines that are `not carried`; empty when nothing was compared. */
export function countNotCarried(parity: Parity | undefined): number | '' {
  if (parity === undefined) return '';
  const lines = parityGroups.flatMap((group) => parity.groups[group]);
  return lines.filter(({ status }) => status === 'not carried').length;
}

/** The rows that a report still has room for. Without a limit, lines are not gathered. */
class Room {
  #left: number;
  #omitted = 0;
  readonly #fold: boolean;

  constructor(limit: number) {
    this.#left = limit;
    this.#fold = Number.isFinite(limit);
  }

  take(lines: readonly PlacedLine[]): readonly Gathered[] {
    const rows = gatherLines(lines, this.#fold);
    const taken = rows.slice(0, this.#left);
    this.#left -= taken.length;
    for (const { count } of rows.slice(taken.length)) this.#omitted += count;
    return taken;
  }

  tellRest(): Section[] {
    if (this.#omitted === 0) return [];
    const text = `And ${formatCounted(this.#omitted, 'more line')}: parity.md and parity.json have all lines, if the input report-folder is set.`;
    return [{ kind: 'paragraph', text }];
  }
}

export function countByStatus(lines: readonly ParityLine[]): Readonly<Record<ParityStatus, number>> {
  const counts = { equal: 0, different: 0, 'not carried': 0 };
  for (const line of lines) counts[line.status]++;
  return counts;
}

function describeCounts(parity: Parity, groups: readonly ParityGroup[]): Section {
  return {
    kind: 'table',
    columns: [
      { title: 'compared' },
      { title: 'equal', align: 'right' },
      { title: 'different', align: 'right' },
      { title: 'not carried', align: 'right' },
    ],
    rows: groups.map((group) => {
      const counts = countByStatus(parity.groups[group]);
      return [titles[group], ...Object.values(counts).map((count) => formatCount(count))];
    }),
  };
}

function describeWider(parity: Parity, lines: readonly Gathered[]): Section[] {
  if (lines.length === 0) return [];
  const reach = parity.reach.flatMap(({ grantee, tables, definers }) => {
    const parts = [
      ...(tables.found > tables.expected
        ? [`can reach ${formatCounted(tables.found, 'table')}, ${formatCount(tables.expected)} in the source`]
        : []),
      ...(definers.found > definers.expected
        ? [
            `may execute ${formatCounted(definers.found, 'SECURITY DEFINER function')}, ${formatCount(definers.expected)} in the source`,
          ]
        : []),
    ];
    return parts.length === 0 ? [] : [`${grantee} ${parts.join('; ')}`];
  });
  return [
    { kind: 'heading', text: 'Reachable now, and not in the source' },
    ...reach.map((text): Section => ({ kind: 'paragraph', text: `${text}.` })),
    tabulate('may do more', lines),
  ];
}

function describeLines(title: string, introduction: string, lines: readonly Gathered[]): Section[] {
  if (lines.length === 0) return [];
  return [{ kind: 'paragraph', text: introduction }, tabulate(title, lines)];
}

function tabulate(title: string, lines: readonly Gathered[]): Section {
  const explained = lines.some(({ why }) => why !== undefined);
  return {
    kind: 'table',
    columns: [
      { title },
      { title: 'in the backup' },
      { title: 'in the target' },
      ...(explained ? [{ title: 'why' }] : []),
    ],
    rows: lines.map((line) => {
      const [expected, found] = excerpt(line.expected, line.found);
      return [line.name, expected, found, ...(explained ? [line.why ?? ''] : [])];
    }),
  };
}

/** Characters of a text that a table shows */
const shownText = 240;
/** Characters that are kept before the first difference */
const lead = 40;

/** Cuts two long texts to the part in which they begin to differ. */
function excerpt(one: string, other: string): [string, string] {
  let same = 0;
  while (same < Math.min(one.length, other.length) && one[same] === other[same]) same++;
  const start = Math.max(one.length, other.length) <= shownText ? 0 : Math.max(0, same - lead);
  const cut = (text: string) => {
    const part = text.slice(start, start + shownText);
    return `${start > 0 ? '…' : ''}${part}${start + shownText < text.length ? '…' : ''}`;
  };
  return [cut(one), cut(other)];
}

/** Describes lines that count as equal and have a note. */
function describeNotes(lines: readonly Gathered[]): Section[] {
  if (lines.length === 0) return [];
  return [
    { kind: 'paragraph', text: 'Equal, and yet to be known:' },
    {
      kind: 'table',
      columns: [{ title: 'what' }, { title: 'why' }],
      rows: lines.map(({ name, why }) => [name, why ?? '']),
    },
  ];
}

function describeFreshness(lines: readonly ParityLine[], snapshotAt: string | undefined): Section[] {
  if (lines.length === 0) return [];
  return [
    { kind: 'paragraph', text: 'Freshness:' },
    {
      kind: 'table',
      columns: [
        { title: 'column' },
        { title: 'newest in the backup' },
        { title: 'age at the time of the backup', align: 'right' },
        { title: 'newest in the target' },
      ],
      rows: lines.map((line) => {
        const age = ageAt(line.expected, snapshotAt);
        return [line.what, line.expected, age === undefined ? '' : describeAge(age), line.found];
      }),
    },
  ];
}

/** Describes an age, which is negative when the newest value lies in the future. */
function describeAge(milliseconds: number): string {
  return milliseconds < 0 ? `${formatDuration(-milliseconds)} ahead` : formatDuration(milliseconds);
}

/**
 * Computes the age of a newest value at the time of the snapshot.
 *
 * @returns milliseconds; undefined when the value is no time in UTC or the snapshot's time is not known
 */
export function ageAt(newest: string, snapshotAt: string | undefined): number | undefined {
  if (snapshotAt === undefined) return undefined;
  const time = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d(?:\.\d+)?))?(?:\+00(?::00)?|Z)?$/.exec(newest);
  if (!time) return undefined;
  return Date.parse(snapshotAt) - Date.parse(`${time[1]}T${time[2] ?? '00:00:00'}Z`);
}
