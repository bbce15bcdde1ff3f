import type { Manifest, TableEntry } from '../format/manifest.ts';
import type { Omission, RestoreSelection } from '../parity/scope.ts';
import { about } from '../parity/subject.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import type { Session } from '../postgres/session/connection.ts';
import { type ImagePlan, planImage } from '../supabase/image.ts';
import { type PresentTable, selectForProject } from '../supabase/project-selection.ts';
import { readTargetCatalog } from '../supabase/target-catalog.ts';
import type { TargetKind } from '../supabase/target-kind.ts';
import { readAssumableRoles, readSchemas } from './preflight.ts';

/** Which entries are restored where, and which are left out. */
export interface Placement {
  /** In the archive's order */
  readonly entries: readonly ArchiveEntry[];
  readonly image: ImagePlan | undefined;
  /** Tables that the restore creates */
  readonly created: readonly TableEntry[];
  /** Tables that the target has */
  readonly present: readonly PresentTable[];
  /** Rows of Vault, which are restored through its functions */
  readonly secrets: ArchiveEntry | undefined;
  readonly selection: RestoreSelection;
  readonly tables: readonly TableEntry[];
  readonly notes: readonly string[];
  readonly managed: ReadonlySet<string>;
  readonly notCarried: readonly Omission[];
}

/** Decides which entries of a selection go into which kind of target, and how. */
export async function place(
  session: Session,
  kind: TargetKind,
  selection: RestoreSelection,
  { manifest, tables }: { readonly manifest: Manifest; readonly tables: readonly TableEntry[] },
  countRows: (entry: ArchiveEntry) => Promise<number>,
): Promise<Placement> {
  const schemas = await readSchemas(session);
  const whole = { selection, tables, created: tables, present: [], secrets: undefined };
  const plain = { ...whole, managed: new Set<string>(), notCarried: [], notes: [], image: undefined };
  if (kind === 'plain') {
    return { ...plain, entries: selection.entries.filter((entry) => !isThere(entry, schemas)) };
  }
  const target = await readTargetCatalog(session);
  if (kind === 'supabase-image') {
    const image = await planImage(session, selection.entries, target);
    for (const schema of image.schemas) schemas.delete(schema);
    return { ...plain, image, entries: selection.entries.filter((entry) => !isThere(entry, schemas)) };
  }
  const archivedRows = new Map<number, number>();
  for (const entry of selection.entries) {
    if (entry.kind === 'TABLE DATA' && entry.schema !== 'cron') {
      archivedRows.set(entry.id, await countRows(entry));
    }
  }
  const chosen = selectForProject(selection.entries, tables, target, {
    archivedRows,
    assumable: (await readAssumableRoles(session)) ?? new Set(manifest.facts.roles),
    extensions: manifest.facts.extensions,
  });
  const loaded = [...chosen.created, ...chosen.present.map(({ table }) => table)];
  const oids = new Set(loaded.map(({ oid }) => oid));
  return {
    ...chosen,
    notCarried: chosen.notCarried.map(({ of, ...omission }) => ({
      ...omission,
      ...about('kind' in of ? { kind: 'entry', entry: of } : { kind: 'rows', table: of }),
    })),
    image: undefined,
    selection: { ...selection, entries: chosen.entries, tables: oids },
    tables: [...loaded, ...chosen.lost],
    managed: target.managed,
  };
}

/**
 * Whether the target has the schema of an entry already. `public` does not count: every database has it, and
 * pg_dump writes only its owner.
 */
function isThere(entry: ArchiveEntry, schemas: ReadonlySet<string>): boolean {
  return entry.kind === 'SCHEMA' && entry.name !== 'public' && schemas.has(entry.name);
}
