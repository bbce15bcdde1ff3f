import type { CopyPlace } from '../../interface/inputs/copies-values.ts';
import type { ManagementInputs } from '../../interface/inputs/management-types.ts';
import type { PlaceInputs } from '../../interface/inputs/shared-types.ts';
import { parseS3Addressing } from '../../interface/inputs/storage-values.ts';
import { parseDuration, parseInterval, parseRetention } from '../../interface/inputs/time-values.ts';
import type { ReportInputs } from '../../interface/inputs/types.ts';
import { list } from '../../interface/inputs/values.ts';
import type { Limits } from '../../repository/backups/freshness.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, isKnownError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { nextTimes } from '../../schedule/plan/cron.ts';
import type { PlannedDatabase, SchedulePlan } from '../../schedule/plan/plan.ts';
import type { Verification } from '../../schedule/verification/verify.ts';
import type { RetentionPolicy } from '../../values/retention-policy.ts';
import { chooseCopies, chooseProjects } from '../schedule/named-secrets.ts';
import { type PlannedWorkflows, planWorkflows, verifyPlanned } from '../schedule/planned.ts';
import type { ReadSchedules } from '../status/schedules.ts';
import type { Planned } from './facts.ts';

/** One database to read */
export interface DatabaseRequest {
  /** Undefined: as it is called on its server */
  readonly name: string | undefined;
  readonly place: PlaceInputs;
  readonly identities: readonly string[];
  readonly limits: Limits;
  readonly price: number | undefined;
  readonly rtoTarget: number | undefined;
  readonly retention: {
    readonly policy: RetentionPolicy;
    readonly timeZone: string;
    readonly keepChanges: number;
  };
  readonly planned: Planned | undefined;
  /** Undefined: the platform's own backups are not asked for */
  readonly management: ManagementInputs | undefined;
  /** Of the storage that was given, or those that the policy names */
  readonly copies: readonly CopyPlace[];
  /** By which the status judges schedules */
  readonly schedules: ReadSchedules | undefined;
}

/**
 * Lists the databases to report on: that of the storage, or those of the policy.
 *
 * @throws ConfigurationError when the policy is wrong, or has no such database
 */
export async function listRequests(inputs: ReportInputs, context: Context): Promise<DatabaseRequest[]> {
  const { storage, policy, workflows, githubToken } = inputs;
  if (policy !== undefined) {
    const planned = await planWorkflows({ policy, workflows }, context.env);
    const verification = await verify(planned, githubToken, context);
    const databases = chooseDatabases(planned, inputs);
    const projects = chooseProjects(databases, { ...inputs, policy }, context);
    refuseUnasked(inputs, projects);
    const copies = databases.length === 1 ? inputs.copies : leaveOut(inputs.copies, context);
    return databases.map((database, index) =>
      toRequest(
        database,
        { ...planned, verification },
        { ...inputs, copies, management: projects[index] },
        context,
      ),
    );
  }
  // The parser of the inputs has seen to it that one of the two is given.
  if (storage === undefined) throw new Error('neither storage nor policy');
  const { retention, timeZone, keepChanges } = inputs;
  return [
    {
      ...{ name: inputs.database, place: { ...inputs, storage }, identities: inputs.encryptionIdentity },
      ...{ limits: inputs, price: inputs.pricePerGbMonth, rtoTarget: inputs.rtoTarget },
      retention: { policy: retention, timeZone, keepChanges },
      ...{ planned: undefined, schedules: undefined, management: inputs.management },
      copies: inputs.copies,
    },
  ];
}

/** A report about what the platform keeps would be empty where it is asked about no project. */
function refuseUnasked(
  { kind, policy }: ReportInputs,
  projects: readonly (ManagementInputs | undefined)[],
): void {
  if (kind !== 'managed' || projects.some((project) => project !== undefined)) return;
  throw new ConfigurationError(
    say`${nameInput('project-ref')}: a report of the kind managed needs a project and a token, and ${policy} and the inputs name both for no database`,
    'Add `project-ref` for the database to the policy, and set SUPABASE_ACCESS_TOKEN.',
  );
}

/** Copies are of one repository: of several, those count that the policy names. */
function leaveOut(copies: readonly CopyPlace[], { log }: Context): readonly CopyPlace[] {
  if (copies.length > 0)
    log.warn(
      'copies are those of one database, and the report is about several: those are looked at that the policy names. Name one database with database.',
    );
  return [];
}

/** Asks GitHub whether the workflows run. A report without that answer is worth more than none. */
async function verify(
  planned: PlannedWorkflows,
  token: string | undefined,
  context: Context,
): Promise<Verification | undefined> {
  if (token === undefined) return undefined;
  try {
    return await verifyPlanned(planned, { token, mayEnable: false }, context);
  } catch (error) {
    if (!isKnownError(error)) throw error;
    context.log.warn(`whether the workflows are enabled is not in the report: ${error.message}`);
    return undefined;
  }
}

function chooseDatabases(
  { plan: { databases } }: PlannedWorkflows,
  { database, policy }: ReportInputs,
): readonly PlannedDatabase[] {
  const chosen = databases.filter(({ name }) => database === undefined || name === database);
  if (chosen.length > 0) return chosen;
  throw new ConfigurationError(
    say`${nameInput('database')}: ${policy} has no database ${JSON.stringify(database)}`,
    `Write ${list(databases.map(({ name }) => name))}, or leave it out for all of them.`,
  );
}

/** What the policy says of a database goes before what the inputs say of all. */
function toRequest(
  database: PlannedDatabase,
  { policy, plan, verification }: PlannedWorkflows & Pick<ReadSchedules, 'verification'>,
  inputs: ReportInputs,
  context: Context,
): DatabaseRequest {
  const { name, written } = database;
  const rpo = policy.alarms?.['rpo-target'];
  const rto = policy.drill?.['rto-target'];
  const keep = database.keepChanges;
  const place = {
    ...inputs,
    storage: written.storage,
    s3Endpoint: written['s3-endpoint'] ?? inputs.s3Endpoint,
    s3Region: written['s3-region'] ?? inputs.s3Region,
    s3Addressing: parseS3Addressing(written['s3-addressing'] ?? inputs.s3Addressing),
    repositoryKey: findKey(written['repository-key'], context.env) ?? inputs.repositoryKey,
  };
  return {
    name,
    place,
    identities: inputs.encryptionIdentity,
    limits: { ...inputs, maxAge: rpo === undefined ? inputs.maxAge : parseDuration(rpo) },
    price: inputs.pricePerGbMonth,
    rtoTarget: rto === undefined ? inputs.rtoTarget : parseDuration(rto),
    retention: {
      policy: parseRetention(database.retention),
      timeZone: plan.timeZone,
      keepChanges: keep === undefined ? inputs.keepChanges : parseInterval(keep),
    },
    planned: toPlanned(database, plan, context.now()),
    schedules: { database, timeZone: plan.timeZone, verification },
    management: inputs.management,
    copies: chooseCopies(database, inputs.copies, place, context),
  };
}

/** The policy names the secret; a job passes it as a variable of that name. */
function findKey(secret: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const key = secret === undefined ? undefined : env[secret]?.trim() || undefined;
  if (key === undefined || /^[0-9a-f]{64}$/i.test(key)) return key;
  throw new ConfigurationError(
    say`${nameInput('repository-key')}: the variable ${secret}, which the policy names, does not hold 64 hexadecimal digits`,
    'Set it to the key that the repository was made with.',
  );
}

function toPlanned(database: PlannedDatabase, { timeZone, repository }: SchedulePlan, now: Date): Planned {
  const next = database.jobs.flatMap(({ kind, crons }) => {
    const [at] = crons
      .flatMap((cron) => nextTimes(cron, timeZone, now, 1))
      .sort((one, other) => one.getTime() - other.getTime());
    return at === undefined ? [] : [{ kind, at }];
  });
  return {
    ...{ database, timeZone, repository },
    next: next.sort((one, other) => one.at.getTime() - other.at.getTime()),
  };
}
