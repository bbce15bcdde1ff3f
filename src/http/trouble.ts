import { adviseTrust } from './authorities.ts';
import { findProxy, type WebProxy } from './proxy.ts';

/** Why a request got no answer, where the connection to the server is the cause. */
export interface Trouble {
  readonly what: string;
  readonly next: string;
  /** True when the proxy, the address or the authorities have to change, so that a retry cannot help */
  readonly configuration: boolean;
}

const unreachable: ReadonlySet<string> = new Set([
  ...['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'],
]);
const broken: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'TimeoutError']);
const distrusted = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_)/;
const notTls = /^(EPROTO|ERR_SSL_)/;

/**
 * Explains a failure by the proxy in between; undefined where there is no proxy or the error is not known.
 */
export function explainProxy(error: unknown, target: URL, env: NodeJS.ProcessEnv): Trouble | undefined {
  const proxy = findProxy(target, env);
  if (proxy === undefined) return undefined;
  const { code, name } = error as { code?: string; name?: string };
  const word = code ?? name ?? '';
  const { variable, host } = proxy;
  const around = `add ${target.hostname} to NO_PROXY if it can be reached without the proxy`;
  if (word === 'ERR_PROXY_TUNNEL') return explainTunnel(error, proxy, target);
  if (unreachable.has(word)) {
    return {
      what: `the proxy ${host} cannot be reached (${word}), but ${variable} sends requests to ${target.host} through it`,
      next: `Check ${variable}, or ${around}.`,
      configuration: true,
    };
  }
  if (notTls.test(word) && proxy.protocol === 'https:') {
    return {
      what: `the proxy ${host} does not use TLS (${word}), but ${variable} starts with https://`,
      next: `Write ${variable} with http://. The connection through the proxy is still encrypted.`,
      configuration: true,
    };
  }
  if (distrusted.test(word)) {
    return {
      what: `${target.host}, reached through the proxy ${host}, has a certificate that this machine does not trust (${word})`,
      next: `${capitalize(adviseTrust(word, env))}: the proxy may inspect traffic and present its own certificate; or ${around}.`,
      configuration: true,
    };
  }
  if (broken.has(word)) {
    return {
      what: `the connection to ${target.host} through the proxy ${host} (${variable}) broke or stopped answering (${word})`,
      next: `Check the proxy, or ${around}.`,
      configuration: false,
    };
  }
  return undefined;
}

/** Explains an answer that comes from the proxy and not from the server; undefined for all other answers. */
export function explainProxyAnswer(status: number, target: URL, env: NodeJS.ProcessEnv): Trouble | undefined {
  const proxy = findProxy(target, env);
  return proxy !== undefined && status === 407 ? explainCredentials(proxy) : undefined;
}

/** Tells whether a proxy that opened no tunnel may open it a moment later. */
export function isTransientTunnel(error: unknown): boolean {
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  return code === 'ERR_PROXY_TUNNEL' && isTransient(statusCode);
}

const isTransient = (status: number | undefined): boolean =>
  status === undefined || status >= 500 || status === 429;

function explainTunnel(error: unknown, proxy: WebProxy, target: URL): Trouble {
  const { statusCode: status } = error as { statusCode?: number };
  const { variable, host } = proxy;
  const around = `or add ${target.hostname} to NO_PROXY if it can be reached without the proxy`;
  if (status === 407) return explainCredentials(proxy);
  if (status === undefined) {
    return {
      what: `the proxy ${host} (${variable}) did not connect to ${target.host}: it stopped answering or closed the connection`,
      next: `Check the proxy, ${around}.`,
      configuration: false,
    };
  }
  const passing = isTransient(status);
  return {
    what: `the proxy ${host} (${variable}) refused to connect to ${target.host} (${status})`,
    next: passing
      ? `Check whether the proxy can reach ${target.host}, ${around}.`
      : `Have the proxy allow CONNECT to ${target.host}, ${around}.`,
    configuration: !passing,
  };
}

function explainCredentials({ variable, host, hasCredentials }: WebProxy): Trouble {
  return {
    what: hasCredentials
      ? `the proxy ${host} does not accept the user and password in ${variable} (407)`
      : `the proxy ${host} requires a user and a password, but ${variable} has none (407)`,
    next: `Write ${variable} as http://user:password@${host}, with special characters percent-encoded.`,
    configuration: true,
  };
}

/** Says what may help where no proxy is in between; undefined where that is not known. */
export function adviseWay(error: unknown, target: URL, env: NodeJS.ProcessEnv): string | undefined {
  const { code = '' } = error as { code?: string };
  if (distrusted.test(code)) return capitalize(`${adviseTrust(code, env)}.`);
  const isLost = unreachable.has(code) || code === 'ETIMEDOUT';
  const variable = target.protocol === 'http:' ? 'HTTP_PROXY' : 'HTTPS_PROXY';
  return isLost
    ? `Check that this machine can connect to ${target.host}. If it needs a proxy, set ${variable}.`
    : undefined;
}

const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
