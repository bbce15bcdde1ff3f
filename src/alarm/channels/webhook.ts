import { printableLines } from '../../report/printable.ts';
import { judgeRpo, type RunEvent } from '../event.ts';
import type { IssueChange } from '../issues/lifecycle.ts';
import { cut } from '../issues/text.ts';
import type { Notice, NoticeKind } from '../notice.ts';
import { type DigestContent, toDigestContent } from './digest-content.ts';
import { renderPlain } from './plain-text.ts';

/** UTF-16 code units of one text; outputs are limited, too, because one may be a list of backups. */
const textLimit = 4000;

/** The JSON for `notify-url` (docs/alarms.md). A changed field needs a new version, an added one does not. */
export interface WebhookContent {
  readonly version: 1;
  /** The same in every attempt to deliver the event */
  readonly id: string;
  readonly kind: NoticeKind;
  /** All of it in words, for services that read nothing else */
  readonly title: string;
  readonly text: string;
  readonly operation: string;
  readonly database: string;
  readonly startedAt: string;
  readonly at: string;
  readonly failureClass: string | null;
  readonly message: string | null;
  readonly next: string | null;
  readonly failures: number | null;
  readonly failingSince: string | null;
  readonly issue: { readonly number: number; readonly url: string } | null;
  readonly lastGood: { readonly id: string; readonly takenAt: string } | null;
  readonly rpo: {
    readonly targetSeconds: number;
    readonly brokenAt: string | null;
    readonly broken: boolean;
  } | null;
  readonly outputs: RunEvent['outputs'];
  readonly run: {
    readonly url: string;
    readonly id: number;
    readonly number: number;
    readonly attempt: number;
    readonly workflow: string;
    readonly repository: string;
    readonly actor: string;
  } | null;
  readonly digest: DigestContent | null;
}

/** Returns the kind of message; undefined for a success that closed no issue, which needs none. */
export function kindOf(
  event: RunEvent,
  { outcome: standing }: IssueChange,
): Exclude<NoticeKind, 'digest' | 'test'> | undefined {
  if (event.state !== 'succeeded') return event.state;
  return standing === 'closed' ? 'recovered' : undefined;
}

/** Everything in one JSON. A digest says nothing of a failure, whatever its run came to. */
export function toWebhookContent(event: RunEvent, notice: Notice, change: IssueChange): WebhookContent {
  const { kind } = notice;
  const failure = event.state === 'succeeded' || kind === 'digest' ? undefined : event;
  const { operation, lastGood, run } = event;
  const rpo = judgeRpo(event);
  return {
    version: 1,
    id: notice.id,
    kind,
    title: notice.title,
    text: cut(renderPlain(notice), textLimit),
    operation,
    database: notice.database,
    startedAt: event.startedAt.toISOString(),
    at: event.at.toISOString(),
    failureClass: failure?.failureClass ?? null,
    message: failure === undefined ? null : cut(printableLines(failure.message), textLimit),
    next: failure === undefined ? null : cut(printableLines(failure.next), textLimit),
    failures: change.failures ?? null,
    failingSince: change.failingSince?.toISOString() ?? null,
    issue: change.issue ?? null,
    lastGood: lastGood ? { id: lastGood.id, takenAt: lastGood.takenAt.toISOString() } : null,
    rpo: rpo
      ? {
          targetSeconds: rpo.target / 1000,
          brokenAt: rpo.brokenAt?.toISOString() ?? null,
          broken: rpo.broken,
        }
      : null,
    outputs: shorten(event.outputs),
    run: run ? toRun(run) : null,
    digest: kind === 'digest' && event.digest ? toDigestContent(event.digest) : null,
  };
}

function toRun(run: NonNullable<RunEvent['run']>): WebhookContent['run'] {
  const { url, id, number, attempt, workflow, repository, actor } = run;
  return { url, id, number, attempt, workflow, repository, actor };
}

function shorten(outputs: RunEvent['outputs']): RunEvent['outputs'] {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, value]) => [
      name,
      typeof value === 'string' ? cut(value, textLimit) : value,
    ]),
  );
}
