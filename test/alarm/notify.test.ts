import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AlarmLimits, AlarmSettings, RunEvent } from '../../src/alarm/event.ts';
import { notify } from '../../src/alarm/notify.ts';
import { toNotifyTarget } from '../../src/interface/inputs/notify-target.ts';
import { createRedactor } from '../../src/report/redact.ts';
import { expectNoSecret } from '../scenarios/refusal.ts';
import { type FakeGitHub, startFakeGitHub } from '../support/fake-github.ts';
import {
  createContext,
  exampleFailure,
  exampleRun,
  exampleSuccess,
  hour,
  limits,
  settingsFor,
} from './example.ts';
import { type Receiver, startReceiver } from './receiver.ts';

let github: FakeGitHub;
let receiver: Receiver;
let context: ReturnType<typeof createContext>;

beforeEach(async () => {
  [github, receiver] = await Promise.all([startFakeGitHub(), startReceiver()]);
  context = createContext({ GITHUB_API_URL: github.url });
});
afterEach(() => Promise.all([github.close(), receiver.close()]));

const runId = '2f1c4a52-8f39-4d0e-9a44-4ce1f0d1a6b7';

const channels = () => ({
  notify: toNotifyTarget(`${receiver.url}/notify`, 'default'),
  slackWebhookUrl: `${receiver.url}/slack`,
  heartbeat: { url: `${receiver.url}/beat`, signals: [], runId },
});

async function tell(
  event: RunEvent,
  changes: Partial<AlarmSettings> = {},
  shorter: Partial<AlarmLimits> = {},
): Promise<void> {
  github.now = () => event.at;
  const settings = settingsFor(github, { ...channels(), ...changes });
  await notify(event, settings, context, { ...limits, ...shorter });
}

const paths = () => receiver.requests.map(({ method, path }) => `${method} ${path}`).sort();
const bodyOf = (path: string) =>
  JSON.parse(receiver.requests.find((request) => request.path === path)?.body ?? '');

describe('who is told', () => {
  it('of a failure: webhook and Slack, and no heartbeat', async () => {
    await tell(exampleFailure());
    expect(paths()).toEqual(['POST /notify', 'POST /slack']);
  });

  it('of a negative answer: the same', async () => {
    await tell(exampleFailure({}, { state: 'negative', operation: 'drill', failureClass: 'parity' }));
    expect(paths()).toEqual(['POST /notify', 'POST /slack']);
    expect(bodyOf('/notify').kind).toBe('negative');
  });

  it('of a success: the heartbeat alone', async () => {
    await tell(exampleSuccess());
    expect(paths()).toEqual(['GET /beat']);
  });

  it('of a recovery: all', async () => {
    await tell(exampleFailure({ run: 7 }));
    receiver.requests.length = 0;
    await tell(exampleSuccess({ run: 8, after: 2 * hour }));
    expect(paths()).toEqual(['GET /beat', 'POST /notify', 'POST /slack']);
    expect(bodyOf('/notify')).toMatchObject({
      kind: 'recovered',
      failures: 1,
      failingSince: '2026-11-20T02:18:00.000Z',
      message: null,
      outputs: { 'backup-id': '20261120T051700Z-7f3a', rows: 1234567 },
    });
    expect(bodyOf('/slack').text).toContain('[recovered]');
  });

  it('of a success after a failure where no issues are kept: the heartbeat alone', async () => {
    await tell(exampleFailure({ run: 7 }), { issues: undefined });
    receiver.requests.length = 0;
    await tell(exampleSuccess({ run: 8, after: hour }), { issues: undefined });
    expect(paths()).toEqual(['GET /beat']);
    expect(github.requests).toEqual([]);
  });

  it('nobody, when nothing is set', async () => {
    await notify(exampleFailure(), { redact: (text) => text }, context, limits);
    expect(github.requests).toEqual([]);
    expect(context.lines).toEqual([]);
  });
});

describe('the webhook', () => {
  it('has every field of its schema', async () => {
    const lastGood = { id: '20261119T021700Z-aaaa', takenAt: new Date('2026-11-19T02:17:00Z') };
    await tell(exampleFailure({}, { lastGood, rpoTarget: hour }));
    const body = bodyOf('/notify');
    expect(body).toEqual({
      version: 1,
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      kind: 'failed',
      title: '[failed] shop at db.example.com: backup, last good 24 h 01 min ago',
      text: expect.stringMatching(
        /^What failed\nthe server closed[\s\S]*\nOpen the run: https:[\s\S]*02:18 UTC$/,
      ),
      operation: 'backup',
      database: 'shop at db.example.com',
      startedAt: '2026-11-20T02:17:00.000Z',
      at: '2026-11-20T02:18:00.000Z',
      failureClass: 'SourceError/connection',
      message: 'the server closed the connection after 12 s',
      next: 'Check that the project is not paused, then run it again.',
      failures: 1,
      failingSince: '2026-11-20T02:18:00.000Z',
      issue: { number: 1, url: 'https://github.example/acme/shop/issues/1' },
      lastGood: { id: '20261119T021700Z-aaaa', takenAt: '2026-11-19T02:17:00.000Z' },
      rpo: { targetSeconds: 3600, brokenAt: '2026-11-19T03:17:00.000Z', broken: true },
      outputs: {},
      run: {
        url: 'https://github.example/acme/shop/actions/runs/700',
        id: 700,
        number: 7,
        attempt: 1,
        workflow: 'Backup',
        repository: 'acme/shop',
        actor: 'octocat',
      },
      digest: null,
    });
  });

  it('has the same fields where nothing is known', async () => {
    const settings = { ...settingsFor(github, channels()), issues: undefined };
    await notify(exampleFailure({}, { run: undefined, lastGood: null }), settings, context, limits);
    expect(bodyOf('/notify')).toMatchObject({
      run: null,
      rpo: null,
      lastGood: null,
      issue: null,
      failures: null,
      failingSince: null,
    });
  });

  it('is tried again, with the same id, and three times at most', async () => {
    receiver.answer = ({ path }) => (path === '/notify' ? { status: 503, body: 'busy' } : { status: 200 });
    await tell(exampleFailure());
    const tries = receiver.requests.filter(({ path }) => path === '/notify');
    expect(tries).toHaveLength(3);
    expect(new Set(tries.map(({ body }) => JSON.parse(body).id)).size).toBe(1);
    expect(context.lines).toEqual([
      expect.stringMatching(/notify-url was not sent: .*503: busy\. It is sent/),
    ]);
  });

  it.each(['hang', 'reset'] as const)('survives a receiver that does a %s', async (fault) => {
    let left = 1;
    receiver.answer = ({ path }) => (path === '/notify' && left-- > 0 ? fault : { status: 200 });
    await tell(exampleFailure(), {}, { requestMs: 200 });
    expect(receiver.requests.filter(({ path }) => path === '/notify')).toHaveLength(2);
    expect(context.lines).toEqual([]);
  });

  it('is not tried again where it is not wanted', async () => {
    receiver.answer = ({ path }) =>
      path === '/slack' ? { status: 403, body: 'invalid_token' } : { status: 200 };
    await tell(exampleFailure());
    expect(paths()).toEqual(['POST /notify', 'POST /slack']);
    expect(context.lines).toEqual([expect.stringMatching(/403: invalid_token\. Check slack-webhook-url\.$/)]);
  });
});

describe('an address', () => {
  it.each([
    ['http://example.com/hook', /notify-url is not an https:\/\/ address/],
    ['no address', /notify-url is not an https:\/\/ address/],
    ['file:///etc/passwd', /notify-url is not an https:\/\/ address/],
  ])('%s is refused', async (url, says) => {
    await tell(exampleFailure(), { notify: { format: 'default', url } });
    expect(context.lines).toEqual([expect.stringMatching(says)]);
    expect(paths()).toEqual(['POST /slack']);
  });

  it('of another host is not followed', async () => {
    const stranger = await startReceiver();
    receiver.answer = () => ({ status: 307, headers: { location: `${stranger.url}/take` } });
    await tell(exampleFailure());
    await tell(exampleSuccess({ run: 8, after: hour }));
    expect(stranger.requests).toEqual([]);
    expect(context.lines.join('\n')).toMatch(/sends elsewhere \(307\)\. Set notify-url to the final address/);
    expect(context.lines.join('\n')).toMatch(/Set heartbeat-url to the final address/);
    await stranger.close();
  });

  it('of the same host is followed, with the body where that goes along', async () => {
    const moved: Record<string, number> = { '/notify': 307, '/slack': 302, '/beat': 302 };
    receiver.answer = ({ path }) =>
      moved[path] === undefined ? { status: 200 } : { status: moved[path], headers: { location: '/final' } };
    await tell(exampleFailure());
    await tell(exampleSuccess(), { issues: undefined });
    expect(paths()).toEqual(['GET /beat', 'GET /final', 'POST /final', 'POST /notify', 'POST /slack']);
    expect(bodyOf('/final').version).toBe(1);
    expect(context.lines).toEqual([expect.stringContaining('Set slack-webhook-url to the final address')]);
  });
});

describe('secrets', () => {
  const password = `p@ss:w/o?r#d%41 &"quo'te\\$(id)\`*_<b>|é+=`;
  const token = 'ghs_0123456789abcdefTOKEN';
  const word = 'hunter2-hunter2';

  it('stay here, whichever way they are written', async () => {
    const forms = [
      password,
      encodeURIComponent(password),
      JSON.stringify(password),
      Buffer.from(password).toString('base64'),
      Buffer.from(`user:${password}`).toString('base64'),
      `postgresql://postgres:${encodeURIComponent(password)}@host/db`,
    ].join('\n');
    const hidden = [channels().notify.url, channels().slackWebhookUrl, channels().heartbeat.url];
    const text = `${forms}\n${hidden.join('\n')}\n${token}`;
    const run = { ...exampleRun, workflow: text, actor: text };
    const place = { database: text, outputs: { parity: text, note: text }, run };
    const lastGood = { id: text, takenAt: new Date('2026-11-19T02:17:00Z') };
    const mask = createRedactor([password, word]);
    const issues = { token, labels: [`label ${word}`], assignees: [word], mentions: [word] };

    await tell(exampleFailure({}, { ...place, lastGood, message: text, next: text }), {
      redact: mask,
      issues,
    });
    await tell(exampleFailure({}, { ...place, message: 'another', startedAt: new Date('2026-11-21') }), {
      redact: mask,
    });
    await tell(exampleSuccess({}, { ...place, startedAt: new Date('2026-11-22') }), { redact: mask });
    receiver.answer = () => ({ status: 400, body: text });
    await tell(exampleFailure({}, { ...place, startedAt: new Date('2026-11-23') }), { redact: mask });

    expect(github.issues.map(({ comments }) => comments.length)).toEqual([3]);
    const sent = [...github.requests, ...receiver.requests].flatMap(({ body }) => [body, ...textsIn(body)]);
    expect(sent.join('').length).toBeGreaterThan(5000);
    for (const each of [...sent, ...context.lines]) expectNoSecret(each, [password, word, token, ...hidden]);
    const shifted = Buffer.from(`user:${password}`).toString('base64').slice(8, -4);
    expect(sent.join('')).not.toContain(shifted);
    for (const { path, query } of github.requests) expectNoSecret(`${path}?${query}`, [password, token]);
  });

  it('that are ordinary words break neither the issue nor the messages', async () => {
    const words = [
      'backup',
      'supabase',
      'failed',
      'version',
      'open',
      'state',
      'message',
      'issues',
      'fingerprint',
    ];
    const mask = createRedactor(words);
    await tell(exampleFailure({ run: 7 }), { redact: mask });
    await tell(exampleFailure({ run: 8, after: hour }), { redact: mask });
    expect(bodyOf('/notify')).toMatchObject({ version: 1, kind: 'failed', operation: 'backup' });
    expect(bodyOf('/notify').issue.url).not.toContain('issues');
    await tell(exampleSuccess({ run: 9, after: 2 * hour }), { redact: mask });
    expect(github.issues).toHaveLength(1);
    expect(github.issues[0]?.state).toBe('closed');
  });
});

/** Every text in a JSON, as whoever reads it sees it. */
function textsIn(body: string): string[] {
  const texts: string[] = [];
  if (body !== '') {
    JSON.parse(body, (_key, value) => {
      if (typeof value === 'string') texts.push(value);
      return value;
    });
  }
  return texts;
}

describe('an announcement', () => {
  it('ends in time when nobody answers, and says what was not done', async () => {
    github.fault = () => ({ kind: 'hang' });
    receiver.answer = () => 'hang';
    const start = performance.now();
    await tell(exampleFailure(), {}, { totalMs: 900, issuesMs: 400, requestMs: 5000 });
    expect(performance.now() - start).toBeLessThan(2000);
    expect(context.lines).toEqual([
      expect.stringMatching(/issue was not updated: it took longer than 0.4 s/),
      expect.stringMatching(/was not sent: it took longer than 0.9 s/),
      expect.stringMatching(/was not sent: it took longer than 0.9 s/),
    ]);
  });

  it('ends soon after a stop was asked for, and still tries', async () => {
    const signal = AbortSignal.abort(new Error('stopped by SIGTERM'));
    receiver.answer = ({ path }) => (path === '/slack' ? 'hang' : { status: 200 });
    const start = performance.now();
    const settings = settingsFor(github, channels());
    await notify(exampleFailure(), settings, { ...context, signal }, { ...limits, requestMs: 5000 });
    expect(performance.now() - start).toBeLessThan(2000);
    expect(github.issues).toHaveLength(1);
    expect(paths()).toEqual(['POST /notify', 'POST /slack']);
    expect(context.lines).toEqual([expect.stringContaining('stopped by SIGTERM')]);
  });

  it('never throws: a mask that fails lets nothing out', async () => {
    const mask = () => {
      throw new Error('secret words');
    };
    await tell(exampleFailure(), { redact: mask });
    expect([...github.requests, ...receiver.requests]).toEqual([]);
    expect(context.lines).toEqual([expect.stringContaining('some messages were not sent')]);
    expect(context.lines.join()).not.toContain('secret words');
  });

  it('never throws: servers that are not there are told by name', async () => {
    const context = createContext({ GITHUB_API_URL: 'http://127.0.0.1:1' });
    const gone = 'http://localhost:1/secret-path';
    const heartbeat = { url: gone, signals: [], runId };
    const settings = settingsFor(github, {
      notify: { format: 'default', url: gone },
      slackWebhookUrl: gone,
      heartbeat,
    });
    await notify(exampleFailure(), settings, context, limits);
    await notify(exampleSuccess(), settings, context, limits);
    expect(context.lines).toHaveLength(5);
    for (const line of context.lines) {
      expect(line).toMatch(/does not answer: .*(ECONNREFUSED|bad port)/);
      expect(line).not.toContain('secret-path');
    }
  });

  it('survives GitHub answering nonsense', async () => {
    for (const answer of ['[{"number":"one"}]', '<html>', '{}']) {
      receiver.answer = () => ({ status: 200, body: answer });
      const context = createContext({ GITHUB_API_URL: receiver.url });
      await notify(exampleFailure(), settingsFor(github), context, limits);
      expect(context.lines).toEqual([expect.stringMatching(/expected: issue|not JSON|not a list/)]);
    }
  });
});
