import { createHash } from 'node:crypto';
import { unreadable } from '../postgres/catalog/large-objects.ts';
import { notReadable } from '../postgres/catalog/particulars.ts';
import { opening, withoutMarks } from '../postgres/catalog/printed-text.ts';

/** What decides whether two details say the same. */
export interface Reading {
  /** Whether the backup has rows; without them materialized views are not populated. */
  readonly withRows: boolean;
  /** The major version of the target's server */
  readonly major: number;
}

/** Whether two details of a kind of definition say the same; undefined stands for none. */
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

/** Columns that only one of them has are told by lines of their own. */
function areInOneOrder(want: string, have: string): boolean {
  const [wanted, found] = [splitNames(want), splitNames(have)];
  const common = (names: readonly string[], others: readonly string[]) =>
    names.filter((name) => others.includes(name)).join();
  return common(wanted, found) === common(found, wanted);
}

function splitNames(list: string): readonly string[] {
  return list.match(/"(?:[^"]|"")*"|[^, ]+/g) ?? [];
}

/** How a detail of an older version ends whose text it did not keep. */
export const definitionDigest = /definition [0-9a-f]{64} of (\d+)$/;

/**
 * Older versions of the tool kept the digest of a view, a rule or an SQL body: it says something only to a server of the same major, and
 * between two majors only that there is one.
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
