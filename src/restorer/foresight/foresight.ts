import type { TableEntry } from '../../format/manifest.ts';
import type { Supplement } from '../../format/supplement.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import { ownSchema } from '../../postgres/own-schema.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { refusalOf } from '../../postgres/session/server-error.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { TargetKind } from '../../supabase/target-kind.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { findExistingObjects } from '../existing-objects.ts';
import type { FittedPart } from '../part/part.ts';
import type { RolePlan } from '../roles/roles.ts';
import { DefinitionIndex } from './definitions.ts';
import { readTargetFacts, type TargetFacts } from './facts.ts';
import { findCollisions } from './names.ts';
import { describeLostOwners, findIrremovable, findUnremovable } from './owners.ts';
import {
  count,
  describeRefused,
  followRefusals,
  listFew,
  type Reason,
  type RefusedGroup,
} from './refusals.ts';
import { createRules } from './rules.ts';
import {
  findFunctionSettings,
  type GivenSetting,
  judgeSetting,
  listGivenSettings,
  readSettings,
} from './settings.ts';

/** A planned restore. */
export interface Prospect {
  readonly entries: readonly ArchiveEntry[];
  /** Tables whose rows are to be restored */
  readonly tables: readonly Pick<TableEntry, 'oid' | 'schema' | 'name' | 'rows'>[];
  /** Entries without which the restore ends, where their tables are restored */
  readonly guards: ReadonlySet<ArchiveEntry>;
  readonly supplement: Supplement;
  readonly kind: TargetKind;
  readonly roles: Pick<RolePlan, 'created' | 'altered' | 'equipped' | 'roles'>;
  /** Undefined where all of the backup is restored */
  readonly part: Pick<FittedPart, 'isInUse' | 'replaced'> | undefined;
  /** Schemas of the target that are dropped and created again */
  readonly renewed: readonly string[];
}

/**
 * Predicts what the target's server will probably refuse, for a dry run. A restore tries everything all the
 * same, and reports what is refused. Reads catalogs, and writes nothing.
 *
 * @throws ConfigurationError when the connected role cannot restore anything there
 */
export async function previewRestore(session: Session, prospect: Prospect): Promise<string[]> {
  await refuseWithoutCreate(session);
  try {
    return await describeForeseen(session, prospect, await readTargetFacts(session));
  } catch (error) {
    // A failed prediction is no reason to end a restore.
    return [`What the server will refuse could not be foreseen: ${refusalOf(error)}.`];
  }
}

/**
 * Every restore leaves a mark in a schema of its own, which needs CREATE.
 *
 * @throws ConfigurationError when the connected role lacks it
 */
async function refuseWithoutCreate(session: Session): Promise<void> {
  const [rights] = await session.query<{ self: string; database: boolean; schema: boolean }>(`
    SELECT current_user::text AS self, has_database_privilege(current_database(), 'CREATE') AS database,
      coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = '${ownSchema}'), true) AS schema`);
  if (rights === undefined || (rights.database && rights.schema)) return;
  const where = rights.database ? `the schema ${ownSchema} of the target` : 'the database';
  throw new ConfigurationError(
    say`${nameInput('target-url')}: the connected role ${rights.self} has no CREATE on ${where}, which every restore needs`,
    'Connect as the owner of the database, or have the owner grant it to the role: GRANT CREATE ON ….',
  );
}

async function describeForeseen(session: Session, prospect: Prospect, facts: TargetFacts): Promise<string[]> {
  const { entries, tables, guards, kind, roles, part } = prospect;
  const isEmptied =
    part === undefined && kind === 'plain' && (await findExistingObjects(session, kind)).length > 0;
  const renewed = isEmptied ? ('all' as const) : new Set(prospect.renewed);
  const { groups, definitions, given, settings } = await previewRefusals(session, prospect, facts, renewed);
  const created = new Set(roles.created.map(({ name }) => name));
  const rows = new Map(tables.map((table) => [table.oid, table]));
  const isOurs = (role: string) => created.has(role) || facts.roles.get(role)?.assumable === true;
  return [
    ...(await describeIrremovable(session, prospect, facts, isEmptied)),
    ...(facts.superuser
      ? []
      : await describeLostOwners(session, entries, { facts, renewed, created, isOurs })),
    ...groups.map((group) => describeRefused(group, rows)),
    ...describeQueues(groups, tables),
    ...describeEnd(groups, guards),
    ...describePlaces(entries, definitions, facts, groups),
    ...describeSettings(given, facts, (name) => judgeSetting(name, settings, facts, kind === 'plain', 'it')),
  ];
}

/** Predicts what will be refused and why, in groups. Exported for its tests. */
export async function previewRefusals(
  session: Session,
  { entries, supplement, kind, roles, part }: Prospect,
  facts: TargetFacts,
  renewed: ReadonlySet<string> | 'all',
) {
  const definitions = new DefinitionIndex(supplement.definitions);
  const given = part === undefined ? listGivenSettings(supplement, roles, facts) : [];
  const called = entries
    .filter((entry) => entry.kind === 'FUNCTION' || entry.kind === 'PROCEDURE')
    .flatMap((entry) => findFunctionSettings(definitions.findRoutine(entry) ?? ''));
  const settings = await readSettings(session, [...called, ...given.map(({ name }) => name)]);
  const created = new Set(roles.created.filter(({ needed }) => needed).map(({ name }) => name));
  const findReason = createRules({
    ...{ entries, definitions, facts, settings, renewed },
    plain: kind === 'plain',
    whole: part === undefined,
    hasRightsOf: (role) => created.has(role) || facts.roles.get(role)?.usable === true,
  });
  const isLookedAt = part === undefined ? kind === 'plain' && renewed !== 'all' : part.isInUse;
  const collisions = isLookedAt
    ? await findCollisions(session, entries, definitions, part?.replaced)
    : new Map<ArchiveEntry, Reason>();
  const groups = followRefusals(
    entries,
    (entry) => findReason(entry) ?? collisions.get(entry),
    // The table is then created with the default access method.
    (entry, need) => entry.kind === 'TABLE' && need.kind === 'ACCESS METHOD',
  );
  return { groups, definitions, given, settings };
}

async function describeIrremovable(
  session: Session,
  { part }: Prospect,
  facts: TargetFacts,
  isEmptied: boolean,
): Promise<string[]> {
  if (facts.superuser) return [];
  const found =
    part === undefined
      ? isEmptied
        ? await findUnremovable(session, facts)
        : []
      : await findIrremovable(session, part.replaced);
  if (found.length === 0) return [];
  return [
    `With clean, the restore would be refused, because the connected role ${facts.self} does not own ${listFew(found)}. Connect as their owner or as a superuser.`,
  ];
}

/** Tables of message queues have no entries, because the extension creates them. */
function describeQueues(groups: readonly RefusedGroup[], tables: Prospect['tables']): string[] {
  const isGone = groups.some(({ direct, following }) =>
    [...direct, ...following].some(({ kind, name }) => kind === 'EXTENSION' && name === 'pgmq'),
  );
  const queues = isGone ? tables.filter(({ schema }) => schema === 'pgmq') : [];
  if (queues.length === 0) return [];
  const rows = queues.reduce((sum, table) => sum + table.rows, 0);
  return [
    `Without the extension pgmq its ${count(queues.length, 'table')} with ${count(rows, 'row')} cannot be restored: ${listFew(queues.map(writePattern))}.`,
  ];
}

/** Says that the restore would end: it never lets a role see more rows than in the source. */
function describeEnd(groups: readonly RefusedGroup[], guards: ReadonlySet<ArchiveEntry>): string[] {
  const gone = groups.flatMap(({ direct, following }) => [...direct, ...following]);
  const missing = gone.filter((entry) => guards.has(entry));
  if (missing.length === 0) return [];
  const names = missing.map(({ schema, name }) => `policy ${schema}.${name}`);
  return [
    `The restore would stop before it grants privileges, because without ${listFew(names)} rows would be exposed. Fix the cause, or leave their tables out with exclude.`,
  ];
}

/** Describes what will be in the default tablespace, or use the default access method. */
function describePlaces(
  entries: readonly ArchiveEntry[],
  definitions: DefinitionIndex,
  { tablespaces, accessMethods }: TargetFacts,
  groups: readonly RefusedGroup[],
): string[] {
  const refused = new Set(groups.flatMap(({ direct, following }) => [...direct, ...following]));
  const coming = entries.filter((entry) => !refused.has(entry));
  const places = Map.groupBy(coming, (entry) => {
    const place = definitions.findTablespace(entry);
    return place === undefined || tablespaces.get(place) === true ? '' : place;
  });
  const made = new Set(coming.filter(({ kind }) => kind === 'ACCESS METHOD').map(({ name }) => name));
  const extensions = new Set(coming.filter(({ kind }) => kind === 'EXTENSION').map(({ id }) => id));
  const methods = Map.groupBy(coming, (entry) => {
    const method = definitions.findAccessMethod(entry);
    if (method === undefined || accessMethods.has(method) || made.has(method)) return '';
    // An access method that an extension may bring is not judged.
    return entry.needs.some((id) => extensions.has(id)) ? '' : method;
  });
  places.delete('');
  methods.delete('');
  const list = (of: readonly ArchiveEntry[]) =>
    listFew(of.map(({ schema = '', name }) => writePattern({ schema, name })));
  return [
    ...[...places].map(
      ([name, of]) =>
        `${
          tablespaces.has(name)
            ? `The connected role has no CREATE on the tablespace ${name}`
            : `The target has no tablespace ${name}`
        }, so that ${list(of)} will be in the default one. ${tablespaces.has(name) ? 'Have that granted' : 'Create it'} first, if you need it.`,
    ),
    ...[...methods].map(
      ([name, of]) =>
        `The target will have no access method ${name}, so ${list(of)} will use the default one, rows included. Have it created there first, if you need it.`,
    ),
  ];
}

function describeSettings(
  given: readonly GivenSetting[],
  { superuser, database, roles }: TargetFacts,
  judge: (name: string) => Reason | undefined,
): string[] {
  const groups = new Map<string, { reason: Reason; names: string[] }>();
  for (const { role, name } of given) {
    const reason = judgeTarget(role) ?? judge(name);
    if (reason === undefined) continue;
    const group = groups.get(reason.why) ?? { reason, names: [] };
    groups.set(reason.why, group);
    group.names.push(
      role === undefined ? `setting ${name} of the database` : `setting ${name} of role ${role}`,
    );
  }
  return [...groups.values()].map(
    ({ reason, names }) =>
      `The server will probably refuse ${listFew(names)}, because ${reason.why}. ${reason.remedy}`,
  );

  function judgeTarget(role: string | undefined): Reason | undefined {
    if (superuser) return undefined;
    if (role === undefined) {
      if (database.owned) return undefined;
      return {
        why: 'the connected role does not own the database',
        remedy: 'Restore as its owner, or have the owner set them afterwards.',
      };
    }
    if (roles.get(role)?.alterable !== false) return undefined;
    return {
      why: 'the connected role cannot alter those roles',
      remedy: 'Have a superuser set them afterwards.',
    };
  }
}
