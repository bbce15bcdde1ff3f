import type { Issue, Issues } from '../github/issues.ts';
import { type IssueState, readState } from './issue-state.ts';

/** By which issues are found again. */
export const ownLabel = 'supabase-backup';

const day = 86_400_000;
/** milliseconds after which a failure that comes back is a new one */
export const reopenWindow = 7 * day;
/** milliseconds back in which an issue without our label is looked for */
const unlabelledWindow = 30 * day;
/** Of a hundred issues each */
const pages = 10;

export interface Known {
  readonly issue: Issue;
  readonly state: IssueState;
}

/**
 * Issues of one fingerprint: open ones, the oldest first; or, where there is none, those closed of late, the last closed last.
 *
 * @throws GitHubFailure
 */
export async function findSame(
  issues: Issues,
  fingerprint: string,
  at: Date,
): Promise<{ readonly open: readonly Known[]; readonly closed: readonly Known[] }> {
  const isSame = ({ state }: Known) => state.fingerprint === fingerprint && state.duplicateOf === undefined;
  let same = (await listLabelled(issues, { state: 'open' })).filter(isSame);
  if (same.length === 0) {
    const since = ago(at, reopenWindow);
    same = (await listLabelled(issues, { state: 'closed', sort: 'updated', since })).filter(isSame);
  }
  if (same.length === 0) same = (await listRecent(issues, at)).filter(isSame);
  return {
    open: same.filter(isOpen).sort((one, other) => one.issue.number - other.issue.number),
    closed: same.filter((known) => !isOpen(known)).sort((one, other) => closedAt(one) - closedAt(other)),
  };
}

/**
 * Open issues of one group of operations and database.
 *
 * @throws GitHubFailure
 */
export async function findFailing(issues: Issues, group: string, at: Date): Promise<readonly Known[]> {
  const isFailing = (known: Known) => isOpen(known) && known.state.group === group;
  const labelled = (await listLabelled(issues, { state: 'open' })).filter(isFailing);
  return labelled.length > 0 ? labelled : (await listRecent(issues, at)).filter(isFailing);
}

async function listLabelled(issues: Issues, query: Readonly<Record<string, string>>): Promise<Known[]> {
  return (await issues.list({ ...query, labels: ownLabel }, pages)).flatMap(recognise);
}

/** Where a label cannot be set, or was taken away: the hundred issues that changed last. */
async function listRecent(issues: Issues, at: Date): Promise<Known[]> {
  const query = { state: 'all', sort: 'updated', direction: 'desc', since: ago(at, unlabelledWindow) };
  return (await issues.list(query, 1)).flatMap(recognise);
}

/** A stranger's issue with a copy of our state would take our failures in, or be closed by us. */
function recognise(issue: Issue): Known[] {
  const state = issue.trusted ? readState(issue.body) : undefined;
  return state === undefined ? [] : [{ issue, state }];
}

function isOpen({ issue }: Known): boolean {
  return issue.state === 'open';
}

function closedAt({ issue }: Known): number {
  return issue.closedAt?.getTime() ?? 0;
}

function ago(at: Date, milliseconds: number): string {
  return new Date(at.getTime() - milliseconds).toISOString();
}
