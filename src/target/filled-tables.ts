import type { Session } from '../postgres/connection.ts';
import { quoteQualified } from '../postgres/identifier.ts';
import { findUnplannable } from '../postgres/plannable.ts';

interface Table {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

/**
 * Those of the tables that hold rows. One that cannot be asked without calling what somebody else has made is taken for one that does: a look
 * at a target calls nothing.
 */
export async function findWithRows<Asked extends Table>(
  session: Session,
  tables: readonly Asked[],
): Promise<Asked[]> {
  if (tables.length === 0) return [];
  await session.query('BEGIN');
  const unplannable = await findUnplannable(session, tables);
  await session.query('COMMIT');
  const asked = tables.filter(({ oid }) => !unplannable.has(oid));
  const rows =
    asked.length === 0
      ? []
      : await session.query<{ oid: number }>(
          asked
            .map(
              ({ oid, schema, name }) =>
                `SELECT ${oid}::oid AS oid WHERE EXISTS (SELECT FROM ${quoteQualified(schema, name)})`,
            )
            .join(' UNION ALL '),
        );
  const filled = new Set(rows.map(({ oid }) => oid));
  return tables.filter(({ oid }) => unplannable.has(oid) || filled.has(oid));
}
