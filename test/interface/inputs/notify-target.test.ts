import { expect, it } from 'vitest';
import { toNotifyTarget } from '../../../src/interface/inputs/notify-target.ts';

it('an address stays as it is for a form that needs nothing of it', () => {
  const url = 'https://example.com/x?y=z';
  for (const format of ['default', 'apprise', 'discord', 'teams'] as const)
    expect(toNotifyTarget(url, format)).toEqual({ format, url });
});

it('what a service reads in the body is taken out of the address, and the rest of it stays', () => {
  expect(toNotifyTarget('https://ntfy.example.com/backups-1_x?auth=abc', 'ntfy')).toEqual({
    ...{ format: 'ntfy', url: 'https://ntfy.example.com/?auth=abc', topic: 'backups-1_x' },
  });
  expect(toNotifyTarget('https://events.eu.pagerduty.com/v2/enqueue?routing_key=R1', 'pagerduty')).toEqual({
    ...{ format: 'pagerduty', url: 'https://events.eu.pagerduty.com/v2/enqueue', routingKey: 'R1' },
  });
  const telegram = 'https://api.telegram.org/bot1:x/sendMessage';
  expect(toNotifyTarget(`${telegram}?chat_id=-1001&message_thread_id=7`, 'telegram')).toEqual({
    ...{ format: 'telegram', url: telegram, chat: '-1001', topic: 7 },
  });
  expect(toNotifyTarget(`${telegram}?chat_id=@shop`, 'telegram')).toMatchObject({ chat: '@shop' });
});

it.each(['abc', '0', '-7', '7.5', '1e3', '9'.repeat(16)])(
  'a topic of Telegram is a number, and never %s',
  (topic) => {
    const url = `https://api.telegram.org/bot1:x/sendMessage?chat_id=-1001&message_thread_id=${topic}`;
    expect(() => toNotifyTarget(url, 'telegram')).toThrow('has a message_thread_id that is not a number');
  },
);
