import { firstUserOid, own } from '../../postgres/catalog/facts.ts';
import type { Session } from '../../postgres/session/connection.ts';

/**
 * Catalogs of objects in schemas: the column with the schema, and the condition for rows that are objects of
 * their own.
 */
const catalogs: readonly (readonly [string, string, string])[] = [
  ['pg_class', 'relnamespace', "x.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"],
  ['pg_proc', 'pronamespace', 'true'],
  ['pg_type', 'typnamespace', "x.typrelid = 0 AND x.typelem = 0 AND x.typtype <> 'm'"],
  ['pg_operator', 'oprnamespace', 'x.oprcode <> 0'],
  ['pg_opclass', 'opcnamespace', 'true'],
  ['pg_conversion', 'connamespace', 'true'],
  ['pg_ts_config', 'cfgnamespace', 'true'],
  ['pg_ts_dict', 'dictnamespace', 'true'],
];

/**
 * Lists users' objects in the server's own schemas as `kind name`. pg_dump writes only grants of these
 * schemas.
 */
export async function findInSystemSchemas(session: Session): Promise<string[]> {
  const queries = catalogs.map(
    ([catalog, schema, condition]) => `
      SELECT '${catalog}'::regclass::oid, x.oid FROM ${catalog} x JOIN pg_namespace n ON n.oid = x.${schema}
      WHERE n.nspname IN ('pg_catalog', 'information_schema') AND x.oid >= ${firstUserOid}
        AND ${condition} AND ${own(catalog, 'x.oid')}`,
  );
  const rows = await session.query<{ name: string }>(`
    SELECT o.type || ' ' || o.identity AS name
    FROM (${queries.join(' UNION ALL ')}) AS made (classid, objid), pg_identify_object(classid, objid, 0) AS o
    WHERE o.identity IS NOT NULL ORDER BY 1`);
  return rows.map(({ name }) => name);
}
