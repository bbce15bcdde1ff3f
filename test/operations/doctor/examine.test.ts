import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWorkflows } from '../../../src/github/workflows.ts';
import { examine, type World } from '../../../src/operations/doctor/examine.ts';
import { describeDiagnosis } from '../../../src/operations/doctor/report.ts';
import type { Diagnosis } from '../../../src/operations/doctor/result.ts';
import { askNameServers } from '../../../src/postgres/session/knock.ts';
import { renderMarkdown } from '../../../src/report/markdown.ts';
import { openForBackup } from '../../../src/repository/open.ts';
import type { ChannelAnswer } from '../../../src/runtime/context.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { FileStorage } from '../../../src/storage/file.ts';
import { startStandIn } from '../../schedule/stand-in.ts';
import { createContext, presentContext } from '../../support/context.ts';
import { startFakeGitHub } from '../../support/fake-github.ts';
import { find, type Given, toInputs, toPlain } from './example.ts';

/* What needs no database; transcripts.test.ts has the whole with one. */

const identity = await generateIdentity();
const recipient = await identityToRecipient(identity);

let folder: string;
/** Accepts connections, and never says a word. */
let silent: Server;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'doctor-'));
  silent = createServer((socket) => void socket.on('error', () => undefined));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  silent.close();
  rmSync(folder, { recursive: true });
});

interface Setting {
  readonly world?: Partial<World>;
  readonly env?: NodeJS.ProcessEnv;
  readonly answers?: readonly ChannelAnswer[];
}

function look(given: Given, { world, env = {}, answers }: Setting = {}): Promise<Diagnosis> {
  const context = createContext({
    ...{ env: { PATH: process.env.PATH, ...env }, now: () => new Date(), temporaryFolder: folder },
    ...(answers && { tryChannels: () => Promise.resolve(answers) }),
  });
  return examine(toInputs(given), context, { lookUp: askNameServers, openApi: openWorkflows, ...world });
}

describe('a check', () => {
  it('that gets no answer ends with its time, and holds up no other', async () => {
    const { port } = silent.address() as AddressInfo;
    const url = `postgresql://u:p@127.0.0.1:${port}/shop?sslmode=disable`;
    const given = { 'database-url': url, storage: path.join(folder, 'beside') };
    const diagnosis = await look(given, { world: { limitMs: 300 } });
    expect(find(diagnosis, 'reach').state).toBe('ok');
    expect(find(diagnosis, 'tls')).toMatchObject({
      ...{ state: 'failed', reason: 'there was no answer within 0.3 s' },
    });
    expect(find(diagnosis, 'size')).toMatchObject({ state: 'unchecked', reason: 'TLS has failed' });
    expect(find(diagnosis, 'write').state).toBe('ok');
  });

  it('of a host that no name server knows is of the address', async () => {
    const lookUp = () => Promise.reject(Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' }));
    const diagnosis = await look(
      { 'database-url': 'postgresql://u:p@nowhere.test/d' },
      { world: { lookUp } },
    );
    expect(find(diagnosis, 'address')).toMatchObject({ state: 'failed' });
    expect(find(diagnosis, 'address').reason).toContain('the host cannot be found');
    expect(find(diagnosis, 'reach')).toMatchObject({ state: 'unchecked', reason: 'address has failed' });
  });

  it('of a port where nothing listens is of the reach', async () => {
    const diagnosis = await look({ 'database-url': 'postgresql://u:p@127.0.0.1:9/d' });
    expect(find(diagnosis, 'reach').reason).toContain('nothing answers there');
  });
});

describe('a storage', () => {
  it('that is only looked at gets no probe', async () => {
    const place = path.join(folder, 'read-only');
    const diagnosis = await look({ storage: place, 'read-only': 'true' });
    for (const name of ['write', 'create-only', 'delete', 'clock'] as const)
      expect(find(diagnosis, name)).toMatchObject({
        ...{ state: 'unchecked', reason: 'read-only: nothing is written to the storage' },
      });
    expect(find(diagnosis, 'repository').state).toBe('ok');
    expect(() => readdirSync(place)).toThrow('ENOENT');
  });

  it('that is probed is as it was before', async () => {
    const place = path.join(folder, 'probed');
    const diagnosis = await look({ storage: place });
    expect(find(diagnosis, 'clock').state).toBe('ok');
    const left = readdirSync(place, { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile())).toEqual([]);
  });

  it('that holds files of others is no place for a repository', async () => {
    const place = mkdtempSync(path.join(folder, 'others-'));
    writeFileSync(path.join(place, 'notes.txt'), 'mine');
    const diagnosis = await look({ storage: place });
    expect(find(diagnosis, 'repository')).toMatchObject({ state: 'failed' });
    expect(find(diagnosis, 'repository').reason).toContain('it holds notes.txt');
  });

  it('whose repository has another key is told by the key', async () => {
    const place = path.join(folder, 'keyed');
    const key = 'ab'.repeat(32);
    await using storage = new FileStorage(place, presentContext);
    await openForBackup(storage, key, { systemIdentifier: '1', database: 'shop' }, new Date(), {
      ...{ holder: { id: 'test', name: 'test' }, signal: presentContext.signal, log: presentContext.log },
      ...{ now: () => new Date(), random: Math.random },
    });
    const right = await look({ storage: place, 'repository-key': key });
    expect(find(right, 'repository')).toMatchObject({ state: 'ok' });
    expect(find(right, 'repository').reason).toContain('the key given is its key');
    const wrong = await look({ storage: place, 'repository-key': 'cd'.repeat(32) });
    expect(find(wrong, 'repository')).toMatchObject({ state: 'failed' });
    expect(find(wrong, 'repository').reason).toContain('this is not the key of this repository');
  });

  it('has copies, each of which is told by its name', async () => {
    const [first, same, other] = ['first', 'same', 'other'].map((name) =>
      path.join(folder, `copied-${name}`),
    );
    const make = async (place = '') => {
      await using storage = new FileStorage(place, presentContext);
      await openForBackup(storage, undefined, { systemIdentifier: '1', database: 'shop' }, new Date(), {
        ...{ holder: { id: 'test', name: 'test' }, signal: presentContext.signal, log: presentContext.log },
        ...{ now: () => new Date(), random: Math.random },
      });
    };
    await make(first);
    await make(other);
    cpSync(first ?? '', same ?? '', { recursive: true });
    const copies = [
      `- { name: same, storage: ${same} }`,
      `- { name: other, storage: ${other} }`,
      `- { name: new, storage: ${path.join(folder, 'copied-new')} }`,
    ];
    const { checks } = await look({ storage: first ?? '', copies: copies.join('\n') });
    const told = checks.filter(({ name }) => name === 'copy').map(toPlain);
    expect(told).toMatchObject([
      { subject: 'same', state: 'ok', reason: expect.stringContaining('it is of the same repository') },
      { subject: 'other', state: 'failed', reason: expect.stringContaining('another repository') },
      { subject: 'new', state: 'ok', reason: expect.stringContaining('nothing is copied yet') },
    ]);
  });

  it('that cannot be is refused before anything is asked', async () => {
    await expect(look({ storage: 's3://b' })).rejects.toThrow(ConfigurationError);
  });
});

describe('keys', () => {
  it('of which one opens what is encrypted are as they should be, whatever else is given', async () => {
    const older = await generateIdentity();
    const given = { 'encryption-recipients': recipient, 'encryption-identity': `${older}\n${identity}` };
    const diagnosis = await look(given);
    expect(find(diagnosis, 'identity')).toMatchObject({
      ...{ state: 'ok', reason: '1 identity opened the probe; 1 other of those given did not' },
    });
  });

  it('that are missing are a warning, and a failure where the repository on GitHub is public', async () => {
    const given = { storage: path.join(folder, 'plain') };
    expect(find(await look(given), 'encryption').state).toBe('warning');
    const env = { GITHUB_REPOSITORY: 'octo-org/shop', GITHUB_ACTIONS: 'true' };
    expect(find(await look(given, { env }), 'encryption').state).toBe('failed');
  });
});

describe('channels', () => {
  const hook = 'https://hooks.example.com/hidden';

  it('get nothing unless it is asked for', async () => {
    const diagnosis = await look({ 'notify-url': hook, 'heartbeat-url': hook }, { answers: [] });
    expect(find(diagnosis, 'notify-url').state).toBe('ok');
    expect(find(diagnosis, 'notify-url').reason).toContain('nothing was sent');
    expect(JSON.stringify(diagnosis)).not.toContain('hidden');
  });

  it('tell how each answered a test, and a heartbeat is not called', async () => {
    const failure = { message: 'hooks.example.com answered 404', next: 'Check slack-webhook-url.' };
    const answers = [
      { input: 'notify-url', failure: undefined },
      { input: 'slack-webhook-url', failure },
    ];
    const given = { 'notify-url': hook, 'slack-webhook-url': hook, 'heartbeat-url': hook };
    const diagnosis = await look({ ...given, 'test-alarm': 'true' }, { answers });
    expect(find(diagnosis, 'notify-url').state).toBe('ok');
    expect(find(diagnosis, 'slack-webhook-url')).toMatchObject({ state: 'failed', remedy: failure.next });
    expect(find(diagnosis, 'heartbeat-url').state).toBe('unchecked');
  });

  it('of mail without a server warn', async () => {
    const diagnosis = await look({ 'mail-to': 'a@example.com', 'mail-from': 'b@example.com' });
    expect(find(diagnosis, 'mail-to').state).toBe('warning');
  });

  it('of issues ask whether the token may', async () => {
    const github = await startFakeGitHub();
    const env = { GITHUB_API_URL: github.url, GITHUB_REPOSITORY: 'acme/shop' };
    const given = { 'failure-issues': 'true', 'github-token': github.token };
    try {
      expect(find(await look(given, { env }), 'failure-issues').state).toBe('ok');
      const bad = await look({ ...given, 'github-token': 'other' }, { env });
      expect(find(bad, 'failure-issues').state).toBe('failed');
    } finally {
      await github.close();
    }
    expect(find(await look({ 'failure-issues': 'true' }), 'failure-issues').state).toBe('failed');
  });
});

describe('workflows', () => {
  it('without a policy: those that GitHub does not start are a warning', async () => {
    const github = await startStandIn(['backup.yml', 'test.yml']);
    const [backups] = github.workflows;
    if (backups) backups.state = 'disabled_manually';
    const env = { GITHUB_API_URL: github.url, GITHUB_REPOSITORY: 'octo-org/shop' };
    const given = { storage: path.join(folder, 'token'), 'github-token': 'good' };
    const diagnosis = await look(given, { env });
    expect(find(diagnosis, 'schedules')).toMatchObject({
      ...{ state: 'warning', reason: 'GitHub does not start backup.yml: disabled' },
    });
    const refused = await look({ ...given, 'github-token': 'bad' }, { env });
    expect(find(refused, 'token').state).toBe('failed');
    expect(find(refused, 'schedules')).toMatchObject({ state: 'unchecked', reason: 'token has failed' });
  });

  it('of a policy with a mistake are not checked, and the policy has failed', async () => {
    const policy = path.join(folder, 'policy.yml');
    writeFileSync(policy, 'databases: 1\n');
    const diagnosis = await look({ policy });
    expect(find(diagnosis, 'policy').state).toBe('failed');
    expect(find(diagnosis, 'workflows').state).toBe('unchecked');
  });
});

describe('the report', () => {
  it('has every check for scripts, and the same in Markdown', async () => {
    const outcome = describeDiagnosis(await look({ storage: path.join(folder, 'told') }));
    expect(outcome.outputs).toMatchObject({ doctor: 'warnings', 'failed-checks': 0, warnings: 1 });
    const told = JSON.parse(String(outcome.outputs.checks)) as { name: string; state: string }[];
    expect(told.map(({ name }) => name)).toContain('repository');
    expect(new Set(told.flatMap((check) => Object.keys(check)))).toEqual(
      new Set(['area', 'name', 'subject', 'state', 'reason', 'remedy']),
    );
    const markdown = renderMarkdown(outcome.report);
    expect(markdown).toContain('| write and read back | ok |');
    const [first] = markdown.replaceAll('\\', '').match(/^Do this first: .*$/m) ?? [];
    expect(first).toContain(String(outcome.outputs.cure));
  });
});
