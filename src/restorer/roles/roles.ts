import type { Role } from '../../format/supplement.ts';
import type { Omission } from '../../parity/scope.ts';
import { about } from '../../parity/subject.ts';
import { quoteIdentifier } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { isReservedRole } from '../../supabase/reserved-roles.ts';
import { omit, type Statement, tryStatement, tryStatements } from '../omission.ts';
import { readRoles } from './server-roles.ts';
import {
  describeExisting,
  describeLogins,
  describeSuperusers,
  type NewRole,
  type RoleScope,
  writeDifferences,
  writeNew,
  writeProperties,
} from './statements.ts';

/** What a restore does about roles; `showPlan` prints it for people. */
export interface RolePlan {
  readonly created: readonly NewRole[];
  /** Memberships, settings and comments of created roles */
  readonly equipped: readonly Statement[];
  /** Changes of roles that exist, made at the end of the restore */
  readonly altered: readonly Statement[];
  /** What is left to the user */
  readonly listed: readonly Omission[];
  readonly scope: RoleScope;
  /** As in the backup */
  readonly roles: readonly Role[];
  /** Roles that the connected one became a member of, until `finishRoles`; `createRolesOf` adds them. */
  readonly borrowed: Set<string>;
}

/**
 * Plans the roles of a restore. Nothing is written.
 *
 * @param session in the target database
 * @param roles of the backup's supplement
 * @param needed roles that something in the archive belongs to or is granted to
 * @throws ConfigurationError when needed roles are missing and the connected role may not create any
 */
export async function planRoles(
  session: Session,
  roles: readonly Role[],
  needed: readonly string[],
  scope: RoleScope,
): Promise<RolePlan> {
  const server = await readRoles(session);
  const known = new Map(roles.map((role) => [role.name, role]));
  const own =
    scope === 'scratch' ? [] : roles.map(({ name }) => name).filter((name) => !isReservedRole(name));
  const absent = [...new Set([...needed, ...own])].filter((name) => !server.roles.has(name));
  // Created here, it would keep the platform from creating its own.
  const isLeft = (name: string) => scope === 'supabase-project' && isReservedRole(name);
  const missing = absent.filter((name) => !isLeft(name));
  const created = missing.map((name) => writeNew(name, known.get(name), needed.includes(name), scope));
  if (!server.self.mayCreate && scope !== 'supabase-project') refuseMissing(created);
  const comparison = { server, created: new Set(missing), scope };
  const made = roles.filter(({ name }) => comparison.created.has(name));
  return {
    created,
    equipped: made.flatMap((role) => writeProperties(role, comparison)),
    altered: roles.flatMap((role) => writeDifferences(role, comparison)),
    listed: [
      ...(scope === 'scratch' ? [] : [...describeSuperusers(made), ...describeLogins(made)]),
      ...describeLeft(absent.filter(isLeft)),
      ...roles.flatMap((role) => describeExisting(role, comparison)),
    ],
    scope,
    roles,
    borrowed: new Set(),
  };
}

function aboutRole(name: string) {
  return about({ kind: 'object', type: 'role', schema: null, name });
}

function describeLeft(names: readonly string[]): Omission[] {
  const [first] = names;
  if (first === undefined) return [];
  const what = names.map((name) => `role ${name}`).join(', ');
  return [
    {
      // Several roles have no common subject: the comparison reports of each that roles belong to the server.
      ...(names.length === 1 ? aboutRole(first) : { what }),
      why: 'the platform creates it together with one of its features, which the target does not have yet',
      remedy:
        'Enable that feature in the target (for supabase_functions_admin: Database Webhooks), and grant what is missing.',
    },
  ];
}

function refuseMissing(created: readonly NewRole[]): void {
  const needed = created.filter((role) => role.needed);
  if (needed.length === 0) return;
  const names = needed.map(({ name }) => name).join(', ');
  throw new ConfigurationError(
    say`${nameInput('target-url')}: the server lacks roles that own objects in this backup or have privileges (${names}), and the connected role cannot create roles`,
    `Connect as a role with CREATEROLE, or create them first: ${needed.map(({ sql }) => `${sql};`).join(' ')}`,
  );
}

/**
 * Creates the roles of the plan, before anything of the archive is restored. Until `returnRoles` or
 * `finishRoles`, a connected role that is no superuser is a member of those that the archive needs, because
 * it could give them nothing otherwise.
 *
 * @returns what the server refused, and what the plan leaves to the user
 * @throws ConfigurationError when a role that the archive needs cannot be created; those created before it
 * stay. In a project the restore goes on without the owner, which is an omission, too.
 */
export async function createRolesOf(session: Session, plan: RolePlan): Promise<Omission[]> {
  const refused: Omission[] = [];
  for (const role of plan.created) append(refused, await createRole(session, role, plan.scope));
  append(refused, await tryStatements(session, plan.equipped));
  append(refused, await borrowRoles(session, plan));
  return [...refused, ...plan.listed];
}

async function createRole(session: Session, role: NewRole, scope: RoleScope): Promise<Omission[]> {
  if ((await tryStatement(session, role.sql)) === undefined) return [];
  const why = await tryStatement(session, role.modest);
  if (why === undefined) return tryStatements(session, role.attributes);
  const omission = omit({ ...aboutRole(role.name), sql: role.sql }, why);
  if (!role.needed || scope === 'supabase-project') return [omission];
  throw new ConfigurationError(
    say`${nameInput('target-url')}: role ${role.name}, which owns objects in this backup or has privileges, cannot be created: ${why}`,
    omission.remedy,
  );
}

async function borrowRoles(session: Session, plan: RolePlan): Promise<Omission[]> {
  const { roles, self, major } = await readRoles(session);
  const refused: Omission[] = [];
  for (const { name, needed } of plan.created) {
    if (!needed || roles.get(name)?.ours !== false) continue;
    const sql = `GRANT ${quoteIdentifier(name)} TO ${quoteIdentifier(self.name)}${major >= 16 ? ' WITH INHERIT TRUE, SET TRUE' : ''}`;
    const why = await tryStatement(session, sql);
    if (why === undefined) plan.borrowed.add(name);
    else refused.push(omit({ what: `membership of ${self.name} in role ${name}`, sql }, why));
  }
  return refused;
}

/** Ends the memberships that `createRolesOf` gave the connected role, also after a restore that failed. */
export async function returnRoles(session: Session, plan: RolePlan): Promise<Omission[]> {
  const { self } = await readRoles(session);
  const refused = await tryStatements(
    session,
    [...plan.borrowed].map((name) => ({
      what: `end of the membership of ${self.name} in role ${name}`,
      sql: `REVOKE ${quoteIdentifier(name)} FROM ${quoteIdentifier(self.name)}`,
    })),
  );
  plan.borrowed.clear();
  return refused;
}

/**
 * Ends the borrowed memberships, and alters existing roles as the plan says. To be called at the very end:
 * settings of the connected role would affect the sessions of the restore.
 *
 * @returns what the server refused
 */
export async function finishRoles(session: Session, plan: RolePlan): Promise<Omission[]> {
  const refused = await returnRoles(session, plan);
  // From PostgreSQL 16 on, a role becomes a member of the roles that it creates, so the differences are not
  // those of the plan.
  const comparison = {
    server: await readRoles(session),
    created: new Set(plan.created.map(({ name }) => name)),
    scope: plan.scope,
  };
  const altered = plan.roles.flatMap((role) => writeDifferences(role, comparison));
  return [...refused, ...(await tryStatements(session, altered))];
}

/** The statements of a plan as people may see them, for a dry run. */
export function showPlan({ created, equipped, altered }: RolePlan): string[] {
  const rest = [...equipped, ...altered].map(({ sql, shown }) => shown ?? sql);
  return [...created.map(({ sql }) => sql), ...rest];
}
