import { createHash } from 'node:crypto';
import { unreadable } from '../postgres/catalog/large-objects.ts';
import { notReadable } from '../postgres/catalog/particulars.ts';
import { opening, withoutMarks } from '../postgres/catalog/printed-text.ts';

/** The facts that decide whether two details mean the same */
export interface Reading {
  /** Whether the backup has rows; without rows, materialized views are not populated. */
  readonly withRows: boolean;
  /** The major version of the target's server */
  readonly major: number;
}

/**
 * Tells whether two details of a kind of definition mean the same; undefined stands for a missing definition.
 */
export function areSame(
  kind: string,
  want: string | undefined,
  have: string | undefined,
  { withRows, major }: Reading,
): boolean {
  if (want === undefined || have === undefined) return false;
  const [wanted, found] = [want, digestAsBefore(have, want, major)].map((detail) =>
    withoutMarks(withRows ? detail : detail.replace(populated, '')),
  ) as [string, string];
  if (wanted === found) return true;
  if (kind === 'column order') return areInOneOrder(wanted, found);
  if (kind === 'user mapping details') return [wanted, found].includes(notReadable);
  if (kind === 'subscription details' && `${wanted} ${found}`.includes(`connection ${notReadable}`)) {
    return wanted.replace(connection, '') === found.replace(connection, '');
  }
  if (kind === 'large object' && `${wanted} ${found}`.includes(unreadable)) {
    return wanted.replace(content, '') === found.replace(content, '');
  }
  return false;
}

const populated = /; (not )?populated(?=;|$)/;
const content = /(?:^|; )(?:\d+ (?:bytes|objects); sha256 [0-9a-f]{64}|content not readable)$/;
const connection = /^connection (?:not readable|[0-9a-f]{64})/;

/** Compares the order of the columns that both sides have; other columns have lines of their own. */
function areInOneOrder(want: string, have: string): boolean {
  const [wanted, found] = [splitNames(want), splitNames(have)];
  const common = (names: readonly string[], others: readonly string[]) =>
    names.filter((name) => others.includes(name)).join();
  return common(wanted, found) === common(found, wanted);
}

function splitNames(list: string): readonly string[] {
  return list.match(/"(?:[^"]|"")*"|[^, ]+/g) ?? [];
}

/** Matches the end of a detail that an older version of the tool stored as a digest instead of the text. */
export const definitionDigest = /definition [0-9a-f]{64} of (\d+)$/;

/**
 * Rewrites a detail of the target in the form of older versions of the tool, which stored the digest of a
 * view, a rule or an SQL body. The digest can be compared only between servers of the same major version;
 * between two majors only the existence of the text is compared.
 */
function digestAsBefore(have: string, want: string, major: number): string {
  const digest = definitionDigest.exec(want);
  if (digest === null) return have;
  const start = Math.max(have.lastIndexOf(`definition ${opening}`), have.indexOf('definition CREATE RULE '));
  if (start === -1) return have;
  const text = withoutMarks(have.slice(start + 'definition '.length));
  const now = createHash('sha256').update(text).digest('hex');
  return `${have.slice(0, start)}${digest[1] === String(major) ? `definition ${now} of ${major}` : digest[0]}`;
}
