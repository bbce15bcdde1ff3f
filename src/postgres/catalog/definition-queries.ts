import { ledgerComment } from '../own-schema.ts';
import { columnOptions, tableOptions, viewOptions } from './documented-options.ts';
import {
  firstUserOid,
  mergedKey,
  own,
  ownRelation,
  shellOperator,
  unsaidComment,
  userSchema,
} from './facts.ts';
import { grants, owners } from './ownership-queries.ts';
import { escaped, printed } from './printed-text.ts';

/*
 * Each query yields rows of (kind, schema, relation, name, detail) from the common tables below. Details name everything by name,
 * qualified by the server itself because no search_path is set; lists that mean the same in any order are sorted.
 */

/** Relations of the user, once for all that belongs to them. */
export const relations = `
  SELECT c.*, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${userSchema} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${ownRelation}`;

/** True for what no extension owns and the server has not made along with something else, as it makes the constructors of a range. */
const made = (catalog: string, oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype IN ('e', 'i'))`;

/** Functions, procedures and aggregates, each with its name as `signature`: that and the types of its arguments. */
export const routines = `
  SELECT p.*, n.nspname, p.proname || '(' || oidvectortypes(p.proargtypes) || ')' AS signature
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE ${userSchema} AND ${made('pg_proc', 'p.oid')}`;

/** Enums, domains, ranges, composite and base types; neither arrays nor the row types of tables, nor multiranges. */
export const types = `
  SELECT t.*, n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE ${userSchema} AND ${own('pg_type', 't.oid')}
    AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'b' AND t.typcategory <> 'A') OR (t.typtype = 'p' AND NOT t.typisdefined)
      OR (t.typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')))`;

/** SHA-256 of a text in the encoding of the client, which does not depend on that of the server. */
export const digest = (text: string) => `encode(sha256(textsend(${text})), 'hex')`;

/** A list whose order means nothing, as one text; null when it is empty. */
export const sorted = (item: string, from: string) =>
  `(SELECT string_agg(${item}, ', ' ORDER BY (${item}) COLLATE "C") FROM ${from})`;

/** A list in an order that means something, as one text; null when it is empty. */
export const parts = (item: string, order: string, from: string) =>
  `(SELECT string_agg(${item}, ', ' ORDER BY ${order}) FROM ${from})`;

/** A list of name=value texts; null when there is none. */
const options = (list: string) => sorted('o', `unnest(${list}) AS o`);

/**
 * The options of such a list that users set, by name. A server keeps notes of its own beside them (`pg_attver` of the minors 15.20 and
 * 17.12 in `attoptions`), which pg_dump hides and a copy has otherwise.
 */
export const documented = (list: string, names: readonly string[], prefix = '') =>
  sorted(
    `'${prefix}' || o`,
    `unnest(${list}) AS o WHERE split_part(o, '=', 1) IN (${names.map((name) => `'${name}'`).join(', ')})`,
  );

/** An option `o` that looks like a secret. */
export const secretOption = `split_part(o, '=', 1) ~* '(pass|secret|token|credential|key|auth)'`;

/** Options of a foreign object; of those that look like secrets the name alone. */
const foreignOptions = (list: string) =>
  sorted(`CASE WHEN ${secretOption} THEN split_part(o, '=', 1) ELSE o END`, `unnest(${list}) AS o`);

/** A definition that is the server's words from behind a certain place on. */
const printedAfter = (definition: string, place: string) =>
  `(SELECT coalesce(left(x.text, x.at) || ${printed('substr(x.text, x.at + 1)')}, x.text)
    FROM (SELECT y.text, nullif(strpos(y.text, y.place), 0) + length(y.place) - 1 AS at
          FROM (SELECT ${definition} AS text, ${place} AS place) AS y) AS x)`;

/** The parent of a partition, or of the index of one. */
const parentOf = (oid: string) =>
  `(SELECT h.inhparent::regclass FROM pg_inherits h WHERE h.inhrelid = ${oid})`;

const state = (column: string) =>
  `CASE ${column} WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled on replicas' ELSE 'enabled always' END`;

/** A collation other than the one that the type has by itself; null without. */
const collation = (column: string, type: string) =>
  `(SELECT 'collate ' || x.oid::regcollation FROM pg_collation x
    WHERE x.oid = ${column} AND ${column} <> (SELECT y.typcollation FROM pg_type y WHERE y.oid = ${type}))`;

export const when = (condition: string, text: string) => `CASE WHEN ${condition} THEN '${text}' END`;

const tables = [
  `SELECT 'schema', NULL, NULL, n.nspname, '' FROM pg_namespace n WHERE ${userSchema} AND ${own('pg_namespace', 'n.oid')}`,
  `SELECT 'table', r.nspname, NULL, r.relname, concat_ws('; ',
     CASE r.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'permanent' END,
     'partitioned by ' || ${printed('pg_get_partkeydef(r.oid)')},
     CASE WHEN r.relispartition THEN 'partition of ' || ${parentOf('r.oid')} || ' ' || pg_get_expr(r.relpartbound, r.oid)
          ELSE 'inherits ' || ${parts('h.inhparent::regclass::text', 'h.inhseqno', 'pg_inherits h WHERE h.inhrelid = r.oid')} END,
     'of type ' || nullif(r.reloftype, 0)::regtype,
     'access method ' || (SELECT a.amname FROM pg_am a WHERE a.oid = r.relam AND a.amname <> 'heap'),
     'with ' || nullif(concat_ws(', ', ${documented('r.reloptions', tableOptions)},
       (SELECT ${documented('x.reloptions', tableOptions, 'toast.')} FROM pg_class x WHERE x.oid = r.reltoastrelid)), ''),
     CASE r.relreplident WHEN 'f' THEN 'replica identity full' WHEN 'n' THEN 'replica identity nothing'
       WHEN 'i' THEN 'replica identity by ' ||
         (SELECT i.indexrelid::regclass FROM pg_index i WHERE i.indrelid = r.oid AND i.indisreplident) END)
   FROM relations r WHERE r.relkind IN ('r', 'p')`,
  `SELECT 'foreign table', r.nspname, NULL, r.relname, concat_ws('; ', 'server ' || s.srvname,
     'options ' || ${foreignOptions('t.ftoptions')}, 'partition of ' || ${parentOf('r.oid')} || ' ' || pg_get_expr(r.relpartbound, r.oid))
   FROM relations r JOIN pg_foreign_table t ON t.ftrelid = r.oid JOIN pg_foreign_server s ON s.oid = t.ftserver`,
  `SELECT CASE r.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, r.nspname, NULL, r.relname, concat_ws('; ',
     'columns ' || ${parts(
       `quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)`,
       'a.attnum',
       'pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped',
     )},
     'with ' || ${documented('r.reloptions', viewOptions)}, ${when(`r.relkind = 'm' AND r.relispopulated`, 'populated')},
     ${when(`r.relkind = 'm' AND NOT r.relispopulated`, 'not populated')}, 'definition ' || ${printed('pg_get_viewdef(r.oid)')})
   FROM relations r WHERE r.relkind IN ('v', 'm')`,
  // A view's columns follow from its definition, except for what was set on them. Since 17 a partition shows its parent's identity.
  `SELECT 'column', r.nspname, r.relname, a.attname, concat_ws('; ', format_type(a.atttypid, a.atttypmod),
     ${collation('a.attcollation', 'a.atttypid')}, ${when('a.attnotnull', 'not null')},
     CASE a.attgenerated WHEN 's' THEN 'generated ' WHEN 'v' THEN 'generated virtual ' ELSE 'default ' END
       || ${printed('pg_get_expr(d.adbin, d.adrelid)')},
     ${when(`a.attidentity = 'a' AND NOT r.relispartition`, 'identity always')},
     ${when(`a.attidentity = 'd' AND NOT r.relispartition`, 'identity by default')},
     CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' ||
       CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END,
     CASE a.attcompression WHEN 'p' THEN 'compression pglz' WHEN 'l' THEN 'compression lz4' END,
     'statistics ' || nullif(a.attstattarget, -1), 'with ' || ${documented('a.attoptions', columnOptions)},
     'options ' || ${foreignOptions('a.attfdwoptions')})
   FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid JOIN pg_type t ON t.oid = a.atttypid
   LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attnum > 0 AND NOT a.attisdropped AND (r.relkind IN ('r', 'p', 'f') OR (r.relkind = 'v' AND a.atthasdef))`,
  // A foreign key of a partition follows its parent's under a name that a restore chooses anew.
  `SELECT 'constraint', r.nspname, r.relname, c.conname, concat_ws('; ',
     CASE WHEN c.contype IN ('c', 'x') THEN ${printed('pg_get_constraintdef(c.oid)')} ELSE pg_get_constraintdef(c.oid) END,
     'triggers ' || (SELECT string_agg(DISTINCT (${state('t.tgenabled')} || ' on ' || t.tgrelid::regclass) COLLATE "C", ', ')
                     FROM odd_triggers t WHERE t.tgconstraint = c.oid))
   FROM relations r JOIN pg_constraint c ON c.conrelid = r.oid
   WHERE c.contype NOT IN ('n', 't') AND NOT (c.contype = 'f' AND c.conparentid <> 0) AND NOT ${mergedKey('c')}`,
  `SELECT 'index', r.nspname, r.relname, x.relname, concat_ws('; ', ${printedAfter('pg_get_indexdef(i.indexrelid)', `' ON ' || CASE r.relkind WHEN 'p' THEN 'ONLY ' ELSE '' END || r.oid::regclass || ' '`)},
     ${when('i.indisclustered', 'clustered')}, ${when('NOT i.indisvalid', 'incomplete')},
     CASE WHEN x.relispartition THEN 'partition of ' || ${parentOf('x.oid')} END,
     CASE WHEN i.indexprs IS NOT NULL THEN 'statistics ' || ${parts(
       `a.attnum || ' ' || a.attstattarget`,
       'a.attnum',
       'pg_attribute a WHERE a.attrelid = x.oid AND a.attnum > 0 AND a.attstattarget >= 0',
     )} END)
   FROM relations r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class x ON x.oid = i.indexrelid
   WHERE i.indisvalid OR x.relkind = 'I'`,
  `SELECT 'sequence', r.nspname, NULL, r.relname, concat_ws('; ', format_type(s.seqtypid, NULL), 'start ' || s.seqstart,
     'increment ' || s.seqincrement, 'from ' || s.seqmin || ' to ' || s.seqmax, 'cache ' || s.seqcache, ${when('s.seqcycle', 'cycle')},
     ${when(`r.relpersistence = 'u'`, 'unlogged')},
     (SELECT CASE d.deptype WHEN 'i' THEN 'identity of ' ELSE 'owned by ' END || d.refobjid::regclass || '.' || quote_ident(a.attname)
      FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass))
   FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid`,
];

/** How an object is called; 17 has left out a word of a transform's name. */
export const identity = `CASE i.type WHEN 'transform' THEN regexp_replace(i.identity, ' on language ', ' language ') ELSE i.identity END`;

/** The object of a comment or a label, for `address`; DROP SUBSCRIPTION leaves comments behind whose object is gone. */
const identified = (row: string) => `
  CROSS JOIN LATERAL pg_identify_object(${row}.classoid, ${row}.objoid, ${row}.objsubid) AS i
  CROSS JOIN LATERAL (
    SELECT x.object_names AS names, i.type ~ '^(table|view|materialized view|foreign table|sequence)$' AS "isRelation",
           cardinality(x.object_names) = 3 AND i.type ~ '(column|policy|trigger|rule|table constraint)$' AS "isPart"
    FROM pg_identify_object_as_address(${row}.classoid, ${row}.objoid, ${row}.objsubid) AS x WHERE i.identity IS NOT NULL) AS a`;

/** Schema, relation and name of an object; what belongs to a relation is told by that relation's. */
const address = `
  CASE WHEN a."isPart" THEN a.names[1] ELSE i.schema END, CASE WHEN a."isRelation" OR a."isPart" THEN a.names[2] END,
  CASE WHEN a."isRelation" THEN '' WHEN i.type ~ 'column$' THEN a.names[3] WHEN a."isPart" THEN i.type || ' ' || a.names[3]
       ELSE i.type || ' ' || ${identity} END`;

const call = `' EXECUTE FUNCTION ' || t.tgfoid::regproc || '('`;

/** Arguments as their digest: those of Supabase's webhooks hold keys. */
const triggerDefinition = `
  regexp_replace(${escaped(`CASE WHEN t.tgnargs = 0 THEN pg_get_triggerdef(t.oid)
       ELSE split_part(pg_get_triggerdef(t.oid), ${call}, 1) || ${call} || 'arguments ' || encode(sha256(t.tgargs), 'hex') || ')' END`)},
    CASE WHEN t.tgqual IS NULL THEN '^$' ELSE '( FOR EACH (ROW|STATEMENT) )(WHEN .*)( EXECUTE FUNCTION )' END,
    E'\\\\1' || ${printed(`E'\\\\3'`)} || E'\\\\4')`;

const security = [
  `SELECT 'row level security', r.nspname, r.relname, '', concat_ws(', ',
     ${when('r.relrowsecurity', 'enabled')}, ${when('r.relforcerowsecurity', 'forced')})
   FROM relations r WHERE r.relrowsecurity OR r.relforcerowsecurity`,
  `SELECT 'policy', r.nspname, r.relname, p.polname, concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
     CASE p.polcmd WHEN 'r' THEN 'for select' WHEN 'a' THEN 'for insert' WHEN 'w' THEN 'for update'
       WHEN 'd' THEN 'for delete' ELSE 'for all' END,
     'to ' || ${sorted(`CASE g WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(g)) END`, 'unnest(p.polroles) AS g')},
     'using (' || ${printed('pg_get_expr(p.polqual, p.polrelid)')} || ')',
     'with check (' || ${printed('pg_get_expr(p.polwithcheck, p.polrelid)')} || ')')
   FROM relations r JOIN pg_policy p ON p.polrelid = r.oid`,
  // A partition's trigger follows its parent's, except for a state of its own.
  `SELECT 'trigger', r.nspname, r.relname, t.tgname, ${triggerDefinition} || '; ' || ${state('t.tgenabled')}
   FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid LEFT JOIN pg_trigger p ON p.oid = t.tgparentid
   WHERE (NOT t.tgisinternal AND t.tgparentid = 0)
     OR (t.tgenabled <> p.tgenabled
       AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.oid = t.tgconstraint AND c.contype = 'f'))`,
  `SELECT 'rule', r.nspname, r.relname, w.rulename, concat_ws('; ',
     'on ' || CASE w.ev_type WHEN '1' THEN 'select' WHEN '2' THEN 'update' WHEN '3' THEN 'insert' ELSE 'delete' END
       || CASE WHEN w.is_instead THEN ' instead' ELSE ' also' END,
     ${state('w.ev_enabled')}, 'definition ' || ${printedAfter('pg_get_ruledef(w.oid)', `' TO ' || r.oid::regclass`)})
   FROM relations r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'`,
  `SELECT 'event trigger', NULL, NULL, e.evtname, concat_ws(' ', 'on', e.evtevent,
     'when tag in (' || ${sorted('x', 'unnest(e.evttags) AS x')} || ')',
     'execute function', e.evtfoid::regprocedure) || '; ' || ${state('e.evtenabled')}
   FROM pg_event_trigger e WHERE ${own('pg_event_trigger', 'e.oid')}`,
  `SELECT 'security label', ${address} || ' by ' || s.provider, s.label FROM pg_seclabel s ${identified('s')}`,
];

/** The parts of an aggregate, by their names in CREATE AGGREGATE. */
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

/** The kinds and the columns are the server's words, between two names. */
const statisticsDefinition = `
  (SELECT z.head || ${printed('substr(z.text, length(z.head) + 1, length(z.text) - length(z.head) - length(z.tail))')} || z.tail
   FROM (SELECT pg_get_statisticsobjdef(x.oid) AS text, 'CREATE STATISTICS ' || quote_ident(n.nspname) || '.' || quote_ident(x.stxname) AS head,
                ' FROM ' || x.stxrelid::regclass AS tail) AS z)`;

const otherTypes = [
  `SELECT 'type', t.nspname, NULL, t.typname, ${typeDetails} FROM types t`,
  // The columns of the locale have changed their names twice, so they are read by name.
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

/** Kinds of which this tells no more than that they are there; particulars.ts has the rest. */
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

/** Its options are in particulars.ts. */
const subscription = `
  SELECT 'subscription', NULL, NULL, s.subname, concat_ws('; ',
    'publications ' || ${sorted('quote_ident(x)', 'unnest(s.subpublications) AS x')},
    'slot ' || s.subslotname, CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END)
  FROM pg_subscription s JOIN pg_database b ON b.oid = s.subdbid WHERE b.datname = current_database()`;

const foreign = [
  `SELECT 'foreign data wrapper', NULL, NULL, w.fdwname, concat_ws('; ', 'handler ' || nullif(w.fdwhandler, 0)::regprocedure,
     'validator ' || nullif(w.fdwvalidator, 0)::regprocedure, 'options ' || ${foreignOptions('w.fdwoptions')})
   FROM pg_foreign_data_wrapper w WHERE ${own('pg_foreign_data_wrapper', 'w.oid')}`,
  `SELECT 'foreign server', NULL, NULL, s.srvname, concat_ws('; ', 'wrapper ' || w.fdwname, 'type ' || s.srvtype,
     'version ' || s.srvversion, 'options ' || ${foreignOptions('s.srvoptions')})
   FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE ${own('pg_foreign_server', 's.oid')}`,
  // The view shows options only to those who may see them, and pg_dump reads the same.
  `SELECT 'user mapping', NULL, NULL, m.usename || ' on ' || m.srvname,
     'options ' || ${sorted(`split_part(o, '=', 1)`, 'unnest(m.umoptions) AS o')}
   FROM pg_user_mappings m WHERE ${own('pg_foreign_server', 'm.srvid')}`,
];

const environment = [
  `SELECT 'extension', NULL, NULL, e.extname, 'schema ' || quote_ident(n.nspname) || '; version ' || e.extversion
   FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace`,
  // MAINTAIN came with 17, and ALL of 15 becomes ALL of 17. An empty list differs from none: it takes away what is built in.
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
  // A schema public that the server made has a comment of the server. Those of extensions come with them.
  `SELECT 'comment', ${address}, d.description
   FROM pg_description d ${identified('d')}
   WHERE (d.objoid >= ${firstUserOid} OR d.classoid = 'pg_largeobject'::regclass OR (d.classoid = 'pg_namespace'::regclass AND d.description <> 'standard public schema'
                                          AND d.objoid = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public')))
     AND d.classoid <> 'pg_extension'::regclass AND NOT ${unsaidComment}
     AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')
     AND NOT (d.classoid = 'pg_namespace'::regclass AND d.description = '${ledgerComment}')`,
];

/** pg_dump writes the columns of a table in their order, but first those that it inherits: which are in between, it cannot tell. */
const columnOrder = `
  SELECT 'column order', r.nspname, r.relname, '', ${parts(
    'quote_ident(a.attname)',
    'a.attnum',
    'pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped',
  )}
  FROM relations r
  WHERE r.relkind IN ('r', 'p', 'f') AND (r.relispartition OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = r.oid))`;

/** Of tables and indexes that are not where the database is. */
const tablespaces = [
  `SELECT 'tablespace', r.nspname, r.relname, '', s.spcname FROM relations r JOIN pg_tablespace s ON s.oid = r.reltablespace`,
  `SELECT 'tablespace', r.nspname, r.relname, x.relname, s.spcname
   FROM relations r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class x ON x.oid = i.indexrelid
   JOIN pg_tablespace s ON s.oid = x.reltablespace`,
];

/** The operators and functions of a family, those of its classes among them. */
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

/** What a database is made with. The columns of the locale have changed their names twice, so they are read by name. */
const database = [
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

/** The first of a UNION has a say in its types, and `name` would cut what is longer. */
const typed = `SELECT NULL::text, NULL::text, NULL::text, NULL::text, NULL::text WHERE false`;

/** One statement for all kinds of definitions: its rows are of (kind, schema, relation, name, detail), all texts. */
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
