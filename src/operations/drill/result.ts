import { type Attempt, hasPassed } from '../../restorer/trial/attempt.ts';
import type { CopyAnswer } from '../../storage/fallback.ts';

/** The result of a drill. */
export type Drill = Tried & (Proven | { readonly kind: 'failed' });

interface Tried {
  /** Copies that were read from in place of the storage; absent when none was */
  readonly readFrom?: readonly CopyAnswer[];
  readonly chosen: Attempt;
  /** The chosen backup first, then older ones, as far as they were tried */
  readonly attempts: readonly Attempt[];
}

/** `passed`: the chosen backup passed. `fell-back`: only an older one did. */
interface Proven {
  readonly kind: 'passed' | 'fell-back';
  readonly works: Attempt;
  /** Set when the recovery took longer than it may */
  readonly overrun: Overrun | undefined;
}

/** A recovery that took too long; milliseconds */
export interface Overrun {
  readonly took: number;
  readonly target: number;
}

/**
 * Judges a drill by its attempts.
 *
 * @param attempts the chosen backup first, then older ones; only the last one may have passed
 * @param rtoTarget milliseconds that a recovery may take; undefined: no limit
 */
export function judgeDrill(attempts: readonly Attempt[], rtoTarget: number | undefined): Drill {
  const [chosen] = attempts;
  const last = attempts.at(-1);
  if (chosen === undefined || last === undefined) throw new Error('a drill without an attempt');
  if (!hasPassed(last)) return { kind: 'failed', chosen, attempts };
  const kind = last === chosen ? 'passed' : 'fell-back';
  return { kind, chosen, attempts, works: last, overrun: findOverrun(last, rtoTarget) };
}

function findOverrun({ recovery }: Attempt, target: number | undefined): Overrun | undefined {
  if (target === undefined || recovery === undefined || recovery <= target) return undefined;
  return { took: recovery, target };
}
