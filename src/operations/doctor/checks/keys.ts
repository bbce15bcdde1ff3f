import type { DoctorInputs } from '../../../interface/inputs/types.ts';
import { formatCounted } from '../../../report/quantity.ts';
import { readNewestOutline } from '../../../repository/backups/manifests.ts';
import { listRecipients, probeKeys } from '../../../repository/objects/key-probe.ts';
import type { Repository } from '../../../repository/open.ts';
import type { Context } from '../../../runtime/context.ts';
import { nameInput, say } from '../../../runtime/wording.ts';
import { refuseUnencrypted } from '../../backup/encryption-rule.ts';
import { type Examination, type Finding, failed, ok, unchecked, warning } from '../examination.ts';

type KeyInputs = Pick<
  DoctorInputs,
  'storage' | 'encryptionRecipients' | 'encryptionIdentity' | 'allowUnencrypted'
>;

/**
 * Checks that what is encrypted can be opened: a probe is encrypted in memory, and opened with the identity
 * where it is at hand.
 *
 * @param repository whose newest backup is compared; undefined where there is none
 */
export async function checkKeys(
  examination: Examination,
  inputs: KeyInputs,
  repository: Repository | undefined,
  context: Context,
): Promise<void> {
  const { encryptionRecipients: recipients, encryptionIdentity: identities } = inputs;
  await examination.run('encryption', async () => judgeEncryption(inputs, context));
  await examination.run(
    'identity',
    async () => {
      if (identities.length === 0)
        return unchecked('no identity was given; only a drill shows whether the backups can be decrypted');
      return recipients.length === 0
        ? unchecked('no recipients were given to compare it with')
        : judgeIdentities(recipients, identities);
    },
    { needs: recipients.length === 0 ? [] : ['encryption'] },
  );
  if (repository === undefined) return;
  await examination.run('newest-backup', () => judgeNewest(repository, inputs));
}

async function judgeEncryption(inputs: KeyInputs, { env, log }: Context): Promise<Finding> {
  const { storage = '', encryptionRecipients: recipients } = inputs;
  if (recipients.length > 0) {
    await probeKeys(recipients, []);
    return ok(`a probe was encrypted for ${formatCounted(recipients.length, 'recipient')}`);
  }
  if (storage === '') return unchecked('no recipients and no storage were given');
  // What it warns of is told here.
  refuseUnencrypted(storage, inputs, { env, log: { ...log, warn: (message) => log.debug(String(message)) } });
  return warning(
    say`${nameInput('encryption-recipients')}: is empty, so backups are stored unencrypted: anybody with access to the storage can read them`,
    'Create a key with `supabase-backup keygen`, set its recipient (age1…), and keep the identity separate from the backups.',
  );
}

async function judgeIdentities(
  recipients: readonly string[],
  identities: readonly string[],
): Promise<Finding> {
  const opened = await probeKeys(recipients, identities);
  const fitting = opened.filter((fits) => fits).length;
  if (fitting === 0)
    return failed(
      say`${nameInput('encryption-identity')}: the identity belongs to none of the recipients, so it cannot decrypt what is encrypted for them`,
      say`Give the identity whose recipient \`age-keygen -y\` prints as in ${nameInput('encryption-recipients')}, or correct the recipients.`,
    );
  const others = identities.length - fitting;
  const rest = others === 0 ? '' : `; ${formatCounted(others, 'other')} of those given did not`;
  return ok(`${formatCounted(fitting, 'identity', 'identities')} opened the probe${rest}`);
}

/** Compares the keys with those of the newest backup: a restore needs its identity, and people count on it. */
async function judgeNewest(
  repository: Repository,
  { encryptionRecipients: recipients, encryptionIdentity: identities, allowUnencrypted }: KeyInputs,
): Promise<Finding> {
  const newest = await readNewestOutline(repository);
  if (newest === undefined) return unchecked('there is no backup yet');
  const { id, encryption } = newest;
  if (encryption.scheme === 'none') return ok(`${id} is not encrypted`);
  const own = await listRecipients(identities);
  if (identities.length > 0 && !encryption.recipients.some((recipient) => own.includes(recipient)))
    return failed(
      say`${nameInput('encryption-identity')}: the identity cannot decrypt ${id}, the newest backup: it is encrypted for ${encryption.recipients.join(', ')}`,
      'Give the identity of one of these recipients.',
    );
  if (recipients.length === 0 && !allowUnencrypted)
    return identities.length > 0
      ? ok(`the identity is of a recipient of ${id}`)
      : unchecked('neither recipients nor an identity were given');
  const lost = encryption.recipients.filter((recipient) => !recipients.includes(recipient));
  if (lost.length > 0)
    return warning(
      `${id} is also encrypted for ${lost.join(', ')}, but the next backup will not be: somebody who has only that identity cannot decrypt it`,
      say`If you do not want that, set all recipients in ${nameInput('encryption-recipients')}.`,
    );
  return ok(`the recipients are those of ${id}`);
}
