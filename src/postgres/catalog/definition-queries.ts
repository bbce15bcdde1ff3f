import { isNotOwnObject } from '../own-schema.ts';
import {
  address,
  collation,
  digest,
  foreignOptions,
  identified,
  identity,
  made,
  options,
  parts,
  relations,
  routines,
  sorted,
  types,
  when,
} from './definition-words.ts';
import { firstUserOid, own, shellOperator, unsaidComment, userSchema } from './facts.ts';
import { grants, owners } from './ownership-queries.ts';
import { printed } from './printed-text.ts';
import { columnOrder, security, tables, tablespaces } from './relation-queries.ts';

/*
 * Each query yields rows of (kind, schema, relation, name, detail) from the common tables below. Details
 * refer to objects by name, which the server qualifies because no search_path is set. Lists whose order means
 * nothing are sorted.
 */

/** The parts of an aggregate, named as in CREATE AGGREGATE. */
const aggregate = `(
  SELECT concat_ws('; ', 'kind ' || nullif(a.aggkind::text, 'n'), 'direct arguments ' || nullif(a.aggnumdirectargs, 0),
    'sfunc ' || a.aggtransfn::regprocedure, 'stype ' || format_type(a.aggtranstype, NULL), 'sspace ' || nullif(a.aggtransspace, 0),
    'initcond ' || quote_literal(a.agginitval), 'finalfunc ' || nullif(a.aggfinalfn::oid, 0)::regprocedure,
    ${when('a.aggfinalextra', 'finalfunc_extra')}, 'finalfunc_modify ' || a.aggfinalmodify::text,
    'combinefunc ' || nullif(a.aggcombinefn::oid, 0)::regprocedure,
    'serialfunc ' || nullif(a.aggserialfn::oid, 0)::regprocedure, 'deserialfunc ' || nullif(a.aggdeserialfn::oid, 0)::regprocedure,
    'msfunc ' || nullif(a.aggmtransfn::oid, 0)::regprocedure, 'minvfunc ' || nullif(a.aggminvtransfn::oid, 0)::regprocedure,
    'mstype ' || format_type(nullif(a.aggmtranstype, 0), NULL), 'minitcond ' || quote_literal(a.aggminitval),
    'mfinalfunc ' || nullif(a.aggmfinalfn::oid, 0)::regprocedure, 'sortop ' || nullif(a.aggsortop, 0)::regoperator)
  FROM pg_aggregate a WHERE a.aggfnoid = f.oid)`;

const functions = [
  `SELECT 'function', f.nspname, NULL, f.signature, concat_ws('; ',
     CASE f.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' WHEN 'w' THEN 'window function' ELSE 'function' END,
     'arguments ' || ${printed(`nullif(pg_get_function_arguments(f.oid), '')`)}, 'returns ' || pg_get_function_result(f.oid), 'language ' || l.lanname,
     CASE f.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
     CASE f.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' END,
     ${when('f.proisstrict', 'strict')}, ${when('f.proleakproof', 'leakproof')}, ${when('f.prosecdef', 'security definer')},
     'cost ' || f.procost, 'rows ' || nullif(f.prorows, 0), 'support ' || nullif(f.prosupport::oid, 0)::regprocedure,
     'transforms ' || ${sorted('format_type(x, NULL)', 'unnest(f.protrftypes) AS x')},
     'set ' || ${options('f.proconfig')}, 'library ' || f.probin, ${aggregate},
     CASE WHEN f.prosqlbody IS NULL THEN 'body ' || ${digest('f.prosrc')}
          ELSE 'definition ' || ${printed('pg_get_function_sqlbody(f.oid)')} END)
   FROM routines f JOIN pg_language l ON l.oid = f.prolang`,
];

const typeDetails = `CASE t.typtype
  WHEN 'e' THEN 'enum (' || coalesce(${parts(
    'quote_literal(e.enumlabel)',
    'e.enumsortorder',
    'pg_enum e WHERE e.enumtypid = t.oid',
  )}, '') || ')'
  WHEN 'd' THEN concat_ws('; ', 'domain over ' || format_type(t.typbasetype, t.typtypmod), ${collation('t.typcollation', 't.typbasetype')},
    ${when('t.typnotnull', 'not null')}, 'default ' || ${printed('t.typdefault')},
    ${parts(
      `c.conname || ' ' || ${printed('pg_get_constraintdef(c.oid)')}`,
      'c.conname',
      `pg_constraint c WHERE c.contypid = t.oid AND c.contype <> 'n'`,
    )})
  WHEN 'c' THEN 'composite (' || coalesce(${parts(
    `concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), ${collation('a.attcollation', 'a.atttypid')})`,
    'a.attnum',
    'pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped',
  )}, '') || ')'
  WHEN 'r' THEN (SELECT concat_ws('; ', 'range of ' || format_type(g.rngsubtype, NULL), ${collation('g.rngcollation', 'g.rngsubtype')},
      'multirange ' || format_type(g.rngmultitypid, NULL),
      (SELECT 'operator class ' || i.identity FROM pg_identify_object('pg_opclass'::regclass, g.rngsubopc, 0) AS i),
      'canonical ' || nullif(g.rngcanonical::oid, 0)::regprocedure, 'subtype_diff ' || nullif(g.rngsubdiff::oid, 0)::regprocedure)
    FROM pg_range g WHERE g.rngtypid = t.oid)
  WHEN 'p' THEN 'shell type'
  ELSE concat_ws('; ', 'base type', 'input ' || t.typinput::regprocedure, 'output ' || t.typoutput::regprocedure,
    'receive ' || nullif(t.typreceive::oid, 0)::regprocedure, 'send ' || nullif(t.typsend::oid, 0)::regprocedure,
    'typmod_in ' || nullif(t.typmodin::oid, 0)::regprocedure, 'typmod_out ' || nullif(t.typmodout::oid, 0)::regprocedure,
    'analyze ' || nullif(t.typanalyze::oid, 0)::regprocedure, 'subscript ' || nullif(t.typsubscript::oid, 0)::regprocedure,
    'length ' || t.typlen, ${when('t.typbyval', 'by value')}, 'alignment ' || t.typalign::text, 'storage ' || t.typstorage::text,
    'category ' || t.typcategory::text, ${when('t.typispreferred', 'preferred')}, 'default ' || t.typdefault,
    'element ' || format_type(nullif(t.typelem, 0), NULL), 'delimiter ' || t.typdelim::text,
    ${when('t.typcollation <> 0', 'collatable')}) END`;

/**
 * The server prints the kinds and the columns of the statistics; the names before and after are not part of
 * that text.
 */
const statisticsDefinition = `
  (SELECT z.head || ${printed('substr(z.text, length(z.head) + 1, length(z.text) - length(z.head) - length(z.tail))')} || z.tail
   FROM (SELECT pg_get_statisticsobjdef(x.oid) AS text, 'CREATE STATISTICS ' || quote_ident(n.nspname) || '.' || quote_ident(x.stxname) AS head,
                ' FROM ' || x.stxrelid::regclass AS tail) AS z)`;

const otherTypes = [
  `SELECT 'type', t.nspname, NULL, t.typname, ${typeDetails} FROM types t`,
  // The locale column was renamed twice, so it is read by name.
  `SELECT 'collation', n.nspname, NULL, x.collname, concat_ws('; ',
     'provider ' || CASE x.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' WHEN 'c' THEN 'libc' ELSE 'default' END,
     'locale ' || coalesce(to_jsonb(x) ->> 'colllocale', to_jsonb(x) ->> 'colliculocale', x.collcollate),
     'ctype ' || CASE WHEN x.collprovider = 'c' THEN x.collctype END, 'rules ' || (to_jsonb(x) ->> 'collicurules'),
     ${when('NOT x.collisdeterministic', 'nondeterministic')}, 'encoding ' || nullif(pg_encoding_to_char(x.collencoding), ''))
   FROM pg_collation x JOIN pg_namespace n ON n.oid = x.collnamespace WHERE ${userSchema} AND ${own('pg_collation', 'x.oid')}`,
  `SELECT 'cast', NULL, NULL, format_type(x.castsource, NULL) || ' AS ' || format_type(x.casttarget, NULL), concat_ws('; ',
     CASE x.castmethod WHEN 'i' THEN 'with inout' WHEN 'b' THEN 'without function' ELSE 'with function ' || x.castfunc::regprocedure END,
     CASE x.castcontext WHEN 'a' THEN 'as assignment' WHEN 'i' THEN 'as implicit' END)
   FROM pg_cast x WHERE x.oid >= ${firstUserOid} AND ${made('pg_cast', 'x.oid')}`,
  `SELECT 'operator', n.nspname, NULL, x.oprname || '(' || CASE x.oprleft WHEN 0 THEN 'NONE' ELSE format_type(x.oprleft, NULL) END
       || ', ' || format_type(x.oprright, NULL) || ')',
     concat_ws('; ', 'function ' || nullif(x.oprcode::oid, 0)::regprocedure, 'commutator ' || nullif(x.oprcom, 0)::regoperator,
       'negator ' || nullif(x.oprnegate, 0)::regoperator, 'restrict ' || nullif(x.oprrest::oid, 0)::regprocedure,
       'join ' || nullif(x.oprjoin::oid, 0)::regprocedure, ${when('x.oprcanmerge', 'merges')}, ${when('x.oprcanhash', 'hashes')})
   FROM pg_operator x JOIN pg_namespace n ON n.oid = x.oprnamespace
   WHERE ${userSchema} AND ${own('pg_operator', 'x.oid')} AND NOT ${shellOperator}`,
  `SELECT 'statistics object', n.nspname, x.stxrelid::regclass::text, x.stxname,
     concat_ws('; ', ${statisticsDefinition}, 'statistics ' || nullif(x.stxstattarget, -1))
   FROM pg_statistic_ext x JOIN pg_namespace n ON n.oid = x.stxnamespace WHERE ${userSchema} AND ${own('pg_statistic_ext', 'x.oid')} AND ${own('pg_class', 'x.stxrelid')}`,
  `SELECT 'text search configuration', n.nspname, NULL, x.cfgname, concat_ws('; ', 'parser ' || p.nspname || '.' || p.prsname,
     (SELECT string_agg(m.line, ', ' ORDER BY m.line COLLATE "C") FROM (
        SELECT t.alias || ' ' || string_agg(m.mapdict::regdictionary::text, ' ' ORDER BY m.mapseqno) AS line
        FROM pg_ts_config_map m JOIN LATERAL ts_token_type(x.cfgparser) AS t ON t.tokid = m.maptokentype
        WHERE m.mapcfg = x.oid GROUP BY t.alias) AS m))
   FROM pg_ts_config x JOIN pg_namespace n ON n.oid = x.cfgnamespace
   JOIN (SELECT y.oid, y.prsname, z.nspname FROM pg_ts_parser y JOIN pg_namespace z ON z.oid = y.prsnamespace) AS p ON p.oid = x.cfgparser
   WHERE ${userSchema} AND ${own('pg_ts_config', 'x.oid')}`,
  `SELECT 'text search dictionary', n.nspname, NULL, x.dictname, concat_ws('; ', 'template ' || i.identity, x.dictinitoption)
   FROM pg_ts_dict x JOIN pg_namespace n ON n.oid = x.dictnamespace
   CROSS JOIN LATERAL pg_identify_object('pg_ts_template'::regclass, x.dicttemplate, 0) AS i
   WHERE ${userSchema} AND ${own('pg_ts_dict', 'x.oid')}`,
];

/** Kinds described here only by their existence; particulars.ts has the rest. */
const unexplained: Readonly<Record<string, string>> = {
  'access method': 'pg_am',
  conversion: 'pg_conversion',
  language: 'pg_language',
  'operator class': 'pg_opclass',
  'operator family': 'pg_opfamily',
  'text search parser': 'pg_ts_parser',
  'text search template': 'pg_ts_template',
  transform: 'pg_transform',
};

const identities = Object.entries(unexplained).map(
  ([kind, catalog]) => `SELECT '${kind}', i.schema, NULL, ${identity}, ''
   FROM ${catalog} x CROSS JOIN LATERAL pg_identify_object('${catalog}'::regclass, x.oid, 0) AS i
   WHERE x.oid >= ${firstUserOid} AND ${own(catalog, 'x.oid')}`,
);

const publications = (major: number): string[] => [
  `SELECT 'publication', NULL, NULL, p.pubname, concat_ws('; ', ${when('p.puballtables', 'all tables')},
     'publish ' || nullif(concat_ws(', ', ${when('p.pubinsert', 'insert')}, ${when('p.pubupdate', 'update')},
                                    ${when('p.pubdelete', 'delete')}, ${when('p.pubtruncate', 'truncate')}), ''),
     ${when('p.pubviaroot', 'via partition root')}, 'generated columns ' || nullif(to_jsonb(p) ->> 'pubgencols', 'n'))
   FROM pg_publication p WHERE ${own('pg_publication', 'p.oid')}`,
  `SELECT 'publication table', n.nspname, c.relname, p.pubname, ${
    major < 15
      ? `''`
      : `concat_ws(' ', 'columns (' || ${parts(
          'quote_ident(a.attname)',
          'a.attname',
          'pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (x.prattrs)',
        )} || ')',
           'where (' || ${printed('pg_get_expr(x.prqual, x.prrelid)')} || ')')`
  }
   FROM pg_publication_rel x JOIN pg_publication p ON p.oid = x.prpubid JOIN pg_class c ON c.oid = x.prrelid
   JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${own('pg_publication', 'p.oid')}`,
  ...(major < 15
    ? []
    : [
        `SELECT 'publication schema', n.nspname, NULL, p.pubname, ''
         FROM pg_publication_namespace x JOIN pg_publication p ON p.oid = x.pnpubid JOIN pg_namespace n ON n.oid = x.pnnspid
         WHERE ${own('pg_publication', 'p.oid')}`,
      ]),
];

/** particulars.ts describes its options. */
const subscription = `
  SELECT 'subscription', NULL, NULL, s.subname, concat_ws('; ',
    'publications ' || ${sorted('quote_ident(x)', 'unnest(s.subpublications) AS x')},
    'slot ' || s.subslotname, CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END)
  FROM pg_subscription s JOIN pg_database b ON b.oid = s.subdbid WHERE b.datname = current_database()`;

export const foreign = [
  `SELECT 'foreign data wrapper', NULL, NULL, w.fdwname, concat_ws('; ', 'handler ' || nullif(w.fdwhandler, 0)::regprocedure,
     'validator ' || nullif(w.fdwvalidator, 0)::regprocedure, 'options ' || ${foreignOptions('w.fdwoptions')})
   FROM pg_foreign_data_wrapper w WHERE ${own('pg_foreign_data_wrapper', 'w.oid')}`,
  `SELECT 'foreign server', NULL, NULL, s.srvname, concat_ws('; ', 'wrapper ' || w.fdwname, 'type ' || s.srvtype,
     'version ' || s.srvversion, 'options ' || ${foreignOptions('s.srvoptions')})
   FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE ${own('pg_foreign_server', 's.oid')}`,
  // The view pg_user_mappings shows options only to roles that may see them, and pg_dump reads the same view.
  `SELECT 'user mapping', NULL, NULL, m.usename || ' on ' || m.srvname,
     'options ' || ${sorted(`split_part(o, '=', 1)`, 'unnest(m.umoptions) AS o')}
   FROM pg_user_mappings m WHERE ${own('pg_foreign_server', 'm.srvid')}`,
];

const environment = [
  `SELECT 'extension', NULL, NULL, e.extname, 'schema ' || quote_ident(n.nspname) || '; version ' || e.extversion
   FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace`,
  // MAINTAIN is left out: it came with 17, where ALL of 15 becomes ALL of 17. An empty list differs from no
  // list: it revokes the built-in privileges.
  `SELECT 'default privileges', n.nspname, NULL,
     CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
       WHEN 'n' THEN 'schemas' WHEN 'L' THEN 'large objects' ELSE d.defaclobjtype::text END
       || ' of ' || quote_ident(pg_get_userbyid(d.defaclrole))
       || ' to ' || CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE coalesce(quote_ident(pg_get_userbyid(g.grantee)), 'nobody') END,
     coalesce(g.list, '')
   FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
   LEFT JOIN LATERAL (
     SELECT x.grantee,
            string_agg(DISTINCT (x.privilege_type || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END)
                       COLLATE "C", ', ') AS list
     FROM aclexplode(d.defaclacl) AS x WHERE x.privilege_type <> 'MAINTAIN' GROUP BY x.grantee) AS g ON true`,
  // The server gives the schema public a comment of its own. Comments of extensions' members come with the
  // extension.
  `SELECT 'comment', ${address}, d.description
   FROM pg_description d ${identified('d')}
   WHERE (d.objoid >= ${firstUserOid} OR d.classoid = 'pg_largeobject'::regclass OR (d.classoid = 'pg_namespace'::regclass AND d.description <> 'standard public schema'
                                          AND d.objoid = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public')))
     AND d.classoid <> 'pg_extension'::regclass AND NOT ${unsaidComment}
     AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')
     AND ${isNotOwnObject('d.classoid', 'd.objoid')}`,
];

/** The operators and functions of an operator family, including those of its classes. */
const familyMembers = `
  SELECT 'operator family members', i.schema, NULL, i.identity,
    ${sorted(
      'm.text',
      `(
      SELECT 'operator ' || o.amopstrategy || ' ' || o.amopopr::regoperator || CASE WHEN o.amopsortfamily <> 0 THEN ' for order by' ELSE '' END AS text
      FROM pg_amop o WHERE o.amopfamily = x.oid
      UNION ALL
      SELECT 'function ' || p.amprocnum || ' ' || p.amproc || ' (' || format_type(p.amproclefttype, NULL) || ', '
        || format_type(p.amprocrighttype, NULL) || ')'
      FROM pg_amproc p WHERE p.amprocfamily = x.oid) AS m`,
    )}
  FROM pg_opfamily x CROSS JOIN LATERAL pg_identify_object('pg_opfamily'::regclass, x.oid, 0) AS i
  WHERE x.oid >= ${firstUserOid} AND ${own('pg_opfamily', 'x.oid')}`;

/**
 * The properties that a database is created with. The locale column was renamed twice, so it is read by name.
 */
export const database = [
  `SELECT 'database', NULL, NULL, 'encoding', pg_encoding_to_char(d.encoding) FROM pg_database d WHERE d.datname = current_database()`,
  `SELECT 'database', NULL, NULL, 'collation', concat_ws('; ',
     'provider ' || CASE d.provider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
     'locale ' || CASE WHEN d.provider <> 'c' THEN coalesce(d.j ->> 'datlocale', d.j ->> 'daticulocale') END,
     'collate ' || d.datcollate, 'ctype ' || d.datctype)
   FROM (SELECT *, to_jsonb(b) AS j, coalesce(to_jsonb(b) ->> 'datlocprovider', 'c') AS provider FROM pg_database b) AS d
   WHERE d.datname = current_database()`,
  `SELECT 'database', NULL, NULL, 'connection limit', d.datconnlimit::text FROM pg_database d
   WHERE d.datname = current_database() AND d.datconnlimit <> -1`,
];

/** The first branch of a UNION influences the column types: type `name` would truncate longer texts. */
const typed = `SELECT NULL::text, NULL::text, NULL::text, NULL::text, NULL::text WHERE false`;

/**
 * Builds one statement for all kinds of definitions, with rows of (kind, schema, relation, name, detail), all
 * of type text.
 */
export function buildDefinitionsQuery(serverVersion: number): string {
  const major = Math.trunc(serverVersion / 10_000);
  const queries = [
    ...tables,
    ...security,
    ...functions,
    ...otherTypes,
    ...identities,
    ...publications(major),
    subscription,
    ...foreign,
    ...environment,
    ...owners,
    ...grants,
    columnOrder,
    ...tablespaces,
    familyMembers,
    ...database,
  ];
  return `
    WITH relations AS MATERIALIZED (${relations}), routines AS MATERIALIZED (${routines}), types AS MATERIALIZED (${types}),
      odd_triggers AS MATERIALIZED (SELECT * FROM pg_trigger WHERE tgisinternal AND tgconstraint <> 0 AND tgenabled <> 'O')
    SELECT kind, schema, relation, name, coalesce(detail, '') AS detail
    FROM (${[typed, ...queries].join('\nUNION ALL\n')}) AS definitions (kind, schema, relation, name, detail)`;
}
