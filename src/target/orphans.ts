import { type ArchiveEntry, describeEntry } from '../postgres/archive.ts';
import type { Session } from '../postgres/connection.ts';
import { readTargetCatalog, type TargetCatalog } from '../supabase/target-catalog.ts';
import type { NotCarried } from './attempt.ts';

const kinds = new Set(['ACL', 'COMMENT', 'SECURITY LABEL', 'SEQUENCE SET', 'TABLE DATA']);

/**
 * Entries about something that an extension makes: it has no entry of its own, and the archive does not say which extension it is. A
 * database may have that without these, and where the extension cannot be created they cannot be restored.
 */
export function findOrphans(contents: readonly ArchiveEntry[]): ArchiveEntry[] {
  const ids = new Set(contents.map(({ id }) => id));
  return contents.filter(
    ({ kind, needs }) => kinds.has(kind) && needs.length > 0 && !needs.some((id) => ids.has(id)),
  );
}

/** Those of the orphans that are about nothing that is there, once all definitions have been made; and what to say of them. */
export async function findUnfounded(
  session: Session,
  orphans: readonly ArchiveEntry[],
): Promise<{ unfounded: ReadonlySet<ArchiveEntry>; notCarried: NotCarried[] }> {
  if (orphans.length === 0) return { unfounded: new Set(), notCarried: [] };
  const target = await readTargetCatalog(session);
  const unfounded = orphans.filter((entry) => !isFounded(entry, target));
  const [others, rows] = [false, true].map((wanted) =>
    unfounded.filter(({ kind }) => (kind === 'TABLE DATA') === wanted),
  ) as [ArchiveEntry[], ArchiveEntry[]];
  const why = 'it belongs to an extension that could not be created, or is another version there';
  const remedy = 'Restore into a server that has the extension.';
  return {
    unfounded: new Set(unfounded),
    notCarried: [
      ...rows.map((entry) => ({ what: describeEntry(entry), why, remedy })),
      ...(others.length === 0
        ? []
        : [{ what: `grants and comments on ${others.length} objects of extensions`, why, remedy }]),
    ],
  };
}

/** Where the listing does not tell what it is about, the server is asked. */
function isFounded(entry: ArchiveEntry, target: TargetCatalog): boolean {
  const { kind, schema, name } = entry;
  if (kind === 'TABLE DATA') return target.has({ kind: 'TABLE', schema, name });
  if (kind === 'SEQUENCE SET') return target.has({ kind: 'SEQUENCE', schema, name });
  const [, of = '', object = ''] = /^(TABLE|SEQUENCE|FUNCTION|TYPE|SCHEMA) (.*)$/s.exec(name) ?? [];
  return of === '' || target.has({ kind: of, schema, name: object });
}
