import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import path from 'node:path';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say, type Wording } from '../../runtime/wording.ts';
import { explainRefusal, ipv6Only, unknownHost } from './refusal.ts';
import { type ConnectionSettings, describeConnection } from './settings.ts';

/* Reaches a server step by step, where an attempt to log in would only say that something on the way failed. */

/** Looks up all addresses of a host. */
export type LookUp = (host: string) => Promise<readonly { address: string; family: number }[]>;

export const askNameServers: LookUp = (host) => lookup(host, { all: true });

/** Where a server is: the folder of a socket of this machine, or addresses, IPv4 first and never none */
export type Whereabouts =
  | { readonly kind: 'socket' }
  | { readonly kind: 'addresses'; readonly addresses: readonly string[]; readonly isIpv6Only: boolean };

/** @throws ConfigurationError when no name server knows the host */
export async function locate(settings: ConnectionSettings, lookUp: LookUp): Promise<Whereabouts> {
  const { host, address } = settings;
  if (host.startsWith('/')) return { kind: 'socket' };
  const given = address ?? (isIP(host) > 0 ? host : undefined);
  const found = given === undefined ? await ask(settings, lookUp) : [{ address: given, family: isIP(given) }];
  const addresses = found.toSorted((one, other) => one.family - other.family).map((one) => one.address);
  return { kind: 'addresses', addresses, isIpv6Only: found.every(({ family }) => family === 6) };
}

async function ask(settings: ConnectionSettings, lookUp: LookUp): ReturnType<LookUp> {
  try {
    const found = await lookUp(settings.host);
    if (found.length > 0) return found;
  } catch (cause) {
    throw refusal(settings, unknownHost, cause);
  }
  throw refusal(settings, unknownHost);
}

/**
 * Opens a connection and closes it at once, to the first address that answers.
 *
 * @returns milliseconds that it took to answer
 * @throws ConfigurationError, SourceError or TargetError of the last address
 */
export async function knock(
  settings: ConnectionSettings,
  where: Whereabouts,
  signal: AbortSignal,
): Promise<number> {
  if (where.kind === 'socket')
    return knockAt({ path: path.join(settings.host, `.s.PGSQL.${settings.port}`) }, settings, signal);
  let failure: unknown;
  for (const host of where.addresses) {
    try {
      return await knockAt({ host, port: settings.port }, settings, signal);
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  if (where.isIpv6Only && !isAnswer(failure)) throw refusal(settings, ipv6Only, failure);
  throw await explainRefusal(settings, failure);
}

/** A refusal comes from the machine that was meant, so it can be reached. */
const isAnswer = (error: unknown): boolean => (error as { code?: unknown }).code === 'ECONNREFUSED';

function knockAt(
  place: { path: string } | { host: string; port: number },
  { connectTimeoutSeconds }: ConnectionSettings,
  signal: AbortSignal,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const startedAt = performance.now();
  const socket = connect({ ...place, signal });
  socket.setTimeout(connectTimeoutSeconds * 1000, () => socket.destroy(new Error('timeout expired')));
  socket.once('connect', () => {
    resolve(performance.now() - startedAt);
    socket.destroy();
  });
  socket.once('error', reject);
  return promise;
}

function refusal(
  settings: ConnectionSettings,
  { what, next }: { readonly what: string; readonly next: string | Wording },
  cause?: unknown,
): ConfigurationError {
  return new ConfigurationError(
    say`${nameInput(settings.input)}: ${describeConnection(settings)}: ${what}`,
    next,
    cause,
  );
}
