import { readRepository } from '../../github/repository.ts';
import { nameRepository } from '../../github/run.ts';
import type { PackingInputs } from '../../interface/inputs/shared-types.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';

/**
 * Refuses an unencrypted backup in a run of a public repository. Outside of a runner there is no such
 * repository; on a runner, a repository that is not known to be private or internal counts as public.
 *
 * @throws ConfigurationError unless `allow-unencrypted` is set
 */
export function refuseUnencrypted(
  storage: string,
  packing: Pick<PackingInputs, 'encryptionRecipients' | 'allowUnencrypted'>,
  { env, log }: Pick<Context, 'env' | 'log'>,
): void {
  if (packing.encryptionRecipients.length > 0) return;
  const repository = readRepository(env);
  if (repository === undefined || ['private', 'internal'].includes(repository.visibility ?? '')) return;
  const name = nameRepository(env) ?? 'this repository';
  const isArtifact = /^artifact:/i.test(storage);
  if (packing.allowUnencrypted) {
    const who = isArtifact
      ? 'anybody with an account on GitHub can download it'
      : 'whoever gets at the storage can read it';
    log.warn(say`the backup is stored unencrypted, as ${nameInput('allow-unencrypted')} says: ${who}`);
    return;
  }
  const standing =
    repository.visibility === 'public'
      ? `${name} is public`
      : `it is not known whether ${name} is public (the event of this run does not say), so it counts as public`;
  const danger = isArtifact
    ? 'and anybody with an account on GitHub can download its artifacts'
    : 'and an unencrypted backup is one mistake with the storage away from everybody';
  throw new ConfigurationError(
    say`${nameInput('encryption-recipients')}: is empty; ${standing}, ${danger}`,
    say`Create a key with \`supabase-backup keygen\`, set its recipient (age1…), and keep the identity outside of this repository. ${nameInput('allow-unencrypted', 'true')} stores the backup unencrypted anyway.`,
  );
}
