import type { Session } from '../../postgres/session/connection.ts';

/** What the connected role may create in the target, and what it needs for that, from the catalogs. */
export interface TargetFacts {
  readonly self: string;
  readonly superuser: boolean;
  readonly serverVersion: number;
  readonly database: DatabaseRights;
  readonly roles: ReadonlyMap<string, RoleRights>;
  readonly schemas: ReadonlyMap<string, SchemaRights>;
  readonly languages: ReadonlyMap<string, { readonly trusted: boolean; readonly usable: boolean }>;
  /** Extensions whose files are on the server, in the version that CREATE EXTENSION installs */
  readonly extensions: ReadonlyMap<string, ExtensionRights>;
  /** Whether the role may create objects there; in the tablespace of the database every role may */
  readonly tablespaces: ReadonlyMap<string, boolean>;
  readonly accessMethods: ReadonlySet<string>;
  /** Whether the role may create servers with it */
  readonly wrappers: ReadonlyMap<string, boolean>;
}

interface DatabaseRights {
  /** Whether the role has the rights of its owner */
  readonly owned: boolean;
  /** As ALTER DATABASE set them */
  readonly settings: readonly string[];
}

export interface RoleRights {
  readonly superuser: boolean;
  /** Whether the connected role has its rights */
  readonly usable: boolean;
  /** Whether the connected role may give objects to it */
  readonly assumable: boolean;
  /** Whether the connected role may alter it */
  readonly alterable: boolean;
}

export interface SchemaRights {
  readonly owned: boolean;
  readonly mayCreate: boolean;
  readonly mayGrant: boolean;
}

export interface ExtensionRights {
  /** Whether a superuser has to run its script, and then owns what it creates */
  readonly superuser: boolean;
  readonly trusted: boolean;
  readonly installed: boolean;
}

/** Reads catalogs only. */
export async function readTargetFacts(session: Session): Promise<TargetFacts> {
  const major = Math.floor(session.serverVersion / 10000);
  const [self] = await session.query<
    Omit<DatabaseRights, 'settings'> & { name: string; superuser: boolean; place: string }
  >(`
    SELECT current_user::text AS name, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
      pg_has_role(datdba, 'USAGE') AS owned,
      (SELECT spcname FROM pg_tablespace t WHERE t.oid = dattablespace) AS place
    FROM pg_database WHERE datname = current_database()`);
  if (self === undefined) throw new Error('the connected database is not in pg_database');
  const settings = await session.query<{ entry: string }>(`
    SELECT unnest(setconfig) AS entry FROM pg_db_role_setting
    WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())`);
  const byName = <T>(rows: readonly ({ readonly name: string } & T)[]) =>
    new Map<string, T>(rows.map((row) => [row.name, row]));
  const tablespaces = await session.query<{ name: string; usable: boolean }>(
    `SELECT spcname AS name, has_tablespace_privilege(oid, 'CREATE') AS usable FROM pg_tablespace`,
  );
  const methods = await session.query<{ name: string }>('SELECT amname AS name FROM pg_am');
  const wrappers = await session.query<{ name: string; usable: boolean }>(
    `SELECT fdwname AS name, has_foreign_data_wrapper_privilege(oid, 'USAGE') AS usable FROM pg_foreign_data_wrapper`,
  );
  return {
    self: self.name,
    superuser: self.superuser,
    serverVersion: session.serverVersion,
    database: { ...self, settings: settings.map(({ entry }) => entry) },
    roles: byName(await readRoles(session, major)),
    schemas: byName(
      await session.query<SchemaRights & { name: string }>(`
        SELECT nspname AS name, pg_has_role(nspowner, 'USAGE') AS owned, has_schema_privilege(oid, 'CREATE') AS "mayCreate",
          has_schema_privilege(oid, 'USAGE WITH GRANT OPTION') AS "mayGrant"
        FROM pg_namespace`),
    ),
    languages: byName(
      await session.query<{ name: string; trusted: boolean; usable: boolean }>(
        `SELECT lanname AS name, lanpltrusted AS trusted, has_language_privilege(oid, 'USAGE') AS usable FROM pg_language`,
      ),
    ),
    extensions: byName(
      await session.query<ExtensionRights & { name: string }>(`
        SELECT x.name, coalesce(v.superuser, false) AS superuser, coalesce(v.trusted, false) AS trusted,
          x.installed_version IS NOT NULL AS installed
        FROM pg_available_extensions x
        LEFT JOIN pg_available_extension_versions v ON v.name = x.name AND v.version = x.default_version`),
    ),
    tablespaces: new Map(tablespaces.map(({ name, usable }) => [name, usable || name === self.place])),
    accessMethods: new Set(methods.map(({ name }) => name)),
    wrappers: new Map(wrappers.map(({ name, usable }) => [name, usable])),
  };
}

/**
 * Before PostgreSQL 16 a role with CREATEROLE may alter any role, and a member may give objects to its role.
 * Since then this needs the ADMIN option and the SET option of the membership.
 */
function readRoles(session: Session, major: number): Promise<(RoleRights & { name: string })[]> {
  const creates = `(SELECT s.rolcreaterole FROM pg_roles s WHERE s.rolname = current_user)`;
  const alters = major < 16 ? creates : `${creates} AND pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')`;
  return session.query<RoleRights & { name: string; [column: string]: unknown }>(`
    SELECT r.rolname AS name, r.rolsuper AS superuser, pg_has_role(r.oid, 'USAGE') AS usable,
      pg_has_role(r.oid, '${major < 16 ? 'MEMBER' : 'SET'}') AS assumable,
      (SELECT s.rolsuper FROM pg_roles s WHERE s.rolname = current_user)
        OR (NOT r.rolsuper AND (r.rolname = current_user OR (${alters}))) AS alterable
    FROM pg_roles r`);
}
