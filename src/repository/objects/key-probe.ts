import { randomBytes } from 'node:crypto';
import { identityToRecipient } from 'age-encryption';
import { ConfigurationError } from '../../runtime/errors.ts';
import { createDecoder, createEncoder } from './codec.ts';

/** bytes of the probe, and the level at which it is compressed */
const [probeBytes, probeLevel] = [64, 1];

/**
 * Encrypts some bytes for the recipients as an object of a backup, and opens them with each identity by itself.
 *
 * @returns for each identity whether it opens what was encrypted
 * @throws IntegrityError when what was encrypted does not come back
 */
export async function probeKeys(
  recipients: readonly string[],
  identities: readonly string[],
): Promise<readonly boolean[]> {
  const stored = await createEncoder(recipients, probeLevel)(randomBytes(probeBytes));
  return Promise.all(identities.map((identity) => opens(identity, stored, recipients.length)));
}

async function opens(identity: string, stored: Uint8Array, recipients: number): Promise<boolean> {
  try {
    await createDecoder('age', [identity], recipients)(stored, probeBytes);
    return true;
  } catch (error) {
    if (error instanceof ConfigurationError) return false;
    throw error;
  }
}

/** The recipients, which are public, of identities */
export function listRecipients(identities: readonly string[]): Promise<string[]> {
  return Promise.all(identities.map((identity) => identityToRecipient(identity)));
}
