import * as v from 'valibot';
import { attempts, tellAttempts } from '../sections/attempts.ts';
import type { Drill } from './result.ts';

/** The restores of a drill: `drill --json` */
export const drillDetails = v.strictObject({ attempts });

export function tellDrill(drill: Drill): v.InferOutput<typeof drillDetails> {
  return { attempts: tellAttempts(drill.attempts) };
}
