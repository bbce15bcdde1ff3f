import type { TableInfo } from '../postgres/catalog/tables.ts';
import type { Session } from '../postgres/session/connection.ts';
import { SourceError } from '../runtime/errors.ts';
import { nameInput, say, type Wording } from '../runtime/wording.ts';
import { writePattern } from '../values/table-patterns.ts';

/** TID range scans came with PostgreSQL 14; on older servers every range would scan the whole table. */
const oldestServer = 140000;

export function checkServer(session: Session): void {
  if (session.serverVersion >= oldestServer) return;
  throw new SourceError(
    `the server is PostgreSQL ${Math.floor(session.serverVersion / 10000)}; the oldest supported is 14`,
    'Upgrade the server, or back it up with pg_dump of its own version.',
  );
}

/** What this role cannot read, and what lets it. */
export interface ReadingObstacle {
  readonly message: string;
  readonly next: string | Wording;
}

/**
 * Makes sure that this role sees every row of every table before anything is copied: a backup that silently
 * lacks rows is the worst outcome.
 *
 * @throws SourceError that names the tables, sequences or large objects that cannot be read
 */
export async function checkReadable(session: Session, tables: readonly TableInfo[]): Promise<void> {
  const [first] = await findUnreadable(session, tables);
  if (first !== undefined) throw new SourceError(first.message, first.next);
}

/** Finds everything that keeps this role from reading all rows, the tables first; empty when nothing does. */
export async function findUnreadable(
  session: Session,
  tables: readonly TableInfo[],
): Promise<readonly ReadingObstacle[]> {
  const [[role], sequences, largeObjects] = await Promise.all([
    session.query<{ name: string; bypass: boolean }>(
      'SELECT rolname AS name, rolsuper OR rolbypassrls AS bypass FROM pg_roles WHERE rolname = current_user',
    ),
    session.query<{ name: string }>(closedSequences),
    session.query<{ oid: number }>(closedLargeObjects),
  ]);
  const name = role?.name ?? 'this role';
  const unreadable = tables.filter((table) => table.readable === false).map(writePattern);
  const filtered = role?.bypass === true ? [] : tables.filter((table) => table.hiddenByRls).map(writePattern);
  const closed = (names: readonly string[], noun: string, next: string | Wording): ReadingObstacle[] =>
    names.length === 0 ? [] : [{ message: `${name} may not read ${listNames(names, noun)}`, next }];
  return [
    ...closed(
      unreadable,
      'table',
      say`Grant it with "GRANT pg_read_all_data TO ${name}", or leave the tables out with ${nameInput('exclude')}.`,
    ),
    ...(filtered.length === 0
      ? []
      : [
          {
            message: `${name} has no BYPASSRLS , and row level security hides rows of ${listNames(filtered, 'table')}`,
            next: say`Use the role postgres of the Supabase project, run "ALTER ROLE ${name} BYPASSRLS", or leave the tables out with ${nameInput('exclude')}.`,
          },
        ]),
    ...closed(
      sequences.map((row) => row.name),
      'sequence',
      `Grant it with "GRANT pg_read_all_data TO ${name}".`,
    ),
    ...closed(
      largeObjects.map((row) => String(row.oid)),
      'large object',
      `Grant it with "GRANT SELECT ON LARGE OBJECT … TO ${name}".`,
    ),
  ];
}

const closedSequences = `
  SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'S' AND n.nspname !~ '^pg_temp'
    AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT'))`;

const closedLargeObjects = `
  SELECT m.oid FROM pg_largeobject_metadata m
  WHERE NOT pg_has_role(m.lomowner, 'USAGE')
    AND NOT EXISTS (SELECT FROM aclexplode(m.lomacl) acl
                    WHERE acl.privilege_type = 'SELECT'
                      AND (acl.grantee = 0 OR pg_has_role(acl.grantee, 'USAGE')))`;

/** Up to 50 names, because the user needs them to grant privileges. */
function listNames(names: readonly string[], noun: string): string {
  const shown = names.slice(0, 50);
  const more = names.length - shown.length;
  return `${names.length} ${noun}${names.length === 1 ? '' : 's'}: ${shown.join(', ')}${more > 0 ? `, and ${more} more` : ''}`;
}
