import type { AddressInfo } from 'node:net';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { PrivateAuthority } from '../support/private-authority.ts';

export interface ReceivedMail {
  readonly raw: Buffer;
  /** As a library reads it that we did not write */
  readonly mail: ParsedMail;
  readonly secure: boolean;
  readonly to: readonly string[];
}

export interface MailReceiver {
  readonly port: number;
  readonly received: ReceivedMail[];
  /** Logins that were tried, with whether the connection was encrypted */
  readonly logins: { readonly user: string; readonly password: string; readonly secure: boolean }[];
  /** How often somebody has connected */
  connections: number;
  close(): Promise<void>;
}

/** A mail server of smtp-server's, which keeps what it gets. */
export async function startMailServer(
  { key, certificate }: Pick<PrivateAuthority, 'key' | 'certificate'>,
  options: SMTPServerOptions = {},
): Promise<MailReceiver> {
  const server = new SMTPServer({
    ...{ key, cert: certificate, disableReverseLookup: true, logger: false },
    onConnect(_session, callback) {
      receiver.connections += 1;
      callback();
    },
    onAuth({ username, password: given }, session, callback) {
      const [user, password] = [username ?? '', given ?? ''];
      receiver.logins.push({ user, password, secure: session.secure });
      callback(null, { user });
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', async () => {
        const raw = Buffer.concat(chunks);
        const to = session.envelope.rcptTo.map(({ address }) => address);
        receiver.received.push({ raw, mail: await simpleParser(raw), secure: session.secure, to });
        callback();
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: MailReceiver = {
    port: (server.server.address() as AddressInfo).port,
    ...{ received: [], logins: [], connections: 0 },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
  return receiver;
}
