import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import type { Session } from '../postgres/session/connection.ts';
import { readManagedSchemas } from './managed-schemas.ts';

/** A table of the target, as far as it matters for restoring rows. */
export interface TargetTable {
  /** Columns that accept a value, in their order: all but generated ones. */
  readonly columns: readonly string[];
  /** Whether the connected role may insert. */
  readonly writable: boolean;
}

/** What a target holds before a restore, in the terms of an archive. */
export interface TargetCatalog {
  /** Schemas that are the platform's own. */
  readonly managed: ReadonlySet<string>;
  /** Versions of the installed extensions, by name. */
  readonly extensions: ReadonlyMap<string, string>;
  /** The table of that name, managed or not. */
  findTable(table: { schema: string; name: string }): TargetTable | undefined;
  /** Whether the target has an object of the same kind and name as an entry. Its definition may differ. */
  has(entry: Pick<ArchiveEntry, 'kind' | 'schema' | 'name'>): boolean;
}

/** Kinds of entries that share one namespace. */
const groups: ReadonlyMap<string, string> = new Map([
  ...['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'FOREIGN TABLE', 'SEQUENCE', 'INDEX'].map(
    (kind) => [kind, 'relation'] as const,
  ),
  ...['FUNCTION', 'PROCEDURE', 'AGGREGATE'].map((kind) => [kind, 'routine'] as const),
  ...['TYPE', 'SHELL TYPE', 'DOMAIN'].map((kind) => [kind, 'type'] as const),
  ...['CONSTRAINT', 'FK CONSTRAINT', 'CHECK CONSTRAINT'].map((kind) => [kind, 'constraint'] as const),
  ...[
    'SCHEMA',
    'EXTENSION',
    'TRIGGER',
    'POLICY',
    'RULE',
    'ROW SECURITY',
    'STATISTICS',
    'EVENT TRIGGER',
    'PUBLICATION',
    'PUBLICATION TABLE',
    'PUBLICATION TABLES IN SCHEMA',
    'FOREIGN DATA WRAPPER',
    'SERVER',
    'USER MAPPING',
    'OPERATOR',
    'OPERATOR CLASS',
    'OPERATOR FAMILY',
    'COLLATION',
    'CONVERSION',
    'TEXT SEARCH CONFIGURATION',
    'TEXT SEARCH DICTIONARY',
    'TEXT SEARCH PARSER',
    'TEXT SEARCH TEMPLATE',
    'PROCEDURAL LANGUAGE',
    'ACCESS METHOD',
    'CAST',
    'TRANSFORM',
  ].map((kind) => [kind, kind] as const),
]);

/**
 * Names in the form of pg_dump's table of contents: the relation before its part, argument types behind a
 * routine. The first branch sets the column types: with type `name`, a combined name would be cut at 63
 * bytes.
 */
const objectsQuery = `
  SELECT 'relation' AS kind, n.nspname::text AS schema, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I')
  UNION ALL
  SELECT 'routine', n.nspname, p.proname || '(' || CASE WHEN p.prokind = 'a' AND p.pronargs = 0 THEN '*' ELSE array_to_string(
           ARRAY(SELECT format_type(a.type, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, at) ORDER BY a.at), ', ') END || ')'
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname <> 'pg_catalog'
  UNION ALL
  SELECT 'type', n.nspname, t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname <> 'pg_catalog'
  UNION ALL
  SELECT 'constraint', n.nspname, coalesce(c.relname, t.typname) || ' ' || x.conname
  FROM pg_constraint x JOIN pg_namespace n ON n.oid = x.connamespace
  LEFT JOIN pg_class c ON c.oid = x.conrelid LEFT JOIN pg_type t ON t.oid = x.contypid
  UNION ALL
  SELECT 'TRIGGER', n.nspname, c.relname || ' ' || t.tgname
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal
  UNION ALL
  SELECT 'POLICY', n.nspname, c.relname || ' ' || p.polname
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL
  SELECT 'RULE', n.nspname, c.relname || ' ' || r.rulename
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL
  SELECT 'ROW SECURITY', n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relrowsecurity
  UNION ALL
  SELECT 'STATISTICS', n.nspname, s.stxname FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
  UNION ALL SELECT 'OPERATOR', n.nspname, o.oprname FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid >= 16384
  UNION ALL SELECT 'OPERATOR CLASS', n.nspname, o.opcname FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE o.oid >= 16384
  UNION ALL SELECT 'OPERATOR FAMILY', n.nspname, o.opfname FROM pg_opfamily o JOIN pg_namespace n ON n.oid = o.opfnamespace WHERE o.oid >= 16384
  UNION ALL SELECT 'COLLATION', n.nspname, o.collname FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace WHERE o.oid >= 16384
  UNION ALL SELECT 'CONVERSION', n.nspname, o.conname FROM pg_conversion o JOIN pg_namespace n ON n.oid = o.connamespace WHERE o.oid >= 16384
  UNION ALL SELECT 'TEXT SEARCH CONFIGURATION', n.nspname, o.cfgname FROM pg_ts_config o JOIN pg_namespace n ON n.oid = o.cfgnamespace
  UNION ALL SELECT 'TEXT SEARCH DICTIONARY', n.nspname, o.dictname FROM pg_ts_dict o JOIN pg_namespace n ON n.oid = o.dictnamespace
  UNION ALL SELECT 'TEXT SEARCH PARSER', n.nspname, o.prsname FROM pg_ts_parser o JOIN pg_namespace n ON n.oid = o.prsnamespace
  UNION ALL SELECT 'TEXT SEARCH TEMPLATE', n.nspname, o.tmplname FROM pg_ts_template o JOIN pg_namespace n ON n.oid = o.tmplnamespace
  UNION ALL SELECT 'PROCEDURAL LANGUAGE', '', lanname FROM pg_language
  UNION ALL SELECT 'ACCESS METHOD', '', amname FROM pg_am
  UNION ALL SELECT 'CAST', '', format('CAST (%s AS %s)', format_type(castsource, NULL), format_type(casttarget, NULL)) FROM pg_cast WHERE oid >= 16384
  UNION ALL
  SELECT 'TRANSFORM', '', format('FOR %s LANGUAGE %s', format_type(t.trftype, NULL), l.lanname) FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
  UNION ALL SELECT 'SCHEMA', '', nspname FROM pg_namespace
  UNION ALL SELECT 'EXTENSION', '', extname FROM pg_extension
  UNION ALL SELECT 'EVENT TRIGGER', '', evtname FROM pg_event_trigger
  UNION ALL SELECT 'PUBLICATION', '', pubname FROM pg_publication
  UNION ALL
  SELECT 'PUBLICATION TABLE', n.nspname, p.pubname || ' ' || c.relname
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
  JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL SELECT 'FOREIGN DATA WRAPPER', '', fdwname FROM pg_foreign_data_wrapper
  UNION ALL SELECT 'SERVER', '', srvname FROM pg_foreign_server
  UNION ALL SELECT 'USER MAPPING', '', 'USER MAPPING ' || coalesce(usename, 'public') || ' SERVER ' || srvname FROM pg_user_mappings`;

/** Since PostgreSQL 15. */
const publicationSchemasQuery = `
  UNION ALL
  SELECT 'PUBLICATION TABLES IN SCHEMA', n.nspname, p.pubname || ' ' || n.nspname
  FROM pg_publication_namespace x JOIN pg_publication p ON p.oid = x.pnpubid JOIN pg_namespace n ON n.oid = x.pnnspid`;

const tablesQuery = `
  SELECT n.nspname AS schema, c.relname AS name, has_table_privilege(c.oid, 'INSERT') AS writable,
         (SELECT coalesce(json_agg(attname ORDER BY attnum), '[]') FROM pg_attribute
          WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '')::text AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`;

/** Reads catalogs only. The session's empty search_path makes the server write type names in full. */
export async function readTargetCatalog(session: Session): Promise<TargetCatalog> {
  const objects = await session.query<{ kind: string; schema: string; name: string }>(
    `${objectsQuery}${session.serverVersion >= 150000 ? publicationSchemasQuery : ''}`,
  );
  const tables = await session.query<{ schema: string; name: string; writable: boolean; columns: string }>(
    tablesQuery,
  );
  const extensions = await session.query<{ name: string; version: string }>(
    'SELECT extname AS name, extversion AS version FROM pg_extension',
  );
  const present = new Set(objects.map(({ kind, schema, name }) => identify(kind, schema, name)));
  const byName = new Map(
    tables.map(({ schema, name, writable, columns }) => [
      identify('table', schema, name),
      { writable, columns: JSON.parse(columns) as string[] },
    ]),
  );
  return {
    managed: await readManagedSchemas(session),
    extensions: new Map(extensions.map(({ name, version }) => [name, version])),
    findTable: ({ schema, name }) => byName.get(identify('table', schema, name)),
    has({ kind, schema, name }) {
      const group = groups.get(kind);
      return group !== undefined && present.has(identify(group, schema ?? '', name));
    },
  };
}

/** A table of contents has spaces where names have line ends (sanitize_line in pg_backup_archiver.c). */
function identify(kind: string, schema: string, name: string): string {
  return [kind, schema, name].map((part) => part.replaceAll(/[\n\r]/g, ' ')).join('\0');
}
