import { isIPv4 } from 'node:net';
import { ConfigurationError } from '../runtime/errors.ts';

/*
 * Which proxy a request goes through, by the variables that curl and the runner read. Node's agents open the
 * connection (docs/network.md).
 */

/** The proxy of a request, for messages: it holds no credentials. */
export interface WebProxy {
  /** The name of the variable that names the proxy */
  readonly variable: string;
  /** Host and port */
  readonly host: string;
  /** The protocol of the connection to the proxy itself */
  readonly protocol: 'http:' | 'https:';
  readonly hasCredentials: boolean;
}

export const proxyVariables = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'] as const;

/** The variable in lower case wins, as with curl. */
const variablesOf: Readonly<Record<string, readonly string[]>> = {
  'https:': ['https_proxy', 'HTTPS_PROXY'],
  'http:': ['http_proxy', 'HTTP_PROXY'],
};

/** Hosts that are never reached through a proxy: its localhost is another machine. */
const ownMachine = ['localhost', '.localhost', '127.0.0.0-127.255.255.255', '::1', '[::1]'];

/** The first Node.js whose agents know `proxyEnv` */
const leastNode = { major: 24, minor: 5 };

/**
 * Translates the variables into the form that Node's agents read: addresses with a scheme, and the entries of
 * NO_PROXY in the notations that the agents know. Undefined where no proxy is named.
 *
 * @throws ConfigurationError when an address is invalid or of another kind of proxy, or Node.js is too old
 */
export function readProxyEnvironment(
  env: NodeJS.ProcessEnv,
  node = process.versions.node,
): NodeJS.ProcessEnv | undefined {
  const [https, http] = [readAddress('https:', env), readAddress('http:', env)];
  const [named] = [https, http].filter((address) => address !== undefined);
  if (named === undefined) return undefined;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major < leastNode.major || (major === leastNode.major && minor < leastNode.minor)) {
    throw new ConfigurationError(
      `${named.variable}: Node.js ${node} cannot use a proxy`,
      `Use Node.js ${leastNode.major}.${leastNode.minor} or newer. Newer runners include it.`,
    );
  }
  return {
    ...(https && { https_proxy: https.url.href }),
    ...(http && { http_proxy: http.url.href }),
    no_proxy: listBypassed(env).join(','),
  };
}

/**
 * Returns the proxy that a request to this address goes through; undefined where the request goes directly.
 *
 * @throws ConfigurationError when the proxy's address is invalid or of another kind of proxy
 */
export function findProxy(target: URL, env: NodeJS.ProcessEnv): WebProxy | undefined {
  const address = readAddress(target.protocol, env);
  if (address === undefined || isBypassed(target, listBypassed(env))) return undefined;
  const { variable, url } = address;
  return {
    variable,
    host: url.host,
    protocol: url.protocol as WebProxy['protocol'],
    hasCredentials: url.username !== '' || url.password !== '',
  };
}

function readAddress(protocol: string, env: NodeJS.ProcessEnv): { variable: string; url: URL } | undefined {
  const variable = variablesOf[protocol]?.find((name) => env[name]?.trim());
  const text = variable && env[variable]?.trim();
  if (!variable || !text) return undefined;
  const whole = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && isDecodable(url)) return { variable, url };
  throw new ConfigurationError(
    `${variable} is not the address of an HTTP proxy`,
    'Write http://host:port or http://user:password@host:port, with special characters of user and password percent-encoded.',
  );
}

function isDecodable({ username, password }: URL): boolean {
  try {
    return decodeURIComponent(username + password) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Entries of NO_PROXY as Node's agents match them: a host, `.domain` and its subdomains, `first-last` for
 * addresses, `*` for all.
 */
function listBypassed(env: NodeJS.ProcessEnv): readonly string[] {
  const entries = (env.no_proxy || env.NO_PROXY || '').toLowerCase().split(/[\s,]+/);
  return [...ownMachine, ...entries.filter((entry) => entry !== '').flatMap(translateEntry)];
}

/** Expands a domain to its subdomains, as curl and the runner do, and a CIDR network to a range. */
function translateEntry(entry: string): string[] {
  if (entry === '*') return [entry];
  const [, address = '', bits] = /^([\d.]+)\/(\d+)$/.exec(entry) ?? [];
  if (isIPv4(address) && Number(bits) <= 32) return [rangeOf(address, Number(bits))];
  const domain = entry.replace(/^\*?\./, '');
  // An address has no subdomains, and an entry with a port is for that host alone.
  return domain.includes(':') || isIPv4(domain) || isRange(domain) ? [domain] : [domain, `.${domain}`];
}

const isRange = (entry: string): boolean => entry.split('-').length === 2 && entry.split('-').every(isIPv4);

function rangeOf(address: string, bits: number): string {
  const size = 2 ** (32 - bits);
  const first = Math.floor(toNumber(address) / size) * size;
  return `${toAddress(first)}-${toAddress(first + size - 1)}`;
}

const toNumber = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

const toAddress = (number: number): string =>
  [3, 2, 1, 0].map((place) => Math.floor(number / 256 ** place) % 256).join('.');

function isBypassed({ hostname, port, protocol }: URL, entries: readonly string[]): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const withPort = `${host}:${port || (protocol === 'https:' ? 443 : 80)}`;
  return entries.some((entry) => {
    if (entry === '*' || entry === host || entry === withPort) return true;
    if (entry.startsWith('.')) return host.endsWith(entry);
    return isRange(entry) && isIPv4(host) && isWithin(host, entry);
  });
}

function isWithin(host: string, range: string): boolean {
  const [first = '', last = ''] = range.split('-');
  return toNumber(first) <= toNumber(host) && toNumber(host) <= toNumber(last);
}
