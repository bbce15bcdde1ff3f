import { findOverrun, type Overrun } from '../../repository/backups/findings.ts';
import { type Attempt, explainFailure, hasPassed } from '../../restorer/trial/attempt.ts';
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
  return {
    kind,
    chosen,
    attempts,
    works: last,
    overrun: findOverrun({ recovery: last.recovery ?? null, rtoTarget }),
  };
}

/** How an attempt ended, for whoever needs no more of it */
export interface AttemptEnd {
  /** Id */
  readonly backup: string;
  /** Undefined: it passed. It may quote the server. */
  readonly why: string | undefined;
  /** milliseconds; undefined when the database could never have been used */
  readonly recovery: number | undefined;
}

/** Tells how each attempt ended, the chosen backup first. */
export function listEnds({ attempts }: Pick<Drill, 'attempts'>): AttemptEnd[] {
  return attempts.map((attempt) => ({
    backup: attempt.backup,
    why: hasPassed(attempt) ? undefined : (explainFailure(attempt) ?? 'the reason was not recorded'),
    recovery: attempt.recovery,
  }));
}
