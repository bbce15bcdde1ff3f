import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';

/* What entries of an archive are to a project that has definitions of its own. */

/** On a table of the platform these may be the user's, though the archive gives the table's owner for them. */
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

/** Come with what they are about. */
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

/** A part of the platform that is not there is enabled; one that is there and lacks something is older. */
export function adviseOn(schema: string): string {
  if (schema === 'supabase_functions') return 'Enable Database Webhooks in the target, and restore again.';
  return 'Enable what it belongs to in the target, or upgrade the target project, and restore again, if it is needed.';
}

/** A partition of `realtime.messages` for one day */
export function isTransientPart({ schema, name }: { schema?: string | undefined; name: string }): boolean {
  return schema === 'realtime' && /^messages_\d{4}_\d{2}_\d{2}(?!\w)/.test(name);
}

/** A default needs the sequence or the function that it calls, too, but belongs to its table. */
export function isAbout(entry: ArchiveEntry, need: ArchiveEntry): boolean {
  return entry.kind !== 'DEFAULT' || (need.schema === entry.schema && entry.name.startsWith(`${need.name} `));
}
