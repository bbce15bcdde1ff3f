import { quoteLiteral } from '../../postgres/identifier.ts';
import type { TargetKind } from '../../supabase/target-kind.ts';

/*
 * Objects to drop, as queries of (class, object) in the order of the drops. No query lists a member of an
 * extension that stays.
 */

export interface Ownership {
  readonly kind: TargetKind;
  /** Roles that own the platform's objects on a Supabase target; empty on a plain one */
  readonly platformRoles: readonly string[];
}

/** Writes names as the list of an IN, which must not be empty. */
export function listNames(names: readonly string[]): string {
  return names.length === 0 ? 'NULL' : names.map(quoteLiteral).join(', ');
}

/**
 * A condition on a row `x` of pg_extension: an extension stays when it could not be created again. The
 * catalog does not tell which role may create which extension on a Supabase project, so there all stay.
 */
export function isKept(kind: TargetKind): string {
  if (kind !== 'plain') return 'true';
  return `(x.extname = 'plpgsql' OR NOT (
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    OR pg_has_role(x.extowner, 'USAGE') AND EXISTS (
      SELECT FROM pg_available_extension_versions v
      WHERE v.name = x.extname AND v.version = x.extversion AND (v.trusted OR NOT v.superuser))))`;
}

function isUsers(owner: string, { platformRoles }: Ownership): string {
  return platformRoles.length === 0
    ? 'true'
    : `pg_get_userbyid(${owner}) NOT IN (${listNames(platformRoles)})`;
}

/**
 * A condition: no member of an extension, and no part of another object, such as the constructor of a range.
 */
function standsAlone(catalog: string, oid: string): string {
  return `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.objsubid = 0 AND d.deptype IN ('e', 'i'))`;
}

/** Lists the user's objects of a catalog whose objects are in no schema. */
function listOwned(catalog: string, owner: string, users: Ownership): string {
  return `
    SELECT '${catalog}'::regclass, o.oid FROM ${catalog} o
    WHERE o.oid >= 16384 AND ${isUsers(`o.${owner}`, users)} AND ${standsAlone(catalog, 'o.oid')}`;
}

export function listEventTriggers(users: Ownership): string {
  return listOwned('pg_event_trigger', 'evtowner', users);
}

/**
 * Lists the user's publications. Those of the platform stay, and the user's tables leave them when they are
 * dropped.
 */
export function listPublications(users: Ownership): string {
  const list = listOwned('pg_publication', 'pubowner', users);
  return users.kind === 'plain' ? list : `${list} AND o.pubname !~ '^supabase_realtime'`;
}

export function listSchemas(names: readonly string[]): string {
  return `SELECT 'pg_namespace'::regclass, oid FROM pg_namespace WHERE nspname IN (${listNames(names)})`;
}

/**
 * Lists foreign servers and wrappers, transforms, casts, languages and access methods: the platform has none
 * of them outside of extensions.
 */
export function listLoose(): string {
  return ['pg_foreign_server', 'pg_foreign_data_wrapper', 'pg_transform', 'pg_cast', 'pg_language', 'pg_am']
    .map(
      (catalog) =>
        `SELECT '${catalog}'::regclass, o.oid FROM ${catalog} o WHERE o.oid >= 16384 AND ${standsAlone(catalog, 'o.oid')}`,
    )
    .join(' UNION ALL ');
}

/** Catalogs of objects in schemas, relations first, because most other objects go with them. */
const catalogs = [
  ['pg_class', 'relnamespace', `o.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')`],
  ['pg_type', 'typnamespace', `o.typtype <> 'p' OR NOT o.typisdefined`],
  ['pg_proc', 'pronamespace', 'true'],
  ['pg_operator', 'oprnamespace', 'true'],
  ['pg_opclass', 'opcnamespace', 'true'],
  ['pg_opfamily', 'opfnamespace', 'true'],
  ['pg_statistic_ext', 'stxnamespace', 'true'],
  ['pg_ts_config', 'cfgnamespace', 'true'],
  ['pg_ts_dict', 'dictnamespace', 'true'],
  ['pg_ts_parser', 'prsnamespace', 'true'],
  ['pg_ts_template', 'tmplnamespace', 'true'],
  ['pg_collation', 'collnamespace', 'true'],
  ['pg_conversion', 'connamespace', 'true'],
] as const;

export function listObjectsIn(schemas: readonly string[]): string {
  return catalogs
    .map(
      ([catalog, namespace, condition]) => `
      SELECT '${catalog}'::regclass, o.oid FROM ${catalog} o
      WHERE o.${namespace} IN (SELECT oid FROM pg_namespace WHERE nspname IN (${listNames(schemas)}))
        AND (${condition}) AND ${standsAlone(catalog, 'o.oid')}`,
    )
    .join(' UNION ALL ');
}

/** Schemas of the platform in which it lets users create objects. */
const openSchemas = ['auth', 'storage', 'realtime'];

/** In old projects these belong to `postgres`, as a user's own functions do. */
const platformFunctions = ['uid', 'role', 'email', 'jwt', 'foldername', 'filename', 'extension', 'search'];

/**
 * Lists the user's objects in schemas of the platform, which stay: policies, because the platform ships none
 * there; triggers that call a user's function and were not dropped with it; relations and functions of roles
 * that are not the platform's.
 */
export function listOnManaged(managed: readonly string[], users: Ownership): string {
  const schemas = openSchemas.filter((name) => managed.includes(name));
  const here = (namespace: string) =>
    `${namespace} IN (SELECT oid FROM pg_namespace WHERE nspname IN (${listNames(schemas)}))`;
  return `
    SELECT 'pg_policy'::regclass, o.oid FROM pg_policy o JOIN pg_class c ON c.oid = o.polrelid
    WHERE ${here('c.relnamespace')} AND ${standsAlone('pg_class', 'c.oid')}
    UNION ALL
    SELECT 'pg_trigger'::regclass, o.oid FROM pg_trigger o JOIN pg_class c ON c.oid = o.tgrelid JOIN pg_proc p ON p.oid = o.tgfoid
    WHERE ${here('c.relnamespace')} AND NOT o.tgisinternal AND p.oid >= 16384 AND ${isUsers('p.proowner', users)}
      AND NOT ${here('p.pronamespace')}
    UNION ALL
    SELECT 'pg_class'::regclass, o.oid FROM pg_class o
    WHERE ${here('o.relnamespace')} AND o.relkind IN ('r', 'p', 'f', 'v', 'm') AND ${isUsers('o.relowner', users)}
      AND ${standsAlone('pg_class', 'o.oid')}
    UNION ALL
    SELECT 'pg_proc'::regclass, o.oid FROM pg_proc o
    WHERE ${here('o.pronamespace')} AND ${isUsers('o.proowner', users)} AND ${standsAlone('pg_proc', 'o.oid')}
      AND o.proname NOT IN (${listNames(platformFunctions)})`;
}

export function listTables(schemas: readonly string[]): string {
  return `
    SELECT 'pg_class'::regclass, o.oid FROM pg_class o
    WHERE o.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN (${listNames(schemas)}))
      AND o.relkind IN ('r', 'p', 'f') AND ${standsAlone('pg_class', 'o.oid')}`;
}

/** Lists at most `size` tables, those without children, and at most `size` large objects. */
export function listBatch(schemas: readonly string[], size: number): string {
  return `
    (${listTables(schemas)} AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = o.oid) LIMIT ${size})
    UNION ALL
    (SELECT 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata LIMIT ${size})`;
}
