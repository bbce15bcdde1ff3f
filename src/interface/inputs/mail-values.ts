import { decode } from './database-values.ts';
import { Problem, patterned, patternOfList, splitList } from './values.ts';

/* Parsers for who sends mail, and to whom. Each throws only `Problem`, as those of values.ts. */

export const mailServerForm = 'smtps://user:password@host:465 or smtp://user:password@host:587';

/** The server that takes mail for others to deliver. Every connection to it is encrypted. */
export interface MailServer {
  readonly host: string;
  readonly port: number;
  /** `implicit`: TLS from the first byte; `starttls`: asked for in clear, and nothing is sent without it */
  readonly tls: 'implicit' | 'starttls';
  /** Undefined for a server that asks for no login */
  readonly login: { readonly user: string; readonly password: string } | undefined;
}

/** A mailbox, and how a person is called there. */
export interface MailAddress {
  readonly name: string;
  readonly address: string;
}

const schemes = {
  'smtps:': { tls: 'implicit', port: 465 },
  'smtp:': { tls: 'starttls', port: 587 },
} as const;

/** Parses the address of a mail server; user and password are percent-encoded, as in every URL. */
export function parseMailServer(text: string): MailServer {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const scheme = schemes[url?.protocol as keyof typeof schemes];
  if (url === undefined || scheme === undefined || url.hostname === '' || !/^\/?$/.test(url.pathname)) {
    throw new Problem(
      'is not the address of a mail server',
      `Write it as ${mailServerForm}; in a password, percent-encode everything except letters and digits (@ is %40, / is %2F, # is %23, % is %25).`,
    );
  }
  if (url.search !== '' || url.hash !== '')
    throw new Problem(
      'contains a ? or a # after the host',
      'Percent-encode them in the password: %3F and %23.',
    );
  const port = url.port === '' ? scheme.port : Number(url.port);
  refuseMixedUp(port, scheme.tls);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { host, port, tls: scheme.tls, login: readLogin(url) };
}

/** Refuses ports that take no logins, or speak another protocol than the scheme says: `wrong version number`. */
function refuseMixedUp(port: number, tls: MailServer['tls']): void {
  if (port === 0)
    throw new Problem(
      'has port 0, which no server uses',
      `Write the submission port, as in ${mailServerForm}.`,
    );
  if (port === 25) {
    throw new Problem(
      'has port 25, which is for mail between servers and is blocked by clouds and runners',
      `Write the submission port, as in ${mailServerForm}.`,
    );
  }
  if (port === 465 && tls === 'starttls')
    throw new Problem(
      'has port 465 with smtp://',
      'Write smtps://, because that port uses TLS from the start.',
    );
  if (port === 587 && tls === 'implicit')
    throw new Problem('has port 587 with smtps://', 'Write smtp://, because that port uses STARTTLS.');
}

function readLogin(url: URL): MailServer['login'] {
  if (url.username === '' && url.password === '') return undefined;
  const [user, password] = [decode(url.username), decode(url.password)];
  if (!user || !password) {
    throw new Problem(
      'has a user without a password, a password without a user, or a % that does not start a percent-encoded character',
      `Write it as ${mailServerForm}, with a % itself as %25.`,
    );
  }
  // The commands of the protocol are lines.
  if (/\p{Cc}/u.test(user + password))
    throw new Problem('has a control character in its user or password', 'Leave it out.');
  return { user, password };
}

/** Printed ASCII without what a header or a command of the protocol would take for its own. */
const mailbox = /^(?:(?![@<>()[\]\\,;:"])[!-~]){1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;
const mailboxForm = mailbox.source.slice(1, -1);
const sender = new RegExp(`^(?:${mailboxForm}|[^<>\\p{Cc}]{0,100}<(?:${mailboxForm})>)$`, 'u');

/** Parses `backups@example.com` or `Backups <backups@example.com>`. */
export const parseSender = patterned(sender, (text): MailAddress => {
  const [, name = '', address = text] = /^([^<>]*?)\s*<([^<>]+)>$/.exec(text) ?? [];
  if (mailbox.test(address) && /^\P{Cc}{0,100}$/u.test(name))
    return { name: name.replace(/^"(.*)"$/, '$1'), address };
  throw new Problem(
    `cannot be ${JSON.stringify(text)}`,
    'Write it as in backups@example.com or Backups <backups@example.com>.',
  );
});

/** Parses addresses that are separated by commas or stand on lines of their own. */
export const parseRecipientsOfMail = patterned(patternOfList(mailbox), (text): readonly MailAddress[] =>
  splitList(text).map((address) => {
    if (mailbox.test(address)) return { name: '', address };
    throw new Problem(
      `cannot contain ${JSON.stringify(address)}: that is not a mail address`,
      'Write addresses as in ops@example.com, separated by commas.',
    );
  }),
);
