import type { Manifest } from '../repository/manifest.ts';
import type { CheckResult } from '../target/checks.ts';
import type { Parity } from '../target/parity.ts';

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
  readonly checks: readonly CheckResult[];
  /** What the user's command said when it failed; undefined when it did not, or there is none */
  readonly command: string | undefined;
  /** Why the restore did not come to its end; undefined when it did */
  readonly failure: string | undefined;
}

/** Whether the backup came back as it was, and passed what was asked of it. */
export function hasPassed(attempt: Attempt): boolean {
  return explainFailure(attempt) === undefined;
}

/** In a few words what is wrong with a backup; undefined when nothing is. */
export function explainFailure({ failure, parity, checks, command }: Attempt): string | undefined {
  const failed = checks.filter((check) => !check.passed).length;
  if (failure !== undefined) return failure;
  if (parity?.equal === false) return 'the restored database differs from the backup';
  if (failed > 0) return `${failed} of ${checks.length} checks failed`;
  return command === undefined ? undefined : `the command failed: ${command}`;
}
