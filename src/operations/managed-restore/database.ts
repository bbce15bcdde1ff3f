import type { ManagedRestoreInputs } from '../../interface/inputs/managed-types.ts';
import type { CommonInputs } from '../../interface/inputs/shared-types.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { openReached } from '../../postgres/session/reach.ts';
import { readNewestOutline } from '../../repository/backups/manifests.ts';
import type { Repository } from '../../repository/open.ts';
import { assertOwnDatabase } from '../../repository/own-database.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, isKnownError, SourceError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { dropSlot, nameSlot, readSlot } from '../../source/changes/slot.ts';
import { readIdentity } from '../../source/identity.ts';
import type { BackupRequest } from '../backup/request.ts';
import { takeBackup } from '../backup/take.ts';
import type { Beforehand, NewBase } from './result.ts';

/* What is done in the database of the project before the platform restores it, and after. */

/**
 * Looks at what a restore breaks. A database that cannot be reached may be the reason for the restore: that is
 * a warning.
 *
 * @throws ConfigurationError when the repository is of another database
 */
export async function lookBeforehand(
  { targetUrl, sslrootcert }: ManagedRestoreInputs,
  repository: Repository,
  context: Context,
): Promise<Beforehand | undefined> {
  if (targetUrl === undefined) return undefined;
  const session = await reach(targetUrl, sslrootcert, context);
  if (session === undefined) return undefined;
  await using _ = session;
  assertOwnDatabase(repository, await readIdentity(session));
  const slot = await readSlot(session, nameSlot(repository));
  const slots = await session.query<{ name: string }>(
    'SELECT slot_name AS name FROM pg_replication_slots WHERE NOT temporary ORDER BY 1',
  );
  const subscriptions = await session.query<{ name: string }>(
    `SELECT subname AS name FROM pg_subscription
     WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1`,
  );
  return {
    slot: slot === undefined ? null : slot.name,
    otherSlots: slots.map((each) => each.name).filter((each) => each !== slot?.name),
    subscriptions: subscriptions.map((each) => each.name),
  };
}

async function reach(
  url: string,
  sslrootcert: string | undefined,
  context: Context,
): Promise<Session | undefined> {
  try {
    return (await openReached('target-url', url, sslrootcert, context)).session;
  } catch (error) {
    if (!isKnownError(error)) throw error;
    context.log.warn(
      say`the database cannot be reached, so its replication slot is not dropped: ${error.told.message}\n→ ${error.told.next}`,
    );
    return undefined;
  }
}

/** Drops the slot of captures, which the platform demands before it restores. */
export async function dropCaptureSlot(
  { targetUrl, sslrootcert }: ManagedRestoreInputs,
  slot: string,
  context: Context,
): Promise<void> {
  const { session } = await openReached('target-url', targetUrl, sslrootcert, context);
  await using _ = session;
  if ((await readSlot(session, slot)) !== undefined) await dropSlot(session, slot);
  context.noteSlot?.({ at: context.now(), state: null });
  context.log.info(`The slot ${slot} is dropped`);
}

/**
 * Backs up what is there now, before the platform takes it back.
 *
 * @returns the id of the safety backup, which is pinned
 * @throws ConfigurationError, SourceError; nothing was asked of the platform then
 */
export async function takeSafetyBackup(
  inputs: ManagedRestoreInputs,
  repository: Repository,
  target: Date,
  context: Context,
): Promise<string> {
  try {
    return await store(
      inputs,
      repository,
      { purpose: 'safety', label: `before a restore by Supabase to ${target.toISOString()}`, pin: true },
      context,
    );
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isKnownError(error)) throw error;
    const Kind = error instanceof ConfigurationError ? ConfigurationError : SourceError;
    throw new Kind(
      say`the safety backup of the project failed, and nothing was asked of Supabase: ${error.told.message}`,
      say`${error.told.next} Without one the restore goes on with ${nameInput('safety-backup', 'false')}.`,
      error,
    );
  }
}

/**
 * Takes the backup from which on every time can be recovered again. That it fails does not undo the restore.
 */
export async function takeBase(
  inputs: ManagedRestoreInputs,
  repository: Repository,
  target: Date,
  context: Context,
): Promise<NewBase> {
  const label = `after a restore by Supabase to ${target.toISOString()}`;
  try {
    const id = await store(inputs, repository, { purpose: 'ordinary', label, pin: false }, context);
    return { kind: 'taken', id };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isKnownError(error)) throw error;
    return { kind: 'failed', message: error.message, next: error.next };
  }
}

async function store(
  inputs: ManagedRestoreInputs,
  repository: Repository,
  named: Pick<BackupRequest, 'purpose' | 'label' | 'pin'>,
  context: Context,
): Promise<string> {
  const newest = await readNewestOutline(repository);
  const recipients = newest?.encryption.scheme === 'age' ? newest.encryption.recipients : [];
  const heading =
    named.purpose === 'safety' ? 'Safety backup of the project' : 'Backup of the restored project';
  return await context.log.group(heading, async () => {
    const request = { ...named, ...toRequest(inputs, recipients) };
    return (await takeBackup(request, context)).manifest.id;
  });
}

/** Of a database in trouble, or one that was taken back, nothing is taken for unchanged. */
function toRequest(
  inputs: ManagedRestoreInputs,
  recipients: readonly string[],
): Omit<BackupRequest, 'purpose' | 'label' | 'pin'> {
  const { clientPath, installClient, targetUrl: databaseUrl, sslrootcert, jobs } = inputs;
  return {
    backupType: 'full',
    source: {
      ...{ clientPath, installClient, databaseUrl, sslrootcert, jobs },
      ...{ include: [], exclude: [], checks: [], freshness: [] },
      ...{ lockTimeoutSeconds: 30, recheck: 0.01, rollbackToken: false, vaultKey: inputs.management },
    },
    place: inputs satisfies CommonInputs,
    // Recipients are missing only where the newest backup beside it is unencrypted, which a user has allowed.
    packing: { encryptionRecipients: [...recipients], allowUnencrypted: true, compressionLevel: 2 },
  };
}
