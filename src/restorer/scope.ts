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
  /** What this restore leaves out or cannot do, as far as it is known */
  readonly notCarried: readonly Omission[];
  /** What differs from the source without loss, for people */
  readonly notes: readonly string[];
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

/** Gathers what the steps of a restore report. A restore that fails has what was reported until then. */
export class RestoreProgress {
  #scope: RestoreScope;

  constructor(planned: RestoreScope) {
    this.#scope = planned;
  }

  /** What was planned, with what is known by now */
  get scope(): RestoreScope {
    return this.#scope;
  }

  /** Adds what a step left out. */
  leaveOut(notCarried: readonly Omission[]): void {
    this.#scope = { ...this.#scope, notCarried: [...this.#scope.notCarried, ...notCarried] };
  }

  /** Takes back what turned out to be there. */
  takeBack(isThere: (omission: Omission) => boolean): void {
    const notCarried = this.#scope.notCarried.filter((omission) => !isThere(omission));
    this.#scope = { ...this.#scope, notCarried };
  }

  note(notes: readonly string[]): void {
    this.#scope = { ...this.#scope, notes: [...this.#scope.notes, ...notes] };
  }

  reach(replayed: Progression): void {
    this.#scope = { ...this.#scope, replayed };
  }
}
