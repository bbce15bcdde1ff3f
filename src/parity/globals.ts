import type { CronJob, Role, Setting } from '../format/supplement.ts';
import type { Globals } from '../postgres/catalog/globals.ts';
import { judge, type KnownDifference, type Reason } from './known-differences.ts';
import { absent, digestOf, type ParityLine } from './line.ts';
import type { ParityScope } from './scope.ts';

/** Compares what pg_dump leaves out: properties of the database, its jobs, and the server's roles. */
export function compareGlobals(
  expected: Globals,
  found: Globals,
  { kind, notCarried }: Pick<ParityScope, 'kind' | 'notCarried'>,
  known: KnownDifference,
): ParityLine[] {
  return [
    ...compareDatabase(expected.database, found.database, kind, known),
    ...compareJobs(expected.cronJobs, found.cronJobs, notCarried, known),
    ...compareRoles(expected.roles, found.roles, known),
  ];
}

function compareDatabase(
  expected: Globals['database'],
  found: Globals['database'],
  kind: ParityScope['kind'],
  known: KnownDifference,
): ParityLine[] {
  const [wanted, there] = [byName(expected.settings), byName(found.settings)];
  const settings = [...new Set([...wanted.keys(), ...there.keys()])].sort().map((name) => {
    const [want, have] = [describeSetting(name, wanted.get(name)), describeSetting(name, there.get(name))];
    const why = known({ kind: 'database setting', schema: null, relation: null, name });
    const own = ownSettings[kind]?.test(name) ? 'every project has its own' : undefined;
    return judge(
      { kind: 'database setting', what: name, expected: want, found: have },
      want === have,
      why ?? own,
    );
  });
  const property = (what: string, want: string, have: string, why: Reason | undefined) =>
    judge({ kind: 'database', what, expected: want, found: have }, want === have, why);
  const comment = known({ kind: 'database', schema: null, relation: null, name: 'comment' });
  const owners = [expected.owner, found.owner];
  return [
    ...settings,
    property('comment', expected.comment ?? absent, found.comment ?? absent, comment),
    property(
      'grants',
      describeGrants(expected.grants, owners),
      describeGrants(found.grants, owners),
      'who may connect, the target decides',
    ),
    property('owner', expected.owner, found.owner, 'the database belongs to whoever made it'),
  ];
}

/** Settings of each hosted project for its services, such as the signing key; an image has only that key. */
const ownSettings: Readonly<Partial<Record<ParityScope['kind'], RegExp>>> = {
  'supabase-project': /^app\.settings\./,
  'supabase-image': /^app\.settings\.jwt_/,
};

function byName(settings: readonly Setting[]): Map<string, string> {
  return new Map(settings.map(({ name, value }) => [name, value]));
}

/**
 * Describes a setting. Settings whose names have a dot belong to applications and may be secrets: only a
 * digest is shown.
 */
function describeSetting(name: string, value: string | undefined): string {
  if (value === undefined) return absent;
  return name.includes('.') ? digestOf(value) : value;
}

const defaultGrants: NonNullable<Globals['database']['grants']> = [
  { grantee: 'PUBLIC', privilege: 'CONNECT', grantable: false },
  { grantee: 'PUBLIC', privilege: 'TEMPORARY', grantable: false },
];

/** Describes grants on the database, without those of owners, who have all privileges. */
function describeGrants(grants: Globals['database']['grants'], owners: readonly string[]): string {
  return (
    (grants ?? defaultGrants)
      .filter(({ grantee }) => !owners.includes(grantee))
      .map(
        ({ grantee, privilege, grantable }) => `${privilege} to ${grantee}${grantable ? ', grantable' : ''}`,
      )
      .sort()
      .join('; ') || absent
  );
}

/**
 * Compares cron jobs. A command may hold a key, so only its digest is shown. Several jobs may have no name.
 */
function compareJobs(
  expected: readonly CronJob[],
  found: readonly CronJob[],
  notCarried: ParityScope['notCarried'],
  known: KnownDifference,
): ParityLine[] {
  const [wanted, there] = [Map.groupBy(expected, identifyJob), Map.groupBy(found, identifyJob)];
  // An omission of all jobs explains each of them; a job without a name takes the reason of any omitted job.
  const all = notCarried.find(({ subject }) => subject?.kind === 'cron jobs')?.why;
  const nameless = notCarried.find(({ subject }) => subject?.kind === 'cron job')?.why;
  return [...new Set([...wanted.keys(), ...there.keys()])].map((name) => {
    const [want, have] = [describeJobs(wanted.get(name)), describeJobs(there.get(name))];
    const own = known({ kind: 'cron job', schema: null, relation: null, name });
    const isNameless = wanted.get(name)?.[0]?.name === null;
    return judge(
      { kind: 'cron job', what: name, expected: want, found: have },
      want === have,
      own ?? all ?? (isNameless ? nameless : undefined),
    );
  });
}

function identifyJob({ name, command }: CronJob): string {
  return name ?? digestOf(command);
}

/** Describes jobs without the name of their database, which may differ in the target. */
function describeJobs(jobs: readonly CronJob[] = []): string {
  return (
    jobs
      .map(({ schedule, command, username, active }) =>
        [schedule, `as ${username}`, active ? 'active' : 'not active', digestOf(command)].join(', '),
      )
      .sort()
      .join('; ') || absent
  );
}

/** Roles that Supabase's API assumes for its clients */
const apiRoles = new Set(['anon', 'authenticated']);

const ofServer = "roles belong to the server: the target's stay as they are";

/**
 * Compares the roles that the source had. Roles belong to the server, so a deviation is reported as `not
 * carried`. The one exception is a role of the API that bypasses row level security in the target only, which
 * is a difference.
 */
function compareRoles(
  expected: readonly Role[],
  found: readonly Role[],
  known: KnownDifference,
): ParityLine[] {
  const there = new Map(found.map((role) => [role.name, role]));
  return expected.map((role) => {
    const other = there.get(role.name);
    const [want, have] = [describeRole(role), other === undefined ? 'no such role' : describeRole(other)];
    const line = { kind: 'role', what: role.name, expected: want, found: have };
    const above = (one: Role) => one.superuser || one.bypassRls;
    if (other && apiRoles.has(role.name) && above(other) && !above(role)) {
      return { ...line, status: 'different' as const, wider: true as const };
    }
    const why = known({ kind: 'role', schema: null, relation: null, name: role.name });
    return judge(line, want === have, why ?? ofServer);
  });
}

function describeRole(role: Role): string {
  const attributes = [
    role.superuser ? 'SUPERUSER' : '',
    role.bypassRls ? 'BYPASSRLS' : '',
    role.createRole ? 'CREATEROLE' : '',
    role.createDatabase ? 'CREATEDB' : '',
    role.replication ? 'REPLICATION' : '',
    role.login ? 'LOGIN' : 'NOLOGIN',
    role.inherit ? '' : 'NOINHERIT',
  ].filter((attribute) => attribute !== '');
  const groups = role.memberOf.map((membership) => `${membership.role}${membership.admin ? ' (admin)' : ''}`);
  const settings = [...role.settings, ...role.settingsHere]
    .map(({ name, value }) => `${name} = ${describeSetting(name, value)}`)
    .sort();
  return [
    attributes.join(' '),
    ...(groups.length === 0 ? [] : [`in ${groups.sort().join(', ')}`]),
    ...settings,
  ].join('; ');
}
