import { isCarriedQueue } from '../postgres/catalog/queues.ts';
import { qualifiedName, type TableInfo } from '../postgres/catalog/tables.ts';
import { isNotOwnSchema } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { SourceError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';

/** What happens to the rows of a table. */
type RowPlace = 'copied' | 'left out' | 'of an extension' | 'our own';

interface Relation {
  oid: number;
  schema: string;
  name: string;
  member: boolean;
  ledger: boolean;
}

/**
 * Proves that each table of the catalog is accounted for in exactly one way: its rows are copied, left out by
 * the user's choice, part of an extension and of no queue (`countUnwrittenRows` reports those), or our own
 * rollback tokens. It reads the catalog again with the simplest query, so that a wrong condition in the query
 * for the copied tables cannot hide a table here as well.
 *
 * @param session sees what the snapshot sees
 * @throws SourceError that names the tables with no account or more than one
 */
export async function checkAccounts(
  session: Session,
  { tables, leftOut }: { readonly tables: readonly TableInfo[]; readonly leftOut: readonly TableInfo[] },
): Promise<void> {
  const relations = await session.query<Relation & { [column: string]: unknown }>(`
    SELECT c.oid, n.nspname AS schema, c.relname AS name, NOT (${isNotOwnSchema}) AS ledger,
           EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AND NOT ${isCarriedQueue} AS member
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`);
  const [copied, chosen] = [new Set(tables.map(({ oid }) => oid)), new Set(leftOut.map(({ oid }) => oid))];
  const wrong = relations.flatMap((relation) => {
    const places: RowPlace[] = [
      ...(copied.has(relation.oid) ? (['copied'] as const) : []),
      ...(chosen.has(relation.oid) ? (['left out'] as const) : []),
      ...(relation.member ? (['of an extension'] as const) : []),
      ...(relation.ledger ? (['our own'] as const) : []),
    ];
    return places.length === 1 ? [] : [`${qualifiedName(relation)} (${places.join(', ') || 'in no place'})`];
  });
  const known = new Set(relations.map(({ oid }) => oid));
  const unknown = [...tables, ...leftOut].filter(({ oid }) => !known.has(oid)).map(qualifiedName);
  refuse([...wrong, ...unknown.map((name) => `${name} (not in the catalog)`)]);
}

/**
 * Proves that the backup records exactly the tables that were to be copied.
 *
 * @throws SourceError that names missing and surplus tables
 */
export function checkRecorded(
  recorded: readonly { readonly oid: number; readonly schema: string; readonly name: string }[],
  tables: readonly TableInfo[],
): void {
  const [there, wanted] = [new Set(recorded.map(({ oid }) => oid)), new Set(tables.map(({ oid }) => oid))];
  refuse([
    ...tables.filter(({ oid }) => !there.has(oid)).map((table) => `${qualifiedName(table)} (was not copied)`),
    ...recorded
      .filter(({ oid }) => !wanted.has(oid))
      .map((table) => `${qualifiedName(table)} (not requested)`),
    ...(there.size === recorded.length ? [] : ['a table that appears twice']),
  ]);
}

function refuse(wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  const more = wrong.length > 20 ? `, and ${wrong.length - 20} more` : '';
  throw new SourceError(
    `the tables of the database and those of the backup do not add up: ${wrong.slice(0, 20).join(', ')}${more}`,
    say`Nothing was recorded, because rows would be missing. Report this with these lines; leaving the tables out with ${nameInput('exclude')} backs up the others.`,
  );
}
