import type { Manifest, TableEntry } from '../format/manifest.ts';
import { qualifiedName } from '../postgres/catalog/tables.ts';
import { type ArchiveEntry, describeEntry } from '../postgres/client/table-of-contents.ts';
import { isPlatformRole, isPlatformSchema, isPlatformState } from './managed-schemas.ts';
import { addable, adviseOn, attached, bringRows, isAbout, isTransientPart } from './project-entries.ts';
import type { TargetCatalog } from './target-catalog.ts';
import { bringSecretsByHand, isVault } from './vault.ts';

/** About an entry, or about the rows of a table; `lost` where the target lacks what the backup has. */
type Omission = Manifest['notCarried'][number] & {
  readonly lost?: true;
  readonly of: ArchiveEntry | TableEntry;
};

/** Rows that go into an existing table of the target. */
export interface PresentTable {
  readonly table: TableEntry;
  /** Columns of the backup that the target's table lacks. */
  readonly missing: readonly string[];
}

/** What of a backup goes into a project that keeps its own definitions. */
export interface ProjectSelection {
  /** In the archive's order. */
  readonly entries: readonly ArchiveEntry[];
  /** Tables that this restore creates; they are empty. */
  readonly created: readonly TableEntry[];
  readonly present: readonly PresentTable[];
  /** Rows of Vault, into which no role may insert. */
  readonly secrets: ArchiveEntry | undefined;
  /** Tables whose rows are lost; `notCarried` has the reasons. */
  readonly lost: readonly TableEntry[];
  readonly notCarried: readonly Omission[];
  /** Differences from the source without a loss. */
  readonly notes: readonly string[];
}

/**
 * `restore`: the entry is restored, as far as the server allows. `present`: the target has it, or has the
 * object it belongs to, and keeps its own. `lost`: the target lacks it and does not get it.
 */
type Verdict = 'restore' | 'present' | 'lost';

export interface ProjectOptions {
  /** Roles that the connected role can act as. */
  readonly assumable: ReadonlySet<string>;
  readonly extensions: Manifest['facts']['extensions'];
  /** Number of rows that the archive has for extensions' tables, by id of the entry. */
  readonly archivedRows: ReadonlyMap<number, number>;
}

/**
 * Selects what goes into a project. Definitions of managed schemas are the target's. What the user has added
 * to them is restored, and so is everything else, as far as the server allows it to a role that is no
 * superuser.
 *
 * @param tables tables whose rows are wanted
 */
export function selectForProject(
  entries: readonly ArchiveEntry[],
  tables: readonly TableEntry[],
  target: TargetCatalog,
  options: ProjectOptions,
): ProjectSelection {
  const chooser = new Chooser(entries, tables, target, options);
  const brought = entries.filter((entry) => chooser.brings(entry));
  return {
    entries: brought,
    ...chooser.placeRows(),
    secrets: chooser.secrets,
    notCarried: chooser.notCarried,
    notes: chooser.notes,
  };
}

class Chooser {
  readonly notCarried: Omission[] = [];
  readonly notes: string[] = [];
  secrets: ArchiveEntry | undefined;
  readonly #byId: ReadonlyMap<number, ArchiveEntry>;
  readonly #verdicts = new Map<number, Verdict>();
  readonly #tables: ReadonlyMap<number, TableEntry>;
  /** By the table's oid in the source. */
  readonly #tableVerdicts = new Map<number, Verdict>();
  readonly #target: TargetCatalog;
  /** Schemas of the platform, present in the target or missing there. */
  readonly #managed: Set<string>;
  readonly #assumable: ReadonlySet<string>;
  readonly #versions: ReadonlyMap<string, string>;
  readonly #archivedRows: ReadonlyMap<number, number>;

  constructor(
    entries: readonly ArchiveEntry[],
    tables: readonly TableEntry[],
    target: TargetCatalog,
    options: ProjectOptions,
  ) {
    this.#byId = new Map(entries.map((entry) => [entry.id, entry]));
    this.#tables = new Map(tables.map((table) => [table.oid, table]));
    this.#target = target;
    this.#managed = new Set(target.managed);
    this.#assumable = options.assumable;
    this.#archivedRows = options.archivedRows;
    this.#versions = new Map(options.extensions.map(({ name, version }) => [name, version]));
  }

  verdictOn(entry: ArchiveEntry): Verdict | undefined {
    return this.#verdicts.get(entry.id);
  }

  /** Decides about an entry. Call it in the archive's order. */
  brings(entry: ArchiveEntry): boolean {
    const verdict = this.#decide(entry);
    this.#verdicts.set(entry.id, verdict);
    if (entry.kind === 'TABLE') this.#tableVerdicts.set(entry.oid, verdict);
    return verdict === 'restore';
  }

  #decide(entry: ArchiveEntry): Verdict {
    const lost = this.#needs(entry).find((need) => this.verdictOn(need) === 'lost');
    if (lost) return this.#loseWith(entry, lost);
    if (attached.has(entry.kind)) return this.#decideAttached(entry);
    switch (entry.kind) {
      case 'SCHEMA':
        return this.#decideSchema(entry);
      case 'EXTENSION':
        return this.#decideExtension(entry);
      case 'TABLE DATA':
        return this.#decideExtensionRows(entry);
      case 'SEQUENCE SET':
        // Jobs are scheduled anew, with the target's own numbers.
        return entry.schema === 'cron' ? 'present' : 'restore';
      case 'DEFAULT ACL':
        return this.#decideDefaults(entry);
      default:
        return this.#decideObject(entry);
    }
  }

  /**
   * Decides about a schema. A part of the platform that is disabled in the target is not created: a restored
   * copy would block the real one.
   */
  #decideSchema(entry: ArchiveEntry): Verdict {
    if (this.#target.has(entry)) return 'present';
    if (!isPlatformSchema(entry.name, entry.owner)) return 'restore';
    this.#managed.add(entry.name);
    this.notCarried.push({
      ...{ what: describeEntry(entry), of: entry },
      why: 'it is part of a platform feature that the target does not have or has not enabled',
      remedy: adviseOn(entry.name),
    });
    return 'lost';
  }

  #decideObject(entry: ArchiveEntry): Verdict {
    if (this.#target.has(entry)) return 'present';
    if (!this.#isManaged(entry)) return 'restore';
    if (entry.kind === 'TRIGGER' ? this.#callsUser(entry) : this.#isAdded(entry)) return 'restore';
    const rows = this.#countRows(entry);
    if (isTransientPart(entry)) {
      this.#tellTransient(entry, rows);
    } else if (rows === 0) {
      this.notes.push(
        `${describeEntry(entry)}: the platform's own, in a version that the target does not have`,
      );
    } else {
      this.notCarried.push({
        ...{ what: describeEntry(entry), of: entry },
        why: `the target's platform version has no such table; its ${rows} rows are lost`,
        remedy: 'Upgrade the target project and restore again, if you need the rows.',
        lost: true,
      });
    }
    return 'lost';
  }

  /** Rows that count as lost. Rows that describe the platform itself do not count. */
  #countRows(entry: ArchiveEntry): number {
    const table = entry.kind === 'TABLE' ? this.#tables.get(entry.oid) : undefined;
    return table === undefined || (this.#managed.has(table.schema) && isPlatformState(table))
      ? 0
      : table.rows;
  }

  #tellTransient(entry: ArchiveEntry, rows: number): void {
    if (rows === 0 || entry.kind !== 'TABLE') return;
    this.notCarried.push({
      ...{ what: describeEntry(entry), of: entry },
      why: `Realtime keeps the messages of a day in it, makes one for each day and drops it after some; ${rows} of that day are left out`,
      remedy: 'Nothing has to be done: they were sent when they were written.',
    });
  }

  /** Whether an object in a managed schema is, or may be, the user's. */
  #isAdded(entry: ArchiveEntry): boolean {
    return addable.has(entry.kind) || !isPlatformRole(entry.owner);
  }

  /** Whether a trigger calls a user's function; the platform's triggers call the platform's functions. */
  #callsUser(entry: ArchiveEntry): boolean {
    const called = this.#needs(entry).find((need) => need.kind === 'FUNCTION');
    return called === undefined || !this.#isManaged(called) || !isPlatformRole(called.owner);
  }

  #decideAttached(entry: ArchiveEntry): Verdict {
    const [, of, name = ''] = /^(EXTENSION|SCHEMA) (.*)$/s.exec(entry.name) ?? [];
    // An extension brings its own comment, and only its owner may change it.
    if (of === 'EXTENSION') return 'present';
    if (of === 'SCHEMA' && entry.schema === undefined) {
      return this.#managed.has(name) ? 'present' : 'restore';
    }
    const owners = this.#needs(entry).filter((need) => need.kind !== 'SCHEMA' && isAbout(entry, need));
    if (owners.some((owner) => this.verdictOn(owner) === 'present')) return 'present';
    // An extension's object has no entry of its own, and keeps the grants of the target.
    if (owners.length === 0 && this.#isMadeByExtension(entry)) return 'present';
    return 'restore';
  }

  #isMadeByExtension({ kind, schema, name }: ArchiveEntry): boolean {
    const [, of = '', object = ''] = /^(TABLE|VIEW|SEQUENCE|FUNCTION|PROCEDURE|TYPE) (.*)$/s.exec(name) ?? [];
    return kind === 'ACL' && this.#target.has({ kind: of, schema, name: object });
  }

  #decideExtension(entry: ArchiveEntry): Verdict {
    const found = this.#target.extensions.get(entry.name);
    if (found === undefined) return 'restore';
    const version = this.#versions.get(entry.name);
    if (version !== found) {
      this.notes.push(`extension ${entry.name}: version ${found}, where the source had ${version}`);
    }
    return 'present';
  }

  /**
   * Decides about configuration rows in tables of extensions. pg_cron's functions schedule its jobs again.
   */
  #decideExtensionRows(entry: ArchiveEntry): Verdict {
    if (entry.schema === 'cron') return 'present';
    const table = this.#target.findTable({ schema: entry.schema ?? '', name: entry.name });
    if (table === undefined || table.writable) return 'restore';
    const rows = this.#archivedRows.get(entry.id) ?? 0;
    if (rows === 0) return 'present';
    if (isVault(entry)) {
      this.secrets = entry;
      this.notes.push(
        `${describeEntry(entry)}: ${rows} are made anew with vault.create_secret(), where the target has the source's root key`,
      );
    } else this.#refuseRows(entry, describeEntry(entry), rows);
    return 'present';
  }

  /**
   * Default privileges concern only what that role will create; those of a platform's role are left to the
   * platform.
   */
  #decideDefaults(entry: ArchiveEntry): Verdict {
    if (this.#assumable.has(entry.owner) || !isPlatformRole(entry.owner)) return 'restore';
    const where = entry.schema === undefined ? '' : ` in schema ${entry.schema}`;
    this.notes.push(
      `default privileges of ${entry.owner}${where} (${entry.name}): the target keeps those of its platform`,
    );
    return 'present';
  }

  /**
   * Decides about an entry that needs a lost one. A part of a platform's object is covered by the message
   * about that object; a user's object gets a message of its own.
   */
  #loseWith(entry: ArchiveEntry, lost: ArchiveEntry): Verdict {
    const isPart = this.#isManaged(entry) && isPlatformRole(entry.owner) && entry.kind !== 'POLICY';
    const isOfPlatform = isPart && (entry.kind !== 'TRIGGER' || !this.#callsUser(entry));
    const rows = this.#countRows(entry);
    if (isOfPlatform && entry.kind !== 'SEQUENCE' && rows === 0) return 'lost';
    if (attached.has(entry.kind) && entry.kind !== 'DEFAULT') return 'lost';
    this.notCarried.push({
      ...{ what: describeEntry(entry), of: entry },
      why: `it needs ${describeEntry(lost)}, which the target does not have${rows > 0 ? `; its ${rows} rows are lost` : ''}`,
      remedy: adviseOn(lost.kind === 'SCHEMA' ? lost.name : (lost.schema ?? '')),
      lost: true,
    });
    return 'lost';
  }

  /** Decides where the rows go, after all entries have been decided about. */
  placeRows(): Pick<ProjectSelection, 'created' | 'present' | 'lost'> {
    const created: TableEntry[] = [];
    const present: PresentTable[] = [];
    const lost: TableEntry[] = [];
    const kept: string[] = [];
    for (const table of this.#tables.values()) {
      const verdict = this.#tableVerdicts.get(table.oid);
      const there = this.#target.findTable(table);
      if (verdict === 'restore') created.push(table);
      else if (verdict === 'lost' && isTransientPart(table)) continue;
      else if (verdict === 'lost' && this.#managed.has(table.schema) && isPlatformState(table)) continue;
      else if (verdict === 'lost' && table.rows > 0) lost.push(table);
      else if (verdict !== 'present' || there === undefined) continue;
      else if (this.#managed.has(table.schema) && isPlatformState(table)) kept.push(qualifiedName(table));
      else if (table.schema === 'cron') kept.push(qualifiedName(table));
      else if (there.writable || table.rows === 0) {
        present.push({ table, missing: table.columns.filter((column) => !there.columns.includes(column)) });
      } else {
        this.#refuseRows(table, `rows of ${qualifiedName(table)}`, table.rows);
        lost.push(table);
      }
    }
    if (kept.length > 0) this.notes.push(`rows of ${kept.join(', ')}: the target keeps its own`);
    return { created, present, lost };
  }

  #refuseRows(table: ArchiveEntry | TableEntry, what: string, rows: number): void {
    this.notCarried.push({
      ...{ what, of: table },
      why: `the connected role cannot insert into that table of the target; ${rows} rows are lost`,
      remedy: isVault(table) ? bringSecretsByHand : bringRows,
      lost: true,
    });
  }

  #needs(entry: ArchiveEntry): ArchiveEntry[] {
    return entry.needs.map((id) => this.#byId.get(id)).filter((need) => need !== undefined);
  }

  #isManaged(entry: ArchiveEntry): boolean {
    return entry.schema !== undefined && this.#managed.has(entry.schema);
  }
}
