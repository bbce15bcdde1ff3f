import type { Finding } from '../../interface/findings/finding.ts';

/** What stands where everybody may read the report, in place of words that name tables or places */
const leftOut = 'the reason is not in a report for everybody';

/** Leaves out what a drill failed on, which may name tables. */
export function withoutNames(finding: Finding): Finding {
  return finding.kind === 'failed-drill' ? { ...finding, why: leftOut } : finding;
}

/** Tells why a database cannot be read. The words of a storage name its place. */
export function tellUnreadable(why: string, isPublic: boolean): string {
  return isPublic ? `cannot be read; ${leftOut}` : why;
}
