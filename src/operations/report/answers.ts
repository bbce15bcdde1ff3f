import type { Manifest } from '../../format/manifest.ts';
import type { BackupSummary } from '../../repository/backups/catalog.ts';
import { readIfPresent } from '../../repository/backups/manifests.ts';
import { createReader } from '../../repository/objects/store.ts';
import { readSupplement } from '../../repository/objects/supplement.ts';
import type { Repository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { isKnownError } from '../../runtime/errors.ts';
import type { AnsweredBackup, Answers } from './facts.ts';

/** Of how many backups the answers are read: a manifest and a supplement each */
const answeredBackups = 30;

/**
 * Reads what the source answered to the user's questions when backups were taken: those of the newest backup,
 * and of the newest of each earlier day. A backup that cannot be opened is left out with a warning.
 *
 * @param newest the manifest of the newest usable backup
 * @param usable newest first
 */
export async function readAnswers(
  repository: Repository,
  newest: Manifest | undefined,
  usable: readonly BackupSummary[],
  identities: readonly string[],
  context: Context,
): Promise<Answers> {
  if (newest === undefined) return { kind: 'none' };
  if (newest.encryption.scheme === 'age' && identities.length === 0) return { kind: 'sealed' };
  const first = await readOne(newest);
  if (first?.answers.length === 0) return { kind: 'none' };
  const backups = first === undefined ? [] : [first];
  for (const { id } of listNewestOfDays(usable).slice(1, answeredBackups)) {
    context.signal.throwIfAborted();
    const read = await readOne(id);
    if (read !== undefined && read.answers.length > 0) backups.push(read);
  }
  return { kind: 'read', backups: backups.reverse() };

  async function readOne(backup: Manifest | string): Promise<AnsweredBackup | undefined> {
    try {
      const manifest = typeof backup === 'string' ? await readIfPresent(repository, backup) : backup;
      if (manifest === undefined) return undefined;
      const supplement = await readSupplement(manifest, createReader(repository, manifest, identities));
      const answers = supplement.answers.map(({ sql, sample }) => ({ sql, sample }));
      return { id: manifest.id, at: new Date(manifest.source.snapshotAt), answers };
    } catch (error) {
      if (!isKnownError(error)) throw error;
      context.log.warn(`the answers that a backup recorded are left out of the report: ${error.message}`);
      return undefined;
    }
  }
}

/** @param backups newest first */
function listNewestOfDays(backups: readonly BackupSummary[]): BackupSummary[] {
  const days = new Map<string, BackupSummary>();
  for (const backup of backups) {
    const day = backup.snapshotAt.toISOString().slice(0, 10);
    if (!days.has(day)) days.set(day, backup);
  }
  return [...days.values()];
}
