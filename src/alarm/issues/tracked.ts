import type { Issue, Issues } from '../../github/issues.ts';
import { day, minute } from '../../values/duration.ts';
import { type EventOrder, type IssueState, readState } from './state.ts';

/** The label by which issues are found again */
export const ownLabel = 'supabase-backup';

/** A failure that returns within this time after its issue was closed reopens the issue. */
export const reopenWindowMs = 7 * day;
/** How far back issues without our label are searched for */
const unlabelledWindowMs = 30 * day;
/** The largest expected difference between the clocks of machines */
const clockSkewMs = 10 * minute;
const never: EventOrder = { startedAt: new Date(0).toISOString(), workflow: null, run: 0, attempt: 0 };
/** The most pages to read, of a hundred issues each */
const pages = 10;

export interface Known {
  readonly issue: Issue;
  readonly state: IssueState;
}

/**
 * Finds the issues of one fingerprint: the open ones, oldest first; if none is open, the recently closed
 * ones, the last closed last.
 *
 * @throws GitHubFailure
 */
export async function findSame(
  issues: Issues,
  fingerprint: string,
  at: Date,
): Promise<{ readonly open: readonly Known[]; readonly closed: readonly Known[] }> {
  const isSame = ({ state }: Known) => state.fingerprint === fingerprint && state.duplicateOf === undefined;
  let same = (await listLabelled(issues, at, { state: 'open' })).filter(isSame);
  if (same.length === 0) {
    const since = ago(at, reopenWindowMs);
    same = (await listLabelled(issues, at, { state: 'closed', sort: 'updated', since })).filter(isSame);
  }
  if (same.length === 0) same = (await listRecent(issues, at)).filter(isSame);
  return {
    open: same.filter(isOpen).sort((one, other) => one.issue.number - other.issue.number),
    closed: same.filter((known) => !isOpen(known)).sort((one, other) => closedAt(one) - closedAt(other)),
  };
}

/**
 * Finds the open issues of one group of operations and database.
 *
 * @throws GitHubFailure
 */
export async function findFailing(issues: Issues, group: string, at: Date): Promise<readonly Known[]> {
  const isFailing = (known: Known) => isOpen(known) && known.state.group === group;
  const labelled = (await listLabelled(issues, at, { state: 'open' })).filter(isFailing);
  return labelled.length > 0 ? labelled : (await listRecent(issues, at)).filter(isFailing);
}

/**
 * Lists issues with our label whose author is trusted. The label is no proof by itself: a maintainer may set
 * it on a stranger's issue because of its subject.
 */
async function listLabelled(
  issues: Issues,
  at: Date,
  query: Readonly<Record<string, string>>,
): Promise<Known[]> {
  const listed = await issues.list({ ...query, labels: ownLabel }, pages);
  return listed.filter(({ trusted }) => trusted).flatMap((issue) => recognise(issue, at));
}

/**
 * Lists issues whose label could not be set or was removed: those among the last hundred changed issues that
 * we opened ourselves. The test of the author matters: a stranger's issue with a copy of our state could
 * otherwise absorb our failures or silence them.
 */
async function listRecent(issues: Issues, at: Date): Promise<Known[]> {
  const query = { state: 'all', sort: 'updated', direction: 'desc', since: ago(at, unlabelledWindowMs) };
  const found = (await issues.list(query, 1)).flatMap((issue) => recognise(issue, at));
  if (found.length === 0) return [];
  const self = await issues.whoAmI();
  return found.filter(({ issue }) => issue.author === self);
}

function recognise(issue: Issue, at: Date): Known[] {
  const state = readState(issue.body);
  return state === undefined ? [] : [{ issue, state: withoutFuture(state, at) }];
}

/** Resets times in the future, with which every failure until then would count as outdated. */
function withoutFuture(state: IssueState, at: Date): IssueState {
  const isToCome = (time: string) => Date.parse(time) > at.getTime() + clockSkewMs;
  return {
    ...state,
    last: isToCome(state.last.startedAt) ? never : state.last,
    lastCommentAt: isToCome(state.lastCommentAt) ? new Date(0).toISOString() : state.lastCommentAt,
  };
}

function isOpen({ issue }: Known): boolean {
  return issue.state === 'open';
}

function closedAt({ issue }: Known): number {
  return issue.closedAt?.getTime() ?? 0;
}

function ago(at: Date, timeMs: number): string {
  return new Date(at.getTime() - timeMs).toISOString();
}
