import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listSecrets } from '../../../src/entry/process/secrets.ts';
import type { InputName } from '../../../src/interface/inputs/schema.ts';
import { createRedactor } from '../../../src/report/redact.ts';

function secretsOf(given: Partial<Record<InputName, string>>): readonly string[] {
  return listSecrets((name) => given[name], {});
}

const uuid = '5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278';
const token = 'AAHsecretTOKENxyz';
const login = Buffer.from('user:p@ss').toString('base64');

describe('what a receiver quotes of the address of an alarm is masked', () => {
  const telegram = `https://api.telegram.org/bot123456:${token}/sendMessage?chat_id=-1001`;
  it.each<[InputName, string, string]>([
    ['notify-url', telegram, token],
    ['notify-url', telegram, `bot123456:${token}`],
    ['notify-url', telegram, `123456:${token}`],
    ['notify-url', telegram, `/bot123456:${token}/sendMessage`],
    ['notify-url', `https://h/bot1%3A${token}/sendMessage`, token],
    ['notify-url', 'https://user:p%40ss@h/hook', 'p%40ss'],
    ['notify-url', 'https://user:p%40ss@h/hook', 'p@ss'],
    ['notify-url', 'https://user:p%40ss@h/hook', login],
    ['notify-url', 'https://user:p%40ss@h/hook', login.replace(/=+$/, '')],
    ['notify-url', 'https://tk_abcdef@ntfy.example/x', 'tk_abcdef'],
    ['notify-url', 'https://ntfy.sh/shop-x7q', 'shop-x7q'],
    ['notify-url', 'https://h/notify?key=x7Kq2Lm9', 'x7Kq2Lm9'],
    ['notify-url', 'https://h/notify?key=x7Kq%2FLm9&a=b', 'x7Kq/Lm9'],
    ['notify-url', 'https://h/notify?x7Kq2Lm9', 'x7Kq2Lm9'],
    ['notify-url', 'https://h/a1/b2/c3?d=e', '/a1/b2/c3?d=e'],
    ['heartbeat-url', `https://hc-ping.com/${uuid}`, uuid],
    ['heartbeat-url', `https://hc-ping.com/${uuid}/`, `/${uuid}`],
    ['heartbeat-url', `https://hc-ping.com/ping/${uuid}/`, `/ping/${uuid}`],
    ['heartbeat-url', 'https://h/a1/b2/c3/', '/a1/b2/c3'],
    ['slack-webhook-url', 'https://hooks.slack.com/services/T0AB/B0CD/x7Kq2Lm9', 'x7Kq2Lm9'],
    ['slack-webhook-url', 'https://hooks.slack.com/services/T0AB/B0CD/x7Kq2Lm9', '/T0AB/B0CD/x7Kq2Lm9'],
    ['smtp-url', 'smtps://user:p%40ss@h', login],
  ])('%s %s: %s', (name, address, quoted) => {
    const secrets = secretsOf({ [name]: address });
    // A runner masks what is listed, letter for letter, and we what may be written in other ways.
    expect(secrets.some((secret) => quoted.includes(secret))).toBe(true);
    const shown = createRedactor(secrets)(`<${quoted}>`);
    for (const secret of [
      token,
      uuid,
      'p@ss',
      'p%40ss',
      'x7Kq',
      'tk_abcdef',
      'shop-x7q',
      login.slice(0, 9),
      '/b2/',
    ])
      expect(shown).not.toContain(secret);
    expect(shown).toContain('***');
  });
});

it.each([
  'https://hooks.slack.com/services/T0/B0/x7Kq2Lm9',
  'https://api.telegram.org/bot1:x7Kq2Lm9/sendMessage?chat_id=-1',
  'https://ntfy.sh/supabase-backup',
  'https://events.pagerduty.com/v2/enqueue?routing_key=x7Kq2Lm9',
  'https://discord.com/api/webhooks/1/x7Kq2Lm9',
  'https://h/api/push/x7Kq2Lm9?status=up',
  'https://h/v1/notifications/webhook',
])('words of services, and our own, stay readable beside %s', (address) => {
  const text =
    'the webhook of services, api, push, ping, messages, /sendMessage, /v2/enqueue, /v1/notifications/webhook, up: supabase-backup';
  expect(createRedactor(secretsOf({ 'notify-url': address }))(text)).toBe(text);
});

it('what the variables hold that a policy names is masked, also of a policy with mistakes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'policy-secrets-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const policy = join(folder, 'policy.yml');
  writeFileSync(
    policy,
    "databases:\n  a: { copies: 'COPIES_A', project-ref: x }\n  b:\n    supabase-access-token: TOKEN_B\n    repository-key: KEY_B # of b\n    colour: UNNAMED\n",
  );
  const env = {
    COPIES_A: '- storage: s3://a/b\n  access-key-id: AKIA\n  secret-access-key: of-the-copy',
    ...{ TOKEN_B: 'sbp_of_b', KEY_B: 'ab'.repeat(32), UNNAMED: 'plain' },
  };
  const read = (name: InputName) => (name === 'policy' ? policy : undefined);
  expect(listSecrets(read, env)).toEqual(['ab'.repeat(32), 'of-the-copy', 'sbp_of_b']);
  expect(listSecrets((name) => (name === 'policy' ? `${policy}.gone` : undefined), env)).toEqual([]);
});
