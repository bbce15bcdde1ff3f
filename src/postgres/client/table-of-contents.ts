import type { Context } from '../../runtime/context.ts';
import { toolEnvironment } from './environment.ts';
import type { ClientTools } from './find.ts';
import { runTool } from './process.ts';

/** One entry of a pg_dump archive's table of contents. */
export interface ArchiveEntry {
  readonly id: number;
  /** oid of the catalog that describes the object, 0 for none */
  readonly catalogOid: number;
  readonly oid: number;
  /** The entry's description: `TABLE`, `FK CONSTRAINT`, … */
  readonly kind: string;
  /** undefined for an object outside of any schema */
  readonly schema: string | undefined;
  /** The object's name, with argument types for a function; newlines have become spaces. */
  readonly name: string;
  /**
   * The owner; for a default privilege, the role that it applies to; empty without an owner, as for an
   * extension.
   */
  readonly owner: string;
  /** Ids of entries that have to be restored first. */
  readonly needs: readonly number[];
}

/**
 * Reads the table of contents, which also proves that pg_restore can read the archive.
 *
 * @param roles names that occur as owners
 * @throws ToolError when pg_restore cannot read the archive
 */
export async function readContents(
  client: ClientTools,
  file: string,
  roles: readonly string[],
  context: Context,
): Promise<ArchiveEntry[]> {
  const { stdout } = await runTool(client.pgRestore, ['--list', '--verbose', file], {
    env: toolEnvironment(context.env),
    signal: context.signal,
  });
  return parseContents(stdout, roles);
}

/**
 * Descriptions of entries, from pg_dump.c and pg_backup_archiver.c. Longest first, so that `TABLE DATA` is
 * not taken for a `TABLE` in a schema called DATA.
 */
const kinds = [
  'MATERIALIZED VIEW DATA',
  'TEXT SEARCH CONFIGURATION',
  'TEXT SEARCH DICTIONARY',
  'TEXT SEARCH TEMPLATE',
  'PUBLICATION TABLES IN SCHEMA',
  'FOREIGN DATA WRAPPER',
  'PROCEDURAL LANGUAGE',
  'SUBSCRIPTION TABLE',
  'DATABASE PROPERTIES',
  'TEXT SEARCH PARSER',
  'PUBLICATION TABLE',
  'MATERIALIZED VIEW',
  'CHECK CONSTRAINT',
  'SEQUENCE OWNED BY',
  'STATISTICS DATA',
  'OPERATOR FAMILY',
  'SECURITY LABEL',
  'OPERATOR CLASS',
  'FOREIGN TABLE',
  'FK CONSTRAINT',
  'EVENT TRIGGER',
  'ACCESS METHOD',
  'BLOB COMMENTS',
  'BLOB METADATA',
  'USER MAPPING',
  'SEQUENCE SET',
  'TABLE ATTACH',
  'INDEX ATTACH',
  'ROW SECURITY',
  'DEFAULT ACL',
  'SUBSCRIPTION',
  'PUBLICATION',
  'SEARCHPATH',
  'CONSTRAINT',
  'STATISTICS',
  'CONVERSION',
  'STDSTRINGS',
  'SHELL TYPE',
  'TABLE DATA',
  'AGGREGATE',
  'PROCEDURE',
  'COLLATION',
  'EXTENSION',
  'TRANSFORM',
  'SEQUENCE',
  'FUNCTION',
  'OPERATOR',
  'DATABASE',
  'ENCODING',
  'COMMENT',
  'DEFAULT',
  'TRIGGER',
  'DOMAIN',
  'SERVER',
  'SCHEMA',
  'POLICY',
  'INDEX',
  'TABLE',
  'BLOBS',
  'VIEW',
  'CAST',
  'TYPE',
  'RULE',
  'BLOB',
  'ACL',
];

// `s`: a name may hold U+2028, which a dot does not match without it.
const entryPattern = new RegExp(`^(\\d+); (\\d+) (\\d+) (${kinds.join('|')}|[A-Z ]+?) (.*)$`, 's');

/**
 * Entries described by pg_class. Others with the same first word (`TABLE DATA`, `SEQUENCE SET`) have no
 * catalog.
 */
const pgClass = 1259;
const relationPattern =
  /^(\d+); (\d+) (\d+) (MATERIALIZED VIEW|FOREIGN TABLE|SEQUENCE|TABLE|INDEX|VIEW) (.*)$/s;

/** Exported for its tests. */
export function parseContents(listing: string, roles: readonly string[]): ArchiveEntry[] {
  const raw: { id: number; catalogOid: number; oid: number; kind: string; rest: string; needs: number[] }[] =
    [];
  for (const line of listing.split('\n')) {
    const needs = /^;\tdepends on:((?: \d+)+)/.exec(line)?.[1];
    if (needs !== undefined) {
      const entry = raw.at(-1);
      for (const id of needs.trim().split(' ')) entry?.needs.push(Number(id));
      continue;
    }
    const isRelation = line.split(' ', 2)[1] === String(pgClass);
    const entry = (isRelation ? relationPattern.exec(line) : null) ?? entryPattern.exec(line);
    if (!entry) {
      if (line !== '' && !line.startsWith(';'))
        throw new Error(`pg_restore lists something unknown: ${line}`);
      continue;
    }
    const [, id, catalogOid, oid, kind = '', rest = ''] = entry;
    raw.push({ id: Number(id), catalogOid: Number(catalogOid), oid: Number(oid), kind, rest, needs: [] });
  }
  // The rest is `schema name owner`, unquoted: the longest known schema is its prefix, the longest known role
  // its suffix.
  const owners = new Set(roles);
  const findOwner = (text: string): string =>
    findSuffix(text, owners) ?? text.slice(text.lastIndexOf(' ') + 1);
  const dropOwner = (text: string): string =>
    text.slice(0, Math.max(0, text.length - findOwner(text).length - 1));
  const schemas = new Set(['public', 'pg_catalog']);
  for (const { kind, rest } of raw) if (kind === 'SCHEMA') schemas.add(dropOwner(rest.slice(2)));
  // Where two schemas fit (`a` and `a b`), the right one is that of an entry which this one depends on.
  const schemaOf = new Map<number, string>();
  return raw.map(({ rest, ...entry }) => {
    const fitting = findPrefixes(rest, schemas);
    const needed = new Set(fitting.length > 1 ? entry.needs.map((id) => schemaOf.get(id)) : []);
    const schema = rest.startsWith('- ')
      ? undefined
      : // The schema of an extension has no entry of its own.
        (fitting.find((name) => needed.has(name)) ?? fitting[0] ?? rest.slice(0, rest.indexOf(' ')));
    const name = dropOwner(rest.slice(schema === undefined ? 2 : schema.length + 1));
    const home = entry.kind === 'SCHEMA' ? name : schema;
    if (home !== undefined) schemaOf.set(entry.id, home);
    return { ...entry, schema, name, owner: findOwner(rest) };
  });
}

/** UTF-16 units of the longest name: PostgreSQL allows 63 bytes, unless it was built otherwise. */
const longestName = 1024;

/** The names that the text begins with, followed by a space; longest first. */
function findPrefixes(text: string, names: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (let at = text.indexOf(' '); at >= 0 && at <= longestName; at = text.indexOf(' ', at + 1)) {
    const name = text.slice(0, at);
    if (names.has(name)) found.unshift(name);
  }
  return found;
}

/** The longest name that the text ends with, preceded by a space. */
function findSuffix(text: string, names: ReadonlySet<string>): string | undefined {
  const first = Math.max(0, text.length - longestName - 1);
  for (let at = text.indexOf(' ', first); at >= 0; at = text.indexOf(' ', at + 1)) {
    const name = text.slice(at + 1);
    if (names.has(name)) return name;
  }
  return undefined;
}

/** The list for `pg_restore --use-list`, which reads only the ids. */
export function writeList(entries: readonly ArchiveEntry[]): string {
  return entries.map((entry) => `${entry.id};\n`).join('');
}

/** A description for people: `fk constraint sales.orders orders_customer_fkey`. */
export function describeEntry(entry: Pick<ArchiveEntry, 'kind' | 'schema' | 'name'>): string {
  return `${entry.kind.toLowerCase()} ${entry.schema === undefined ? '' : `${entry.schema}.`}${entry.name}`;
}

/** The table of a policy entry or of a row security entry. */
export function findGuarded(guard: ArchiveEntry, entries: readonly ArchiveEntry[]): ArchiveEntry | undefined {
  return entries.find(
    ({ kind, id, schema, name }) =>
      kind === 'TABLE' &&
      guard.needs.includes(id) &&
      schema === guard.schema &&
      `${guard.name} `.startsWith(`${name} `),
  );
}
