import type { PruneContext } from '../../repository/prune/prune.ts';
import type { Removal, Retained } from '../../repository/prune/removal.ts';
import { append } from '../../runtime/lists.ts';
import type { Cleanup } from './result.ts';

/** Counts what became of manifests and headers. Each removal is added as soon as it is done. */
export class Removals {
  readonly #removed: string[] = [];
  readonly #retained: Retained[] = [];
  #hidden = 0;
  #versions = 0;
  readonly #log: PruneContext['log'];

  constructor(log: PruneContext['log']) {
    this.#log = log;
  }

  addBackups({ removed, hidden, retained, versions }: Removal, reasons: ReadonlyMap<string, string>): void {
    for (const id of removed) this.#log.info(`${id} removed: ${reasons.get(id)}`);
    for (const { key } of retained) this.#log.info(`${key} retained by the storage`);
    append(this.#removed, removed);
    append(this.#retained, retained);
    this.#hidden += hidden.length;
    this.#versions += versions;
  }

  addSegments({ hidden, retained, versions }: Removal): void {
    append(this.#retained, retained);
    this.#hidden += hidden.length;
    this.#versions += versions;
  }

  get removed(): readonly string[] {
    return this.#removed;
  }

  tell(): Pick<Cleanup, 'removed' | 'retained' | 'hiddenFiles' | 'versions'> {
    return {
      removed: [...this.#removed],
      retained: [...this.#retained],
      hiddenFiles: this.#hidden,
      versions: this.#versions,
    };
  }
}
