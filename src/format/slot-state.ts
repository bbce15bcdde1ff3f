import * as v from 'valibot';
import type { SlotState } from '../values/slot-look.ts';
import { count } from './manifest.ts';

/** The slot of captures as the record of a run has it. */
export const slotState = v.object({
  name: v.string(),
  retainedBytes: count,
  safeBytes: v.nullable(v.pipe(v.number(), v.safeInteger())),
  walStatus: v.picklist(['reserved', 'extended', 'unreserved', 'lost']),
  isActive: v.boolean(),
}) satisfies v.GenericSchema<SlotState>;
