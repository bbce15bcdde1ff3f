import type { Omission } from '../../parity/scope.ts';
import { about } from '../../parity/subject.ts';
import { quoteIdentifier } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { refusalOf } from '../../postgres/session/server-error.ts';
import { inTransaction } from '../../postgres/session/transaction.ts';
import { quoteGrantee } from './database.ts';

interface Item {
  readonly grantee: string;
  readonly privilege: string;
  readonly grantable: boolean;
}

/** What other roles get on the objects of one type that a role creates. */
interface DefaultPrivileges {
  readonly role: string;
  /** null for all schemas */
  readonly schema: string | null;
  /** As in ALTER DEFAULT PRIVILEGES … ON */
  readonly objects: string;
  readonly items: readonly Item[];
}

/** Default privileges that were reset, and how to give them back. */
export interface Neutralized {
  readonly entries: readonly DefaultPrivileges[];
  /** SQL that gives them back, for a restore that is continued or cleaned up by another process */
  readonly undo: readonly string[];
  /** Gives them back, whatever changed them since. Those of a dropped schema are gone with it. */
  restore(session: Session): Promise<void>;
  /**
   * Revokes default privileges that roles of the API got from the backup and did not have in the target, in
   * schemas that the target had. A newer project grants nothing there on new objects, where an older one
   * granted everything.
   *
   * @returns what was revoked
   */
  narrow(session: Session): Promise<Omission[]>;
}

const objectsOf: Readonly<Record<string, string>> = {
  r: 'TABLES',
  S: 'SEQUENCES',
  f: 'FUNCTIONS',
  T: 'TYPES',
  n: 'SCHEMAS',
  // From PostgreSQL 18
  L: 'LARGE OBJECTS',
};

/**
 * Resets the default privileges of all roles that the connected one may act as, in this database, to those
 * that PostgreSQL has built in. A dump holds how the privileges of an object differ from these, so the grants
 * of a fresh project to anon on every new table, for example, would come on top. The archive brings the
 * source's default privileges at its end. Entries of other roles stay, because they apply only to objects
 * that those roles create.
 *
 * After a throw everything is as before.
 */
export async function neutralizeDefaultPrivileges(session: Session): Promise<Neutralized> {
  const found = await readEntries(session);
  const builtIn = await readBuiltIn(session, found);
  const schemas = await readSchemas(session);
  const changes = found.map((entry, index) => ({ entry, reset: { ...entry, items: builtIn[index] ?? [] } }));
  const done = await inTransaction(session, () =>
    alterEach(session, changes, ({ entry, reset }) => [entry, reset]),
  );
  return {
    entries: done.map(({ entry }) => entry),
    undo: done.flatMap(({ entry, reset }) => writeChange(reset, entry)),
    async restore(later) {
      const now = new Map((await readEntries(later)).map((entry) => [keyOf(entry), entry]));
      const left = await readSchemas(later);
      const possible = done.filter(({ entry: { schema } }) => schema === null || left.has(schema));
      await inTransaction(later, () =>
        alterEach(later, possible, ({ entry, reset }) => [now.get(keyOf(entry)) ?? reset, entry]),
      );
    },
    async narrow(later) {
      const before = new Map(found.map((entry) => [keyOf(entry), entry.items]));
      const changes = (await readEntries(later))
        .filter(({ schema }) => schema !== null && schemas.has(schema))
        .map((entry) => ({ entry, wider: findWider(entry.items, before.get(keyOf(entry)) ?? []) }))
        .filter(({ wider }) => wider.length > 0);
      const altered = await inTransaction(later, () =>
        alterEach(later, changes, ({ entry, wider }) => [
          entry,
          { ...entry, items: entry.items.filter((item) => !wider.includes(item)) },
        ]),
      );
      return altered.flatMap(({ entry, wider }) => describeNarrowed(entry, wider));
    },
  };
}

/**
 * PUBLIC, and the roles that a platform lets in through its API. Grants to other roles were the user's own
 * decision.
 */
const callers = new Set(['PUBLIC', 'anon', 'authenticated', 'service_role']);

function findWider(now: readonly Item[], before: readonly Item[]): Item[] {
  return now.filter(
    (item) =>
      callers.has(item.grantee) &&
      !before.some(
        ({ grantee, privilege, grantable }) =>
          grantee === item.grantee && privilege === item.privilege && (grantable || !item.grantable),
      ),
  );
}

function describeNarrowed(entry: DefaultPrivileges, wider: readonly Item[]): Omission[] {
  return [...Map.groupBy(wider, ({ grantee }) => grantee)].map(([grantee, items]) => {
    const grants = writeChange({ ...entry, items: [] }, { ...entry, items });
    const name = `${entry.objects.toLowerCase()} of ${showRole(entry.role)} to ${showRole(grantee)}`;
    return {
      ...about({ kind: 'object', type: 'default privileges', schema: entry.schema, name }),
      why: 'the target does not grant this on new objects, and a restore does not widen privileges',
      remedy: `If you want it: ${grants.join('; ')}. Or restore with the input default-privileges set to source.`,
    };
  });
}

function showRole(name: string): string {
  return /^([a-z_][a-z0-9_]*|PUBLIC)$/.test(name) ? name : quoteIdentifier(name);
}

async function readSchemas(session: Session): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>('SELECT nspname AS name FROM pg_namespace');
  return new Set(rows.map(({ name }) => name));
}

/**
 * Alters entries, each as its role: a member that does not inherit may not alter them, but may become the
 * role. The connected role's own must succeed. A platform may refuse those of another role, which do not
 * affect what the connected role creates.
 *
 * @returns the changes that were made
 */
async function alterEach<T extends { readonly entry: DefaultPrivileges }>(
  session: Session,
  changes: readonly T[],
  sides: (change: T) => [from: DefaultPrivileges, to: DefaultPrivileges],
): Promise<T[]> {
  const [self] = await session.query<{ name: string }>('SELECT current_user::text AS name');
  const altered: T[] = [];
  for (const change of changes) {
    const { role } = change.entry;
    await session.query('SAVEPOINT one_role');
    try {
      await session.query(`SET LOCAL ROLE ${quoteIdentifier(role)}`);
      for (const statement of writeChange(...sides(change))) await session.query(statement);
      altered.push(change);
    } catch (error) {
      if (role === self?.name) throw error;
      refusalOf(error);
      await session.query('ROLLBACK TO SAVEPOINT one_role');
    }
  }
  return altered;
}

function keyOf({ role, schema, objects }: DefaultPrivileges): string {
  return JSON.stringify([role, schema, objects]);
}

async function readEntries(session: Session): Promise<DefaultPrivileges[]> {
  const privilege = session.serverVersion >= 160000 ? 'SET' : 'MEMBER';
  const rows = await session.query<Omit<DefaultPrivileges, 'items'> & { items: string }>(`
    SELECT r.rolname AS role, n.nspname AS schema, defaclobjtype AS objects, ${writeItems('defaclacl')} AS items
    FROM pg_default_acl JOIN pg_roles r ON r.oid = defaclrole LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
    WHERE pg_has_role(defaclrole, '${privilege}')
    ORDER BY 1, 2, 3`);
  return rows.map((row) => ({
    role: row.role,
    schema: row.schema,
    objects: objectsOf[row.objects] ?? row.objects,
    items: JSON.parse(row.items),
  }));
}

/**
 * Reads the privileges that PostgreSQL has built in, entry by entry. An entry of a schema adds to the others,
 * so there are none for it.
 */
async function readBuiltIn(session: Session, entries: readonly DefaultPrivileges[]): Promise<Item[][]> {
  const types = new Map(
    Object.entries(objectsOf).map(([type, objects]) => [objects, type === 'S' ? 's' : type]),
  );
  const found: Item[][] = [];
  for (const { role, schema, objects } of entries) {
    if (schema !== null) {
      found.push([]);
      continue;
    }
    const [row] = await session.query<{ items: string }>(
      `SELECT ${writeItems('acldefault($1::"char", oid)')} AS items FROM pg_roles WHERE rolname = $2`,
      [types.get(objects), role],
    );
    found.push(JSON.parse(row?.items ?? '[]'));
  }
  return found;
}

function writeItems(acl: string): string {
  return `(SELECT coalesce(json_agg(json_build_object(
      'grantee', CASE i.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(i.grantee) END,
      'privilege', i.privilege_type, 'grantable', i.is_grantable)), '[]')::text FROM aclexplode(${acl}) AS i)`;
}

function writeChange(from: DefaultPrivileges, to: DefaultPrivileges): string[] {
  const where = to.schema === null ? '' : ` IN SCHEMA ${quoteIdentifier(to.schema)}`;
  const alter = `ALTER DEFAULT PRIVILEGES FOR ROLE ${quoteIdentifier(to.role)}${where}`;
  const before = [...new Set(from.items.map(({ grantee }) => grantee))];
  const groups = Map.groupBy(to.items, ({ grantee, grantable }) => JSON.stringify([grantee, grantable]));
  return [
    ...before.map((grantee) => `${alter} REVOKE ALL ON ${to.objects} FROM ${quoteGrantee(grantee)}`),
    ...[...groups.values()].map((items) => {
      const [{ grantee, grantable }] = items as [Item];
      const privileges = items.map(({ privilege }) => privilege).join(', ');
      const option = grantable ? ' WITH GRANT OPTION' : '';
      return `${alter} GRANT ${privileges} ON ${to.objects} TO ${quoteGrantee(grantee)}${option}`;
    }),
  ];
}
