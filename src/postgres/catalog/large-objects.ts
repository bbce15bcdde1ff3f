import { createHash } from 'node:crypto';
import type { Definition } from '../../format/supplement.ts';
import { append } from '../../runtime/lists.ts';
import type { Session } from '../session/connection.ts';
import { sortDefinitions } from './definitions.ts';
import { apiRoles, ofUsers } from './ownership-queries.ts';

/** Up to this number, each object has a line of its own; more are summed up in two digests. */
const toldApart = 1000;

/** Objects read in one statement. */
const batch = 200;

/** bytes of an object that the server holds at a time */
const chunk = 1_048_576;

/** Replaces the content that the connected role may not read. */
export const unreadable = 'content not readable';

interface LargeObject {
  readonly oid: string;
  readonly content: string;
  readonly rights: string;
}

/**
 * Describes content, owner and privileges of all large objects in the session's snapshot. The content stays
 * on the server, which hashes it chunk by chunk. Content that the role may not read is marked as unreadable.
 *
 * @param session in a transaction with one snapshot
 */
export async function readLargeObjects(session: Session): Promise<Definition[]> {
  const rows = await session.query<{ oid: string }>(
    'SELECT m.oid::text FROM pg_largeobject_metadata m ORDER BY m.oid',
  );
  const objects: LargeObject[] = [];
  for (let start = 0; start < rows.length; start += batch) {
    const oids = rows.slice(start, start + batch).map(({ oid }) => oid);
    append(objects, await session.query<LargeObject & Record<string, string>>(contentQuery, [oids]));
  }
  return sortDefinitions(
    objects.length > toldApart ? toDigestAnswer(objects) : objects.map((object) => toAnswer(object)),
  );
}

function toAnswer({ oid, content, rights }: LargeObject): Definition {
  return { kind: 'large object', schema: null, relation: null, name: oid, detail: `${rights}; ${content}` };
}

/** Two digests, because content and ownership differ for different reasons. */
function toDigestAnswer(objects: readonly LargeObject[]): Definition[] {
  const digest = (tell: (object: LargeObject) => string) => {
    const hash = createHash('sha256');
    for (const object of objects) hash.update(`${object.oid} ${tell(object)}\n`);
    return `${objects.length} objects; sha256 ${hash.digest('hex')}`;
  };
  const readable = objects.every(({ content }) => content !== unreadable);
  const line = { kind: 'large object', schema: null, relation: null };
  return [
    { ...line, name: 'contents', detail: readable ? digest(({ content }) => content) : unreadable },
    { ...line, name: 'owners and rights', detail: digest(({ rights }) => rights) },
  ];
}

/** Whether the role may read an object: by the object's privilege list, as its owner or as a superuser. */
const mayRead = `(
  (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR current_setting('lo_compat_privileges')::bool
  OR pg_has_role(m.lomowner, 'USAGE')
  OR EXISTS (SELECT FROM aclexplode(m.lomacl) AS x WHERE x.privilege_type = 'SELECT'
               AND CASE x.grantee WHEN 0 THEN true ELSE pg_has_role(x.grantee, 'USAGE') END))`;

/** A seek to the end tells the size even to roles that may not read pg_largeobject. */
const contentQuery = `
  SELECT m.oid::text,
    CASE WHEN ${mayRead} THEN (
      SELECT s.size || ' bytes; sha256 ' || encode(sha256(coalesce(
          (SELECT string_agg(sha256(lo_get(m.oid, at, ${chunk})), ''::bytea ORDER BY at)
           FROM generate_series(0::bigint, s.size - 1, ${chunk}) AS at), ''::bytea)), 'hex')
      FROM (SELECT lo_lseek64(f.fd, 0, 2) AS size, f.fd FROM (SELECT lo_open(m.oid, 262144) AS fd OFFSET 0) AS f OFFSET 0) AS s
      WHERE lo_close(s.fd) = 0)
    ELSE '${unreadable}' END AS content,
    concat_ws('; ', 'owner ' || quote_ident(pg_get_userbyid(m.lomowner)), (
      SELECT string_agg(g.text, ', ' ORDER BY g.text COLLATE "C") FROM (
        SELECT DISTINCT x.privilege_type || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END || ' to '
          || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.rolname) END AS text
        FROM aclexplode(m.lomacl) AS x LEFT JOIN pg_roles u ON u.oid = x.grantee
        WHERE x.grantee <> m.lomowner AND (x.grantee = 0 OR u.rolname IN ${apiRoles} OR (${ofUsers}))) AS g)) AS rights
  FROM pg_largeobject_metadata m WHERE m.oid = ANY ($1::oid[]) ORDER BY m.oid`;
