import type { Definition } from '../../format/supplement.ts';
import type { Omission } from '../../parity/scope.ts';
import { isFirstVersion } from '../../postgres/catalog/description.ts';
import { parseRights, type Rights, readSystemRights } from '../../postgres/catalog/system-rights.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import { quoteIdentifier, quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { type Statement, tryStatements } from '../omission.ts';

/**
 * Finds the grants on parts of extensions, or of the server itself, that a project already has: PUBLIC and
 * each of the user's roles have the same rights there as in the source. A role that owns none of these
 * objects could not grant them again. The rights of the platform's own roles are not compared.
 *
 * @param entries all that are restored
 * @param wanted the definitions of the source; those of an older version of the tool hold no such rights
 */
export async function findGivenGrants(
  session: Session,
  entries: readonly ArchiveEntry[],
  wanted: readonly Definition[],
): Promise<ArchiveEntry[]> {
  const ids = new Set(entries.map(({ id }) => id));
  // The objects themselves have no entry.
  const grants = entries.filter(({ kind, needs }) => kind === 'ACL' && !needs.some((id) => ids.has(id)));
  if (grants.length === 0 || isFirstVersion(wanted)) return [];
  const [source, target] = [wanted, await readSystemRights(session, wanted)].map(groupByObject) as [
    RightsByObject,
    RightsByObject,
  ];
  return grants.filter((entry) => {
    const object = identify(entry);
    return object !== undefined && areSame(source.get(object), target.get(object));
  });
}

/**
 * Grants what the connected role can grant of refused grants on such objects. An entry of the archive is one
 * list for all grantees, and is refused as a whole where one of them, such as the connected role itself,
 * cannot get it from this role.
 *
 * @param refused entries of kind ACL
 * @returns what the server refused
 */
export async function grantRightsAgain(
  session: Session,
  refused: readonly ArchiveEntry[],
  wanted: readonly Definition[],
): Promise<Omission[]> {
  const objects = new Set(refused.map(identify));
  const asked = wanted.flatMap((line) => {
    const rights = parseRights(line);
    return rights !== undefined && objects.has(keyOf(rights)) ? [{ line, rights }] : [];
  });
  if (asked.length === 0) return [];
  const target = groupByObject(
    await readSystemRights(
      session,
      asked.map(({ line }) => line),
    ),
  );
  const statements = asked.flatMap(({ line, rights }) => {
    const there = new Set(target.get(keyOf(rights))?.get(rights.grantee)?.split(', '));
    return writeGrants(
      rights,
      line.detail.split(', ').filter((privilege) => privilege !== '' && !there.has(privilege)),
    );
  });
  return tryStatements(session, statements);
}

/** Types of objects that GRANT can find by type and name */
const grantable = new Set([
  ...['function', 'table', 'sequence', 'type', 'schema', 'language', 'foreign data wrapper'],
  'foreign server',
]);

function writeGrants({ type, schema, name, grantee }: Rights, privileges: readonly string[]): Statement[] {
  if (!grantable.has(type)) return [];
  const [, routine = '', types = ''] = /^(.*)(\(.*\))$/s.exec(name) ?? [];
  const object =
    type === 'function'
      ? `ROUTINE ${quoteQualified(schema ?? '', routine)}${types}`
      : `${type.toUpperCase()} ${schema === null ? quoteIdentifier(name) : quoteQualified(schema, name)}`;
  return privileges.map((privilege) => {
    const [word = '', option = ''] = privilege.split(/(?= with grant option)/);
    const of = schema === null ? name : `${schema}.${name}`;
    return {
      what: `grant on ${type} ${of} to ${grantee}`,
      sql: `GRANT ${word} ON ${object} TO ${grantee}${option}`,
    };
  });
}

/** Privileges of each grantee, by object */
type RightsByObject = ReadonlyMap<string, ReadonlyMap<string, string>>;

function groupByObject(lines: readonly Definition[]): RightsByObject {
  const objects = new Map<string, Map<string, string>>();
  for (const line of lines) {
    const rights = parseRights(line);
    if (rights === undefined) continue;
    const key = keyOf(rights);
    const found = objects.get(key) ?? new Map<string, string>();
    objects.set(key, found.set(rights.grantee, line.detail));
  }
  return objects;
}

function keyOf({ type, schema, name }: Pick<Rights, 'type' | 'schema' | 'name'>): string {
  return JSON.stringify([type, schema, name]);
}

function areSame(
  source: ReadonlyMap<string, string> = new Map(),
  target: ReadonlyMap<string, string> = new Map(),
): boolean {
  return (
    source.size === target.size &&
    [...source].every(([grantee, privileges]) => target.get(grantee) === privileges)
  );
}

const routines = new Set(['FUNCTION', 'PROCEDURE', 'AGGREGATE']);

/**
 * Key of the object of an ACL entry, such as `FUNCTION citext(boolean)`, as of a line of kind `rights`;
 * undefined for objects that have no such lines
 */
function identify({ schema, name }: ArchiveEntry): string | undefined {
  const [, kind, object] =
    /^(FUNCTION|PROCEDURE|AGGREGATE|TABLE|SEQUENCE|COLUMN|TYPE|SCHEMA|LANGUAGE|FOREIGN DATA WRAPPER|FOREIGN SERVER) (.*)$/s.exec(
      name,
    ) ?? [];
  if (kind === undefined) return undefined;
  const type = routines.has(kind) ? 'function' : kind.toLowerCase();
  return keyOf({ type, schema: schema ?? null, name: object ?? '' });
}
