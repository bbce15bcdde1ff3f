import { createHash } from 'node:crypto';
import type { Definition } from '../../format/supplement.ts';
import { append } from '../../runtime/lists.ts';
import type { Session } from '../session/connection.ts';
import { sortDefinitions } from './definitions.ts';
import { apiRoles, ofUsers } from './ownership-queries.ts';

/** Objects that are told one by one; of more than these all are told by two digests. */
const toldApart = 1000;

/** Objects that are read in one statement. */
const batch = 200;

/** bytes; the server never holds more of an object */
const chunk = 1_048_576;

/** Stands for a content that the connected role may not read. */
export const unreadable = 'content not readable';

interface LargeObject {
  readonly oid: string;
  readonly content: string;
  readonly rights: string;
}

/**
 * The content, the owner and the rights of all large objects, as the session's snapshot sees them. The contents stay on the server: it hashes
 * them a chunk at a time. What the role may not read is said to be so.
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
    objects.length > toldApart ? describeTogether(objects) : objects.map((object) => describeOne(object)),
  );
}

function describeOne({ oid, content, rights }: LargeObject): Definition {
  return { kind: 'large object', schema: null, relation: null, name: oid, detail: `${rights}; ${content}` };
}

/** Two digests, because what is in them and whose they are differ for different reasons. */
function describeTogether(objects: readonly LargeObject[]): Definition[] {
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

/** The right to read an object: its own list, in which a superuser and an owner need not stand. */
const mayRead = `(
  (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR current_setting('lo_compat_privileges')::bool
  OR pg_has_role(m.lomowner, 'USAGE')
  OR EXISTS (SELECT FROM aclexplode(m.lomacl) AS x WHERE x.privilege_type = 'SELECT'
               AND CASE x.grantee WHEN 0 THEN true ELSE pg_has_role(x.grantee, 'USAGE') END))`;

/** Seeking to the end tells how long it is, to those who cannot read the catalog of pages. */
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
