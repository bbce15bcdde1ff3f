import { createHash } from 'node:crypto';
import { printable, printableLines } from '../../report/printable.ts';
import { judgeRpo, type RunEvent } from '../event.ts';
import type { IssueNews } from '../issues/lifecycle.ts';
import { cut } from '../issues/text.ts';

/** UTF-16 units; a list of backups is an output, too. */
const textLimit = 4000;

/** What `notify-url` receives; docs/alarms.md describes it. A field is added without, and changed with, a new version. */
export interface WebhookContent {
  readonly version: 1;
  /** The same in every try to deliver it */
  readonly id: string;
  readonly kind: 'failed' | 'negative' | 'recovered';
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
}

/** Undefined for what needs no message: a success after a success. That it was after a failure is known from the issue it closed. */
export function kindOf(event: RunEvent, { standing }: IssueNews): WebhookContent['kind'] | undefined {
  if (event.state !== 'succeeded') return event.state;
  return standing === 'closed' ? 'recovered' : undefined;
}

export function describeEvent(
  event: RunEvent,
  kind: WebhookContent['kind'],
  news: IssueNews,
): WebhookContent {
  const failure = event.state === 'succeeded' ? undefined : event;
  const { operation, database, lastGood, run } = event;
  const rpo = judgeRpo(event);
  return {
    version: 1,
    id: identify(event),
    kind,
    operation,
    database: printable(database),
    startedAt: event.startedAt.toISOString(),
    at: event.at.toISOString(),
    failureClass: failure?.failureClass ?? null,
    message: failure === undefined ? null : cut(printableLines(failure.message), textLimit),
    next: failure === undefined ? null : cut(printableLines(failure.next), textLimit),
    failures: news.failures ?? null,
    failingSince: news.failingSince?.toISOString() ?? null,
    issue: news.issue ?? null,
    lastGood: lastGood ? { id: lastGood.id, takenAt: lastGood.takenAt.toISOString() } : null,
    rpo: rpo
      ? {
          targetSeconds: rpo.target / 1000,
          brokenAt: rpo.brokenAt?.toISOString() ?? null,
          broken: rpo.broken,
        }
      : null,
    outputs: shorten(event.outputs),
    run: run ? describeRunOf(run) : null,
  };
}

function describeRunOf(run: NonNullable<RunEvent['run']>): WebhookContent['run'] {
  const { url, id, number, attempt, workflow, repository, actor } = run;
  return { url, id, number, attempt, workflow, repository, actor };
}

function identify({ operation, database, state, run, startedAt, at }: RunEvent): string {
  const parts = [operation, database, state, run?.id, run?.attempt, startedAt, at];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

function shorten(outputs: RunEvent['outputs']): RunEvent['outputs'] {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, value]) => [
      name,
      typeof value === 'string' ? cut(value, textLimit) : value,
    ]),
  );
}
