import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf, TargetError } from '../errors.ts';
import { type ArchiveEntry, writeList } from '../postgres/archive.ts';
import type { ClientTools } from '../postgres/client.ts';
import { openSession, type Session } from '../postgres/connection.ts';
import { runTool, ToolError } from '../postgres/process.ts';
import { applySettings } from '../postgres/session-settings.ts';
import { type ConnectionSettings, quoteConnectionValue } from '../postgres/settings.ts';
import type { World } from '../world.ts';
import type { NotCarried } from './attempt.ts';
import { countOrphans, readAddition } from './broken-keys.ts';
import {
  describeCascade,
  describeNotValid,
  describeOwner,
  describeRefused,
  describeSetting,
  describeSurroundings,
} from './entry-omissions.ts';
import { readStatements } from './entry-statements.ts';
import { findUnfinished } from './finished-entries.ts';
import { type Refusal, RefusalReader } from './refusal.ts';
import type { SearchPaths } from './search-paths.ts';
import { type SecondResult, tryAgain } from './second-try.ts';
import { comesAlone, findOwnIndexes, isParallel, type Step, splitIntoSteps } from './steps.ts';

/** The archive of a backup as a file, and where it goes. */
export interface ArchiveFile {
  readonly path: string;
  readonly client: ClientTools;
  /** What is to be restored of it */
  readonly entries: readonly ArchiveEntry[];
  readonly settings: ConnectionSettings;
  /** Of the session that tries again what pg_restore could not do, as in client_encoding */
  readonly encoding: string;
  readonly searchPaths: SearchPaths;
  /** Connection and password, for pg_restore */
  readonly env: NodeJS.ProcessEnv;
  /** Connections, for the steps that can use several */
  readonly jobs: number;
}

/**
 * Kinds that no other surroundings help: what they say is refused, or is about what is not there. They are tried again only when that has
 * come by a second try itself, and grants where only their grantors are in the way.
 */
const plainKinds = new Set([
  'ACL',
  'BLOB',
  'BLOB COMMENTS',
  'BLOB METADATA',
  'BLOBS',
  'COMMENT',
  'DEFAULT ACL',
  'EXTENSION',
  'SECURITY LABEL',
  'SEQUENCE SET',
  'TABLE DATA',
]);

/** These hold data, which is no statement to be tried again. */
const dataKinds = new Set(['BLOB', 'BLOBS', 'TABLE DATA']);

/**
 * Restores an archive in steps, each entry once. What the server refuses is tried again under the surroundings of the source, and left out
 * when that does not help; the others come all the same, as with pg_restore alone.
 */
export class ArchiveRestore {
  /** What was left out on the way, or came otherwise; it grows from step to step. */
  readonly notCarried: NotCarried[] = [];
  /** What came only under other surroundings than pg_restore gives it, for people */
  readonly notes: string[] = [];
  readonly #file: ArchiveFile;
  readonly #world: World;
  readonly #steps: ReadonlyMap<Step, readonly ArchiveEntry[]>;
  readonly #done = new Set<ArchiveEntry>();
  /** By id: what the server refused */
  readonly #gone = new Map<number, ArchiveEntry>();
  /** By id: what came by a second try */
  readonly #late = new Set<number>();
  readonly #missingSettings = new Set<string>();
  /** By oid in the source */
  readonly #tables: ReadonlyMap<number, ArchiveEntry>;

  constructor(file: ArchiveFile, world: World) {
    this.#file = file;
    this.#world = world;
    this.#steps = splitIntoSteps(file.entries);
    const tables = file.entries.filter(({ kind }) => kind === 'TABLE');
    this.#tables = new Map(tables.map((entry) => [entry.oid, entry]));
  }

  /** Whether a step has anything left to do. */
  has(step: Step): boolean {
    return this.#left(step).length > 0;
  }

  /** @throws TargetError when the server is lost or lacks resources, or the archive cannot be read */
  async run(step: Step): Promise<void> {
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
  leaveOut(entries: Iterable<ArchiveEntry>): void {
    for (const entry of entries) this.#done.add(entry);
  }

  /** What became of a table, by its oid in the source */
  stateOf(oid: number): 'made' | 'refused' | 'to come' {
    const entry = this.#tables.get(oid);
    if (entry === undefined || !this.#done.has(entry)) return 'to come';
    return this.#gone.has(entry.id) ? 'refused' : 'made';
  }

  /** What the server refused, of the kinds that a caller has to know. */
  findGone(...kinds: readonly string[]): ArchiveEntry[] {
    return [...this.#gone.values()].filter((entry) => kinds.includes(entry.kind));
  }

  /** Whether the table of what belongs to one could not be created. */
  lacksTable({ needs }: ArchiveEntry): boolean {
    return needs.some((id) => this.#gone.get(id)?.kind === 'TABLE');
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

  /** What several processes say at once cannot be told apart: the catalog says what they have done. */
  async #restoreSideBySide(step: Step, entries: readonly ArchiveEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const { complete, refusals } = await this.#callTool(step, entries, this.#file.jobs);
    for (const refusal of refusals) {
      if (refusal.concerns === 'setting') this.#noteSetting(refusal);
      const owned = refusal.concerns === 'owner' && entries.find(({ id }) => id === refusal.id);
      if (owned) this.notCarried.push(describeOwner(owned, refusal.message));
    }
    if (complete) return;
    const unfinished = await this.#inSession((session) => findUnfinished(session, entries));
    await this.#settle(step, unfinished, new Map());
  }

  /** @returns whether pg_restore did all of it, and what it said about what it did not */
  async #callTool(
    step: Step,
    entries: readonly ArchiveEntry[],
    jobs: number,
  ): Promise<{ complete: boolean; refusals: readonly Refusal[] }> {
    const list = path.join(this.#world.temporaryFolder, `restore-${entries[0]?.id}.list`);
    writeFileSync(list, writeList(entries), { mode: 0o600 });
    const reader = new RefusalReader();
    const args = [
      '--no-password',
      // Only then it tells which entry it was at.
      '--verbose',
      `--use-list=${list}`,
      `--dbname=dbname=${quoteConnectionValue(this.#file.settings.database)}`,
      ...(jobs > 1 ? [`--jobs=${jobs}`] : []),
      this.#file.path,
    ];
    // The words of pg_restore itself are read.
    const env = { ...this.#file.env, LC_ALL: 'C' };
    const { signal } = this.#world;
    try {
      await runTool(this.#file.client.pgRestore, args, {
        env,
        signal,
        onErrorLine: (line) => reader.read(line),
      });
      return { complete: true, refusals: [] };
    } catch (cause) {
      signal.throwIfAborted();
      reader.end();
      if (!(cause instanceof ToolError) || !/ exited with 1\b/.test(cause.message))
        throw this.#explain(step, cause);
      if (jobs === 1 && reader.failure !== undefined)
        throw this.#explain(step, new Error(reader.failure, { cause }));
      return { complete: false, refusals: reader.refusals };
    }
  }

  /** Tries again what was refused, in its order, and tells what could not be had. */
  async #settle(
    step: Step,
    entries: readonly ArchiveEntry[],
    refusals: ReadonlyMap<number, readonly Refusal[]>,
  ): Promise<void> {
    if (entries.length === 0) return;
    await this.#inSession(async (session) => {
      for (const entry of entries) {
        this.#world.signal.throwIfAborted();
        await this.#settleOne(step, session, entry, refusals.get(entry.id) ?? []);
      }
    });
  }

  async #settleOne(
    step: Step,
    session: Session,
    entry: ArchiveEntry,
    refusals: readonly Refusal[],
  ): Promise<void> {
    for (const refusal of refusals) if (refusal.concerns === 'setting') this.#noteSetting(refusal);
    const refused = refusals.find(({ concerns }) => concerns === 'object');
    const owner = refusals.find(({ concerns }) => concerns === 'owner');
    if (refused === undefined && owner !== undefined) {
      this.notCarried.push(describeOwner(entry, owner.message));
    }
    if (refused === undefined && refusals.length > 0) return;
    const cause = entry.needs.map((id) => this.#gone.get(id)).find((need) => need !== undefined);
    if (cause !== undefined) {
      this.#gone.set(entry.id, entry);
      this.notCarried.push(describeCascade(entry, cause));
      return;
    }
    const isHopeless =
      plainKinds.has(entry.kind) &&
      !entry.needs.some((id) => this.#late.has(id)) &&
      !/session authorization/.test(refused?.message ?? '');
    if (refused !== undefined && (isHopeless || dataKinds.has(entry.kind))) {
      this.#gone.set(entry.id, entry);
      this.notCarried.push(
        describeRefused(entry, { why: refused.message, hint: refused.hint, sql: undefined }),
      );
      return;
    }
    await this.#tryAgain(step, session, entry);
  }

  async #tryAgain(step: Step, session: Session, entry: ArchiveEntry): Promise<void> {
    let result: SecondResult;
    try {
      const { client, path: archive, searchPaths } = this.#file;
      const statements = await readStatements(client, archive, entry, this.#world);
      result = await tryAgain(session, entry, statements, searchPaths.candidates);
    } catch (cause) {
      throw this.#explain(step, cause);
    }
    switch (result.outcome) {
      case 'made':
        this.#late.add(entry.id);
        this.#file.searchPaths.needed ??= result.searchPath;
        if (result.under !== undefined) this.notes.push(describeSurroundings(entry, result.under));
        if (result.ownerRefused !== undefined)
          this.notCarried.push(describeOwner(entry, result.ownerRefused));
        return;
      case 'not valid': {
        const constraint = readAddition(result.sql);
        const orphans =
          entry.kind !== 'FK CONSTRAINT' || constraint === undefined
            ? undefined
            : await countOrphans(session, constraint);
        this.notCarried.push(describeNotValid(entry, result.why, constraint, orphans));
        return;
      }
      case 'refused':
        this.#gone.set(entry.id, entry);
        this.notCarried.push(describeRefused(entry, result));
        return;
    }
  }

  #noteSetting({ message }: Refusal): void {
    if (this.#missingSettings.has(message)) return;
    this.#missingSettings.add(message);
    this.notCarried.push(describeSetting(message));
  }

  async #inSession<T>(body: (session: Session) => Promise<T>): Promise<T> {
    const session = await openSession(this.#file.settings, this.#world.signal);
    try {
      await applySettings(session, this.#file.encoding);
      // As pg_restore: a function may call what comes later.
      await session.query('SET check_function_bodies = off');
      return await body(session);
    } finally {
      await session.close();
    }
  }

  #explain(step: Step, cause: unknown): Error {
    this.#world.signal.throwIfAborted();
    if (cause instanceof TargetError) return cause;
    const words = messageOf(cause).replace(/^.*?(?=pg_restore: error: )/s, '');
    return new TargetError(
      `${step}: ${words}`,
      'The target is incomplete: drop the database, mend the cause, and restore into a new one.',
      cause,
    );
  }
}
