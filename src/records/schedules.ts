import { recordsSchema } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { prepareSchema, type Readiness } from './schema.ts';
import { writeJson } from './tables.ts';
import { inBoundedTransaction, noteTransaction } from './transaction.ts';

/** One schedule of a policy. The fields are the columns of the table. */
export interface ScheduleRow {
  /** `owner/name` */
  readonly github_repository: string;
  readonly database_name: string;
  /** Of the job */
  readonly kind: string;
  readonly cron: string;
  readonly time_zone: string;
  /** Name of the workflow file */
  readonly workflow: string;
  /** Null where GitHub was not asked */
  readonly enabled: boolean | null;
  readonly updated_at: string;
}

const table = `${recordsSchema}.backup_schedules`;
const wanted = `jsonb_populate_recordset(NULL::${table}, $1::jsonb)`;

/** What is not known keeps what was. A row that stays the same keeps its time. */
const upsert = `
  INSERT INTO ${table} AS existing SELECT * FROM ${wanted}
  ON CONFLICT (github_repository, database_name, kind, cron) DO UPDATE
  SET time_zone = excluded.time_zone, workflow = excluded.workflow,
    enabled = coalesce(excluded.enabled, existing.enabled), updated_at = excluded.updated_at
  WHERE excluded.updated_at > existing.updated_at
    AND ROW (existing.time_zone, existing.workflow, existing.enabled) IS DISTINCT FROM
        ROW (excluded.time_zone, excluded.workflow, coalesce(excluded.enabled, existing.enabled))`;

const removal = `
  DELETE FROM ${table} s WHERE github_repository = $2 AND updated_at < $3
    AND (database_name, kind, cron) NOT IN (SELECT database_name, kind, cron FROM ${wanted})`;

/**
 * Writes the schedules of a policy, and removes those of its repository that it no longer has. Of two that
 * write, the later policy wins.
 *
 * @param at the time of the policy
 */
export async function writeSchedules(
  session: Session,
  githubRepository: string,
  at: Date,
  rows: readonly ScheduleRow[],
): Promise<Readiness> {
  const readiness = await prepareSchema(session);
  if (readiness.kind === 'newer') return readiness;
  await inBoundedTransaction(session, async () => {
    const json = writeJson(rows);
    await session.query(upsert, [json]);
    await session.query(removal, [json, githubRepository, at.toISOString()]);
    await noteTransaction(session);
  });
  return readiness;
}
