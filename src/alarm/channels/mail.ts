import { adviseTrust, listAuthorities } from '../../http/authorities.ts';
import { retry } from '../../http/retry.ts';
import type { MailInputs } from '../../interface/inputs/alarm-types.ts';
import type { MailServer } from '../../interface/inputs/mail-values.ts';
import { messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { AlarmLimits } from '../event.ts';
import { DeliveryFailure } from './delivery.ts';
import type { MailMessage } from './mail-message.ts';

const retries = 2;

/** What nodemailer adds to an error */
interface MailError {
  readonly code?: string;
  /** The code of the system or of TLS, where `code` is nodemailer's */
  readonly originalCode?: string;
  readonly responseCode?: number;
  /** Whether the server would answer the same again */
  readonly permanent?: boolean;
}

/**
 * Hands a message to the mail server, with three attempts at most. The connection is encrypted before a
 * password or a word of the message is sent, or nothing is sent.
 *
 * @returns the addresses that the server did not take, where it took others
 * @throws DeliveryFailure when the server took the message for nobody
 */
export async function sendMail(
  message: MailMessage,
  { server }: Pick<MailInputs, 'server'>,
  env: NodeJS.ProcessEnv,
  limits: AlarmLimits,
  signal: AbortSignal,
): Promise<readonly string[]> {
  // Only who sends mail needs it.
  const { createTransport } = await import('nodemailer');
  const transport = createTransport(toOptions(server, env, limits));
  return retry(
    async () => {
      try {
        const { rejected = [] } = await transport.sendMail({ ...message, signal });
        return rejected;
      } catch (error) {
        signal.throwIfAborted();
        throw explain(error as MailError, server, env);
      }
    },
    {
      ...{ retries, delayMs: limits.delayMs, signal },
      waitMsAfter: (error) => (error instanceof DeliveryFailure ? error.waitMs : undefined),
    },
  );
}

function toOptions(
  { host, port, tls, login }: MailServer,
  env: NodeJS.ProcessEnv,
  { requestMs }: AlarmLimits,
) {
  const ca = listAuthorities(env, 'any');
  return {
    ...{ host, port, secure: tls === 'implicit', requireTLS: tls === 'starttls' },
    ...(login && { auth: { user: login.user, pass: login.password } }),
    tls: { minVersion: 'TLSv1.2' as const, ...(ca && { ca }) },
    // Each step of the way has so long; the alarm as a whole ends by its signal.
    ...{ connectionTimeout: requestMs, greetingTimeout: requestMs },
    ...{ socketTimeout: requestMs, dnsTimeout: requestMs },
    // No text of a message can make a file or an address part of it.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  };
}

function explain(error: MailError, { host, port }: MailServer, env: NodeJS.ProcessEnv): DeliveryFailure {
  const place = `${host}:${port}`;
  const { code, originalCode = '', permanent } = error;
  const said = messageOf(error).replace(/\s+/g, ' ').trim().slice(0, 300);
  const again = permanent === true ? {} : { waitMs: 0 };
  if (code === 'EAUTH') {
    return new DeliveryFailure(
      `${place} refused the login: ${said}`,
      say`Check the user and password in ${nameInput('smtp-url')}. Many providers require an app password. Microsoft 365 disables such logins: use a relay.`,
      { ...again, cause: error },
    );
  }
  if (/^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_|ERR_TLS_CERT_)/.test(originalCode)) {
    const advice = adviseTrust(originalCode, env);
    return new DeliveryFailure(
      `this machine does not trust the certificate of ${place} (${originalCode})`,
      `${advice.charAt(0).toUpperCase()}${advice.slice(1)}.`,
      { cause: error },
    );
  }
  if (code === 'ETLS' || /^(EPROTO|ERR_SSL_)/.test(originalCode)) {
    return new DeliveryFailure(
      `${place} offers no encrypted connection, so nothing was sent: ${said}`,
      'Write smtps:// for a port with TLS from the start, usually 465, and smtp:// for a port with STARTTLS, usually 587.',
      { cause: error },
    );
  }
  if (code === 'EENVELOPE' || code === 'EMESSAGE') {
    return new DeliveryFailure(
      `${place} did not accept the message: ${said}`,
      say`Check ${nameInput('mail-from')} and ${nameInput('mail-to')}. The server accepts only senders that it knows and recipients that exist.`,
      { ...again, cause: error },
    );
  }
  return new DeliveryFailure(
    `${place} did not accept mail: ${said}`,
    say`Check ${nameInput('smtp-url')}, and whether this machine can connect to that host and port. Mail does not use a proxy.`,
    { waitMs: 0, cause: error },
  );
}
