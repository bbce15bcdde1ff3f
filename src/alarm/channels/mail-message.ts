import type { MailInputs } from '../../interface/inputs/alarm-types.ts';
import type { MailAddress } from '../../interface/inputs/mail-values.ts';
import { escapeHtml } from '../../report/html.ts';
import type { Notice } from '../notice.ts';
import { renderPlain } from './plain-text.ts';

/** A message as nodemailer takes it; each header is one line whatever a name holds, for a notice is printable. */
export interface MailMessage {
  readonly from: MailAddress;
  readonly to: MailAddress[];
  readonly subject: string;
  readonly date: Date;
  readonly messageId: string;
  readonly inReplyTo?: string;
  readonly references?: string;
  readonly headers: Record<string, string>;
  readonly text: string;
  readonly html: string;
}

/** Keep programs from answering, and from counting the message as a person's: RFC 3834; Microsoft's [MS-OXCMAIL]. */
const automatic = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' } as const;

/**
 * Renders mail. The first message of a thread has the id that all others refer to, which they do also where
 * it never arrived.
 */
export function renderMail(notice: Notice, { from, to }: Pick<MailInputs, 'from' | 'to'>): MailMessage {
  const domain = from.address.slice(from.address.lastIndexOf('@') + 1);
  const { thread, id } = notice;
  const root = `<${thread.key}.thread@${domain}>`;
  return {
    ...{ from, to: [...to], subject: notice.title, date: notice.at },
    ...(thread.begins
      ? { messageId: root }
      : { messageId: `<${id}@${domain}>`, inReplyTo: root, references: root }),
    headers: { ...automatic },
    text: `${renderPlain(notice)}\n`,
    html: renderHtml(notice),
  };
}

function renderHtml({ title, passages, facts, links, place }: Notice): string {
  const rows = facts.map(
    (fact) =>
      `<tr><th align="left" valign="top">${escapeHtml(fact.title)}</th><td>${escapeHtml(fact.value)}</td></tr>`,
  );
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title></head>`,
    '<body style="font:15px/1.5 sans-serif">',
    `<h1 style="font-size:18px">${escapeHtml(title)}</h1>`,
    ...passages.map(
      (passage) =>
        `<h2 style="font-size:15px">${escapeHtml(passage.title)}</h2>\n<p style="white-space:pre-wrap">${escapeHtml(passage.text)}</p>`,
    ),
    `<table cellpadding="4">\n${rows.join('\n')}\n</table>`,
    `<p>${links
      .filter(({ url }) => /^https?:\/\//.test(url))
      .map((link) => `<a href="${escapeHtml(link.url)}">${escapeHtml(link.title)}</a>`)
      .join(' · ')}</p>`,
    `<p style="font-size:13px">${escapeHtml(place)}</p>`,
    '</body></html>\n',
  ].join('\n');
}
