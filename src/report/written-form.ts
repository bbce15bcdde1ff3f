/** One notation of a text, as patterns of its parts in order */
export interface Writing {
  readonly parts: readonly string[];
  /** A pattern for text that may stand between two parts */
  readonly between: string;
  readonly ignoresCase: boolean;
  /** Patterns before the first part and behind the last */
  readonly edges?: readonly [before: string, behind: string];
}

/** Parts in the pattern that is tried first: enough to reject nearly every text */
const startLength = 8;
/**
 * Parts in one compiled pattern: a larger one takes seconds to compile or fails, and some tokens have several
 * thousand letters.
 */
const groupLength = 128;

/**
 * Finds one notation of a secret in texts. The whole pattern is compiled once a text matches its beginning,
 * which few texts do.
 */
export class Form {
  readonly #writing: Writing;
  readonly #start: RegExp;
  #groups: readonly [first: RegExp, ...rest: RegExp[]] | undefined;

  constructor(writing: Writing) {
    this.#writing = writing;
    const { parts, between, edges = ['', ''] } = writing;
    // The edge behind the last part is left out: this test may match too much, but misses nothing.
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

/**
 * Matches the groups one after another from an index on; returns the end of the last, or undefined where one
 * does not match.
 */
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
 * Returns the indexes at which the pattern is cut into groups: between two letters or digits, at the first
 * such place once a group has its length. Other characters may be doubled, and u and x begin the number of an
 * escaped character: a group that ends in one could match too much or too little for the next group.
 */
function findCuts(parts: readonly string[]): number[] {
  const cuts: number[] = [];
  for (let at = groupLength; at < parts.length; at++) {
    const isDue = at - (cuts.at(-1) ?? 0) >= groupLength;
    if (isDue && isPlain(parts[at - 1]) && isPlain(parts[at])) cuts.push(at);
  }
  return cuts;
}

/** Tells whether a part matches a plain letter or digit. */
const isPlain = (part = ''): boolean =>
  /(?:^|\|)[A-TVWYZa-tvwyz0-9]\)?$|^(?:\[[a-f][A-F]\]|\d){2}$/.test(part);
