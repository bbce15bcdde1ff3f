import type { Session } from '../session/connection.ts';
import { readStates } from './sequence-states.ts';

/*
 * Message queues (pgmq). `pgmq.create('mail')` makes the tables `pgmq.q_mail` and `pgmq.a_mail`, up to version 1.5.1 as parts of the extension,
 * which pg_dump leaves to CREATE EXTENSION, which makes no queue. So their rows are copied, and a restore has the extension make the tables.
 * Since 1.6 they are ordinary tables, and pg_dump writes them.
 */

/** A condition on a row `c` of pg_class and its schema `n`: a table of queues, or their list, that pg_dump passes over. */
const isQueueTable = `(
  c.relkind = 'r' AND n.nspname = 'pgmq' AND (c.relname = 'meta' OR c.relname ~ '^[qa]_') AND EXISTS (
    SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
      AND e.extname = 'pgmq' AND coalesce(c.oid <> ALL (e.extconfig), true)))`;

/** The same, of those whose rows this role sees; what it does not see is told like the rows of any other extension. */
export const isCarriedQueue = `(
  ${isQueueTable} AND has_schema_privilege(n.oid, 'USAGE') AND coalesce(has_table_privilege(c.oid, 'SELECT'), false)
  AND NOT (c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE'))
           AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)))`;

/** A table of queues: what its rows do not tell. */
export interface QueueTable {
  readonly name: string;
  readonly owner: string;
  /** How far its messages are numbered; null for a table that numbers none */
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
 * Reads what a restore needs for the queues besides their rows.
 *
 * @param session with an empty search_path, so that statements name what they mean
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
