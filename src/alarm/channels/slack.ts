import { printableLines } from '../../report/printable.ts';
import { formatCounted, formatDuration } from '../../report/quantity.ts';
import { formatTimeWithZone } from '../../report/time.ts';
import type { RunEvent } from '../event.ts';
import { describeClass } from '../failure-class.ts';
import type { IssueChange } from '../issues/lifecycle.ts';
import { tellLastGood, tellRpo } from '../issues/text.ts';
import type { WebhookContent } from './webhook.ts';

/* Limits of Slack's block reference: characters after escaping. */
const headerLimit = 150;
const textLimit = 3000;
const fieldLimit = 2000;
const addressLimit = 3000;

type Text =
  | { readonly type: 'plain_text'; readonly text: string }
  /** With `verbatim`, Slack does not turn names into links or mentions. */
  | { readonly type: 'mrkdwn'; readonly text: string; readonly verbatim: true };

type Block =
  | { readonly type: 'header'; readonly text: Text }
  | { readonly type: 'section'; readonly text?: Text; readonly fields?: readonly Text[] }
  | { readonly type: 'context'; readonly elements: readonly Text[] }
  | { readonly type: 'actions'; readonly elements: readonly Button[] };

interface Button {
  readonly type: 'button';
  readonly text: Text;
  readonly url: string;
}

export interface SlackMessage {
  /** The text of Slack's own notification */
  readonly text: string;
  readonly blocks: readonly Block[];
  readonly unfurl_links: false;
}

/** Renders a message for an incoming webhook of Slack. */
export function renderSlack(
  event: RunEvent,
  kind: WebhookContent['kind'],
  change: IssueChange,
): SlackMessage {
  const { operation, database } = event;
  const answer = event.state === 'negative' ? `: ${describeClass(event.failureClass)}` : '';
  const words = { failed: ' fails', negative: answer, recovered: ' works again' }[kind];
  const title = `${kind === 'recovered' ? '✅' : '🚨'} ${operation} of ${database}${words}`;
  return {
    text: escapeSlack(title, textLimit),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: escapeSlack(title, headerLimit) } },
      { type: 'section', fields: listFacts(event, change).map(renderField) },
      ...renderCause(event),
      {
        type: 'context',
        elements: [formatted(escapeSlack(describeContext(event), textLimit))],
      },
      ...renderButtons(event, change),
    ],
    unfurl_links: false,
  };
}

/** Escapes Slack's three control characters and cuts to `limit`; other markup changes the appearance only. */
export function escapeSlack(text: string, limit: number): string {
  const signs = Array.from(
    printableLines(text),
    (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? sign,
  );
  if (signs.reduce((sum, sign) => sum + sign.length, 0) <= limit) return signs.join('');
  let kept = '';
  for (const sign of signs) {
    if (kept.length + sign.length > limit - 1) break;
    kept += sign;
  }
  return `${kept}…`;
}

/** Lists the facts of the message: ten at most, Slack's limit for fields. */
function listFacts(event: RunEvent, change: IssueChange): [title: string, value: string][] {
  const { failures, failingSince } = change;
  const rpo = tellRpo(event);
  return [
    ['Database', event.database],
    ...(event.state === 'succeeded'
      ? listEvidence(event)
      : [fact('Cause', describeClass(event.failureClass))]),
    ...(failures === undefined ? [] : [fact('Failures', formatCounted(failures, 'failure'))]),
    ...(failingSince === undefined
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

function renderField([title, value]: [string, string]): Text {
  const head = `*${escapeSlack(title, 100)}*\n`;
  return formatted(head + escapeSlack(value, fieldLimit - head.length));
}

function renderCause(event: RunEvent): Block[] {
  if (event.state === 'succeeded') return [];
  const [failed, fix] = ['*What failed*\n', '*What to do*\n'];
  return [
    section(failed + escapeSlack(event.message, textLimit - failed.length)),
    section(fix + escapeSlack(event.next, textLimit - fix.length)),
  ];
}

function section(text: string): Block {
  return { type: 'section', text: formatted(text) };
}

function formatted(text: string): Text {
  return { type: 'mrkdwn', text, verbatim: true };
}

function describeContext({ run, at }: RunEvent): string {
  if (run === undefined) return formatTimeWithZone(at);
  const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : '';
  return `${run.repository} · ${run.workflow} run ${run.number}${attempt} · ${formatTimeWithZone(at)}`;
}

function renderButtons({ run }: RunEvent, { issue }: IssueChange): Block[] {
  const links = [
    ...(run === undefined ? [] : [['Open the run', run.url]]),
    ...(issue === undefined ? [] : [['Open the issue', issue.url]]),
  ];
  const elements = links.flatMap(([title = '', url = '']): Button[] =>
    url.length > addressLimit ? [] : [{ type: 'button', text: { type: 'plain_text', text: title }, url }],
  );
  return elements.length === 0 ? [] : [{ type: 'actions', elements }];
}
