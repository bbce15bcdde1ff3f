import type { Manifest } from '../../format/manifest.ts';
import type { CopyPlan } from './plan.ts';

/** A backup that was stored. */
export interface BackupResult {
  readonly manifest: Manifest;
  /** What was read, what was taken over from a base, and whether a check found that the base cannot be trusted */
  readonly plan: Pick<CopyPlan, 'choices' | 'base' | 'mismatches'>;
  /** stored bytes that are new in the repository */
  readonly addedBytes: number;
  /** milliseconds */
  readonly elapsed: number;
}
