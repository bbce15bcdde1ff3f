import type { Manifest, TableEntry } from '../format/manifest.ts';
import type { Supplement } from '../format/supplement.ts';
import type { Omission, ParityScope, RestoreSelection } from '../parity/scope.ts';
import type { Replayed } from './replay/replay.ts';

/** What a restore is about to do, or has done. */
export interface RestoreScope {
  readonly manifest: Manifest;
  readonly target: string;
  /** Which functions run with more rights than their owners have, for people */
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
  /** How far it was rolled forward; undefined until then */
  readonly replayed?: Progression;
}

/** What was replayed on a backup. */
export type Progression = Pick<Replayed, 'transactions' | 'changes' | 'lastCommitAt' | 'endedBefore'> & {
  /** The recovery target, ISO 8601 */
  readonly until: string;
  /** How many tables were changed */
  readonly tables: number;
};

/** Gathers what the steps of a restore report. After a failure it holds what was reported until then. */
export class RestoreProgress {
  #scope: RestoreScope;

  constructor(planned: RestoreScope) {
    this.#scope = planned;
  }

  /** The plan, with what the steps have reported */
  get scope(): RestoreScope {
    return this.#scope;
  }

  /** Adds what a step left out. */
  leaveOut(notCarried: readonly Omission[]): void {
    this.#scope = { ...this.#scope, notCarried: [...this.#scope.notCarried, ...notCarried] };
  }

  /** Takes back omissions that turned out to be there. */
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
