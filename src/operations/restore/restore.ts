import { describeHolder, nameActor } from '../../github/run.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import type { Parity } from '../../parity/compare.ts';
import type { Omission } from '../../parity/scope.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import { reachDatabase } from '../../postgres/session/reach.ts';
import { fitJobs } from '../../postgres/session/room.ts';
import { type ConnectionSettings, describeConnection } from '../../postgres/session/settings.ts';
import { maskReason } from '../../report/redact.ts';
import { createReader } from '../../repository/objects/store.ts';
import { openRepository } from '../../repository/open.ts';
import { type RecordContent, recordIfPossible } from '../../repository/records.ts';
import { beginStep } from '../../restorer/begun-step.ts';
import { emptyDatabase } from '../../restorer/clean/clean.ts';
import { giveBackHeld, removePart } from '../../restorer/clean/part.ts';
import { type PreparedRestore, prepareRestore } from '../../restorer/execute.ts';
import type { Held } from '../../restorer/part/replacement.ts';
import { isWhole } from '../../restorer/request.ts';
import { askServer } from '../../restorer/step.ts';
import { explainFailure, hasPassed } from '../../restorer/trial/attempt.ts';
import { type CheckResult, explainChecks } from '../../restorer/trial/checks.ts';
import { makeReportFolder, writeParity } from '../../restorer/trial/parity-files.ts';
import { tryInTurn } from '../../restorer/trial/trial.ts';
import { askChecks } from '../../restorer/trial/user-checks.ts';
import type { World } from '../../runtime/context.ts';
import {
  type ConfigurationError,
  isKnownError,
  type KnownError,
  messageOf,
  StorageError,
  type TargetError,
} from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { inScratchFolder } from '../../runtime/scratch-folder.ts';
import { openStorage } from '../../storage/open.ts';
import { restoreAside } from '../side-restore/side-restore.ts';
import { chooseCandidates } from './candidates.ts';
import {
  findRefusals,
  isOccupied,
  isSourceOf,
  isWorthKeeping,
  lookAtTarget,
  needsSafetyBackup,
  refuseAnother,
  refuseContradictions,
} from './guard.ts';
import { describeForesight, describeNoneWorks, describeResult } from './guarded-report.ts';
import type { Done, Job } from './job.ts';
import { takeSafetyBackup } from './safety-backup.ts';
import { MarkedTarget, type UnsignedMark } from './unfinished-target.ts';

/**
 * Restores a backup, or the chosen part of one, and compares the result with the facts of the backup. All that has to be asked for is asked
 * for before anything begins; then come the trial on staging, the safety backup and the emptying of the target, each where it applies.
 * Nothing of the target is touched before the identity, the archive and the target are known to fit. What was done is recorded.
 */
export async function restore(inputs: RestoreInputs, world: World): Promise<Outcome> {
  if (inputs.sideSchema !== undefined) return restoreAside(inputs, world);
  refuseContradictions(inputs);
  const clock = new PhaseClock();
  const settings = await reachDatabase('target-url', inputs.targetUrl, inputs.sslrootcert, world);
  const staging =
    inputs.stagingUrl === undefined
      ? undefined
      : await reachDatabase('staging-url', inputs.stagingUrl, inputs.sslrootcert, world);
  await using storage = await openStorage(inputs.storage, inputs, world);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const { candidates, manifest } = await chooseCandidates(repository, inputs, world);
  const state = await lookAtTarget(settings, inputs, world);
  const recoveryOf = (id: string) => candidates.find((candidate) => candidate.id === id)?.recovery;
  const recovery = recoveryOf(manifest.id);
  const found: Job = { inputs, settings, repository, manifest, recovery, state, clock, attempts: undefined };
  const job = await lookAtPart(found, world);
  if (inputs.dryRun) return await foresee(job, world);
  refuse(job);
  await makeReportFolder(inputs.reportFolder);
  if (staging === undefined) return await bringIn(await fitToTarget(job, world), world);

  const jobs = await fitJobs(staging, inputs.jobs, world);
  const trial = { ...inputs, jobs, command: undefined };
  const attempts = await tryInTurn(candidates, repository, staging, trial, world);
  clock.end('staging');
  const works = attempts.find(hasPassed)?.manifest;
  if (works !== undefined) {
    const other = { ...found, manifest: works, recovery: recoveryOf(works.id), attempts };
    return await bringIn(await fitToTarget(await lookAtPart(other, world), world), world);
  }
  const nothing: Done = { safetyBackup: null, left: [], held: [], ungiven: [], incomplete: false };
  const last = attempts.map(explainFailure).findLast((reason) => reason !== undefined);
  const why = `no backup passed on staging (${last}); the target was not touched`;
  await record({ ...job, attempts }, nothing, { outcome: 'failed', why }, world);
  return describeNoneWorks({ ...job, attempts });
}

/** With as many jobs as the target has sessions for. */
async function fitToTarget(job: Job, world: World): Promise<Job> {
  const jobs = await fitJobs(job.settings, job.inputs.jobs, world);
  return { ...job, inputs: { ...job.inputs, jobs } };
}

/** What a part of the backup meets in the target: the archive tells what it is. */
async function lookAtPart(job: Job, world: World): Promise<Job> {
  if (isWhole(job.inputs)) return job;
  const { part } = await prepareQuietly(job, world);
  return { ...job, state: { ...job.state, part } };
}

/** @throws ConfigurationError, the first of what is missing */
function refuse({ inputs, manifest, state }: Job): void {
  const [refusal] = findRefusals(inputs, manifest, state);
  if (refusal !== undefined) throw refusal;
}

/** The plan, and what would be asked for. */
function foresee(job: Job, world: World): Promise<Outcome> {
  return inScratchFolder(world, async (scratch) => {
    const { scope, foreseen } = await prepare(job, 'accept', scratch);
    return describeForesight(job, scope, foreseen);
  });
}

function prepare(job: Job, occupied: 'refuse' | 'accept', world: World): Promise<PreparedRestore> {
  const { inputs, settings, repository, manifest, recovery, state, clock } = job;
  const reader = createReader(repository, manifest, inputs.encryptionIdentity);
  const live = inputs.environment?.toLowerCase() === 'production' || isSourceOf(manifest, state);
  const request = { ...inputs, manifest, reader, recovery, settings, targetKind: state.kind, occupied, live };
  return prepareRestore(request, world, clock);
}

async function bringIn(job: Job, world: World): Promise<Outcome> {
  const { inputs, manifest, settings, state, clock } = job;
  refuse(job);
  world.log.info(
    `Restoring backup ${manifest.id} of ${manifest.source.snapshotAt} into ${describeConnection(settings)}${job.recovery === undefined ? '' : `, and what was committed after it until ${job.recovery.until}`}`,
  );
  const target = new MarkedTarget(settings, world);
  const done: Done = {
    safetyBackup: null,
    left: [],
    held: state.mark?.part?.held ?? [],
    ungiven: [],
    incomplete: false,
  };
  return inScratchFolder(world, async (scratch) => {
    const planned = await plan(job, scratch);
    try {
      const prepared = planned ?? (await makeRoom(job, done, target, scratch));
      await target.leave(describeMark(job, done));
      done.incomplete = true;
      const parity = await prepared.run(target.note);
      done.ungiven = await giveBack(done.held, settings, target, world);
      await target.remove();
      done.incomplete = false;
      const usableAfter = clock.elapsed() - (clock.milliseconds().parity ?? 0);
      const checks = await askChecks(settings, inputs.checks, world);
      if (checks.length > 0) clock.end('checks');
      if (parity !== undefined) await writeParity(inputs.reportFolder, prepared.scope, parity, world, checks);
      await record(job, done, judge(parity, checks), world);
      return describeResult({ ...job, ...done, scope: prepared.scope, parity, checks, usableAfter });
    } catch (error) {
      await record(job, done, { outcome: 'failed', why: messageOf(error) }, world);
      throw done.incomplete && isKnownError(error) ? explainStop(error, job) : error;
    }
  });
}

/**
 * Makes sure that the backup and the target fit before anything is touched.
 *
 * @returns undefined when the target has to be emptied first: what is planned for a full one does not hold for the empty one
 */
async function plan(job: Job, world: World): Promise<PreparedRestore | undefined> {
  // What is not chosen of a part, stays.
  if (!isOccupied(job.state)) return prepare(job, job.state.part === undefined ? 'refuse' : 'accept', world);
  await prepareQuietly(job, world);
  return undefined;
}

/** For what a plan tells of the target as it is now; what it says to people is not what will happen. */
function prepareQuietly(job: Job, world: World): Promise<PreparedRestore> {
  const { log } = world;
  const quiet = { ...log, info: log.debug, warn: log.debug };
  return inScratchFolder({ ...world, log: quiet }, (scratch) => prepare(job, 'accept', scratch));
}

function describeMark({ inputs, manifest, state }: Job, { safetyBackup, held }: Done): UnsignedMark {
  const { include, exclude } = inputs;
  const part = state.part === undefined ? {} : { part: { include, exclude, held } };
  return { backup: manifest.id, wasEmpty: !isWorthKeeping(state), safetyBackup, ...part };
}

/** Backs the target up, takes away what has to give way, and plans anew. */
async function makeRoom(job: Job, done: Done, target: MarkedTarget, world: World): Promise<PreparedRestore> {
  const { inputs, manifest, settings, state, clock } = job;
  if (needsSafetyBackup(inputs, state)) {
    const doubtful = job.attempts?.some((attempt) => !hasPassed(attempt)) ?? false;
    done.safetyBackup = await takeSafetyBackup(inputs, manifest, doubtful, world);
    clock.end('safety backup');
    world.log.info(`The target is backed up as ${done.safetyBackup}`);
  }
  const session = await openSession(settings, world.signal);
  try {
    await refuseAnother(session, state);
    // Rules and triggers of what is emptied do what they do.
    await letRead(session);
    if (state.part === undefined) await empty(session, job, done, world);
    else await replace(session, job, done, target);
  } finally {
    await session.close();
  }
  clock.end('clean');
  // What of a Supabase target could not be removed is told, and the restore goes around it.
  const occupied = state.kind === 'plain' && state.part === undefined ? 'refuse' : 'accept';
  return prepare(job, occupied, world);
}

async function empty(session: Session, { state }: Job, done: Done, world: World): Promise<void> {
  const { transactions, left } = await world.log.group('Emptying the target', () =>
    emptyDatabase(session, state.kind),
  );
  done.left = left;
  done.incomplete = true;
  if (transactions > 1) {
    world.log.info(`It took ${transactions} transactions: the server has too few locks for one.`);
  }
}

/** Nothing but the chosen objects; the mark says from the same moment what has to be given back. */
async function replace(session: Session, job: Job, done: Done, target: MarkedTarget): Promise<void> {
  const { part } = job.state;
  if (part === undefined) return;
  const before = done.held;
  await removePart(session, part.chosen, (within, held) => {
    const known = new Set(held.map(({ add }) => add));
    done.held = [...before.filter(({ add }) => !known.has(add)), ...held];
    return target.leaveWithin(within, describeMark(job, done));
  });
  done.incomplete = true;
}

async function giveBack(
  held: readonly Held[],
  settings: ConnectionSettings,
  target: MarkedTarget,
  world: World,
): Promise<Omission[]> {
  if (held.length === 0) return [];
  return await beginStep({ name: 'giving back', objects: held.length }, target.note, world, () =>
    askServer({ settings }, world, 'foreign keys', (session) => giveBackHeld(session, held)),
  );
}

type Result = Pick<RecordContent<'restores'>, 'outcome' | 'why'>;

function judge(parity: Parity | undefined, checks: readonly CheckResult[]): Result {
  const failed = explainChecks(checks);
  if (parity?.equal === false) return { outcome: 'different', why: null };
  if (failed !== undefined) return { outcome: 'failed', why: failed };
  return { outcome: parity === undefined ? 'unverified' : 'equal', why: null };
}

/** What stopped the restore, with how far it came and the two ways on. */
function explainStop(error: KnownError, { manifest, state, clock }: Job): KnownError {
  const phases = Object.keys(clock.milliseconds()).filter((phase) => phase !== 'total');
  const message = `${error.message}; the restore stopped after ${phases.join(', ')}, and the target is incomplete`;
  const next =
    state.part?.isInUse === true
      ? `Nothing but the chosen objects was touched: keep the database, mend the cause, and run the same again with backup-id ${manifest.id} and clean.`
      : `${error.next} Then start over with backup-id ${manifest.id} and clean, or restore into a new database.`;
  if (error instanceof StorageError) {
    const { configuration, missing } = error;
    return new StorageError(message, next, { cause: error, configuration, missing });
  }
  const Kind = error.constructor as typeof TargetError | typeof ConfigurationError;
  return new Kind(message, next, error);
}

async function record(job: Job, done: Done, result: Result, world: World): Promise<void> {
  const { inputs, repository, manifest, state, clock, attempts = [] } = job;
  await recordIfPossible(repository, 'restores', 'restore', world, {
    backup: manifest.id,
    target: state.target,
    actor: nameActor(world),
    run: describeHolder(world.env),
    whole: isWhole(inputs),
    kind: state.kind,
    environment: inputs.environment ?? null,
    confirmed: inputs.confirmed,
    safetyBackup: done.safetyBackup,
    staging: attempts.map((attempt) => ({
      backup: attempt.backup,
      why: maskReason(explainFailure(attempt), world.mask),
    })),
    ...{ ...result, why: maskReason(result.why, world.mask) },
    phases: clock.milliseconds(),
    recoveredTo: job.recovery?.until ?? null,
  });
}
