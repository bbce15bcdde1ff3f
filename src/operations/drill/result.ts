import { type Attempt, hasPassed } from '../../restorer/trial/attempt.ts';

/** What backups showed that were restored on purpose. */
export type Drill = Tried & (Proven | { readonly kind: 'failed' });

interface Tried {
  readonly chosen: Attempt;
  /** The chosen backup first, then those before it, as far as they were tried */
  readonly attempts: readonly Attempt[];
}

/** `passed`: the chosen backup is what it was. `fell-back`: only one before it is. */
interface Proven {
  readonly kind: 'passed' | 'fell-back';
  readonly works: Attempt;
  /** Set where it took longer than it may */
  readonly overrun: Overrun | undefined;
}

/** A recovery that took too long; milliseconds */
export interface Overrun {
  readonly took: number;
  readonly target: number;
}

/**
 * @param attempts the chosen backup first, then those before it; the last one is the only one that may have passed
 * @param rtoTarget milliseconds that a recovery may take; undefined: any
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
