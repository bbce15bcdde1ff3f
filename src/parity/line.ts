import { createHash } from 'node:crypto';
import type { RowDigest } from '../postgres/wire/row-digest.ts';
import type { SequenceFact, TableEntry } from '../format/manifest.ts';
import type { TargetKind } from '../supabase/target-kind.ts';
import type { NotCarried } from '../restorer/omission.ts';
import type { TableChanges } from '../restorer/replay/tally.ts';
import type { RestoreSelection } from '../restorer/archive/selection.ts';

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
  /** Set where somebody may do more than in the source */
  readonly wider?: true;
}

/** What was restored, and what was not. */
export interface ParityScope {
  readonly tables: readonly TableEntry[];
  /** False where only chosen relations were restored: what is said of others is not compared. */
  readonly whole: boolean;
  /** What was sent, by the table's oid in the source; undefined: rows are counted and their content is not read back. */
  readonly sent: ReadonlyMap<number, RowDigest> | undefined;
  /** Why the content of a table cannot be compared with what was sent, only its rows counted; by the table's oid in the source */
  readonly countOnly?: ReadonlyMap<number, string>;
  readonly selection: RestoreSelection;
  readonly kind: TargetKind;
  /** Names of the target's schemas that are the platform's own */
  readonly managed: ReadonlySet<string>;
  readonly notCarried: readonly NotCarried[];
  /** What the target holds beyond the backup; undefined: nothing */
  readonly advanced?: Advance | undefined;
}

/** How a restored database was brought to a point in time after its backup. */
export interface Advance {
  /** Tables that were changed, by oid in the source: their content is no longer what was sent. */
  readonly tables: ReadonlyMap<number, TableChanges>;
  /** Values that sequences were set to */
  readonly sequences: readonly SequenceFact[];
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
