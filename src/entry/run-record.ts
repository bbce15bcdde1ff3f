import { tmpdir } from 'node:os';
import * as v from 'valibot';
import { classifyFailure, classifyNegative } from '../alarm/failure-class.ts';
import { backupId } from '../format/manifest.ts';
import { nameActor, nameHost, readRun } from '../github/run.ts';
import { type RecordedOperation, recordedOperations } from '../interface/inputs/operations.ts';
import type { Inputs, RecordedInputs } from '../interface/inputs/types.ts';
import type { Outcome } from '../interface/outcome.ts';
import { openRepository, parseRepository, type Repository } from '../repository/open.ts';
import { appendRun, type RecordContent } from '../repository/records.ts';
import type { Context } from '../runtime/context.ts';
import { endWith, startTimer } from '../runtime/deadline.ts';
import { messageOf } from '../runtime/errors.ts';
import { toolVersion } from '../runtime/version.ts';
import { openStorage } from '../storage/open.ts';
import type { Storage } from '../storage/storage.ts';
import type { SlotLook, SlotState } from '../values/slot-look.ts';
import { tellNegative } from './process/failure.ts';
import { Interruption } from './process/interruption.ts';
import { bringRecords, warnOfArtifact } from './run-delivery.ts';
import type { End } from './run-end.ts';

type RunContext = Omit<Context, 'temporaryFolder'>;

/** What is known of a run besides its end. */
export interface RunFacts {
  /** Undefined when they contain a mistake */
  readonly inputs: Inputs | undefined;
  readonly startedAt: Date;
  /** `repository.json` of each repository that the run has opened, by the location of its storage */
  readonly opened: ReadonlyMap<string, Buffer>;
  /** The last look at the slot of captures; undefined when the run has not looked */
  readonly slot: SlotLook | undefined;
}

/**
 * milliseconds. A run that was stopped has a few seconds left, which its alarm needs, too; a storage that has
 * not answered by then gets less of them.
 */
const limits = { totalMs: 8000, afterStopMs: 3000, unansweredMs: 500, spareMs: 300 } as const;

/**
 * Records in the repository how a run ended, and then brings what is missing into the database of the records.
 * Never throws, and takes a bounded time: a record says what a run came to, and must not change it. There is
 * none without a repository, and a failure creates none.
 */
export async function recordRun(end: End, facts: RunFacts, context: RunContext): Promise<void> {
  const { inputs } = facts;
  if (inputs === undefined || !isRecorded(inputs)) return;
  // Whoever has opened the repository expects a record in it; a failure before that is told by itself.
  const level = facts.opened.size > 0 ? 'warn' : 'debug';
  const skip = (why: string) =>
    context.log[level](`this run is not in the records of its repository: ${why}`);
  // A repository in an artifact would have to be stored anew as a whole.
  if (/^artifact:/i.test(inputs.storage)) {
    context.log.debug('this run is not in the records of its repository: an artifact is written once');
    return warnOfArtifact(inputs, context);
  }
  const afterStopMs = afterStopOf(context.signal, facts.opened.size > 0);
  try {
    using timer = startTimer(limits.totalMs, context.signal, afterStopMs);
    const content = describeRun(end, inputs, facts, context);
    await endWith(timer, (signal) => append(content, inputs, facts.opened, { ...context, signal }));
  } catch (error) {
    return skip(messageOf(error));
  }
  await bringRecords(inputs, (storage) => reopen(storage, inputs.repositoryKey, facts.opened), context);
}

function isRecorded(inputs: Inputs): inputs is RecordedInputs {
  const isOne: readonly string[] = recordedOperations;
  const hasStorage = 'storage' in inputs && inputs.storage !== undefined;
  return hasStorage && isOne.includes(inputs.operation) && !('dryRun' in inputs && inputs.dryRun);
}

function afterStopOf({ reason }: AbortSignal, hasAnswered: boolean): number {
  const mostMs = hasAnswered ? limits.afterStopMs : limits.unansweredMs;
  if (!(reason instanceof Interruption)) return mostMs;
  return Math.max(0, Math.min(mostMs, reason.timeLeftMs - limits.spareMs));
}

async function append(
  content: RecordContent<'runs'>,
  inputs: RecordedInputs,
  opened: RunFacts['opened'],
  context: RunContext,
): Promise<void> {
  // No file is written outside of the storage.
  await using storage = await openStorage(inputs.storage, inputs, { ...context, temporaryFolder: tmpdir() });
  const repository = await reopen(storage, inputs.repositoryKey, opened);
  await appendRun(repository, context.now(), content);
}

/** Reads nothing where the run has opened the repository: a success costs the write alone. */
async function reopen(
  storage: Storage,
  repositoryKey: string | undefined,
  opened: RunFacts['opened'],
): Promise<Repository> {
  const config = opened.get(storage.location);
  return config === undefined
    ? await openRepository(storage, repositoryKey)
    : parseRepository(storage, config, repositoryKey);
}

/** Describes a run by its inputs and its typed outcome, without secrets. */
export function describeRun(
  end: End,
  inputs: RecordedInputs,
  { startedAt, slot }: Pick<RunFacts, 'startedAt' | 'slot'>,
  { env, now, redact }: Pick<RunContext, 'env' | 'now' | 'redact'>,
): RecordContent<'runs'> {
  const { outputs, taken }: Partial<Outcome> = 'outcome' in end ? end.outcome : {};
  const run = readRun(env);
  const numberOf = (name: string) => {
    const value = outputs?.[name];
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  };
  return {
    operation: inputs.operation,
    startedAt: startedAt.toISOString(),
    endedAt: now().toISOString(),
    ...judge(end, inputs.operation, redact),
    backup: v.is(backupId, outputs?.['backup-id']) ? outputs['backup-id'] : null,
    backupType: taken?.type ?? (inputs.operation === 'backup' ? inputs.backupType : null),
    rows: numberOf('rows') ?? taken?.rows,
    bytes: taken?.bytes,
    storedBytes: taken?.storedBytes,
    // A capture adds changes, too.
    newBytes: numberOf('new-bytes') ?? taken?.newBytes,
    objects: taken?.objects,
    phases: taken?.phases,
    slot: slot && { at: slot.at.toISOString(), state: slot.state && pickState(slot.state) },
    actor: redact(nameActor({ env })),
    run: run === undefined ? null : { url: redact(run.url), attempt: run.attempt },
    version: toolVersion,
    host: nameHost(env),
  };
}

/** A slot is noted with more than its state. */
function pickState({ name, retainedBytes, safeBytes, walStatus, isActive }: SlotState): SlotState {
  return { name, retainedBytes, safeBytes, walStatus, isActive };
}

/** Characters of a message that are kept */
const longestMessage = 4000;

function judge(
  end: End,
  operation: RecordedOperation,
  redact: (text: string) => string,
): Pick<RecordContent<'runs'>, 'outcome' | 'exitCode' | 'failure'> {
  const told = (text: string) => redact(text).slice(0, longestMessage);
  if ('failure' in end) {
    const { kind, message, next, exitCode } = end.failure;
    const failure = { class: classifyFailure(kind, end.error), message: told(message), next: told(next) };
    return { outcome: 'failed', exitCode, failure };
  }
  const { exitCode, outputs } = end.outcome;
  if (exitCode === 0) return { outcome: 'done', exitCode, failure: null };
  const failure = {
    class: classifyNegative(operation, outputs),
    message: told(tellNegative(operation, end.outcome)),
    next: null,
  };
  return { outcome: 'no', exitCode, failure };
}
