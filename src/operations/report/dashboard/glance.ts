import type { Finding } from '../../../interface/findings/finding.ts';
import { tellFinding, tellPredictedTime } from '../../../interface/findings/telling.ts';
import { html, type Markup, name, prose, time } from '../../../report/html.ts';
import {
  formatAge,
  formatAmount,
  formatBytes,
  formatCount,
  formatDuration,
  formatShare,
} from '../../../report/quantity.ts';
import { formatWindow, isInterval } from '../../../repository/changes/windows.ts';
import { sumStored } from '../../../repository/stored-bytes.ts';
import { backupKinds } from '../../../schedule/plan/plan.ts';
import type { DatabaseFacts } from '../facts.ts';
import { withoutNames } from '../publicity.ts';
import { renderShape, type State, stateOf, stateWords } from './marks.ts';

const ranks: Readonly<Record<State, number>> = { broken: 0, warning: 1, note: 2, good: 3 };

/**
 * The findings of the status, a tile for each and none besides: a tile cannot be red where `status` is not,
 * and the other way round.
 */
export function renderTiles(findings: readonly Finding[], isPublic: boolean): Markup {
  const sorted = findings.toSorted((one, other) => ranks[stateOf(one)] - ranks[stateOf(other)]);
  return html`<ul class="tiles">${sorted.map((finding) => renderTile(finding, isPublic))}</ul>`;
}

function renderTile(finding: Finding, isPublic: boolean): Markup {
  const state = stateOf(finding);
  const { sentence, remedy } = tellFinding(isPublic ? withoutNames(finding) : finding);
  const since = finding.since && html`<p class="quiet">Since ${time(finding.since)} UTC</p>`;
  return html`<li class="tile state-${state}" data-finding="${finding.kind}" data-severity="${finding.severity}"><div class="head">${renderShape(state)}<span>${stateWords[state]}: ${nameFinding(finding)}</span></div>
<p>${prose(capitalize(sentence))}</p>${state === 'good' ? undefined : html`<p><strong>Do:</strong> ${prose(remedy)}</p>`}${since}</li>`;
}

/** `verified-within` is “Verified within”: whoever adds a kind of finding need not come here. */
export function nameFinding({ kind }: Pick<Finding, 'kind'>): string {
  return capitalize(kind.replaceAll('-', ' '));
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

interface Fact {
  readonly title: string;
  readonly value: Markup | string;
  readonly more?: Markup | string | undefined;
}

const unmeasured = 'not measured';

/** The figures that everybody asks for first */
export function renderFacts(facts: DatabaseFacts): Markup {
  const shown = [
    tellLast(facts),
    tellNext(facts),
    tellLoss(facts),
    tellReach(facts),
    tellRecovery(facts),
    tellProofs(facts),
    tellStored(facts),
    tellRuns(facts),
  ];
  return html`<dl class="figures">${shown.map(
    ({ title, value, more }) =>
      html`<div class="figure"><dt>${title}</dt><dd>${value}</dd>${more === undefined ? undefined : html`<dd class="more">${more}</dd>`}</div>`,
  )}</dl>`;
}

function since({ status }: DatabaseFacts, at: Date): string {
  return `${formatAge(Math.max(0, status.at.getTime() - at.getTime()))} ago`;
}

function tellLast(facts: DatabaseFacts): Fact {
  const [newest] = facts.status.usable;
  if (newest === undefined) return { title: 'Last backup', value: 'none' };
  const duration = newest.finishedAt.getTime() - newest.startedAt.getTime();
  return {
    title: 'Last backup',
    value: since(facts, newest.snapshotAt),
    more: html`${time(newest.snapshotAt)} UTC, ${newest.kind}, ${formatBytes(newest.totals.bytes)} in ${formatDuration(Math.max(0, duration))}`,
  };
}

function tellNext({ planned }: DatabaseFacts): Fact {
  const title = 'Next backup';
  if (planned === undefined) return { title, value: 'not known', more: 'no policy was given' };
  const next = planned.next.find(({ kind }) => backupKinds.includes(kind));
  return next === undefined
    ? { title, value: 'none planned', more: 'the policy schedules none' }
    : { title, value: html`${time(next.at)}`, more: `UTC, ${next.kind}` };
}

function tellLoss({ status: { loss, gap } }: DatabaseFacts): Fact {
  return {
    title: 'Would be lost now',
    value: loss === undefined ? 'everything' : formatAge(loss),
    more: gap === undefined ? undefined : `longest gap of 7 days: ${formatAge(gap.length)}`,
  };
}

function tellReach(facts: DatabaseFacts): Fact {
  const title = 'Reaches back';
  const { windows } = facts.recoverable;
  const [oldest] = windows;
  if (oldest === undefined) return { title, value: 'nowhere', more: 'there is no backup' };
  const interval = windows.findLast(isInterval);
  return {
    title,
    value: since(facts, new Date(oldest.from)).replace(/ ago$/, ''),
    more: interval === undefined ? 'to the times of backups' : `any second from ${formatWindow(interval)}`,
  };
}

function tellRecovery({ status: { recovery }, rtoTarget }: DatabaseFacts): Fact {
  const target = rtoTarget === undefined ? 'no target was given' : `target: ${formatDuration(rtoTarget)}`;
  const title = 'A recovery takes';
  switch (recovery.kind) {
    case 'measured':
      return { title, value: formatDuration(recovery.milliseconds), more: `measured by a drill; ${target}` };
    case 'predicted':
      return {
        title,
        value: unmeasured,
        more: `predicted: ${tellPredictedTime(recovery.prediction)}; ${target}`,
      };
    case 'unmeasured':
      return { title, value: unmeasured, more: target };
  }
}

function tellProofs(facts: DatabaseFacts): Fact {
  const { drilled, verified } = facts.status;
  const tell = (proof: { readonly at: Date } | undefined) =>
    proof === undefined ? 'never' : since(facts, proof.at);
  const of = drilled && html` of backup ${name(drilled.id)},`;
  return {
    title: 'Last drill that passed',
    value: tell(drilled),
    more: html`${of} last verified: ${tell(verified)}`,
  };
}

function tellRuns({ status: { successRate } }: DatabaseFacts): Fact {
  const title = 'Runs of 30 days';
  if (successRate === undefined) return { title, value: unmeasured, more: 'none is recorded' };
  const { runs, done, no, failed } = successRate.all;
  const since = successRate.unread === 0 ? undefined : html`, since ${time(successRate.since)}`;
  const answers = no === 0 ? '' : `, ${formatCount(no)} answered no`;
  return {
    title,
    value: `${formatShare(done, runs)} went well`,
    more: html`${formatCount(done)} of ${formatCount(runs)} done, ${formatCount(failed)} failed${answers}${since}; of all operations, each by how it ended`,
  };
}

function tellStored({ status: { stored, cost, usable } }: DatabaseFacts): Fact {
  const price = cost && `, ${formatAmount(cost.now)} a month`;
  return {
    title: 'Stored',
    value: formatBytes(sumStored(stored)),
    more: `${formatCount(usable.length)} backups to go back to${price ?? ''}`,
  };
}
