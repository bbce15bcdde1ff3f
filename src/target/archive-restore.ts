import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf, TargetError } from '../errors.ts';
import { type ArchiveEntry, writeList } from '../postgres/archive.ts';
import type { ClientTools } from '../postgres/client.ts';
import { runTool } from '../postgres/process.ts';
import { quoteConnectionValue } from '../postgres/settings.ts';
import type { World } from '../world.ts';
import { findOwnIndexes, isParallel, type Step, splitIntoSteps } from './steps.ts';

/** The archive of a backup as a file, and where it goes. */
export interface ArchiveFile {
  readonly path: string;
  readonly client: ClientTools;
  /** What is to be restored of it */
  readonly entries: readonly ArchiveEntry[];
  readonly database: string;
  /** Connection and password, for pg_restore */
  readonly env: NodeJS.ProcessEnv;
  /** Connections, for the steps that can use several */
  readonly jobs: number;
}

/** Restores an archive in steps, each entry once. */
export class ArchiveRestore {
  readonly #file: ArchiveFile;
  readonly #world: World;
  readonly #steps: ReadonlyMap<Step, readonly ArchiveEntry[]>;
  readonly #done = new Set<ArchiveEntry>();

  constructor(file: ArchiveFile, world: World) {
    this.#file = file;
    this.#world = world;
    this.#steps = splitIntoSteps(file.entries);
  }

  /** Whether a step has anything left to do. */
  has(step: Step): boolean {
    return this.#left(step).length > 0;
  }

  /** @throws TargetError with what pg_restore said */
  run(step: Step): Promise<void> {
    return this.#restore(step, this.#left(step), isParallel(step) ? this.#file.jobs : 1);
  }

  /**
   * Builds the indexes of a table ahead of their step, as soon as its rows are there.
   *
   * @param oid the table's, in the source
   * @returns whether these were all, so that ANALYZE finds everything of which it gathers statistics
   */
  async buildIndexes(oid: number): Promise<boolean> {
    const { ready, waiting } = findOwnIndexes(this.#steps, oid);
    await this.#restore('indexes and constraints', ready, 1);
    return waiting.length === 0;
  }

  #left(step: Step): ArchiveEntry[] {
    return (this.#steps.get(step) ?? []).filter((entry) => !this.#done.has(entry));
  }

  async #restore(step: Step, entries: readonly ArchiveEntry[], jobs: number): Promise<void> {
    const [first] = entries;
    if (!first) return;
    for (const entry of entries) this.#done.add(entry);
    const list = path.join(this.#world.temporaryFolder, `restore-${first.id}.list`);
    writeFileSync(list, writeList(entries), { mode: 0o600 });
    const args = [
      '--exit-on-error',
      '--no-password',
      `--use-list=${list}`,
      `--dbname=dbname=${quoteConnectionValue(this.#file.database)}`,
      ...(jobs > 1 ? [`--jobs=${jobs}`] : []),
      this.#file.path,
    ];
    const { signal } = this.#world;
    try {
      await runTool(this.#file.client.pgRestore, args, { env: this.#file.env, signal });
    } catch (cause) {
      signal.throwIfAborted();
      throw new TargetError(
        `${step}: ${messageOf(cause)}`,
        'The target is incomplete: drop the database, mend the cause, and restore into a new one.',
        cause,
      );
    }
  }
}
