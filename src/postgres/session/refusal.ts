import { lookup } from 'node:dns/promises';
import { ConfigurationError, messageOf, SourceError, TargetError } from '../../runtime/errors.ts';
import { nameInput, say, type Wording } from '../../runtime/wording.ts';
import { sqlState } from '../sqlstate.ts';
import { explainExpiry } from './accepted-passwords.ts';
import { askedInClear, unbound } from './authentication.ts';
import { type ConnectionSettings, describeConnection } from './settings.ts';

/** Why a connection was refused, and what to do. */
interface Explanation {
  readonly what: string;
  readonly next: string | Wording;
  /** Whether a later attempt may succeed although nothing was corrected. */
  readonly passes?: boolean;
}

interface Case {
  /** SQLSTATEs, codes of Node or codes of OpenSSL; absent for any code. */
  readonly codes?: readonly string[];
  /** A pattern for code and message; absent for any message. */
  readonly says?: RegExp;
  explain(settings: ConnectionSettings): Explanation | Promise<Explanation | undefined> | undefined;
}

const crowded =
  /EMAXCONNSESSION|max clients reached|MaxClientsInSessionMode|too many (?:clients|connections)|no more connections allowed|connection slots are reserved|pool (?:is )?full|query_wait_timeout/i;

/** Whether the server or the pooler has no session left, even if only for one more of ours. */
export function isCrowded(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ((cause as { code?: unknown }).code === sqlState.tooManyConnections || crowded.test(cause.message))
      return true;
  }
  return false;
}

/**
 * Whether the encryption of a connection has failed: its negotiation, or the certificate of the server. The
 * codes are those of Node and OpenSSL.
 */
export function isAboutTls(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code = '' } = cause as { code?: unknown };
    if (/^(?:CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(String(code))) return true;
    if (/does not support SSL/.test(cause.message)) return true;
  }
  return false;
}

/** A host that only machines with IPv6 can reach, as the direct hosts of Supabase projects are. */
export const ipv6Only: Explanation = {
  what: 'the host has only an IPv6 address, which this machine cannot reach',
  next: 'Use the session pooler (aws-…pooler.supabase.com, port 5432, user postgres.PROJECT_REF): GitHub-hosted runners have no IPv6.',
};

/** A host that no name server knows */
export const unknownHost: Explanation = {
  what: 'the host cannot be found',
  next: 'Correct the host name; a paused Supabase project loses its name until it is resumed.',
};

const isSupabase = ({ host }: ConnectionSettings): boolean => /\.supabase\.(?:com|co)$/i.test(host);

/** The first match counts, so special cases stand before general ones. */
const cases: readonly Case[] = [
  {
    says: new RegExp(askedInClear),
    explain: () => ({
      what: `${askedInClear}; it was not sent`,
      next: 'Somebody may intercept the connection. Use sslmode=require or verify-full; on a network that you trust, give the role a scram-sha-256 password.',
    }),
  },
  {
    says: new RegExp(unbound),
    explain: () => ({
      what: `${unbound}; it was not sent`,
      next: 'Connect to the server itself with TLS and a scram-sha-256 password, or leave channel_binding out, because poolers do not support it.',
    }),
  },
  {
    says: /ECIRCUITBREAKER|circuit ?breaker|too many authentication (?:failures|errors)/i,
    explain: () => ({
      what: 'the pooler refuses all logins for a while, after too many wrong passwords',
      next: 'Stop whatever connects with the wrong password. Wait 10 minutes without any attempt, because each attempt extends the block. Then correct the password.',
      passes: true,
    }),
  },
  {
    says: /unsupported startup parameter/i,
    explain: () => ({
      what: 'the pooler refuses a parameter of the connection',
      next: 'Leave `options` out of the URL, or let PgBouncer ignore it: ignore_startup_parameters = options.',
    }),
  },
  {
    // The setting is unknown, has no such value, or may not be set by this role.
    codes: [sqlState.invalidParameterValue, sqlState.undefinedObject, sqlState.cantChangeRuntimeParam],
    explain: ({ options }) =>
      options === ''
        ? undefined
        : {
            what: 'the server does not accept the `options`',
            next: 'Correct `options` in the URL, or PGOPTIONS: -c name=value for each setting.',
          },
  },
  {
    codes: [sqlState.tooManyConnections],
    explain: () => explainCrowd(),
  },
  { says: crowded, explain: () => explainCrowd() },
  {
    says: /tenant or user not found|tenant\/user .* not found|(?:^| )ENOTFOUND tenant/i,
    explain: () => ({
      what: 'the pooler knows no such project',
      next: 'Copy the session pooler string from the dashboard: user postgres.PROJECT_REF and the region in the host name must both be right. Resume a paused project there.',
    }),
  },
  {
    says: /allow_list|not in tenant|address not allowed/i,
    explain: () => ({
      what: 'network restrictions block this address',
      next: "Add the runner's address under Database settings, Network restrictions. The addresses of GitHub-hosted runners change: use a runner with a fixed address.",
    }),
  },
  {
    says: /project (?:is )?(?:paused|inactive|not active|being restored)/i,
    explain: () => ({
      what: 'the project is paused',
      next: 'Resume it in the dashboard. Supabase pauses projects of the Free plan after a week without use.',
    }),
  },
  {
    says: /requires a valid client certificate/i,
    explain: () => ({
      what: 'the server requires a client certificate',
      next: 'Set its files with sslcert and sslkey in the URL, or set PGSSLCERT and PGSSLKEY.',
    }),
  },
  {
    says: /no pg_hba\.conf entry|pg_hba\.conf rejects/i,
    explain: () => ({
      what: 'the server does not let this user connect from here',
      next: 'Allow it with a line in pg_hba.conf. If the message says "no encryption", use sslmode=require.',
    }),
  },
  {
    says: /is not permitted to log in/i,
    explain: () => ({
      what: 'the role cannot log in',
      next: 'Use a role with LOGIN, or ALTER ROLE … LOGIN.',
    }),
  },
  {
    codes: [sqlState.invalidPassword, sqlState.invalidAuthorizationSpecification],
    explain: explainPassword,
  },
  {
    says: /password authentication failed|SASL|no password supplied|no such user|wrong password/i,
    explain: explainPassword,
  },
  {
    codes: [sqlState.invalidCatalogName],
    explain: explainDatabase,
  },
  { says: /no such database/i, explain: explainDatabase },
  {
    codes: [sqlState.insufficientPrivilege],
    explain: ({ user, database }) => ({
      what: 'the role does not have permission to connect to the database',
      next: `GRANT CONNECT ON DATABASE ${JSON.stringify(database)} TO ${JSON.stringify(user)}.`,
    }),
  },
  {
    says: /not (?:currently )?accepting connections/i,
    codes: [sqlState.objectNotInPrerequisiteState],
    explain: () => ({
      what: 'the database does not accept connections',
      next: 'Run ALTER DATABASE … ALLOW_CONNECTIONS true, or use another database.',
    }),
  },
  {
    codes: [sqlState.adminShutdown, sqlState.crashShutdown, sqlState.cannotConnectNow],
    explain: () => ({
      what: 'the server is starting, stopping or recovering',
      next: 'Run this again when the server is up. The dashboard or its log shows when.',
      passes: true,
    }),
  },
  {
    says: /EDBHANDLEREXITED|connection to database (?:closed|not available)|cannot connect to server|server login (?:has been )?fail/i,
    explain: () => ({
      what: 'the pooler cannot reach the database',
      next: 'Check in the dashboard or the log whether the database is up, and whether the pooler has its password. Then run this again.',
      passes: true,
    }),
  },
  {
    codes: ['CERT_HAS_EXPIRED'],
    explain: () => ({
      what: "the server's certificate has expired",
      next: 'Have it renewed. If it was renewed, check the clock of this machine.',
    }),
  },
  {
    codes: ['CERT_NOT_YET_VALID'],
    explain: () => ({
      what: "the server's certificate is not valid yet",
      next: 'Check the clocks of this machine and of the server.',
    }),
  },
  {
    codes: ['CERT_REVOKED'],
    explain: () => ({
      what: "the server's certificate was revoked",
      next: 'Do not trust this server until its certificate has been replaced.',
    }),
  },
  {
    codes: ['ERR_TLS_CERT_ALTNAME_INVALID'],
    explain: ({ host }) => ({
      what: `the server's certificate is not trusted: it is not of ${host}`,
      next: 'Write the host name that is in the certificate. If that name leads elsewhere, add hostaddr with the address. sslmode=verify-ca accepts any name.',
    }),
  },
  {
    says: /self.signed|certificate|unable to (?:get|verify)/i,
    explain: () => ({
      what: "the server's certificate is not trusted",
      next: 'Give the CA certificate with sslrootcert; Supabase has it under Database settings.',
    }),
  },
  {
    says: /does not support SSL/,
    explain: () => ({
      what: 'the server does not offer TLS',
      next: 'Use sslmode=disable only on a network that you trust.',
    }),
  },
  {
    codes: ['ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH'],
    explain: async ({ host }) => ((await isIpv6Only(host)) ? ipv6Only : unknownHost),
  },
  {
    codes: ['ECONNREFUSED'],
    explain: (settings) =>
      isSupabase(settings)
        ? {
            what: 'nothing answers there',
            next: 'Supabase bans an address for half an hour after wrong passwords. Check Database settings, Network bans, lift the ban, and correct the password before the next attempt. Otherwise, check host and port.',
          }
        : undefined,
  },
  {
    codes: ['ECONNREFUSED', 'ENOENT'],
    explain: () => ({
      what: 'nothing answers there',
      next: 'Check host and port, and that the server is running.',
    }),
  },
  {
    says: /timeout expired|ETIMEDOUT|timed out/i,
    explain: ({ connectTimeoutSeconds }) => ({
      what: `nothing answers there within ${connectTimeoutSeconds} s`,
      next: 'Check host and port, and that no firewall blocks this machine. connect_timeout in the URL sets a longer wait.',
      passes: true,
    }),
  },
];

function explainCrowd(): Explanation {
  return {
    what: 'the server has no free session',
    next: say`A backup and a capture need ${nameInput('jobs')} + 4 sessions, and a restore needs 3 more. Use ${nameInput('jobs', '1')}, end other clients, or raise the pool size (Supabase: Database settings, Connection pooling) or the limit of the role.`,
    passes: true,
  };
}

function explainPassword({ password }: ConnectionSettings): Explanation {
  return password === undefined || password === ''
    ? {
        what: 'the server asks for a password and none was given',
        next: 'Put the password into the URL, set PGPASSWORD, or write it into a pass file that nobody else may read.',
      }
    : {
        what: 'the server refused the user or the password',
        next: 'Reset the password, or percent-encode its special characters, and store the URL again. Do not guess: poolers block after a few wrong passwords.',
      };
}

function explainDatabase(): Explanation {
  return {
    what: 'there is no such database',
    next: 'Correct the database name; on Supabase it is postgres.',
  };
}

/**
 * Turns a refused connection into one error with its cause, its remedy, and the words of the server or the
 * pooler. A wrong password is a ConfigurationError, which is never retried.
 */
export async function explainRefusal(settings: ConnectionSettings, error: unknown): Promise<Error> {
  const where = say`${nameInput(settings.input)}: ${describeConnection(settings)}`;
  const { code = '' } = error as { code?: string };
  const text = messageOf(error);
  const said = /^[0-9A-Z]{5}$/.test(code) ? `${text}; SQLSTATE ${code}` : text;
  const expiry = explainExpiry(error, settings);
  if (expiry !== undefined)
    return failed(settings, say`${where}: ${expiry.what} (${said})`, expiry.next, error);
  for (const { codes, says, explain } of cases) {
    if (codes !== undefined && !codes.includes(code)) continue;
    if (says !== undefined && !says.test(`${code} ${text}`)) continue;
    const found = await explain(settings);
    if (found === undefined) continue;
    const quoted = text.includes(found.what) || found.what.includes(text) ? '' : ` (${said})`;
    const message = say`${where}: ${found.what}${quoted}`;
    return found.passes
      ? failed(settings, message, found.next, error)
      : new ConfigurationError(message, found.next, error);
  }
  return failed(
    settings,
    say`${where}: cannot connect: ${said}`,
    "Read the server's message, and check whether another program can connect from this machine.",
    error,
  );
}

function failed(
  { input }: ConnectionSettings,
  message: Wording,
  next: string | Wording,
  cause: unknown,
): Error {
  return /^(?:target|staging)-url$/.test(input)
    ? new TargetError(message, next, cause)
    : new SourceError(message, next, cause);
}

async function isIpv6Only(host: string): Promise<boolean> {
  const addresses = await lookup(host, { all: true }).catch(() => []);
  return addresses.length > 0 && addresses.every((address) => address.family === 6);
}
