import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import { recordsSchemas } from '../../postgres/own-schema.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { Replacement } from '../part/replacement.ts';
import type { TargetFacts } from './facts.ts';
import { listFew } from './refusals.ts';

/**
 * A condition: the connected role lacks the rights of an object's owner. pg_shdepend has no rows for the
 * bootstrap superuser, whose oid is 10.
 */
const isForeign = (owner: string) => `NOT pg_has_role(${owner}, 'USAGE')`;

/**
 * Names the objects that a part of a backup replaces and the connected role may not remove: it owns neither
 * them nor their schemas, or not a table whose foreign key has to be dropped before.
 */
export async function findIrremovable(session: Session, { objects, held }: Replacement): Promise<string[]> {
  const keys = held.flatMap(
    ({ drop }) => /^ALTER TABLE (.+) DROP CONSTRAINT ("(?:[^"]|"")*"|[^ "]+)$/s.exec(drop ?? '')?.[1] ?? [],
  );
  const rows = await session.query<{ name: string }>(
    `SELECT i.type || ' ' || i.identity AS name
     FROM unnest($1::oid[], $2::oid[]) AS o (class, oid)
     CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) AS i
     LEFT JOIN pg_shdepend s ON s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
       AND s.classid = o.class AND s.objid = o.oid AND s.objsubid = 0 AND s.deptype = 'o'
     LEFT JOIN pg_class c ON o.class = 'pg_class'::regclass AND c.oid = o.oid
     LEFT JOIN pg_namespace n ON quote_ident(n.nspname) = i.schema
     WHERE ${isForeign('coalesce(s.refobjid, 10)')}
       AND (coalesce(${isForeign('n.nspowner')}, true)
         -- Tables are locked first.
         OR (c.relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')))
     UNION ALL
     SELECT 'table ' || k.name || ' (its foreign key)' FROM unnest($3::text[]) AS k (name) JOIN pg_class c ON c.oid = k.name::regclass
     WHERE ${isForeign('c.relowner')}
     ORDER BY 1`,
    [objects.map((object) => object.class), objects.map(({ oid }) => oid), [...new Set(keys)]],
  );
  return rows.map(({ name }) => name);
}

/** The same where all of a plain database is emptied. Objects of an extension stay, and are not listed. */
export async function findUnremovable(session: Session, { database }: TargetFacts): Promise<string[]> {
  const member = (catalog: string, oid: string) =>
    `EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`;
  const loose = [
    ['event trigger', 'pg_event_trigger', 'evtname', 'evtowner'],
    ['publication', 'pg_publication', 'pubname', 'pubowner'],
    ['foreign server', 'pg_foreign_server', 'srvname', 'srvowner'],
    ['foreign data wrapper', 'pg_foreign_data_wrapper', 'fdwname', 'fdwowner'],
  ] as const;
  const rows = await session.query<{ name: string }>(`
    SELECT 'schema ' || quote_ident(n.nspname) AS name FROM pg_namespace n
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname <> 'public'
      AND n.nspname NOT IN (${recordsSchemas}) AND ${isForeign('n.nspowner')} AND NOT ${member('pg_namespace', 'n.oid')}
    UNION ALL
    SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND ${isForeign('n.nspowner')} AND ${isForeign('c.relowner')} AND NOT ${member('pg_class', 'c.oid')}
    ${loose
      .map(
        ([kind, catalog, name, owner]) => `
    UNION ALL
    SELECT '${kind} ' || quote_ident(x.${name}) FROM ${catalog} x
    WHERE ${isForeign(`x.${owner}`)} AND NOT ${member(catalog, 'x.oid')}`,
      )
      .join('')}
    ORDER BY 1`);
  return [...(database.owned ? [] : ['the database']), ...rows.map(({ name }) => name)];
}

/** Kinds of entries that pg_restore gives an owner. */
const owned = new Set([
  ...[
    'AGGREGATE',
    'BLOB',
    'BLOB METADATA',
    'COLLATION',
    'CONVERSION',
    'DOMAIN',
    'EVENT TRIGGER',
    'FOREIGN DATA WRAPPER',
  ],
  ...['FOREIGN TABLE', 'FUNCTION', 'MATERIALIZED VIEW', 'OPERATOR', 'OPERATOR CLASS', 'OPERATOR FAMILY'],
  ...[
    'PROCEDURAL LANGUAGE',
    'PROCEDURE',
    'PUBLICATION',
    'SCHEMA',
    'SEQUENCE',
    'SERVER',
    'STATISTICS',
    'SUBSCRIPTION',
  ],
  ...['TABLE', 'TEXT SEARCH CONFIGURATION', 'TEXT SEARCH DICTIONARY', 'TYPE', 'VIEW'],
]);

/** The target as a restore finds it, and what the restore creates before objects get their owners. */
interface Ground {
  readonly facts: TargetFacts;
  readonly renewed: ReadonlySet<string> | 'all';
  /** Roles that the restore creates */
  readonly created: ReadonlySet<string>;
}

/** Describes which roles of the backup will not own what they owned. */
export async function describeLostOwners(
  session: Session,
  entries: readonly ArchiveEntry[],
  ground: Ground & {
    /** Whether the connected role can give objects to a role */
    isOurs(role: string): boolean;
  },
): Promise<string[]> {
  const { facts, isOurs } = ground;
  const given = entries.filter(({ kind, owner }) => owned.has(kind) && owner !== '' && owner !== facts.self);
  const foreign = [...new Set(given.filter(({ owner }) => !isOurs(owner)).map(({ owner }) => owner))].sort();
  const shut = await findShutOut(
    session,
    given.filter(({ owner }) => isOurs(owner)),
    new Map(entries.filter(({ kind }) => kind === 'SCHEMA').map(({ name, owner }) => [name, owner])),
    ground,
  );
  return [
    ...(foreign.length === 0
      ? []
      : [
          `The connected role cannot act as ${listFew(foreign)}, so their objects will belong to the connected role.`,
        ]),
    ...(shut.length === 0
      ? []
      : [
          `Their objects in a schema where they have no CREATE will belong to the connected role: ${listFew(shut)}. Change the owner after the restore, or restore as a superuser.`,
        ]),
  ];
}

/**
 * Finds owners that will lack CREATE on a schema. The server asks for it when the connected role is no
 * superuser, and grants come at the end of a restore.
 */
async function findShutOut(
  session: Session,
  given: readonly ArchiveEntry[],
  made: ReadonlyMap<string, string>,
  { facts, renewed, created }: Ground,
): Promise<string[]> {
  const pairs = new Map(
    given
      .filter(({ kind, schema }) => schema !== undefined && kind !== 'SCHEMA' && kind !== 'BLOB')
      .map(({ schema = '', owner }) => [`${schema}\0${owner}`, { schema, owner }]),
  );
  const isThere = ({ schema }: { schema: string }) =>
    facts.schemas.has(schema) && renewed !== 'all' && !renewed.has(schema);
  const there = [...pairs.values()].filter(isThere);
  const rows = await session.query<{ schema: string; owner: string }>(
    `SELECT p.schema, p.owner FROM unnest($1::text[], $2::text[], $3::text[]) AS p (schema, owner, asked)
     JOIN pg_namespace n ON n.nspname = p.schema WHERE NOT has_schema_privilege(p.asked::name, n.oid, 'CREATE')`,
    [
      there.map(({ schema }) => schema),
      there.map(({ owner }) => owner),
      // A role that the restore creates still has only the rights of PUBLIC.
      there.map(({ owner }) => (created.has(owner) ? 'public' : owner)),
    ],
  );
  const anew = [...pairs.values()].filter((pair) => {
    const owner = made.get(pair.schema);
    return !isThere(pair) && owner !== undefined && pair.schema !== 'public' && owner !== pair.owner;
  });
  const members = await session.query<{ schema: string; owner: string }>(
    `SELECT p.schema, p.owner FROM unnest($1::text[], $2::text[], $3::text[]) AS p (schema, owner, above)
     LEFT JOIN pg_roles m ON m.rolname = p.owner LEFT JOIN pg_roles a ON a.rolname = p.above
     WHERE NOT coalesce(m.rolsuper OR pg_has_role(m.oid, a.oid, 'USAGE'), false)`,
    [
      anew.map(({ schema }) => schema),
      anew.map(({ owner }) => owner),
      anew.map(({ schema }) => made.get(schema) ?? ''),
    ],
  );
  return [...rows, ...members].map(({ schema, owner }) => `${owner} in ${schema}`).sort();
}
