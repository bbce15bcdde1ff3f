import { chooseFence, escapeMarkdown } from '../../report/markdown.ts';
import { printable, printableLines } from '../../report/printable.ts';
import { formatCounted, formatDuration } from '../../report/quantity.ts';
import { formatTimeWithZone } from '../../report/time.ts';
import { locatePage } from '../../runtime/version.ts';
import { judgeRpo, type RunEvent, type RunFailure, type RunSuccess } from '../event.ts';
import { describeClass } from '../failure-class.ts';
import type { IssueState } from './state.ts';

/** Characters of a title; GitHub refuses more. */
const titleLimit = 256;
/** Characters of a message; GitHub refuses a text of 65,536 in all. */
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
    `### When something has to be brought back\n\n${linkPage('docs/emergency.md')} has the commands: for rows, a table, a bad migration, a project or a bucket.`,
    '### When this closes\n\n' +
      `By itself, with the next ${inline(operation)} of this database that succeeds. This text is written anew with every failure, ` +
      'and a comment is added once a day, or when the cause changes: notes belong into comments. Closed by hand while it still fails, ' +
      'it is opened again.',
    ...renderMentions(mentions),
  ].join('\n\n');
}

/**
 * Describes a repeated failure for a comment: it goes on, has another cause, or is back, as `opening` says.
 */
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

/**
 * Describes the success for the comment that closes an issue, with evidence that the operation works again.
 */
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

/** Puts a note of the recovery above the text of an issue. */
export function markRecovered(body: string, { at }: RunSuccess): string {
  return `> **Recovered** at ${formatTimeWithZone(at)}. What follows is the last failure.\n\n${body}`;
}

/** Milliseconds from the first failure to this event */
export function failedFor({ at }: RunEvent, state: IssueState): number {
  return Math.max(0, at.getTime() - Date.parse(state.firstFailureAt));
}

/**
 * Describes the recovery point against its target, in a sentence without markup; undefined without a target.
 */
export function tellRpo(event: RunEvent): string | undefined {
  const judgement = judgeRpo(event);
  if (judgement === undefined) return undefined;
  const target = `the target of ${formatDuration(judgement.target)}`;
  if (judgement.brokenAt === undefined) return `${target} is missed: there is no good backup`;
  const distance = formatDuration(Math.abs(event.at.getTime() - judgement.brokenAt.getTime()));
  return judgement.broken
    ? `${target} is missed since ${formatTimeWithZone(judgement.brokenAt)}, for ${distance}`
    : `${target} will be missed in ${distance}, at ${formatTimeWithZone(judgement.brokenAt)}`;
}

/** Names the newest good backup and its age, in a phrase without markup. */
export function tellLastGood({ lastGood, at }: RunEvent): string {
  if (lastGood === null) return 'none';
  if (lastGood === undefined) return 'not known';
  return `${lastGood.id}, ${formatDuration(Math.max(0, at.getTime() - lastGood.takenAt.getTime()))} old`;
}

/** Cuts a text to at most `limit` UTF-16 code units, without splitting a surrogate pair. */
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

function linkPage(page: string): string {
  const place = locatePage(page);
  return place === page ? `\`${page}\` of supabase-backup` : `[${page}](${place})`;
}

function renderMentions(mentions: readonly string[]): string[] {
  if (mentions.length === 0) return [];
  return [mentions.map((name) => `@${name.replace(/^@/, '').replace(/[^\w/.-]/g, '')}`).join(' ')];
}

/** Escapes a text to be shown literally within a line. */
function inline(text: string): string {
  return lines(oneLine(text));
}

/**
 * Escapes a text to be shown literally. A zero-width space keeps `@name`, `#1` and `GH-1` from becoming
 * mentions and references.
 */
function lines(text: string): string {
  return escapeMarkdown(cut(text, messageLimit)).replace(/[@#]|\bGH-(?=\d)/gi, '$&\u200b');
}

/** Puts a text of several lines into a code block, in which GitHub makes no mentions. */
function fence(text: string): string {
  const shown = printableLines(cut(text, messageLimit));
  const ticks = chooseFence(shown);
  return `${ticks}text\n${shown}\n${ticks}`;
}

function oneLine(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim());
}
