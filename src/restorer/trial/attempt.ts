import type { Manifest } from '../../format/manifest.ts';
import type { Parity } from '../../parity/compare.ts';
import type { Omission } from '../../parity/scope.ts';
import { assertNever } from '../../runtime/errors.ts';
import { type CheckResult, explainChecks } from './checks.ts';

/** `damage`: what is stored is not what was; `refusal`: a server or a storage did not do its part, which says nothing about that. */
export interface Failure {
  readonly kind: 'damage' | 'refusal';
  readonly message: string;
}

/** What one backup showed when it was restored. */
export interface Attempt {
  readonly manifest: Manifest | undefined;
  readonly backup: string;
  /** The point in time that it was brought to, ISO 8601; undefined: as it is */
  readonly until: string | undefined;
  /** milliseconds by phase, as far as it came */
  readonly phases: Readonly<Record<string, number>>;
  /** milliseconds until the database could have been used: everything but comparing and testing; undefined when it never could */
  readonly recovery: number | undefined;
  readonly parity: Parity | undefined;
  /** What the restore could not bring, or did not, as far as it came */
  readonly notCarried: readonly Omission[];
  /** What differs from the source without loss, for people */
  readonly notes: readonly string[];
  readonly checks: readonly CheckResult[];
  /** What the user's command said when it failed; undefined when it did not, or there is none */
  readonly command: string | undefined;
  /** Why the restore did not come to its end; undefined when it did */
  readonly failure: Failure | undefined;
}

/** What was wrong first: with the restore, with what it brought, or only with the answers to what the user asks of it. */
export type Fault = 'restore' | 'parity' | 'checks' | 'command';

export function findFault({ failure, parity, checks, command }: Attempt): Fault | undefined {
  if (failure !== undefined) return 'restore';
  if (parity?.equal === false) return 'parity';
  if (checks.some((check) => !check.passed)) return 'checks';
  return command === undefined ? undefined : 'command';
}

/** Whether the backup came back as it was, and passed what was asked of it. */
export function hasPassed(attempt: Attempt): boolean {
  return findFault(attempt) === undefined;
}

/** Whether it came back as it was, whatever was said to the user's questions: then no other backup is better proof. */
export function hasReturned(attempt: Attempt): boolean {
  const fault = findFault(attempt);
  return fault === undefined || (attempt.parity !== undefined && (fault === 'checks' || fault === 'command'));
}

/** Whether what is stored may be at fault: something differs, and the server of the drill has not said why. */
export function isDoubtful({ failure, parity }: Attempt): boolean {
  return failure?.kind === 'damage' || (parity?.equal === false && !isExplained(parity));
}

function isExplained({ groups }: Parity): boolean {
  return Object.values(groups).every((lines) =>
    lines.every(({ status, why }) => status !== 'different' || why !== undefined),
  );
}

/** In a few words what is wrong with a backup; undefined when nothing is. */
export function explainFailure(attempt: Attempt): string | undefined {
  const fault = findFault(attempt);
  switch (fault) {
    case undefined:
      return undefined;
    case 'restore':
      return attempt.failure?.message;
    case 'parity':
      return isDoubtful(attempt)
        ? 'the restored database differs from the backup'
        : 'not all of the backup could be brought there';
    case 'checks':
      return explainChecks(attempt.checks);
    case 'command':
      return `the command failed: ${attempt.command}`;
    default:
      return assertNever(fault);
  }
}
