import type { Manifest } from '../../format/manifest.ts';
import { writeRootKey } from '../../format/root-key.ts';
import type { ManagementInputs } from '../../interface/inputs/management-types.ts';
import { clockOf, connectManagement } from '../../management/connect.ts';
import { ManagementFailure } from '../../management/failure.ts';
import { readRootKey } from '../../management/project.ts';
import type { Context } from '../../runtime/context.ts';
import { isKnownError } from '../../runtime/errors.ts';
import type { PendingPiece } from '../../source/rows/object-sink.ts';
import { findProjectRef } from '../../values/project-ref.ts';
import type { CopiedDatabase } from './copy.ts';
import type { Destination } from './destination.ts';
import type { BackupRequest } from './request.ts';

type Omission = Manifest['notCarried'][number];

/** What became of Vault's root key; `none`: there are no secrets that need it. */
export type CarriedKey =
  | { readonly kind: 'none' }
  | { readonly kind: 'carried'; readonly piece: PendingPiece }
  | { readonly kind: 'left'; readonly omission: Omission };

/**
 * Stores Vault's root key with an encrypted backup, where the platform tells it. The key is never stored in the
 * clear, and a backup without it is a backup: whatever is in the way is told, and fails nothing.
 */
export async function carryRootKey(
  { backupType, source, packing }: Pick<BackupRequest, 'backupType' | 'source' | 'packing'>,
  { hasSecrets }: Pick<CopiedDatabase, 'hasSecrets'>,
  { writer, context }: Pick<Destination, 'writer' | 'context'>,
): Promise<CarriedKey> {
  if (!hasSecrets) return { kind: 'none' };
  const { vaultKey, databaseUrl } = source;
  if (backupType === 'schema') return leave('a schema backup has no secrets either');
  if (vaultKey === undefined) return leave(outside, byToken);
  if (packing.encryptionRecipients.length === 0)
    return leave('the backup is not encrypted, and the key is never stored unencrypted', byRecipients);
  const ofUrl = findProjectRef(databaseUrl);
  if (ofUrl !== undefined && ofUrl !== vaultKey.projectRef)
    return leave(
      `the input project-ref is ${vaultKey.projectRef}, but the database belongs to ${ofUrl}`,
      'Make both refer to the same project.',
    );
  const read = await askForKey(vaultKey, context);
  if (typeof read !== 'string') {
    context.log.warn(`the root key of Vault is not in this backup: ${read.message}`);
    return leave(read.message, read.next);
  }
  const plaintext = writeRootKey({ project: vaultKey.projectRef, value: read });
  const object = await writer.store(plaintext);
  return { kind: 'carried', piece: { holder: { object }, offset: 0, length: plaintext.length } };
}

const outside =
  'it is kept outside of the database; the backup has the secrets as they are stored, encrypted with it';
const byToken =
  'Set the inputs supabase-access-token and encryption-recipients. The next backup then carries the key, encrypted.';
const byRecipients = 'Set the input encryption-recipients. The next backup then carries the key, encrypted.';

function leave(why: string, remedy?: string): CarriedKey {
  const byHand =
    'Before this project is paused or deleted, copy its key to the new one: GET and then PUT https://api.supabase.com/v1/projects/<ref>/pgsodium.';
  return {
    kind: 'left',
    omission: {
      what: 'the root key of the vault',
      why,
      remedy: remedy === undefined ? byHand : `${remedy} ${byHand}`,
    },
  };
}

async function askForKey(
  inputs: ManagementInputs,
  context: Context,
): Promise<string | { readonly message: string; readonly next: string }> {
  const api = connectManagement(inputs, context, clockOf(context));
  try {
    return await readRootKey(api, inputs.projectRef, context.mask);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof ManagementFailure) && !isKnownError(error)) throw error;
    return error;
  }
}
