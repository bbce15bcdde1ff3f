import type { AgentOptions } from 'node:https';
import { createSecureContext } from 'node:tls';
import { listAuthorities, type Use } from './authorities.ts';
import { readProxyEnvironment } from './proxy.ts';

/** How long a proxy may be silent before its tunnel is open; a connection in use has no such limit */
const tunnelTimeoutMs = 30_000;

/**
 * Returns the options that Node's agents need: the proxies, and the authorities to trust.
 *
 * @throws ConfigurationError when a variable names no valid HTTP proxy, or this Node.js cannot use one
 */
export function chooseAgent(env: NodeJS.ProcessEnv, use: Use): AgentOptions {
  const proxyEnv = readProxyEnvironment(env);
  const ca = listAuthorities(env, use);
  return {
    ...(proxyEnv && { proxyEnv, timeout: tunnelTimeoutMs }),
    // Parsed once, instead of for each connection
    ...(ca && { secureContext: createSecureContext({ ca }) }),
  };
}
