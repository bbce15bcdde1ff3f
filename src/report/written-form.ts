/** One way to write a text, part by part, as patterns. */
export interface Writing {
  readonly parts: readonly string[];
  /** What may stand between two parts */
  readonly between: string;
  readonly ignoresCase: boolean;
  /** Before the first part and behind the last */
  readonly edges?: readonly [before: string, behind: string];
}

/** So many parts tell soon enough that a text is not there. */
const startLength = 8;
/** Of larger patterns the engine makes programs that take seconds, or none at all: some tokens have several thousand letters. */
const groupLength = 128;

/**
 * A way in which a secret may be written, found in a text. Its pattern is made when a text has its beginning, which hardly one has.
 */
export class Form {
  readonly #writing: Writing;
  readonly #start: RegExp;
  #groups: readonly [first: RegExp, ...rest: RegExp[]] | undefined;

  constructor(writing: Writing) {
    this.#writing = writing;
    const { parts, between, edges = ['', ''] } = writing;
    // The end of a short one may be all that tells it apart.
    this.#start = this.#compile(edges[0] + parts.slice(0, startLength).join(between), '');
  }

  replaceIn(text: string, mask: string): string {
    if (!this.#start.test(text)) return text;
    this.#groups ??= this.#compileGroups();
    const [first, ...rest] = this.#groups;
    let shown = '';
    let from = 0;
    first.lastIndex = 0;
    for (let found = first.exec(text); found !== null; found = first.exec(text)) {
      const end = endOf(rest, text, first.lastIndex);
      if (end === undefined) {
        first.lastIndex = found.index + 1;
        continue;
      }
      shown += text.slice(from, found.index) + mask;
      from = end;
      first.lastIndex = end;
    }
    return shown + text.slice(from);
  }

  #compileGroups(): readonly [RegExp, ...RegExp[]] {
    const { parts, between, edges: [before, behind] = ['', ''] } = this.#writing;
    const cuts = findCuts(parts);
    const pattern = (from: number, to: number) => {
      const joint = from === 0 ? before : between;
      return joint + parts.slice(from, to).join(between) + (to === parts.length ? behind : '');
    };
    const ends = [...cuts, parts.length];
    return [
      this.#compile(pattern(0, ends[0] ?? 0), 'g'),
      ...ends.slice(1).map((to, index) => this.#compile(pattern(ends[index] ?? 0, to), 'y')),
    ];
  }

  #compile(pattern: string, flags: string): RegExp {
    return new RegExp(pattern, this.#writing.ignoresCase ? `${flags}i` : flags);
  }
}

/** Where the groups behind the first end that follow each other from a place on; undefined where one is missing */
function endOf(groups: readonly RegExp[], text: string, from: number): number | undefined {
  let at = from;
  for (const group of groups) {
    group.lastIndex = at;
    if (!group.test(text)) return undefined;
    at = group.lastIndex;
  }
  return at;
}

/**
 * Where the pattern is cut: between two letters or digits, as near to the length of a group as there are two. Another sign may be doubled, and u and
 * x begin the number of a sign: what ends a group could take what the next one needs, or leave it something.
 */
function findCuts(parts: readonly string[]): number[] {
  const cuts: number[] = [];
  for (let at = groupLength; at < parts.length; at++) {
    const isDue = at - (cuts.at(-1) ?? 0) >= groupLength;
    if (isDue && isPlain(parts[at - 1]) && isPlain(parts[at])) cuts.push(at);
  }
  return cuts;
}

/** Whether a part stands for a letter or a digit */
const isPlain = (part = ''): boolean =>
  /(?:^|\|)[A-TVWYZa-tvwyz0-9]\)?$|^(?:\[[a-f][A-F]\]|\d){2}$/.test(part);
