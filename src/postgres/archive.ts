import type { World } from '../world.ts';
import type { ClientTools } from './client.ts';
import { runTool } from './process.ts';

/** One entry of a pg_dump archive's table of contents. */
export interface ArchiveEntry {
  readonly id: number;
  /** oid of the catalog that describes the object, 0 for none */
  readonly catalogOid: number;
  readonly oid: number;
  /** What it is: `TABLE`, `FK CONSTRAINT`, … */
  readonly kind: string;
  /** undefined for what lives in no schema */
  readonly schema: string | undefined;
  /** Name, or what stands for one; newlines of the name are spaces here. The owner follows it. */
  readonly tag: string;
  /** Ids of entries that have to be restored before. */
  readonly needs: readonly number[];
}

/** Reads the table of contents, which proves at once that pg_restore can read the archive. */
export async function readContents(client: ClientTools, file: string, world: World): Promise<ArchiveEntry[]> {
  const { stdout } = await runTool(client.pgRestore, ['--list', '--verbose', file], {
    env: { ...world.env, LC_MESSAGES: 'C' },
    signal: world.signal,
  });
  return parseContents(stdout);
}

/** Longest first, so that `TABLE DATA` is not taken for a `TABLE` in a schema called DATA. From pg_dump.c and pg_backup_archiver.c. */
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

// `s`: a name may hold U+2028, which a dot does not match otherwise.
const entryPattern = new RegExp(`^(\\d+); (\\d+) (\\d+) (${kinds.join('|')}|[A-Z ]+?) (.*)$`, 's');

/** Exported for its tests. */
export function parseContents(listing: string): ArchiveEntry[] {
  const raw: { id: number; catalogOid: number; oid: number; kind: string; rest: string; needs: number[] }[] =
    [];
  for (const line of listing.split('\n')) {
    const needs = /^;\tdepends on:((?: \d+)+)/.exec(line)?.[1];
    if (needs !== undefined) {
      raw.at(-1)?.needs.push(...needs.trim().split(' ').map(Number));
      continue;
    }
    const entry = entryPattern.exec(line);
    if (!entry) {
      if (line !== '' && !line.startsWith(';'))
        throw new Error(`pg_restore lists something unknown: ${line}`);
      continue;
    }
    const [, id, catalogOid, oid, kind = '', rest = ''] = entry;
    raw.push({ id: Number(id), catalogOid: Number(catalogOid), oid: Number(oid), kind, rest, needs: [] });
  }
  // Names are not quoted in the listing; a schema is known from its own entry, `SCHEMA - name owner`, less the owner, which has
  // no delimiter either: any longer candidate that is a prefix of the rest wins.
  const schemas = raw
    .filter((entry) => entry.kind === 'SCHEMA')
    .flatMap((entry) => prefixes(entry.rest.replace(/^- /, '')))
    .concat('public', 'pg_catalog');
  const known = [...new Set(schemas)].sort((one, other) => other.length - one.length);
  return raw.map(({ rest, ...entry }) => {
    const schema = rest.startsWith('- ') ? undefined : known.find((name) => rest.startsWith(`${name} `));
    return { ...entry, schema, tag: rest.slice(schema === undefined ? 2 : schema.length + 1) };
  });
}

/** `b c owner` → `b`, `b c` */
function prefixes(text: string): string[] {
  const words = text.split(' ');
  return words.slice(1).map((_, index) => words.slice(0, index + 1).join(' '));
}

/** A list for `pg_restore --use-list`: only the ids are read. */
export function writeList(entries: readonly ArchiveEntry[]): string {
  return entries.map((entry) => `${entry.id};\n`).join('');
}
