import { IntegrityError } from '../../runtime/errors.ts';
import type { Repository } from '../open.ts';
import { type RecordContent, readRecords, type StoredRecord } from '../records.ts';
import { readSegments, type Segment, segmentKey } from './segments.ts';

export interface ReplayOptions {
  /** The most segments to read, as `readSegments` has it */
  readonly newest?: number;
  /** Receives each record of a validation that cannot be trusted */
  readonly onRecord: (error: IntegrityError) => void;
  readonly signal: AbortSignal;
}

/** Damage of a segment that a validation found, and no later one has retracted. */
export interface SegmentDamage {
  readonly at: Date;
  readonly part: NonNullable<RecordContent<'validations'>['damagedSegments']>[number]['part'];
}

/**
 * Derives from records, oldest first, which segments are damaged, by key. Records of older versions name only
 * the objects that were damaged: a segment that has one of them is damaged.
 */
export function gatherDamage(
  validations: readonly StoredRecord<'validations'>[],
  segments: readonly Segment[],
): Map<string, SegmentDamage> {
  const damages = new Map<string, SegmentDamage>();
  for (const { at, content } of validations) {
    const objects = new Set(content.damagedObjects);
    for (const segment of objects.size === 0 ? [] : segments) {
      if (segment.objects.some(({ name }) => objects.has(name)))
        damages.set(segmentKey(segment), { at, part: 'objects' });
    }
    for (const { key, part } of content.damagedSegments ?? []) damages.set(key, { at, part });
    for (const key of content.retracted?.segments ?? []) damages.delete(key);
  }
  return damages;
}

/**
 * Reads which segments validations have found damaged, by key.
 *
 * @param onRecord receives each record that cannot be trusted
 */
export async function readDamage(
  repository: Repository,
  segments: readonly Segment[],
  onRecord: (error: IntegrityError) => void,
  signal: AbortSignal,
): Promise<Map<string, SegmentDamage>> {
  if (segments.length === 0) return new Map();
  return gatherDamage(await readRecords(repository, 'validations', onRecord, { signal }), segments);
}

/**
 * Returns the segments with a barrier in each that a validation found damaged: no backup is rolled forward
 * past it, and a later backup does not need it.
 *
 * @param onDamaged receives each of these
 */
export async function barDamaged(
  repository: Repository,
  segments: readonly Segment[],
  onDamaged: (error: IntegrityError, key: string) => void,
  { onRecord, signal }: Pick<ReplayOptions, 'onRecord' | 'signal'>,
): Promise<Segment[]> {
  const damages = await readDamage(repository, segments, onRecord, signal);
  return segments.map((segment) => {
    const key = segmentKey(segment);
    const damage = damages.get(key);
    if (damage === undefined) return segment;
    const found = `found damaged by the validation of ${damage.at.toISOString()}`;
    onDamaged(
      new IntegrityError(
        `segment ${key} was ${found}`,
        'No backup can be rolled forward past it any more. Take a new backup. If it is repaired, `validate` says so.',
      ),
      key,
    );
    return {
      ...segment,
      barrier: `the changes between ${segment.from} and ${segment.to} of the write-ahead log were ${found}`,
    };
  });
}

/**
 * Reads the headers of segments as `readSegments` does, for a reader that rolls backups forward: those that a
 * validation found damaged are reported, too, and have a barrier.
 */
export async function readReplayable(
  repository: Repository,
  onDamaged: (error: IntegrityError, key: string) => void,
  options: ReplayOptions,
): Promise<Segment[]> {
  const segments = await readSegments(repository, onDamaged, options);
  return barDamaged(repository, segments, onDamaged, options);
}
