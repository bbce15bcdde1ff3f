import type { Omission } from '../../parity/scope.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import { applyInputSettings } from '../../postgres/session/output-settings.ts';
import type { Context } from '../../runtime/context.ts';
import { readStatements } from './entry-statements.ts';
import { findUnfinished } from './finished-entries.ts';
import type { Refusal } from './refusal.ts';
import { RefusedEntries } from './refused-entries.ts';
import { runAs } from './second-try.ts';
import { comesAlone, findOwnIndexes, isParallel, type Step, splitIntoSteps } from './steps.ts';
import { explainFailure, type RestoredArchive, runRestore, type ToolResult } from './tool.ts';

/**
 * Restores an archive in steps, each entry once. An entry that the server refuses is tried again with the
 * settings of the source, and left out when that does not help. The other entries are restored all the same,
 * as with pg_restore alone.
 */
export class ArchiveRestore {
  readonly #file: RestoredArchive;
  readonly #context: Context;
  readonly #steps: ReadonlyMap<Step, readonly ArchiveEntry[]>;
  readonly #done = new Set<ArchiveEntry>();
  readonly #refused: RefusedEntries;
  /** By oid in the source */
  readonly #tables: ReadonlyMap<number, ArchiveEntry>;

  constructor(file: RestoredArchive, context: Context) {
    this.#file = file;
    this.#context = context;
    this.#steps = splitIntoSteps(file.entries);
    this.#refused = new RefusedEntries(file, context);
    const tables = file.entries.filter(({ kind }) => kind === 'TABLE');
    this.#tables = new Map(tables.map((entry) => [entry.oid, entry]));
  }

  /** What has been left out or changed so far. It grows from step to step, until `end`. */
  get notCarried(): readonly Omission[] {
    return this.#refused.notCarried;
  }

  /** Entries that were created only with other settings than pg_restore uses, for people */
  get notes(): readonly string[] {
    return this.#refused.notes;
  }

  /** Whether a step has anything left to do. */
  has(step: Step): boolean {
    return this.#left(step).length > 0;
  }

  /** @throws TargetError when the server is lost or lacks resources, or the archive cannot be read */
  async run(step: Step): Promise<void> {
    if (step === 'definitions') await this.#createOwnedExtensions();
    const left = this.#left(step);
    for (const entry of left) this.#done.add(entry);
    if (!isParallel(step)) return this.#restoreInOrder(step, left);
    await this.#restoreSideBySide(
      step,
      left.filter((entry) => !comesAlone(entry)),
    );
    await this.#restoreInOrder(step, left.filter(comesAlone));
  }

  /**
   * Builds the indexes of a table ahead of their step, as soon as its rows are there.
   *
   * @param oid of the table in the source
   * @returns whether these were all, so that ANALYZE finds every index and statistics object that it serves
   */
  async buildIndexes(oid: number): Promise<boolean> {
    const { ready, waiting } = findOwnIndexes(this.#steps, oid);
    for (const entry of ready) this.#done.add(entry);
    await this.#restoreInOrder('indexes and constraints', ready);
    return waiting.length === 0;
  }

  /** Removes entries from what is left to do. The caller reports why. */
  leaveOut(entries: Iterable<ArchiveEntry>): void {
    for (const entry of entries) this.#done.add(entry);
  }

  /** What became of a table, by its oid in the source */
  stateOf(oid: number): 'made' | 'refused' | 'to come' {
    const entry = this.#tables.get(oid);
    if (entry === undefined || !this.#done.has(entry)) return 'to come';
    return this.#refused.has(entry) ? 'refused' : 'made';
  }

  /** Entries of these kinds that the server refused. */
  findGone(...kinds: readonly string[]): ArchiveEntry[] {
    return this.#refused.find(kinds);
  }

  /** Completes `notCarried`. To be called after the last step. */
  end(): void {
    this.#refused.end();
  }

  /** Whether the table that an entry belongs to could not be created. */
  lacksTable({ needs }: ArchiveEntry): boolean {
    const tables = this.#refused.find(['TABLE']);
    return tables.some(({ id }) => needs.includes(id));
  }

  /**
   * Creates extensions as the roles that owned them in the source, and before them the schemas that they
   * need. Extensions that their owners may not create are left to the connected role.
   */
  async #createOwnedExtensions(): Promise<void> {
    const { extensionOwners, client, path: archive } = this.#file;
    if (extensionOwners.size === 0) return;
    const creators = await this.#inSession(readCreators);
    const owned = this.#left('definitions').filter(
      ({ kind, name }) => kind === 'EXTENSION' && creators.has(extensionOwners.get(name) ?? ''),
    );
    if (owned.length === 0) return;
    const needed = new Set(owned.flatMap(({ needs }) => needs));
    const schemas = this.#left('definitions').filter(({ kind, id }) => kind === 'SCHEMA' && needed.has(id));
    for (const entry of schemas) this.#done.add(entry);
    await this.#restoreInOrder('definitions', schemas);
    await this.#inSession(async (session) => {
      for (const entry of owned) {
        const { sql } = await readStatements(client, archive, entry, this.#context);
        const owner = extensionOwners.get(entry.name) ?? '';
        if (await runAs(session, owner, sql)) this.#done.add(entry);
      }
    });
  }

  #left(step: Step): ArchiveEntry[] {
    return (this.#steps.get(step) ?? []).filter((entry) => !this.#done.has(entry));
  }

  async #restoreInOrder(step: Step, entries: readonly ArchiveEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const { refusals } = await this.#callTool(step, entries, 1);
    const byEntry = Map.groupBy(refusals, ({ id }) => id);
    await this.#settle(
      step,
      entries.filter(({ id }) => byEntry.has(id)),
      byEntry,
    );
  }

  /** The output of several processes is interleaved, so the catalog tells which entries they have created. */
  async #restoreSideBySide(step: Step, entries: readonly ArchiveEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const { complete, refusals } = await this.#callTool(step, entries, this.#file.jobs);
    for (const refusal of refusals) {
      this.#refused.noteSetting(refusal);
      const owned = refusal.concerns === 'owner' && entries.find(({ id }) => id === refusal.id);
      if (owned) this.#refused.noteOwner(owned, refusal);
    }
    if (complete) return;
    const unfinished = await this.#inSession((session) => findUnfinished(session, entries));
    await this.#settle(step, unfinished, new Map());
  }

  async #callTool(step: Step, entries: readonly ArchiveEntry[], jobs: number): Promise<ToolResult> {
    try {
      return await runRestore(this.#file, entries, jobs, this.#context);
    } catch (cause) {
      throw explainFailure(step, cause, this.#file, this.#context);
    }
  }

  /** Tries refused entries again in the archive's order, and reports what could not be created. */
  async #settle(
    step: Step,
    entries: readonly ArchiveEntry[],
    refusals: ReadonlyMap<number, readonly Refusal[]>,
  ): Promise<void> {
    if (entries.length === 0) return;
    await this.#inSession(async (session) => {
      for (const entry of entries) {
        this.#context.signal.throwIfAborted();
        await this.#refused.settle(step, session, entry, refusals.get(entry.id) ?? []);
      }
    });
  }

  async #inSession<T>(body: (session: Session) => Promise<T>): Promise<T> {
    await using session = await openSession(this.#file.settings, this.#context.signal);
    await letRead(session);
    await applyInputSettings(session, this.#file.encoding);
    // As pg_restore does: a function may call one that is created later.
    await session.query('SET check_function_bodies = off');
    return await body(session);
  }
}

/** Roles other than the connected one that have CREATE on the database, which creating an extension needs. */
async function readCreators(session: Session): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>(`
    SELECT rolname AS name FROM pg_roles
    WHERE rolname <> session_user AND has_database_privilege(rolname, current_database(), 'CREATE')`);
  return new Set(rows.map(({ name }) => name));
}
