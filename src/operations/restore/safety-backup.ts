import type { Manifest } from '../../format/manifest.ts';
import type { CommonInputs, RestoreInputs } from '../../interface/inputs/types.ts';
import { readNewestOutline } from '../../repository/backups/manifests.ts';
import { labelStart } from '../../repository/backups/safety-label.ts';
import { openRepository } from '../../repository/open.ts';
import type { World } from '../../runtime/context.ts';
import { ConfigurationError, isKnownError, SourceError, StorageError } from '../../runtime/errors.ts';
import { openStorage } from '../../storage/open.ts';
import type { BackupRequest } from '../backup/request.ts';
import { takeBackup } from '../backup/take.ts';
import { readBack } from '../validate/read-back.ts';
import { isSound } from '../validate/result.ts';

/**
 * Backs up the target of a restore before it is emptied: pinned, and for those who can read the backup that is restored or, where that is
 * anybody, the newest one of the storage that it goes to.
 *
 * @param doubtful whether the repository was found to be damaged: a backup shares what is stored already, so that this one is read back
 * @returns the id of the safety backup
 * @throws ConfigurationError, SourceError; nothing of the target is touched then
 */
export async function takeSafetyBackup(
  inputs: RestoreInputs,
  manifest: Manifest,
  doubtful: boolean,
  world: World,
): Promise<string> {
  const store = () =>
    world.log.group('Safety backup of the target', async () => {
      const recipients = await chooseRecipients(inputs, manifest, world);
      const { manifest: taken } = await takeBackup(describe(inputs, manifest, recipients), world);
      return taken.id;
    });
  try {
    const id = await store();
    if (!doubtful || (await isWhole(id, inputs, world))) return id;
    // What was found damaged is recorded, and this time stored anew.
    const second = await store();
    if (await isWhole(second, inputs, world)) return second;
    throw new StorageError(
      `backup ${second} could not be read back`,
      'Give another storage with safety-storage.',
    );
  } catch (error) {
    world.signal.throwIfAborted();
    if (!isKnownError(error)) throw error;
    const Kind = error instanceof ConfigurationError ? ConfigurationError : SourceError;
    throw new Kind(
      `the safety backup of the target failed, and nothing was touched: ${error.message}`,
      `${error.next} Without one the restore goes on with safety-backup: false.`,
      error,
    );
  }
}

/** A backup from before backups were encrypted must not put the database as it is now in the clear beside those that are. */
async function chooseRecipients(
  inputs: RestoreInputs,
  { encryption }: Manifest,
  world: World,
): Promise<readonly string[]> {
  if (encryption.scheme === 'age') return encryption.recipients;
  await using storage = await openStorage(inputs.safetyStorage ?? inputs.storage, inputs, world);
  try {
    const newest = await readNewestOutline(await openRepository(storage, inputs.repositoryKey));
    return newest?.encryption.scheme === 'age' ? newest.encryption.recipients : [];
  } catch (error) {
    // There is none yet, or the backup will tell what is wrong with it.
    if (error instanceof ConfigurationError) return [];
    throw error;
  }
}

async function isWhole(id: string, inputs: RestoreInputs, world: World): Promise<boolean> {
  const found = await world.log.group('Reading the safety backup back', () =>
    readBack({ ...placeOf(inputs), backupId: id, share: 1 }, world),
  );
  return isSound(found);
}

/** Everything that is there, read anew: of a database in trouble nothing is taken for unchanged. */
function describe(inputs: RestoreInputs, { id }: Manifest, recipients: readonly string[]): BackupRequest {
  const { clientPath, installClient } = inputs;
  return {
    backupType: 'full',
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
      ledger: false,
    },
    place: placeOf(inputs),
    packing: {
      encryptionRecipients: [...recipients],
      // As the backup that is restored and those beside it are, which somebody has allowed.
      allowUnencrypted: true,
      compressionLevel: 2,
    },
    label: `${labelStart}${id}`,
    pin: true,
  };
}

/** Where safety backups are stored, and how that is spoken to. */
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
