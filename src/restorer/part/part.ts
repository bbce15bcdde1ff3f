import type { Manifest } from '../../format/manifest.ts';
import type { RestoreSelection } from '../../parity/scope.ts';
import { type ArchiveEntry, describeEntry } from '../../postgres/client/table-of-contents.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { readTargetCatalog, type TargetCatalog } from '../../supabase/target-catalog.ts';
import type { TargetKind } from '../../supabase/target-kind.ts';
import { createSelection, writePattern } from '../../values/table-patterns.ts';
import { findExistingObjects } from '../existing-objects.ts';
import {
  type Chosen,
  findReplacement,
  isReplaceable,
  nothingReplaced,
  type Replacement,
} from './replacement.ts';
import { findFilled } from './replacement-rows.ts';

/** A part of a backup, fitted to what its target already holds. */
export interface FittedPart {
  readonly selection: RestoreSelection;
  /** Entries that need an object of the target, and that the server may therefore refuse */
  readonly taken: ReadonlySet<ArchiveEntry>;
  /** Whether the target holds anything, so that what is not chosen stays */
  readonly isInUse: boolean;
  /** What the selection needs, and the target has and keeps, for people */
  readonly notes: readonly string[];
  /** Entries that the selection needs and the target keeps, without what belongs to them */
  readonly kept: readonly ArchiveEntry[];
  /** Entries of the selection that the target has, to be looked up again when they are removed */
  readonly chosen: Chosen;
  /** Objects of the target that it replaces */
  readonly replaced: Replacement;
  /** Tables of the platform that are to get rows, and already hold some */
  readonly filled: readonly string[];
  /** Names of restored indexes that another object of the target has */
  readonly collisions: readonly string[];
}

export interface Part {
  readonly manifest: Pick<Manifest, 'tables'>;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** All of the archive */
  readonly contents: readonly ArchiveEntry[];
  /** The entries to restore */
  readonly selection: RestoreSelection;
}

/**
 * Fits a part of a backup into a database that is in use. Objects that the patterns name are replaced. What
 * they need besides (schemas, types, functions, parents of partitions) stays as the target has it. An entry
 * that was left out because its need was not chosen, such as a foreign key to another table, is restored if
 * the target has that need. An empty database gets the part as it is.
 */
export async function fitPart(session: Session, kind: TargetKind, part: Part): Promise<FittedPart> {
  const { selection } = part;
  if ((await findExistingObjects(session, kind)).length === 0) {
    const chosen = { entries: [], coming: [] };
    const nothing = {
      taken: new Set<ArchiveEntry>(),
      notes: [],
      kept: [],
      filled: [],
      collisions: [],
      replaced: nothingReplaced,
    };
    return { selection, ...nothing, chosen, isInUse: false };
  }
  const target = await readTargetCatalog(session);
  const managed = kind === 'plain' ? new Set<string>() : target.managed;
  // `place` decides which entries are restored into a project's own schemas.
  const isOthers = ({ kind: of, schema, name }: ArchiveEntry) =>
    kind === 'supabase-project' && managed.has(schema ?? (of === 'SCHEMA' ? name : ''));
  const nothing = { chosen: new Set<ArchiveEntry>(), replaced: nothingReplaced, isOthers };
  const present = findChosen(part, new Fitter(part, target, nothing).takeIn()).filter((e) => target.has(e));
  const coming = part.manifest.tables.filter(({ oid }) => selection.tables.has(oid));
  const chosen = { entries: present.filter(({ schema = '' }) => !managed.has(schema)), coming };
  const replaced = await findReplacement(session, chosen);
  const fitter = new Fitter(part, target, { chosen: new Set(chosen.entries), replaced, isOthers });
  const fitted = fitter.fit();
  return {
    selection: fitted,
    collisions: fitter.findCollisions(fitted),
    taken: fitter.taken,
    isInUse: true,
    notes: fitter.notes,
    kept: fitter.kept,
    chosen,
    replaced,
    filled: await findFilled(
      session,
      coming.filter(({ schema }) => managed.has(schema)),
    ),
  };
}

/**
 * Entries that the patterns name, and partitions of tables that they name. Entries that only come because
 * those need them are not included.
 */
function findChosen(
  { selection, manifest, include, exclude }: Part,
  taken: ReadonlySet<ArchiveEntry>,
): ArchiveEntry[] {
  const names = new Map(manifest.tables.map((table) => [table.oid, table]));
  const isNamed = createSelection(include, exclude);
  const chosen = new Set(
    [...selection.entries, ...taken].filter(
      (entry) =>
        isReplaceable(entry.kind) &&
        (selection.tables.has(entry.oid) || isNamed(names.get(entry.oid) ?? nameOf(entry))),
    ),
  );
  const byId = new Map(selection.entries.map((entry) => [entry.id, entry]));
  for (const { kind, needs } of selection.entries) {
    const [child, parent] = kind === 'TABLE ATTACH' ? needs.map((id) => byId.get(id)) : [];
    if (child !== undefined && parent !== undefined && chosen.has(parent)) chosen.add(child);
  }
  return [...chosen];
}

function nameOf({ schema = '', name }: ArchiveEntry): { schema: string; name: string } {
  return { schema, name: name.replace(/\(.*$/s, '') };
}

/** Kinds that come and stay with the object that they belong to. */
const belonging = new Set([
  ...['DEFAULT', 'CONSTRAINT', 'CHECK CONSTRAINT', 'FK CONSTRAINT', 'INDEX', 'INDEX ATTACH', 'TABLE ATTACH'],
  ...['TRIGGER', 'POLICY', 'ROW SECURITY', 'RULE', 'STATISTICS', 'STATISTICS DATA', 'SEQUENCE OWNED BY'],
  ...['SEQUENCE SET', 'COMMENT', 'ACL', 'SECURITY LABEL', 'MATERIALIZED VIEW DATA', 'TABLE DATA'],
]);
const relations = new Set(['TABLE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW']);

const shown = 20;

/**
 * Entries about which the fitter has no choice: those that the patterns name, and those that are decided
 * elsewhere.
 */
interface Division {
  readonly chosen: ReadonlySet<ArchiveEntry>;
  readonly replaced: Replacement;
  isOthers(entry: ArchiveEntry): boolean;
}

class Fitter {
  readonly notes: string[] = [];
  readonly taken = new Set<ArchiveEntry>();
  readonly #part: Part;
  readonly #byId: ReadonlyMap<number, ArchiveEntry>;
  readonly #target: TargetCatalog;
  readonly #replaced: Replacement;
  readonly #restored: Set<ArchiveEntry>;
  readonly #kept: ReadonlySet<ArchiveEntry>;
  /** Entries that stay, without what belongs to them */
  readonly kept: readonly ArchiveEntry[];

  constructor(part: Part, target: TargetCatalog, { chosen, replaced, isOthers }: Division) {
    this.#part = part;
    this.#target = target;
    this.#replaced = replaced;
    this.#byId = new Map(part.contents.map((entry) => [entry.id, entry]));
    this.#kept = this.#findKept((entry) => chosen.has(entry) || isOthers(entry));
    this.#restored = new Set(part.selection.entries.filter((entry) => !this.#kept.has(entry)));
    this.kept = [...this.#kept].filter(({ kind }) => !belonging.has(kind) && kind !== 'EXTENSION');
    if (this.kept.length > 0) this.notes.push(describeKept(this.kept));
  }

  /** @returns entries that were left out, and can be restored because the target has what they need */
  takeIn(): ReadonlySet<ArchiveEntry> {
    for (const { entry } of this.#part.selection.leftOut) this.#comes(entry);
    return this.taken;
  }

  fit(): RestoreSelection {
    const { contents, selection } = this.#part;
    this.takeIn();
    this.#bringBelongings();
    this.#leaveExtensions();
    return {
      ...selection,
      entries: contents.filter((entry) => this.#restored.has(entry)),
      leftOut: selection.leftOut.filter(
        ({ entry }) => !this.#restored.has(entry) && !this.#isElsewhere(entry),
      ),
      definitionsOnly: selection.definitionsOnly.filter((entry) => !this.#kept.has(entry)),
    };
  }

  /**
   * Finds names of indexes that the target keeps. A renamed table keeps the names of its indexes, which the
   * backup's table of the old name has, too.
   */
  findCollisions({ entries }: RestoreSelection): string[] {
    const names = entries.flatMap((entry) => {
      if (entry.kind === 'INDEX') return [{ schema: entry.schema ?? '', name: entry.name }];
      const home = entry.kind === 'CONSTRAINT' ? this.#findHome(entry) : undefined;
      if (home === undefined || !entry.name.startsWith(`${home.name} `)) return [];
      return [{ schema: entry.schema ?? '', name: entry.name.slice(home.name.length + 1) }];
    });
    return names.filter((name) => this.#stays({ ...name, kind: 'INDEX' })).map(writePattern);
  }

  #findKept(isExempt: (entry: ArchiveEntry) => boolean): ReadonlySet<ArchiveEntry> {
    const kept = new Set<ArchiveEntry>();
    for (const entry of this.#part.selection.entries) {
      const stays = belonging.has(entry.kind)
        ? kept.has(this.#findHome(entry) ?? entry)
        : !isExempt(entry) && this.#stays(entry);
      if (stays) kept.add(entry);
    }
    return kept;
  }

  /** Whether the target has the object of an entry, and keeps it. */
  #stays(entry: Pick<ArchiveEntry, 'kind' | 'schema' | 'name'>): boolean {
    return this.#target.has(entry) && !this.#replaced.goes(entry);
  }

  /** Takes in an entry that was left out, if the target has all that it needs. */
  #comes(entry: ArchiveEntry): boolean {
    const home = belonging.has(entry.kind) ? this.#findHome(entry) : undefined;
    if (home !== undefined && !this.#restored.has(home)) return false;
    const closure = new Set<ArchiveEntry>();
    if (!this.#resolve(entry, closure)) return false;
    for (const member of closure) {
      this.#restored.add(member);
      this.taken.add(member);
    }
    return true;
  }

  #resolve(entry: ArchiveEntry, closure: Set<ArchiveEntry>): boolean {
    if (this.#restored.has(entry) || closure.has(entry)) return true;
    closure.add(entry);
    return entry.needs.every((id) => {
      const need = this.#byId.get(id);
      if (need === undefined || this.#restored.has(need) || this.#stays(need)) return true;
      // What belongs to an object that stays, such as the key of a table, is as the target has it, or missing
      // there.
      if (belonging.has(need.kind) && this.#isElsewhere(need)) return true;
      const isUninvited = relations.has(need.kind) || need.schema === undefined;
      return !isUninvited && this.#resolve(need, closure);
    });
  }

  /** Takes in what belongs to entries that were taken in. */
  #bringBelongings(): void {
    const others = this.#part.contents.filter(
      (entry) => belonging.has(entry.kind) && !this.#restored.has(entry) && !this.#kept.has(entry),
    );
    for (const entry of others) {
      const home = this.#findHome(entry);
      if (home !== undefined && this.#restored.has(home) && home.kind !== 'SCHEMA') this.#comes(entry);
    }
  }

  /** Whether an entry belongs to an object that stays, with everything that the target has of it. */
  #isElsewhere(entry: ArchiveEntry): boolean {
    const home = belonging.has(entry.kind) ? this.#findHome(entry) : undefined;
    return home !== undefined && !this.#restored.has(home) && this.#stays(home);
  }

  /** Leaves out extensions that nothing in the part needs, because the database is in use. */
  #leaveExtensions(): void {
    const needed = new Set(
      [...this.#restored].flatMap(({ kind, needs }) => (belonging.has(kind) ? [] : needs)),
    );
    const idle = [...this.#restored].filter(({ kind, id }) => kind === 'EXTENSION' && !needed.has(id));
    for (const extension of idle) this.#restored.delete(extension);
    for (const entry of [...this.#restored]) {
      const home = belonging.has(entry.kind) ? this.#findHome(entry) : undefined;
      if (home !== undefined && idle.includes(home)) this.#restored.delete(entry);
    }
  }

  /**
   * Finds what an entry belongs to. It may need other entries, too, such as the function that a trigger
   * calls.
   */
  #findHome(entry: ArchiveEntry): ArchiveEntry | undefined {
    const owners = entry.needs
      .map((id) => this.#byId.get(id))
      .filter((need) => need !== undefined)
      .filter(({ kind }) => kind !== 'SCHEMA' || entry.schema === undefined);
    const inSchema = owners.filter(({ schema }) => schema === entry.schema);
    return (
      inSchema.find(({ name }) => name === entry.name) ??
      inSchema
        .filter(({ name }) => entry.name.startsWith(`${name} `))
        .toSorted((one, other) => other.name.length - one.name.length)[0] ??
      owners.find(({ kind }) => relations.has(kind)) ??
      owners[0]
    );
  }
}

function describeKept(entries: readonly ArchiveEntry[]): string {
  const names = entries.slice(0, shown).map(describeEntry).join(', ');
  const more = entries.length - shown;
  return `kept as the target has them: ${names}${more > 0 ? ` and ${more} more` : ''}`;
}
