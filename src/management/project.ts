import * as v from 'valibot';
import { rootKeyText } from '../format/root-key.ts';
import { minute } from '../values/duration.ts';
import type { ManagementApi } from './api.ts';
import { ManagementFailure } from './failure.ts';

/*
 * What is asked of the API. Its description is https://api.supabase.com/api/v1-json; fields and words that came
 * later are passed over, and all that this program can do without may be missing.
 */

/** A hosted project, as the platform sees it. */
export interface Project {
  readonly name: string | undefined;
  /** Such as `ACTIVE_HEALTHY`, `INACTIVE` (paused) or `RESTORING`; may be a word that is newer than this program */
  readonly status: string;
  readonly region: string | undefined;
  /** The slug of its organization */
  readonly organization: string | undefined;
  readonly createdAt: Date | undefined;
}

const maybe = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.fallback(v.optional(schema), undefined as v.InferOutput<v.OptionalSchema<Schema, undefined>>);

/** 9999-12-31: a larger number is no count of seconds, but one of milliseconds, say */
const lastSecond = 253_402_300_799;

/** A time with its zone, or without one in UTC, as databases print it */
const timeText = v.pipe(
  v.string(),
  v.transform((text) => new Date(/(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)),
  v.check((time) => Math.abs(time.getTime()) <= lastSecond * 1000, 'is no time'),
);
const unixSeconds = v.pipe(
  v.number(),
  v.minValue(1),
  v.maxValue(lastSecond),
  v.transform((seconds) => new Date(seconds * 1000)),
);

/** A name or a word of the platform; a report is not filled by one */
const word = v.pipe(
  v.string(),
  v.transform((text) => (text.length <= 200 ? text : `${text.slice(0, 200).toWellFormed()}…`)),
);

const projectSchema = v.looseObject({
  /** Twenty letters. `id`, which is deprecated, has them, too. */
  ref: v.fallback(v.optional(v.string()), undefined),
  name: maybe(word),
  status: word,
  region: maybe(word),
  organization_slug: maybe(v.pipe(v.string(), v.regex(/^[\w-]+$/))),
  created_at: maybe(timeText),
});

/** @throws ManagementFailure */
export async function readProject(api: ManagementApi, ref: string): Promise<Project> {
  const answer = await api.get(pathOf(ref), projectSchema, 'the project');
  // What is said of another project would be taken for this one's.
  if (answer.ref !== undefined && answer.ref !== ref)
    throw new ManagementFailure('foreign', 'the project', {});
  const { name, status, region, organization_slug: organization, created_at: createdAt } = answer;
  return { name, status, region, organization, createdAt };
}

/** An entry of the list of the platform's backups. */
export interface ManagedBackup {
  /** `COMPLETED`, `FAILED`, `PENDING`, `REMOVED`, `ARCHIVED`, `CANCELLED`, or a newer word */
  readonly status: string;
  readonly at: Date;
  readonly isPhysical: boolean;
}

/** What the platform says of its backups of a project. */
export interface BackupListing {
  /** Whether any second can be recovered; undefined where it does not say */
  readonly isPitr: boolean | undefined;
  /** Newest first. Empty where the platform keeps physical backups and lists none. */
  readonly backups: readonly ManagedBackup[];
  /** The first and the last time that its physical backups reach; undefined where it names none */
  readonly earliest: Date | undefined;
  readonly latest: Date | undefined;
}

const listingSchema = v.looseObject({
  pitr_enabled: maybe(v.boolean()),
  backups: v.fallback(v.optional(v.array(v.unknown())), undefined),
  physical_backup_data: maybe(
    v.looseObject({
      earliest_physical_backup_date_unix: maybe(unixSeconds),
      latest_physical_backup_date_unix: maybe(unixSeconds),
    }),
  ),
});

const backupSchema = v.looseObject({
  status: word,
  inserted_at: timeText,
  is_physical_backup: maybe(v.boolean()),
});

/**
 * Reads what the platform says of its backups. A list with a time that has not come is not believed: by it any
 * backup would be young.
 *
 * @throws ManagementFailure
 */
export async function readBackups(api: ManagementApi, ref: string): Promise<BackupListing> {
  const what = 'the list of backups';
  const answer = await api.get(`${pathOf(ref)}/database/backups`, listingSchema, what);
  const { pitr_enabled: isPitr, backups, physical_backup_data: physical } = answer;
  // An answer that says nothing of backups is no list of none.
  if (backups === undefined && physical === undefined) throw new ManagementFailure('unclear', what, {});
  const read = v.safeParse(v.array(backupSchema), backups ?? []);
  if (!read.success) throw new ManagementFailure('unclear', what, {}, new v.ValiError(read.issues));
  const earliest = physical?.earliest_physical_backup_date_unix;
  const latest = physical?.latest_physical_backup_date_unix;
  refuseFuture(what, [earliest, latest, ...read.output.map(({ inserted_at: at }) => at)], api.now());
  return {
    isPitr,
    backups: read.output
      .map(({ status, inserted_at: at, is_physical_backup: isPhysical = false }) => ({
        status,
        at,
        isPhysical,
      }))
      .sort((one, other) => other.at.getTime() - one.at.getTime()),
    earliest,
    latest,
  };
}

/** How far the clocks of the platform, and the one that is compared with them, may be apart; milliseconds */
const clocksApart = 5 * minute;

function refuseFuture(what: string, times: readonly (Date | undefined)[], now: Date): void {
  const future = times.find((time) => time !== undefined && time.getTime() - now.getTime() > clocksApart);
  if (future === undefined) return;
  const words = `it has ${future.toISOString()}, and it is ${now.toISOString()}`;
  throw new ManagementFailure('future', what, { words });
}

/** The time of day of the daily backup, in UTC, such as `02:17:00`. Only plans with `backup.schedule` tell it. */
export async function readBackupTime(api: ManagementApi, ref: string): Promise<string> {
  const schema = v.looseObject({ schedule_for: v.pipe(v.string(), v.regex(/^\d\d:\d\d(:\d\d)?$/)) });
  const what = 'the schedule of backups';
  return (await api.get(`${pathOf(ref)}/database/backups/schedule`, schema, what)).schedule_for;
}

/** Days that the add-on for point-in-time recovery reaches back; null without the add-on. */
export async function readPitrDays(api: ManagementApi, ref: string): Promise<number | null> {
  const addon = v.looseObject({
    type: v.string(),
    variant: maybe(v.looseObject({ id: v.fallback(v.string(), '') })),
  });
  const schema = v.looseObject({ selected_addons: v.array(addon) });
  const what = 'the add-ons of the project';
  const { selected_addons: addons } = await api.get(`${pathOf(ref)}/billing/addons`, schema, what);
  const pitr = addons.find(({ type }) => type === 'pitr');
  if (pitr === undefined) return null;
  const [, days] = /^pitr_(\d{1,5})$/.exec(pitr.variant?.id ?? '') ?? [];
  if (days === undefined) throw new ManagementFailure('unclear', what, {});
  return Number(days);
}

/** The plan of an organization: `free`, `pro`, `team`, `enterprise`, `platform`, or a newer word. */
export async function readPlan(api: ManagementApi, slug: string): Promise<string> {
  const schema = v.looseObject({ plan: word });
  return (await api.get(organizationPath(slug), schema, 'the organization')).plan;
}

/** What a plan includes of backups. */
export interface Entitlements {
  /** Days that backups are kept; 0 where the plan has none that its user can restore; undefined: not told */
  readonly retentionDays: number | undefined;
  /** Whether a backup can be restored into a new project; undefined: not told */
  readonly isCloneable: boolean | undefined;
}

const entitlementsSchema = v.looseObject({
  entitlements: v.array(
    v.looseObject({
      feature: v.looseObject({ key: v.string() }),
      hasAccess: v.boolean(),
      config: maybe(v.looseObject({ value: maybe(v.number()), unlimited: maybe(v.boolean()) })),
    }),
  ),
});

/** @throws ManagementFailure */
export async function readEntitlements(api: ManagementApi, slug: string): Promise<Entitlements> {
  const path = `${organizationPath(slug)}/entitlements`;
  const { entitlements } = await api.get(path, entitlementsSchema, 'the entitlements of the organization');
  const find = (key: string) => entitlements.find(({ feature }) => feature.key === key);
  const retention = find('backup.retention_days');
  return {
    retentionDays: retention === undefined || retention.hasAccess ? retention?.config?.value : 0,
    isCloneable: find('backup.restore_to_new_project')?.hasAccess,
  };
}

/**
 * Asks the platform to restore the project to a time, in place. Asked once.
 *
 * @param unixSeconds above 0
 * @throws ManagementFailure, whose `wasRefused` says whether nothing was begun
 */
export async function requestPitr(api: ManagementApi, ref: string, unixSeconds: number): Promise<void> {
  const path = `${pathOf(ref)}/database/backups/restore-pitr`;
  await api.post(path, { recovery_time_target_unix: unixSeconds }, 'the restore');
}

const rootKeySchema = v.looseObject({ root_key: rootKeyText });

/**
 * The root key of Vault, which the platform keeps outside of the database. Needs a permission to write
 * (`project_admin_write`) even to be read.
 *
 * @param mask called with the key before anybody else sees it
 * @throws ManagementFailure
 */
export async function readRootKey(
  api: ManagementApi,
  ref: string,
  mask: (secret: string) => void,
): Promise<string> {
  const { root_key: key } = await api.get(`${pathOf(ref)}/pgsodium`, rootKeySchema, 'the root key of Vault');
  mask(key);
  return key;
}

/**
 * Gives a project another root key. What it has encrypted with the one before cannot be read any more. Asked
 * once.
 *
 * @throws ManagementFailure, whose `wasRefused` says whether the key is the one before
 */
export async function setRootKey(api: ManagementApi, ref: string, key: string): Promise<void> {
  await api.put(`${pathOf(ref)}/pgsodium`, { root_key: key }, 'the new root key of Vault');
}

const pathOf = (ref: string) => `/v1/projects/${ref}`;
const organizationPath = (slug: string) => `/v1/organizations/${slug}`;
