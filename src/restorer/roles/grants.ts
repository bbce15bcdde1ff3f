import type { Definition, Privilege, Supplement } from '../../format/supplement.ts';
import type { Omission } from '../../parity/scope.ts';
import { about } from '../../parity/subject.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import { quoteIdentifier, quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { tryStatements } from '../omission.ts';
import { quoteGrantee } from './database.ts';

/**
 * Grants the roles of the API what they could do with the tables and sequences whose grants were refused as a
 * whole. The server refuses a list to all but superusers when another role than the owner granted one item of
 * it. Here the connected role grants everything.
 *
 * @param refused entries of kind ACL
 * @param definitions tell which privileges the roles could grant to others
 * @returns what the server refused
 */
export async function grantAgain(
  session: Session,
  refused: readonly ArchiveEntry[],
  { privileges, definitions }: Pick<Supplement, 'privileges' | 'definitions'>,
): Promise<Omission[]> {
  const names = new Set(refused.map(({ schema, name }) => `${schema}\0${name}`));
  const wanted = privileges.filter((privilege) => names.has(`${privilege.schema}\0${nameOf(privilege)}`));
  const statements = wanted.flatMap((privilege) =>
    [
      writeGrant(privilege, withoutEverybodys(privilege, wanted), ''),
      writeGrant(privilege, findPassedOn(privilege, definitions), ' WITH GRANT OPTION'),
    ].flatMap((sql) => (sql === undefined ? [] : [{ ...aboutGrants(privilege), sql }])),
  );
  return tryStatements(session, statements);
}

function aboutGrants(privilege: Privilege) {
  return about({ kind: 'object', type: 'acl', schema: privilege.schema, name: nameOf(privilege) });
}

/** The name in the table of contents, which names sequences as such, and views as tables. */
function nameOf({ kind, name, column }: Privilege): string {
  const text = column === null ? `${kind.toUpperCase()} ${name}` : `COLUMN ${name}.${column}`;
  return text.replaceAll(/[\n\r]/g, ' ');
}

/** Privileges that the role does not have through PUBLIC */
function withoutEverybodys(privilege: Privilege, wanted: readonly Privilege[]): readonly string[] {
  if (privilege.grantee === 'PUBLIC') return privilege.privileges;
  const { kind, schema, name, column } = privilege;
  const everybody = wanted.find(
    (other) =>
      other.grantee === 'PUBLIC' &&
      other.kind === kind &&
      other.schema === schema &&
      other.name === name &&
      other.column === column,
  );
  return privilege.privileges.filter((one) => !everybody?.privileges.includes(one));
}

/**
 * Privileges that the role may grant to others, by a definition of kind `grant option`:
 * `SELECT with grant option` of `email to anon`.
 */
function findPassedOn(
  { schema, name, column, grantee }: Privilege,
  definitions: readonly Definition[],
): readonly string[] {
  const names =
    column === null ? [grantee] : [column, quoteIdentifier(column)].map((of) => `${of} to ${grantee}`);
  const line = definitions.find(
    (other) =>
      other.kind === 'grant option' &&
      other.schema === schema &&
      other.relation === name &&
      names.includes(other.name),
  );
  return line === undefined
    ? []
    : line.detail.split(', ').map((one) => one.replace(/ with grant option$/, ''));
}

/** Undefined where there is nothing to grant. */
function writeGrant(privilege: Privilege, list: readonly string[], option: string): string | undefined {
  const { kind, schema, name, column, grantee } = privilege;
  if (kind === 'schema' || kind === 'function' || list.length === 0) return undefined;
  const of = list.map((one) => (column === null ? one : `${one} (${quoteIdentifier(column)})`)).join(', ');
  const on = `${kind === 'sequence' ? 'SEQUENCE' : 'TABLE'} ${quoteQualified(schema, name)}`;
  return `GRANT ${of} ON ${on} TO ${quoteGrantee(grantee)}${option}`;
}
