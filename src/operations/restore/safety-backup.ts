import type { Manifest } from '../../format/manifest.ts';
import type { CommonInputs } from '../../interface/inputs/shared-types.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import { readNewestOutline } from '../../repository/backups/manifests.ts';
import { openRepository } from '../../repository/open.ts';
import type { RecordContent } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, isKnownError, SourceError, StorageError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { openStorage } from '../../storage/open.ts';
import type { BackupRequest } from '../backup/request.ts';
import { takeBackup } from '../backup/take.ts';
import { readBack } from '../validate/read-back.ts';
import { isSound } from '../validate/result.ts';

/** A safety backup that was taken */
export interface TakenSafety {
  readonly id: string;
  /** Undefined where it is in another storage */
  readonly size: RecordContent<'restores'>['safety'];
  /** Whether it has secrets of Vault that no other key than the present one opens, and is without that key */
  readonly lacksRootKey: boolean;
}

/**
 * Backs up the target of a restore before the target is emptied. The backup is pinned, and encrypted for the
 * recipients of the restored backup or, if that one is not encrypted, for those of the newest backup in the
 * storage that the safety backup goes to.
 *
 * @param doubtful whether the repository was found damaged. A backup shares objects that are stored already,
 * so the safety backup is read back then
 * @returns its id, and its size where it is in the storage of the restored backup
 * @throws ConfigurationError, SourceError; nothing of the target is touched then
 */
export async function takeSafetyBackup(
  inputs: RestoreInputs,
  manifest: Manifest,
  doubtful: boolean,
  context: Context,
): Promise<TakenSafety> {
  let newBytes = 0;
  const store = () =>
    context.log.group('Safety backup of the target', async () => {
      const recipients = await chooseRecipients(inputs, manifest, context);
      const request = toRequest(inputs, manifest, recipients);
      const { manifest: taken, addedBytes, rootKey } = await takeBackup(request, context);
      newBytes += addedBytes;
      const { rows, bytes, stored } = taken.totals;
      const size = { rows, bytes, storedBytes: stored, newBytes };
      return {
        id: taken.id,
        size: inputs.safetyStorage === undefined ? size : undefined,
        lacksRootKey: rootKey === 'left',
      };
    });
  try {
    const first = await store();
    if (!doubtful || (await isWhole(first.id, inputs, context))) return first;
    // The validation of the first backup has recorded the damaged objects, so the second backup stores them
    // anew.
    const second = await store();
    if (await isWhole(second.id, inputs, context)) return second;
    throw new StorageError(
      `backup ${second.id} could not be read back`,
      say`Give another storage with ${nameInput('safety-storage')}.`,
    );
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isKnownError(error)) throw error;
    const Kind = error instanceof ConfigurationError ? ConfigurationError : SourceError;
    throw new Kind(
      say`the safety backup of the target failed, and nothing was touched: ${error.told.message}`,
      say`${error.told.next} Without one the restore goes on with ${nameInput('safety-backup', 'false')}.`,
      error,
    );
  }
}

/**
 * Chooses the recipients. An unencrypted backup from before encryption was introduced must not put today's
 * database unencrypted beside encrypted backups.
 */
async function chooseRecipients(
  inputs: RestoreInputs,
  { encryption }: Manifest,
  context: Context,
): Promise<readonly string[]> {
  if (encryption.scheme === 'age') return encryption.recipients;
  await using storage = await openStorage(inputs.safetyStorage ?? inputs.storage, inputs, context);
  try {
    const newest = await readNewestOutline(await openRepository(storage, inputs.repositoryKey));
    return newest?.encryption.scheme === 'age' ? newest.encryption.recipients : [];
  } catch (error) {
    // Either there is no repository yet, or the backup itself will report what is wrong with it.
    if (error instanceof ConfigurationError) return [];
    throw error;
  }
}

async function isWhole(id: string, inputs: RestoreInputs, context: Context): Promise<boolean> {
  const found = await context.log.group('Reading the safety backup back', () =>
    readBack({ ...placeOf(inputs), backupId: id, share: 1 }, context),
  );
  return isSound(found);
}

/** Describes a full backup of everything: of a database in trouble, nothing is taken for unchanged. */
function toRequest(inputs: RestoreInputs, { id }: Manifest, recipients: readonly string[]): BackupRequest {
  const { clientPath, installClient } = inputs;
  return {
    backupType: 'full',
    purpose: 'safety',
    source: {
      ...{ clientPath, installClient },
      databaseUrl: inputs.targetUrl,
      sslrootcert: inputs.sslrootcert,
      include: [],
      exclude: [],
      checks: [],
      freshness: [],
      jobs: inputs.jobs,
      lockTimeoutSeconds: 30,
      recheck: 0.01,
      rollbackToken: false,
      vaultKey: inputs.vaultKey,
    },
    place: placeOf(inputs),
    packing: {
      encryptionRecipients: [...recipients],
      // Recipients are missing only if the restored backup and the newest one beside it, if any, are
      // unencrypted, which a user has allowed.
      allowUnencrypted: true,
      compressionLevel: 2,
    },
    label: `before restore of ${id}`,
    pin: true,
  };
}

/** The storage of safety backups, and the inputs to access it. */
function placeOf({ storage, safetyStorage, ...inputs }: RestoreInputs): CommonInputs {
  const { s3Endpoint, s3Region, s3Addressing, s3Sse, s3StorageClass } = inputs;
  const { repositoryKey, encryptionIdentity, clientPath, installClient } = inputs;
  const { artifactRetentionDays, githubToken } = inputs;
  return {
    storage: safetyStorage ?? storage,
    ...{ s3Endpoint, s3Region, s3Addressing, s3Sse, s3StorageClass },
    ...{ repositoryKey, encryptionIdentity, clientPath, installClient },
    ...{ artifactRetentionDays, githubToken },
  };
}
