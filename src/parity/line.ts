import { createHash } from 'node:crypto';
import type { Omission } from './scope.ts';

/**
 * `equal`: as in the backup. `different`: not so, and nothing that was known before explains it: the answer is no.
 * `not carried`: not so, for the reason that stands beside it.
 */
export type ParityStatus = 'equal' | 'different' | 'not carried';

/** One line of the comparison of a restored database with what the backup says of its source. */
export interface ParityLine {
  /** `table`, `policy`, `function`, …, in the singular */
  readonly kind: string;
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly status: ParityStatus;
  /** Why it is not carried, or what else there is to know */
  readonly why?: string;
  /** What the restore left out that explains the difference */
  readonly because?: readonly Omission[];
  /** Set where somebody may do more than in the source */
  readonly wider?: true;
}

export const absent = 'nothing';

/** Keys and passwords that stand in definitions */
const secrets: readonly (readonly [RegExp, string])[] = [
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, 'eyJ…'],
  [/\bsb_secret_[\w-]+/g, 'sb_secret_…'],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, '$1 …'],
  [/(:\/\/[^\s:/@]+):[^\s@/]+@/g, '$1:…@'],
];

/** For a report that others may read: definitions, without what is a secret in them. */
export function conceal(text: string): string {
  return secrets.reduce(
    (shown, [pattern, instead]) => shown.replace(pattern, instead),
    withoutArguments(text),
  );
}

/**
 * The arguments of a webhook's trigger hold a whole request, with its headers. Names are written by others: their quotes are counted, and
 * tried in no other way.
 */
function withoutArguments(text: string): string {
  const start = text.search(/EXECUTE (?:FUNCTION|PROCEDURE) /);
  if (start < 0) return text;
  let open = start;
  for (let isQuoted = false; open < text.length && (isQuoted || text[open] !== '('); open++) {
    if (text[open] === '"') isQuoted = !isQuoted;
  }
  const close = text.lastIndexOf(')');
  return close > open + 1 ? `${text.slice(0, open + 1)}…${text.slice(close)}` : text;
}

/** Stands for a text that is not shown, so that one can see whether two are the same. */
export function digestOf(text: string): string {
  return `SHA-256 ${createHash('sha256').update(text).digest('hex').slice(0, 12)}…`;
}
