import { identityToRecipient } from 'age-encryption';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { Holder } from './object-uses.ts';

/**
 * Finds out which backups and segments the identities can open. The recipients of a repository may change
 * over the years.
 *
 * @throws ConfigurationError when identities were given and open none of the encrypted backups
 */
export async function matchIdentities(
  holders: readonly Holder[],
  identities: readonly string[],
): Promise<(holder: Holder) => boolean> {
  const ours = new Set(await Promise.all(identities.map((identity) => identityToRecipient(identity))));
  const mayOpen = ({ encryption }: Holder) =>
    encryption.scheme === 'none' || encryption.recipients.some((recipient) => ours.has(recipient));
  const encrypted = holders.filter(({ encryption }) => encryption.scheme === 'age');
  if (identities.length > 0 && encrypted.length > 0 && !encrypted.some(mayOpen)) {
    throw new ConfigurationError(
      say`${nameInput('encryption-identity')}: the identity given does not belong to any recipient of these backups`,
      'Give the identity that belongs to a recipient in the manifest, or none to check only the hashes.',
    );
  }
  return mayOpen;
}
