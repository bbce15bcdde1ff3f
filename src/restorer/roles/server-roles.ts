import type { Role, Setting } from '../../format/supplement.ts';
import type { Session } from '../../postgres/session/connection.ts';

export const attributeNames = [
  'superuser',
  'inherit',
  'createRole',
  'createDatabase',
  'login',
  'replication',
  'bypassRls',
  'connectionLimit',
] as const;

/** The options of a membership, over all its grants; `inherit` and `set` are null before PostgreSQL 16. */
interface Membership {
  readonly admin: boolean;
  readonly inherit: boolean | null;
  readonly set: boolean | null;
}

/** A role of the target's server, without its password and the password's expiry. */
export interface RoleState extends Pick<Role, (typeof attributeNames)[number]> {
  /** Whether the connected role has its privileges and may become it */
  readonly ours: boolean;
  /** By the role that it is a member of */
  readonly memberOf: ReadonlyMap<string, Membership>;
  readonly settings: readonly Setting[];
  /** In this database */
  readonly settingsHere: readonly Setting[];
}

export interface ServerRoles {
  readonly major: number;
  readonly database: string;
  readonly self: { readonly name: string; readonly mayCreate: boolean; readonly superuser: boolean };
  readonly roles: ReadonlyMap<string, RoleState>;
}

type Row = Omit<RoleState, 'memberOf' | 'settings' | 'settingsHere'> & { name: string };

export async function readRoles(session: Session): Promise<ServerRoles> {
  const major = Math.floor(session.serverVersion / 10000);
  const [here] = await session.query<{ database: string; name: string }>(
    'SELECT current_database() AS database, current_user::text AS name',
  );
  const { database = '', name = '' } = here ?? {};
  const rows = await session.query<Row>(`
    SELECT rolname AS name, rolsuper AS superuser, rolinherit AS inherit, rolcreaterole AS "createRole",
      rolcreatedb AS "createDatabase", rolcanlogin AS login, rolreplication AS replication, rolbypassrls AS "bypassRls",
      rolconnlimit AS "connectionLimit", ${writeOurs(major)} AS ours
    FROM pg_roles`);
  const memberships = await readMemberships(session, major);
  const settings = await readSettings(session);
  const own = rows.find((row) => row.name === name);
  return {
    major,
    database,
    self: {
      name,
      superuser: own?.superuser === true,
      mayCreate: own?.superuser === true || own?.createRole === true,
    },
    roles: new Map(
      rows.map(({ name: role, ...state }) => [
        role,
        {
          ...state,
          memberOf: memberships.get(role) ?? new Map(),
          settings: settings.filter((setting) => setting.role === role && !setting.here),
          settingsHere: settings.filter((setting) => setting.role === role && setting.here),
        },
      ]),
    ),
  };
}

/** Before PostgreSQL 16 every member may become the role. */
function writeOurs(major: number): string {
  return ['USAGE', ...(major >= 16 ? ['SET'] : [])]
    .map((privilege) => `pg_has_role(oid, '${privilege}')`)
    .join(' AND ');
}

async function readMemberships(
  session: Session,
  major: number,
): Promise<Map<string, Map<string, Membership>>> {
  const options = major >= 16 ? 'bool_or(inherit_option)' : 'NULL::boolean';
  const rows = await session.query<Membership & { member: string; role: string }>(`
    SELECT m.rolname AS member, r.rolname AS role, bool_or(admin_option) AS admin,
      ${options} AS inherit, ${options.replace('inherit', 'set')} AS set
    FROM pg_auth_members JOIN pg_roles m ON m.oid = member JOIN pg_roles r ON r.oid = roleid
    GROUP BY member, m.rolname, r.rolname`);
  const byMember = Map.groupBy(rows, (row) => row.member);
  return new Map(
    [...byMember].map(([member, grants]) => [member, new Map(grants.map((grant) => [grant.role, grant]))]),
  );
}

async function readSettings(session: Session): Promise<(Setting & { role: string; here: boolean })[]> {
  const rows = await session.query<{ role: string; here: boolean; entry: string }>(`
    SELECT r.rolname AS role, s.setdatabase <> 0 AS here, unnest(s.setconfig) AS entry
    FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))`);
  return rows.map(({ role, here, entry }) => ({ role, here, ...splitSetting(entry) }));
}

/** Splits an entry of setconfig, in which a name has no equals sign. */
export function splitSetting(entry: string): Setting {
  const at = entry.indexOf('=');
  return { name: entry.slice(0, at), value: entry.slice(at + 1) };
}
