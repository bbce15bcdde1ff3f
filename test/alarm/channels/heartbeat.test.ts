import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HeartbeatSettings, RunEvent } from '../../../src/alarm/event.ts';
import { notify, notifyStart } from '../../../src/alarm/notify.ts';
import { createRedactor } from '../../../src/report/redact.ts';
import { createContext, exampleFailure, exampleSuccess, limits } from '../example.ts';
import { type Receiver, startReceiver } from '../receiver.ts';

const runId = '2f1c4a52-8f39-4d0e-9a44-4ce1f0d1a6b7';
let receiver: Receiver;
let context: ReturnType<typeof createContext>;

beforeEach(async () => {
  receiver = await startReceiver();
  context = createContext({});
});
afterEach(() => receiver.close());

/** A run that begins and ends, as the entries tell it. */
async function tellRun(
  path: string,
  signals: HeartbeatSettings['signals'],
  event: RunEvent = exampleSuccess(),
  redact = (text: string) => text,
): Promise<string[]> {
  const settings = { heartbeat: { url: `${receiver.url}${path}`, signals, runId }, redact };
  await notifyStart(settings, context);
  await notify(event, settings, context, limits);
  return receiver.requests.map((request) => `${request.method} ${request.path}`);
}

describe('a switch as of healthchecks.io', () => {
  it('hears of successes alone where nothing else is asked for, at the address as it is', async () => {
    expect(await tellRun('/ping/abc?create=1', [])).toEqual(['GET /ping/abc?create=1']);
    expect(await tellRun('/ping/abc', [], exampleFailure())).toHaveLength(1);
  });

  it('hears of start and success of a run by one id, with the last words', async () => {
    const beats = await tellRun('/ping/abc?create=1', ['start', 'fail']);
    expect(beats).toEqual([
      `GET /ping/abc/start?create=1&rid=${runId}`,
      `POST /ping/abc?create=1&rid=${runId}`,
    ]);
    expect(receiver.requests[1]).toMatchObject({
      body: 'backup of shop at db.example.com',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
    });
  });

  it('hears of a failure and its cause, without secrets', async () => {
    const event = exampleFailure({}, { message: 'the password hunter2-hunter2 is wrong\u202e' });
    const beats = await tellRun('/abc/', ['fail'], event, createRedactor(['hunter2-hunter2']));
    expect(beats).toEqual([`POST /abc/fail?rid=${runId}`]);
    expect(receiver.requests[0]?.body).toBe(
      'the password *** is wrong\\u{202e}\nCheck that the project is not paused, then run it again.',
    );
  });

  it('hears of a negative answer as of a failure, and of no more than was asked for', async () => {
    const negative = exampleFailure({}, { state: 'negative' });
    expect(await tellRun('/abc', ['start'], negative)).toEqual([`GET /abc/start?rid=${runId}`]);
    receiver.requests.length = 0;
    expect(await tellRun('/abc', ['fail'], negative)).toEqual([`POST /abc/fail?rid=${runId}`]);
  });
});

describe('a push monitor of Uptime Kuma', () => {
  const push = '/api/push/T0ken?status=up&msg=OK&ping=';

  it('hears by its query how it went and how long it took, and of no start', async () => {
    expect(await tellRun(push, ['start', 'fail'])).toEqual([
      'GET /api/push/T0ken?status=up&msg=backup+of+shop+at+db.example.com&ping=60000',
    ]);
  });

  it('is down after a failure', async () => {
    const [beat = ''] = await tellRun(push, ['fail'], exampleFailure({}, { message: 'm&m'.repeat(200) }));
    const { searchParams } = new URL(beat.split(' ')[1] ?? '', receiver.url);
    expect(searchParams.get('status')).toBe('down');
    expect(searchParams.get('msg')).toMatch(/^m&mm&m.*…$/);
    expect(searchParams.get('msg')?.length).toBe(200);
  });
});

it('a switch that is dead is a warning, of the start and of the end, and holds no address', async () => {
  receiver.answer = () => ({ status: 404, body: 'not found' });
  await tellRun('/secret-path', ['start', 'fail']);
  expect(context.lines).toHaveLength(2);
  for (const line of context.lines) {
    expect(line).toMatch(/the heartbeat was not sent: .* answered 404: not found\. Check heartbeat-url\.$/);
    expect(line).not.toContain('secret-path');
  }
});
