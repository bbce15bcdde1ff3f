import type { Manifest, TableEntry } from '../format/manifest.ts';
import { qualifiedName } from '../postgres/catalog/tables.ts';
import { type ArchiveEntry, describeEntry } from '../postgres/client/table-of-contents.ts';
import { isPlatformRole, isPlatformSchema, isPlatformState } from './managed-schemas.ts';
import { addable, adviseOn, attached, bringRows, isAbout, isTransientPart } from './project-entries.ts';
import type { TargetCatalog } from './target-catalog.ts';
import { bringSecretsByHand, isVault } from './vault.ts';

/** Of an entry, or of the rows of a table; `lost` where the target lacks what the backup has */
type Omission = Manifest['notCarried'][number] & {
  readonly lost?: true;
  readonly of: ArchiveEntry | TableEntry;
};

/** Rows that go into a table which the target has already. */
export interface PresentTable {
  readonly table: TableEntry;
  /** Columns of the backup that it lacks */
  readonly missing: readonly string[];
}

/** What of a backup goes into a project that keeps its own definitions. */
export interface ProjectSelection {
  /** In the archive's order */
  readonly entries: readonly ArchiveEntry[];
  /** Tables that this restore creates: they are empty */
  readonly created: readonly TableEntry[];
  readonly present: readonly PresentTable[];
  /** Rows of Vault, which nobody may insert there */
  readonly secrets: ArchiveEntry | undefined;
  /** Tables whose rows are lost, with the reason among `notCarried` */
  readonly lost: readonly TableEntry[];
  readonly notCarried: readonly Omission[];
  /** What differs from the source without loss */
  readonly notes: readonly string[];
}

/**
 * `restore`: it is brought, as far as the server lets it. `present`: the target has it, or has what it belongs to, and the target's counts.
 * `lost`: the target lacks it and does not get it.
 */
type Verdict = 'restore' | 'present' | 'lost';

export interface ProjectOptions {
  /** Roles that the connected one can act as */
  readonly assumable: ReadonlySet<string>;
  readonly extensions: Manifest['facts']['extensions'];
  /** How many rows of extensions' tables the archive has, by id of the entry */
  readonly archivedRows: ReadonlyMap<number, number>;
}

/**
 * Selects what goes into a project. Definitions of managed schemas are the target's; what the user has added to them is brought, and so
 * is everything else, as far as the server allows it to a role that is no superuser.
 *
 * @param tables those whose rows are wanted
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
  /** By the table's oid in the source */
  readonly #tableVerdicts = new Map<number, Verdict>();
  readonly #target: TargetCatalog;
  /** Schemas of the platform, of the target or missing there */
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

  /** Decides about an entry; to be asked in the archive's order. */
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
        // Jobs are scheduled anew, under numbers of the target's own.
        return entry.schema === 'cron' ? 'present' : 'restore';
      case 'DEFAULT ACL':
        return this.#decideDefaults(entry);
      default:
        return this.#decideObject(entry);
    }
  }

  /** A part of the platform that is off in the target: made by hand it would stand in the way of the true one. */
  #decideSchema(entry: ArchiveEntry): Verdict {
    if (this.#target.has(entry)) return 'present';
    if (!isPlatformSchema(entry.name, entry.owner)) return 'restore';
    this.#managed.add(entry.name);
    this.notCarried.push({
      ...{ what: describeEntry(entry), of: entry },
      why: 'it is a part of the platform that the target does not have, or that is not enabled there',
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
        why: `the target's version of the platform has no such table; its ${rows} rows are lost`,
        remedy: 'Upgrade the target project and restore again, if the rows are needed.',
        lost: true,
      });
    }
    return 'lost';
  }

  /** Of what says something about the platform itself, or means nothing in another project, none is lost. */
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

  /** Whether something in a managed schema is the user's, or may be. */
  #isAdded(entry: ArchiveEntry): boolean {
    return addable.has(entry.kind) || !isPlatformRole(entry.owner);
  }

  /** A trigger of the platform calls a function of the platform. */
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
    // What an extension has made has no entry of its own, and comes with the grants of the target.
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

  /** Configuration that an extension keeps in tables of its own. Jobs of pg_cron are scheduled again by its functions. */
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

  /** They concern only what that role will create, which on a platform is the platform's affair. */
  #decideDefaults(entry: ArchiveEntry): Verdict {
    if (this.#assumable.has(entry.owner) || !isPlatformRole(entry.owner)) return 'restore';
    const where = entry.schema === undefined ? '' : ` in schema ${entry.schema}`;
    this.notes.push(
      `default privileges of ${entry.owner}${where} (${entry.name}): the target keeps those of its platform`,
    );
    return 'present';
  }

  /** What belongs to something of the platform goes with it and is told with it; what is the user's is told by its own name. */
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

  /** Where the rows go, once all entries have been decided about. */
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
      why: `the connected role may not insert into that table of the target; ${rows} rows are lost`,
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
