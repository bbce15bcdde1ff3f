import type { LeftOut, RestoreSelection } from '../../parity/scope.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import { createSelection, findUnmatched, type Selection } from '../../values/table-patterns.ts';

const relations = new Set(['TABLE', 'FOREIGN TABLE', 'VIEW', 'MATERIALIZED VIEW', 'SEQUENCE']);

/** Kinds that belong to another object and come with it. Patterns never choose them by name. */
const satellites = new Set([
  'DEFAULT',
  'CONSTRAINT',
  'CHECK CONSTRAINT',
  'FK CONSTRAINT',
  'INDEX',
  'INDEX ATTACH',
  'TABLE ATTACH',
  'TRIGGER',
  'POLICY',
  'ROW SECURITY',
  'RULE',
  'STATISTICS',
  'SEQUENCE OWNED BY',
  'SEQUENCE SET',
  'COMMENT',
  'ACL',
  'SECURITY LABEL',
  'MATERIALIZED VIEW DATA',
  'STATISTICS DATA',
  'TABLE DATA',
]);

/** Kinds that belong to the whole database, and are restored only with all of it. */
const wholeDatabase = new Set([
  'DEFAULT ACL',
  'EVENT TRIGGER',
  'PUBLICATION',
  'PUBLICATION TABLE',
  'PUBLICATION TABLES IN SCHEMA',
  'SUBSCRIPTION',
  'SUBSCRIPTION TABLE',
  'BLOB',
  'BLOBS',
  'BLOB METADATA',
  'BLOB COMMENTS',
  'DATABASE',
  'DATABASE PROPERTIES',
]);

/** The patterns of a part, as tests of a name */
export interface Choice {
  readonly isChosen: Selection;
  /** Whether a pattern of `exclude` matches */
  readonly isExcluded: Selection;
}

export function createChoice({
  include,
  exclude,
}: Readonly<Record<'include' | 'exclude', readonly string[]>>): Choice {
  const isSpared = createSelection([], exclude);
  return { isChosen: createSelection(include, exclude), isExcluded: (table) => !isSpared(table) };
}

/** Everything in the archive. */
export function selectAll(
  contents: readonly ArchiveEntry[],
  tables: readonly { oid: number }[],
): RestoreSelection {
  return {
    entries: contents,
    tables: new Set(tables.map((table) => table.oid)),
    leftOut: [],
    definitionsOnly: [],
  };
}

/**
 * Selects the chosen tables, views, functions and types; everything that they need (schemas, types,
 * functions, sequences, parents); and what belongs to them (constraints, indexes, triggers, policies, grants,
 * comments), as far as its own needs are met. Most often, a foreign key to a table that is not restored is
 * left out.
 *
 * @param names exact names of the tables by oid, because the archive's listing does not quote names
 */
export function selectPart(
  contents: readonly ArchiveEntry[],
  names: ReadonlyMap<number, { schema: string; name: string }>,
  choice: Choice,
): RestoreSelection {
  const byId = new Map(contents.map((entry) => [entry.id, entry]));
  const chosen = chooseEntries(contents, byId, names, choice);
  const extensions = contents.filter((entry) => entry.kind === 'EXTENSION');
  const selection = new Closure(byId, chosen, extensions);
  for (const extension of extensions) selection.addNeeds(extension);
  const leftOut = new Map<ArchiveEntry, ArchiveEntry>();
  for (const entry of chosen) {
    const missing = selection.add(entry);
    if (missing) leftOut.set(entry, missing);
  }
  // Satellites of satellites (a comment on an index) follow in later rounds.
  for (let before = -1; before !== selection.size; ) {
    before = selection.size;
    for (const entry of contents) {
      if (leftOut.has(entry) || !selection.isOwned(entry)) continue;
      const missing = selection.add(entry);
      if (missing) leftOut.set(entry, missing);
    }
  }
  const entries = contents.filter((entry) => selection.has(entry));
  const tables = entries.filter((entry) => entry.kind === 'TABLE' && chosen.has(entry));
  return {
    entries,
    tables: new Set(tables.map((entry) => entry.oid)),
    leftOut: [...leftOut].map(([entry, needs]) => ({ entry, needs })),
    definitionsOnly: entries.filter((entry) => entry.kind === 'TABLE' && !chosen.has(entry)),
  };
}

type EntriesById = ReadonlyMap<number, ArchiveEntry>;

/** Entries that match the patterns, and the partitions of matching tables. */
function chooseEntries(
  contents: readonly ArchiveEntry[],
  byId: EntriesById,
  names: ReadonlyMap<number, { schema: string; name: string }>,
  { isChosen, isExcluded }: Choice,
): Set<ArchiveEntry> {
  const called = (entry: ArchiveEntry) => names.get(entry.oid) ?? nameOf(entry);
  const goesWith = readSequenceOwners(contents, byId);
  const chosen = new Set(
    contents.filter((entry) => {
      const owner = goesWith.get(entry);
      return isChoosable(entry) && isChosen(called(entry)) && !(owner && isExcluded(called(owner)));
    }),
  );
  // Choosing a partitioned table chooses its partitions at every level; each has an entry of its own in the
  // archive.
  const attachments = contents.filter((entry) => entry.kind === 'TABLE ATTACH');
  for (let before = -1; before !== chosen.size; ) {
    before = chosen.size;
    for (const attachment of attachments) {
      const [child, parent] = attachment.needs.map((id) => byId.get(id));
      if (child && parent && chosen.has(parent)) chosen.add(child);
    }
  }
  return chosen;
}

/** Entries that can be restored together: each has all that it needs. */
class Closure {
  readonly #byId: EntriesById;
  readonly #chosen: ReadonlySet<ArchiveEntry>;
  readonly #selected: Set<ArchiveEntry>;

  /** @param always selected even where what they need is not */
  constructor(byId: EntriesById, chosen: ReadonlySet<ArchiveEntry>, always: readonly ArchiveEntry[]) {
    this.#byId = byId;
    this.#chosen = chosen;
    this.#selected = new Set(always);
  }

  get size(): number {
    return this.#selected.size;
  }

  has(entry: ArchiveEntry): boolean {
    return this.#selected.has(entry);
  }

  /** Adds an entry with all that it needs. Adds nothing when a need cannot be met, and returns that need. */
  add(entry: ArchiveEntry): ArchiveEntry | undefined {
    const closure = new Set<ArchiveEntry>();
    const missing = this.#collect(entry, closure);
    if (missing) return missing;
    for (const member of closure) this.#selected.add(member);
    return undefined;
  }

  /** Adds each need of an entry that can be met. */
  addNeeds(entry: ArchiveEntry): void {
    for (const id of entry.needs) {
      const need = this.#byId.get(id);
      if (need) this.add(need);
    }
  }

  /** Whether an entry that is not selected belongs to one that is. */
  isOwned(entry: ArchiveEntry): boolean {
    if (!this.#isSatellite(entry) || this.has(entry)) return false;
    return entry.needs
      .map((id) => this.#byId.get(id))
      .some(
        (need) =>
          need !== undefined &&
          this.has(need) &&
          // Its schema is where it lives, not what it belongs to.
          !(need.kind === 'SCHEMA' && entry.schema !== undefined),
      );
  }

  /**
   * An identity column's sequence is a part of its table: dumped as `ALTER TABLE … ADD GENERATED`, it needs
   * the table.
   */
  #isSatellite(entry: ArchiveEntry): boolean {
    if (entry.kind === 'SEQUENCE') return entry.needs.some((id) => this.#byId.get(id)?.kind === 'TABLE');
    return satellites.has(entry.kind);
  }

  #collect(entry: ArchiveEntry, closure: Set<ArchiveEntry>): ArchiveEntry | undefined {
    if (this.has(entry) || closure.has(entry)) return undefined;
    closure.add(entry);
    for (const id of entry.needs) {
      const need = this.#byId.get(id);
      if (!need || this.has(need)) continue;
      if (!this.#mayBring(entry, need)) return need;
      const missing = this.#collect(need, closure);
      if (missing) return missing;
    }
    return undefined;
  }

  /**
   * Whether an entry may bring along a need that was not chosen. Another relation comes only with a table, as
   * an empty definition; a sequence may come with any entry, such as a default.
   */
  #mayBring(entry: ArchiveEntry, need: ArchiveEntry): boolean {
    if (this.#chosen.has(need) || need.kind === 'SEQUENCE') return true;
    if (wholeDatabase.has(need.kind)) return false;
    return !relations.has(need.kind) || entry.kind === 'TABLE';
  }
}

/** Maps each sequence that a column owns to its table: excluding the table excludes the sequence. */
function readSequenceOwners(
  contents: readonly ArchiveEntry[],
  byId: ReadonlyMap<number, ArchiveEntry>,
): Map<ArchiveEntry, ArchiveEntry> {
  const owned = contents.filter(({ kind }) => kind === 'SEQUENCE OWNED BY');
  const find = (needs: readonly number[], kind: string) =>
    needs.map((id) => byId.get(id)).find((part) => part?.kind === kind);
  return new Map(
    owned.flatMap(({ needs }) => {
      const sequence = find(needs, 'SEQUENCE');
      const table = sequence && find(sequence.needs, 'TABLE');
      return sequence && table ? [[sequence, table]] : [];
    }),
  );
}

/**
 * Finds the patterns that match nothing in the archive that can be chosen.
 *
 * @param names as of `selectPart`
 */
export function findUnmatchedIn(
  contents: readonly ArchiveEntry[],
  names: ReadonlyMap<number, { schema: string; name: string }>,
  patterns: readonly string[],
): string[] {
  const choosable = contents.filter(isChoosable).map((entry) => names.get(entry.oid) ?? nameOf(entry));
  return findUnmatched(patterns, [...choosable, ...names.values()]);
}

function isChoosable(entry: ArchiveEntry): boolean {
  return entry.schema !== undefined && !satellites.has(entry.kind) && !wholeDatabase.has(entry.kind);
}

/** The name without the argument types, which follow the name of a function. */
function nameOf(entry: ArchiveEntry): { schema: string; name: string } {
  return { schema: entry.schema ?? '', name: entry.name.replace(/\(.*$/s, '') };
}

/**
 * Returns a test of whether an entry cannot exist without another that it needs. A partition can exist before
 * it is attached, and so can the sequence of a column before the column owns it.
 */
function findBonds(entries: readonly ArchiveEntry[]): (entry: ArchiveEntry, need: ArchiveEntry) => boolean {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const owners = readSequenceOwners(entries, byId);
  const attached = new Set(
    entries.filter(({ kind }) => kind === 'TABLE ATTACH').map(({ needs }) => needs.join(' ')),
  );
  return (entry, need) =>
    owners.get(entry) !== need && !(entry.kind === 'TABLE' && attached.has(`${entry.id} ${need.id}`));
}

/**
 * Reduces a selection for a server that lacks extensions: leaves out these, and what cannot exist without
 * them, directly or indirectly.
 *
 * @param missing names of extensions
 */
export function withoutExtensions(
  selection: RestoreSelection,
  missing: ReadonlySet<string>,
): RestoreSelection {
  if (missing.size === 0) return selection;
  const gone = new Map<number, ArchiveEntry>();
  const leftOut: LeftOut[] = [];
  for (const entry of selection.entries) {
    if (entry.kind === 'EXTENSION' && missing.has(entry.name)) gone.set(entry.id, entry);
  }
  const isBoundTo = findBonds(selection.entries);
  const byId = new Map(selection.entries.map((entry) => [entry.id, entry]));
  const ownership = new Map(
    selection.entries
      .filter(({ kind }) => kind === 'SEQUENCE OWNED BY')
      .flatMap((entry) => entry.needs.map((id) => [id, entry] as const)),
  );
  // In a circle of dependencies an entry may precede what it needs, so one pass is not enough.
  for (let before = -1; before !== gone.size; ) {
    before = gone.size;
    for (const entry of selection.entries) {
      const needs = entry.needs
        .map((id) => gone.get(id))
        .find((need) => need !== undefined && isBoundTo(entry, need));
      if (needs === undefined || gone.has(entry.id)) continue;
      gone.set(entry.id, entry);
      leftOut.push({ entry, needs });
    }
  }
  // Only its name tells that a user mapping needs a server; pg_dump records no dependency.
  for (const entry of selection.entries.filter(({ kind }) => kind === 'USER MAPPING')) {
    const needs = [...gone.values()].find(
      ({ kind, name }) => kind === 'SERVER' && entry.name.endsWith(` SERVER ${name}`),
    );
    if (needs === undefined) continue;
    gone.set(entry.id, entry);
    leftOut.push({ entry, needs });
  }
  // A sequence is restored without its table, and then no column owns it.
  for (const [sequence, table] of readSequenceOwners(selection.entries, byId)) {
    const owning = gone.has(table.id) ? ownership.get(sequence.id) : undefined;
    if (owning === undefined || gone.has(owning.id)) continue;
    gone.set(owning.id, owning);
    leftOut.push({ entry: owning, needs: table });
  }
  const remains = (entry: ArchiveEntry) => !gone.has(entry.id);
  const tables = new Set(selection.tables);
  for (const entry of gone.values()) if (entry.kind === 'TABLE') tables.delete(entry.oid);
  return {
    entries: selection.entries.filter(remains),
    tables,
    leftOut: [...selection.leftOut, ...leftOut],
    definitionsOnly: selection.definitionsOnly.filter(remains),
  };
}
