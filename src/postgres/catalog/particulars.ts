import type { Definition } from '../../format/supplement.ts';
import type { Session } from '../session/connection.ts';
import {
  digest,
  documented,
  identity,
  parts,
  relations,
  routines,
  secretOption,
  sorted,
  types,
  when,
} from './definition-words.ts';
import { sortDefinitions } from './definitions.ts';
import { tableOptions } from './documented-options.ts';
import { firstUserOid, own, userSchema } from './facts.ts';
import { apiRoles, ofUsers } from './ownership-queries.ts';

/*
 * Describes what pg_dump writes in addition to definition-queries.ts. It serves comparisons only: rows can be
 * replayed whatever changes here, and the digest of all definitions stays the same. A line of a kind `…
 * details` adds to the line of the same name without that suffix; an object without details has no such line.
 */

const shapes: readonly string[] = [
  'access method',
  'conversion',
  'language',
  'operator class',
  'text search parser',
  'text search template',
  'transform',
  'materialized view',
  'subscription',
  'user mapping',
  'foreign data wrapper',
  'foreign server',
  'foreign table',
  'column',
];

const suffix = ' details';

/** The kinds of lines that `readParticulars` returns. */
export const particularKinds: ReadonlySet<string> = new Set([
  ...shapes.map((kind) => `${kind}${suffix}`),
  'extension comment',
  'local',
  'not null constraint',
  'owner grant',
  'predefined role grant',
  'maintain',
]);

/**
 * The kind of line that this kind adds to, and is meaningless without; undefined for a kind that stands
 * alone.
 */
export function kindBehind(kind: string): string | undefined {
  if (kind === 'extension comment') return 'extension';
  return kind.endsWith(suffix) ? kind.slice(0, -suffix.length) : undefined;
}

/** Replaces what the connected role may not read. */
export const notReadable = 'not readable';

const routine = (word: string, oid: string) => `'${word} ' || nullif(${oid}::oid, 0)::regproc`;

/** Kinds named by the server's identity for them: the catalog, and the details of its row `x`. */
const identified: readonly (readonly [kind: string, catalog: string, detail: readonly string[]])[] = [
  [
    'access method',
    'pg_am',
    [`CASE x.amtype WHEN 'i' THEN 'of indexes' ELSE 'of tables' END`, routine('handler', 'x.amhandler')],
  ],
  [
    'conversion',
    'pg_conversion',
    [
      when('x.condefault', 'default'),
      `'from ' || pg_encoding_to_char(x.conforencoding) || ' to ' || pg_encoding_to_char(x.contoencoding)`,
      routine('function', 'x.conproc'),
    ],
  ],
  [
    'language',
    'pg_language',
    [
      when('x.lanpltrusted', 'trusted'),
      routine('handler', 'x.lanplcallfoid'),
      routine('inline', 'x.laninline'),
      routine('validator', 'x.lanvalidator'),
    ],
  ],
  [
    'operator class',
    'pg_opclass',
    [
      when('x.opcdefault', 'default'),
      `'for type ' || format_type(x.opcintype, NULL)`,
      `'family ' || (SELECT f.identity FROM pg_identify_object('pg_opfamily'::regclass, x.opcfamily, 0) AS f)`,
      `'storage ' || format_type(nullif(x.opckeytype, 0), NULL)`,
    ],
  ],
  [
    'text search parser',
    'pg_ts_parser',
    [
      routine('start', 'x.prsstart'),
      routine('gettoken', 'x.prstoken'),
      routine('end', 'x.prsend'),
      routine('headline', 'x.prsheadline'),
      routine('lextypes', 'x.prslextype'),
    ],
  ],
  [
    'text search template',
    'pg_ts_template',
    [routine('init', 'x.tmplinit'), routine('lexize', 'x.tmpllexize')],
  ],
  ['transform', 'pg_transform', [routine('from sql', 'x.trffromsql'), routine('to sql', 'x.trftosql')]],
];

const identifiedDetails = identified.map(
  ([kind, catalog, detail]) => `
  SELECT '${kind}${suffix}', i.schema, NULL, ${identity}, concat_ws('; ', ${detail.join(', ')})
  FROM ${catalog} x CROSS JOIN LATERAL pg_identify_object('${catalog}'::regclass, x.oid, 0) AS i
  WHERE x.oid >= ${firstUserOid} AND ${own(catalog, 'x.oid')}`,
);

/** The settings of one column; a table's column has these in its own line. */
const columnSettings = `concat_ws(' ', quote_ident(a.attname),
  CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END, 'compression ' || nullif(a.attcompression::text, ''),
  'statistics ' || nullif(a.attstattarget, -1), 'with ' || ${documented('a.attoptions', ['n_distinct', 'n_distinct_inherited'])})`;

const materializedViews = `
  SELECT 'materialized view${suffix}', r.nspname, NULL, r.relname, concat_ws('; ',
    'access method ' || (SELECT a.amname FROM pg_am a WHERE a.oid = r.relam AND a.amname <> 'heap'),
    'with ' || (SELECT ${documented('x.reloptions', tableOptions, 'toast.')} FROM pg_class x WHERE x.oid = r.reltoastrelid),
    CASE r.relreplident WHEN 'f' THEN 'replica identity full' WHEN 'n' THEN 'replica identity nothing'
      WHEN 'i' THEN 'replica identity by ' || (SELECT i.indexrelid::regclass FROM pg_index i WHERE i.indrelid = r.oid AND i.indisreplident) END,
    ${parts(
      columnSettings,
      'a.attnum',
      `pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
       WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND ${columnSettings} <> quote_ident(a.attname)`,
    )})
  FROM relations r WHERE r.relkind = 'm'`;

/**
 * Columns and constraints that an inheriting table has also declared itself: it keeps them when detached from
 * the parent. Partitions never do.
 */
const local = `
  SELECT 'local', r.nspname, r.relname, '', concat_ws('; ',
    'columns ' || ${sorted('quote_ident(a.attname)', 'pg_attribute a WHERE a.attrelid = r.oid AND a.attinhcount > 0 AND a.attislocal AND NOT a.attisdropped')},
    'constraints ' || ${sorted('quote_ident(c.conname)', `pg_constraint c WHERE c.conrelid = r.oid AND c.contype = 'c' AND c.coninhcount > 0 AND c.conislocal`)})
  FROM relations r WHERE r.relkind IN ('r', 'f') AND NOT r.relispartition`;

/**
 * Since version 18 not-null constraints have names and may be NOT VALID. Those with default properties have
 * no line.
 */
const notNull = [
  `SELECT 'not null constraint', r.nspname, r.relname, a.attname, concat_ws('; ',
     CASE WHEN c.conname <> r.relname || '_' || a.attname || '_not_null' THEN 'named ' || quote_ident(c.conname) END,
     ${when('NOT c.convalidated', 'not valid')}, ${when('c.connoinherit', 'no inherit')}, ${when('c.coninhcount > 0', 'local')})
   FROM relations r JOIN pg_constraint c ON c.conrelid = r.oid AND c.contype = 'n' AND c.conislocal
   JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = c.conkey[1]`,
  `SELECT 'not null constraint', t.nspname, NULL, t.typname, 'named ' || quote_ident(c.conname)
   FROM types t JOIN pg_constraint c ON c.contypid = t.oid AND c.contype = 'n' WHERE c.conname <> t.typname || '_not_null'`,
];

/** pg_dump writes comments of extensions as well, but not that one was removed. */
const extensionComments = `
  SELECT 'extension comment', NULL, NULL, e.extname, d.description
  FROM pg_extension e JOIN pg_description d ON d.classoid = 'pg_extension'::regclass AND d.objoid = e.oid
  WHERE e.oid >= ${firstUserOid}`;

/**
 * A digest over the values of options that look like secrets; the other values appear in clear text
 * elsewhere.
 */
const secrets = (
  list: string,
) => `(SELECT 'values ' || ${digest(`string_agg(o, chr(10) ORDER BY o COLLATE "C")`)}
  FROM unnest(${list}) AS o WHERE ${secretOption})`;

const foreign = [
  `SELECT 'foreign data wrapper${suffix}', NULL, NULL, w.fdwname, ${secrets('w.fdwoptions')}
   FROM pg_foreign_data_wrapper w WHERE ${own('pg_foreign_data_wrapper', 'w.oid')}`,
  `SELECT 'foreign server${suffix}', NULL, NULL, s.srvname, ${secrets('s.srvoptions')}
   FROM pg_foreign_server s WHERE ${own('pg_foreign_server', 's.oid')}`,
  `SELECT 'foreign table${suffix}', r.nspname, NULL, r.relname, ${secrets('t.ftoptions')}
   FROM relations r JOIN pg_foreign_table t ON t.ftrelid = r.oid`,
  `SELECT 'column${suffix}', r.nspname, r.relname, a.attname, ${secrets('a.attfdwoptions')}
   FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid WHERE r.relkind = 'f' AND a.attnum > 0 AND NOT a.attisdropped`,
  // The same condition as in the view pg_user_mappings, which hides options from other roles.
  `SELECT 'user mapping${suffix}', NULL, NULL, m.usename || ' on ' || m.srvname,
     CASE WHEN NOT ((SELECT u.rolsuper FROM pg_roles u WHERE u.rolname = current_user)
         OR (m.umuser = 0 AND pg_has_role(s.srvowner, 'USAGE'))
         OR (m.usename = current_user AND (pg_has_role(s.srvowner, 'USAGE') OR has_server_privilege(s.oid, 'USAGE'))))
       THEN '${notReadable}'
       ELSE 'values ' || ${digest(`(SELECT string_agg(o, chr(10) ORDER BY o COLLATE "C") FROM unnest(m.umoptions) AS o)`)} END
   FROM pg_user_mappings m JOIN pg_foreign_server s ON s.oid = m.srvid WHERE ${own('pg_foreign_server', 'm.srvid')}`,
];

/** @param readable whether the role may read connection strings, which hold passwords */
function subscriptions(major: number, readable: boolean): string {
  const connection = readable ? `'connection ' || ${digest('s.subconninfo')}` : `'connection ${notReadable}'`;
  const options = [
    ...(major < 14 ? [] : [when('s.subbinary', 'binary')]),
    ...(major < 14
      ? []
      : [
          `'streaming ' || CASE s.substream::text WHEN 'p' THEN 'parallel' WHEN 't' THEN 'on' WHEN 'true' THEN 'on' ELSE 'off' END`,
        ]),
    ...(major < 15
      ? []
      : [when(`s.subtwophasestate <> 'd'`, 'two_phase'), when('s.subdisableonerr', 'disable_on_error')]),
    `'synchronous_commit ' || nullif(s.subsynccommit, 'off')`,
    ...(major < 16
      ? []
      : [
          `'origin ' || nullif(s.suborigin, 'any')`,
          when('s.subrunasowner', 'run_as_owner'),
          when('NOT s.subpasswordrequired', 'no password_required'),
        ]),
    ...(major < 17 ? [] : [when('s.subfailover', 'failover')]),
  ];
  return `
    SELECT 'subscription${suffix}', NULL, NULL, s.subname, concat_ws('; ', ${[connection, ...options].join(', ')})
    FROM pg_subscription s JOIN pg_database b ON b.oid = s.subdbid WHERE b.datname = current_database()`;
}

/** Every object with a privilege list: rows of (schema, relation, name, acl, letter of acldefault, owner). */
const granting = [
  `SELECT NULL::text, NULL::text, 'schema ' || quote_ident(n.nspname), n.nspacl, 'n'::"char", n.nspowner
   FROM pg_namespace n WHERE ${userSchema} AND ${own('pg_namespace', 'n.oid')}`,
  `SELECT r.nspname, r.relname, '', r.relacl, CASE r.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, r.relowner FROM relations r`,
  `SELECT f.nspname, NULL, f.signature, f.proacl, 'f'::"char", f.proowner FROM routines f`,
  `SELECT t.nspname, NULL, 'type ' || t.typname, t.typacl, 'T'::"char", t.typowner FROM types t`,
  `SELECT NULL, NULL, 'language ' || l.lanname, l.lanacl, 'l'::"char", l.lanowner
   FROM pg_language l WHERE l.oid >= ${firstUserOid} AND l.lanpltrusted AND ${own('pg_language', 'l.oid')}`,
  `SELECT NULL, NULL, 'foreign data wrapper ' || w.fdwname, w.fdwacl, 'F'::"char", w.fdwowner
   FROM pg_foreign_data_wrapper w WHERE ${own('pg_foreign_data_wrapper', 'w.oid')}`,
  `SELECT NULL, NULL, 'foreign server ' || s.srvname, s.srvacl, 'S'::"char", s.srvowner
   FROM pg_foreign_server s WHERE ${own('pg_foreign_server', 's.oid')}`,
  `SELECT NULL, NULL, 'large object ' || m.oid, m.lomacl, 'L'::"char", m.lomowner FROM pg_largeobject_metadata m`,
];

/** Columns have no owner of their own and no default privileges. */
const columnGrants = `
  SELECT r.nspname, r.relname, quote_ident(a.attname), a.attacl, 'c'::"char", r.relowner
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped`;

/** MAINTAIN came with version 17 and has its own lines. */
const listed = (acl: string, condition: string) => `(
  SELECT string_agg(DISTINCT x.privilege_type, ', ') FROM aclexplode(${acl}) AS x WHERE x.privilege_type <> 'MAINTAIN' AND ${condition})`;

const option = `CASE WHEN bool_or(x.is_grantable) THEN ' with grant option' ELSE '' END`;

const grants = [
  // An owner may revoke its own privileges.
  `SELECT 'owner grant', g.schema, g.relation, g.name, coalesce(g.list, 'no privilege')
   FROM (SELECT o.*, ${listed('o.acl', 'x.grantee = o.owner')} AS list, ${listed('acldefault(o.letter, o.owner)', 'x.grantee = o.owner')} AS usual
         FROM granting o WHERE o.acl IS NOT NULL AND o.letter <> 'c') AS g
   WHERE g.list IS DISTINCT FROM g.usual`,
  // Grants to the server's predefined roles, such as pg_monitor; system-rights.ts covers the other kinds of
  // objects.
  `SELECT 'predefined role grant', g.schema, g.relation, concat_ws(' ', nullif(g.name, ''), 'to ' || quote_ident(g.grantee)), string_agg(g.text, ', ' ORDER BY g.text)
   FROM (SELECT o.schema, o.relation, o.name, u.rolname AS grantee, x.privilege_type || ${option} AS text
         FROM granting o CROSS JOIN aclexplode(o.acl) AS x JOIN pg_roles u ON u.oid = x.grantee
         WHERE o.letter NOT IN ('T', 'l', 'F', 'S') AND u.rolname ~ '^pg_' AND x.grantee <> o.owner AND x.privilege_type <> 'MAINTAIN'
         GROUP BY o.schema, o.relation, o.name, u.rolname, x.privilege_type) AS g
   GROUP BY g.schema, g.relation, g.name, g.grantee`,
];

/** For servers since version 17. */
const maintain = [
  `SELECT 'maintain', r.nspname, r.relname, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.rolname) END, 'MAINTAIN' || ${option}
   FROM relations r CROSS JOIN aclexplode(r.relacl) AS x LEFT JOIN pg_roles u ON u.oid = x.grantee
   WHERE x.privilege_type = 'MAINTAIN' AND x.grantee <> r.relowner
     AND (x.grantee = 0 OR u.rolname IN ${apiRoles} OR u.rolname ~ '^pg_' OR (${ofUsers}))
   GROUP BY r.nspname, r.relname, x.grantee, u.rolname`,
  `SELECT 'maintain', r.nspname, r.relname, '', 'not the owner'
   FROM relations r WHERE r.relkind <> 'S' AND r.relacl IS NOT NULL AND NOT EXISTS (
     SELECT FROM aclexplode(r.relacl) AS x WHERE x.privilege_type = 'MAINTAIN' AND x.grantee = r.relowner)`,
  `SELECT 'maintain', n.nspname, NULL, 'tables of ' || quote_ident(pg_get_userbyid(d.defaclrole))
     || ' to ' || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, 'MAINTAIN' || ${option}
   FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace CROSS JOIN aclexplode(d.defaclacl) AS x
   WHERE d.defaclobjtype = 'r' AND x.privilege_type = 'MAINTAIN' AND x.grantee <> d.defaclrole
   GROUP BY n.nspname, d.defaclrole, x.grantee`,
];

/**
 * Reads all particulars.
 *
 * @param session with an empty search_path, as for `readDefinitions`
 */
export async function readParticulars(session: Session): Promise<Definition[]> {
  const [may] = await session.query<{ readable: boolean }>(
    `SELECT has_column_privilege('pg_subscription', 'subconninfo', 'SELECT') AS readable`,
  );
  const major = Math.trunc(session.serverVersion / 10_000);
  const queries = [
    ...identifiedDetails,
    materializedViews,
    local,
    ...(major < 18 ? [] : notNull),
    extensionComments,
    ...foreign,
    subscriptions(major, may?.readable === true),
    ...grants,
    ...(major < 17 ? [] : maintain),
  ];
  const rows = await session.query<Definition & Record<string, string | null>>(`
    WITH relations AS MATERIALIZED (${relations}), routines AS MATERIALIZED (${routines}), types AS MATERIALIZED (${types}),
      granting (schema, relation, name, acl, letter, owner) AS MATERIALIZED (${[...granting, columnGrants].join(' UNION ALL ')})
    SELECT kind, schema, relation, name, detail
    FROM (SELECT NULL::text, NULL::text, NULL::text, NULL::text, NULL::text WHERE false
      UNION ALL ${queries.join('\nUNION ALL\n')}) AS particulars (kind, schema, relation, name, detail)
    WHERE detail <> ''`);
  return sortDefinitions(rows.map((row) => ({ ...row })));
}
