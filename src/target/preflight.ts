import { ConfigurationError } from '../errors.ts';
import type { Session } from '../postgres/connection.ts';
import type { Manifest } from '../repository/manifest.ts';

/**
 * Makes sure that the backup can be restored there, before anything is created.
 *
 * @throws ConfigurationError, one cause at a time: an older server, another encoding, a database that is not empty, roles that are missing
 */
export async function checkTarget(session: Session, manifest: Manifest): Promise<void> {
  checkVersion(session, manifest);
  await checkEncoding(session, manifest);
  await checkEmpty(session);
  await checkRoles(session, manifest);
}

function checkVersion(session: Session, manifest: Manifest): void {
  const target = Math.floor(session.serverVersion / 10000);
  const source = Math.floor(manifest.source.serverVersion / 10000);
  if (target >= source) return;
  throw new ConfigurationError(
    `target-url: the server is PostgreSQL ${target}, and the backup comes from PostgreSQL ${source}`,
    `Restore into PostgreSQL ${source} or newer.`,
  );
}

async function checkEncoding(session: Session, manifest: Manifest): Promise<void> {
  const [row] = await session.query<{ encoding: string }>(
    'SELECT pg_encoding_to_char(encoding) AS encoding FROM pg_database WHERE datname = current_database()',
  );
  const encoding = row?.encoding ?? '';
  // SQL_ASCII means bytes of no known encoding, which go only where bytes are not looked at either, and the reverse.
  if ((manifest.source.encoding === 'SQL_ASCII') === (encoding === 'SQL_ASCII')) return;
  throw new ConfigurationError(
    `target-url: the database has encoding ${encoding}, and the backup holds text in ${manifest.source.encoding}`,
    `Create the target with: CREATE DATABASE … TEMPLATE template0 ENCODING '${manifest.source.encoding}'.`,
  );
}

/** Whatever a user can have made, outside of extensions. */
async function checkEmpty(session: Session): Promise<void> {
  const rows = await session.query<{ what: string; total: number }>(`
    SELECT what, count(*) OVER () AS total FROM (
      SELECT format('%s %I.%I', CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'table' END,
                    n.nspname, c.relname), 'pg_class'::regclass, c.oid
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      UNION ALL
      SELECT format('function %I.%I', n.nspname, p.proname), 'pg_proc'::regclass, p.oid
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      UNION ALL
      SELECT format('type %I.%I', n.nspname, t.typname), 'pg_type'::regclass, t.oid
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      UNION ALL
      SELECT 'large object ' || oid, 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata
    ) AS objects (what, class, oid)
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = class AND d.objid = objects.oid AND d.deptype = 'e')
    LIMIT 5`);
  if (rows.length === 0) return;
  const total = rows[0]?.total ?? 0;
  throw new ConfigurationError(
    `target-url: the database is not empty: it has ${rows.map((row) => row.what).join(', ')}${total > rows.length ? ` and ${total - rows.length} more objects` : ''}`,
    'Restore into a new database (CREATE DATABASE … TEMPLATE template0).',
  );
}

async function checkRoles(session: Session, manifest: Manifest): Promise<void> {
  const there = new Set(
    (await session.query<{ name: string }>('SELECT rolname AS name FROM pg_roles')).map((row) => row.name),
  );
  const missing = manifest.facts.roles.filter((name) => !there.has(name));
  if (missing.length === 0) return;
  throw new ConfigurationError(
    `target-url: the server lacks ${missing.length} roles that own things in this backup or are granted something: ${missing.join(', ')}`,
    `Create them first, for example: ${missing.map((name) => `CREATE ROLE "${name.replaceAll('"', '""')}";`).join(' ')}`,
  );
}

/** Extensions of the backup that cannot be created on this server, because their files are not there. */
export async function findMissingExtensions(session: Session, manifest: Manifest): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>('SELECT name FROM pg_available_extensions');
  const there = new Set(rows.map((row) => row.name));
  return new Set(manifest.facts.extensions.map(({ name }) => name).filter((name) => !there.has(name)));
}

/** Names of the schemas that are there already: their CREATE SCHEMA is skipped. */
export async function readSchemas(session: Session): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>('SELECT nspname AS name FROM pg_namespace');
  return new Set(rows.map((row) => row.name));
}
