import type { RecordingInputs } from '../../interface/inputs/shared-types.ts';
import { tryRecords, withRecords } from '../../records/connection.ts';
import { type ScheduleRow, writeSchedules } from '../../records/schedules.ts';
import type { Context } from '../../runtime/context.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { SchedulePlan } from '../../schedule/plan/plan.ts';
import type { Verification } from '../../schedule/verification/verify.ts';

/** Brings the schedules of a plan into the database of the records. What fails is a warning. */
export async function recordSchedules(
  { recordsUrl, sslrootcert }: RecordingInputs,
  plan: SchedulePlan,
  verification: Verification | undefined,
  context: Context,
): Promise<void> {
  if (recordsUrl === undefined) return;
  const now = context.now();
  const rows = listSchedules(plan, verification, now);
  const readiness = await tryRecords(context, (signal) =>
    withRecords({ recordsUrl, sslrootcert }, { ...context, signal }, (session) =>
      writeSchedules(session, plan.repository, now, rows),
    ),
  );
  if (readiness?.kind === 'newer')
    context.log.warn(
      say`${nameInput('records-url')}: a newer version of supabase-backup created the tables there (version ${readiness.version}), so these schedules are not recorded in them`,
    );
}

function listSchedules(
  plan: SchedulePlan,
  verification: Verification | undefined,
  now: Date,
): readonly ScheduleRow[] {
  const states = new Map(verification?.verdicts.map(({ file, state }) => [file, state]));
  const isEnabled = (file: string): boolean | null => {
    const state = states.get(file);
    return state === undefined ? null : state === 'active' || state === 'enabled again';
  };
  return plan.databases.flatMap(({ name, jobs }) =>
    jobs.flatMap(({ kind, crons, file }) =>
      crons.map((cron): ScheduleRow => {
        return {
          ...{ github_repository: plan.repository, database_name: name, kind, cron },
          ...{ time_zone: plan.timeZone, workflow: file, enabled: isEnabled(file) },
          updated_at: now.toISOString(),
        };
      }),
    ),
  );
}
