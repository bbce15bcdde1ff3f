import { expressionsQuery } from '../postgres/catalog/plannable.ts';
import { quoteQualified } from '../postgres/identifier.ts';
import type { Session } from '../postgres/session/connection.ts';
import { isPlatformRole } from '../supabase/managed-schemas.ts';

interface Table {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

/**
 * Finds the tables that hold rows. Inspecting a target must call no function of other roles, so a table that
 * cannot be queried without one counts as filled. Functions that the platform made for its own tables may be
 * called.
 */
export async function findWithRows<Asked extends Table>(
  session: Session,
  tables: readonly Asked[],
): Promise<Asked[]> {
  const calling = await session.query<{ oid: number; owners: string }>(expressionsQuery, [
    `{${tables.map(({ oid }) => oid).join(',')}}`,
  ]);
  const owners = new Map(calling.map((table) => [table.oid, JSON.parse(table.owners) as (string | null)[]]));
  const plain = tables.filter(({ oid }) => !owners.has(oid));
  const filled = new Set(await ask(session, plain));
  for (const table of tables) {
    const makers = owners.get(table.oid);
    if (makers === undefined) continue;
    const isOpen = makers.every((owner) => owner !== null && isPlatformRole(owner));
    if (!isOpen || (await mayHaveRows(session, table))) filled.add(table.oid);
  }
  return tables.filter(({ oid }) => filled.has(oid));
}

async function ask(session: Session, tables: readonly Table[]): Promise<number[]> {
  if (tables.length === 0) return [];
  const asked = tables.map(
    ({ oid, schema, name }) =>
      `SELECT ${oid}::oid AS oid WHERE EXISTS (SELECT FROM ${quoteQualified(schema, name)})`,
  );
  const rows = await session.query<{ oid: number }>(asked.join(' UNION ALL '));
  return rows.map(({ oid }) => oid);
}

/**
 * Counts a table as filled when no plan can be made, because a function of an index may rely on a
 * search_path.
 */
async function mayHaveRows(session: Session, table: Table): Promise<boolean> {
  try {
    return (await ask(session, [table])).length > 0;
  } catch (error) {
    if ((error as { severity?: unknown }).severity !== 'ERROR') throw error;
    return true;
  }
}
