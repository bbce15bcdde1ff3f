import {
  address,
  collation,
  documented,
  foreignOptions,
  identified,
  parentOf,
  parts,
  printedAfter,
  sorted,
  state,
  when,
} from './definition-words.ts';
import { columnOptions, tableOptions, viewOptions } from './documented-options.ts';
import { mergedKey, own, userSchema } from './facts.ts';
import { escaped, printed } from './printed-text.ts';

/*
 * What belongs to relations: columns, constraints, indexes, triggers, rules, row security and tablespaces.
 * Rows as in definition-queries.ts.
 */

export const tables = [
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
  // A view's columns follow from its definition, except for their defaults. Since version 17 a partition
  // shows its parent's identity.
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
  // A partition's foreign key follows its parent's, under a name that a restore chooses anew.
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

const call = `' EXECUTE FUNCTION ' || t.tgfoid::regproc || '('`;

/** Arguments appear as a digest: those of Supabase's webhooks hold keys. */
const triggerDefinition = `
  regexp_replace(${escaped(`CASE WHEN t.tgnargs = 0 THEN pg_get_triggerdef(t.oid)
       ELSE split_part(pg_get_triggerdef(t.oid), ${call}, 1) || ${call} || 'arguments ' || encode(sha256(t.tgargs), 'hex') || ')' END`)},
    CASE WHEN t.tgqual IS NULL THEN '^$' ELSE '( FOR EACH (ROW|STATEMENT) )(WHEN .*)( EXECUTE FUNCTION )' END,
    E'\\\\1' || ${printed(`E'\\\\3'`)} || E'\\\\4')`;

export const security = [
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
  // A partition's trigger follows its parent's, except for its enabled state.
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

/**
 * pg_dump keeps the order of a table's columns, except that it writes inherited ones first: it cannot restore
 * their place between the others.
 */
export const columnOrder = `
  SELECT 'column order', r.nspname, r.relname, '', ${parts(
    'quote_ident(a.attname)',
    'a.attnum',
    'pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped',
  )}
  FROM relations r
  WHERE r.relkind IN ('r', 'p', 'f') AND (r.relispartition OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = r.oid))`;

/** Tables and indexes outside of the database's default tablespace. */
export const tablespaces = [
  `SELECT 'tablespace', r.nspname, r.relname, '', s.spcname FROM relations r JOIN pg_tablespace s ON s.oid = r.reltablespace`,
  `SELECT 'tablespace', r.nspname, r.relname, x.relname, s.spcname
   FROM relations r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class x ON x.oid = i.indexrelid
   JOIN pg_tablespace s ON s.oid = x.reltablespace`,
];
