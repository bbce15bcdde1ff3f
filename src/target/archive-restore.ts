import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf, TargetError } from '../errors.ts';
import { type ArchiveEntry, describeEntry, writeList } from '../postgres/archive.ts';
import type { ClientTools } from '../postgres/client.ts';
import { runTool, ToolError } from '../postgres/process.ts';
import { quoteConnectionValue } from '../postgres/settings.ts';
import type { World } from '../world.ts';
import type { NotCarried } from './attempt.ts';
import { findRefusal, type Refusal } from './refusal.ts';
import { findOwnIndexes, isParallel, type Step, sortByPass, splitIntoSteps } from './steps.ts';

/** The archive of a backup as a file, and where it goes. */
export interface ArchiveFile {
  readonly path: string;
  readonly client: ClientTools;
  /** What is to be restored of it */
  readonly entries: readonly ArchiveEntry[];
  /** Those that the server may refuse: each is then left out, with what needs it. */
  readonly tolerated: ReadonlySet<ArchiveEntry>;
  /** Roles that the connected role can give objects to; undefined: all */
  readonly assumable: ReadonlySet<string> | undefined;
  readonly database: string;
  /** Connection and password, for pg_restore */
  readonly env: NodeJS.ProcessEnv;
  /** Connections, for the steps that can use several */
  readonly jobs: number;
}

/** Kinds for which pg_restore writes no ALTER … OWNER (_printTocEntry in pg_backup_archiver.c). */
const ownerless = new Set([
  'ACL',
  'CAST',
  'CHECK CONSTRAINT',
  'COMMENT',
  'CONSTRAINT',
  // Only a restore that creates the database looks at these.
  'DATABASE',
  'DATABASE PROPERTIES',
  'DEFAULT',
  'DEFAULT ACL',
  'EXTENSION',
  'FK CONSTRAINT',
  'INDEX',
  'INDEX ATTACH',
  'MATERIALIZED VIEW DATA',
  'POLICY',
  'PUBLICATION TABLE',
  'PUBLICATION TABLES IN SCHEMA',
  'ROW SECURITY',
  'RULE',
  'SECURITY LABEL',
  'SEQUENCE OWNED BY',
  'SEQUENCE SET',
  'STATISTICS DATA',
  'TABLE ATTACH',
  'TABLE DATA',
  'TRIGGER',
  'USER MAPPING',
]);

const remedies: Readonly<Record<string, string>> = {
  ACL: 'Grant it',
  'DEFAULT ACL': 'Alter them',
  EXTENSION: 'Load it on the server where it needs that, and create it',
  'PUBLICATION TABLE': 'Add it to the publication',
  'ROW SECURITY': 'Enable it',
  'SEQUENCE SET': 'Set its value',
  'TABLE DATA': 'Insert them',
};

/** Restores an archive in steps, each entry once. */
export class ArchiveRestore {
  /** What was left out on the way; it grows from step to step. */
  readonly notCarried: NotCarried[] = [];
  readonly #file: ArchiveFile;
  readonly #world: World;
  readonly #steps: ReadonlyMap<Step, readonly ArchiveEntry[]>;
  readonly #done = new Set<ArchiveEntry>();
  /** By id: what the server refused, and what needs it */
  readonly #gone = new Map<number, ArchiveEntry>();

  constructor(file: ArchiveFile, world: World) {
    this.#file = file;
    this.#world = world;
    this.#steps = splitIntoSteps(file.entries);
  }

  /** Whether a step has anything left to do. */
  has(step: Step): boolean {
    return this.#left(step).length > 0;
  }

  /** @throws TargetError with what pg_restore said about an entry that has to succeed */
  async run(step: Step): Promise<void> {
    const left = this.#left(step);
    for (const entry of left) this.#done.add(entry);
    if (!isParallel(step)) return this.#restoreInOrder(step, sortByPass(left));
    const [tolerated, others] = [true, false].map((wanted) =>
      left.filter((entry) => this.#file.tolerated.has(entry) === wanted),
    ) as [ArchiveEntry[], ArchiveEntry[]];
    const remaining = this.#withoutGone(others);
    if (remaining.length > 0) await this.#restoreAll(step, remaining, this.#file.jobs);
    await this.#restoreInOrder(step, tolerated);
  }

  /**
   * Builds the indexes of a table ahead of their step, as soon as its rows are there.
   *
   * @param oid the table's, in the source
   * @returns whether these were all, so that ANALYZE finds everything of which it gathers statistics
   */
  async buildIndexes(oid: number): Promise<boolean> {
    const { ready, waiting } = findOwnIndexes(this.#steps, oid);
    for (const entry of ready) this.#done.add(entry);
    await this.#restoreInOrder('indexes and constraints', ready);
    return waiting.length === 0;
  }

  /** Takes entries out of what is left to do; whoever asks for it says why. */
  leaveOut(entries: ReadonlySet<ArchiveEntry>): void {
    for (const entry of entries) this.#done.add(entry);
  }

  /** Whether a table, by its oid in the source, could not be created. */
  isGone(oid: number): boolean {
    return [...this.#gone.values()].some((entry) => entry.kind === 'TABLE' && entry.oid === oid);
  }

  /** Grants that could not be given, or not all of them: a table of contents has those on one object as one. */
  get refusedGrants(): ArchiveEntry[] {
    return [...this.#gone.values()].filter((entry) => entry.kind === 'ACL');
  }

  #left(step: Step): ArchiveEntry[] {
    return (this.#steps.get(step) ?? []).filter((entry) => !this.#done.has(entry));
  }

  /** One connection after another: where the server refuses what may be missing, the next one goes on behind it. */
  async #restoreInOrder(step: Step, entries: readonly ArchiveEntry[]): Promise<void> {
    let rest = this.#withoutGone(entries);
    while (rest.length > 0) {
      const foreign = this.#isForeign(rest[0] as ArchiveEntry);
      const turn = rest.findIndex((entry) => this.#isForeign(entry) !== foreign);
      const run = turn < 0 ? rest : rest.slice(0, turn);
      const refused = await this.#restoreUntilRefused(step, run, foreign);
      rest = rest.slice(refused === undefined ? run.length : run.indexOf(refused) + 1);
      if (refused !== undefined) rest = this.#withoutGone(rest);
    }
  }

  /** @returns the entry that was refused; those before it are restored, and those behind it are not */
  async #restoreUntilRefused(
    step: Step,
    entries: readonly ArchiveEntry[],
    foreign: boolean,
  ): Promise<ArchiveEntry | undefined> {
    try {
      await this.#callTool(entries, 1, foreign);
    } catch (cause) {
      const refusal = cause instanceof ToolError ? findRefusal(cause.stderr) : undefined;
      const entry = entries.find(({ id }) => id === refusal?.id);
      if (refusal === undefined || entry === undefined || !this.#mayBeMissing(entry, refusal)) {
        throw this.#explain(step, cause);
      }
      this.#note(entry, refusal);
      return entry;
    }
    if (foreign) for (const entry of entries) this.#noteOwner(entry, 'the connected role cannot act as it');
    return undefined;
  }

  async #restoreAll(step: Step, entries: readonly ArchiveEntry[], jobs: number): Promise<void> {
    try {
      await this.#callTool(entries, jobs, false);
    } catch (cause) {
      throw this.#explain(step, cause);
    }
  }

  async #callTool(entries: readonly ArchiveEntry[], jobs: number, foreign: boolean): Promise<void> {
    const list = path.join(this.#world.temporaryFolder, `restore-${entries[0]?.id}.list`);
    writeFileSync(list, writeList(entries), { mode: 0o600 });
    const args = [
      '--exit-on-error',
      '--no-password',
      // Only then it tells which entry it was at.
      ...(this.#isLenient ? ['--verbose'] : []),
      ...(foreign ? ['--no-owner'] : []),
      `--use-list=${list}`,
      `--dbname=dbname=${quoteConnectionValue(this.#file.database)}`,
      ...(jobs > 1 ? [`--jobs=${jobs}`] : []),
      this.#file.path,
    ];
    // The words of pg_restore itself are read when the server refuses something.
    const env = { ...this.#file.env, LC_ALL: 'C' };
    await runTool(this.#file.client.pgRestore, args, { env, signal: this.#world.signal });
  }

  /** Whether anything may be refused at all */
  get #isLenient(): boolean {
    return this.#file.tolerated.size > 0 || this.#file.assumable !== undefined;
  }

  #explain(step: Step, cause: unknown): Error {
    this.#world.signal.throwIfAborted();
    const words = messageOf(cause);
    return new TargetError(
      `${step}: ${this.#isLenient ? words.replace(/^.*?(?=pg_restore: error: )/s, '') : words}`,
      'The target is incomplete: drop the database, mend the cause, and restore into a new one.',
      cause,
    );
  }

  #isForeign(entry: ArchiveEntry): boolean {
    const { assumable } = this.#file;
    if (assumable === undefined || entry.owner === '' || ownerless.has(entry.kind)) return false;
    return !assumable.has(entry.owner);
  }

  #mayBeMissing(entry: ArchiveEntry, refusal: Refusal): boolean {
    return this.#file.tolerated.has(entry) || (refusal.ofOwner && this.#file.assumable !== undefined);
  }

  #note(entry: ArchiveEntry, refusal: Refusal): void {
    // The object itself is there by then.
    const why = `the server refused it: ${refusal.message}`;
    if (refusal.ofOwner) {
      this.#noteOwner(entry, why);
      return;
    }
    this.#gone.set(entry.id, entry);
    this.notCarried.push({
      what: describeEntry(entry),
      why,
      remedy: `${remedies[entry.kind] ?? 'Create it'} as a role that may.`,
    });
  }

  #noteOwner(entry: ArchiveEntry, why: string): void {
    const { schema, name } = entry;
    this.notCarried.push({
      what: `owner ${schema === undefined ? describeEntry(entry) : `${schema}.${name}`}`,
      why: `${why}; it belongs to the connected role`,
      remedy: `Give it to ${entry.owner} with ALTER … OWNER TO, as a role that may.`,
    });
  }

  #withoutGone(entries: readonly ArchiveEntry[]): ArchiveEntry[] {
    if (this.#gone.size === 0) return [...entries];
    return entries.filter((entry) => {
      const needed = entry.needs.map((id) => this.#gone.get(id)).find((need) => need !== undefined);
      if (needed === undefined || this.#gone.has(entry.id)) return needed === undefined;
      this.#gone.set(entry.id, entry);
      this.notCarried.push({
        what: describeEntry(entry),
        why: `it needs ${describeEntry(needed)}, which is not restored`,
        remedy: 'Create it when that is there.',
      });
      return false;
    });
  }
}
