import { parseCron } from './cron.ts';
import { chooseMinute } from './minutes.ts';
import type { JobKind, WrittenDatabase, WrittenPolicy, WrittenSchedules } from './policy-schema.ts';

/** One kind of job of one database, and when it is due. */
export interface PlannedJob {
  readonly kind: JobKind;
  readonly database: string;
  /** Five fields each, with every `auto` resolved; never empty */
  readonly crons: readonly string[];
  readonly label: string | undefined;
  readonly pin: boolean;
  /** Name of the workflow file */
  readonly file: string;
}

export interface PlannedDatabase {
  readonly name: string;
  readonly written: WrittenDatabase;
  readonly jobs: readonly PlannedJob[];
  readonly retention: string;
}

export interface Plan {
  readonly repository: string;
  readonly timeZone: string;
  readonly runsOn: string;
  readonly databases: readonly PlannedDatabase[];
}

export const jobKinds = [
  'full',
  'incremental',
  'schema',
  'archive',
  'capture',
  'drill',
  'cleanup',
  'watch',
] as const;

/** Kinds whose runs end with a backup that rows can be restored from. */
export const backupKinds: readonly JobKind[] = ['full', 'incremental', 'archive'];

/** When a kind runs that is switched on without a time of its own. */
const usualCrons: Readonly<Record<JobKind, string>> = {
  full: 'auto 2 * * *',
  incremental: 'auto 9-17 * * 1-5',
  schema: 'auto 3 * * 0',
  archive: 'auto 4 1 * *',
  capture: 'auto/15 * * * *',
  drill: 'auto 5 2 * *',
  cleanup: 'auto 6 * * *',
  watch: 'auto */4 * * *',
};

/**
 * Which file a kind stands in. GitHub disables a schedule together with all triggers of its file, so what runs often, what runs
 * seldom and what watches do not share one.
 */
export const workflowFiles: Readonly<Record<JobKind, string>> = {
  full: 'supabase-backup.yml',
  schema: 'supabase-backup.yml',
  archive: 'supabase-backup.yml',
  incremental: 'supabase-backup-incremental.yml',
  capture: 'supabase-backup-capture.yml',
  drill: 'supabase-backup-drill.yml',
  cleanup: 'supabase-backup-cleanup.yml',
  watch: 'supabase-backup-watch.yml',
};

export const defaultRetention = 'hourly=24 daily=7 weekly=5 monthly=12';

/** Resolves the policy: which jobs there are, in which file, at which minutes. The same policy makes the same plan anywhere. */
export function planJobs(policy: WrittenPolicy, repository: string): Plan {
  const taken = new Map<JobKind, Set<number>>();
  const databases = Object.entries(policy.databases).map(([name, written]): PlannedDatabase => {
    const schedules = { ...policy.schedules, ...written.schedules };
    const jobs = jobKinds.flatMap((kind): PlannedJob[] => {
      const crons = cronsOf(kind, schedules);
      if (crons.length === 0) return [];
      const minutes = taken.get(kind) ?? new Set<number>();
      taken.set(kind, minutes);
      const key = `${repository.toLowerCase()}\n${name}\n${kind}`;
      const { label, pin } = optionsOf(kind, schedules);
      const resolved = crons.map((cron) => resolve(cron, key, minutes));
      return [{ kind, database: name, crons: [...new Set(resolved)], label, pin, file: workflowFiles[kind] }];
    });
    return { name, written, jobs, retention: written.retention ?? policy.retention ?? defaultRetention };
  });
  return {
    repository,
    timeZone: policy['time-zone'] ?? 'UTC',
    runsOn: policy['runs-on'] ?? 'ubuntu-latest',
    databases,
  };
}

function cronsOf(kind: JobKind, schedules: WrittenSchedules): readonly string[] {
  // Capture holds WAL back on the server, so nobody gets it unasked.
  const written = schedules[kind] ?? kind !== 'capture';
  if (written === false) return [];
  if (written === true) return [usualCrons[kind]];
  const crons = typeof written === 'string' || Array.isArray(written) ? written : written.cron;
  return crons === undefined ? [usualCrons[kind]] : [crons].flat();
}

function optionsOf(kind: JobKind, schedules: WrittenSchedules): { label: string | undefined; pin: boolean } {
  if (kind !== 'archive') return { label: undefined, pin: false };
  const written = schedules.archive;
  const options = typeof written === 'object' && !Array.isArray(written) ? written : {};
  return { label: options.label ?? 'archive', pin: options.pin ?? false };
}

/** Single spaces, too: `github.event.schedule` repeats the text of the workflow, and is compared with it. */
function resolve(cron: string, key: string, taken: Set<number>): string {
  const { minute, rest } = parseCron(cron);
  return `${minute.startsWith('auto') ? chooseMinute(minute, key, taken) : minute} ${rest}`;
}
