import type { Omission } from '../../parity/scope.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { World } from '../../runtime/context.ts';
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

/** The entries that the server refused, with all that became of them: a second try, or an omission. */
export class RefusedEntries {
  readonly #notCarried: Omission[] = [];
  readonly #notes: string[] = [];
  readonly #file: RestoredArchive;
  readonly #world: World;
  /** Of all that is restored */
  readonly #ids: ReadonlySet<number>;
  /** By id: what did not come by a second try either */
  readonly #gone = new Map<number, ArchiveEntry>();
  /** By id: what an extension that the server refused has taken with it, and is told only */
  readonly #excused = new Set<number>();
  /** About what extensions make and the server lacks */
  readonly #absent: ArchiveEntry[] = [];
  /** By id: what came by a second try */
  readonly #late = new Set<number>();
  readonly #missingSettings = new Set<string>();

  constructor(file: RestoredArchive, world: World) {
    this.#file = file;
    this.#world = world;
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

  /** Tells together what belongs together. */
  end(): void {
    append(this.#notCarried, describeAbsentParts(this.#absent.splice(0)));
  }

  noteOwner(entry: ArchiveEntry, { message }: Refusal): void {
    this.#notCarried.push(describeOwner(entry, message));
  }

  /** Tries again what was refused, where that may help, and tells what could not be had. */
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
    if (rows > 0) this.#notCarried.push(describeAbsentRows(entry, rows, refusedExtensions));
    return true;
  }

  async #tryAgain(step: Step, session: Session, entry: ArchiveEntry): Promise<void> {
    let result: SecondResult;
    try {
      const { client, path: archive, searchPaths } = this.#file;
      const statements = await readStatements(client, archive, entry, this.#world);
      result = await tryAgain(session, entry, statements, searchPaths.candidates);
    } catch (cause) {
      throw explainFailure(step, cause, this.#file, this.#world);
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

  /** Tells once of each that the server lacks. */
  noteSetting({ message, missing }: Refusal): void {
    if (missing === undefined || this.#missingSettings.has(message)) return;
    this.#missingSettings.add(message);
    this.#notCarried.push(describeSetting(missing));
  }
}

/** Who makes something that only a superuser may give to others has it, as it was to be. */
async function isConnected(session: Session, role: string): Promise<boolean> {
  const [row] = await session.query<{ same: boolean }>('SELECT current_user = $1 AS same', [role]);
  return row?.same === true;
}
