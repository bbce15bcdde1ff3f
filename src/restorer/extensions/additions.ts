import type { Supplement } from '../../format/supplement.ts';
import type { Omission } from '../../parity/scope.ts';
import type { OmissionSubject } from '../../parity/subject.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { omit, tryStatement } from '../omission.ts';

type Addition = Supplement['additions'][number];

/**
 * Creates again what users added to tables of extensions, where the target has the table and lacks the
 * addition. To be called before anything is granted.
 *
 * @returns what the server refused, and the additions without which rows would be open, with the reason
 */
export async function makeAdditions(
  session: Session,
  additions: readonly Addition[],
): Promise<{ notCarried: Omission[]; open: Map<Addition, string> }> {
  const notCarried: Omission[] = [];
  const open = new Map<Addition, string>();
  for (const addition of additions) {
    if (!(await isWanting(session, addition))) continue;
    const why = await tryStatement(session, addition.sql);
    if (why === undefined) continue;
    notCarried.push({ ...omit({ ...addition, subject: readSubject(addition) }, why), lost: true });
    if (addition.guards) open.set(addition, why);
  }
  return { notCarried, open };
}

/**
 * Whether the target has the table and lacks the addition. The extension may create it itself by now; a
 * missing extension has been reported already.
 */
async function isWanting(session: Session, addition: Addition): Promise<boolean> {
  const { schema, table, sql } = addition;
  const { kind, type, name } = readSubject(addition);
  const [row] = await session.query<{ wanting: boolean }>(
    `SELECT CASE $2
       WHEN 'policy' THEN NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = $3)
       WHEN 'trigger' THEN NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = $3)
       WHEN 'row security' THEN NOT CASE WHEN $4::boolean THEN c.relforcerowsecurity ELSE c.relrowsecurity END
       ELSE to_regclass($3) IS NULL END AS wanting
     FROM pg_class c WHERE c.oid = to_regclass($1)`,
    [
      quoteQualified(schema, table),
      type,
      kind === 'object' ? quoteQualified(schema, name) : name,
      sql.includes(' FORCE ROW LEVEL SECURITY'),
    ],
  );
  return row?.wanting === true;
}

/**
 * Reads the subject of an addition from its text in the supplement: `index public.i`,
 * `policy public.t own rows`, `row security public.t`.
 */
function readSubject({ schema, table, what }: Addition): Extract<OmissionSubject, { type: string }> {
  const index = `index ${schema}.`;
  if (what.startsWith(index))
    return { kind: 'object', type: 'index', schema, name: what.slice(index.length) };
  const bearer = ` ${schema}.${table}`;
  const at = what.indexOf(bearer);
  const name = what.slice(at + bearer.length + 1);
  return { kind: 'part', type: what.slice(0, at), table: { schema, name: table }, name };
}
