import { createHash } from 'node:crypto';
import { messageOf } from '../../runtime/errors.ts';
import type { ConnectionSettings } from './settings.ts';

/*
 * Explains passwords that expire during a run: tokens that last an hour, roles with VALID UNTIL. A server
 * reports an expired password exactly as it reports a wrong one.
 */

/** Digests of host, port, user and password that servers have accepted in this process. */
const accepted = new Set<string>();

export function noteAccepted(settings: ConnectionSettings): void {
  if (settings.password) accepted.add(digestOf(settings));
}

const wasAccepted = (settings: ConnectionSettings): boolean =>
  Boolean(settings.password) && accepted.has(digestOf(settings));

function digestOf({ host, port, user, password }: ConnectionSettings): string {
  return createHash('sha256')
    .update(JSON.stringify([host, port, user, password]))
    .digest('base64');
}

/** The wordings of servers, poolers and libpq. */
const refused = /authentication failed|28P01|wrong password|SASL/i;

/**
 * Explains a refusal of a password that the server has accepted earlier in this process; undefined for any
 * other error.
 */
export function explainExpiry(
  error: unknown,
  settings: ConnectionSettings,
): { readonly what: string; readonly next: string } | undefined {
  const { code = '' } = error as { code?: string };
  if (!refused.test(`${code} ${messageOf(error)}`) || !wasAccepted(settings)) return undefined;
  return {
    what: 'the server refuses the password that it accepted earlier in this run',
    next:
      'It has expired or was changed. Use a password or token that is valid for the whole run, because new sessions are opened until its end ' +
      '(docs/connections.md, Tokens).',
  };
}
