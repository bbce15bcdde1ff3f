import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type pg from 'pg';

export const askedInClear =
  'the server asks for the password in clear text, over a connection that need not have TLS';
export const unbound =
  'channel_binding=require, and the server does not bind the password to the TLS connection';

/** Whoever stands between asks for a password in clear text, and has it; a server that is what it says has better ways. */
export function refuseClearText(client: pg.Client): void {
  const { connection } = client as unknown as { connection: EventEmitter & { stream: Socket } };
  connection.prependListener('authenticationCleartextPassword', () => {
    Object.assign(client, { password: '' });
    connection.stream.destroy(new Error(askedInClear));
  });
}

/** Nobody who stands in between can answer for a certificate that is not his. */
export function requireChannelBinding(client: pg.Client): void {
  const { connection } = client as unknown as { connection: EventEmitter & { stream: Socket } };
  let isBound = false;
  const refuse = () => {
    Object.assign(client, { password: '' });
    connection.stream.destroy(new Error(unbound));
  };
  connection.prependListener('authenticationSASL', ({ mechanisms }: { mechanisms: readonly string[] }) => {
    isBound = mechanisms.includes('SCRAM-SHA-256-PLUS');
    if (!isBound) refuse();
  });
  for (const event of ['authenticationCleartextPassword', 'authenticationMD5Password'])
    connection.prependListener(event, refuse);
  connection.prependListener('authenticationOk', () => {
    if (!isBound) refuse();
  });
}
