import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { rootCertificates } from 'node:tls';
import type { Inputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';

/**
 * Writes the certificates that this process trusts to a file: libpq before version 16 cannot use the system's
 * store.
 */
export function writeRootCertificates(context: Context): string {
  const file = path.join(context.temporaryFolder, 'root-certificates.pem');
  writeFileSync(file, rootCertificates.join('\n'), { mode: 0o600 });
  return file;
}

/** Writes `sslrootcert` to a file when it was given as PEM text: libpq takes a path only. */
export function fileCertificates<T extends Inputs>(inputs: T, context: Pick<Context, 'temporaryFolder'>): T {
  if (!('sslrootcert' in inputs) || !inputs.sslrootcert?.includes('-----BEGIN')) return inputs;
  const file = path.join(context.temporaryFolder, 'sslrootcert.pem');
  writeFileSync(file, inputs.sslrootcert, { mode: 0o600 });
  return { ...inputs, sslrootcert: file };
}
