import type { NotifyFormat } from '../../interface/inputs/operations.ts';
import { cut } from '../issues/text.ts';
import type { Notice, NoticeKind } from '../notice.ts';
import { DeliveryFailure } from './delivery.ts';
import { renderPlain } from './plain-text.ts';
import { toTeams } from './teams.ts';

/*
 * Messages as services want them that take no others. What a service reads in the body and a person writes in
 * the address (a topic, a chat, a key) is taken from there. Limits are those that the services document.
 */

/** A message, and where it is sent */
export interface Posting {
  readonly url: string;
  readonly content: object;
}

/**
 * @param standard the message in our own form
 * @returns undefined where the service has no use for such a notice
 * @throws DeliveryFailure when the address lacks what the service needs
 */
export function toPosting(
  format: NotifyFormat,
  notice: Notice,
  url: string,
  standard: () => object,
): Posting | undefined {
  switch (format) {
    case 'default':
      return { url, content: standard() };
    case 'apprise':
      return { url, content: toApprise(notice) };
    case 'discord':
      return { url, content: toDiscord(notice) };
    case 'ntfy':
      return toNtfy(notice, url);
    case 'pagerduty':
      return notice.kind === 'digest' ? undefined : toPagerDuty(notice, url);
    case 'teams':
      return { url, content: toTeams(notice) };
    case 'telegram':
      return toTelegram(notice, url);
  }
}

const appriseTypes: Readonly<Record<NoticeKind, string>> = {
  failed: 'failure',
  negative: 'warning',
  recovered: 'success',
  digest: 'info',
};

/** POST /notify/{key} of Apprise's API: https://github.com/caronc/apprise-api#persistent-stateful-storage-solution */
export function toApprise(notice: Notice) {
  const { kind, title } = notice;
  return { title, body: renderPlain(notice), type: appriseTypes[kind], format: 'text' };
}

const discordColors: Readonly<Record<NoticeKind, number>> = {
  failed: 0xb60205,
  negative: 0xd93f0b,
  recovered: 0x3ecf8e,
  digest: 0x0366d6,
};

/**
 * https://docs.discord.com/developers/resources/message#embed-object-embed-limits: 256 characters of title,
 * 4096 of description, 256 and 1024 of a field, 25 fields, and 6000 of all together
 */
const discordLimits = { title: 256, description: 2400, value: 280, fields: 10 } as const;

export function toDiscord({ kind, title, passages, facts, links, place, at }: Notice) {
  const { fields } = discordLimits;
  const text = passages.map((passage) => `**${passage.title}**\n${escapeDiscord(passage.text)}`).join('\n\n');
  const named = links.map((link) => `[${link.title}](${encodeURI(link.url)})`).join(' · ');
  const description = `${cut(text, discordLimits.description)}${text === '' ? '' : '\n\n'}`;
  return {
    // Names in a message notify nobody.
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title: cut(escapeDiscord(title), discordLimits.title),
        description: `${description}${named.length > 1000 ? '' : named}`,
        color: discordColors[kind],
        fields: facts.slice(0, fields).map((fact) => {
          return {
            name: fact.title,
            value: cut(escapeDiscord(fact.value), discordLimits.value),
            inline: true,
          };
        }),
        footer: { text: cut(place, discordLimits.value) },
        timestamp: at.toISOString(),
      },
    ],
  };
}

/** Escapes what Discord's Markdown takes for its own, and at the start of a line what makes a quote, a heading, a list. */
function escapeDiscord(text: string): string {
  return text.replace(/[\\*_~`|<[\]]/g, '\\$&').replace(/^[>#-]/gm, '\\$&');
}

const ntfyPriorities: Readonly<Record<NoticeKind, number>> = {
  failed: 4,
  negative: 4,
  recovered: 3,
  digest: 2,
};

const ntfyTags: Readonly<Record<NoticeKind, string>> = {
  failed: 'rotating_light',
  negative: 'rotating_light',
  recovered: 'white_check_mark',
  digest: 'clipboard',
};

/** bytes; what is longer becomes an attachment (https://docs.ntfy.sh/publish/#limitations) */
const ntfyLimit = 4096;

/** The topic goes into the body, and the message to the root: https://docs.ntfy.sh/publish/#publish-as-json */
export function toNtfy(notice: Notice, address: string): Posting {
  const url = new URL(address);
  const topic = url.pathname.replace(/^\/|\/$/g, '');
  if (!/^[-\w]{1,64}$/.test(topic))
    throw lacking('topic of ntfy', 'Write it as in https://ntfy.sh/my-topic.');
  url.pathname = '/';
  const { kind, title, links } = notice;
  const [first] = links;
  const content = {
    ...{ topic, title, message: cutBytes(renderPlain(notice), ntfyLimit) },
    priority: ntfyPriorities[kind],
    tags: [ntfyTags[kind]],
    ...(first && { click: first.url }),
    actions: links.slice(0, 3).map((link) => ({ action: 'view', label: link.title, url: link.url })),
  };
  return { url: url.href, content };
}

/** Cuts a text to at most so many bytes of UTF-8, between two characters. */
function cutBytes(text: string, limit: number): string {
  if (Buffer.byteLength(text) <= limit) return text;
  const kept = Buffer.from(text).subarray(0, limit - 3);
  return `${kept.toString().replace(/\uFFFD+$/, '')}…`;
}

/** Characters of a summary: https://developer.pagerduty.com/docs/send-alert-event */
const pagerDutyLimit = 1024;

/** The key of the integration goes into the body. Failures of an operation are one incident, which its success resolves. */
export function toPagerDuty(notice: Notice, address: string): Posting {
  const url = new URL(address);
  const key = url.searchParams.get('routing_key');
  if (!key) {
    const form = 'https://events.pagerduty.com/v2/enqueue?routing_key=…';
    throw lacking('routing_key', `Write it as in ${form}.`);
  }
  url.searchParams.delete('routing_key');
  const { title, kind, database, operation, facts, passages, links, at, thread } = notice;
  const content = {
    routing_key: key,
    event_action: kind === 'recovered' ? 'resolve' : 'trigger',
    dedup_key: thread.group,
    payload: {
      summary: cut(title, pagerDutyLimit),
      source: database,
      severity: kind === 'failed' ? 'error' : 'warning',
      timestamp: at.toISOString(),
      component: operation,
      custom_details: Object.fromEntries([
        ...facts.map((fact) => [fact.title, fact.value]),
        ...passages.map((passage) => [passage.title, passage.text]),
      ]),
    },
    links: links.map((link) => ({ href: link.url, text: link.title })),
    client: 'supabase-backup',
  };
  return { url: url.href, content };
}

/** Characters of a text, which has no parse_mode and so no markup: https://core.telegram.org/bots/api#sendmessage */
const telegramLimit = 4096;

/** The chat, and its topic, go into the body. */
export function toTelegram(notice: Notice, address: string): Posting {
  const url = new URL(address);
  const [chat, topic] = ['chat_id', 'message_thread_id'].map((name) => url.searchParams.get(name));
  if (!chat) {
    const form = 'https://api.telegram.org/bot<token>/sendMessage?chat_id=…';
    throw lacking('chat_id', `Write it as in ${form}.`);
  }
  url.search = '';
  const text = `${notice.title}\n\n${renderPlain(notice)}`;
  const content = {
    chat_id: chat,
    ...(topic && { message_thread_id: Number(topic) }),
    // A name after @ would notify whoever has it.
    text: cut(text.replaceAll('@', '@\u200b'), telegramLimit),
    link_preview_options: { is_disabled: true },
    disable_notification: notice.kind === 'digest',
  };
  return { url: url.href, content };
}

function lacking(what: string, remedy: string): DeliveryFailure {
  return new DeliveryFailure(`notify-url holds no ${what}`, remedy);
}
