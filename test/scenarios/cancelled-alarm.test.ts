import { createServer, type Server, type Socket } from 'node:net';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Receiver, startReceiver } from '../alarm/receiver.ts';
import { type FakeGitHub, startFakeGitHub } from '../support/fake-github.ts';
import { type FakeS3, startFakeS3 } from '../support/fake-s3.ts';
import { type Finished, type Running, startBundle, startCli } from '../support/run-cli.ts';
import { waitUntil } from './processes.ts';

/** A run that somebody stops, and that cannot come back, because what it waits for has fallen silent: it is told all the same. */

/** milliseconds after the first signal, as GitHub's runner sends them */
const runnerSignals = [
  [7500, 'SIGTERM'],
  [10_000, 'SIGKILL'],
] as const;

let s3: FakeS3;
let github: FakeGitHub;
let receiver: Receiver;

beforeEach(async () => {
  [s3, github, receiver] = await Promise.all([startFakeS3(), startFakeGitHub(), startReceiver()]);
  return async () => {
    await Promise.all([s3.close(), github.close(), receiver.close()]);
  };
});

type Inputs = Readonly<Record<string, string>>;

const storageInputs = (): Inputs => ({
  storage: `s3://${s3.bucket}/shop`,
  's3-endpoint': s3.endpoint,
  's3-region': 'auto',
});
const alarmInputs = (): Inputs => ({
  'failure-issues': 'true',
  'github-token': github.token,
  'notify-url': `${receiver.url}/notify`,
  'heartbeat-url': `${receiver.url}/heartbeat`,
});

function startAction(inputs: Inputs): Running {
  const given = { ...storageInputs(), ...alarmInputs(), ...inputs };
  return startBundle('index.cjs', [], {
    env: {
      GITHUB_ACTIONS: 'true',
      GITHUB_API_URL: github.url,
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_REPOSITORY: github.repository,
      GITHUB_RUN_ID: '7',
      ...Object.fromEntries(
        Object.entries(given).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
      ),
    },
  });
}

/** As a runner does; says how long it took, and which signals. */
async function cancel(running: Running): Promise<Finished & { seconds: number; signals: string[] }> {
  const signals = ['SIGINT'];
  const start = performance.now();
  running.child.kill('SIGINT');
  const later = runnerSignals.map(([after, signal]) =>
    setTimeout(() => {
      signals.push(signal);
      running.child.kill(signal);
    }, after),
  );
  const finished = await running.finished;
  for (const timer of later) clearTimeout(timer);
  return { ...finished, signals, seconds: (performance.now() - start) / 1000 };
}

/** The storage answers nothing from now on. */
async function untilSilent(running: Running): Promise<Running> {
  s3.fault = () => ({ kind: 'hang' });
  await waitUntil('it asks the storage', () => s3.requests.length > 0);
  return running;
}

const messages = () => receiver.requests.map(({ path, body }) => ({ path, ...JSON.parse(body) }));
const interrupted = {
  path: '/notify',
  kind: 'failed',
  failureClass: 'Interruption',
  message: 'stopped by SIGINT',
  database: 'shop',
};

describe('a run whose storage is silent', () => {
  const inputs = { operation: 'cleanup', database: 'shop', retention: 'last=1' };

  test('is told once, by an issue and a message, and ends as the signal says before the next one', async () => {
    const run = await cancel(await untilSilent(startAction(inputs)));
    expect(run, run.stdout).toMatchObject({ exitCode: 130, signals: ['SIGINT'] });
    expect(github.issues).toMatchObject([
      { state: 'open', body: expect.stringContaining('stopped by SIGINT') },
    ]);
    expect(messages()).toMatchObject([{ ...interrupted, issue: { number: 1 } }]);
    expect(run.stdout).toContain('what was under way does not stop');
  });

  test('ends in time when nobody can be told, either', async () => {
    receiver.answer = () => 'hang';
    const run = await cancel(await untilSilent(startAction(inputs)));
    expect(run, run.stdout).toMatchObject({ exitCode: 130, signals: ['SIGINT'] });
    expect(messages()).toMatchObject([interrupted]);
    expect(run.stdout).toMatch(/^::warning::.*the message to notify-url was not sent/m);
  });

  test('tells the webhook in time when GitHub is silent, too', async () => {
    github.fault = () => ({ kind: 'hang' });
    const run = await cancel(await untilSilent(startAction(inputs)));
    expect(run, run.stdout).toMatchObject({ exitCode: 130, signals: ['SIGINT'] });
    expect(messages()).toMatchObject([interrupted]);
    expect(run.stdout).toMatch(/^::warning::.*the failure issue was not updated/m);
  });

  test('is told once when it comes back while that is under way', async () => {
    receiver.answer = () => {
      // What it waited for fails, and the run ends by itself with words of its own.
      void s3.close();
      return 'hang';
    };
    const run = await cancel(await untilSilent(startAction(inputs)));
    expect(run.signals).toEqual(['SIGINT']);
    expect(run.exitCode).not.toBe(0);
    expect(run.stdout).toMatch(/^::error::stopped by SIGINT/m);
    expect(messages()).toMatchObject([interrupted]);
    expect(github.issues).toHaveLength(1);
  });

  test('tells what it had failed with before, without the newest backup, which it had begun to look for', async () => {
    const source = 'postgresql://u:p@127.0.0.1:9/none';
    const inputs = {
      operation: 'backup',
      'database-url': source,
      database: 'shop',
      'allow-unencrypted': 'true',
    };
    const run = await cancel(await untilSilent(startAction(inputs)));
    expect(run.signals).toEqual(['SIGINT']);
    expect(messages()).toMatchObject([
      { path: '/notify', kind: 'failed', failureClass: 'ConfigurationError/connection', lastGood: null },
    ]);
    expect(run.seconds).toBeLessThan(3);
  });
});

describe('a run whose database is silent', () => {
  let database: Server;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    database = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => database.listen(0, '127.0.0.1', resolve));
    return () => {
      for (const socket of sockets.splice(0)) socket.destroy();
      database.close();
    };
  });

  test('is told once, on the command line', async () => {
    const address = database.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const url = `postgresql://u:p@127.0.0.1:${address.port}/none`;
    const words = Object.entries({
      ...storageInputs(),
      'notify-url': `${receiver.url}/notify`,
      database: 'shop',
    });
    const running = startCli(
      ['backup', '--allow-unencrypted', ...words.flatMap(([name, value]) => [`--${name}`, value])],
      { env: { SUPABASE_BACKUP_DATABASE_URL: url } },
    );
    await waitUntil('it asks the database', () => sockets.length > 0);
    const run = await cancel(running);
    expect(run, run.stderr).toMatchObject({ exitCode: 130, signals: ['SIGINT'] });
    expect(messages()).toMatchObject([interrupted]);
  });
});
