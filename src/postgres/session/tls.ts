import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { type ConnectionSettings, readRootCertificates } from './settings.ts';

/**
 * Attempts to connect by libpq's meaning of sslmode (PostgreSQL manual, table 34.1).
 *
 * @throws ConfigurationError when a certificate or key file cannot be read; otherwise the error of the last
 *   attempt
 */
export async function attemptModes<T>(
  settings: ConnectionSettings,
  attempt: (ssl: boolean | ConnectionOptions) => Promise<T>,
): Promise<T> {
  const ca = readRootCertificates(settings);
  const ours = readOwnTls(settings);
  const verify: ConnectionOptions = {
    ...ours,
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    // SNI carries no address, but the certificate must name it all the same.
    ...(isIP(settings.host) > 0 ? {} : { servername: settings.host }),
    checkServerIdentity: (_name, certificate) => checkServerIdentity(settings.host, certificate),
  };
  const trusting: ConnectionOptions = { ...ours, rejectUnauthorized: false };
  switch (settings.sslMode) {
    case 'disable':
      return attempt(false);
    case 'verify-full':
      return attempt(verify);
    case 'verify-ca':
      return attempt({ ...verify, checkServerIdentity: () => undefined });
    case 'require':
      // With a root certificate libpq treats `require` like `verify-ca`.
      return attempt(ca === undefined ? trusting : { ...verify, checkServerIdentity: () => undefined });
    case 'allow':
      return attempt(false).catch(() => attempt(trusting));
    case 'prefer':
      if (settings.host.startsWith('/')) return attempt(false);
      return attempt(trusting).catch((error: unknown) => {
        if (/does not support SSL/.test(messageOf(error))) return attempt(false);
        throw error;
      });
  }
}

/** The client certificate, the revocation list and the allowed TLS versions. */
function readOwnTls(settings: ConnectionSettings): ConnectionOptions {
  const { certificate, key, passphrase, revoked, minVersion, maxVersion } = settings.tls;
  const read = (parameter: string, file: string) => readPem(settings.input, parameter, file);
  return {
    ...(certificate === undefined ? {} : { cert: read('sslcert', certificate) }),
    ...(key === undefined ? {} : { key: read('sslkey', key) }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(revoked === undefined ? {} : { crl: read('sslcrl', revoked) }),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
  };
}

function readPem(input: string, parameter: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(
      say`${nameInput(input)}: ${parameter}: ${file} cannot be read: ${messageOf(cause)}`,
      'Give the path of a readable file in PEM format.',
      cause,
    );
  }
}

/**
 * Decrypts the key of a client certificate: client programs take a passphrase only interactively.
 *
 * @returns the key without a passphrase, as PEM
 * @throws ConfigurationError when the file cannot be read or the passphrase is wrong
 */
export function openKey(input: string, file: string, passphrase: string): string {
  try {
    const key = createPrivateKey({ key: readPem(input, 'sslkey', file), passphrase });
    return key.export({ type: 'pkcs8', format: 'pem' }).toString();
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    throw new ConfigurationError(
      say`${nameInput(input)}: sslkey: ${file} cannot be opened with sslpassword`,
      'Correct the passphrase, or use a key without one in a file that only you can read.',
      cause,
    );
  }
}
