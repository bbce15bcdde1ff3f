import type { Manifest } from '../../format/manifest.ts';
import type { Parity } from '../../parity/compare.ts';
import type { Omission } from '../../parity/scope.ts';
import { assertNever } from '../../runtime/errors.ts';
import { type CheckResult, explainChecks } from './checks.ts';

/**
 * Why a restore failed. `damage`: what is stored is not what was written. `refusal`: a server or a storage
 * failed, which says nothing about the backup.
 */
export interface TrialFailure {
  readonly kind: 'damage' | 'refusal';
  readonly message: string;
}

/** The outcome of restoring one backup. */
export interface Attempt {
  readonly manifest: Manifest | undefined;
  readonly backup: string;
  /** The recovery target, ISO 8601; undefined where the backup was restored as it is */
  readonly until: string | undefined;
  /** Milliseconds by phase, as far as the restore came */
  readonly phases: Readonly<Record<string, number>>;
  /**
   * Milliseconds until the database could have been used, without comparison and checks; undefined when it
   * never could
   */
  readonly recovery: number | undefined;
  readonly parity: Parity | undefined;
  /** What the restore left out, as far as it came */
  readonly notCarried: readonly Omission[];
  /** What differs from the source without loss, for people */
  readonly notes: readonly string[];
  readonly checks: readonly CheckResult[];
  /** What the user's command reported when it failed; undefined when it did not, or there is none */
  readonly command: string | undefined;
  /** Why the restore did not complete; undefined when it did */
  readonly failure: TrialFailure | undefined;
}

/** The first thing that was wrong: the restore, its result, or only the user's checks or command. */
export type Fault = 'restore' | 'parity' | 'checks' | 'command';

export function findFault({ failure, parity, checks, command }: Attempt): Fault | undefined {
  if (failure !== undefined) return 'restore';
  if (parity?.equal === false) return 'parity';
  if (checks.some((check) => !check.passed)) return 'checks';
  return command === undefined ? undefined : 'command';
}

/** Whether the backup was restored as it was, and passed the user's checks and command. */
export function hasPassed(attempt: Attempt): boolean {
  return findFault(attempt) === undefined;
}

/**
 * Whether the backup was restored as it was, whatever the user's checks and command showed: no other backup
 * would prove more.
 */
export function hasReturned(attempt: Attempt): boolean {
  const fault = findFault(attempt);
  return fault === undefined || (attempt.parity !== undefined && (fault === 'checks' || fault === 'command'));
}

/** Whether the stored backup may be at fault: something differs, and the drill's server has not said why. */
export function isDoubtful({ failure, parity }: Attempt): boolean {
  return failure?.kind === 'damage' || (parity?.equal === false && !isExplained(parity));
}

function isExplained({ groups }: Parity): boolean {
  return Object.values(groups).every((lines) =>
    lines.every(({ status, why }) => status !== 'different' || why !== undefined),
  );
}

/** Says in a few words what is wrong with a backup; undefined when nothing is. */
export function explainFailure(attempt: Attempt): string | undefined {
  const fault = findFault(attempt);
  switch (fault) {
    case undefined:
      return undefined;
    case 'restore':
      return attempt.failure?.message;
    case 'parity':
      return join(
        isDoubtful(attempt)
          ? 'the restored database differs from the backup'
          : 'not all of the backup could be restored there',
        explainChecks(attempt.checks),
        explainCommand(attempt),
      );
    case 'checks':
    case 'command':
      return join(explainChecks(attempt.checks), explainCommand(attempt));
    default:
      return assertNever(fault);
  }
}

function join(...reasons: readonly (string | undefined)[]): string {
  return reasons.filter((reason) => reason !== undefined).join('; and ');
}

function explainCommand({ command }: Attempt): string | undefined {
  return command === undefined ? undefined : `the command failed: ${command}`;
}
