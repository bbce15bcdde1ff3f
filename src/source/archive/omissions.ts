import type { Manifest } from '../../format/manifest.ts';
import type { Role } from '../../format/supplement.ts';
import type { BackupInputs } from '../../interface/inputs/types.ts';
import { readInvalidIndexes } from '../../postgres/catalog/facts.ts';
import { findUnplannable } from '../../postgres/catalog/plannable.ts';
import { qualifiedName } from '../../postgres/catalog/tables.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { isPlatformRole, readManagedSchemas } from '../../supabase/managed-schemas.ts';
import { isReservedRole } from '../../supabase/reserved-roles.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { listUnwritten } from './unwritten.ts';

type Omission = Manifest['notCarried'][number];

/** What the snapshot shows of what no backup reads there. */
export interface NotCarried {
  readonly omissions: Omission[];
  /** Whether Vault has secrets, which open with a key that is outside of the database */
  readonly hasSecrets: boolean;
}

/**
 * Lists what the backup omits and why, for the manifest, so that users learn it before a loss.
 *
 * @param session under the snapshot, but not the lead session: its failure must not end the snapshot
 */
export async function listNotCarried(
  inputs: Pick<BackupInputs, 'backupType'>,
  session: Session,
  snapshot: Snapshot,
): Promise<NotCarried> {
  const leftOut = inputs.backupType === 'schema' ? [] : snapshot.leftOut;
  const [invalid, mappings, subscriptions] = await Promise.all([
    readInvalidIndexes(session),
    readUserMappings(session),
    readSubscriptions(session),
  ]);
  const managed = await readManagedSchemas(session);
  const omissions = [
    ...leftOut.map((table) => ({
      what: `rows of ${qualifiedName(table)}`,
      why: 'left out by include or exclude',
      remedy: 'Back up without include and exclude.',
    })),
    ...invalid.map((index) => ({
      what: `index ${index}`,
      why: 'it is invalid, left over from a failed CREATE INDEX CONCURRENTLY',
      remedy: 'Drop or REINDEX it, and back up again.',
    })),
    ...(await listUnwritten(inputs, session, snapshot)),
    ...mappings,
    ...subscriptions,
    ...(await findFiles(session, managed)),
  ];
  return { omissions, hasSecrets: managed.has('vault') && (await hasRows(session, 'vault', 'secrets')) };
}

/** Passwords of roles, which no backup contains. */
export function describePasswords(roles: readonly Role[]): Omission[] {
  const names = roles.filter((role) => role.login && !isReservedRole(role.name)).map((role) => role.name);
  if (names.length === 0) return [];
  return [
    {
      what: `passwords of ${names.join(', ')}`,
      why: 'only a superuser can read them',
      remedy: 'Store them elsewhere, and set them after a restore with ALTER ROLE … PASSWORD.',
    },
  ];
}

/** The view pg_user_mappings shows options only to roles that may use them. */
async function readUserMappings(session: Session): Promise<Omission[]> {
  const rows = await session.query<{ role: string; server: string }>(`
    SELECT usename AS role, srvname AS server FROM pg_user_mappings m
    WHERE umoptions IS NULL AND NOT has_server_privilege(srvid, 'USAGE')
       OR umoptions IS NULL AND usename <> current_user
          AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    ORDER BY 1, 2`);
  return rows.map(({ role, server }) => ({
    what: `options of the user mapping of ${role} on server ${server}`,
    why: `only ${role} or a superuser can read them`,
    remedy: `Set them after a restore with ALTER USER MAPPING FOR ${role} SERVER ${server} OPTIONS (…).`,
  }));
}

async function readSubscriptions(session: Session): Promise<Omission[]> {
  const rows = await session.query<{ name: string }>(`
    SELECT subname AS name FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) ORDER BY 1`);
  return rows.map(({ name }) => ({
    what: `subscription ${name}`,
    why: 'only a superuser can read its connection',
    remedy: 'Create it again after a restore with CREATE SUBSCRIPTION.',
  }));
}

/** The files of a Supabase project, of which its database has the names alone. */
async function findFiles(session: Session, managed: ReadonlySet<string>): Promise<Omission[]> {
  if (!managed.has('storage') || !(await hasRows(session, 'storage', 'objects'))) return [];
  return [
    {
      what: 'the files of Storage',
      why: 'the database has only their names; their content is in an object store',
      remedy: 'Copy the buckets over the S3 protocol of Storage, for example with rclone.',
    },
  ];
}

async function hasRows(session: Session, schema: string, name: string): Promise<boolean> {
  const [relation] = await session.query<{ oid: number; owner: string; readable: boolean; trusted: boolean }>(
    `SELECT c.oid, r.rolname AS owner, r.rolsuper OR r.rolname = current_user AS trusted,
            has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`,
    [schema, name],
  );
  if (relation?.readable !== true) return false;
  if (!relation.trusted && !isPlatformRole(relation.owner)) return false;
  const table = { oid: relation.oid, schema, name };
  // A superfluous remark is better than a call of a user's function.
  if ((await findUnplannable(session, [table])).size > 0) return true;
  const [row] = await session.query<{ some: boolean }>(
    `SELECT EXISTS (SELECT FROM ${schema}.${name}) AS some`,
  );
  return row?.some === true;
}
