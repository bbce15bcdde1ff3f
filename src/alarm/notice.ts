import { createHash } from 'node:crypto';
import { printable, printableLines } from '../report/printable.ts';
import { formatAge, formatCounted, formatDuration } from '../report/quantity.ts';
import { formatTimeWithZone } from '../report/time.ts';
import type { RunEvent } from './event.ts';
import { describeClass } from './failure-class.ts';
import type { IssueChange } from './issues/lifecycle.ts';
import { fingerprintOf, groupDigest } from './issues/state.ts';
import { cut, tellLastGood, tellRpo } from './issues/text.ts';

/**
 * `failed`: an operation failed; `negative`: it ran, and its answer is no; `recovered`: it works again;
 * `digest`: nothing is asked of anybody; `test`: nothing has happened, and the channel is tried
 */
export type NoticeKind = 'failed' | 'negative' | 'recovered' | 'digest' | 'test';

/** What people are told, as each channel renders it. Its texts are printable. */
export interface Notice {
  /** The same in every attempt to deliver it */
  readonly id: string;
  readonly kind: NoticeKind;
  readonly operation: string;
  readonly database: string;
  readonly at: Date;
  /** One line, such as `[failed] production: backup, last good 26 h 00 min ago` */
  readonly title: string;
  /** Each value is one line */
  readonly facts: readonly Fact[];
  readonly passages: readonly Passage[];
  readonly links: readonly Link[];
  /** Where and when it happened, in one line */
  readonly place: string;
  readonly thread: Thread;
}

export interface Fact {
  readonly title: string;
  readonly value: string;
}

/** A text of several lines, with a title above it */
export interface Passage {
  readonly title: string;
  readonly text: string;
}

export interface Link {
  readonly title: string;
  readonly url: string;
}

/** What belongs together: the failures of one cause, until the recovery from it. */
export interface Thread {
  /** The same for all of them; hexadecimal digits */
  readonly key: string;
  /** Whether this is the first of them */
  readonly begins: boolean;
  /** The same for all failures of an operation on a database, whatever their cause */
  readonly group: string;
}

/** UTF-16 code units; a header of mail may have 998 characters, encoded */
const titleLimit = 200;
/** UTF-16 code units of a passage; what a channel takes less of, it cuts again */
const passageLimit = 8000;

/**
 * @param raw the event before redaction, of which only digests are taken
 * @param event the same without secrets
 */
export function toNotice(
  raw: RunEvent,
  event: RunEvent,
  kind: Exclude<NoticeKind, 'digest' | 'test'>,
  change: IssueChange,
): Notice {
  const { operation, at } = event;
  return {
    ...{ id: identify(event), kind, operation, at },
    database: printable(event.database),
    title: titleOf(event, change),
    facts: listFacts(event, change).map(([title, value]) => ({ title, value: printable(value) })),
    passages: listCauses(event),
    links: listLinks(event, change),
    place: printable(describePlace(event)),
    thread: threadOf(raw, change),
  };
}

export function titleNotice(kind: NoticeKind, database: string, words: string): string {
  const label = kind === 'negative' ? 'failed' : kind;
  return cut(printable(`[${label}] ${database}: ${words}`.replace(/\s+/g, ' ')), titleLimit);
}

/** Identifies what is told of an event. */
export function identify({ operation, database, state, run, startedAt, at }: RunEvent): string {
  return digestOf([operation, database, state, run?.id, run?.attempt, startedAt, at]);
}

export function digestOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

export function describePlace({ run, at }: Pick<RunEvent, 'run' | 'at'>): string {
  if (run === undefined) return formatTimeWithZone(at);
  const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : '';
  return `${run.repository} · ${run.workflow} run ${run.number}${attempt} · ${formatTimeWithZone(at)}`;
}

export function listLinks({ run }: Pick<RunEvent, 'run'>, { issue }: Pick<IssueChange, 'issue'>): Link[] {
  return [
    ...(run === undefined ? [] : [{ title: 'Open the run', url: run.url }]),
    ...(issue === undefined ? [] : [{ title: 'Open the issue', url: issue.url }]),
  ];
}

function titleOf(event: RunEvent, { failingSince }: IssueChange): string {
  const { operation, database, at } = event;
  if (event.state === 'succeeded') {
    const failing = failingSince && formatAge(Math.max(0, at.getTime() - failingSince.getTime()));
    return titleNotice('recovered', database, `${operation}${failing ? `, after ${failing}` : ''}`);
  }
  const answer = event.state === 'negative' ? `, ${describeClass(event.failureClass)}` : '';
  return titleNotice(event.state, database, `${operation}${answer}${tellAgeOfLastGood(event)}`);
}

function tellAgeOfLastGood({ lastGood, at }: RunEvent): string {
  if (lastGood === undefined) return '';
  if (lastGood === null) return ', no good backup';
  return `, last good ${formatAge(Math.max(0, at.getTime() - lastGood.takenAt.getTime()))} ago`;
}

/** Lists the facts: ten at most, Slack's limit for fields. */
function listFacts(event: RunEvent, change: IssueChange): [title: string, value: string][] {
  const { failures, failingSince } = change;
  const rpo = tellRpo(event);
  return [
    ['Database', event.database],
    ...(event.state === 'succeeded'
      ? listEvidence(event)
      : [fact('Cause', describeClass(event.failureClass))]),
    ...(failures === undefined ? [] : [fact('Failures', formatCounted(failures, 'failure'))]),
    // The first failure has been going on for no time.
    ...(failingSince === undefined || event.at.getTime() - failingSince.getTime() < 1000
      ? []
      : [fact('Failing for', formatDuration(event.at.getTime() - failingSince.getTime()))]),
    fact('Last good backup', tellLastGood(event)),
    ...(rpo === undefined ? [] : [fact('Recovery point', rpo)]),
  ];
}

function listEvidence({ outputs }: RunEvent): [string, string][] {
  return ['backup-id', 'rows', 'captured-through', 'duration-seconds'].flatMap((name) =>
    outputs[name] === undefined || outputs[name] === '' ? [] : [fact(name, String(outputs[name]))],
  );
}

function fact(title: string, value: string): [string, string] {
  return [title, value];
}

function listCauses(event: RunEvent): Passage[] {
  if (event.state === 'succeeded') return [];
  const passage = (title: string, text: string) => {
    return { title, text: cut(printableLines(text), passageLimit) };
  };
  return [passage('What failed', event.message), passage('What to do', event.next)];
}

/**
 * Puts the failures of one cause together. With issues, a thread is as long as its issue is open; without, it
 * is never over.
 */
function threadOf(raw: RunEvent, change: IssueChange): Thread {
  const fingerprint =
    change.fingerprint ?? (raw.state === 'succeeded' ? '' : fingerprintOf(raw, raw.failureClass));
  const begins = change.outcome === 'opened' || change.outcome === 'reopened';
  return { key: digestOf([fingerprint, change.failingSince]), begins, group: groupDigest(raw) };
}
