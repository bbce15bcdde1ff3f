import * as v from 'valibot';
import { backupId, count, sequence, storedObject, time as timestamp } from '../../format/manifest.ts';
import { IntegrityError, StorageError } from '../../runtime/errors.ts';
import { runWorkers } from '../../runtime/workers.ts';
import type { StoredValue } from '../../storage/storage.ts';
import { parseLsn } from '../../values/lsn.ts';
import { compareKeys } from '../../values/ordering.ts';
import { timedId } from '../../values/timed-id.ts';
import { commit } from '../commit.ts';
import type { Repository } from '../open.ts';
import { readSealed, SealedReading, sealContent } from '../signature.ts';

/*
 * The result of one `capture`: the transactions that were committed between two positions of the write-ahead
 * log, as a header `changes/<chain>/<from>-<to>.json`, written last and create-only, and objects with the
 * text that the server decoded. Segments whose positions meet form a chain; a chain ends where changes were
 * lost. docs/format.md describes it for readers without this tool.
 */

/** In UTC */
const time = v.pipe(timestamp, v.regex(/^\d{4}-\d\d-\d\dT.*Z$/));
const text = v.string();
const lsn = v.pipe(text, v.regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/));
/** A transaction number with its epoch (xid8), in decimal */
const xid = v.pipe(text, v.regex(/^\d{1,20}$/));
const digest = v.pipe(text, v.regex(/^[0-9a-f]{64}$/));
const tableName = { schema: text, name: text };

const segmentSchema = v.strictObject({
  format: v.literal(1),
  tool: v.strictObject({ name: text, version: text }),
  /** The unbroken history that the segment belongs to */
  chain: v.strictObject({
    id: backupId,
    slot: text,
    startedAt: time,
    /** Why the chain does not continue the one before it; null for the first of a repository */
    because: v.nullable(text),
    database: text,
    databaseOid: count,
    systemIdentifier: text,
    timeline: count,
  }),
  /**
   * Every transaction whose commit record ends after `from` and not after `to` is in the segment, or wrote
   * nothing that is decoded.
   */
  from: lsn,
  to: lsn,
  /**
   * Every transaction that ended at or before `from` has a number below this: a snapshot whose xmin is at
   * least this sees all of them that were committed. A transaction with a number below this may end later,
   * too.
   */
  fromXmax: xid,
  /** The same for `to` */
  toXmax: xid,
  /**
   * The source's time just before `to` was chosen: everything that was visible by then is in this segment or
   * one before it.
   */
  through: time,
  /** Commit times of the first and the last transaction in the order of the log; null without any */
  firstCommitAt: v.nullable(time),
  lastCommitAt: v.nullable(time),
  transactions: count,
  changes: count,
  serverVersion: count,
  encoding: text,
  settings: v.record(text, text),
  encryption: v.variant('scheme', [
    v.strictObject({ scheme: v.literal('none') }),
    v.strictObject({ scheme: v.literal('age'), recipients: v.array(text) }),
  ]),
  /** Their concatenated plaintexts are COPY text: position, transaction, and what test_decoding wrote. */
  objects: v.array(storedObject),
  /** The number of changes by table */
  tables: v.array(
    v.strictObject({ ...tableName, inserts: count, updates: count, deletes: count, truncates: count }),
  ),
  /** Tables with updates or deletes that do not identify their row */
  uncovered: v.array(v.strictObject({ ...tableName, why: text })),
  /** Values of the sequences after `to` */
  sequences: v.array(sequence),
  /** As in `source.definitions` of a manifest, after `to` */
  definitions: digest,
  /** The file of each table after `to`, by oid: a new one without a TRUNCATE means that it was rewritten. */
  filenodes: v.record(v.pipe(text, v.regex(/^\d+$/)), count),
  /** Why a backup from before `to` cannot be rolled forward past `from`; null when it can */
  barrier: v.nullable(text),
});

export type Segment = v.InferOutput<typeof segmentSchema>;

/** Returns the key of a segment; keys of one chain sort by position. */
export function segmentKey({
  chain,
  from,
  to,
}: Pick<Segment, 'from' | 'to'> & { readonly chain: Pick<Segment['chain'], 'id'> }): string {
  return `changes/${chain.id}/${padPosition(from)}-${padPosition(to)}.json`;
}

function padPosition(position: string): string {
  return parseLsn(position).toString(16).padStart(16, '0');
}

/**
 * Commits a capture: after this its transactions are stored, before this they are not. Never replaces a
 * segment.
 *
 * @throws StorageError when it exists already, and as `commit` does
 */
export async function writeSegment(repository: Repository, segment: Segment): Promise<void> {
  const key = segmentKey(segment);
  const bytes = sealContent(repository, 'segment', segment);
  const what = `what was captured up to ${segment.to}`;
  if (await commit(repository, { key, bytes, what })) return;
  throw new StorageError(
    `${key} already exists in ${repository.storage.location}: two captures ran at the same time`,
    'Run the capture again. It continues where the other one ended.',
  );
}

/** Segments of two days when captured every quarter of an hour: usually more than since the newest backup */
export const recentSegments = 200;

/** How many headers are read at once */
const readers = 16;

/** What keys of segments look like */
export const keyPattern = new RegExp(`^changes/${timedId}/[0-9a-f]{16}-[0-9a-f]{16}\\.json$`);

/** Lists the files of all segments, by chain and position. */
export async function listSegmentFiles({ storage }: Repository): Promise<StoredValue[]> {
  const files: StoredValue[] = [];
  for await (const file of storage.list('changes/')) if (keyPattern.test(file.key)) files.push(file);
  return files.sort((one, other) => compareKeys([one.key], [other.key]));
}

/**
 * Reads the headers of segments, by chain and position. One that is damaged, forged or misplaced is reported
 * to `onDamaged` and left out: a recovery then sees a gap in its chain. One that was removed meanwhile is
 * left out, too.
 *
 * @param newest the most segments to read, the last by name; by default all
 * @throws StorageError when one cannot be read at all
 */
export async function readSegments(
  repository: Repository,
  onDamaged: (error: IntegrityError, key: string) => void,
  {
    newest = Number.POSITIVE_INFINITY,
    signal = new AbortController().signal,
  }: { newest?: number; signal?: AbortSignal | undefined } = {},
): Promise<Segment[]> {
  const files = (await listSegmentFiles(repository)).slice(-newest);
  const segments = new Map<string, Segment>();
  const queue = files.values();
  const reading = new SealedReading();
  await runWorkers(Math.min(readers, files.length), signal, async (stop) => {
    for (const { key, size } of queue) {
      stop.throwIfAborted();
      try {
        const segment = await reading.next('segment', size, () => readSegment(repository, key));
        if (segment) segments.set(key, segment);
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error;
        onDamaged(error, key);
      }
    }
  });
  return files.flatMap(({ key }) => segments.get(key) ?? []);
}

/**
 * Reads the end of the newest chain; undefined without any segment, and when the last one is damaged, which
 * is reported: a capture must not continue from the one before it.
 */
export async function readNewestSegment(
  repository: Repository,
  onDamaged: (error: IntegrityError, key: string) => void,
): Promise<Segment | undefined> {
  const [segment] = await readSegments(repository, onDamaged, { newest: 1 });
  return segment;
}

/**
 * Reads the header of a segment; undefined when it was removed after it was listed.
 *
 * @throws IntegrityError when it is damaged, truncated, misplaced or was not written with this repository's
 * key
 */
export async function readSegment(repository: Repository, key: string): Promise<Segment | undefined> {
  const damaged = (how: string, cause?: unknown) =>
    new IntegrityError(
      `segment ${key}: ${how}`,
      'No backup can be rolled forward past it any more. Take a new backup to start again.',
      cause,
    );
  const segment = await readSealed(repository, 'segment', key, segmentSchema, damaged);
  if (segment === undefined) return undefined;
  if (segmentKey(segment) !== key) throw damaged(`it says that it is ${segmentKey(segment)}`);
  const { systemIdentifier, database } = segment.chain;
  // When several repositories share a key, a segment of another one has a valid seal too.
  if (systemIdentifier !== repository.source.systemIdentifier || database !== repository.source.database)
    throw damaged(
      `it is of database ${JSON.stringify(database.slice(0, 63))} of server ${systemIdentifier.slice(0, 40)}, and not of the one whose changes these are`,
    );
  if (parseLsn(segment.from) > parseLsn(segment.to)) throw damaged('it ends before it begins');
  return segment;
}
