import type { Manifest, TableEntry } from '../../format/manifest.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import { applyInputSettings } from '../../postgres/session/output-settings.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { Progress } from '../../report/progress.ts';
import { formatCounted } from '../../report/quantity.ts';
import type { ObjectReader } from '../../repository/objects/store.ts';
import { loadRows } from '../../restorer/rows/load.ts';
import {
  emptySideTable,
  isMisfit,
  makeTextual,
  regainTypes,
  type SideTable,
} from '../../restorer/side/tables.ts';
import type { Context } from '../../runtime/context.ts';
import type { SideScope } from './result.ts';

/** What a restore beside the live tables works with. */
export interface SideWork {
  readonly scope: SideScope;
  readonly reader: ObjectReader;
  readonly settings: ConnectionSettings;
  readonly jobs: number;
}

/**
 * Loads the rows. Tables whose rows do not fit the current column types of the live tables are loaded as
 * text; columns then regain their types where all values fit.
 */
export async function fill(work: SideWork, context: Context): Promise<SideTable[]> {
  const { schema, tables } = work.scope;
  const title = `Rows of ${formatCounted(tables.length, 'table')}`;
  try {
    await context.log.group(title, () => load(work, tables, context));
    return [...tables];
  } catch (error) {
    if (!isMisfit((error as Error).cause)) throw error;
    context.log.info('a column has another type than at the time of the backup: loading table by table');
  }
  return context.log.group(title, () =>
    inSideSchema(work, context.signal, async (session) => {
      const filled: SideTable[] = [];
      for (const table of tables) {
        await emptySideTable(session, schema, table);
        filled.push(await fillOne(work, table, session, context));
      }
      return filled;
    }),
  );
}

async function fillOne(
  work: SideWork,
  table: SideTable,
  session: Session,
  context: Context,
): Promise<SideTable> {
  try {
    await load(work, [table], context);
    return table;
  } catch (error) {
    if (!isMisfit((error as Error).cause)) throw error;
  }
  await makeTextual(session, work.scope.schema, table);
  await load(work, [table], context);
  return regainTypes(session, work.scope.schema, table);
}

async function load(
  { scope, reader, settings, jobs }: SideWork,
  tables: readonly SideTable[],
  context: Context,
): Promise<void> {
  const entries = tables.flatMap((table) => redirect(scope.schema, table));
  const progress = new Progress(
    context.log,
    entries.reduce((sum, table) => sum + table.bytes, 0),
  );
  await loadRows(settings, scope.manifest, entries, reader, {
    workers: jobs,
    digest: false,
    searchPaths: undefined,
    signal: context.signal,
    onProgress: (rows, bytes) => progress.advance(rows, bytes, bytes),
    onLoaded: async () => undefined,
  });
}

/** Lists the backup's tables under their names in the side schema. */
function redirect(schema: string, table: SideTable): TableEntry[] {
  const into = { schema, name: table.sideName };
  // The loader may truncate a table without a root in the transaction that loads it, which would remove the
  // rows of other parts.
  const root = table.parts.length > 1 ? into : null;
  return table.parts.map((part) => ({ ...part, ...into, root }));
}

/** Runs `body` in a session of its own, as `withSession` does. */
export function inSideSchema<Result>(
  { scope, settings }: SideWork,
  signal: AbortSignal,
  body: (session: Session) => Promise<Result>,
): Promise<Result> {
  return withSession({ settings, manifest: scope.manifest, signal }, body);
}

/**
 * Runs `body` in a session whose settings fit the backup's values. The session is closed, or destroyed after
 * a throw.
 */
export async function withSession<Result>(
  to: { settings: ConnectionSettings; manifest: Manifest; signal: AbortSignal | undefined },
  body: (session: Session) => Promise<Result>,
): Promise<Result> {
  const session = await openSession(to.settings, to.signal);
  try {
    await letRead(session);
    await applyInputSettings(session, to.manifest.source.encoding);
    const result = await body(session);
    await session.close();
    return result;
  } catch (error) {
    session.destroy();
    throw error;
  }
}
