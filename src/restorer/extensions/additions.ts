import type { Supplement } from '../../format/supplement.ts';
import type { Omission } from '../../parity/scope.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { omit, tryStatement } from '../omission.ts';

type Addition = Supplement['additions'][number];

/**
 * Makes again what was added to tables of extensions, as far as the target has these and lacks it. To be called before anybody is granted
 * anything.
 *
 * @returns what the server refused, and the tables whose rows would be open without it, with the reason
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
    notCarried.push({ ...omit(addition, why), lost: true });
    if (addition.guards) open.set(addition, why);
  }
  return { notCarried, open };
}

/** The extension may make it itself by now, and a target where it is missing has been told of. */
async function isWanting(session: Session, { schema, table, what, sql }: Addition): Promise<boolean> {
  const isIndex = what.startsWith('index ');
  const bearer = isIndex ? `index ${schema}.` : `${schema}.${table} `;
  const own = what.slice(what.indexOf(bearer) + bearer.length);
  const name = isIndex ? quoteQualified(schema, own) : own;
  const [row] = await session.query<{ wanting: boolean }>(
    `SELECT CASE split_part($2, ' ', 1)
       WHEN 'policy' THEN NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = $3)
       WHEN 'trigger' THEN NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = $3)
       WHEN 'row' THEN NOT CASE WHEN $4::boolean THEN c.relforcerowsecurity ELSE c.relrowsecurity END
       ELSE to_regclass($3) IS NULL END AS wanting
     FROM pg_class c WHERE c.oid = to_regclass($1)`,
    [quoteQualified(schema, table), what, name, sql.includes(' FORCE ROW LEVEL SECURITY')],
  );
  return row?.wanting === true;
}
