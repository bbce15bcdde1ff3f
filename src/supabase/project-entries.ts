import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';

/* Classifies entries of an archive for a project that has definitions of its own. */

/** On a platform's table these may be the user's, though the archive names the table's owner for them. */
export const addable = new Set([
  'POLICY',
  'TRIGGER',
  'RULE',
  'INDEX',
  'CONSTRAINT',
  'CHECK CONSTRAINT',
  'FK CONSTRAINT',
  'STATISTICS',
  'ROW SECURITY',
]);

/** Entries that follow the object that they are about. */
export const attached = new Set([
  'COMMENT',
  'ACL',
  'SECURITY LABEL',
  'SEQUENCE OWNED BY',
  'INDEX ATTACH',
  'TABLE ATTACH',
  'DEFAULT',
]);

export const bringRows =
  'Bring them in with the functions of the platform or of the extension, as a role that may.';

/**
 * The remedy for a missing part of the platform: a part that is absent has to be enabled, an incomplete one
 * is older.
 */
export function adviseOn(schema: string): string {
  if (schema === 'supabase_functions') return 'Enable Database Webhooks in the target and restore again.';
  return 'Enable the feature that it belongs to in the target, or upgrade the target project, and restore again, if you need it.';
}

/** A partition of `realtime.messages` for one day. */
export function isTransientPart({ schema, name }: { schema?: string | undefined; name: string }): boolean {
  return schema === 'realtime' && /^messages_\d{4}_\d{2}_\d{2}(?!\w)/.test(name);
}

/**
 * Whether an entry is about the object of another one. A default also needs the sequence or function that it
 * calls, but it belongs to its table.
 */
export function isAbout(entry: ArchiveEntry, need: ArchiveEntry): boolean {
  return entry.kind !== 'DEFAULT' || (need.schema === entry.schema && entry.name.startsWith(`${need.name} `));
}
