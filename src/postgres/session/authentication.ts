import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type pg from 'pg';

export const askedInClear =
  'the server asks for the password in clear text, over a connection that need not have TLS';
export const unbound =
  'channel_binding=require, and the server does not bind the password to the TLS connection';

/**
 * Refuses to send a password in clear text: a man in the middle would ask for it, while the real server has
 * safer methods.
 */
export function refuseClearText(client: pg.Client): void {
  const { connection } = client as unknown as { connection: EventEmitter & { stream: Socket } };
  connection.prependListener('authenticationCleartextPassword', () => {
    Object.assign(client, { password: '' });
    connection.stream.destroy(new Error(askedInClear));
  });
}

/**
 * Refuses to log in without channel binding: a man in the middle cannot prove possession of the server's
 * certificate.
 */
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
