import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { day } from '../../values/duration.ts';
import { timedId } from '../../values/timed-id.ts';
import { groupOf, type RunEvent } from '../event.ts';

/**
 * What an issue remembers of its failures, in a comment at the end of its text that only the source shows. It holds digests, times
 * and numbers, and no words.
 */
const timestamp = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.check((text) => !Number.isNaN(Date.parse(text))),
);

const orderSchema = v.object({
  startedAt: timestamp,
  /** Digest of the workflow's file; null outside of a runner */
  workflow: v.nullable(v.string()),
  run: v.number(),
  attempt: v.number(),
});

const stateSchema = v.object({
  version: v.literal(1),
  /** Digest of failure class, group of operations and database: one open issue each */
  fingerprint: v.string(),
  /** Digest of group and database: a success closes all of these */
  group: v.string(),
  firstFailureAt: timestamp,
  failures: v.number(),
  /** The newest event that was noted, be it a failure or the success that closed it */
  last: orderSchema,
  lastCommentAt: timestamp,
  /** Digests of the messages told since the last daily comment */
  told: v.array(v.string()),
  level: v.picklist(['normal', 'high']),
  /** The older issue of the same, when two runs opened one at once */
  duplicateOf: v.optional(v.number()),
});

export type IssueState = v.InferOutput<typeof stateSchema>;
export type EventOrder = v.InferOutput<typeof orderSchema>;

const [opening, closing] = ['<!-- supabase-backup-alarm ', ' -->'];

/** Ends a text with the state. */
export function writeState(text: string, state: IssueState): string {
  const lines = text.split('\n').map((line) => {
    const found = findMarker(line);
    return found === undefined ? line : line.slice(0, found.start) + line.slice(found.end);
  });
  return `${lines.join('\n').trimEnd()}\n\n${opening}${JSON.stringify(state)}${closing}`;
}

/**
 * From the first beginning of a marker in a line to the last end. A message may hold as many of both as it likes, which a regular
 * expression would try one against the other.
 */
function findMarker(line: string): { start: number; end: number; json: string } | undefined {
  const start = line.indexOf(`${opening}{`);
  const json = start + opening.length;
  const last = line.lastIndexOf(`}${closing}`);
  if (start < 0 || last <= json) return undefined;
  return { start, end: last + 1 + closing.length, json: line.slice(json, last + 1) };
}

/** Undefined when the text is none of ours. The last one counts: a message further up may hold anything. */
export function readState(text: string): IssueState | undefined {
  const json = text
    .split('\n')
    .map((line) => findMarker(line)?.json)
    .findLast((found) => found !== undefined);
  if (json === undefined) return undefined;
  try {
    const parsed = v.safeParse(stateSchema, JSON.parse(json));
    return parsed.success ? parsed.output : undefined;
  } catch {
    // Somebody edited it; an issue without a state is a stranger's.
    return undefined;
  }
}

export function groupDigest({ operation, database }: RunEvent): string {
  return digest(['group', groupOf(operation), database]);
}

export function fingerprintOf({ operation, database }: RunEvent, failureClass: string): string {
  return digest(['failure', failureClass, groupOf(operation), database]);
}

const ids = new RegExp(timedId, 'g');

/** Of a message without ids, numbers and quantities: a duration or a backup that differs is no other cause. */
export function messageDigest(message: string): string {
  const words = message
    .replace(ids, '#')
    .replace(/\b[0-9a-f]*\d[0-9a-f]*\b/gi, '#')
    .replace(/[\d#]+(?:[.,:][\d#]+)*/g, '#')
    .replace(/# ?(?:ms|s|min|h|[kMGTP]?B)\b(?: # ?(?:s|min)\b)?/g, '#');
  return digest(['message', words]).slice(0, 16);
}

export function orderOf({ run, startedAt }: RunEvent): EventOrder {
  return {
    startedAt: startedAt.toISOString(),
    workflow: run === undefined ? null : digest(['workflow', run.repository, run.workflowFile]).slice(0, 16),
    run: run?.number ?? 0,
    attempt: run?.attempt ?? 0,
  };
}

/**
 * Whether an event is older than another. Runs of one workflow are counted, and machines' clocks differ; but a run that was started
 * again keeps its number, so that between runs of which one was, and between workflows, the clock decides. What began a day later is not
 * older, whatever the numbers say: no machine's clock is so wrong, and somebody may have made them up, to keep failures back.
 */
export function precedes(event: EventOrder, other: EventOrder): boolean {
  if (Date.parse(event.startedAt) - Date.parse(other.startedAt) > day) return false;
  if (event.workflow !== null && event.workflow === other.workflow) {
    if (event.run === other.run && event.attempt !== other.attempt) return event.attempt < other.attempt;
    if (event.run !== other.run && event.attempt === 1 && other.attempt === 1) return event.run < other.run;
  }
  return event.startedAt < other.startedAt;
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
