import type { Omission } from '../../parity/scope.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { Context } from '../../runtime/context.ts';
import { append } from '../../runtime/lists.ts';
import {
  countArchivedRows,
  describeAbsentParts,
  describeAbsentRows,
  isAboutAbsentPart,
} from '../extensions/parts.ts';
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
import type { Refusal } from './refusal.ts';
import { type SecondResult, tryAgain } from './second-try.ts';
import type { Step } from './steps.ts';
import { explainFailure, type RestoredArchive } from './tool.ts';

/**
 * Kinds that other settings cannot help: the server refuses the statement itself, or the object that it is
 * about does not exist. They are tried again only when that object was created by a second try, or when only
 * the grantor stands in the way of a grant.
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

/** Kinds that can be about parts of extensions, which have no entry of their own. */
const partKinds = new Set(['ACL', 'COMMENT', 'DEFAULT ACL', 'SEQUENCE SET', 'TABLE DATA']);

/** Kinds that hold data, and so have no statement to try again. */
const dataKinds = new Set(['BLOB', 'BLOBS', 'TABLE DATA']);

/** The entries that the server refused, and what became of each: created by a second try, or an omission. */
export class RefusedEntries {
  readonly #notCarried: Omission[] = [];
  readonly #notes: string[] = [];
  readonly #file: RestoredArchive;
  readonly #context: Context;
  /** Ids of all entries that are restored */
  readonly #ids: ReadonlySet<number>;
  /** By id: entries that were not created by a second try either */
  readonly #gone = new Map<number, ArchiveEntry>();
  /** Ids of refused extensions and of what needs them, where these are reported and do not count as lost */
  readonly #excused = new Set<number>();
  /** Entries about parts of extensions that the server lacks */
  readonly #absent: ArchiveEntry[] = [];
  /** Ids of entries that a second try created */
  readonly #late = new Set<number>();
  readonly #missingSettings = new Set<string>();

  constructor(file: RestoredArchive, context: Context) {
    this.#file = file;
    this.#context = context;
    this.#ids = new Set(file.entries.map(({ id }) => id));
  }

  get notCarried(): readonly Omission[] {
    return this.#notCarried;
  }

  get notes(): readonly string[] {
    return this.#notes;
  }

  has({ id }: ArchiveEntry): boolean {
    return this.#gone.has(id);
  }

  find(kinds: readonly string[]): ArchiveEntry[] {
    return [...this.#gone.values()].filter((entry) => kinds.includes(entry.kind));
  }

  /** Reports all entries about absent parts of extensions as one omission. */
  end(): void {
    append(this.#notCarried, describeAbsentParts(this.#absent.splice(0)));
  }

  noteOwner(entry: ArchiveEntry, { message }: Refusal): void {
    this.#notCarried.push(describeOwner(entry, message));
  }

  /** Tries a refused entry again where that may help, and reports what could not be created. */
  async settle(
    step: Step,
    session: Session,
    entry: ArchiveEntry,
    refusals: readonly Refusal[],
  ): Promise<void> {
    for (const refusal of refusals) this.noteSetting(refusal);
    const refused = refusals.find(({ concerns }) => concerns === 'object');
    const owner = refusals.find(({ concerns }) => concerns === 'owner');
    if (refused === undefined && owner !== undefined && !(await isConnected(session, entry.owner))) {
      this.noteOwner(entry, owner);
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
    this.#notCarried.push(this.#excused.has(entry.id) ? told : omission);
  }

  /**
   * Whether an entry is about a part of an extension that the server lacks. If so, it is recorded as an
   * omission.
   */
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
    const rows = await countArchivedRows(client, archive, entry, this.#context);
    if (rows > 0) this.#notCarried.push(describeAbsentRows(entry, rows, refusedExtensions));
    return true;
  }

  async #tryAgain(step: Step, session: Session, entry: ArchiveEntry): Promise<void> {
    let result: SecondResult;
    try {
      const { client, path: archive, searchPaths } = this.#file;
      const statements = await readStatements(client, archive, entry, this.#context);
      result = await tryAgain(session, entry, statements, searchPaths.candidates);
    } catch (cause) {
      throw explainFailure(step, cause, this.#file, this.#context);
    }
    switch (result.outcome) {
      case 'made':
        this.#late.add(entry.id);
        this.#file.searchPaths.needed ??= result.searchPath;
        if (result.under !== undefined) this.#notes.push(describeSurroundings(entry, result.under));
        if (result.ownerRefused !== undefined)
          this.#notCarried.push(describeOwner(entry, result.ownerRefused));
        return;
      case 'not valid': {
        const constraint = readAddition(result.sql);
        const orphans =
          entry.kind !== 'FK CONSTRAINT' || constraint === undefined
            ? undefined
            : await countOrphans(session, constraint);
        append(this.#notCarried, describeNotValid(entry, result, constraint, orphans));
        return;
      }
      case 'refused':
        this.#lose(entry, describeRefused(entry, result));
        return;
    }
  }

  /** Reports each missing tablespace or access method once. */
  noteSetting({ message, missing }: Refusal): void {
    if (missing === undefined || this.#missingSettings.has(message)) return;
    this.#missingSettings.add(message);
    this.#notCarried.push(describeSetting(missing));
  }
}

/**
 * Whether the connected role is `role`. It owns what it creates, even where only a superuser may run ALTER …
 * OWNER TO.
 */
async function isConnected(session: Session, role: string): Promise<boolean> {
  const [row] = await session.query<{ same: boolean }>('SELECT current_user = $1 AS same', [role]);
  return row?.same === true;
}
