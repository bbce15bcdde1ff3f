import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as tls from 'node:tls';

/* Certificates of private authorities, from the files that environment variables name. */

/** Node reads NODE_EXTRA_CA_CERTS itself when it starts; the other variables are read here. */
const known = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'AWS_CA_BUNDLE'] as const;
type Variable = (typeof known)[number];

/** What a request is for: one to a storage also trusts the authorities that Amazon's tools trust. */
export type Use = 'any' | 'storage';

const variablesOf: Readonly<Record<Use, readonly Variable[]>> = {
  any: ['SSL_CERT_FILE'],
  storage: ['SSL_CERT_FILE', 'AWS_CA_BUNDLE'],
};

/**
 * Returns the authorities that Node trusts and those that the variables add; undefined where they add none. A
 * file that cannot be read is skipped, as Node and OpenSSL do; if a certificate is not trusted then,
 * `adviseTrust` names the file's variable.
 */
export function listAuthorities(env: NodeJS.ProcessEnv, use: Use): string[] | undefined {
  const added = variablesOf[use].flatMap((variable) => {
    const read = readAuthorities(variable, env);
    return read instanceof Error ? [] : read;
  });
  return added.length === 0 ? undefined : [...tls.getCACertificates('default'), ...added];
}

/** Makes requests of third-party libraries trust the same authorities, where Node has the function (24.5). */
export function trustAuthorities(env: NodeJS.ProcessEnv): void {
  const authorities = listAuthorities(env, 'any');
  if (authorities !== undefined) tls.setDefaultCACertificates?.(authorities);
}

/**
 * Says what to do about a certificate that is not trusted.
 *
 * @param code Node's error code, which says why
 */
export function adviseTrust(code: string, env: NodeJS.ProcessEnv): string {
  if (code === 'CERT_HAS_EXPIRED') return 'have its certificate renewed, and check the clock of this machine';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'write the host name that is in the certificate';
  const unread = known.flatMap((variable) => {
    const read = readAuthorities(variable, env);
    return read instanceof Error ? [`${variable} names a file that cannot be used (${codeOf(read)})`] : [];
  });
  const advice = 'for a private CA, set NODE_EXTRA_CA_CERTS to a file with its certificate';
  return [advice, ...unread].join('; ');
}

const block = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

function readAuthorities(variable: Variable, env: NodeJS.ProcessEnv): string[] | Error {
  const file = env[variable]?.trim();
  if (!file) return [];
  try {
    const certificates = readFileSync(file, 'utf8').match(block) ?? [];
    for (const certificate of certificates) new X509Certificate(certificate);
    return certificates.length > 0 ? certificates : new Error('it holds no certificate');
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? error.message;
