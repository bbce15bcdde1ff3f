import { randomUUID } from 'node:crypto';
import type { ManagedRestoreInputs } from '../../interface/inputs/managed-types.ts';
import type { Clock, ManagementApi } from '../../management/api.ts';
import { isPassing } from '../../management/facts.ts';
import { ManagementFailure, toKnownError } from '../../management/failure.ts';
import { type Project, readBackups, readProject, requestPitr } from '../../management/project.ts';
import { formatAge } from '../../report/quantity.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, isKnownError, PlatformError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { openStorage } from '../../storage/open.ts';
import { type Claim, dropClaim, makeClaim, readClaims, writeClaim } from './claim.ts';
import { dropCaptureSlot, lookBeforehand, takeBase, takeSafetyBackup } from './database.ts';
import { findRefusals, findWindow, refuseOtherProject } from './guard.ts';
import type { Beforehand, EndedRestore, Ending, ManagedRestoreResult, NewBase, Window } from './result.ts';
import { leavesWithin, waitForReturn } from './wait.ts';

/** How the platform is reached, and the time that its answers take */
export interface Platform {
  readonly api: ManagementApi;
  readonly clock: Clock;
}

/** The restore as it is found: a repository, what was asked before, and the project. */
interface Job {
  readonly inputs: ManagedRestoreInputs;
  readonly platform: Platform;
  readonly repository: Repository;
  readonly target: Date;
  readonly at: Date;
  readonly project: Project;
  /** What was asked for this time before; undefined: nothing is known of it */
  readonly claim: Claim | undefined;
}

/**
 * Has the platform restore the project to a time, once, and waits until it was seen to leave and to come back.
 * Everything that can be checked is checked first. What was asked is noted in the storage before it is asked; a
 * second run that is given the same time waits on, and asks nothing again.
 *
 * @throws ConfigurationError when the restore may not begin, and PlatformError when the platform refuses it or
 *   gives no answer before it was asked; nothing was asked then
 */
export async function restoreProject(
  inputs: ManagedRestoreInputs,
  context: Context,
  platform: Platform,
): Promise<ManagedRestoreResult> {
  refuseOtherProject(inputs);
  const at = context.now();
  const target = new Date(inputs.recoveryTargetTime);
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const { projectRef } = inputs.management;
  const claims = await readClaims(repository, projectRef);
  const project = await tellKnown(() => readProject(platform.api, projectRef));
  const claim = claims.find((each) => each.target === toSeconds(target));
  const job: Job = { inputs, platform, repository, target, at, project, claim };
  refuseOther(claims, job);
  if (claim !== undefined || project.status === 'RESTORING') return await resume(job, context);
  return await begin(job, context);
}

const toSeconds = (time: Date) => time.getTime() / 1000;

/** Turns what the API refuses into what ends the run. */
async function tellKnown<Value>(ask: () => Promise<Value>): Promise<Value> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof ManagementFailure ? toKnownError(error) : error;
  }
}

/** Refuses to wait for one time while the platform restores to another. */
function refuseOther(claims: readonly Claim[], { claim, project, at }: Job): void {
  // A project that was asked for a moment ago may not have left yet.
  const isUnderWay = ({ claimedAt, leftAt, backAt }: Claim) =>
    backAt === null &&
    (project.status === 'RESTORING' ||
      (leftAt === null && at.getTime() - Date.parse(claimedAt) < leavesWithin));
  const other = claims.find(isUnderWay);
  if (claim !== undefined || other === undefined) return;
  const time = new Date(other.target * 1000).toISOString();
  throw new ConfigurationError(
    say`${nameInput('recovery-target-time')}: Supabase is restoring the project or about to, to the time ${time}`,
    `Use that time to wait for this restore, or wait until the project is back.`,
  );
}

async function begin(job: Job, context: Context): Promise<ManagedRestoreResult> {
  const { inputs, platform, repository, target, at, project } = job;
  const { projectRef: ref } = inputs.management;
  const window = findWindow(await tellKnown(() => readBackups(platform.api, ref)));
  const refusals = findRefusals(inputs, { status: project.status, window, target, now: at });
  const [first] = refusals;
  if (first !== undefined && !inputs.dryRun) throw first;
  const database = await lookBeforehand(inputs, repository, context);
  const isReached = inputs.targetUrl !== undefined;
  const looked = { ref, target, window, database, at };
  if (inputs.dryRun)
    return {
      ...{ kind: 'planned', ...looked, elapsed: elapsedOf(job, context), isUnderWay: false },
      ...{ status: project.status, refusals, takesBase: isReached },
      takesSafetyBackup: isReached && inputs.safetyBackup,
    };
  const safetyBackup =
    isReached && inputs.safetyBackup
      ? await takeSafetyBackup(inputs, repository, target, context)
      : undefined;
  const slot = database?.slot ?? undefined;
  if (slot !== undefined) await dropCaptureSlot(inputs, slot, context);
  const { claim, request } = await ask(job, context);
  const done = { looked, safetyBackup, isSlotDropped: slot !== undefined, request };
  return await finish({ ...job, claim }, done, context);
}

/** Asks the platform, once. After a lost answer the state of the project tells what became of it. */
async function ask(
  { inputs, platform, repository, target }: Job,
  context: Context,
): Promise<{ claim: Claim; request: 'asked' | 'lost' }> {
  const { projectRef: ref } = inputs.management;
  const claim: Claim = {
    ...{ ref, run: randomUUID(), target: toSeconds(target) },
    ...{ claimedAt: platform.clock.now().toISOString(), leftAt: null, backAt: null },
  };
  if (!(await makeClaim(repository, claim, platform.clock)))
    throw new PlatformError(
      'another run is requesting this restore now',
      'Wait for it to end, or run this again: it then waits for the project, too.',
    );
  try {
    await requestPitr(platform.api, ref, claim.target);
    context.log.info(`Supabase has accepted the restore of ${ref} to ${target.toISOString()}`);
    return { claim, request: 'asked' };
  } catch (error) {
    if (!(error instanceof ManagementFailure)) throw error;
    if (error.wasRefused) {
      await takeBack(repository, claim, context);
      throw toKnownError(error);
    }
    context.log.warn(
      `${error.message}; it may have started anyway, so it is not requested again, and this run watches the project`,
    );
    return { claim, request: 'lost' };
  }
}

/** Takes the note of a refused request back. Where it stays, the refusal is still what the user has to know. */
async function takeBack(repository: Repository, claim: Claim, { log }: Context): Promise<void> {
  try {
    await dropClaim(repository, claim);
  } catch (error) {
    if (!isKnownError(error)) throw error;
    log.warn(
      `the storage keeps the note of this request, so the restore is not requested again. Use a time that differs by one second. ${error.message}`,
    );
  }
}

/** Waits for a restore that was asked for before, or that somebody else has asked for. */
async function resume(job: Job, context: Context): Promise<ManagedRestoreResult> {
  const { inputs, target, at, project, claim } = job;
  const { projectRef: ref } = inputs.management;
  const looked = { ref, target, window: undefined, database: undefined, at };
  if (inputs.dryRun)
    return {
      ...{ kind: 'planned', ...looked, elapsed: elapsedOf(job, context), isUnderWay: true },
      ...{ status: project.status, refusals: [], takesSafetyBackup: false },
      takesBase: inputs.targetUrl !== undefined,
    };
  context.log.info(
    claim === undefined
      ? `The project is RESTORING already; to which time is not known here. Nothing is asked for, and the project is watched`
      : `Supabase was asked for this restore at ${claim.claimedAt}; it is not asked again, and the project is watched`,
  );
  const done = { looked, safetyBackup: undefined, isSlotDropped: false, request: 'resumed' as const };
  return await finish(job, done, context);
}

interface Done {
  readonly looked: {
    readonly ref: string;
    readonly target: Date;
    readonly window: Window | undefined;
    readonly database: Beforehand | undefined;
    readonly at: Date;
  };
  readonly safetyBackup: string | undefined;
  readonly isSlotDropped: boolean;
  readonly request: EndedRestore['request'];
}

/** Waits, and takes a new base when the project is back. */
async function finish(job: Job, { looked, ...done }: Done, context: Context): Promise<EndedRestore> {
  const { inputs, repository } = job;
  const isOver = job.claim?.backAt != null;
  const ending = await watch(job, context);
  const base: NewBase =
    ending.kind === 'back' && inputs.targetUrl !== undefined && !isOver
      ? await takeBase(inputs, repository, job.target, context)
      : { kind: 'needed' };
  return { kind: 'ended', ...looked, ...done, ending, base, elapsed: elapsedOf(job, context) };
}

async function watch(job: Job, context: Context): Promise<Ending> {
  const { inputs, platform, repository, at, claim } = job;
  const { leftAt = null, backAt = null } = claim ?? {};
  if (leftAt !== null && backAt !== null)
    return { kind: 'back', leftAt: new Date(leftAt), backAt: new Date(backAt) };
  const note = async (change: Partial<Claim>) => {
    if (claim !== undefined) await writeClaim(repository, { ...claim, ...change });
  };
  const { clock } = platform;
  let noted = leftAt;
  const ending = await waitForReturn(
    {
      askedAt: claim === undefined ? at : new Date(claim.claimedAt),
      leftAt: leftAt === null ? undefined : new Date(leftAt),
      until: new Date(clock.now().getTime() + inputs.waitAtMost),
      look: () => lookAt(job, context),
      onLeft: async (time) => {
        noted = time.toISOString();
        await note({ leftAt: noted });
      },
      onLook: (status, left) =>
        context.log.progress(
          `the project is ${status ?? 'not told by the platform'}${left === undefined ? '' : `, away for ${formatAge(Math.max(0, clock.now().getTime() - left.getTime()))}`}`,
        ),
      onLong: (status) =>
        context.log.warn(
          `the project has been ${status} for more than 30 minutes. Restores have taken hours; ask Supabase's support (https://supabase.com/dashboard/support/new) to check it. This run keeps waiting.`,
        ),
    },
    clock,
  );
  if (ending.kind === 'back') await note({ leftAt: noted, backAt: ending.backAt.toISOString() });
  return ending;
}

/** Asks for the state of the project. A moment without an answer is waited through. */
async function lookAt({ platform, inputs }: Job, context: Context): Promise<string | undefined> {
  try {
    return (await readProject(platform.api, inputs.management.projectRef)).status;
  } catch (error) {
    if (!(error instanceof ManagementFailure)) throw error;
    if (isPassing(error)) {
      context.log.debug(error.message);
      return undefined;
    }
    throw new PlatformError(
      `the project can no longer be watched: ${error.message}`,
      say`${error.told.next} Supabase continues the restore. Run the same command again to wait for it; it does not request another restore.`,
      error,
    );
  }
}

function elapsedOf({ at, platform }: Job, { now }: Context): number {
  return Math.max(now().getTime(), platform.clock.now().getTime()) - at.getTime();
}
