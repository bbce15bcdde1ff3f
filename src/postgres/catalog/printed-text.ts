/*
 * A server prints expressions and queries in words of its own: `s IN ('a', 'b')` comes out in one way in the database where it was typed, in
 * another after one dump and restore, and in a third on another major. Within the details of definitions such texts stand between two
 * control characters, so that a comparison can tell what was said from how it was put.
 */

/** What a text begins with. */
export const opening = '\u0002';
const closing = '\u0003';

/** What stands before the code of one of the three characters within a text, and their codes */
const shift = '\u0010';
const codes: Readonly<Record<string, string>> = { [shift]: '0', [opening]: '2', [closing]: '3' };
const characters = new Map(Object.entries(codes).map(([character, code]) => [code, character]));

/** SQL for a text in which none of the marks can be read. */
export const escaped = (sql: string) =>
  `replace(replace(replace(${sql}, chr(16), chr(16) || '0'), chr(2), chr(16) || '2'), chr(3), chr(16) || '3')`;

/** SQL for a text, marked off; null when the text is. */
export const printed = (sql: string) => `chr(2) || ${escaped(sql)} || chr(3)`;

const escapes = new RegExp(`${shift}([023])`, 'g');
const special = new RegExp(`[${shift}${opening}${closing}]`, 'g');

/** As it was before a text could hold marks. */
export function unescapeText(text: string): string {
  return text.replaceAll(escapes, (_, code: string) => characters.get(code) ?? '');
}

/** A detail, taken apart: `parts` has one more than `texts`, and they take turns. */
export interface SplitDetail {
  readonly parts: readonly string[];
  readonly texts: readonly string[];
}

const marked = new RegExp(`${opening}([^${closing}]*)${closing}`);
const allMarked = new RegExp(marked, 'g');

export function splitDetail(detail: string): SplitDetail {
  const pieces = detail.split(marked);
  return {
    parts: pieces.filter((_, index) => index % 2 === 0),
    texts: pieces.filter((_, index) => index % 2 === 1).map(unescapeText),
  };
}

/** A detail as people read it. */
export function withoutMarks(detail: string): string {
  return unescapeText(detail.replaceAll(allMarked, '$1'));
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
    .map((part, at) =>
      texts[at] === undefined ? part : `${part}${opening}${escapeText(texts[at])}${closing}`,
    )
    .join('');
}

function escapeText(text: string): string {
  return text.replaceAll(special, (character) => `${shift}${codes[character]}`);
}
