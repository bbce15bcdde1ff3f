import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { tryChannels } from '../../src/alarm/trial.ts';
import { parseMailServer } from '../../src/interface/inputs/mail-values.ts';
import { toNotifyTarget } from '../../src/interface/inputs/notify-target.ts';
import { makeAuthority } from '../support/private-authority.ts';
import { createContext, exampleSuccess, limits } from './example.ts';
import { startMailServer } from './mail-server.ts';
import { type Receiver, startReceiver } from './receiver.ts';

let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.close());

const settings = (format: 'default' | 'pagerduty' | 'ntfy' = 'default') => ({
  notify: toNotifyTarget(`${receiver.url}/notify${format === 'pagerduty' ? '?routing_key=k' : ''}`, format),
  slackWebhookUrl: `${receiver.url}/slack`,
  heartbeat: { url: `${receiver.url}/beat`, signals: [], runId: 'r' },
  redact: (text: string) => text.replaceAll('hidden', '***'),
});
const event = exampleSuccess({}, { operation: 'doctor', outputs: {} });
const bodyOf = (path: string) =>
  JSON.parse(receiver.requests.find((request) => request.path.startsWith(path))?.body ?? '');

it('each channel gets one message that says it is a test, and a heartbeat none', async () => {
  const answers = await tryChannels(event, settings(), createContext({}), limits);
  expect(answers).toEqual([
    { input: 'notify-url', failure: undefined },
    { input: 'slack-webhook-url', failure: undefined },
  ]);
  expect(receiver.requests.map(({ path }) => path).sort()).toEqual(['/notify', '/slack']);
  expect(bodyOf('/notify')).toMatchObject({ kind: 'test', message: null, failureClass: null, digest: null });
  expect(bodyOf('/notify').title).toMatch(/^\[test\] /);
  expect(bodyOf('/notify').text).toContain('This is a test message');
});

it('a channel that refuses is told with what to do, and stops no other', async () => {
  receiver.answer = ({ path }) => ({ status: path === '/slack' ? 404 : 200, body: 'no hook hidden' });
  const [notify, slack] = await tryChannels(event, settings(), createContext({}), limits);
  expect(notify?.failure).toBeUndefined();
  expect(slack?.failure?.message).toContain('answered 404: no hook ***');
  expect(slack?.failure?.next).toBe('Check slack-webhook-url.');
});

it('mail is handed to the server, and addresses that it refuses are told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trial-'));
  const authority = makeAuthority(folder, ['localhost']);
  const server = await startMailServer(authority, {
    secure: true,
    onRcptTo: ({ address }, _session, callback) =>
      callback(
        address.startsWith('gone') ? Object.assign(new Error('no such user'), { responseCode: 550 }) : null,
      ),
  });
  const mail = {
    server: parseMailServer(`smtps://user:pass@localhost:${server.port}`),
    from: { name: '', address: 'backups@example.com' },
    to: ['ops@example.com', 'gone@example.com'].map((address) => ({ name: '', address })),
  };
  const context = createContext({ SSL_CERT_FILE: authority.file });
  try {
    const [answer] = await tryChannels(event, { mail, redact: (text) => text }, context, limits);
    expect(server.received.map(({ mail: { subject } }) => subject)).toEqual([
      expect.stringMatching(/^\[test\] /),
    ]);
    expect(answer?.failure?.message).toBe('the mail server does not accept mail for gone@example.com');
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});

it('a pager gets it as information, in an incident of its own', async () => {
  await tryChannels(event, settings('pagerduty'), createContext({}), limits);
  const { payload, dedup_key: key } = bodyOf('/notify');
  expect(payload.severity).toBe('info');
  expect(key).not.toBe(bodyOf('/notify').routing_key);
});
