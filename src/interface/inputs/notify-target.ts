import { nameInput, say } from '../../runtime/wording.ts';
import type { NotifyFormat } from './operations.ts';
import { Problem } from './values.ts';

/**
 * Where messages go, and in which form. What a service reads in the body and a person writes in the address (a
 * topic, a chat, a key) is taken out of it.
 */
export type NotifyTarget =
  | { readonly format: 'default' | 'apprise' | 'discord' | 'teams'; readonly url: string }
  /** `url` is the root of the server */
  | { readonly format: 'ntfy'; readonly url: string; readonly topic: string }
  | { readonly format: 'pagerduty'; readonly url: string; readonly routingKey: string }
  | {
      readonly format: 'telegram';
      readonly url: string;
      readonly chat: string;
      /** Of a chat that has several; undefined for its general one */
      readonly topic: number | undefined;
    };

/** Reads an address for a form. */
export function toNotifyTarget(address: string, format: NotifyFormat): NotifyTarget {
  switch (format) {
    case 'ntfy':
      return toNtfy(new URL(address));
    case 'pagerduty':
      return toPagerDuty(new URL(address));
    case 'telegram':
      return toTelegram(new URL(address));
    default:
      return { format, url: address };
  }
}

function toNtfy(url: URL): NotifyTarget {
  const topic = url.pathname.replace(/^\/|\/$/g, '');
  if (!/^[-\w]{1,64}$/.test(topic)) throw lacking('topic of ntfy', 'https://ntfy.sh/my-topic');
  url.pathname = '/';
  return { format: 'ntfy', url: url.href, topic };
}

function toPagerDuty(url: URL): NotifyTarget {
  const routingKey = url.searchParams.get('routing_key');
  if (!routingKey) throw lacking('routing_key', 'https://events.pagerduty.com/v2/enqueue?routing_key=…');
  url.searchParams.delete('routing_key');
  return { format: 'pagerduty', url: url.href, routingKey };
}

function toTelegram(url: URL): NotifyTarget {
  const [chat, topic] = ['chat_id', 'message_thread_id'].map((name) => url.searchParams.get(name));
  if (!chat) throw lacking('chat_id', 'https://api.telegram.org/bot<token>/sendMessage?chat_id=…');
  if (topic && !/^[1-9]\d{0,14}$/.test(topic))
    throw new Problem(
      'has a message_thread_id that is not a number',
      'Write the number of the topic, as in message_thread_id=7.',
    );
  url.search = '';
  return { format: 'telegram', url: url.href, chat, topic: topic ? Number(topic) : undefined };
}

function lacking(what: string, form: string): Problem {
  return new Problem(
    say`has no ${what}, which ${nameInput('notify-format')} requires`,
    `Write it as in ${form}.`,
  );
}
