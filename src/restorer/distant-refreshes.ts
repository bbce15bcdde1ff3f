import type { Omission } from '../parity/scope.ts';
import { about } from '../parity/subject.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';

/**
 * Finds refreshes of materialized views that would query another server through foreign tables: it may be in
 * production.
 */
export function findDistant(entries: readonly ArchiveEntry[]): Set<ArchiveEntry> {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const asks = new Map<ArchiveEntry, boolean>();
  const asksOthers = (entry: ArchiveEntry): boolean => {
    const known = asks.get(entry);
    if (known !== undefined) return known;
    asks.set(entry, false);
    const found =
      entry.kind === 'FOREIGN TABLE' || entry.needs.some((id) => asksOthers(byId.get(id) ?? entry));
    asks.set(entry, found);
    return found;
  };
  return new Set(entries.filter((entry) => entry.kind === 'MATERIALIZED VIEW DATA' && asksOthers(entry)));
}

export function describeDistant(entry: ArchiveEntry): Omission {
  return {
    ...about({ kind: 'entry', entry }),
    why: 'it uses foreign tables, and a drill does not connect to foreign servers',
    remedy: 'A restore into a permanent database does this.',
  };
}
