import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AlarmSettings, RunEvent } from '../../src/alarm/event.ts';
import { notify } from '../../src/alarm/notify.ts';
import { parseMailServer } from '../../src/interface/inputs/mail-values.ts';
import { createRedactor } from '../../src/report/redact.ts';
import { expectNoSecret } from '../scenarios/refusal.ts';
import { makeAuthority } from '../support/private-authority.ts';
import { exampleDigest } from './digest-example.ts';
import { createContext, exampleFailure, exampleRun, exampleSuccess, limits } from './example.ts';
import { type MailReceiver, startMailServer } from './mail-server.ts';
import { type Receiver, startReceiver } from './receiver.ts';

const transcripts = path.join(import.meta.dirname, '../../docs/transcripts');

let folder: string;
let authority: ReturnType<typeof makeAuthority>;
let mails: MailReceiver;
let receiver: Receiver;
let context: ReturnType<typeof createContext>;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'digest-'));
  authority = makeAuthority(folder, ['localhost']);
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  [mails, receiver] = await Promise.all([startMailServer(authority, { secure: true }), startReceiver()]);
  context = createContext({ SSL_CERT_FILE: authority.file });
});
afterEach(() => Promise.all([mails.close(), receiver.close()]));

async function tell(event: RunEvent, changes: Partial<AlarmSettings> = {}): Promise<void> {
  const settings = {
    notify: { format: 'default' as const, url: `${receiver.url}/notify` },
    slackWebhookUrl: `${receiver.url}/slack`,
    mail: {
      server: parseMailServer(`smtps://me:p4ss@localhost:${mails.port}`),
      from: { name: 'Backups', address: 'backups@example.com' },
      to: [{ name: '', address: 'ops@example.com' }],
    },
    redact: (text: string) => text,
    ...changes,
  };
  await notify(event, settings, context, limits);
}

const healthy = exampleSuccess(
  {},
  { operation: 'status', database: 'production', outputs: {}, digest: exampleDigest },
);
const bodiesOf = (wanted: string) =>
  receiver.requests.filter(({ path }) => path === wanted).map(({ body }) => JSON.parse(body));

describe('a digest', () => {
  it('goes to every channel that is set, though nothing is wrong', async () => {
    await tell(healthy);
    expect(context.lines).toEqual([]);
    expect(mails.received).toHaveLength(1);
    const [body] = bodiesOf('/notify');
    expect(body).toMatchObject({
      ...{ version: 1, kind: 'digest', operation: 'status', failureClass: null, message: null },
      title: '[digest] production: 7 backups, 99.5% of runs succeeded, 1 warning',
      text: expect.stringContaining('capture: 167 of 168 runs succeeded'),
      digest: {
        from: '2026-11-13T02:18:00.000Z',
        storage: 's3://bucket/production',
        runs: exampleDigest.runs,
        storedBytes: 714_723_300,
        lastDrill: { passed: true, recoverySeconds: 251 },
        removals: [{ backup: '20261112T021700Z-91d0', takenAt: '2026-11-12T02:17:00.000Z' }],
      },
    });
    const [slack] = bodiesOf('/slack');
    expect(slack.text).toBe(`📋 ${body.title}`);
    expect(JSON.stringify(slack.blocks)).toContain('WARNING: the bucket keeps versions');
  });

  it('is what docs/alarms.md shows, as it was received', async () => {
    await tell(healthy);
    const [{ mail, raw } = { mail: undefined, raw: Buffer.alloc(0) }] = mails.received;
    const head = raw.toString().split('\r\n\r\n')[0]?.replaceAll('\r\n', '\n') ?? '';
    const shown = head.replace(/(boundary=")[^"]*/, '$1…');
    const received = `${shown}\n\n--- text/plain\n\n${mail?.text}\n--- text/html\n\n${mail?.html}`;
    await expect(received).toMatchFileSnapshot(`${transcripts}/digest-mail.txt`);
  });

  it('is sent beside the alarm where the run that makes it finds a limit broken', async () => {
    const broken = exampleFailure({}, { operation: 'status', state: 'negative', digest: exampleDigest });
    await tell(broken);
    expect(bodiesOf('/notify').map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['negative', 'digest']),
    );
    const [digest] = bodiesOf('/notify').filter(({ kind }) => kind === 'digest');
    expect(digest).toMatchObject({ failureClass: null, message: null, next: null });
    expect(mails.received.map(({ mail }) => mail.messageId)).toHaveLength(2);
  });

  it('says what is not known, and never 0 for it', async () => {
    const nothing = {
      ...{ runs: [], backups: { count: 0, addedBytes: 0 }, newest: undefined, recoverableTo: undefined },
      ...{ monthGrowthBytes: undefined, lastDrill: undefined, lastVerified: undefined },
      ...{ findings: [], removals: [] },
    };
    await tell({ ...healthy, digest: { ...exampleDigest, ...nothing } });
    const [{ text, title, digest }] = bodiesOf('/notify');
    expect(title).toBe('[digest] production: 0 backups');
    expect(text).toContain('No runs are recorded.');
    expect(text).toContain('Newest backup: none');
    expect(text).toContain('what a month adds: is not measured');
    expect(text).toContain('Last drill: none');
    expect(digest).toMatchObject({
      newest: null,
      lastDrill: null,
      lastVerified: null,
      monthGrowthBytes: null,
    });
  });

  it('of very many removals lists some, and counts the others', async () => {
    const [removal] = exampleDigest.removals;
    const removals = Array.from({ length: 300 }, () => removal as NonNullable<typeof removal>);
    await tell({ ...healthy, digest: { ...exampleDigest, removals } });
    expect(mails.received[0]?.mail.text).toContain('and 280 more');
  });

  it('holds no secret, in none of its forms', async () => {
    const secret = 'hunter2-hunter2';
    const spoilt = JSON.parse(JSON.stringify(exampleDigest.findings)).map((finding: object) => {
      return { ...finding, sentence: `it is ${secret}.`, remedy: `Use ${encodeURIComponent(secret)}.` };
    });
    const digest = {
      ...{ ...exampleDigest, findings: spoilt, location: `s3://${secret}` },
      removals: [{ backup: secret, takenAt: exampleDigest.to, reasons: [secret] }],
    };
    const event = { ...healthy, database: secret, digest, run: { ...exampleRun, workflow: secret } };
    await tell(event, { redact: createRedactor([secret]) });
    const sent = [
      ...receiver.requests.map(({ body }) => body),
      ...mails.received.map(({ raw }) => String(raw)),
    ];
    expect(sent).toHaveLength(3);
    for (const each of [...sent, ...context.lines]) expectNoSecret(each, [secret]);
    expect(sent.join()).toContain('***');
  });
});
