import { isDeepStrictEqual } from 'node:util';
import { GitHubFailure } from '../../github/api.ts';
import type { Issue, Issues, Label } from '../../github/issues.ts';
import { nameInput, say, type Wording } from '../../runtime/wording.ts';
import { day } from '../../values/duration.ts';
import { type IssueSettings, judgeRpo, type RunEvent, type RunFailure, type RunSuccess } from '../event.ts';
import { type EventOrder, type IssueState, messageDigest, precedes, writeState } from './state.ts';
import { describeFailing, describeRecovery, describeRepeat, markRecovered, titleIssue } from './text.ts';
import { findFailing, findSame, type Known, ownLabel, reopenWindowMs } from './tracked.ts';

const severeLabel = 'severity: high';
const labelColors: Readonly<Record<string, string>> = { [ownLabel]: '3ecf8e', [severeLabel]: 'b60205' };

const severeFailures = 3;
/** The most message digests that an issue keeps */
const toldLimit = 8;
const labelRemedy = 'it does not exist and could not be created. Create it in the repository.';

/** What happened to the issues, for the other channels */
export interface IssueChange {
  /**
   * `counted`: an open issue counts one failure more, and has told nobody: its comment of the day is there
   * already. `outdated`: an issue already records a newer run, and nothing was changed.
   */
  readonly outcome: 'opened' | 'repeated' | 'counted' | 'reopened' | 'outdated' | 'closed' | 'none';
  /** Digest of failure class, group of operations and database */
  readonly fingerprint?: string;
  readonly issue?: { readonly number: number; readonly url: string };
  readonly failures?: number;
  readonly failingSince?: Date;
}

/** The input of a step in an issue's life. `event` is redacted; the digests were computed before. */
export interface IssueContext<Event extends RunEvent> {
  readonly event: Event;
  readonly group: string;
  readonly order: EventOrder;
  readonly issues: Issues;
  readonly settings: IssueSettings;
  warn(message: string | Wording): void;
}

type FailureContext = IssueContext<RunFailure> & { readonly fingerprint: string };

/**
 * Opens, updates or reopens the one issue of this failure class, group of operations and database.
 *
 * @throws GitHubFailure
 */
export async function recordFailure(context: FailureContext): Promise<IssueChange> {
  const { event, fingerprint, order, issues } = context;
  const { open, closed } = await findSame(issues, fingerprint, event.at);
  const [oldest, ...younger] = open;
  if (oldest !== undefined) {
    for (const { issue, state } of younger) await closeDuplicate(context, issue, state, oldest.issue.number);
    return repeat(context, oldest);
  }
  const latest = closed.at(-1);
  // A failure older than the recovery does not reopen the issue, and opens a new one: the next success closes
  // an issue too many.
  if (latest !== undefined && !precedes(order, latest.state.last)) {
    const closedAt = latest.issue.closedAt?.getTime() ?? 0;
    if (event.at.getTime() - closedAt < reopenWindowMs) return reopen(context, latest);
  }
  return openNew(context);
}

/**
 * Closes all issues of this group of operations and database whose last event is older than this success.
 *
 * @returns the change of the issue that had been failing for longest
 * @throws GitHubFailure
 */
export async function recordSuccess(context: IssueContext<RunSuccess>): Promise<IssueChange> {
  const { event, group, order, issues } = context;
  if (event.partial) return { outcome: 'none' };
  const failing = await findFailing(issues, group, event.at);
  const over = failing.filter(({ state }) => !precedes(order, state.last));
  for (const { issue, state } of over) {
    await comment(context, issue.number, describeRecovery(event, state));
    const body = writeState(markRecovered(issue.body, event), { ...state, last: order });
    await issues.change(issue.number, { body, state: 'closed', state_reason: 'completed' });
  }
  const longest = over.toSorted((one, other) =>
    one.state.firstFailureAt.localeCompare(other.state.firstFailureAt),
  )[0];
  if (longest !== undefined) return changeOf('closed', longest.issue, longest.state);
  return { outcome: failing.length > 0 ? 'outdated' : 'none' };
}

async function openNew(context: FailureContext): Promise<IssueChange> {
  const { event, issues, settings, warn } = context;
  const state = startState(context);
  const { labels, missing } = await ensureLabels(context, state);
  const { issue, dropped } = await issues.open({
    title: titleIssue(event),
    body: writeState(describeFailing(event, state, settings.mentions), state),
    labels,
    assignees: settings.assignees.map((name) => name.replace(/^@/, '')),
  });
  for (const name of missing) warn(`issue ${issue.number} is without the label "${name}": ${labelRemedy}`);
  if (dropped.length > 0) {
    warn(
      say`issue ${issue.number} was opened without its ${dropped.join(' and ')}, which GitHub refused. Assign only people who can write to the repository, and check ${nameInput('issue-assignees')} and ${nameInput('issue-labels')}.`,
    );
  }
  return settleRace(context, { issue, state });
}

/**
 * Resolves a race of two runs that each opened an issue: the younger issue is closed, and its failure counts
 * in the older.
 */
async function settleRace(context: FailureContext, own: Known): Promise<IssueChange> {
  const { issues, fingerprint, event } = context;
  const { open } = await findSame(issues, fingerprint, event.at);
  const oldest = open.find(({ issue }) => issue.number < own.issue.number);
  if (oldest === undefined) return changeOf('opened', own.issue, own.state);
  await closeDuplicate(context, own.issue, own.state, oldest.issue.number);
  return repeat(context, oldest);
}

async function repeat(context: FailureContext, { issue, state: before }: Known): Promise<IssueChange> {
  const { event, order, issues, settings } = context;
  if (precedes(order, before.last)) return changeOf('outdated', issue, before);
  // The answer to the creation was lost and the retry opened a second issue: this is the same failure,
  // already counted.
  if (isDeepStrictEqual(order, before.last)) return changeOf('repeated', issue, before);
  const cause = messageDigest(event.message);
  const isDue = event.at.getTime() - Date.parse(before.lastCommentAt) >= day;
  const isNew = !before.told.includes(cause);
  const counted = { ...before, failures: before.failures + 1, last: order };
  const state: IssueState = {
    ...counted,
    level: before.level === 'high' ? 'high' : judgeLevel(event, counted.failures),
    ...((isDue || isNew) && { lastCommentAt: event.at.toISOString() }),
    told: isDue ? [cause] : isNew ? [...before.told, cause].slice(-toldLimit) : before.told,
  };
  // The comment comes before the state: if the run fails between the two, the failure is commented twice
  // instead of never.
  if (isDue || isNew) {
    const opening = isNew ? 'It fails for another cause.' : 'It still fails.';
    await comment(context, issue.number, describeRepeat(event, state, opening, settings.mentions));
  }
  if (state.level !== before.level) await escalate(context, issue);
  await issues.change(issue.number, {
    body: writeState(describeFailing(event, state, settings.mentions), state),
  });
  return changeOf(isDue || isNew ? 'repeated' : 'counted', issue, state);
}

async function escalate({ issues, warn }: FailureContext, { number }: Issue): Promise<void> {
  if (await issues.ensureLabel(toLabel(severeLabel))) return issues.addLabel(number, severeLabel);
  warn(`issue ${number} is without the label "${severeLabel}": ${labelRemedy}`);
}

/** Reopens a closed issue; its failures are counted from one again. */
async function reopen(context: FailureContext, { issue }: Known): Promise<IssueChange> {
  const { event, issues, settings } = context;
  const state = startState(context);
  const severe = state.level === 'high' && (await issues.ensureLabel(toLabel(severeLabel)));
  const labels = issue.labels.filter((label) => label !== severeLabel);
  await issues.change(issue.number, {
    body: writeState(describeFailing(event, state, settings.mentions), state),
    state: 'open',
    state_reason: 'reopened',
    labels: severe ? [...labels, severeLabel] : labels,
  });
  await comment(context, issue.number, describeRepeat(event, state, 'It fails again.', settings.mentions));
  return changeOf('reopened', issue, state);
}

async function closeDuplicate(
  context: FailureContext,
  issue: Issue,
  state: IssueState,
  older: number,
): Promise<void> {
  const words = `Two runs opened an issue of this failure at once: #${older} goes on.`;
  await comment(context, issue.number, words);
  await context.issues.change(issue.number, {
    body: writeState(issue.body, { ...state, duplicateOf: older }),
    state: 'closed',
    state_reason: 'not_planned',
  });
}

/**
 * Comments on an issue. Apps cannot comment in a locked conversation: that is a warning, so that the issue's
 * text still changes.
 */
async function comment(
  { issues, warn }: IssueContext<RunEvent>,
  number: number,
  text: string,
): Promise<void> {
  try {
    await issues.comment(number, text);
  } catch (error) {
    if (!(error instanceof GitHubFailure) || error.rateLimited || ![403, 410, 422].includes(error.status))
      throw error;
    warn(`issue ${number} got no comment: ${error.message}. Unlock its conversation, if it is locked.`);
  }
}

function startState({ event, group, fingerprint, order }: FailureContext): IssueState {
  const at = event.at.toISOString();
  return {
    version: 1,
    fingerprint,
    group,
    firstFailureAt: at,
    failures: 1,
    last: order,
    lastCommentAt: at,
    told: [messageDigest(event.message)],
    level: judgeLevel(event, 1),
  };
}

function judgeLevel(event: RunFailure, failures: number): IssueState['level'] {
  return failures >= severeFailures || judgeRpo(event)?.broken ? 'high' : 'normal';
}

/**
 * Creates labels that do not exist; returns the labels that exist now, and those that could not be created.
 */
async function ensureLabels(
  { issues, settings }: FailureContext,
  { level }: IssueState,
): Promise<{ labels: string[]; missing: string[] }> {
  const wanted = new Set([ownLabel, ...settings.labels, ...(level === 'high' ? [severeLabel] : [])]);
  const [labels, missing]: [string[], string[]] = [[], []];
  for (const name of wanted) {
    if (await issues.ensureLabel(toLabel(name))) labels.push(name);
    else missing.push(name);
  }
  return { labels, missing };
}

function toLabel(name: string): Label {
  return { name, color: labelColors[name] ?? 'd93f0b', description: 'Kept by supabase-backup' };
}

function changeOf(outcome: IssueChange['outcome'], { number, url }: Issue, state: IssueState): IssueChange {
  const { fingerprint, failures, firstFailureAt } = state;
  return { outcome, fingerprint, issue: { number, url }, failures, failingSince: new Date(firstFailureAt) };
}
