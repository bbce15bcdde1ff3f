import { printableLines } from '../../report/printable.ts';
import type { Fact, Notice, NoticeKind, Passage } from '../notice.ts';

/* Limits of Slack's block reference: characters after escaping. */
const headerLimit = 150;
const textLimit = 3000;
const fieldLimit = 2000;
const addressLimit = 3000;
const mostFields = 10;

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

const signs: Readonly<Record<NoticeKind, string>> = {
  failed: '🚨',
  negative: '🚨',
  recovered: '✅',
  digest: '📋',
  test: '🧪',
};

/** Renders a message for an incoming webhook of Slack. */
export function renderSlack(notice: Notice): SlackMessage {
  const title = `${signs[notice.kind]} ${notice.title}`;
  const fields = notice.facts.slice(0, mostFields).map(renderField);
  return {
    text: escapeSlack(title, textLimit),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: escapeSlack(title, headerLimit) } },
      { type: 'section', fields },
      ...notice.passages.map(renderPassage),
      { type: 'context', elements: [formatted(escapeSlack(notice.place, textLimit))] },
      ...renderButtons(notice),
    ],
    unfurl_links: false,
  };
}

/** Escapes Slack's three control characters and cuts to `limit`; other markup changes the appearance only. */
export function escapeSlack(text: string, limit: number): string {
  const escaped = Array.from(
    printableLines(text),
    (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? sign,
  );
  if (escaped.reduce((sum, sign) => sum + sign.length, 0) <= limit) return escaped.join('');
  let kept = '';
  for (const sign of escaped) {
    if (kept.length + sign.length > limit - 1) break;
    kept += sign;
  }
  return `${kept}…`;
}

function renderField({ title, value }: Fact): Text {
  const head = `*${escapeSlack(title, 100)}*
`;
  return formatted(head + escapeSlack(value, fieldLimit - head.length));
}

function renderPassage({ title, text }: Passage): Block {
  const head = `*${escapeSlack(title, 100)}*
`;
  return section(head + escapeSlack(text, textLimit - head.length));
}

function section(text: string): Block {
  return { type: 'section', text: formatted(text) };
}

function formatted(text: string): Text {
  return { type: 'mrkdwn', text, verbatim: true };
}

function renderButtons({ links }: Notice): Block[] {
  const elements = links.flatMap(({ title, url }): Button[] =>
    url.length > addressLimit ? [] : [{ type: 'button', text: { type: 'plain_text', text: title }, url }],
  );
  return elements.length === 0 ? [] : [{ type: 'actions', elements }];
}
