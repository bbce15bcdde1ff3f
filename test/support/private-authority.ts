import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';

export interface PrivateAuthority {
  /** Its own certificate, in PEM form */
  readonly file: string;
  readonly key: string;
  readonly certificate: string;
}

/** An authority of one's own, as companies have them, and a certificate of it for these names. Made by openssl. */
export function makeAuthority(folder: string, names: readonly string[]): PrivateAuthority {
  const at = (name: string) => join(folder, name);
  const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'pipe' });
  const newKey = ['-newkey', 'rsa:2048', '-nodes'];
  openssl(
    ...['req', '-x509', ...newKey, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', '2'],
    ...['-subj', '/CN=an authority of our own'],
  );
  openssl(
    'req',
    ...newKey,
    '-keyout',
    at('server.key'),
    '-out',
    at('server.csr'),
    '-subj',
    `/CN=${names[0]}`,
  );
  writeFileSync(at('names'), `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\n`);
  openssl(
    ...['x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key')],
    ...['-CAcreateserial', '-out', at('server.pem'), '-days', '2', '-extfile', at('names')],
  );
  return {
    file: at('ca.pem'),
    key: readFileSync(at('server.key'), 'utf8'),
    certificate: readFileSync(at('server.pem'), 'utf8'),
  };
}

export interface TlsFront {
  readonly port: number;
  close(): Promise<void>;
}

/** Takes TLS off what comes, and passes it on to a port of this machine. */
export async function startTlsFront(
  { key, certificate }: PrivateAuthority,
  address: string,
): Promise<TlsFront> {
  const sockets = new Set<Socket>();
  const server = createServer({ key, cert: certificate }, (client) => {
    const upstream = connect(Number(new URL(address).port), '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => [client, upstream].map((end) => end.destroy()));
    }
    client.pipe(upstream).pipe(client);
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
