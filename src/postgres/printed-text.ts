/*
 * A server prints expressions and queries in words of its own: `s IN ('a', 'b')` comes out in one way in the database where it was typed, in
 * another after one dump and restore, and in a third on another major. Within the details of definitions such texts stand between two
 * control characters, so that a comparison can tell what was said from how it was put.
 */

/** What a text begins with. */
export const opening = '\u0002';
const closing = '\u0003';

/** SQL for a text, marked off; null when the text is. */
export const printed = (sql: string) => `chr(2) || ${sql} || chr(3)`;

/** A detail, taken apart: `parts` has one more than `texts`, and they take turns. */
export interface SplitDetail {
  readonly parts: readonly string[];
  readonly texts: readonly string[];
}

const marked = new RegExp(`${opening}([^${closing}]*)${closing}`);

export function splitDetail(detail: string): SplitDetail {
  const pieces = detail.split(marked);
  return {
    parts: pieces.filter((_, index) => index % 2 === 0),
    texts: pieces.filter((_, index) => index % 2 === 1),
  };
}

/** A detail as people read it. */
export function withoutMarks(detail: string): string {
  return detail.replaceAll(opening, '').replaceAll(closing, '');
}

/**
 * The texts of a detail, found by the parts of another one.
 *
 * @param detail with marks, or without as of older backups
 * @returns undefined when it differs in more than its texts
 */
export function findTexts(detail: string, parts: readonly string[]): readonly string[] | undefined {
  if (detail.includes(opening)) {
    const split = splitDetail(detail);
    const same = split.parts.length === parts.length && split.parts.every((part, at) => part === parts[at]);
    return same ? split.texts : undefined;
  }
  const pattern = parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('(.*)');
  return new RegExp(`^${pattern}$`, 's').exec(detail)?.slice(1);
}

/** The other way round. */
export function joinDetail({ parts, texts }: SplitDetail): string {
  return parts
    .map((part, at) => (texts[at] === undefined ? part : `${part}${opening}${texts[at]}${closing}`))
    .join('');
}
