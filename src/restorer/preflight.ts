import type { Manifest } from '../format/manifest.ts';
import type { Session } from '../postgres/session/connection.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import type { TargetKind } from '../supabase/target-kind.ts';
import { findExistingObjects, refuseExistingObjects } from './existing-objects.ts';

/**
 * Checks that the backup can be restored there, before anything is created.
 *
 * @param occupied whether a database that is not empty is refused
 * @throws ConfigurationError, one cause at a time: an older server, another encoding, a database that is not
 * empty
 */
export async function checkTarget(
  session: Session,
  manifest: Manifest,
  kind: TargetKind,
  occupied: 'refuse' | 'accept' = 'refuse',
): Promise<void> {
  checkVersion(session, manifest);
  await checkEncoding(session, manifest);
  if (occupied === 'refuse') refuseExistingObjects(await findExistingObjects(session, kind), kind);
}

function checkVersion(session: Session, manifest: Manifest): void {
  const target = Math.floor(session.serverVersion / 10000);
  const source = Math.floor(manifest.source.serverVersion / 10000);
  if (target >= source) return;
  throw new ConfigurationError(
    say`${nameInput('target-url')}: the server is PostgreSQL ${target}, and the backup comes from PostgreSQL ${source}`,
    `Restore into PostgreSQL ${source} or newer.`,
  );
}

async function checkEncoding(session: Session, manifest: Manifest): Promise<void> {
  const [row] = await session.query<{ encoding: string }>(
    'SELECT pg_encoding_to_char(encoding) AS encoding FROM pg_database WHERE datname = current_database()',
  );
  const encoding = row?.encoding ?? '';
  // SQL_ASCII means bytes of no known encoding. They fit only a target that does not interpret bytes either,
  // and such a target fits only them.
  if ((manifest.source.encoding === 'SQL_ASCII') === (encoding === 'SQL_ASCII')) return;
  throw new ConfigurationError(
    say`${nameInput('target-url')}: the database has encoding ${encoding}, and the backup holds text in ${manifest.source.encoding}`,
    `Create the target with: CREATE DATABASE … TEMPLATE template0 ENCODING '${manifest.source.encoding}'.`,
  );
}

/** Extensions of the backup that cannot be created on this server, because their files are not there. */
export async function findMissingExtensions(session: Session, manifest: Manifest): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>(
    'SELECT name FROM pg_available_extensions UNION SELECT extname FROM pg_extension',
  );
  const there = new Set(rows.map((row) => row.name));
  return new Set(manifest.facts.extensions.map(({ name }) => name).filter((name) => !there.has(name)));
}

/** Names of the schemas that are there already: their CREATE SCHEMA is skipped. */
export async function readSchemas(session: Session): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>('SELECT nspname AS name FROM pg_namespace');
  return new Set(rows.map((row) => row.name));
}

/**
 * Roles that the connected one can give objects to, or undefined for a superuser, who can give them to all.
 */
export async function readAssumableRoles(session: Session): Promise<Set<string> | undefined> {
  const privilege = session.serverVersion >= 160000 ? 'SET' : 'MEMBER';
  const rows = await session.query<{ name: string; superuser: boolean }>(`
    SELECT r.rolname AS name, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser
    FROM pg_roles r WHERE pg_has_role(r.oid, '${privilege}')`);
  return rows.some(({ superuser }) => superuser) ? undefined : new Set(rows.map(({ name }) => name));
}

/** Whether new sessions of this database start as those of a replica, with triggers and foreign keys off. */
export async function startsAsReplica(session: Session): Promise<boolean> {
  const [row] = await session.query<{ role: string }>(
    `SELECT reset_val AS role FROM pg_settings WHERE name = 'session_replication_role'`,
  );
  return row?.role === 'replica';
}
