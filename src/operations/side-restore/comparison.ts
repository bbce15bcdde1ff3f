import { sqlState } from '../../postgres/sqlstate.ts';
import { findLagging, writeBringBack } from '../../restorer/side/repair-sql.ts';
import { measureDifference } from '../../restorer/side/row-difference.ts';
import type { SideTable } from '../../restorer/side/tables.ts';
import { messageOf, TargetError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { nameBlockers } from '../../source/snapshot/locks.ts';
import { writePattern } from '../../values/table-patterns.ts';
import type { SideFindings } from './result.ts';
import { inSideSchema, type SideWork } from './rows.ts';

/** Compares all tables under one snapshot. */
export async function compare(
  work: SideWork,
  tables: readonly SideTable[],
  signal: AbortSignal,
): Promise<SideFindings> {
  const { schema, manifest, circular } = work.scope;
  return inSideSchema(work, signal, async (session) => {
    await session.query(`SET lock_timeout = '30s'`);
    await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    const differences = [];
    const lagging: Awaited<ReturnType<typeof findLagging>> = [];
    for (const table of tables) {
      try {
        const difference = await measureDifference(session, schema, table);
        differences.push(difference);
        append(lagging, await findLagging(session, schema, difference));
      } catch (cause) {
        throw await explainUncompared(work, table, cause);
      }
    }
    await session.query('COMMIT');
    const { id, source } = manifest;
    const sql = writeBringBack({
      schema,
      backup: id,
      snapshotAt: source.snapshotAt,
      differences,
      lagging,
      circular,
    });
    return { differences, sql };
  });
}

async function explainUncompared(
  { settings }: SideWork,
  table: SideTable,
  cause: unknown,
): Promise<TargetError> {
  const { code } = cause as { code?: string };
  const blockers =
    code === sqlState.lockNotAvailable && table.live
      ? await nameBlockers(settings, [table.live.oid]).catch(() => '')
      : '';
  return new TargetError(
    `comparing ${writePattern(table)}: ${messageOf(cause)}${blockers}`,
    'Run it again when nobody is altering the table.',
    cause,
  );
}
