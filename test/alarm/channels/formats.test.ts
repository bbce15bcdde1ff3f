import { createRequire } from 'node:module';
import path from 'node:path';
import { EmbedBuilder, embedLength } from '@discordjs/builders';
import { describe, expect, it } from 'vitest';
import {
  toApprise,
  toContent,
  toDiscord,
  toNtfy,
  toPagerDuty,
  toTelegram,
} from '../../../src/alarm/channels/formats.ts';
import { toTeams } from '../../../src/alarm/channels/teams.ts';
import { toWebhookContent } from '../../../src/alarm/channels/webhook.ts';
import { toDigestNotice } from '../../../src/alarm/digest-notice.ts';
import type { IssueChange } from '../../../src/alarm/issues/lifecycle.ts';
import { type Notice, toNotice } from '../../../src/alarm/notice.ts';
import { toNotifyTarget } from '../../../src/interface/inputs/notify-target.ts';
import { notifyFormats } from '../../../src/interface/inputs/operations.ts';
import { exampleDigest } from '../digest-example.ts';
import { exampleFailure, exampleSuccess, hour } from '../example.ts';

/* Each form is checked by a library of its service, or by the limits that its documentation says. */

/** Microsoft's own library; what its package calls its module cannot be loaded by Node. */
const adaptiveCards: typeof import('adaptivecards') = createRequire(import.meta.url)(
  'adaptivecards/dist/adaptivecards.js',
);

const issue = { number: 4, url: 'https://github.example/acme/shop/issues/4' };
const lastGood = { id: '20261119T001800Z-aaaa', takenAt: new Date('2026-11-19T00:18:00Z') };

function change(outcome: IssueChange['outcome']): IssueChange {
  const failingSince = new Date(exampleFailure().at.getTime() - 3 * hour);
  return { outcome, fingerprint: 'f00d', issue, failures: 3, failingSince };
}

function fail(changes: Parameters<typeof exampleFailure>[1] = {}): Notice {
  const event = exampleFailure({}, { lastGood, rpoTarget: 24 * hour, ...changes });
  return toNotice(event, event, 'failed', change('repeated'));
}

const success = exampleSuccess();
const recovered = toNotice(success, success, 'recovered', change('closed'));
const digest = toDigestNotice(exampleSuccess({}, { operation: 'status' }), exampleDigest);

/** Of everything too much, and of each kind of character */
const huge = ['x', '漢', '😀', '"', '\\', '*', '@\n'].map((sign) => {
  const text = sign.repeat(20_000);
  return fail({ database: text, message: text, next: text, outputs: { note: text } });
});
const all = [fail(), recovered, digest, ...huge];

describe('Discord', () => {
  it.each(all.map((notice) => [notice.title.slice(0, 60), notice]))('takes %s', (_, notice) => {
    const { embeds, allowed_mentions } = toDiscord(notice as Notice);
    const [embed] = embeds;
    if (embed === undefined) throw new Error('there is no embed');
    const { title, description, color, fields, footer, timestamp } = embed;
    // Throws where Discord's limits are passed.
    const built = new EmbedBuilder()
      .setTitle(title)
      .setDescription(description)
      .setColor(color)
      .addFields(fields)
      .setFooter(footer)
      .setTimestamp(new Date(timestamp));
    expect(embedLength(built.toJSON())).toBeLessThanOrEqual(6000);
    expect(allowed_mentions).toEqual({ parse: [] });
  });

  it('shows names as they are, and makes no links of them', () => {
    const { embeds } = toDiscord(fail({ message: '[click](https://evil.example) **x** `y`' }));
    expect(embeds[0]?.description).toContain('\\[click\\](https://evil.example) \\*\\*x\\*\\* \\`y\\`');
    expect(embeds[0]?.description).toContain('[Open the issue](https://github.example/acme/shop/issues/4)');
  });
});

describe('Teams', () => {
  it.each(all.map((notice) => [notice.title.slice(0, 60), notice]))('takes %s', (_, notice) => {
    const message = toTeams(notice as Notice);
    expect(Buffer.byteLength(JSON.stringify(message))).toBeLessThan(28 * 1024);
    const { AdaptiveCard, SerializationContext, Versions } = adaptiveCards;
    const context = new SerializationContext(Versions.v1_4);
    const card = new AdaptiveCard();
    card.parse(message.attachments[0]?.content, context);
    const events = Array.from(
      { length: context.eventCount },
      (_, index) => context.getEventAt(index).message,
    );
    expect(events).toEqual([]);
    expect(card.validateProperties().validationEvents).toEqual([]);
    expect(card.getItemCount()).toBeGreaterThan(5);
  });

  it('would be told of what is no card', () => {
    const { AdaptiveCard, SerializationContext, Versions } = adaptiveCards;
    const context = new SerializationContext(Versions.v1_4);
    new AdaptiveCard().parse({ type: 'AdaptiveCard', version: '1.4', body: [{ type: 'Nope' }] }, context);
    expect(context.eventCount).toBe(1);
  });
});

describe('Telegram', () => {
  const target = { chat: '-1001', topic: 7 };

  it('gets a text of at most 4,096 characters for the chat in the address, without markup', () => {
    for (const notice of all) {
      const content = toTelegram(notice, target);
      expect(content).toMatchObject({ chat_id: '-1001', message_thread_id: 7 });
      expect(content).not.toHaveProperty('parse_mode');
      expect(content.text.length).toBeLessThanOrEqual(4096);
      expect(content.text).toMatch(/^\[(failed|recovered|digest)\]/);
    }
    expect(toTelegram(digest, target)).toMatchObject({ disable_notification: true });
    expect(toTelegram(fail({ message: '@mona' }), target).text).not.toContain('@m');
  });
});

describe('ntfy', () => {
  it('gets JSON at its root, with the topic of the address, within 4,096 bytes', () => {
    for (const notice of all) {
      const { topic, message, priority, actions } = toNtfy(notice, 'backups-1_x');
      expect(topic).toBe('backups-1_x');
      expect(Buffer.byteLength(message)).toBeLessThanOrEqual(4096);
      expect([2, 3, 4]).toContain(priority);
      expect(actions.length).toBeLessThanOrEqual(3);
    }
    expect(toNtfy(fail(), 't')).toMatchObject({
      title: '[failed] shop at db.example.com: backup, last good 26 h 00 min ago',
      tags: ['rotating_light'],
      click: 'https://github.example/acme/shop/actions/runs/700',
    });
  });
});

describe('PagerDuty', () => {
  const key = 'R0123456789abcdef0123456789abcde';

  it('gets an event of its second version, whose success resolves it whatever the causes were', () => {
    for (const notice of all) {
      const content = toPagerDuty(notice, key);
      const { payload, dedup_key, routing_key } = content;
      expect(routing_key).toHaveLength(32);
      expect(payload.summary.length).toBeLessThanOrEqual(1024);
      expect(dedup_key.length).toBeLessThanOrEqual(255);
      expect(Buffer.byteLength(JSON.stringify(content))).toBeLessThan(512 * 1024);
    }
    const [one, other, over] = [fail(), fail({ failureClass: 'StorageError' }), recovered].map((notice) =>
      toPagerDuty(notice, key),
    );
    expect([one, other, over].map((event) => event?.event_action)).toEqual(['trigger', 'trigger', 'resolve']);
    expect(new Set([one, other, over].map((event) => event?.dedup_key)).size).toBe(1);
  });

  it('gets no digest, which is no incident', () => {
    const target = { format: 'pagerduty', url: 'https://example.com', routingKey: key } as const;
    expect(toContent(target, digest, () => ({}))).toBeUndefined();
  });
});

describe('Apprise', () => {
  it('gets title, body and one of its four types', () => {
    expect(all.map((notice) => toApprise(notice).type)).toEqual(
      expect.arrayContaining(['failure', 'success', 'info']),
    );
    expect(toApprise(fail())).toMatchObject({
      format: 'text',
      body: expect.stringContaining('What to do\n'),
    });
  });
});

it('the form is our own unless another is asked for', () => {
  const url = 'https://example.com/x?chat_id=1&routing_key=2';
  for (const format of notifyFormats) {
    const content = toContent(toNotifyTarget(url, format), fail(), () => ({ version: 1 }));
    expect('version' in (content ?? {}), format).toBe(format === 'default');
  }
});

it('the bodies that docs/alarms.md shows are those that are sent', async () => {
  const addresses = {
    default: 'https://hooks.example.com/backups',
    apprise: 'https://apprise.example.com/notify/KEY',
    discord: 'https://discord.com/api/webhooks/ID/TOKEN',
    ntfy: 'https://ntfy.sh/my-topic',
    pagerduty: 'https://events.pagerduty.com/v2/enqueue?routing_key=KEY',
    teams: 'https://prod-1.westeurope.logic.azure.com/workflows/ID/triggers/manual/paths/invoke?sig=KEY',
    telegram: 'https://api.telegram.org/botTOKEN/sendMessage?chat_id=-1001',
  } as const;
  const event = exampleFailure({}, { database: 'production', lastGood, rpoTarget: 24 * hour });
  const told = change('repeated');
  const notice = toNotice(event, event, 'failed', told);
  const bodies = notifyFormats.map((format) => {
    const target = toNotifyTarget(addresses[format], format);
    const content = toContent(target, notice, () => toWebhookContent(event, notice, told));
    const body = JSON.stringify(content, null, 2);
    return `notify-format: ${format}\nnotify-url: ${addresses[format]}\n\nPOST ${target.url}\n${body}\n`;
  });
  const file = path.join(import.meta.dirname, '../../../docs/transcripts/alarm-bodies.txt');
  await expect(bodies.join('\n')).toMatchFileSnapshot(file);
});
