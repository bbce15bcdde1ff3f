import type { Omission } from '../../parity/scope.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import { explainExpiry } from '../../postgres/session/accepted-passwords.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import { applyInputSettings } from '../../postgres/session/output-settings.ts';
import type { World } from '../../runtime/context.ts';
import { messageOf, TargetError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import {
  countArchivedRows,
  describeAbsentParts,
  describeAbsentRows,
  isAboutAbsentPart,
} from '../extensions/parts.ts';
import type { SearchPaths } from '../search-paths.ts';
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
import type { Refusal } from './refusal.ts';
import { runAs, type SecondResult, tryAgain } from './second-try.ts';
import { comesAlone, findOwnIndexes, isParallel, type Step, splitIntoSteps } from './steps.ts';
import { type ArchiveFile, runRestore, type ToolResult } from './tool.ts';

/** The archive of a backup as a file, and where it goes. */
export interface RestoredArchive extends ArchiveFile {
  /** What is to be restored of it */
  readonly entries: readonly ArchiveEntry[];
  /** Of the session that tries again what pg_restore could not do, as in client_encoding */
  readonly encoding: string;
  readonly searchPaths: SearchPaths;
  /** Connections, for the steps that can use several */
  readonly jobs: number;
  /**
   * What an extension is that the server refuses: something that the target lacks, or, where the backup alone is tried, a matter of that
   * server. Rows of a user that cannot be without it are lost in both cases.
   */
  readonly refusedExtensions: 'lost' | 'told';
  /** Whose extensions were in the source, by name, where the connected role can act as anybody; nobody can be given one later. */
  readonly extensionOwners: ReadonlyMap<string, string>;
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

/** What an archive says about parts of extensions, which have no entry of their own. */
const partKinds = new Set(['ACL', 'COMMENT', 'DEFAULT ACL', 'SEQUENCE SET', 'TABLE DATA']);

/** These hold data, which is no statement to be tried again. */
const dataKinds = new Set(['BLOB', 'BLOBS', 'TABLE DATA']);

/**
 * Restores an archive in steps, each entry once. What the server refuses is tried again under the surroundings of the source, and left out
 * when that does not help; the others come all the same, as with pg_restore alone.
 */
export class ArchiveRestore {
  /** What was left out on the way, or came otherwise; it grows from step to step, until `end`. */
  readonly notCarried: Omission[] = [];
  /** What came only under other surroundings than pg_restore gives it, for people */
  readonly notes: string[] = [];
  readonly #file: RestoredArchive;
  readonly #world: World;
  readonly #steps: ReadonlyMap<Step, readonly ArchiveEntry[]>;
  readonly #done = new Set<ArchiveEntry>();
  /** By id: what the server refused */
  readonly #gone = new Map<number, ArchiveEntry>();
  /** By id: what an extension that the server refused has taken with it, and is told only */
  readonly #excused = new Set<number>();
  /** About what extensions make and the server lacks */
  readonly #absent: ArchiveEntry[] = [];
  /** By id: what came by a second try */
  readonly #late = new Set<number>();
  readonly #missingSettings = new Set<string>();
  /** By oid in the source */
  readonly #tables: ReadonlyMap<number, ArchiveEntry>;
  /** Of all that is restored */
  readonly #ids: ReadonlySet<number>;

  constructor(file: RestoredArchive, world: World) {
    this.#file = file;
    this.#world = world;
    this.#steps = splitIntoSteps(file.entries);
    this.#ids = new Set(file.entries.map(({ id }) => id));
    const tables = file.entries.filter(({ kind }) => kind === 'TABLE');
    this.#tables = new Map(tables.map((entry) => [entry.oid, entry]));
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

  /** To be called after the last step: tells together what belongs together. */
  end(): void {
    append(this.notCarried, describeAbsentParts(this.#absent.splice(0)));
  }

  /** Whether the table of what belongs to one could not be created. */
  lacksTable({ needs }: ArchiveEntry): boolean {
    return needs.some((id) => this.#gone.get(id)?.kind === 'TABLE');
  }

  /** Those that their owners may not create are left to the connected role, with all that is in their way. */
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
        const { sql } = await readStatements(client, archive, entry, this.#world);
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

  /** What several processes say at once cannot be told apart: the catalog says what they have done. */
  async #restoreSideBySide(step: Step, entries: readonly ArchiveEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const { complete, refusals } = await this.#callTool(step, entries, this.#file.jobs);
    for (const refusal of refusals) {
      this.#noteSetting(refusal);
      const owned = refusal.concerns === 'owner' && entries.find(({ id }) => id === refusal.id);
      if (owned) this.notCarried.push(describeOwner(owned, refusal.message));
    }
    if (complete) return;
    const unfinished = await this.#inSession((session) => findUnfinished(session, entries));
    await this.#settle(step, unfinished, new Map());
  }

  async #callTool(step: Step, entries: readonly ArchiveEntry[], jobs: number): Promise<ToolResult> {
    try {
      return await runRestore(this.#file, entries, jobs, this.#world);
    } catch (cause) {
      throw this.#explain(step, cause);
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
    for (const refusal of refusals) this.#noteSetting(refusal);
    const refused = refusals.find(({ concerns }) => concerns === 'object');
    const owner = refusals.find(({ concerns }) => concerns === 'owner');
    if (refused === undefined && owner !== undefined && !(await isConnected(session, entry.owner))) {
      this.notCarried.push(describeOwner(entry, owner.message));
    }
    if (refused === undefined && refusals.length > 0) return;
    const causes = entry.needs.map((id) => this.#gone.get(id)).filter((need) => need !== undefined);
    if (causes[0] !== undefined) {
      if (causes[0].kind === 'EXTENSION' && entry.kind !== 'TABLE DATA' && partKinds.has(entry.kind)) {
        this.#gone.set(entry.id, entry);
        this.#absent.push(entry);
        return;
      }
      if (causes.some(({ id }) => this.#excused.has(id))) this.#excused.add(entry.id);
      this.#lose(entry, describeCascade(entry, causes[0]));
      return;
    }
    if (refused !== undefined && (await this.#isOfAbsentExtension(session, entry))) return;
    const isHopeless =
      plainKinds.has(entry.kind) &&
      !entry.needs.some((id) => this.#late.has(id)) &&
      !/session authorization/.test(refused?.message ?? '');
    if (refused !== undefined && (isHopeless || dataKinds.has(entry.kind))) {
      if (entry.kind === 'EXTENSION' && this.#file.refusedExtensions === 'told') this.#excused.add(entry.id);
      const refusal = { why: refused.message, hint: refused.hint, sql: undefined };
      this.#lose(entry, describeRefused(entry, refusal));
      return;
    }
    await this.#tryAgain(step, session, entry);
  }

  #lose(entry: ArchiveEntry, omission: Omission): void {
    this.#gone.set(entry.id, entry);
    const { lost: _, ...told } = omission;
    this.notCarried.push(this.#excused.has(entry.id) ? told : omission);
  }

  /** Notes what is about a part of an extension that is not there. */
  async #isOfAbsentExtension(session: Session, entry: ArchiveEntry): Promise<boolean> {
    if (
      !partKinds.has(entry.kind) ||
      entry.kind === 'DEFAULT ACL' ||
      entry.needs.some((id) => this.#ids.has(id))
    )
      return false;
    if (!(await isAboutAbsentPart(session, entry))) return false;
    this.#gone.set(entry.id, entry);
    const { client, path: archive, refusedExtensions } = this.#file;
    if (entry.kind !== 'TABLE DATA') {
      this.#absent.push(entry);
      return true;
    }
    const rows = await countArchivedRows(client, archive, entry, this.#world);
    if (rows > 0) this.notCarried.push(describeAbsentRows(entry, rows, refusedExtensions));
    return true;
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
        append(this.notCarried, describeNotValid(entry, result, constraint, orphans));
        return;
      }
      case 'refused':
        this.#lose(entry, describeRefused(entry, result));
        return;
    }
  }

  /** Tells once of each that the server lacks. */
  #noteSetting({ message, missing }: Refusal): void {
    if (missing === undefined || this.#missingSettings.has(message)) return;
    this.#missingSettings.add(message);
    this.notCarried.push(describeSetting(missing));
  }

  async #inSession<T>(body: (session: Session) => Promise<T>): Promise<T> {
    await using session = await openSession(this.#file.settings, this.#world.signal);
    await letRead(session);
    await applyInputSettings(session, this.#file.encoding);
    // As pg_restore: a function may call what comes later.
    await session.query('SET check_function_bodies = off');
    return await body(session);
  }

  #explain(step: Step, cause: unknown): Error {
    this.#world.signal.throwIfAborted();
    if (cause instanceof TargetError) return cause;
    const words = messageOf(cause).replace(/^.*?(?=pg_restore: error: )/s, '');
    const incomplete =
      'The target is incomplete: drop the database, mend the cause, and restore into a new one.';
    const expiry = explainExpiry(cause, this.#file.settings);
    return expiry === undefined
      ? new TargetError(`${step}: ${words}`, incomplete, cause)
      : new TargetError(`${step}: ${expiry.what}: ${words}`, `${expiry.next} ${incomplete}`, cause);
  }
}

/** Who makes something that only a superuser may give to others has it, as it was to be. */
async function isConnected(session: Session, role: string): Promise<boolean> {
  const [row] = await session.query<{ same: boolean }>('SELECT current_user = $1 AS same', [role]);
  return row?.same === true;
}

/** Roles other than the connected one that may create extensions, as far as the database has a say in it. */
async function readCreators(session: Session): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>(`
    SELECT rolname AS name FROM pg_roles
    WHERE rolname <> session_user AND has_database_privilege(rolname, current_database(), 'CREATE')`);
  return new Set(rows.map(({ name }) => name));
}
