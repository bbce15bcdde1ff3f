import type { Session } from '../session/connection.ts';
import { readStates } from './sequence-states.ts';

/*
 * Message queues (pgmq). `pgmq.create('mail')` creates the tables `pgmq.q_mail` and `pgmq.a_mail`. Up to
 * version 1.5.1 they are parts of the extension: pg_dump leaves them to CREATE EXTENSION, which creates no
 * queue. So a backup copies their rows, and a restore makes the extension create the tables. Since 1.6 they
 * are ordinary tables, and pg_dump writes them.
 */

/**
 * A condition on a row `c` of pg_class and its schema `n`: a table of a queue, or the list of queues, that
 * pg_dump omits.
 */
const isQueueTable = `(
  c.relkind = 'r' AND n.nspname = 'pgmq' AND (c.relname = 'meta' OR c.relname ~ '^[qa]_') AND EXISTS (
    SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
      AND e.extname = 'pgmq' AND coalesce(c.oid <> ALL (e.extconfig), true)))`;

/** The same, if this role sees the table's rows; otherwise they count as rows of any other extension. */
export const isCarriedQueue = `(
  ${isQueueTable} AND has_schema_privilege(n.oid, 'USAGE') AND coalesce(has_table_privilege(c.oid, 'SELECT'), false)
  AND NOT (c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE'))
           AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)))`;

/** A queue's table: what its rows do not tell. */
export interface QueueTable {
  readonly name: string;
  readonly owner: string;
  /** The state of the sequence that numbers its messages; null for a table without one. */
  readonly numbered: { readonly lastValue: string; readonly isCalled: boolean } | null;
}

interface CatalogRow extends Record<string, unknown> {
  name: string;
  owner: string;
  sequence: string | null;
  oid: number | null;
}

const tablesQuery = `
  SELECT c.relname AS name, pg_get_userbyid(c.relowner) AS owner, s.relname AS sequence, s.oid
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN LATERAL (
      SELECT s.relname, s.oid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' AND s.relnamespace = c.relnamespace
      WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'i'
        AND CASE WHEN s.relkind = 'S' THEN has_sequence_privilege(s.oid, 'SELECT') END) AS s ON true
  WHERE ${isCarriedQueue} ORDER BY 1`;

/**
 * Reads what a restore of queues needs besides their rows.
 *
 * @param session with an empty search_path, so that statements are unambiguous
 */
export async function readQueues(session: Session): Promise<QueueTable[]> {
  const tables = await session.query<CatalogRow>(tablesQuery);
  if (tables.length === 0) return [];
  const sequences = tables.flatMap(({ sequence, oid }) =>
    sequence === null || oid === null ? [] : [{ schema: 'pgmq', name: sequence, oid }],
  );
  const states = new Map((await readStates(session, sequences)).map((state) => [state.name, state]));
  return tables.map(({ name, owner, sequence }) => {
    const state = sequence === null ? undefined : states.get(sequence);
    const numbered = state && { lastValue: state.lastValue, isCalled: state.isCalled };
    return { name, owner, numbered: numbered ?? null };
  });
}
