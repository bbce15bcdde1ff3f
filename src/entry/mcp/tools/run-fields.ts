import * as v from 'valibot';
import { count, maybeTime, omission, time } from '../../../interface/fields.ts';
import type { Inputs } from '../../../interface/inputs/types.ts';
import { wholeNumber } from '../../../interface/inputs/values.ts';
import type { Told } from '../../../interface/outcome.ts';
import type { Context } from '../../../runtime/context.ts';
import { createAlarm } from '../../run-alarm.ts';
import type { RunState } from '../runs.ts';
import type { Call } from '../tool.ts';
import { maybeCount } from './fields.ts';
import { fixInputs } from './parsed-inputs.ts';

/* Runs: what was started here, how it stands, and what it came to. */

/** The waiting of a call, below the minute after which most clients give a call up */
export const wait = {
  'wait-seconds': {
    description: 'How long to wait for its end before answering that it still runs, 0 to 50 seconds.',
    default: '40',
    parse: wholeNumber(0, 50),
  },
} as const;

const attempt = v.strictObject({
  backup: v.string(),
  passed: v.boolean(),
  why: v.pipe(v.nullable(v.string()), v.description('Why it failed; it may quote the server')),
  recoveryMilliseconds: maybeCount,
});

/** A copy after a mirror */
const copied = v.strictObject({
  name: v.string(),
  location: v.string(),
  why: v.pipe(v.nullable(v.string()), v.description('Why it could not be written')),
  copied: v.nullable(
    v.strictObject({ objects: count, backups: count, changes: count, signatures: count, records: count }),
  ),
  bytes: maybeCount,
  refused: v.array(v.strictObject({ key: v.string(), why: v.string() })),
  moreRefused: count,
  missingBackups: v.pipe(maybeCount, v.description('That it lacks after the run')),
});

/** What a run came to, by operation */
export const results = {
  backup: v.strictObject({
    operation: v.literal('backup'),
    backup: v.string(),
    kind: v.picklist(['full', 'incremental', 'schema']),
    base: v.nullable(v.string()),
    snapshotAt: time,
    tables: count,
    rows: count,
    bytes: count,
    storedBytes: count,
    newBytes: count,
    encrypted: v.boolean(),
    doubts: v.pipe(
      v.array(v.string()),
      v.description('What casts doubt on earlier backups; empty in a sound repository'),
    ),
    notCarried: v.array(omission),
    milliseconds: count,
  }),
  drill: v.strictObject({
    operation: v.literal('drill'),
    outcome: v.pipe(
      v.picklist(['passed', 'fell-back', 'failed']),
      v.description('`fell-back`: only an older backup works'),
    ),
    works: v.pipe(v.nullable(v.string()), v.description('The backup that works')),
    recoveryMilliseconds: maybeCount,
    overrunMilliseconds: v.pipe(maybeCount, v.description('By how much it took longer than it may')),
    attempts: v.array(attempt),
  }),
  mirror: v.strictObject({
    operation: v.literal('mirror'),
    copies: v.array(copied),
    milliseconds: count,
  }),
  validate: v.strictObject({
    operation: v.literal('validate'),
    sound: v.boolean(),
    backups: count,
    damagedBackups: v.array(v.string()),
    objectsChecked: count,
    objects: count,
    bytesRead: count,
    opened: v.pipe(
      v.boolean(),
      v.description('Whether contents were looked into, or stored bytes only hashed'),
    ),
    damages: v.array(v.strictObject({ backup: v.nullable(v.string()), part: v.string(), how: v.string() })),
    moreDamages: count,
  }),
};

export type RunOperation = keyof typeof results;
export type RunResult<Operation extends RunOperation> = v.InferOutput<(typeof results)[Operation]>;

const runEntries = {
  run: v.pipe(v.string(), v.description('Its id, for backup_run_show')),
  operation: v.string(),
  state: v.pipe(
    v.picklist(['running', 'done', 'no', 'failed']),
    v.description('`no`: it ran, and the answer is no. `failed`: it could not do its work, or was stopped.'),
  ),
  startedAt: time,
  endedAt: maybeTime,
  progress: v.nullable(v.string()),
  warnings: v.array(v.string()),
  failure: v.nullable(v.strictObject({ kind: v.string(), message: v.string(), next: v.string() })),
} satisfies v.ObjectEntries;

/** A run of one operation */
export function describeRun<Operation extends RunOperation>(operation: Operation) {
  return { ...runEntries, result: v.nullable(results[operation]) };
}

/** A run of any operation */
export const anyRun = v.strictObject({
  ...runEntries,
  result: v.nullable(
    v.variant('operation', [results.backup, results.drill, results.mirror, results.validate]),
  ),
});

type RunFields<Operation extends RunOperation> = Omit<v.InferOutput<typeof anyRun>, 'result'> & {
  readonly result: RunResult<Operation> | null;
};

const mostWarnings = 20;

export function toRunFields<Operation extends RunOperation = RunOperation>(
  state: RunState,
): RunFields<Operation> {
  const { id, operation, startedAt, endedAt, progress = null, warnings, failure } = state;
  return {
    ...{ run: id, operation, state: state.state, progress, warnings: warnings.slice(-mostWarnings) },
    ...{ startedAt: startedAt.toISOString(), endedAt: endedAt?.toISOString() ?? null },
    // Only results of this schema are started with.
    result: (state.result as RunResult<Operation> | undefined) ?? null,
    failure:
      failure === undefined ? null : { kind: failure.kind, message: failure.message, next: failure.next },
  };
}

/** Starts a run as the command line does, with its alarms and records, and waits for its end a while. */
export async function startRun<Operation extends RunOperation>(
  call: Pick<Call, 'read' | 'context' | 'request' | 'server'>,
  inputs: Inputs & { readonly operation: Operation },
  waitSeconds: number,
  perform: (context: Context) => Promise<Told<RunResult<Operation>>>,
) {
  const { runs } = call.server;
  const alarm = createAlarm(fixInputs(call.read, inputs.operation), runs.context);
  const id = runs.start({ inputs, alarm, perform });
  return tellRun<Operation>(await runs.watch(id, waitSeconds * 1000, call.request.mcpReq.signal));
}

export function tellRun<Operation extends RunOperation = RunOperation>(state: RunState) {
  return { value: toRunFields<Operation>(state), isError: state.state === 'failed' };
}
