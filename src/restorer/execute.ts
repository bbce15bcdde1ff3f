import type { Supplement } from '../format/supplement.ts';
import { compareWithBackup, type Parity } from '../parity/compare.ts';
import type { Omission } from '../parity/scope.ts';
import { openSession, type Session } from '../postgres/session/connection.ts';
import { formatCount, formatCounted } from '../report/quantity.ts';
import type { Context } from '../runtime/context.ts';
import { messageOf } from '../runtime/errors.ts';
import { append } from '../runtime/lists.ts';
import type { PhaseClock } from '../runtime/phase-clock.ts';
import { clearImage } from '../supabase/image.ts';
import { beginStep, type OnStep } from './begun-step.ts';
import { type LoadedRows, lookAtTarget, restoreContents } from './contents.ts';
import { restoreCronJobs } from './cron.ts';
import { findExistingObjects, refuseExistingObjects } from './existing-objects.ts';
import { planRestore, type RestorePlan } from './plan.ts';
import { startsAsReplica } from './preflight.ts';
import { isWhole, type RestoreRequest } from './request.ts';
import { applyDatabase, keepReachable } from './roles/database.ts';
import { type Neutralized, neutralizeDefaultPrivileges } from './roles/default-privileges.ts';
import { createRolesOf, finishRoles, returnRoles } from './roles/roles.ts';
import { RestoreProgress, type RestoreScope } from './scope.ts';
import { askServer } from './step.ts';
import { type Surroundings, surround } from './surroundings.ts';
import type { SecretsLook } from './vault.ts';

/** A restore that is ready: everything has been checked, and the target is untouched. */
export interface PreparedRestore {
  /** What is restored, as far as it is known by now: `run` adds to it, even when it fails. */
  readonly scope: RestoreScope;
  readonly part: RestorePlan['part'];
  /** What the server will probably refuse, for people */
  readonly foreseen: readonly string[];
  /**
   * Asks the target's server whether it opens the secrets of Vault that the backup has; changes nothing.
   *
   * @returns undefined where none are to be restored by its functions
   */
  lookAtSecrets(): Promise<SecretsLook | undefined>;
  /**
   * @param onStep called before each step begins
   * @returns undefined when nothing was to be compared
   */
  run(onStep?: OnStep): Promise<Parity | undefined>;
}

/**
 * Checks the identity, the archive and the target of a restore, and plans it.
 *
 * @param clock gets the phases, those of `run` included
 */
export async function prepareRestore(
  request: RestoreRequest,
  context: Context,
  clock: PhaseClock,
): Promise<PreparedRestore> {
  const plan = await planRestore(request, context);
  const progress = new RestoreProgress(plan.scope);
  const { scope } = plan;
  if (scope.kind !== 'plain') context.log.info(`The target is a ${scope.kind}`);
  for (const note of scope.notes) context.log.info(note);
  for (const { what, why } of scope.notCarried) context.log.info(`Not brought: ${what}: ${why}`);
  clock.end('preflight');
  return {
    get scope() {
      return progress.scope;
    },
    part: plan.part,
    foreseen: plan.foreseen,
    lookAtSecrets: () => lookAtTarget(request, plan, context),
    run: (onStep) => carryOut({ ...request, onStep }, plan, progress, context, clock),
  };
}

async function carryOut(
  request: RestoreRequest,
  plan: RestorePlan,
  progress: RestoreProgress,
  context: Context,
  clock: PhaseClock,
): Promise<Parity | undefined> {
  const prepared = await askServer(request, context, 'roles', (session) =>
    prepareServer(session, request, plan),
  );
  progress.leaveOut(prepared.notCarried);
  clock.end('roles');
  let isFinished = false;
  try {
    const loaded = await restoreContents(request, plan, progress, context, clock);
    const finish = (session: Session) => finishServer(session, request, plan, prepared);
    progress.leaveOut(await askServer(request, context, 'settings', finish));
    isFinished = true;
    clock.end('settings');
    return await lookAtResult(request, plan, progress, loaded, context, clock);
  } catch (error) {
    await giveBack(request, plan, isFinished ? undefined : prepared, context);
    throw error;
  }
}

/**
 * Compares the target with the backup while the connected role is a member of the roles that own its objects,
 * and then ends these memberships.
 */
async function lookAtResult(
  request: RestoreRequest,
  plan: RestorePlan,
  progress: RestoreProgress,
  loaded: LoadedRows,
  context: Context,
  clock: PhaseClock,
): Promise<Parity | undefined> {
  progress.leaveOut(await lookAtNewSessions(request, context));
  const finish = async () => {
    progress.leaveOut(
      await askServer(request, context, 'roles', (session) => finishRoles(session, plan.roles)),
    );
  };
  if (request.verify === 'none') {
    await finish();
    return undefined;
  }
  const parity = await compare(request, progress.scope, loaded, finish, context);
  const missed = findMissed(parity);
  // A refused statement is no omission when the target equals the backup all the same.
  progress.takeBack((omission) => omission.lost === 'unless equal' && !missed.has(omission));
  clock.end('parity');
  return parity;
}

async function lookAtNewSessions({ settings }: RestoreRequest, context: Context): Promise<Omission[]> {
  await using session = await openSession(settings, context.signal);
  if (!(await startsAsReplica(session))) return [];
  return [
    {
      what: 'triggers and foreign keys of new sessions',
      why: 'sessions of this database start with session_replication_role = replica, because of a setting of the database or the role',
      remedy:
        'If you do not want this: ALTER DATABASE … RESET session_replication_role, and the same for the role.',
    },
  ];
}

/** Omissions that explain a difference */
function findMissed({ groups }: Parity): Set<Omission> {
  return new Set(Object.values(groups).flatMap((lines) => lines.flatMap(({ because = [] }) => because)));
}

/** What differs in the target while a restore is under way */
interface Prepared {
  readonly neutralized: Neutralized;
  /** Undefined where only a part is restored, into a database that may be in use */
  readonly surroundings: Surroundings | undefined;
  /** What the server refused during the preparation */
  readonly notCarried: readonly Omission[];
}

/**
 * Clears the image of a container, creates roles, keeps the target's default privileges off restored objects,
 * and gives the database the settings that functions of the source rely on.
 */
async function prepareServer(
  session: Session,
  request: RestoreRequest,
  { image, roles, scope }: RestorePlan,
): Promise<Prepared> {
  if (image !== undefined) {
    // A target that was accepted as empty may still hold rows in the schemas that are dropped here.
    const rows = (await findExistingObjects(session, scope.kind)).filter(({ areRows }) => areRows);
    refuseExistingObjects(rows, scope.kind);
    await clearImage(session, image);
  }
  // The plan has already reported what it leaves to the user.
  const refused = await createRolesOf(session, roles);
  return {
    notCarried: refused.filter((item) => !roles.listed.includes(item)),
    neutralized: await neutralizeDefaultPrivileges(session),
    surroundings: isWhole(request) ? await surround(session, scope.supplement.database) : undefined,
  };
}

/** Applies last what affects sessions, and what jobs would act on. */
async function finishServer(
  session: Session,
  request: RestoreRequest,
  { roles, scope }: RestorePlan,
  { neutralized, surroundings }: Prepared,
): Promise<Omission[]> {
  const { manifest, supplement } = scope;
  const notCarried = (await surroundings?.end(session)) ?? [];
  if (!isWhole(request)) {
    await neutralized.restore(session);
    return notCarried;
  }
  if (scope.kind === 'supabase-project' && request.defaultPrivileges !== 'source') {
    append(notCarried, await neutralized.narrow(session));
  }
  if (request.roles !== 'scratch') {
    const { database } = manifest.source;
    append(notCarried, await restoreCronJobs(session, supplement.cronJobs, database, request.live === true));
  }
  append(notCarried, await applyDatabase(session, supplement.database, roles.scope));
  const connect = async () => (await openSession(request.settings)).close();
  append(notCarried, await keepReachable(session, supplement.database, connect));
  return notCarried;
}

/**
 * Gives default privileges, settings and memberships back after a failure, as the restore found them. The
 * session has no signal, because the run may have been told to stop.
 */
async function giveBack(
  { settings }: RestoreRequest,
  { roles }: RestorePlan,
  prepared: Prepared | undefined,
  context: Context,
): Promise<void> {
  if (prepared === undefined && roles.borrowed.size === 0) return;
  try {
    await using session = await openSession(settings);
    await prepared?.neutralized.restore(session);
    const left = [
      ...((await prepared?.surroundings?.end(session)) ?? []),
      ...(await returnRoles(session, roles)),
    ];
    for (const { what, why } of left) context.log.warn(`${what}: ${why}`);
  } catch (error) {
    const undo = prepared === undefined ? '' : `; run ${prepared.neutralized.undo.join('; ')}`;
    context.log.warn(`the target's default privileges could not be restored: ${messageOf(error)}${undo}`);
  }
}

function compare(
  request: RestoreRequest,
  { manifest, supplement, tables, selection, kind, managed, notCarried }: RestoreScope,
  { sent, countOnly, advanced }: LoadedRows,
  afterRows: () => Promise<void>,
  context: Context,
): Promise<Parity> {
  let compared = 0;
  return beginStep({ name: 'comparing' }, request.onStep, context, () =>
    compareWithBackup(
      request.settings,
      manifest,
      supplement,
      {
        ...{ tables, whole: isWhole(request), sent, countOnly, advanced, selection, kind, managed },
        notCarried: [...notCarried, ...(request.roles === 'scratch' ? describeIdleJobs(supplement) : [])],
      },
      {
        workers: request.jobs,
        signal: context.signal,
        afterRows,
        onProgress(rows) {
          compared += rows;
          context.log.progress(`${formatCount(compared)} rows compared`);
        },
      },
    ),
  );
}

/** A drill schedules no jobs, because they would act, possibly outside of its database. */
function describeIdleJobs({ cronJobs }: Supplement): Omission[] {
  if (cronJobs.length === 0) return [];
  const what = formatCounted(cronJobs.length, 'cron job');
  return [
    {
      ...{ what, subject: { kind: 'cron jobs' } },
      why: 'a drill does not schedule jobs',
      remedy: 'A restore into a permanent database does this.',
    },
  ];
}
