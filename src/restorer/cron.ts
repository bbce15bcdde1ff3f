import type { CronJob } from '../format/supplement.ts';
import { digestOf } from '../parity/line.ts';
import type { Omission } from '../parity/scope.ts';
import { about } from '../parity/subject.ts';
import { quoteLiteral } from '../postgres/identifier.ts';
import type { Session } from '../postgres/session/connection.ts';
import { refusalOf } from '../postgres/session/server-error.ts';

/** The target's pg_cron: its functions and jobs, and the database and role that jobs are scheduled under. */
interface Scheduler {
  readonly functions: ReadonlySet<string>;
  readonly database: string;
  readonly user: string;
  readonly jobs: readonly ThereJob[];
}

interface ThereJob {
  readonly jobname?: string | null;
  readonly schedule: string;
  readonly command: string;
  readonly username: string;
}

/**
 * Schedules the jobs of a backup that the target lacks. Only pg_cron itself may write its table, and it
 * accepts jobs of other roles only from a superuser.
 *
 * @param source name of the database that was backed up; its jobs run in the connected one
 * @param live whether jobs may run from now on: in a copy beside production they would send its mails a
 * second time
 * @returns the jobs that are not scheduled, or not as in the backup
 */
export async function restoreCronJobs(
  session: Session,
  jobs: readonly CronJob[],
  source: string,
  live: boolean,
): Promise<Omission[]> {
  if (jobs.length === 0) return [];
  const scheduler = await findScheduler(session);
  const here = jobs.map((job) => ({
    ...job,
    active: job.active && live,
    database: job.database === source ? scheduler.database : job.database,
  }));
  if (scheduler.functions.size === 0) return [describeAbsence(here, scheduler)];
  const omitted: Omission[] = live || !jobs.some((job) => job.active) ? [] : [switchedOff];
  for (const job of here) {
    const there = scheduler.jobs.find((other) => isSame(job, other));
    const why = there ? compare(job, there) : await schedule(session, job, scheduler);
    if (why !== undefined) omitted.push(describeJob(job, why, scheduler));
  }
  return omitted;
}

const switchedOff: Omission = {
  ...about({ kind: 'cron jobs' }),
  why: 'the target may not be production, so they are scheduled but switched off',
  remedy:
    'When they shall run: SELECT cron.alter_job(jobid, active := true) FROM cron.job; or restore with environment production.',
};

async function findScheduler(session: Session): Promise<Scheduler> {
  const [here] = await session.query<{ database: string; user: string }>(
    'SELECT current_database() AS database, current_user AS user',
  );
  const functions = await session.query<{ name: string }>(`
    SELECT p.proname AS name FROM pg_proc p
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
    WHERE e.extname = 'pg_cron'`);
  const rows =
    functions.length === 0
      ? []
      : await session.query<{ job: string }>('SELECT to_jsonb(j)::text AS job FROM cron.job AS j');
  return {
    functions: new Set(functions.map(({ name }) => name)),
    database: here?.database ?? '',
    user: here?.user ?? '',
    jobs: rows.map(({ job }) => JSON.parse(job)),
  };
}

function isSame(job: CronJob, other: ThereJob): boolean {
  if (job.username !== other.username) return false;
  if (job.name !== null) return job.name === other.jobname;
  return (other.jobname ?? null) === null && job.schedule === other.schedule && job.command === other.command;
}

/** Leaves a job that exists as it is, because it may be different on purpose. */
function compare(job: CronJob, there: ThereJob): string | undefined {
  if (job.schedule === there.schedule && job.command === there.command) return undefined;
  return 'a job of this name is there, with another schedule or command';
}

/** @returns why it is not scheduled; undefined when it is */
async function schedule(session: Session, job: CronJob, scheduler: Scheduler): Promise<string | undefined> {
  const own = isOwn(job, scheduler);
  if (!own && !scheduler.functions.has('alter_job')) {
    return 'its pg_cron cannot schedule a job that is inactive, of another role or in another database: ALTER EXTENSION pg_cron UPDATE';
  }
  await session.query('BEGIN');
  try {
    if (own) await scheduleOwn(session, job);
    else await scheduleForeign(session, job, scheduler);
    await session.query('COMMIT');
    return undefined;
  } catch (error) {
    const why = refusalOf(error);
    await session.query('ROLLBACK');
    return why;
  }
}

/**
 * Whether the connected role schedules such a job by cron.schedule alone: active, its own, and in this
 * database.
 */
function isOwn(job: CronJob, { database, user }: Pick<Scheduler, 'database' | 'user'>): boolean {
  return job.active && job.database === database && job.username === user;
}

async function scheduleOwn(
  session: Session,
  { name, schedule, command }: CronJob,
): Promise<number | undefined> {
  const [row] = await (name === null
    ? session.query<{ id: number }>('SELECT cron.schedule($1, $2) AS id', [schedule, command])
    : session.query<{ id: number }>('SELECT cron.schedule($1, $2, $3) AS id', [name, schedule, command]));
  return row?.id;
}

/**
 * Schedules a job that cron.schedule alone cannot. One with a name takes a single call, because cron.schedule
 * would overwrite a job of that name of the connected role. For its own jobs a role names no user: only a
 * superuser may name one.
 */
async function scheduleForeign(session: Session, job: CronJob, { user }: Scheduler): Promise<void> {
  const { name, database, active } = job;
  const username = job.username === user ? null : job.username;
  if (name === null) {
    const id = await scheduleOwn(session, job);
    const changes = [id, database, username, active];
    await session.query('SELECT cron.alter_job($1, database := $2, username := $3, active := $4)', changes);
    return;
  }
  const values = [name, job.schedule, job.command, database, username, active];
  await session.query('SELECT cron.schedule_in_database($1, $2, $3, $4, $5, $6)', values);
}

function describeJob(job: CronJob, why: string, scheduler: Scheduler): Omission {
  return {
    ...about({ kind: 'cron job', name: job.name ?? digestOf(job.command) }),
    why,
    remedy: `Schedule it, with the command in the backup's supplement: ${writeSchedule(job, scheduler)};`,
  };
}

function describeAbsence(jobs: readonly CronJob[], scheduler: Scheduler): Omission {
  const statements = jobs.map((job) => `${writeSchedule(job, scheduler)};`).join(' ');
  return {
    ...about({ kind: 'cron jobs' }),
    why: `the database has no pg_cron; the backup has ${jobs.length === 1 ? '1 job' : `${jobs.length} jobs`}`,
    remedy: `Create the extension pg_cron, and schedule them with the commands in the backup's supplement: ${statements}`,
  };
}

function writeSchedule(job: CronJob, scheduler: Scheduler): string {
  const { name, database, username, active } = job;
  const what = [...(name === null ? [] : [name]), job.schedule, showCommand(job.command)]
    .map(quote)
    .join(', ');
  if (isOwn(job, scheduler)) return `SELECT cron.schedule(${what})`;
  if (name !== null) {
    return `SELECT cron.schedule_in_database(${what}, ${quote(database)}, ${quote(username)}, ${active})`;
  }
  const where = `database := ${quote(database)}, username := ${quote(username)}, active := ${active}`;
  return `SELECT cron.alter_job(cron.schedule(${what}), ${where})`;
}

function quote(text: string): string {
  return quoteLiteral(text).trim();
}

/**
 * Hides all but short texts of a command: they may be keys, in headers for pg_net or connection strings for
 * dblink.
 */
function showCommand(command: string): string {
  return command
    .replaceAll(/(\$\w*\$)[\s\S]*?\1/g, (text) => (text.length > 14 ? '$$…$$' : text))
    .replaceAll(/'(?:[^']|'')*(?:'|$)/g, (text) => (text.length > 14 ? "'…'" : text))
    .replaceAll(/\beyJ[\w.-]+/g, '…');
}
