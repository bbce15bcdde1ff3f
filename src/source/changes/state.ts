import type { SequenceState } from '../../format/manifest.ts';
import type { Definition } from '../../format/supplement.ts';
import { readDefinitions } from '../../postgres/catalog/definitions.ts';
import { readSequences } from '../../postgres/catalog/facts.ts';
import { isCarriedQueue } from '../../postgres/catalog/queues.ts';
import { qualifiedName, readTables, type TableInfo } from '../../postgres/catalog/tables.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { Segment } from '../../repository/changes/segments.ts';
import { readOwnSchemas } from '../own-schemas.ts';
import { keyOf, type TableChanges } from './tally.ts';

/**
 * The definition of the database at the end of a capture: changes of rows can be replayed only on the same
 * definition.
 */
export interface ChangeState {
  readonly definitions: readonly Definition[];
  readonly tables: readonly TableInfo[];
  readonly sequences: readonly SequenceState[];
  /** Tables whose updates and deletes do not identify the row, with the reason, by `keyOf`. */
  readonly keyless: ReadonlyMap<string, string>;
  /** Tables of extensions, with the extension: their changes are captured, but no backup has their rows. */
  readonly members: ReadonlyMap<string, string>;
  /** The schemas that are ours, whose changes are not captured. */
  readonly ownSchemas: readonly string[];
}

/**
 * Reads the state in one transaction.
 *
 * @param session with the settings of `applySettings`
 */
export async function readChangeState(session: Session): Promise<ChangeState> {
  await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
  const state = {
    definitions: await readDefinitions(session),
    tables: await readTables(session),
    sequences: await readSequences(session),
    keyless: await readKeyless(session),
    members: await readMembers(session),
    ownSchemas: await readOwnSchemas(session),
  };
  await session.query('COMMIT');
  return state;
}

async function readKeyless(session: Session): Promise<Map<string, string>> {
  const rows = await session.query<{ schema: string; name: string; identity: string; deferrable: boolean }>(`
    SELECT n.nspname AS schema, c.relname AS name, c.relreplident AS identity, coalesce(k.deferrable, false) AS deferrable
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (
      -- One that may be checked later does not say which row it is (RelationGetIndexList of PostgreSQL).
      SELECT bool_and(NOT i.indimmediate) AS deferrable FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid
        AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END) k ON true
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident <> 'f' AND k.deferrable IS NOT false`);
  return new Map(
    rows.map((row) => [
      keyOf(row),
      row.deferrable
        ? 'its key is deferrable'
        : (keylessBecause[row.identity] ?? 'it has no replica identity'),
    ]),
  );
}

async function readMembers(session: Session): Promise<Map<string, string>> {
  const rows = await session.query<{ schema: string; name: string; extension: string }>(`
    SELECT n.nspname AS schema, c.relname AS name, e.extname AS extension
    FROM pg_depend d JOIN pg_class c ON c.oid = d.objid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND c.relkind = 'r'
      AND coalesce(c.oid <> ALL (e.extconfig), true) AND NOT ${isCarriedQueue}`);
  return new Map(rows.map((row) => [keyOf(row), row.extension]));
}

const keylessBecause: Readonly<Record<string, string>> = {
  d: 'it has no primary key',
  i: 'the index of its replica identity is gone',
  n: 'its replica identity is NOTHING',
};

/**
 * Lists the tables of the backup whose updates and deletes a capture cannot assign to a row, each with the
 * reason.
 */
export function listKeyless({ tables, keyless }: ChangeState): string[] {
  return tables.flatMap((table) => {
    const why = keyless.get(keyOf(table));
    return why === undefined ? [] : [`${qualifiedName(table)} (${why})`];
  });
}

/** Finds changed tables whose changes cannot be replayed. */
export function findUncovered(
  changed: readonly TableChanges[],
  { keyless }: ChangeState,
): Segment['uncovered'] {
  return changed.flatMap((table) => {
    const why = keyless.get(keyOf(table));
    if (why === undefined || table.updates + table.deletes === 0) return [];
    return [{ schema: table.schema, name: table.name, why }];
  });
}

/**
 * Lists changed tables that are in no backup because they belong to an extension: a recovery omits their
 * changes.
 */
export function findStrangers(changed: readonly TableChanges[], { members }: ChangeState): string[] {
  return changed.flatMap((table) => {
    const extension = members.get(keyOf(table));
    return extension === undefined ? [] : [`${table.schema}.${table.name} (of the extension ${extension})`];
  });
}

/**
 * Finds tables whose rows were rewritten without a TRUNCATE. ALTER TABLE rewrites rows without a change in
 * the log; VACUUM FULL and CLUSTER look the same.
 *
 * @param before the files at the end of the last capture
 * @param truncated keys of truncated tables (`keyOf`)
 */
export function findRewritten(
  { tables }: ChangeState,
  before: Segment['filenodes'],
  truncated: ReadonlySet<string>,
): readonly TableInfo[] {
  return tables.filter((table) => {
    const file = before[table.oid];
    return file !== undefined && file !== table.relfilenode && !truncated.has(keyOf(table));
  });
}
