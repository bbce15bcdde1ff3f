import { own, ownRelation, userSchema } from './facts.ts';
import { printed } from './printed-text.ts';

/*
 * Parts of the queries for definitions: conditions for the user's objects, and the form of lists, options and
 * digests.
 */

/** The user's relations, selected once for everything that belongs to a relation. */
export const relations = `
  SELECT c.*, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${userSchema} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${ownRelation}`;

/**
 * A condition: no extension owns the object, and the server has not created it together with another one, as
 * it does the constructors of a range type.
 */
export const made = (catalog: string, oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype IN ('e', 'i'))`;

/** Functions, procedures and aggregates. `signature` is the name with the types of the arguments. */
export const routines = `
  SELECT p.*, n.nspname, p.proname || '(' || oidvectortypes(p.proargtypes) || ')' AS signature
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE ${userSchema} AND ${made('pg_proc', 'p.oid')}`;

/**
 * Enums, domains, ranges, composite, base and shell types; without arrays, row types of tables, and
 * multiranges.
 */
export const types = `
  SELECT t.*, n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE ${userSchema} AND ${own('pg_type', 't.oid')}
    AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'b' AND t.typcategory <> 'A') OR (t.typtype = 'p' AND NOT t.typisdefined)
      OR (t.typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')))`;

/** SHA-256 of a text in the client's encoding, which does not depend on the server's. */
export const digest = (text: string) => `encode(sha256(textsend(${text})), 'hex')`;

/** A list whose order means nothing, as one sorted text; null when it is empty. */
export const sorted = (item: string, from: string) =>
  `(SELECT string_agg(${item}, ', ' ORDER BY (${item}) COLLATE "C") FROM ${from})`;

/** A list whose order has a meaning, as one text; null when it is empty. */
export const parts = (item: string, order: string, from: string) =>
  `(SELECT string_agg(${item}, ', ' ORDER BY ${order}) FROM ${from})`;

/** A list of name=value texts as one sorted text; null when there is none. */
export const options = (list: string) => sorted('o', `unnest(${list}) AS o`);

/**
 * The documented options of such a list. A server keeps internal notes beside them (`pg_attver` of the minor
 * versions 15.20 and 17.12 in `attoptions`), which pg_dump hides and which differ in a copy.
 */
export const documented = (list: string, names: readonly string[], prefix = '') =>
  sorted(
    `'${prefix}' || o`,
    `unnest(${list}) AS o WHERE split_part(o, '=', 1) IN (${names.map((name) => `'${name}'`).join(', ')})`,
  );

/** A condition: an option `o` whose name looks like a secret. */
export const secretOption = `split_part(o, '=', 1) ~* '(pass|secret|token|credential|key|auth)'`;

/** Options of a foreign object. An option that looks like a secret appears without its value. */
export const foreignOptions = (list: string) =>
  sorted(`CASE WHEN ${secretOption} THEN split_part(o, '=', 1) ELSE o END`, `unnest(${list}) AS o`);

/** A definition whose text behind a certain place is printed by the server. */
export const printedAfter = (definition: string, place: string) =>
  `(SELECT coalesce(left(x.text, x.at) || ${printed('substr(x.text, x.at + 1)')}, x.text)
    FROM (SELECT y.text, nullif(strpos(y.text, y.place), 0) + length(y.place) - 1 AS at
          FROM (SELECT ${definition} AS text, ${place} AS place) AS y) AS x)`;

/** The parent of a partition, or of a partition's index. */
export const parentOf = (oid: string) =>
  `(SELECT h.inhparent::regclass FROM pg_inherits h WHERE h.inhrelid = ${oid})`;

export const state = (column: string) =>
  `CASE ${column} WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled on replicas' ELSE 'enabled always' END`;

/** The collation, if it differs from the type's default; else null. */
export const collation = (column: string, type: string) =>
  `(SELECT 'collate ' || x.oid::regcollation FROM pg_collation x
    WHERE x.oid = ${column} AND ${column} <> (SELECT y.typcollation FROM pg_type y WHERE y.oid = ${type}))`;

export const when = (condition: string, text: string) => `CASE WHEN ${condition} THEN '${text}' END`;

/** The identity of an object. Version 17 dropped a word from the identity of a transform. */
export const identity = `CASE i.type WHEN 'transform' THEN regexp_replace(i.identity, ' on language ', ' language ') ELSE i.identity END`;

/**
 * Identifies the object of a comment or a label, for `address`. DROP SUBSCRIPTION leaves comments behind
 * whose object is gone; these are left out.
 */
export const identified = (row: string) => `
  CROSS JOIN LATERAL pg_identify_object(${row}.classoid, ${row}.objoid, ${row}.objsubid) AS i
  CROSS JOIN LATERAL (
    SELECT x.object_names AS names, i.type ~ '^(table|view|materialized view|foreign table|sequence)$' AS "isRelation",
           cardinality(x.object_names) = 3 AND i.type ~ '(column|policy|trigger|rule|table constraint)$' AS "isPart"
    FROM pg_identify_object_as_address(${row}.classoid, ${row}.objoid, ${row}.objsubid) AS x WHERE i.identity IS NOT NULL) AS a`;

/** Schema, relation and name of an object; a part of a relation is listed under that relation. */
export const address = `
  CASE WHEN a."isPart" THEN a.names[1] ELSE i.schema END, CASE WHEN a."isRelation" OR a."isPart" THEN a.names[2] END,
  CASE WHEN a."isRelation" THEN '' WHEN i.type ~ 'column$' THEN a.names[3] WHEN a."isPart" THEN i.type || ' ' || a.names[3]
       ELSE i.type || ' ' || ${identity} END`;
