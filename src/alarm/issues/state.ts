import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { day } from '../../values/duration.ts';
import { timedId } from '../../values/timed-id.ts';
import { groupOf, type RunEvent } from '../event.ts';

/*
 * The state of a failure issue, stored in an HTML comment at the end of its text, which GitHub does not show.
 * It holds digests, times and numbers only, and no text of an error.
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
  /** Digest of failure class, group of operations and database; each has one open issue. */
  fingerprint: v.string(),
  /** Digest of group of operations and database; a success closes all issues with it. */
  group: v.string(),
  firstFailureAt: timestamp,
  failures: v.number(),
  /** The newest event that the issue records: a failure, or the success that closed it */
  last: orderSchema,
  lastCommentAt: timestamp,
  /** Digests of the messages commented since the last daily comment */
  told: v.array(v.string()),
  level: v.picklist(['normal', 'high']),
  /** Number of the older issue, when two runs opened one at once */
  duplicateOf: v.optional(v.number()),
});

export type IssueState = v.InferOutput<typeof stateSchema>;
export type EventOrder = v.InferOutput<typeof orderSchema>;

const [opening, closing] = ['<!-- supabase-backup-alarm ', ' -->'];

/** Appends the state to a text, and removes any other state from it. */
export function writeState(text: string, state: IssueState): string {
  const lines = text.split('\n').map((line) => {
    const found = findMarker(line);
    return found === undefined ? line : line.slice(0, found.start) + line.slice(found.end);
  });
  return `${lines.join('\n').trimEnd()}\n\n${opening}${JSON.stringify(state)}${closing}`;
}

/**
 * Finds the text from the first start of a marker in a line to the last end. A message may hold many of both;
 * a regular expression would try every combination.
 */
function findMarker(line: string): { start: number; end: number; json: string } | undefined {
  const start = line.indexOf(`${opening}{`);
  const json = start + opening.length;
  const last = line.lastIndexOf(`}${closing}`);
  if (start < 0 || last <= json) return undefined;
  return { start, end: last + 1 + closing.length, json: line.slice(json, last + 1) };
}

/**
 * Reads the state from an issue's text; undefined when it has none. The last marker counts: a message above
 * it may hold anything.
 */
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
    // The state was edited by hand; an issue without a readable state is treated like a stranger's.
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

/** Digests a message without ids, numbers and quantities: these differ for the same cause. */
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
 * Tells whether an event is older than another. Between runs of one workflow the run numbers decide, because
 * the clocks of machines differ. A re-run keeps its number, so the clock decides when either run is one, and
 * between workflows. An event that began more than a day later is never older, whatever the numbers say: no
 * machine's clock is that wrong, and the numbers may be forged to suppress failures.
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
