import type { RestoreInputs } from '../../interface/inputs/types.ts';
import { ownSchema, recordsSchemas } from '../../postgres/own-schema.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import { type ConnectionSettings, describeConnection } from '../../postgres/session/settings.ts';
import { findExistingObjects } from '../../restorer/existing-objects.ts';
import type { TableSize } from '../../restorer/part/replacement.ts';
import { readMark } from '../../restorer/unfinished.ts';
import type { Context } from '../../runtime/context.ts';
import { TargetError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { readIdentity } from '../../source/identity.ts';
import { readManagedSchemas } from '../../supabase/managed-schemas.ts';
import { chooseTargetKind, detectTargetKind, type TargetKind } from '../../supabase/target-kind.ts';
import type { TargetState } from './target-state.ts';

/**
 * Reads what the target is and holds.
 *
 * @throws ConfigurationError when the target cannot be what `target-kind` says
 */
export async function inspectTarget(
  settings: ConnectionSettings,
  { targetKind }: RestoreInputs,
  context: Context,
): Promise<TargetState> {
  await using session = await openSession(settings, context.signal);
  const kind = await chooseTargetKind(session, targetKind);
  const found = await detectTargetKind(session);
  const { database, databaseOid, systemIdentifier } = await readIdentity(session);
  const existing = await findExistingObjects(session, kind);
  const mark = await readMark(session);
  return {
    target: describeConnection(settings),
    ...{ kind, found },
    ...{ database, databaseOid, systemIdentifier, now: context.now().getTime() },
    existing: existing
      .filter(({ schema }) => mark === undefined || schema !== ownSchema)
      .map(({ what }) => what),
    mark,
    ...(await readSize(session, kind)),
  };
}

async function readSize(
  session: Session,
  kind: TargetKind,
): Promise<Pick<TargetState, 'tables' | 'rows' | 'held'>> {
  const tables = await session.query<
    TableSize & { member: boolean; made: boolean; [column: string]: unknown }
  >(`
    SELECT n.nspname AS schema, c.relname AS name, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint AS rows,
           x.config IS NOT NULL AS member, coalesce(c.oid = ANY (x.config), false) AS made
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN LATERAL (
      SELECT coalesce(e.extconfig, '{}') AS config FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS x ON true
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname NOT IN (${recordsSchemas})
    ORDER BY 1, 2`);
  const managed = kind === 'plain' ? new Set<string>() : await readManagedSchemas(session);
  // A plain target loses its extensions too, with the rows that users added to their tables. Configuration
  // tables of extensions are part of a backup.
  const isKept = ({ member, made, rows }: (typeof tables)[number]) =>
    member && (kind !== 'plain' || made || rows === 0);
  return {
    tables: tables.length,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    held: tables.filter(
      (table) => !isKept(table) && !managed.has(table.schema) && table.schema !== ownSchema,
    ),
  };
}

/**
 * Checks that the database to be emptied is the one that was inspected: by now the name may lead to another
 * server, or to another database.
 *
 * @throws TargetError when it is another one; nothing is touched then
 */
export async function refuseAnother(session: Session, state: TargetState): Promise<void> {
  const { databaseOid, systemIdentifier } = await readIdentity(session);
  if (databaseOid === state.databaseOid && systemIdentifier === state.systemIdentifier) return;
  throw new TargetError(
    say`${nameInput('target-url')}: ${state.target} is now another database than the one that was checked when the restore started`,
    'Nothing was changed. Use an address that always leads to the same server, and run the restore again.',
  );
}
