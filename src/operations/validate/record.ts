import { readDamage } from '../../repository/changes/damage.ts';
import { segmentKey } from '../../repository/changes/segments.ts';
import { appendRecord, type RecordContent } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { StorageError } from '../../runtime/errors.ts';
import type { Reading } from './reading.ts';

type Content = RecordContent<'validations'>;

/**
 * Records which backups passed and which are damaged, and so for segments. Credentials that may only read are
 * a good choice for a validation, so a failure to write the record is a warning.
 */
export async function recordValidation(reading: Reading, context: Context): Promise<void> {
  const { repository, request, findings } = reading;
  const damagedSegments = [...findings.brokenSegments].map(([key, part]) => ({ key, part }));
  const whole = await findWholeAgain(reading, context);
  const backups = listOutcomes(reading);
  if (backups.length + damagedSegments.length + whole.length === 0) return;
  try {
    await appendRecord(repository, 'validations', context.now(), {
      ...{ share: request.share, backups, damagedObjects: [...findings.damagedObjects].sort() },
      ...(damagedSegments.length === 0 ? {} : { damagedSegments }),
      ...(whole.length === 0 ? {} : { retracted: { backups: [], objects: [], segments: whole } }),
    });
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    context.log.warn(
      `the result was not recorded, so it does not count as a verification: ${error.message}. Use credentials that can write to records/ to record it.`,
    );
  }
}

function listOutcomes({ manifests, mayOpen, findings }: Reading): Content['backups'] {
  const { broken, doubtful } = findings;
  const opened = new Map(manifests.map((manifest) => [manifest.id, mayOpen(manifest)]));
  // A backup with unread parts is recorded only if other parts are damaged: it is not proven.
  const ids = [...new Set([...opened.keys(), ...broken])].filter((id) => broken.has(id) || !doubtful.has(id));
  return ids.sort().map((id) => ({
    id,
    outcome: broken.has(id) ? 'damaged' : 'passed',
    opened: opened.get(id) ?? false,
    ...(broken.has(id) ? { part: findings.whereOf(id) } : {}),
  }));
}

/**
 * Finds the segments that earlier records call damaged and that this validation, which has read all of them,
 * found whole. Where only their contents were damaged, they must have been opened.
 */
async function findWholeAgain(reading: Reading, { log, signal }: Context): Promise<string[]> {
  const { request, repository, segments, mayOpen, findings } = reading;
  if (request.share !== 1) return [];
  const onRecord = (error: Error) => log.warn(`${error.message}; skipped`);
  const damages = await readDamage(repository, segments, onRecord, signal);
  const { brokenSegments, doubtfulSegments } = findings;
  return segments
    .filter((segment) => damages.get(segmentKey(segment))?.part !== 'contents' || mayOpen(segment))
    .map(segmentKey)
    .filter((key) => damages.has(key) && !brokenSegments.has(key) && !doubtfulSegments.has(key))
    .sort();
}
