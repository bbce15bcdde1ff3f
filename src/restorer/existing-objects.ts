import { recordsSchemas } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { formatCounted } from '../report/quantity.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { isPlatformRole, isUserData, readManagedSchemas } from '../supabase/managed-schemas.ts';
import type { TargetKind } from '../supabase/target-kind.ts';
import { findWithRows } from './filled-tables.ts';

/** Something that the target holds already: an object of a user, or a user's rows. */
export interface ExistingObject {
  /** For people */
  readonly what: string;
  /** Empty for objects in no schema */
  readonly schema: string;
  /** Whether these are rows, in a table of the platform */
  readonly areRows: boolean;
}

interface FoundObject extends Omit<ExistingObject, 'areRows'> {
  readonly owner: string;
  /**
   * Whether it is attached to a table, as triggers and policies are: on a table of the platform it may still
   * be the user's.
   */
  readonly added: boolean;
  /** Whether the platform may have created it as `postgres` */
  readonly helper: boolean;
  /** Whether it can hold rows */
  readonly holder: boolean;
}

/** Everything that a user can have created, outside of extensions. */
const objectsQuery = `
  SELECT what, schema, owner, added, helper, holder FROM (
    SELECT format('%s %I.%I', CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'table' END,
                  n.nspname, c.relname),
           n.nspname, pg_get_userbyid(c.relowner), false, false, c.relkind IN ('r', 'p', 'm', 'f'),
           -- Whether a composite type is an extension's is recorded with the type and not with its relation.
           CASE c.relkind WHEN 'c' THEN 'pg_type'::regclass ELSE 'pg_class'::regclass END, CASE c.relkind WHEN 'c' THEN c.reltype ELSE c.oid END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    UNION ALL
    SELECT format('function %I.%I', n.nspname, p.proname), n.nspname, pg_get_userbyid(p.proowner), false,
           n.nspname IN ('graphql', 'graphql_public', 'pgbouncer') OR n.nspname = 'extensions' AND p.prorettype = 'event_trigger'::regtype
             OR n.nspname = 'auth' AND p.proname IN ('uid', 'role', 'email', 'jwt'), false, 'pg_proc'::regclass, p.oid
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    UNION ALL
    SELECT format('type %I.%I', n.nspname, t.typname), n.nspname, pg_get_userbyid(t.typowner), false, false, false, 'pg_type'::regclass, t.oid
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    UNION ALL
    SELECT 'large object ' || oid, '', '', false, false, false, 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata
  ) AS objects (what, schema, owner, added, helper, holder, class, oid)
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = class AND d.objid = objects.oid AND d.deptype = 'e')
  UNION ALL
  SELECT format('trigger %I on %I.%I', t.tgname, n.nspname, c.relname), n.nspname, pg_get_userbyid(p.proowner), true, false, false
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid
  WHERE NOT t.tgisinternal AND p.pronamespace <> 'pg_catalog'::regnamespace
  UNION ALL
  SELECT format('policy %I on %I.%I', p.polname, n.nspname, c.relname), n.nspname, '', true, false, false
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname <> 'cron'`;

/**
 * Finds what keeps a target from being empty: objects that a user created, and what a user added to the
 * platform's schemas, rows included. The platform's own definitions and objects of extensions do not count,
 * nor do records of ours, which stay.
 */
export async function findExistingObjects(session: Session, kind: TargetKind): Promise<ExistingObject[]> {
  const all = await session.query<FoundObject & Record<string, unknown>>(objectsQuery);
  const records = (await session.query<{ name: string }>(recordsSchemas)).map(({ name }) => name);
  const objects = all.filter(({ schema }) => !records.includes(schema));
  if (kind === 'plain') return objects.filter(({ added }) => !added).map(toExistingObject);
  const managed = await readManagedSchemas(session);
  // In a container a user may work as the superuser, so that tables outside of the platform's schemas are the
  // user's, although they belong to a role of the platform.
  const isPlaced = ({ schema, holder }: FoundObject) =>
    kind === 'supabase-image' && holder && !managed.has(schema);
  const isTheirs = (object: FoundObject) =>
    object.added
      ? managed.has(object.schema) && !isPlatformRole(object.owner)
      : !object.helper && (isPlaced(object) || !isPlatformRole(object.owner));
  return [...objects.filter(isTheirs).map(toExistingObject), ...(await findRows(session, [...managed]))];
}

function toExistingObject({ what, schema }: FoundObject): ExistingObject {
  return { what, schema, areRows: false };
}

/** Tables of the platform that hold rows of a user. */
async function findRows(session: Session, managed: readonly string[]): Promise<ExistingObject[]> {
  const tables = await session.query<{ oid: number; schema: string; name: string }>(
    `SELECT c.oid, n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname = ANY ($1) AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
     ORDER BY 2, 3`,
    [managed],
  );
  const filled = await findWithRows(session, tables.filter(isUserData));
  return filled.map(({ schema, name }) => ({ what: `rows of ${schema}.${name}`, schema, areRows: true }));
}

const shown = 5;

/** @throws ConfigurationError with a few names when there are any */
export function refuseExistingObjects(existing: readonly ExistingObject[], kind: TargetKind): void {
  if (existing.length === 0) return;
  const names = existing.slice(0, shown).map(({ what }) => what);
  const more = existing.length - shown;
  throw new ConfigurationError(
    say`${nameInput('target-url')}: the database is not empty: it has ${names.join(', ')}${more > 0 ? ` and ${formatCounted(more, 'more object')}` : ''}`,
    kind === 'plain'
      ? say`Restore into a new database (CREATE DATABASE … TEMPLATE template0), or empty it first with ${nameInput('clean', 'true')}.`
      : say`Restore into a new project or container, or empty it first with ${nameInput('clean', 'true')}.`,
  );
}
