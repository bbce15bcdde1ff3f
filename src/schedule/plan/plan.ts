import type { JobKind, WrittenDatabase, WrittenPolicy, WrittenSchedules } from '../policy/schema.ts';
import { parseCron } from './cron.ts';
import { chooseMinute } from './minutes.ts';

/** One kind of job of one database, and when it is due. */
export interface PlannedJob {
  readonly kind: JobKind;
  readonly database: string;
  /** Five fields each, with every `auto` resolved; never empty */
  readonly crons: readonly string[];
  readonly label: string | undefined;
  readonly pin: boolean;
  /** Whether a capture may make its slot on a server that lets slots keep any amount of write-ahead log */
  readonly unlimitedWal: boolean;
  /** Name of the workflow file */
  readonly file: string;
}

export interface PlannedDatabase {
  readonly name: string;
  readonly written: WrittenDatabase;
  readonly jobs: readonly PlannedJob[];
  readonly retention: string;
  /** How long captured changes stay; undefined where none are captured and nothing is said */
  readonly keepChanges: string | undefined;
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
  // With all other schedules of one database it fits the 2,000 minutes that GitHub's Free plan has for private repositories.
  capture: 'auto * * * *',
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
export const usualRunner = 'ubuntu-latest';
export const defaultKeepChanges = '8d';

/** Resolves the policy: which jobs there are, in which file, at which minutes. The same policy makes the same plan anywhere. */
export function planJobs(policy: WrittenPolicy, repository: string): Plan {
  const taken = new Map<JobKind, Set<number>>();
  const databases = Object.entries(policy.databases).map(([name, written]): PlannedDatabase => {
    const schedules = { ...policy.schedules, ...written.schedules };
    const jobs = jobKinds.flatMap((kind): PlannedJob[] => {
      const crons = cronsOf(kind, schedules, written.storage);
      if (crons.length === 0) return [];
      const minutes = taken.get(kind) ?? new Set<number>();
      taken.set(kind, minutes);
      const key = `${repository.toLowerCase()}\n${name}\n${kind}`;
      const resolved = [...new Set(crons.map((cron) => resolve(cron, key, minutes)))];
      const options = optionsOf(kind, schedules);
      return [{ kind, database: name, crons: resolved, ...options, file: workflowFiles[kind] }];
    });
    const usualKeep = jobs.some(({ kind }) => kind === 'capture') ? defaultKeepChanges : undefined;
    return {
      name,
      written,
      jobs,
      retention: written.retention ?? policy.retention ?? defaultRetention,
      keepChanges: written['keep-changes'] ?? policy['keep-changes'] ?? usualKeep,
    };
  });
  return {
    repository,
    timeZone: policy['time-zone'] ?? 'UTC',
    runsOn: policy['runs-on'] ?? usualRunner,
    databases,
  };
}

/** Whether GitHub's own machines run it, whose disks and minutes are GitHub's. */
export function isHosted(runsOn: string): boolean {
  return /^(ubuntu|macos|windows)-/.test(runsOn);
}

/**
 * Whether a kind is on, as it is written or by default: all are, but captures only where backups follow on which changes can be replayed, and
 * not into an artifact, which each of them would upload anew as a whole.
 */
export function isSwitchedOn(kind: JobKind, schedules: WrittenSchedules, storage: string): boolean {
  const written = schedules[kind];
  if (written !== undefined || kind !== 'capture') return written !== false;
  return !/^artifact:/i.test(storage) && backupKinds.some((backups) => schedules[backups] !== false);
}

function cronsOf(kind: JobKind, schedules: WrittenSchedules, storage: string): readonly string[] {
  if (!isSwitchedOn(kind, schedules, storage)) return [];
  const written = schedules[kind] ?? true;
  if (written === true || written === false) return [usualCrons[kind]];
  const crons = typeof written === 'string' || Array.isArray(written) ? written : written.cron;
  return crons === undefined ? [usualCrons[kind]] : [crons].flat();
}

function optionsOf(
  kind: JobKind,
  { archive, capture }: WrittenSchedules,
): Pick<PlannedJob, 'label' | 'pin' | 'unlimitedWal'> {
  const none = { label: undefined, pin: false, unlimitedWal: false };
  if (kind === 'archive') {
    const options = typeof archive === 'object' && !Array.isArray(archive) ? archive : {};
    return { ...none, label: options.label ?? 'archive', pin: options.pin ?? false };
  }
  if (kind === 'capture') {
    const options = typeof capture === 'object' && !Array.isArray(capture) ? capture : {};
    return { ...none, unlimitedWal: options['unlimited-wal'] ?? false };
  }
  return none;
}

/** Single spaces, too: `github.event.schedule` repeats the text of the workflow, and is compared with it. */
function resolve(cron: string, key: string, taken: Set<number>): string {
  const { minute, rest } = parseCron(cron);
  return `${minute.startsWith('auto') ? chooseMinute(minute, key, taken) : minute} ${rest}`;
}
