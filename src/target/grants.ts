import type { ArchiveEntry } from '../postgres/archive.ts';
import type { Session } from '../postgres/connection.ts';
import { quoteIdentifier, quoteQualified } from '../postgres/identifier.ts';
import type { Privilege } from '../repository/supplement.ts';
import { type NotCarried, tryStatements } from './attempt.ts';
import { quoteGrantee } from './globals.ts';

/**
 * Gives the roles of the API what they could do with the tables and sequences whose grants were refused as a whole: a list of which a
 * single item was granted by another role than the owner is refused to all but superusers. They get it from the connected role.
 *
 * @param refused entries of kind ACL
 * @returns what the server refused
 */
export async function grantAgain(
  session: Session,
  refused: readonly ArchiveEntry[],
  privileges: readonly Privilege[],
): Promise<NotCarried[]> {
  const names = new Set(refused.map(({ schema, name }) => `${schema}\0${name}`));
  const wanted = privileges.filter((privilege) => names.has(`${privilege.schema}\0${nameOf(privilege)}`));
  const statements = wanted.flatMap((privilege) => {
    const sql = writeGrant(privilege, wanted);
    return sql === undefined ? [] : [{ what: `acl ${privilege.schema}.${nameOf(privilege)}`, sql }];
  });
  return tryStatements(session, statements);
}

/** As the table of contents has it; sequences stand there as such, and views as tables. */
function nameOf({ kind, name, column }: Privilege): string {
  const text = column === null ? `${kind.toUpperCase()} ${name}` : `COLUMN ${name}.${column}`;
  return text.replaceAll(/[\n\r]/g, ' ');
}

/** Undefined where the role has nothing that it has not as one of all. */
function writeGrant(privilege: Privilege, wanted: readonly Privilege[]): string | undefined {
  const { kind, schema, name, column, grantee } = privilege;
  if (kind === 'schema' || kind === 'function') return undefined;
  const same = (other: Privilege) =>
    other.kind === kind && other.schema === schema && other.name === name && other.column === column;
  const everybody = wanted.find((other) => same(other) && other.grantee === 'PUBLIC')?.privileges ?? [];
  const own =
    grantee === 'PUBLIC' ? everybody : privilege.privileges.filter((one) => !everybody.includes(one));
  if (own.length === 0) return undefined;
  const list = own.map((one) => (column === null ? one : `${one} (${quoteIdentifier(column)})`)).join(', ');
  const on = `${kind === 'sequence' ? 'SEQUENCE' : 'TABLE'} ${quoteQualified(schema, name)}`;
  return `GRANT ${list} ON ${on} TO ${quoteGrantee(grantee)}`;
}
