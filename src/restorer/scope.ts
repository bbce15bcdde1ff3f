import type { Manifest, TableEntry } from '../format/manifest.ts';
import type { Supplement } from '../format/supplement.ts';
import type { Omission, ParityScope, RestoreSelection } from '../parity/scope.ts';
import type { Replayed } from './replay/replay.ts';

/** What a restore is about to do, or has done. */
export interface RestoreScope {
  readonly manifest: Manifest;
  readonly target: string;
  /** Whose functions run with more rights than their owners have, for people */
  readonly acting?: string | undefined;
  readonly tables: readonly TableEntry[];
  readonly selection: RestoreSelection;
  readonly supplement: Supplement;
  readonly kind: ParityScope['kind'];
  /** Names of the target's schemas that are the platform's own; empty unless it is a project */
  readonly managed: ReadonlySet<string>;
  /** What this restore leaves out or cannot do; it grows while the restore runs. */
  readonly notCarried: Omission[];
  /** What differs from the source without loss, for people */
  readonly notes: string[];
  /** How far it was brought beyond the backup; undefined as long as it was not */
  readonly replayed?: Progression;
}

/** What was replayed upon a backup. */
export type Progression = Pick<Replayed, 'transactions' | 'changes' | 'lastCommitAt' | 'endedBefore'> & {
  /** The point in time that was wanted, ISO 8601 */
  readonly until: string;
  /** How many tables were changed */
  readonly tables: number;
};
