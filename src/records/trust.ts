import { isBelieved, isTrusted, recordsSchema } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { readerRole } from './migrations.ts';

const ours = `'${recordsSchema}'::regnamespace`;
const ownerOf = (role: string) => `pg_get_userbyid(${role}) AS owner`;

/** Whatever in the schema could run code of another role, or be read in place of what we wrote; rows of (what, owner). */
const strangers = `
  SELECT 'the schema' AS what, ${ownerOf('n.nspowner')} FROM pg_namespace n WHERE n.oid = ${ours} AND NOT ${isTrusted('n.nspowner')}
  UNION ALL SELECT c.relname::text, ${ownerOf('c.relowner')} FROM pg_class c WHERE c.relnamespace = ${ours} AND NOT ${isTrusted('c.relowner')}
  UNION ALL SELECT 'the function ' || p.proname, ${ownerOf('p.proowner')} FROM pg_proc p WHERE p.pronamespace = ${ours} AND NOT ${isTrusted('p.proowner')}
  UNION ALL SELECT 'the function ' || p.proname || ' of the trigger ' || t.tgname, ${ownerOf('p.proowner')}
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE c.relnamespace = ${ours} AND NOT t.tgisinternal AND NOT ${isTrusted('p.proowner')}
  LIMIT 1`;

/**
 * Refuses a schema that is not of the connected role, or of a superuser, with all that is in it: a trigger on
 * one of its tables would run with the rights of whoever writes records.
 *
 * @throws ConfigurationError naming what is of whom
 */
export async function refuseStrangers(session: Session): Promise<void> {
  const [stranger] = await session.query<{ what: string; owner: string }>(strangers);
  if (stranger === undefined) return;
  throw new ConfigurationError(
    say`${nameInput('records-url')}: in the schema ${recordsSchema}, ${stranger.what} is of ${stranger.owner}, whose code would run with the rights of the role that writes the records`,
    `Connect as ${stranger.owner}, if that role may own the records, or drop the schema and let this role create it: DROP SCHEMA ${recordsSchema} CASCADE. \`records rebuild\` fills it again.`,
  );
}

/** Who has the right `a`, as REVOKE names him */
const whom =
  "(SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS whom) w";

/** Rights of others on what is in the schema, which default privileges give; rows of (statement). */
const givenRights = `
  SELECT format('REVOKE ALL ON SCHEMA %I FROM %s', n.nspname, whom) AS statement
    FROM pg_namespace n, aclexplode(n.nspacl) a, LATERAL ${whom}
    WHERE n.oid = ${ours} AND a.grantee <> n.nspowner AND a.privilege_type = 'CREATE'
  UNION SELECT format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON %I.%I FROM %s', '${recordsSchema}', c.relname, whom)
    FROM pg_class c, aclexplode(c.relacl) a, LATERAL ${whom}
    WHERE c.relnamespace = ${ours} AND c.relkind IN ('r', 'v') AND a.grantee <> c.relowner AND a.privilege_type <> 'SELECT'
  UNION SELECT format('REVOKE ALL ON FUNCTION %s FROM %s', p.oid::regprocedure, whom)
    FROM pg_proc p, aclexplode(p.proacl) a, LATERAL ${whom}
    WHERE p.pronamespace = ${ours} AND a.grantee <> p.proowner`;

/**
 * Takes back what default privileges gave others besides reading, which row security keeps to the readers: who
 * may create a trigger runs code as whoever writes records, and TRUNCATE asks no row security.
 */
export async function revokeRights(session: Session): Promise<void> {
  const rights = await session.query<{ statement: string }>(givenRights);
  for (const { statement } of rights) await session.query(statement);
}

/**
 * Makes the role of the readers, where this role may. One that somebody else may hand out, or log in as, is
 * none: it would show the rows to him.
 *
 * @returns whether there is one
 */
export async function makeReader(session: Session): Promise<boolean> {
  const [found] = await session.query<{ there: boolean; handed: boolean; able: boolean }>(`
    SELECT to_regrole('${readerRole}') IS NOT NULL AS there, rolsuper OR rolcreaterole AS able,
      coalesce((SELECT r.rolcanlogin OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND m.admin_option AND NOT ${isBelieved('m.member')})
        FROM pg_roles r WHERE r.rolname = '${readerRole}'), false) AS handed
    FROM pg_roles WHERE rolname = current_user`);
  if (found?.there === true) return !found.handed;
  if (found?.able !== true) return false;
  await session.query(`CREATE ROLE ${readerRole} NOLOGIN`);
  return true;
}
