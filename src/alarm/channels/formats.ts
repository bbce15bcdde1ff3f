import type { NotifyTarget } from '../../interface/inputs/notify-target.ts';
import { cut } from '../issues/text.ts';
import type { Notice, NoticeKind } from '../notice.ts';
import { renderPlain } from './plain-text.ts';
import { toTeams } from './teams.ts';

/* Messages as services want them that take no others. Limits are those that the services document. */

/**
 * @param standard the message in our own form
 * @returns undefined where the service has no use for such a notice
 */
export function toContent(target: NotifyTarget, notice: Notice, standard: () => object): object | undefined {
  switch (target.format) {
    case 'default':
      return standard();
    case 'apprise':
      return toApprise(notice);
    case 'discord':
      return toDiscord(notice);
    case 'ntfy':
      return toNtfy(notice, target.topic);
    case 'pagerduty':
      return notice.kind === 'digest' ? undefined : toPagerDuty(notice, target.routingKey);
    case 'teams':
      return toTeams(notice);
    case 'telegram':
      return toTelegram(notice, target);
  }
}

const appriseTypes: Readonly<Record<NoticeKind, string>> = {
  failed: 'failure',
  negative: 'warning',
  recovered: 'success',
  digest: 'info',
  test: 'info',
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
  test: 0x0366d6,
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
  test: 3,
};

const ntfyTags: Readonly<Record<NoticeKind, string>> = {
  failed: 'rotating_light',
  negative: 'rotating_light',
  recovered: 'white_check_mark',
  digest: 'clipboard',
  test: 'test_tube',
};

/** bytes; what is longer becomes an attachment (https://docs.ntfy.sh/publish/#limitations) */
const ntfyLimit = 4096;

/** Is sent to the root of the server: https://docs.ntfy.sh/publish/#publish-as-json */
export function toNtfy(notice: Notice, topic: string) {
  const { kind, title, links } = notice;
  const [first] = links;
  return {
    ...{ topic, title, message: cutBytes(renderPlain(notice), ntfyLimit) },
    priority: ntfyPriorities[kind],
    tags: [ntfyTags[kind]],
    ...(first && { click: first.url }),
    actions: links.slice(0, 3).map((link) => ({ action: 'view', label: link.title, url: link.url })),
  };
}

/** Cuts a text to at most so many bytes of UTF-8, between two characters. */
function cutBytes(text: string, limit: number): string {
  if (Buffer.byteLength(text) <= limit) return text;
  const kept = Buffer.from(text).subarray(0, limit - 3);
  return `${kept.toString().replace(/\uFFFD+$/, '')}…`;
}

/** Characters of a summary: https://developer.pagerduty.com/docs/send-alert-event */
const pagerDutyLimit = 1024;

/** Failures of an operation are one incident, whatever their causes are; its success resolves it. */
export function toPagerDuty(notice: Notice, routingKey: string) {
  const { title, kind, database, operation, facts, passages, links, at, thread } = notice;
  return {
    routing_key: routingKey,
    event_action: kind === 'recovered' ? 'resolve' : 'trigger',
    dedup_key: thread.group,
    payload: {
      summary: cut(title, pagerDutyLimit),
      source: database,
      severity: kind === 'failed' ? 'error' : kind === 'test' ? 'info' : 'warning',
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
}

/** Characters of a text, which has no parse_mode and so no markup: https://core.telegram.org/bots/api#sendmessage */
const telegramLimit = 4096;

export function toTelegram(
  notice: Notice,
  { chat, topic }: Pick<Extract<NotifyTarget, { format: 'telegram' }>, 'chat' | 'topic'>,
) {
  const text = `${notice.title}\n\n${renderPlain(notice)}`;
  return {
    chat_id: chat,
    ...(topic !== undefined && { message_thread_id: topic }),
    // A name after @ would notify whoever has it.
    text: cut(text.replaceAll('@', '@\u200b'), telegramLimit),
    link_preview_options: { is_disabled: true },
    disable_notification: notice.kind === 'digest',
  };
}
