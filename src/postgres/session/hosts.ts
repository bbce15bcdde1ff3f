import { isIP } from 'node:net';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { UsedParameter } from './parameters.ts';

/* Parses lists of hosts and chooses the TLS mode when the user gives none. */

export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

export type SslMode = (typeof sslModes)[number];

interface Host {
  readonly host: string;
  readonly address: string | undefined;
  readonly port: number;
}

/**
 * Lists one entry for each address or, without addresses, for each host. A single port counts for all
 * entries.
 *
 * @throws ConfigurationError when the lists differ in length or a port is out of range
 */
export function listHosts(input: string, take: (parameter: UsedParameter) => string | undefined): Host[] {
  const [hosts, addresses, ports] = (['host', 'hostaddr', 'port'] as const).map((name) =>
    take(name)?.split(','),
  );
  const count = (addresses ?? hosts ?? ['']).length;
  const fits = (list: string[] | undefined, or: number) =>
    list === undefined || list.length === count || list.length === or;
  if (!fits(hosts, count) || !fits(ports, 1)) {
    throw new ConfigurationError(
      say`${nameInput(input)}: the numbers of hosts, ports and addresses differ`,
      'Give one port for all hosts, or one for each host.',
    );
  }
  return Array.from({ length: count }, (_, index) => {
    const text = (ports?.length === 1 ? ports[0] : ports?.[index]) || '5432';
    const port = Number(text);
    if (!/^\d+$/.test(text) || port < 1 || port > 65535) {
      throw new ConfigurationError(
        say`${nameInput(input)}: the port is not a number from 1 to 65535`,
        'Correct the port.',
      );
    }
    const address = addresses?.[index] || undefined;
    return { host: hosts?.[index] || (address ?? 'localhost'), address, port };
  });
}

/**
 * Refuses `sslrootcert=system` with a mode that does not check the host name, as libpq does: any public
 * authority could vouch for any name.
 */
export function refuseUncheckedName(
  input: string,
  host: string,
  sslMode: SslMode,
  rootCert: string | undefined,
): void {
  if (rootCert !== 'system' || sslMode === 'verify-full' || (isNearby(host) && sslMode === 'prefer')) return;
  throw new ConfigurationError(
    say`${nameInput(input)}: sslmode ${sslMode} does not check the server's name, but sslrootcert=system needs that`,
    'Use sslmode=verify-full, or leave sslmode out.',
  );
}

/**
 * Chooses the TLS mode when the user gives none. libpq's default, `prefer`, continues without TLS if the
 * answering host claims to have none, and dashboards give URLs without a mode. So `prefer` is kept only for
 * hosts of this machine and of private networks, where servers often have no TLS.
 *
 * @param isOfThisHost whether the root certificate was given in this URL, not as the default for all
 *   connections
 */
export function chooseSslMode(host: string, rootCert: string | undefined, isOfThisHost: boolean): SslMode {
  if (isNearby(host) && !isOfThisHost) return 'prefer';
  return rootCert === undefined ? 'require' : 'verify-full';
}

/**
 * Addresses that are not routed on the internet (RFC 1918, 3927, 4193, 4291), and names that only a local
 * network knows.
 */
export function isNearby(host: string): boolean {
  if (host.startsWith('/')) return true;
  if (isIP(host) === 4) return /^(?:127|10|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01]))\./.test(host);
  if (isIP(host) === 6) return host === '::1' || /^(?:f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):/i.test(host);
  // A resolver takes a bare number for an internet address.
  if (/^(?:0x[0-9a-f]*|\d+)$/i.test(host)) return false;
  return !host.includes('.') || /\.(?:local|localhost|internal|lan|home\.arpa)$/i.test(host);
}
