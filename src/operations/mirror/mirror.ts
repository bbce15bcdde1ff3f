import type { MirrorInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { mirrorCopies } from './copy.ts';
import { describeMirror } from './report.ts';

/** Brings the copies up to date, and reports it. */
export async function mirror(inputs: MirrorInputs, context: Context): Promise<Outcome> {
  return describeMirror(await mirrorCopies(inputs, context));
}
