import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import { ConfigurationError, messageOf } from '../../runtime/errors.ts';
import { type ConnectionSettings, readRootCertificates } from './settings.ts';

/** libpq's meaning of sslmode (PostgreSQL manual, table 34.1). */
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
    // Of an address no name is sent, and it has to stand in the certificate all the same.
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
      // With a root certificate at hand libpq treats `require` like `verify-ca`.
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

/** The certificate that says who we are, the list of those that count no more, and what is spoken at all. */
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
      `${input}: ${parameter}: ${file} cannot be read: ${messageOf(cause)}`,
      'Give the path of a file in PEM form that can be read here.',
      cause,
    );
  }
}

/**
 * The key of a certificate of ours, opened with its phrase: client programs can be given a phrase in no other way than by asking somebody.
 *
 * @throws ConfigurationError when the phrase does not open it
 */
export function openKey(input: string, file: string, passphrase: string): string {
  try {
    const key = createPrivateKey({ key: readPem(input, 'sslkey', file), passphrase });
    return key.export({ type: 'pkcs8', format: 'pem' }).toString();
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    throw new ConfigurationError(
      `${input}: sslkey: ${file} cannot be opened with sslpassword`,
      'Correct the phrase, or give a key without one in a file that only you may read.',
      cause,
    );
  }
}
