import type { Session } from '../postgres/connection.ts';
import { quoteIdentifier } from '../postgres/identifier.ts';
import type { Manifest } from '../repository/manifest.ts';

/** Roles that something in the backup belongs to or is granted to, and that the server does not have. */
export async function findMissingRoles(session: Session, manifest: Manifest): Promise<string[]> {
  const rows = await session.query<{ name: string }>('SELECT rolname AS name FROM pg_roles');
  const there = new Set(rows.map((row) => row.name));
  return manifest.facts.roles.filter((name) => !there.has(name));
}

/** Creates roles that own and are granted things, and can do nothing else: they cannot log in. */
export async function createRoles(session: Session, names: readonly string[]): Promise<void> {
  for (const name of names) await session.query(`CREATE ROLE ${quoteIdentifier(name)} NOLOGIN`);
}
