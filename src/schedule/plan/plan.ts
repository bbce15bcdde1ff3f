import type { JobKind, WrittenDatabase, WrittenPolicy, WrittenSchedules } from '../policy/schema.ts';
import { parseCron } from './cron.ts';
import { chooseMinute } from './minutes.ts';

/** One kind of job of one database, and its schedules */
export interface PlannedJob {
  readonly kind: JobKind;
  readonly database: string;
  /** Five fields each, with every `auto` resolved; never empty */
  readonly crons: readonly string[];
  readonly label: string | undefined;
  readonly pin: boolean;
  /** Whether a capture may create its slot on a server where slots retain any amount of write-ahead log */
  readonly unlimitedWal: boolean;
  /** Name of the workflow file */
  readonly file: string;
  /** Other jobs that each run has beside this one; GitHub bills a whole minute of each */
  readonly jobsBeside: number;
}

export interface PlannedDatabase {
  readonly name: string;
  readonly written: WrittenDatabase;
  readonly jobs: readonly PlannedJob[];
  readonly retention: string;
  /** How long captured changes stay; undefined when no changes are captured and the policy does not say */
  readonly keepChanges: string | undefined;
}

export interface SchedulePlan {
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
  'mirror',
  'watch',
  'digest',
] as const;

/** Kinds that take a backup with rows */
export const backupKinds: readonly JobKind[] = ['full', 'incremental', 'archive'];

/** Kinds that only look: their runs leave nothing behind, and GitHub alone knows of them. */
const lookingKinds = ['watch', 'digest'] as const;
export type LookingKind = (typeof lookingKinds)[number];

export function onlyLooks(kind: JobKind): kind is LookingKind {
  return lookingKinds.some((looking) => looking === kind);
}

/** The default schedule of each kind, when it is switched on without times */
const usualCrons: Readonly<Record<JobKind, string>> = {
  full: 'auto 2 * * *',
  incremental: 'auto 9-17 * * 1-5',
  schema: 'auto 3 * * 0',
  archive: 'auto 4 1 * *',
  // All default schedules of one database fit the 2,000 minutes of GitHub's Free plan for private
  // repositories.
  capture: 'auto * * * *',
  drill: 'auto 5 2 * *',
  cleanup: 'auto 6 * * *',
  mirror: 'auto 4 * * *',
  watch: 'auto */4 * * *',
  digest: 'auto 7 * * 1',
};

/**
 * The workflow file of each kind. GitHub disables a schedule together with all triggers of its file, so jobs
 * that run often, jobs that run rarely and the watch have separate files.
 */
export const workflowFiles: Readonly<Record<JobKind, string>> = {
  full: 'supabase-backup.yml',
  schema: 'supabase-backup.yml',
  archive: 'supabase-backup.yml',
  incremental: 'supabase-backup-incremental.yml',
  capture: 'supabase-backup-capture.yml',
  drill: 'supabase-backup-drill.yml',
  cleanup: 'supabase-backup-cleanup.yml',
  mirror: 'supabase-backup-mirror.yml',
  watch: 'supabase-backup-watch.yml',
  digest: 'supabase-backup-digest.yml',
};

export const defaultRetention = 'hourly=24 daily=7 weekly=5 monthly=12';
export const usualRunner = 'ubuntu-latest';
export const defaultKeepChanges = '8d';

export const defaultTokenName = 'SUPABASE_ACCESS_TOKEN';

/** Names the secret with the token of the Management API. */
export function tokenNameOf(written: WrittenDatabase): string {
  return written['supabase-access-token'] ?? defaultTokenName;
}

/**
 * Resolves a policy into jobs with their files and minutes. The same policy and repository give the same plan
 * on every machine.
 */
export function planJobs(policy: WrittenPolicy, repository: string): SchedulePlan {
  const taken = new Map<JobKind, Set<number>>();
  const databases = Object.entries(policy.databases).map(([name, written]): PlannedDatabase => {
    const schedules = { ...policy.schedules, ...written.schedules };
    const jobs = jobKinds.flatMap((kind): PlannedJob[] => {
      const crons = cronsOf(kind, schedules, written.storage);
      if (crons.length === 0) return [];
      // Watches of several databases are of one run, which knows how all of them went.
      const isShared = kind === 'watch';
      const minutes = isShared ? new Set<number>() : (taken.get(kind) ?? new Set<number>());
      taken.set(kind, minutes);
      const key = `${repository.toLowerCase()}\n${isShared ? '' : name}\n${kind}`;
      const resolved = [...new Set(crons.map((cron) => resolve(cron, key, minutes)))];
      const options = optionsOf(kind, schedules);
      const jobsBeside = countBeside(kind, name, policy);
      return [{ kind, database: name, crons: resolved, ...options, file: workflowFiles[kind], jobsBeside }];
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

/** A drill whose image nobody chose has a job that chooses it, and the watches of several have one that looks at the workflows. */
function countBeside(kind: JobKind, database: string, policy: WrittenPolicy): number {
  if (kind === 'drill') return policy.drill?.image === undefined ? 1 : 0;
  if (kind !== 'watch') return 0;
  const [first, ...others] = listWatched(policy);
  return first === database && others.length > 0 ? 1 : 0;
}

/** Lists the databases whose backups are watched. */
export function listWatched({ databases, schedules }: WrittenPolicy): string[] {
  return Object.entries(databases)
    .filter(([, written]) => isSwitchedOn('watch', { ...schedules, ...written.schedules }, written.storage))
    .map(([name]) => name);
}

/** Runners that GitHub hosts */
export const hostedRunners = /^(?:ubuntu|macos|windows)-/;

/** Tells whether GitHub hosts the runner: its disk is gone after a job, and GitHub counts its minutes. */
export function isHosted(runsOn: string): boolean {
  return hostedRunners.test(runsOn);
}

/**
 * Tells whether a kind is switched on, by the policy or by default. By default every kind is on. Exceptions
 * are the digest, which is sent to people, the mirror, which needs copies, and capture: it needs backups on which changes can be replayed, and is off for an artifact, which
 * every capture would upload again as a whole.
 */
export function isSwitchedOn(kind: JobKind, schedules: WrittenSchedules, storage: string): boolean {
  const written = schedules[kind];
  if (kind === 'digest' || kind === 'mirror') return written !== undefined && written !== false;
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

/**
 * Resolves `auto` and normalizes spaces: `github.event.schedule` repeats the workflow's text and is compared
 * with it.
 */
function resolve(cron: string, key: string, taken: Set<number>): string {
  const { minute, rest } = parseCron(cron);
  return `${minute.startsWith('auto') ? chooseMinute(minute, key, taken) : minute} ${rest}`;
}
