import { formatSecond } from '../../report/time.ts';
import type { Context } from '../../runtime/context.ts';
import { clockToleranceMs } from '../../values/clock-tolerance.ts';
import { parseTimestamp } from '../../values/timestamp.ts';
import { DamageWarnings } from '../damage-warnings.ts';
import type { Repository } from '../open.ts';
import type { CapturedChanges } from '../retention/reachable.ts';
import { barDamaged } from './damage.ts';
import { findWindows, type RecoveryBase, type Window } from './recoverable.ts';
import { readSegments, type Segment } from './segments.ts';

/** The points in time that can be recovered, and the state of the captured changes. */
export interface Recoverable {
  /** Oldest first; a backup without changes captured after it is a window, too */
  readonly windows: readonly Window[];
  /** Keys of segments that cannot be trusted, or that a validation found damaged */
  readonly damaged: readonly string[];
  /** Whether any changes were captured */
  readonly captured: boolean;
}

/**
 * Reads which points in time can be recovered, and the segments for them, by chain and position; and as `changes`
 * all that is stored, for retention. Everything that is ignored is reported as a warning.
 *
 * @param bases the backups that a restore would use
 */
export async function readRecoverable(
  repository: Repository,
  bases: readonly RecoveryBase[],
  { log, now, signal }: Context,
): Promise<Recoverable & { readonly segments: readonly Segment[]; readonly changes: CapturedChanges }> {
  const damaged: string[] = [];
  using warnings = new DamageWarnings(log);
  const onDamaged = (error: Error, key: string) => {
    warnings.warn(error);
    damaged.push(key);
  };
  const stored = await readSegments(repository, onDamaged, { signal });
  // Whoever reads the catalog warns of these.
  const onRecord = ({ message }: Error) => log.debug(message);
  const segments = await barDamaged(repository, stored, onDamaged, { onRecord, signal });
  const changes = { stored, replayable: segments };
  const latest = BigInt(now().getTime() + clockToleranceMs) * 1000n;
  const sound = segments.filter(({ through }) => parseTimestamp(through) <= latest);
  if (sound.length < segments.length) {
    log.warn('some captured changes are dated in the future, because a clock is wrong; they are skipped');
  }
  return {
    windows: findWindows(bases, sound),
    damaged,
    captured: segments.length > 0,
    segments: sound,
    changes,
  };
}

/** Tells whether the window is more than a single backup. */
export function isInterval({ from, to }: Window): boolean {
  return from < to;
}

/** Rounds the window inwards, so that every whole second of it can be recovered; undefined when it contains none. */
export function roundWindow({ from, to }: Window): { readonly first: Date; readonly last: Date } | undefined {
  const [first, last] = [(parseTimestamp(from) + 999_999n) / 1_000_000n, parseTimestamp(to) / 1_000_000n];
  if (first > last) return undefined;
  return { first: new Date(Number(first) * 1000), last: new Date(Number(last) * 1000) };
}

/**
 * Formats the window in whole seconds, UTC, all of which can be recovered; in exact times when it contains no
 * whole second.
 */
export function formatWindow(window: Window): string {
  const rounded = roundWindow(window);
  if (rounded === undefined) return `${window.from} to ${window.to}`;
  return [rounded.first, rounded.last].map(formatSecond).join(' to ');
}
