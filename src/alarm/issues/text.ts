import { chooseFence, escapeMarkdown } from '../../report/markdown.ts';
import { printable, printableLines } from '../../report/printable.ts';
import { formatCounted, formatDuration } from '../../report/quantity.ts';
import { formatTimeWithZone } from '../../report/time.ts';
import { judgeRpo, type RunEvent, type RunFailure, type RunSuccess } from '../event.ts';
import { describeClass } from '../failure-class.ts';
import type { IssueState } from './state.ts';

/** GitHub refuses a longer title, and a text of 65,536 characters. */
const titleLimit = 256;
const messageLimit = 8000;

export function titleIssue(event: RunFailure): string {
  const { operation, database, failureClass, state } = event;
  const subject = `${operation} of ${database}${state === 'negative' ? '' : ' fails'}`;
  return cut(oneLine(`supabase-backup: ${subject}: ${describeClass(failureClass)}`), titleLimit);
}

export function describeFailing(event: RunFailure, state: IssueState, mentions: readonly string[]): string {
  const { operation, database, failureClass, run, at } = event;
  const rows = [
    ['database', inline(database)],
    ['operation', inline(operation)],
    ['failure class', `${inline(failureClass)} (${inline(describeClass(failureClass))})`],
    ['failures', String(state.failures)],
    ['since', formatTimeWithZone(new Date(state.firstFailureAt))],
    ['latest', `${formatTimeWithZone(at)}${run === undefined ? '' : ` in ${linkRun(event)}`}`],
    ['last good backup', describeLastGood(event)],
    ...describeRpo(event),
  ];
  return [
    `**${inline(operation)} of ${inline(database)}${event.state === 'negative' ? `: ${inline(describeClass(failureClass))}` : ' fails'}.**`,
    ['| | |', '| --- | --- |', ...rows.map((cells) => `| ${cells.join(' | ')} |`)].join('\n'),
    describeCause(event),
    '### When this closes\n\n' +
      `By itself, with the next ${inline(operation)} of this database that succeeds. This text is written anew with every failure, ` +
      'and a comment is added once a day, or when the cause changes: notes belong into comments. Closed by hand while it still fails, ' +
      'it is opened again.',
    ...renderMentions(mentions),
  ].join('\n\n');
}

/** For a comment: a failure that goes on, has another cause, or is back. */
export function describeRepeat(
  event: RunFailure,
  state: IssueState,
  opening: string,
  mentions: readonly string[],
): string {
  const since = formatTimeWithZone(new Date(state.firstFailureAt));
  return [
    `**${opening}** ${formatCounted(state.failures, 'failure')} since ${since}, the latest ${
      event.run === undefined ? `at ${formatTimeWithZone(event.at)}` : `in ${linkRun(event)}`
    }.`,
    [
      `Last good backup: ${describeLastGood(event)}.`,
      ...describeRpo(event).map((cells) => `${cells.join(': ')}.`),
    ].join(' '),
    describeCause(event),
    ...renderMentions(mentions),
  ].join('\n\n');
}

/** For the comment that closes an issue: what proves that it works again. */
export function describeRecovery(event: RunSuccess, state: IssueState): string {
  const { operation, outputs, run } = event;
  const evidence = [
    ['backup', 'backup-id'],
    ['rows', 'rows'],
    ['captured through', 'captured-through'],
    ['parity', 'parity'],
    ['drill', 'drill'],
    ['recovery, seconds', 'recovery-seconds'],
    ['duration, seconds', 'duration-seconds'],
  ].flatMap(([title = '', name = '']) =>
    outputs[name] === undefined || outputs[name] === '' ? [] : [[title, inline(String(outputs[name]))]],
  );
  const rows = [
    ...(run === undefined ? [] : [['run', linkRun(event)]]),
    ...evidence,
    ['it was failing for', formatDuration(failedFor(event, state))],
    ['failures', String(state.failures)],
  ];
  return [
    `**Recovered.** ${inline(operation)} succeeded at ${formatTimeWithZone(event.at)}.`,
    ['| | |', '| --- | --- |', ...rows.map((cells) => `| ${cells.join(' | ')} |`)].join('\n'),
  ].join('\n\n');
}

/** What a closed issue shows first. */
export function markRecovered(body: string, { at }: RunSuccess): string {
  return `> **Recovered** at ${formatTimeWithZone(at)}. What follows is the last failure.\n\n${body}`;
}

/** milliseconds from the first failure to this event */
export function failedFor({ at }: RunEvent, state: IssueState): number {
  return Math.max(0, at.getTime() - Date.parse(state.firstFailureAt));
}

/** One sentence without markup, for every channel; undefined without a target. */
export function tellRpo(event: RunEvent): string | undefined {
  const standing = judgeRpo(event);
  if (standing === undefined) return undefined;
  const target = `the target of ${formatDuration(standing.target)}`;
  if (standing.brokenAt === undefined) return `${target} is missed: there is no good backup`;
  const distance = formatDuration(Math.abs(event.at.getTime() - standing.brokenAt.getTime()));
  return standing.broken
    ? `${target} is missed since ${formatTimeWithZone(standing.brokenAt)}, for ${distance}`
    : `${target} will be missed in ${distance}, at ${formatTimeWithZone(standing.brokenAt)}`;
}

/** One phrase without markup, for every channel. */
export function tellLastGood({ lastGood, at }: RunEvent): string {
  if (lastGood === null) return 'none';
  if (lastGood === undefined) return 'not known';
  return `${lastGood.id}, ${formatDuration(Math.max(0, at.getTime() - lastGood.takenAt.getTime()))} old`;
}

/** Cuts to so many UTF-16 units at most, between characters. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

function describeCause({ message, next }: RunFailure): string {
  return `### What failed\n\n${fence(message)}\n\n### What to do\n\n${lines(next)}`;
}

function describeLastGood(event: RunEvent): string {
  return inline(tellLastGood(event));
}

function describeRpo(event: RunEvent): string[][] {
  const told = tellRpo(event);
  return told === undefined ? [] : [['recovery point', inline(told)]];
}

function linkRun({ run }: RunEvent): string {
  if (run === undefined) return '';
  const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : '';
  return `[${inline(run.workflow)} run ${run.number}${attempt}](${encodeURI(run.url)})`;
}

function renderMentions(mentions: readonly string[]): string[] {
  if (mentions.length === 0) return [];
  return [mentions.map((name) => `@${name.replace(/^@/, '').replace(/[^\w/.-]/g, '')}`).join(' ')];
}

/** Text that shows as it is within a line. */
function inline(text: string): string {
  return lines(oneLine(text));
}

/** Text that shows as it is. A space of no width keeps `@name`, `#1` and `GH-1` from calling people and issues. */
function lines(text: string): string {
  return escapeMarkdown(cut(text, messageLimit)).replace(/[@#]|\bGH-(?=\d)/gi, '$&\u200b');
}

/** Text of several lines that shows as it is: nobody is mentioned out of a block of code. */
function fence(text: string): string {
  const shown = printableLines(cut(text, messageLimit));
  const ticks = chooseFence(shown);
  return `${ticks}text\n${shown}\n${ticks}`;
}

function oneLine(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim());
}
