import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { backupId, count, time } from '../format/manifest.ts';
import { slotState } from '../format/slot-state.ts';
import type { Context } from '../runtime/context.ts';
import { IntegrityError, isKnownError, StorageError } from '../runtime/errors.ts';
import { runWorkers } from '../runtime/workers.ts';
import { compare } from '../values/ordering.ts';
import { createTimedId, stampOf } from '../values/timed-id.ts';
import { type ListedRecord, listRecords } from './listed-records.ts';
import type { Repository } from './open.ts';
import { damagedPart, objectName, retraction, segmentKey } from './recorded-damage.ts';
import { readSealed, type SealedKind, SealedReading, sealContent } from './signature.ts';

/*
 * Facts that became known after a manifest was written, which never changes:
 * `records/<kind>/<time>-<random>.json`. Each is written once and never replaced; among records that
 * contradict each other the newest wins.
 */

/** Unknown fields of a later version are ignored: a fact that is known in part is better than none. */
const contentSchemas = {
  /** A run of `validate`. */
  validations: v.object({
    /** The share of the objects that was read, above 0; 1 means all of them. */
    share: v.pipe(v.number(), v.gtValue(0), v.maxValue(1)),
    backups: v.array(
      v.object({
        id: backupId,
        outcome: v.picklist(['passed', 'damaged']),
        /** Whether its objects were decrypted and decompressed, or only the stored bytes hashed. */
        opened: v.boolean(),
        /**
         * Where the damage is, so that a later check knows where to look. Absent in records of older
         * versions, and for a backup that passed.
         */
        part: v.optional(damagedPart),
      }),
    ),
    /** Names of the objects that were missing or damaged: the next backup that needs one stores it anew. */
    damagedObjects: v.optional(v.array(objectName), []),
    /** Segments of captured changes; `manifest` is the header. Absent when none was, and in older records. */
    damagedSegments: v.optional(v.array(v.object({ key: segmentKey, part: damagedPart }))),
    /** Damage that earlier records report, and a later read did not find; only validations name segments. */
    retracted: v.optional(retraction),
  }),
  /** `pin` and `unpin`: they overrule the manifest's own `pin`. */
  pins: v.object({ backup: backupId, pinned: v.boolean() }),
  /** One backup of a run of `drill`. */
  drills: v.object({
    backup: backupId,
    outcome: v.picklist(['passed', 'failed']),
    /** Why it failed; null when it passed */
    why: v.nullable(v.string()),
    /** Where it failed; null when it passed, absent in what older versions wrote */
    fault: v.optional(v.nullable(v.picklist(['restore', 'parity', 'checks', 'command']))),
    /** milliseconds until the restored database could have been used; null when it never could */
    recovery: v.nullable(count),
    /** milliseconds that it was allowed to take then; null: no target was given; absent in older records */
    rtoTarget: v.optional(v.nullable(count)),
    /** User, host, port and database of the server of the drill; absent in older records */
    server: v.optional(v.string()),
    /** milliseconds by phase, as far as the drill came */
    phases: v.record(v.string(), count),
    /** Whether the restored database was what the backup had recorded; null when it was not compared */
    parity: v.nullable(v.boolean()),
    /** The point in time that the database was brought to; null or absent: that of the backup */
    recoveredTo: v.optional(v.nullable(v.string())),
    checks: v.object({ asked: count, failed: v.array(v.string()) }),
  }),
  /** A run of `restore`, except a dry run: who restored which backup where, and the result. */
  restores: v.object({
    backup: backupId,
    /** User, host, port and database of the target */
    target: v.string(),
    /** The workflow's actor, or the user of the machine */
    actor: v.string(),
    /** The run on GitHub, or machine and process */
    run: v.string(),
    /** The point in time that the database was brought to; null or absent: that of the backup */
    recoveredTo: v.optional(v.nullable(v.string())),
    /** Whether the whole backup was restored, rather than chosen tables */
    whole: v.boolean(),
    /** The kind that the target was recognized as */
    kind: v.optional(v.string()),
    /** The environment that the user has declared for the target */
    environment: v.optional(v.nullable(v.string())),
    /** Whether the words that confirm the restore were typed */
    confirmed: v.optional(v.boolean()),
    /** The backup of the target that was taken before it was emptied */
    safetyBackup: v.optional(v.nullable(backupId)),
    /** Its size; absent where there is none, or in another storage, and in older records */
    safety: v.optional(v.object({ rows: count, bytes: count, storedBytes: count, newBytes: count })),
    /** Backups that were tried elsewhere first, in order; `why` is null for the one that passed */
    staging: v.optional(v.array(v.object({ backup: backupId, why: v.nullable(v.string()) }))),
    outcome: v.picklist(['equal', 'different', 'unverified', 'failed']),
    /** Why it failed; null when it did not */
    why: v.nullable(v.string()),
    /** milliseconds by phase, as far as the restore came */
    phases: v.record(v.string(), count),
  }),
  /** A run of any operation that changes something or proves it, whatever it came to; no dry run. */
  runs: v.object({
    operation: v.string(),
    startedAt: time,
    endedAt: time,
    /** `no`: it ran, and its answer is no (exit code 3) */
    outcome: v.picklist(['done', 'no', 'failed']),
    exitCode: count,
    /** Null when it is done */
    failure: v.nullable(
      v.object({
        /** The failure class, such as `SourceError/authentication` */
        class: v.string(),
        message: v.string(),
        /** What to do about it; null where the report of the run says it */
        next: v.nullable(v.string()),
      }),
    ),
    /** The backup that was made, restored, tried or named */
    backup: v.nullable(backupId),
    /** What the backup became that was taken, or should have been; null where none was */
    backupType: v.nullable(v.string()),
    /** What was read, restored or stored; absent where there is no such number */
    rows: v.optional(count),
    bytes: v.optional(count),
    storedBytes: v.optional(count),
    newBytes: v.optional(count),
    objects: v.optional(count),
    /** milliseconds by phase, of the backup that was taken; absent where none was, and in what older versions wrote */
    phases: v.optional(v.record(v.string(), count)),
    /** The last look at the slot of captures; absent when the run has not looked, and in older records */
    slot: v.optional(v.object({ at: time, state: v.nullable(slotState) })),
    /** The workflow's actor, or the user of the machine */
    actor: v.string(),
    /** The run on GitHub; null elsewhere */
    run: v.nullable(v.object({ url: v.string(), attempt: count })),
    /** Of this tool */
    version: v.string(),
    host: v.picklist(['github-hosted', 'self-hosted', 'machine']),
  }),
  /** A run of `cleanup`. */
  prunes: v.object({
    /** The policy, rule by rule */
    retention: v.record(v.string(), v.union([v.string(), v.number()])),
    timeZone: v.string(),
    removed: v.array(v.object({ id: backupId, why: v.string() })),
    /**
     * The newest of the backups that this cleanup left: with them the next cleanup can tell which ones
     * vanished without a cleanup.
     */
    kept: v.optional(v.array(backupId)),
    /** How many segments of captured changes were removed */
    segments: v.optional(count),
    objects: v.object({
      removed: count,
      /** stored bytes that were freed */
      bytes: count,
    }),
    /** Objects that no backup needed, which wait for the grace period to pass */
    marked: count,
    /** Stored files that the storage refused to delete */
    retained: count,
    /** Objects that are no longer listed, and whose bytes the storage keeps as versions */
    hidden: v.optional(v.object({ objects: count, bytes: count })),
  }),
} as const;

export type RecordKind = keyof typeof contentSchemas;
export type RecordContent<Kind extends RecordKind> = v.InferOutput<(typeof contentSchemas)[Kind]>;

export interface StoredRecord<Kind extends RecordKind> {
  /** By the clock of the machine that wrote the record */
  readonly at: Date;
  /**
   * By the storage's clock, comparable with the times of objects. A copy of the repository has other times.
   */
  readonly storedAt: Date;
  readonly content: RecordContent<Kind>;
}

/** A record with its name, which begins with its time, and no other record of its kind and repository has. */
export interface NamedRecord<Kind extends RecordKind> extends StoredRecord<Kind> {
  readonly id: string;
}

export function recordKey(kind: RecordKind, id: string): string {
  return `records/${kind}/${id}.json`;
}

/** How many records are read at once. */
const readers = 16;

/** Two records of one second share an id once in 65,536 times. */
const maxAttempts = 8;

const envelope = <Kind extends RecordKind>(kind: Kind) =>
  v.object({
    format: v.literal(1),
    /** The record's own name, so that a copy of an old record under a newer name is detected. */
    id: v.string(),
    at: time,
    content: contentSchemas[kind],
  });

/**
 * Writes a record, and returns when it is durable.
 *
 * @param now the time of the record; it must be later than that of a record that it is meant to overrule
 * @throws StorageError when the storage refuses it, for example because the credentials are read-only
 */
export async function appendRecord<Kind extends RecordKind>(
  repository: Repository,
  kind: Kind,
  now: Date,
  content: RecordContent<Kind>,
): Promise<void> {
  const at = now.toISOString();
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const id = createTimedId(now);
    const sealed = sealContent(repository, sealedKind(kind), { format: 1, id, at, content });
    if (await repository.storage.create(recordKey(kind, id), sealed)) return;
  }
  throw new StorageError(
    `${repository.storage.location} reported ${maxAttempts} times that a record of ${stampOf(now)} in records/${kind} exists already`,
    'Check that the storage can tell absent keys from present ones, then run the operation again.',
  );
}

/**
 * Writes the record of a run, in one request and without asking whether its name is free: one of eight random
 * bytes is.
 *
 * @throws StorageError as `appendRecord` does
 */
export async function appendRun(
  repository: Repository,
  now: Date,
  content: RecordContent<'runs'>,
): Promise<void> {
  const id = `${createTimedId(now)}${randomBytes(6).toString('hex')}`;
  const record = { format: 1, id, at: now.toISOString(), content };
  const sealed = sealContent(repository, sealedKind('runs'), record);
  await repository.storage.put(recordKey('runs', id), sealed);
}

/**
 * Writes a record, and only warns when it cannot be written: credentials that may only read are enough for
 * the operation that it is about.
 *
 * @param what the operation in the warning, such as `restore`
 */
export async function recordIfPossible<Kind extends RecordKind>(
  repository: Repository,
  kind: Kind,
  what: string,
  context: Pick<Context, 'log' | 'now'>,
  content: RecordContent<Kind>,
): Promise<void> {
  try {
    await appendRecord(repository, kind, context.now(), content);
  } catch (error) {
    if (!isKnownError(error)) throw error;
    context.log.warn(`the ${what} could not be recorded: ${error.message}`);
  }
}

/**
 * Reads the records of one kind, oldest first. A record that is damaged, forged or misplaced is reported to
 * `onDamaged` with its key, and ignored.
 *
 * @param newest the most records to read, the newest by name; by default all
 * @param since leaves older records out
 * @param onUnread receives how many records since then `newest` has left out
 * @throws StorageError when a record cannot be read at all
 */
export async function readRecords<Kind extends RecordKind>(
  repository: Repository,
  kind: Kind,
  onDamaged: (error: IntegrityError, key: string) => void,
  {
    newest = Number.POSITIVE_INFINITY,
    since = new Date(0),
    onUnread,
    signal = new AbortController().signal,
  }: {
    newest?: number;
    since?: Date;
    onUnread?: (count: number) => void;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<NamedRecord<Kind>[]> {
  const from = stampOf(since);
  const listed = (await listRecords(repository, kind)).filter(({ id }) => id >= from);
  const chosen = listed.slice(-newest);
  onUnread?.(listed.length - chosen.length);
  return readListed(repository, kind, chosen, onDamaged, signal);
}

/** Reads records that were listed, as `readRecords` does. One that was removed meanwhile is not among them. */
export async function readListed<Kind extends RecordKind>(
  repository: Repository,
  kind: Kind,
  listed: readonly ListedRecord[],
  onDamaged: (error: IntegrityError, key: string) => void,
  signal: AbortSignal,
): Promise<NamedRecord<Kind>[]> {
  const records: NamedRecord<Kind>[] = [];
  const reading = new SealedReading();
  const queue = listed.values();
  await runWorkers(Math.min(readers, listed.length), signal, async (stop) => {
    for (const { id, storedAt, size } of queue) {
      stop.throwIfAborted();
      try {
        const record = await reading.next(sealedKind(kind), size, () => readRecord(repository, kind, id));
        if (record) records.push({ id, storedAt, ...record });
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error;
        onDamaged(error, recordKey(kind, id));
      }
    }
  });
  return records.sort((one, other) => one.at.getTime() - other.at.getTime() || compare(one.id, other.id));
}

async function readRecord<Kind extends RecordKind>(
  repository: Repository,
  kind: Kind,
  id: string,
): Promise<Pick<StoredRecord<Kind>, 'at' | 'content'> | undefined> {
  const key = recordKey(kind, id);
  const damaged = (how: string, cause?: unknown) =>
    new IntegrityError(
      `record ${key}: ${how}`,
      'It is ignored. Delete it, and run the operation that wrote it again if it still applies.',
      cause,
    );
  const found = await readSealed(repository, sealedKind(kind), key, envelope(kind), damaged);
  if (found === undefined) return undefined;
  const record = found as { id: string; at: string; content: RecordContent<Kind> };
  if (record.id !== id) throw damaged(`it says that it is record ${record.id.slice(0, 40)}`);
  return { at: new Date(record.at), content: record.content };
}

function sealedKind(kind: RecordKind): SealedKind {
  return `record ${kind}`;
}
