import type { Manifest } from '../../format/manifest.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import { chooseBackups, chooseManifest } from '../../repository/backups/choose.ts';
import { readManifest } from '../../repository/backups/manifests.ts';
import type { Repository } from '../../repository/open.ts';
import { chooseRecovery } from '../../restorer/choose.ts';
import type { TrialCandidate } from '../../restorer/trial/trial.ts';
import type { Context } from '../../runtime/context.ts';
import { IntegrityError } from '../../runtime/errors.ts';

export interface Candidates {
  /** In the order in which they are tried; without staging only one */
  readonly candidates: readonly TrialCandidate[];
  /** The manifest of the first candidate whose manifest can be read; all are of the same database */
  readonly manifest: Manifest;
}

/** What decides on them */
export type RecoveryChoice = Pick<
  RestoreInputs,
  'backupId' | 'recoveryTargetTime' | 'stagingUrl' | 'fallback' | 'encryptionIdentity'
>;

/**
 * Chooses the backups that a restore may use. A safety backup shows a database in trouble, so only its id
 * selects it: `latest`, given again after a failed restore, must not select the safety backup.
 *
 * @throws ConfigurationError when no backup fits
 * @throws IntegrityError when no candidate's manifest can be read
 */
export async function chooseCandidates(
  repository: Repository,
  inputs: RecoveryChoice,
  context: Context,
): Promise<Candidates> {
  const { backupId, recoveryTargetTime, stagingUrl, fallback } = inputs;
  if (recoveryTargetTime !== undefined) {
    const count = stagingUrl === undefined ? 1 : 1 + fallback;
    const candidates = await chooseRecovery(repository, { ...inputs, recoveryTargetTime }, count, context);
    return { candidates, manifest: await readFirst(repository, candidates, backupId) };
  }
  if (stagingUrl === undefined) {
    const manifest = await chooseManifest(repository, backupId, context);
    const snapshotAt = new Date(manifest.source.snapshotAt);
    return { candidates: [{ id: manifest.id, snapshotAt }], manifest };
  }
  const candidates = (await chooseBackups(repository, backupId, context)).slice(0, 1 + fallback);
  return { candidates, manifest: await readFirst(repository, candidates, backupId) };
}

async function readFirst(
  repository: Repository,
  candidates: readonly TrialCandidate[],
  choice: string,
): Promise<Manifest> {
  let damage: IntegrityError | undefined;
  for (const { id } of candidates) {
    try {
      return await readManifest(repository, id);
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      damage ??= error;
    }
  }
  if (damage !== undefined) throw damage;
  throw new Error(`a choice of no backup: ${choice}`);
}
