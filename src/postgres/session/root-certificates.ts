import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { rootCertificates } from 'node:tls';
import type { Inputs } from '../../interface/inputs/types.ts';
import type { World } from '../../runtime/context.ts';

/** libpq before version 16 cannot use the system's CA store, so it gets the list that this process trusts, as a file. */
export function writeRootCertificates(world: World): string {
  const file = path.join(world.temporaryFolder, 'root-certificates.pem');
  writeFileSync(file, rootCertificates.join('\n'), { mode: 0o600 });
  return file;
}

/** libpq takes certificates as a file only: those that came as a text get one. */
export function fileCertificates<T extends Inputs>(inputs: T, world: Pick<World, 'temporaryFolder'>): T {
  if (!('sslrootcert' in inputs) || !inputs.sslrootcert?.includes('-----BEGIN')) return inputs;
  const file = path.join(world.temporaryFolder, 'sslrootcert.pem');
  writeFileSync(file, inputs.sslrootcert, { mode: 0o600 });
  return { ...inputs, sslrootcert: file };
}
