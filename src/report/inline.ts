/*
 * The parts of a sentence that are code. Sentences of reports put what is typed between backticks. What must
 * neither break nor become a link is found by its shape, as GitHub finds addresses, so that no report and no
 * message has to mark it: ids, points in time, and addresses of storages and servers.
 */

/** A piece of a text: code, or words */
export interface Piece {
  readonly isCode: boolean;
  readonly text: string;
}

// All repetitions are bounded: a long text without spaces is no reason to search it again from each letter.
const shapes = [
  // With the path that it is in, and what stands behind it: backups/20261120T021700Z-7f3a.json
  String.raw`[\w./-]{0,120}\b\d{8}T\d{6}Z-[0-9a-f]{4,16}(?:[\w/-]|\.\w){0,80}`,
  String.raw`\b\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?Z| \d\d:\d\d(?::\d\d)?Z?(?: UTC(?:[+-]\d{1,2})?)?)`,
  String.raw`\b[a-z][a-z0-9+.-]{1,15}:\/\/[^\s${'`'}|<>"']{0,2000}[^\s${'`'}|<>"'.,;:!?)\]]`,
  String.raw`\bwww\.[\w.-]{1,255}\b`,
  String.raw`[\w.%+-]{1,64}@[\w.:\[\]-]{1,255}(?:\/[\w.%-]{1,64})?(?<![.,;:])`,
];
const typed = String.raw`(?<![^\s(])${'`'}([^${'`'}\n]{1,300})${'`'}`;
const pattern = new RegExp(`${typed}|(${shapes.join('|')})`, 'g');

/** Cuts a text into words and code; joined again, the pieces are the text without its backticks around code. */
export function cutInline(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    if (found.index > from) pieces.push({ isCode: false, text: text.slice(from, found.index) });
    pieces.push({ isCode: true, text: found[1] ?? found[0] });
    from = found.index + found[0].length;
  }
  if (from < text.length) pieces.push({ isCode: false, text: text.slice(from) });
  return pieces;
}
