import type { OmissionSubject } from '../../parity/subject.ts';
import { unquoteIdentifier } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { tryStatement } from '../omission.ts';

/** A constraint as statements name it, both parts quoted where SQL needs it. */
export interface NamedConstraint {
  /** Qualified by its schema */
  readonly relation: string;
  readonly name: string;
}

const identifier = String.raw`(?:"(?:[^"]|"")*"|[^\s".]+)`;
const addition = new RegExp(
  String.raw`^ALTER TABLE (?:ONLY )?(${identifier}\.${identifier})\s+ADD CONSTRAINT (${identifier}) `,
);

/** Reads which constraint a statement adds, as pg_dump writes it; undefined when it adds none. */
export function readAddition(sql: string): NamedConstraint | undefined {
  const [, relation, name] = addition.exec(sql) ?? [];
  return relation === undefined || name === undefined ? undefined : { relation, name };
}

/**
 * Counts the rows that violate a foreign key which was added NOT VALID. With MATCH FULL, a key that is null
 * in some of its columns violates it, too.
 *
 * @returns undefined when there is no such key
 */
export async function countOrphans(
  session: Session,
  { relation, name }: NamedConstraint,
): Promise<number | undefined> {
  const [query] = await session.query<{ sql: string }>(
    `SELECT format('SELECT count(*) AS orphans FROM %s AS c WHERE (%s) AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)',
              k.conrelid::regclass, string_agg(format('c.%I IS NOT NULL', a.attname), CASE k.confmatchtype WHEN 'f' THEN ' OR ' ELSE ' AND ' END),
              k.confrelid::regclass, string_agg(format('p.%I OPERATOR(%I.%s) c.%I', f.attname, n.nspname, o.oprname, a.attname), ' AND ')) AS sql
     FROM pg_constraint k
     CROSS JOIN LATERAL unnest(k.conkey, k.confkey, k.conpfeqop) AS x (own, other, operator)
     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.own
     JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = x.other
     JOIN pg_operator o ON o.oid = x.operator JOIN pg_namespace n ON n.oid = o.oprnamespace
     WHERE k.contype = 'f' AND k.conrelid = to_regclass($1) AND quote_ident(k.conname) = $2
     GROUP BY k.oid, k.conrelid, k.confrelid, k.confmatchtype`,
    [relation, name],
  );
  if (query === undefined) return undefined;
  const [row] = await session.query<{ orphans: number }>(query.sql);
  return row?.orphans;
}

/**
 * Adds a foreign key to each partition of a table, NOT VALID where rows violate it. Before PostgreSQL 18 a
 * partitioned table itself cannot have a foreign key that is NOT VALID.
 *
 * @param sql the addition to the partitioned table, as pg_dump writes it
 * @returns the keys that exist now; empty when the table has no partitions
 */
export async function addToPartitions(session: Session, sql: string): Promise<OmissionSubject[]> {
  const key = readAddition(sql);
  if (key === undefined) return [];
  const leaves = await session.query<{ leaf: string; schema: string; name: string }>(
    `SELECT p.relid::regclass::text AS leaf, n.nspname AS schema, c.relname AS name
     FROM pg_partition_tree(to_regclass($1)) AS p JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE p.isleaf AND p.relid <> to_regclass($1)`,
    [key.relation],
  );
  if (leaves.length === 0) return [];
  const [, definition = ''] =
    new RegExp(String.raw`ADD CONSTRAINT ${identifier} (.*?);\s*$`, 's').exec(sql) ?? [];
  const added: OmissionSubject[] = [];
  for (const { leaf, ...table } of leaves) {
    // A partition may already have a constraint of that name.
    if (
      (await tryStatement(
        session,
        `ALTER TABLE ${leaf} ADD CONSTRAINT ${key.name} ${definition} NOT VALID`,
      )) !== undefined
    )
      continue;
    await tryStatement(session, `ALTER TABLE ${leaf} VALIDATE CONSTRAINT ${key.name}`);
    added.push({ kind: 'part', type: 'constraint', table, name: unquoteIdentifier(key.name) });
  }
  return added;
}
