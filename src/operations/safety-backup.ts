import { ConfigurationError, isKnownError, SourceError, StorageError } from '../errors.ts';
import type { BackupInputs, RestoreInputs } from '../inputs.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { World } from '../world.ts';
import { backup } from './backup.ts';
import { labelStart } from './safety-label.ts';
import { validate } from './validate.ts';

/**
 * Backs up the target of a restore before it is emptied: pinned, and for those who can read the backup that is restored.
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
      const { outputs } = await backup(describe(inputs, manifest), world);
      return String(outputs['backup-id']);
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

async function isWhole(id: string, inputs: RestoreInputs, world: World): Promise<boolean> {
  const { storage, safetyStorage, encryptionIdentity, clientPath, repositoryKey, s3Endpoint, s3Region } =
    inputs;
  const { installClient, artifactRetentionDays, githubToken } = inputs;
  const outcome = await world.log.group('Reading the safety backup back', () =>
    validate(
      {
        operation: 'validate',
        storage: safetyStorage ?? storage,
        ...{ encryptionIdentity, clientPath, repositoryKey, s3Endpoint, s3Region },
        ...{ installClient, artifactRetentionDays, githubToken },
        backupId: id,
        share: 1,
      },
      world,
    ),
  );
  return outcome.exitCode === 0;
}

/** Everything that is there, read anew: of a database in trouble nothing is taken for unchanged. */
function describe(inputs: RestoreInputs, { id, encryption }: Manifest): BackupInputs {
  return {
    operation: 'backup',
    storage: inputs.safetyStorage ?? inputs.storage,
    s3Endpoint: inputs.s3Endpoint,
    s3Region: inputs.s3Region,
    repositoryKey: inputs.repositoryKey,
    encryptionIdentity: inputs.encryptionIdentity,
    clientPath: inputs.clientPath,
    installClient: inputs.installClient,
    artifactRetentionDays: inputs.artifactRetentionDays,
    githubToken: inputs.githubToken,
    databaseUrl: inputs.targetUrl,
    backupType: 'full',
    label: `${labelStart}${id}`,
    pin: true,
    include: [],
    exclude: [],
    encryptionRecipients: encryption.scheme === 'age' ? encryption.recipients : [],
    compressionLevel: 2,
    jobs: inputs.jobs,
    lockTimeoutSeconds: 30,
    recheck: 0.01,
    ledger: false,
    checks: [],
    freshness: [],
    // As the backup is that is restored, which somebody has allowed.
    allowUnencrypted: true,
    sslrootcert: inputs.sslrootcert,
  };
}
