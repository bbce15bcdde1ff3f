import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AlarmLimits, RunEvent } from '../../../src/alarm/event.ts';
import { notify } from '../../../src/alarm/notify.ts';
import { parseMailServer } from '../../../src/interface/inputs/mail-values.ts';
import { type FakeGitHub, startFakeGitHub } from '../../support/fake-github.ts';
import { makeAuthority, type PrivateAuthority } from '../../support/private-authority.ts';
import { createContext, day, exampleFailure, exampleSuccess, hour, limits, settingsFor } from '../example.ts';
import { type MailReceiver, startMailServer } from '../mail-server.ts';

const password = 'p@ss/w:rd%é';

let folder: string;
let authority: PrivateAuthority;
let github: FakeGitHub;
let context: ReturnType<typeof createContext>;
const open: { close(): Promise<unknown> }[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mail-'));
  authority = makeAuthority(folder, ['localhost']);
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  github = await startFakeGitHub();
  context = createContext({ GITHUB_API_URL: github.url, SSL_CERT_FILE: authority.file });
});
afterEach(() => Promise.all([github.close(), ...open.splice(0).map((each) => each.close())]));

type Options = Parameters<typeof startMailServer>[1];

async function start(options: Options): Promise<MailReceiver> {
  const server = await startMailServer(authority, options);
  open.push(server);
  return server;
}

/** What listens at the port of a mail server and is none */
async function listen(onConnection: (socket: Socket) => void): Promise<{ port: number }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  open.push({ close });
  return { port: (server.address() as { port: number }).port };
}

interface Telling {
  readonly scheme?: 'smtp' | 'smtps';
  readonly to?: readonly string[];
  readonly issues?: boolean;
  readonly limits?: Partial<AlarmLimits>;
  readonly signal?: AbortSignal;
}

async function tell(event: RunEvent, { port }: { port: number }, telling: Telling = {}): Promise<void> {
  const { scheme = 'smtps', to = ['ops@example.com'], issues = true, signal } = telling;
  github.now = () => event.at;
  const server = parseMailServer(
    `${scheme}://me%40example.com:${encodeURIComponent(password)}@localhost:${port}`,
  );
  const mail = {
    server,
    from: { name: 'Backups', address: 'backups@example.com' },
    to: to.map((address) => ({ name: '', address })),
  };
  const settings = settingsFor(github, { mail, ...(issues ? {} : { issues: undefined }) });
  const world = signal === undefined ? context : { ...context, signal };
  await notify(event, settings, world, { ...limits, ...telling.limits });
}

const lastGood = { id: '20261119T001800Z-aaaa', takenAt: new Date('2026-11-19T00:18:00Z') };

describe.each([
  ['smtps', 'TLS from the first byte', { secure: true }],
  ['smtp', 'a port with STARTTLS', { secure: false }],
] as const)('over %s, with %s', (scheme, _, options) => {
  it('mail arrives, and both password and message come encrypted', async () => {
    const server = await start(options);
    await tell(exampleFailure({}, { lastGood }), server, { scheme });
    expect(context.lines).toEqual([]);
    expect(server.logins).toEqual([{ user: 'me@example.com', password, secure: true }]);
    expect(server.received).toMatchObject([{ secure: true, to: ['ops@example.com'] }]);
  });

  it('a certificate of nobody known ends it before the password', async () => {
    const server = await start(options);
    context = createContext({ GITHUB_API_URL: github.url });
    await tell(exampleFailure(), server, { scheme });
    expect(context.lines).toEqual([
      expect.stringMatching(/certificate of localhost:\d+.*NODE_EXTRA_CA_CERTS/),
    ]);
    expect([server.logins, server.received]).toEqual([[], []]);
  });

  it('a login that is refused is told once, and not tried again', async () => {
    const refuse: Options = {
      ...options,
      onAuth(_auth, _session, callback) {
        callback(Object.assign(new Error('bad credentials'), { responseCode: 535 }));
      },
    };
    const server = await start(refuse);
    await tell(exampleFailure(), server, { scheme });
    expect(server.connections).toBe(1);
    expect(context.lines).toEqual([
      expect.stringMatching(/refused the login: .*535.*Check the user and password in smtp-url/),
    ]);
    expect(context.lines.join()).not.toContain(password);
  });
});

describe('what arrives', () => {
  it('is text and HTML with the same words, from a program and not from a person', async () => {
    const server = await start({ secure: true });
    await tell(exampleFailure({}, { lastGood }), server, { to: ['ops@example.com', 'dba@example.org'] });
    const [{ mail, to } = { mail: undefined, to: [] }] = server.received;
    expect(to).toEqual(['ops@example.com', 'dba@example.org']);
    expect(mail?.subject).toBe('[failed] shop at db.example.com: backup, last good 26 h 00 min ago');
    expect(mail?.from?.text).toBe('"Backups" <backups@example.com>');
    expect(mail?.headers.get('auto-submitted')).toBe('auto-generated');
    expect(mail?.headers.get('x-auto-response-suppress')).toBe('All');
    for (const text of [mail?.text, String(mail?.html)]) {
      expect(text).toContain('the server closed the connection after 12 s');
      expect(text).toContain('Check that the project is not paused');
      expect(text).toContain('https://github.example/acme/shop/actions/runs/700');
      expect(text).toContain('https://github.example/acme/shop/issues/1');
    }
  });

  it('is shown as it is, whatever a name holds: no header, no markup, no file', async () => {
    const server = await start({ secure: true });
    const text =
      'x\r\nBcc: victim@example.com\r\n\r\n<script>alert("1")</script> & <img src=file:///etc/passwd> \u202eabc';
    await tell(exampleFailure({}, { database: text, message: text, next: text }), server);
    const [{ mail, raw, to } = { mail: undefined, raw: Buffer.alloc(0), to: [] }] = server.received;
    expect(to).toEqual(['ops@example.com']);
    expect(mail?.bcc).toBeUndefined();
    const head = raw.toString().split('\r\n\r\n')[0] ?? '';
    expect(head).not.toMatch(/^bcc:/im);
    expect(head.split('\r\n').every((line) => line.length < 998)).toBe(true);
    expect(mail?.subject).toContain('Bcc: victim@example.com');
    expect(String(mail?.html)).not.toMatch(/<script|<img/);
    expect(String(mail?.html)).toContain('&lt;script&gt;');
    expect(mail?.text).toContain('\\u{202e}abc');
    expect(mail?.attachments).toEqual([]);
  });

  it('of one failure is one thread, from the first mail to the recovery; the next failure begins another', async () => {
    const server = await start({ secure: true });
    await tell(exampleFailure({ run: 7 }), server);
    await tell(exampleFailure({ run: 8, after: day }), server);
    await tell(exampleSuccess({ run: 9, after: 2 * day }), server);
    await tell(exampleFailure({ run: 10, after: 3 * day }), server);
    const [first, second, recovery, other] = server.received.map(({ mail }) => mail);
    expect(recovery?.subject).toBe('[recovered] shop at db.example.com: backup, after 2 d');
    for (const mail of [second, recovery]) {
      expect(mail?.inReplyTo).toBe(first?.messageId);
      expect(mail?.references).toBe(first?.messageId);
    }
    const ids = [first, second, recovery, other].map((mail) => mail?.messageId);
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(/^<[0-9a-f]{32}(\.thread)?@example\.com>$/);
    expect(other?.inReplyTo).toBeUndefined();
  });

  it('is one mail a day and cause where an issue counts the failures, and one for each without', async () => {
    const server = await start({ secure: true });
    for (const run of [7, 8, 9]) await tell(exampleFailure({ run, after: run * hour }), server);
    await tell(exampleFailure({ run: 10, after: 10 * hour }, { message: 'another cause' }), server);
    expect(server.received).toHaveLength(2);
    for (const run of [11, 12])
      await tell(exampleFailure({ run, after: run * hour }), server, { issues: false });
    expect(server.received).toHaveLength(4);
    const [last, before] = server.received.toReversed().map(({ mail }) => mail);
    expect(last?.inReplyTo).toBe(before?.inReplyTo);
  });
});

describe('a mail that is not sent', () => {
  it('goes out in clear in no case: a server without STARTTLS gets neither password nor message', async () => {
    const server = await start({ secure: false, hideSTARTTLS: true, disabledCommands: ['STARTTLS'] });
    await tell(exampleFailure(), server, { scheme: 'smtp' });
    expect([server.logins, server.received]).toEqual([[], []]);
    expect(context.lines).toEqual([
      expect.stringMatching(/offers no encrypted connection, so nothing was sent/),
    ]);
  });

  it('nor does one in between get it that answers STARTTLS with words of its own', async () => {
    const seen: string[] = [];
    const stripper = await listen((socket) => {
      socket.write('220 mail.example.com\r\n');
      socket.on('data', (data) => {
        seen.push(data.toString());
        socket.write(
          /^EHLO/.test(data.toString()) ? '250-hello\r\n250 AUTH PLAIN LOGIN\r\n' : '454 not now\r\n',
        );
      });
    });
    await tell(exampleFailure(), stripper, { scheme: 'smtp' });
    expect(seen.join('')).not.toMatch(/AUTH|MAIL FROM/);
    expect(context.lines).toEqual([expect.stringContaining('so nothing was sent')]);
  });

  it('is tried three times where the connection drops, and may arrive with the last', async () => {
    let left = 2;
    const server = await start({
      secure: true,
      onMailFrom(_address, session, callback) {
        if (left-- > 0) {
          const connections = [
            ...(this as unknown as { connections: Set<{ _socket: Socket; session: object }> }).connections,
          ];
          for (const each of connections) if (each.session === session) each._socket.destroy();
        }
        callback();
      },
    });
    await tell(exampleFailure(), server);
    expect(server.connections).toBe(3);
    expect(server.received).toHaveLength(1);
    expect(context.lines).toEqual([]);
  });

  it('is tried again after "later", three times at most, with the same id', async () => {
    const server = await start({
      secure: true,
      onRcptTo(_address, _session, callback) {
        callback(Object.assign(new Error('greylisted'), { responseCode: 451 }));
      },
    });
    await tell(exampleFailure(), server);
    expect(server.received).toEqual([]);
    expect(server.logins).toHaveLength(3);
    expect(context.lines).toEqual([expect.stringMatching(/did not accept the message: .*451.*greylisted/)]);
  });

  it('for some alone is told by their names', async () => {
    const server = await start({
      secure: true,
      onRcptTo({ address }, _session, callback) {
        const unknown = Object.assign(new Error('no such user'), { responseCode: 550 });
        callback(address.startsWith('gone') ? unknown : null);
      },
    });
    await tell(exampleFailure(), server, { to: ['ops@example.com', 'gone@example.com'] });
    expect(server.received).toMatchObject([{ to: ['ops@example.com'] }]);
    expect(context.lines).toEqual([
      expect.stringMatching(/does not accept mail for gone@example\.com\. Check mail-to/),
    ]);
  });

  it('to a server that never speaks ends in time', async () => {
    const silent = await listen(() => undefined);
    const start = performance.now();
    await tell(exampleFailure(), silent, { limits: { requestMs: 100 } });
    expect(performance.now() - start).toBeLessThan(3000);
    expect(context.lines).toEqual([expect.stringMatching(/did not accept mail: .*time/i)]);
  });

  it('to a server that dribbles ends with the alarm as a whole, and with a stop', async () => {
    const dribbling = await listen((socket) => {
      const timer = setInterval(() => socket.write('220-wait\r\n'), 20);
      socket.on('close', () => clearInterval(timer));
    });
    const telling = { scheme: 'smtp' as const, limits: { totalMs: 500, requestMs: 5000 } };
    let start = performance.now();
    await tell(exampleFailure(), dribbling, telling);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(context.lines).toEqual([expect.stringMatching(/was not sent: it took longer than 0\.5 s/)]);

    const signal = AbortSignal.abort(new Error('stopped by SIGTERM'));
    start = performance.now();
    await tell(exampleFailure({ run: 8, after: day }), dribbling, { scheme: 'smtp', signal });
    expect(performance.now() - start).toBeLessThan(2000);
    expect(context.lines.at(-1)).toContain('stopped by SIGTERM');
  });

  it('stops no other channel, and nobody is left without a word', async () => {
    const { port } = await listen((socket) => socket.destroy());
    await tell(exampleFailure(), { port });
    expect(github.issues).toHaveLength(1);
    expect(context.lines).toEqual([
      expect.stringMatching(/the mail was not sent: localhost:\d+ did not accept mail/),
    ]);
  });
});
