import * as v from 'valibot';
import { backupId } from '../format/manifest.ts';
import { keyPattern } from './changes/segments.ts';

/* What a record of a validation says of damage. */

export const damagedPart = v.picklist(['manifest', 'objects', 'contents']);
export const segmentKey = v.pipe(v.string(), v.regex(keyPattern));
export const objectName = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** Damage that is not there */
export const retraction = v.object({
  backups: v.array(backupId),
  objects: v.array(objectName),
  segments: v.optional(v.array(segmentKey)),
});
