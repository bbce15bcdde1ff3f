/*
 * A server prints expressions and queries in its own form: `s IN ('a', 'b')` comes out in one form in the
 * database where it was typed, in another after a dump and restore, and in a third on another major version.
 * In the details of definitions two control characters enclose such texts, so that a comparison can tell
 * meaning from form.
 */

/** The mark before a printed text. */
export const opening = '\u0002';
const closing = '\u0003';

/** The escape character, and the code behind it for each of the three special characters. */
const shift = '\u0010';
const codes: Readonly<Record<string, string>> = { [shift]: '0', [opening]: '2', [closing]: '3' };
const characters = new Map(Object.entries(codes).map(([character, code]) => [code, character]));

/** SQL for a text in which the special characters are escaped. */
export const escaped = (sql: string) =>
  `replace(replace(replace(${sql}, chr(16), chr(16) || '0'), chr(2), chr(16) || '2'), chr(3), chr(16) || '3')`;

/** SQL for a text enclosed in marks; null for null. */
export const printed = (sql: string) => `chr(2) || ${escaped(sql)} || chr(3)`;

const escapes = new RegExp(`${shift}([023])`, 'g');
const special = new RegExp(`[${shift}${opening}${closing}]`, 'g');

/** Undoes `escaped`. */
export function unescapeText(text: string): string {
  return text.replaceAll(escapes, (_, code: string) => characters.get(code) ?? '');
}

/** A detail split at its marks: `parts` and `texts` alternate, and `parts` has one element more. */
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

/** A detail for people, without marks. */
export function withoutMarks(detail: string): string {
  return unescapeText(detail.replaceAll(allMarked, '$1'));
}

/**
 * Finds the printed texts of a detail by the parts of another one.
 *
 * @param detail with marks, or without, as older backups have it
 * @returns undefined when the details differ outside of their texts
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

/** The inverse of `splitDetail`. */
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
