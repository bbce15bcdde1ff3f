import type { MirrorInputs } from '../../interface/inputs/types.ts';
import type { Outcome, Told } from '../../interface/outcome.ts';
import type { Context } from '../../runtime/context.ts';
import { mirrorCopies } from './copy.ts';
import { describeMirror } from './report.ts';
import type { MirrorResult } from './result.ts';

/** Brings the copies up to date, and reports it. */
export async function mirror(inputs: MirrorInputs, context: Context): Promise<Outcome> {
  return (await tellMirror(inputs, context)).outcome;
}

/** Brings the copies up to date. */
export async function tellMirror(inputs: MirrorInputs, context: Context): Promise<Told<MirrorResult>> {
  const result = await mirrorCopies(inputs, context);
  return { result, outcome: describeMirror(result) };
}
