import type { Manifest } from '../../format/manifest.ts';
import type { Parity } from '../../parity/compare.ts';
import type { Omission } from '../../parity/scope.ts';
import type { Recovery } from '../../restorer/choose.ts';
import type { RestoreScope } from '../../restorer/scope.ts';
import type { Attempt } from '../../restorer/trial/attempt.ts';
import type { CheckResult } from '../../restorer/trial/checks.ts';
import type { ConfigurationError } from '../../runtime/errors.ts';
import type { Reason } from './reasons.ts';
import type { TargetState } from './target-state.ts';

/** How a restore ended that was not refused and did not stop: both are thrown. */
export type RestoreResult = PlannedRestore | Restored | NonePassed;

interface Ended {
  readonly manifest: Manifest;
  /** What the target was before anything was touched */
  readonly state: TargetState;
  /** milliseconds */
  readonly elapsed: number;
}

/** A dry run: nothing was changed. */
export interface PlannedRestore extends Ended {
  readonly kind: 'planned';
  readonly scope: RestoreScope;
  /** What the server will probably refuse, for people */
  readonly foreseen: readonly string[];
  /** Why it has to be confirmed */
  readonly reasons: readonly Reason[];
  /** Whether it would be tried on staging first */
  readonly isStaged: boolean;
  /** Where the target would be backed up before anything is removed; undefined where it would not */
  readonly safetyStorage: string | undefined;
  /** What it would be refused for */
  readonly refusals: readonly ConfigurationError[];
  /** To bring it to a point in time; undefined: as it is */
  readonly recovery: Recovery | undefined;
}

/** The target has what the backup brings, as far as `findShortfalls` finds nothing. */
export interface Restored extends Ended {
  readonly kind: 'restored';
  readonly scope: RestoreScope;
  /** What was tried on staging before; undefined without it */
  readonly attempts: readonly Attempt[] | undefined;
  /** Of the target, before anything of it was removed */
  readonly safetyBackup: SafetyBackup | undefined;
  /** What was in the target and could not be removed */
  readonly left: readonly Omission[];
  /** What hung on what was replaced, and could not be given back as it was */
  readonly ungiven: readonly Omission[];
  /** Undefined where nothing was compared */
  readonly parity: Parity | undefined;
  readonly checks: readonly CheckResult[];
  /** milliseconds from the start until the database could have been used */
  readonly usableAfter: number;
  /** milliseconds by phase, and their total */
  readonly phases: Readonly<Record<string, number>>;
}

/** No backup passed on staging, so that the target was left alone. */
export interface NonePassed extends Ended {
  readonly kind: 'none-passed';
  readonly attempts: readonly Attempt[];
}

export interface SafetyBackup {
  readonly id: string;
  /** Location of the repository that it is in */
  readonly storage: string;
}

/** What is not as it should be: what was compared, what the server did not take, what hung on the replaced, what the user's checks say. */
export type Shortfall = 'different' | 'lost' | 'not given back' | 'checks';

export function findShortfalls({
  parity,
  scope,
  ungiven,
  checks,
}: Pick<Restored, 'parity' | 'scope' | 'ungiven' | 'checks'>): Shortfall[] {
  return [
    ...(parity?.equal === false ? ['different' as const] : []),
    ...(scope.notCarried.some(({ lost }) => lost === true) ? ['lost' as const] : []),
    ...(ungiven.length > 0 ? ['not given back' as const] : []),
    ...(checks.every(({ passed }) => passed) ? [] : ['checks' as const]),
  ];
}
