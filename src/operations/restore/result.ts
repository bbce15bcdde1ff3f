import type { Manifest } from '../../format/manifest.ts';
import type { Parity } from '../../parity/compare.ts';
import type { Omission } from '../../parity/scope.ts';
import type { Recovery } from '../../restorer/choose.ts';
import type { RestoreScope } from '../../restorer/scope.ts';
import type { Attempt } from '../../restorer/trial/attempt.ts';
import type { CheckResult } from '../../restorer/trial/checks.ts';
import type { ConfigurationError } from '../../runtime/errors.ts';
import type { Wording } from '../../runtime/wording.ts';
import type { CopyAnswer } from '../../storage/fallback.ts';
import type { Reason } from './reasons.ts';
import type { TargetState } from './target-state.ts';

/** How a restore ended. A restore that is refused or stops throws instead. */
export type RestoreResult = PlannedRestore | Restored | NonePassed;

interface Ended {
  /** Copies that were read from in place of the storage; absent when none was */
  readonly readFrom?: readonly CopyAnswer[];
  readonly manifest: Manifest;
  /** The target before anything was touched */
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
  /** Why the restore has to be confirmed; empty when it needs no confirmation */
  readonly reasons: readonly Reason[];
  /** Whether the backup would be tried on staging first */
  readonly isStaged: boolean;
  /** Location of the safety backup; undefined when the target would not be backed up */
  readonly safetyStorage: string | undefined;
  /** What would become of Vault's root key; never `set` */
  readonly rootKey: KeyOutcome;
  /** What is missing for the restore to begin */
  readonly refusals: readonly ConfigurationError[];
  /** How to reach the recovery target; undefined: the backup is restored as it is */
  readonly recovery: Recovery | undefined;
}

/**
 * The restore came to its end. The target holds what the backup holds, except for what `findShortfalls`
 * finds.
 */
export interface Restored extends Ended {
  readonly kind: 'restored';
  readonly scope: RestoreScope;
  /** The trials on staging; undefined without staging */
  readonly attempts: readonly Attempt[] | undefined;
  /** The backup of the target, taken before anything was removed; undefined without one */
  readonly safetyBackup: SafetyBackup | undefined;
  /** Objects of the target that could not be removed */
  readonly left: readonly Omission[];
  /** What depended on replaced objects, and could not be given back unchanged */
  readonly ungiven: readonly Omission[];
  /** What became of Vault's root key; never `wanted` */
  readonly rootKey: KeyOutcome;
  /** Undefined where nothing was compared */
  readonly parity: Parity | undefined;
  readonly checks: readonly CheckResult[];
  /** milliseconds from the start until the database could have been used */
  readonly usableAfter: number;
  /** milliseconds by phase, and their total */
  readonly phases: Readonly<Record<string, number>>;
}

/**
 * What becomes, or became, of Vault's root key. `unneeded`: the backup brings no secrets, or the target opens them as it is. `left`:
 * the target keeps its own key, and the secrets are lost. `wanted`: nothing is in the way, and the project is
 * to be given the key of the backup. `set`: it has it, and opens the secrets.
 */
export type KeyOutcome =
  | { readonly kind: 'unneeded' }
  | { readonly kind: 'left'; readonly why: string | Wording; readonly remedy: string | Wording }
  | { readonly kind: 'wanted' | 'set'; readonly project: string };

/** No backup passed on staging, so the target was not touched. */
export interface NonePassed extends Ended {
  readonly kind: 'none-passed';
  readonly attempts: readonly Attempt[];
}

export interface SafetyBackup {
  readonly id: string;
  /** Location of its repository */
  readonly storage: string;
}

/**
 * A way in which the target is not what it should be. `different`: the comparison found differences. `lost`:
 * the target lacks something of the backup, for example because the server refused it. `not given back`:
 * something that depended on replaced objects is not what it was. `checks`: a check of the user failed.
 */
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
