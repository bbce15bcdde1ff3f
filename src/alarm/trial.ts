import { printable } from '../report/printable.ts';
import type { ChannelAnswer, Context } from '../runtime/context.ts';
import { startTimer } from '../runtime/deadline.ts';
import { isKnownError, messageOf } from '../runtime/errors.ts';
import { nameInput, say, type Wording } from '../runtime/wording.ts';
import { DeliveryFailure, deliver } from './channels/delivery.ts';
import { toContent } from './channels/formats.ts';
import { sendMail } from './channels/mail.ts';
import { renderMail } from './channels/mail-message.ts';
import { renderSlack } from './channels/slack.ts';
import { toWebhookContent } from './channels/webhook.ts';
import { type AlarmLimits, type AlarmSettings, defaultLimits, type RunSuccess } from './event.ts';
import { describePlace, digestOf, identify, listLinks, type Notice, titleNotice } from './notice.ts';

/** What a trial is of: nothing has happened, and the event says so. */
export type TrialEvent = Omit<RunSuccess, 'state'>;

/**
 * Sends one message, marked as a test, to each channel that takes messages, and returns how each answered. A
 * dead man's switch is not called, which would take it for a success, and no issue is opened. Never throws for
 * a channel, and takes `limits.totalMs` at most.
 */
export async function tryChannels(
  event: TrialEvent,
  settings: AlarmSettings,
  context: Pick<Context, 'env' | 'signal'>,
  limits: AlarmLimits = defaultLimits,
): Promise<readonly ChannelAnswer[]> {
  const success: RunSuccess = { ...event, database: settings.redact(event.database), state: 'succeeded' };
  const notice = toTestNotice(success);
  const { notify: target, slackWebhookUrl, mail } = settings;
  const { env } = context;
  using timer = startTimer(limits.totalMs, context.signal, limits.afterStopMs);
  const post = (input: string, url: string, content: object) => () =>
    deliver({ input, url, content, env }, limits, timer.signal);
  const tries: [input: string, send: () => Promise<void>][] = [];
  if (target !== undefined) {
    const content = toContent(target, notice, () => toWebhookContent(success, notice, { outcome: 'none' }));
    if (content !== undefined) tries.push(['notify-url', post('notify-url', target.url, content)]);
  }
  if (slackWebhookUrl !== undefined)
    tries.push(['slack-webhook-url', post('slack-webhook-url', slackWebhookUrl, renderSlack(notice))]);
  if (mail !== undefined)
    tries.push([
      'mail-to',
      async () => {
        const refused = await sendMail(renderMail(notice, mail), mail, env, limits, timer.signal);
        if (refused.length > 0)
          throw new DeliveryFailure(
            `the mail server does not accept mail for ${refused.join(', ')}`,
            say`Check ${nameInput('mail-to')}.`,
          );
      },
    ]);
  return Promise.all(
    tries.map(async ([input, send]) => {
      const failure = await explainFailure(send);
      return { input, failure: failure && mapTexts(failure, settings.redact) };
    }),
  );
}

async function explainFailure(send: () => Promise<void>): Promise<ChannelAnswer['failure']> {
  try {
    await send();
    return undefined;
  } catch (error) {
    if (error instanceof DeliveryFailure || isKnownError(error)) return error.told;
    return { message: messageOf(error), next: 'Read the message, and check the address.' };
  }
}

function mapTexts(
  { message, next }: NonNullable<ChannelAnswer['failure']>,
  change: (text: string) => string,
): ChannelAnswer['failure'] {
  const map = (text: string | Wording) => (typeof text === 'string' ? change(text) : text.map(change));
  return { message: map(message), next: map(next) };
}

function toTestNotice(event: RunSuccess): Notice {
  const { operation, at } = event;
  const id = digestOf([identify(event), 'test']);
  const database = printable(event.database);
  const text =
    'This is a test message, which doctor was asked to send. Nothing has happened: a failure would arrive here like this.';
  return {
    ...{ id, kind: 'test', operation, at, database },
    title: titleNotice('test', database, 'this channel works'),
    facts: [{ title: 'Database', value: database }],
    passages: [{ title: 'What this is', text }],
    links: listLinks(event, {}),
    place: printable(describePlace(event)),
    thread: { key: id, begins: true, group: id },
  };
}
