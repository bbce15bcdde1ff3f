import type { AgentOptions } from 'node:https';
import { createSecureContext } from 'node:tls';
import { listAuthorities, type Use } from './authorities.ts';
import { readProxyEnvironment } from './proxy.ts';

/** How long a proxy may be silent before a tunnel is there; of a connection in use nobody asks it */
const tunnelTimeoutMs = 30_000;

/**
 * What Node's agents need to find their way: the proxies, and whom to trust.
 *
 * @throws ConfigurationError where a variable names no proxy that there can be
 */
export function describeWay(env: NodeJS.ProcessEnv, use: Use): AgentOptions {
  const proxyEnv = readProxyEnvironment(env);
  const ca = listAuthorities(env, use);
  return {
    ...(proxyEnv && { proxyEnv, timeout: tunnelTimeoutMs }),
    // Read once, and not for each connection.
    ...(ca && { secureContext: createSecureContext({ ca }) }),
  };
}
