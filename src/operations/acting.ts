import type { ArchiveEntry } from '../postgres/archive.ts';
import { formatCount, formatCounted } from '../report/quantity.ts';
import type { Supplement } from '../repository/supplement.ts';

const routines = new Set(['FUNCTION', 'PROCEDURE']);

/** So many owners are named, those of the most functions first. */
const shownOwners = 5;

/**
 * Says whose functions a superuser's session will run. PostgreSQL runs a function as whoever evaluates the expression that calls it,
 * and a restore evaluates checks, generated columns, index expressions, policies and materialized views; the manual of pg_dump warns of it.
 * Undefined where all are of roles that were superusers in the source, and could do as much there.
 *
 * @param role that the restore connects as, a superuser
 */
export function describeActing(
  role: string,
  entries: readonly Pick<ArchiveEntry, 'kind' | 'owner'>[],
  { roles }: Pick<Supplement, 'roles'>,
): string | undefined {
  const trusted = new Set(roles.filter(({ superuser }) => superuser).map(({ name }) => name));
  const counts = new Map<string, number>();
  for (const { kind, owner } of entries) {
    if (routines.has(kind) && !trusted.has(owner)) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  if (counts.size === 0) return undefined;
  const owners = [...counts].sort(([, one], [, other]) => other - one);
  const shown = owners.slice(0, shownOwners).map(([owner, count]) => `${owner} (${formatCount(count)})`);
  const more =
    owners.length > shownOwners ? ` and ${formatCounted(owners.length - shownOwners, 'role')} more` : '';
  return (
    `Functions of the backup run as ${role}, a superuser, where checks, generated columns, indexes, policies or materialized views call them. ` +
    `They belong to ${shown.join(', ')}${more}. Where you do not trust these roles with the server, restore as a role that is no superuser, into a server that holds nothing else.`
  );
}
