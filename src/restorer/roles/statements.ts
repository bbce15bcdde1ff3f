import type { Role, Setting } from '../../format/supplement.ts';
import type { Omission } from '../../parity/scope.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';
import { isReservedRole } from '../../supabase/reserved-roles.ts';
import type { Statement } from '../omission.ts';
import { attributeNames, type RoleState, type ServerRoles } from './server-roles.ts';
import { findDifferent, showSet, writeSet } from './stored-settings.ts';

/**
 * Which databases use the server's roles. `plain`: existing roles may serve others, and are not altered.
 * `supabase-image` and `supabase-project`: all roles belong to this database. `scratch`: a drill, which
 * leaves its server as it was.
 */
export type RoleScope = 'plain' | 'supabase-image' | 'supabase-project' | 'scratch';

/** A role to create. */
export interface NewRole {
  readonly name: string;
  /** Whether something in the archive belongs to it or is granted to it */
  readonly needed: boolean;
  /** Creates it with all attributes of the backup that a restore gives */
  readonly sql: string;
  /** The same without attributes that the connected role may not be able to give */
  readonly modest: string;
  /** What `modest` leaves out, one by one */
  readonly attributes: readonly Statement[];
}

/** What the roles of the backup are compared with */
export interface RoleComparison {
  readonly server: ServerRoles;
  /** Names of the roles that are created */
  readonly created: ReadonlySet<string>;
  readonly scope: RoleScope;
}

type Membership = Role['memberOf'][number];

/** Attributes that not every role with CREATEROLE may give. */
const privileged = [
  ['createDatabase', 'CREATEDB'],
  ['createRole', 'CREATEROLE'],
  ['replication', 'REPLICATION'],
  ['bypassRls', 'BYPASSRLS'],
] as const;

/**
 * Writes how to create a role. In a drill it gets what decides which rows it sees, and nothing that concerns
 * the server. The platform's own roles get no LOGIN: they log in only where the platform gave them passwords.
 *
 * @param role undefined when only its name is known
 */
export function writeNew(name: string, role: Role | undefined, needed: boolean, scope: RoleScope): NewRole {
  const drill = scope === 'scratch';
  const login = role?.login === true && !drill && !isReservedRole(name);
  const words = [`CREATE ROLE ${quoteIdentifier(name)} ${login ? 'LOGIN' : 'NOLOGIN'}`];
  if (role?.inherit === false) words.push('NOINHERIT');
  if (role && !drill && role.connectionLimit !== -1) words.push(`CONNECTION LIMIT ${role.connectionLimit}`);
  if (role && !drill && role.validUntil !== null) words.push(`VALID UNTIL ${quoteLiteral(role.validUntil)}`);
  const given = privileged.filter(([key]) => role?.[key] === true && (!drill || key === 'bypassRls'));
  return {
    name,
    needed,
    modest: words.join(' '),
    sql: [...words, ...given.map(([, word]) => word)].join(' '),
    attributes: given.map(([, word]) => ({
      what: `${word} of role ${name}`,
      sql: `ALTER ROLE ${quoteIdentifier(name)} ${word}`,
    })),
  };
}

/**
 * Writes memberships, settings and the comment of a created role. In a drill no role logs in, so memberships
 * are enough.
 */
export function writeProperties(role: Role, comparison: RoleComparison): Statement[] {
  const memberships = findMemberships(role, comparison).map((of) =>
    writeGrant(role.name, of, comparison.server),
  );
  if (comparison.scope === 'scratch') return memberships;
  const statements = [...memberships, ...writeSettings(role, role.settings), ...writeHere(role, comparison)];
  if (role.comment === null) return statements;
  const sql = `COMMENT ON ROLE ${quoteIdentifier(role.name)} IS ${quoteLiteral(role.comment)}`;
  return [...statements, { what: `comment on role ${role.name}`, sql }];
}

/**
 * Writes what an existing role lacks: its settings in this database and, where all roles belong to this
 * database, other settings and memberships.
 */
export function writeDifferences(role: Role, comparison: RoleComparison): Statement[] {
  const { server, created, scope } = comparison;
  if (scope === 'scratch' || created.has(role.name) || !server.roles.has(role.name)) return [];
  const here = writeHere(role, comparison);
  return scope === 'plain' ? here : [...writeOutside(role, comparison), ...here];
}

/** Reports what an existing role lacks and a restore does not give, as one omission. */
export function describeExisting(role: Role, comparison: RoleComparison): Omission[] {
  const { server, scope } = comparison;
  const state = server.roles.get(role.name);
  if (state === undefined || scope === 'scratch') return [];
  const lacks = [
    ...writeAttributes(role, state),
    ...(scope === 'plain' ? writeOutside(role, comparison) : []),
  ];
  if (lacks.length === 0) return [];
  return [
    {
      what: lacks.map(({ what }) => what).join(', '),
      why: 'the role existed before, and others may use it',
      remedy: `To make it as in the backup: ${lacks.map(({ sql, shown }) => `${shown ?? sql};`).join(' ')}`,
    },
  ];
}

/** Reports superusers of the backup: a restore makes none. */
export function describeSuperusers(roles: readonly Role[]): Omission[] {
  return roles
    .filter((role) => role.superuser)
    .map(({ name }) => ({
      what: `SUPERUSER of role ${name}`,
      why: 'a restore does not create superusers',
      remedy: `To make it one: ALTER ROLE ${quoteIdentifier(name)} SUPERUSER;`,
    }));
}

/** Reports what created roles lack to log in. */
export function describeLogins(roles: readonly Role[]): Omission[] {
  const [reserved, own] = [true, false].map((wanted) =>
    roles.filter(({ login, name }) => login && isReservedRole(name) === wanted).map(({ name }) => name),
  );
  const described: Omission[] = [];
  if (own?.length) {
    described.push({
      what: `passwords of ${own.join(', ')}`,
      why: 'only a superuser can read them, so the backup does not have them',
      remedy: `Set them: ${own.map((name) => `ALTER ROLE ${quoteIdentifier(name)} PASSWORD '…';`).join(' ')}`,
    });
  }
  if (reserved?.length) {
    described.push({
      what: `LOGIN of ${reserved.join(', ')}`,
      why: 'these are roles of the Supabase platform, which does not log in here',
      remedy: `If you use them: ${reserved.map((name) => `ALTER ROLE ${quoteIdentifier(name)} LOGIN PASSWORD '…';`).join(' ')}`,
    });
  }
  return described;
}

function writeOutside(role: Role, comparison: RoleComparison): Statement[] {
  const { server, scope } = comparison;
  const state = server.roles.get(role.name);
  const memberships = findMemberships(role, comparison).filter(
    // The platform decides about memberships between its own roles.
    (of) => scope === 'plain' || !isReservedRole(role.name) || !isReservedRole(of.role),
  );
  return [
    ...memberships.map((of) => writeGrant(role.name, of, server)),
    ...writeSettings(role, findDifferent(role.settings, state?.settings ?? [])),
  ];
}

function writeAttributes(role: Role, state: RoleState): Statement[] {
  if (isReservedRole(role.name)) return [];
  const different = attributeNames.filter((name) => role[name] !== state[name]);
  if (different.length === 0) return [];
  const word = (name: (typeof attributeNames)[number]): string => {
    if (name === 'connectionLimit') return `CONNECTION LIMIT ${role.connectionLimit}`;
    return `${role[name] ? '' : 'NO'}${name === 'createDatabase' ? 'CREATEDB' : name.toUpperCase()}`;
  };
  const words = different.map(word).join(' ');
  return [
    { what: `${words} of role ${role.name}`, sql: `ALTER ROLE ${quoteIdentifier(role.name)} ${words}` },
  ];
}

/**
 * Finds the memberships that a role lacks. What it has beyond the backup stays. A membership in a role that
 * is missing here is left out in a drill, and between two roles of the platform.
 */
function findMemberships(role: Role, { server, created, scope }: RoleComparison): Membership[] {
  const has = server.roles.get(role.name)?.memberOf;
  return role.memberOf.filter((of) => {
    const there = server.roles.has(of.role) || created.has(of.role);
    if (!there && (scope === 'scratch' || (isReservedRole(of.role) && isReservedRole(role.name))))
      return false;
    const now = has?.get(of.role);
    if (now === undefined) return true;
    return (
      (of.admin && !now.admin) ||
      (of.inherit === true && now.inherit === false) ||
      (of.set === true && now.set === false)
    );
  });
}

function writeGrant(member: string, of: Membership, { major, roles }: ServerRoles): Statement {
  // The ADMIN OPTION is not granted to a role that has it: the server refuses to grant it back to the role
  // that the grantor got it from.
  const admin = of.admin && roles.get(member)?.memberOf.get(of.role)?.admin !== true;
  const options =
    major < 16
      ? admin
        ? ['ADMIN OPTION']
        : []
      : [
          ...(admin ? ['ADMIN TRUE'] : []),
          ...(of.inherit === null ? [] : [`INHERIT ${String(of.inherit).toUpperCase()}`]),
          ...(of.set === null ? [] : [`SET ${String(of.set).toUpperCase()}`]),
        ];
  const grant = `GRANT ${quoteIdentifier(of.role)} TO ${quoteIdentifier(member)}`;
  return {
    what: `membership of role ${member} in ${of.role}`,
    sql: options.length > 0 ? `${grant} WITH ${options.join(', ')}` : grant,
  };
}

function writeHere(role: Role, { server }: RoleComparison): Statement[] {
  const there = server.roles.get(role.name)?.settingsHere ?? [];
  return writeSettings(role, findDifferent(role.settingsHere, there), server.database);
}

function writeSettings({ name }: Role, settings: readonly Setting[], database?: string): Statement[] {
  const scope = database === undefined ? '' : ` IN DATABASE ${quoteIdentifier(database)}`;
  const alter = `ALTER ROLE ${quoteIdentifier(name)}${scope}`;
  return settings.map((setting) => ({
    what: `setting ${setting.name} of role ${name}${database === undefined ? '' : ' in this database'}`,
    sql: `${alter} ${writeSet(setting)}`,
    shown: `${alter} ${showSet(setting)}`,
  }));
}
