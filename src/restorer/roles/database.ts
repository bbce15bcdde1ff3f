import type { Setting, Supplement } from '../../format/supplement.ts';
import type { Omission } from '../../parity/scope.ts';
import { about } from '../../parity/subject.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { messageOf } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { omit, type Statement, tryStatements } from '../omission.ts';
import { splitSetting } from './server-roles.ts';
import type { RoleScope } from './statements.ts';
import { findDifferent, showSet, writeSet } from './stored-settings.ts';

type Grant = NonNullable<Supplement['database']['grants']>[number];

interface DatabaseState {
  readonly name: string;
  readonly owner: string;
  readonly comment: string | null;
  readonly limit: number;
  /** Whether connection limits do not apply to the connected role */
  readonly superuser: boolean;
  readonly settings: readonly Setting[];
  readonly grants: readonly Grant[];
  /** PostgreSQL's own default for a database of this owner */
  readonly defaultGrants: readonly Grant[];
}

/** The key that a project signs its users' tokens with, and their lifetime: each project has its own. */
const projectSetting = /^app\.settings\.jwt_/;

/**
 * Gives the connected database the settings, the comment and the grants of its source. To be called at the
 * very end of a restore: settings affect all later sessions, and grants decide who may connect.
 *
 * @returns what the server refused, and what is left to the user
 */
export async function applyDatabase(
  session: Session,
  database: Supplement['database'],
  scope: RoleScope,
): Promise<Omission[]> {
  const state = await readDatabase(session);
  const settings = findDifferent(database.settings, state.settings);
  const theirs = settings.filter(({ name }) => scope.startsWith('supabase-') && projectSetting.test(name));
  const statements = [
    ...writeSettings(
      settings.filter((setting) => !theirs.includes(setting)),
      state,
    ),
  ];
  const limit = judgeLimit(database.connectionLimit, state, scope);
  if (limit?.kind === 'set') statements.push(limit.statement);
  if (database.comment !== null && database.comment !== state.comment) {
    const sql = `COMMENT ON DATABASE ${quoteIdentifier(state.name)} IS ${quoteLiteral(database.comment)}`;
    statements.push({ ...about({ kind: 'database', property: 'comment' }), sql });
  }
  // The platform decides which roles may use a project's database, and a drill lets no other role into its
  // database.
  if (scope === 'plain' || scope === 'supabase-image') append(statements, writeGrants(database, state));
  return [
    ...(await tryStatements(session, statements)),
    ...writeSettings(theirs, state).map((statement) => omit(statement, 'every project has its own')),
    ...describeOwnSettings(database.settings, state, scope),
    ...(limit?.kind === 'told' ? [omit(limit.statement, limit.why)] : []),
    ...(scope === 'plain' ? describeOwner(database, state) : []),
  ];
}

/** Settings that load libraries: with one that the server lacks, no role can connect any more. */
const loading: ReadonlySet<string> = new Set(['local_preload_libraries', 'session_preload_libraries']);

/**
 * Resets settings with which no role can connect to the database.
 *
 * @param connect opens a new session and closes it
 * @returns the settings that were reset
 */
export async function keepReachable(
  session: Session,
  { settings }: Supplement['database'],
  connect: () => Promise<void>,
): Promise<Omission[]> {
  const suspects = settings.filter(({ name }) => loading.has(name.toLowerCase()));
  if (suspects.length === 0) return [];
  try {
    await connect();
    return [];
  } catch (error) {
    const [target] = await session.query<{ name: string }>('SELECT current_database() AS name');
    const alter = `ALTER DATABASE ${quoteIdentifier(target?.name ?? '')}`;
    for (const { name } of suspects) await session.query(`${alter} RESET ${name}`);
    return suspects.map((setting) => ({
      ...aboutSetting(setting.name),
      why: `nobody could connect with it: ${messageOf(error)}`,
      remedy: `Install the library on the server, then: ${alter} ${writeSet(setting)};`,
    }));
  }
}

/** Connections that a restore may still need at its end, for the comparison. */
const neededConnections = 20;

/**
 * Decides about the connection limit. One that is too low for the comparison is left to the user, and a drill
 * sets none.
 */
function judgeLimit(
  wanted: number | undefined,
  state: DatabaseState,
  scope: RoleScope,
): { kind: 'set'; statement: Statement } | { kind: 'told'; statement: Statement; why: string } | undefined {
  if (wanted === undefined || wanted === state.limit || scope === 'scratch') return undefined;
  const sql = `ALTER DATABASE ${quoteIdentifier(state.name)} CONNECTION LIMIT ${wanted}`;
  const statement = { ...about({ kind: 'database', property: 'connection limit' }), sql };
  if (wanted === -1 || wanted >= neededConnections || state.superuser) return { kind: 'set', statement };
  return { kind: 'told', statement, why: 'so few connections are not enough for the rest of the restore' };
}

function aboutSetting(name: string) {
  return about({ kind: 'database setting', name });
}

/** Reports settings of a project that the backup lacks: they belong to the project, too. */
function describeOwnSettings(
  wanted: readonly Setting[],
  { settings }: DatabaseState,
  scope: RoleScope,
): Omission[] {
  const known = new Set(wanted.map(({ name }) => name.toLowerCase()));
  return settings
    .filter(
      ({ name }) =>
        scope.startsWith('supabase-') && projectSetting.test(name) && !known.has(name.toLowerCase()),
    )
    .map(({ name }) => ({
      ...aboutSetting(name),
      why: 'every project has its own value, and this project keeps it',
      remedy: 'Nothing needs to be done.',
    }));
}

async function readDatabase(session: Session): Promise<DatabaseState> {
  const [row] = await session.query<Omit<DatabaseState, 'settings' | 'grants' | 'defaultGrants'>>(`
    SELECT datname AS name, (SELECT rolname FROM pg_roles WHERE oid = datdba) AS owner,
      shobj_description(oid, 'pg_database') AS comment, datconnlimit AS limit,
      (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser
    FROM pg_database WHERE datname = current_database()`);
  if (row === undefined) throw new Error('the connected database is not in pg_database');
  const settings = await session.query<{ entry: string }>(`
    SELECT unnest(setconfig) AS entry FROM pg_db_role_setting
    WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())`);
  return {
    ...row,
    settings: settings.map(({ entry }) => splitSetting(entry)),
    grants: await readGrants(session, "coalesce(datacl, acldefault('d', datdba))"),
    defaultGrants: await readGrants(session, "acldefault('d', datdba)"),
  };
}

function readGrants(session: Session, acl: string): Promise<Grant[]> {
  return session.query<Grant>(`
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE (SELECT rolname FROM pg_roles WHERE oid = grantee) END AS grantee,
      privilege_type AS privilege, bool_or(is_grantable) AS grantable
    FROM pg_database, aclexplode(${acl}) WHERE datname = current_database()
    GROUP BY 1, 2 ORDER BY 1, 2`);
}

function writeSettings(settings: readonly Setting[], { name }: DatabaseState): Statement[] {
  const alter = `ALTER DATABASE ${quoteIdentifier(name)}`;
  return settings.map((setting) => ({
    ...aboutSetting(setting.name),
    sql: `${alter} ${writeSet(setting)}`,
    shown: `${alter} ${showSet(setting)}`,
  }));
}

/**
 * Leaves out the rights of the owner, which follow from ownership. Grants come before revokes, so that no
 * role is shut out in between.
 */
function writeGrants(database: Supplement['database'], state: DatabaseState): Statement[] {
  const wanted = without(state.owner, database.grants ?? state.defaultGrants);
  const there = without(state.owner, state.grants);
  const object = `ON DATABASE ${quoteIdentifier(state.name)}`;
  const find = (grants: readonly Grant[], { grantee, privilege }: Grant) =>
    grants.find((other) => other.grantee === grantee && other.privilege === privilege);
  const given = wanted.filter((grant) => {
    const now = find(there, grant);
    return now === undefined || (grant.grantable && !now.grantable);
  });
  const taken = there.filter((grant) => {
    const then = find(wanted, grant);
    return then === undefined || (grant.grantable && !then.grantable);
  });
  return [
    ...given.map(({ grantee, privilege, grantable }) => ({
      ...about({ kind: 'database', property: 'grants' }),
      sql: `GRANT ${privilege} ${object} TO ${quoteGrantee(grantee)}${grantable ? ' WITH GRANT OPTION' : ''}`,
    })),
    ...taken.map((grant) => {
      const { grantee, privilege } = grant;
      const option = find(wanted, grant) === undefined ? '' : 'GRANT OPTION FOR ';
      return {
        ...about({ kind: 'database', property: 'grants' }),
        sql: `REVOKE ${option}${privilege} ${object} FROM ${quoteGrantee(grantee)} CASCADE`,
      };
    }),
  ];
}

function without(owner: string, grants: readonly Grant[]): Grant[] {
  return grants.filter(({ grantee }) => grantee !== owner);
}

export function quoteGrantee(grantee: string): string {
  return grantee === 'PUBLIC' ? grantee : quoteIdentifier(grantee);
}

function describeOwner({ owner }: Supplement['database'], state: DatabaseState): Omission[] {
  if (owner === state.owner) return [];
  return [
    {
      ...about({ kind: 'database', property: 'owner' }),
      why: `it belonged to ${owner}; this database existed before and belongs to ${state.owner}`,
      remedy: `To change that: ALTER DATABASE ${quoteIdentifier(state.name)} OWNER TO ${quoteIdentifier(owner)};`,
    },
  ];
}
