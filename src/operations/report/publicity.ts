import type { Finding } from '../../interface/findings/finding.ts';

/** What stands where everybody may read the report, in place of words that name tables or places */
const leftOut = 'the reason is not in a report for everybody';

/** Leaves out what a drill failed on, which may name tables, and what a copy is called, which may be its place. */
export function withoutNames(finding: Finding): Finding {
  switch (finding.kind) {
    case 'failed-drill':
      return { ...finding, why: leftOut };
    case 'late-copy':
      return { ...finding, copy: 'elsewhere', why: finding.why === undefined ? undefined : leftOut };
    default:
      return finding;
  }
}

/** Tells why a database cannot be read. The words of a storage name its place. */
export function tellUnreadable(why: string, isPublic: boolean): string {
  return isPublic ? `cannot be read; ${leftOut}` : why;
}
