import * as v from 'valibot';
import { timedId, timedIdPattern } from '../values/timed-id.ts';
import { objectSize, storedSize } from './limits.ts';

/*
 * The manifest of one restore point: `backups/<id>.json`. docs/format.md describes it for readers without
 * this tool. It is written last and create-only: a backup without a manifest does not exist. Format 2 is
 * written; format 1, which has no purpose, is read.
 */

/** An integer that a double holds exactly, so that sums of a few are exact. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** ISO 8601, and a date that exists: anyone who has the key can write another text. */
export const time = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.check((written) => !Number.isNaN(Date.parse(written)), 'it is no time'),
);
const text = v.string();
export const backupId = v.pipe(text, v.regex(timedIdPattern));

/** A bigint of the server, in decimal */
export const bigint = v.pipe(text, v.regex(/^-?\d{1,20}$/));

/** pg_current_snapshot(): transaction numbers of 64 bits */
export const snapshot = v.pipe(text, v.regex(/^\d{1,20}:\d{1,20}:(?:\d{1,20}(?:,\d{1,20})*)?$/));

/** One stored object. `name` is the HMAC of its plaintext, so it also proves the plaintext. */
export const storedObject = v.strictObject({
  name: v.pipe(text, v.regex(/^[0-9a-f]{64}$/)),
  /** Bytes before compression. A reader allocates them, so the limit is what a backup stores per object. */
  bytes: v.pipe(count, v.maxValue(objectSize)),
  /** bytes as stored, after compression and encryption */
  stored: v.pipe(count, v.maxValue(storedSize)),
  /** SHA-256 of the stored bytes, hexadecimal */
  sha256: v.pipe(text, v.regex(/^[0-9a-f]{64}$/)),
});

/** Bytes `offset … offset + length` of the plaintext of `objects[object]`. */
const piece = v.strictObject({ object: count, offset: count, length: count });

/** Rows of a table whose ctid lies in pages `from … to` (`to` exclusive, null: to the end of the table). */
const range = v.strictObject({
  from: count,
  to: v.nullable(count),
  rows: count,
  /**
   * A digest of the positions (ctid) of the rows, a signed 64-bit number in decimal: an incremental backup
   * compares it in addition to counts. null until an incremental backup has counted the range: a COPY does
   * not return positions.
   */
  places: v.nullable(v.pipe(text, v.regex(/^-?\d{1,19}$/))),
  /**
   * Concatenated, they are the range's COPY text. A row longer than an object continues in the next piece.
   */
  pieces: v.array(piece),
});

const table = v.strictObject({
  schema: text,
  name: text,
  oid: count,
  relfilenode: count,
  /** A crash of the server empties an unlogged table. */
  persistence: v.picklist(['permanent', 'unlogged']),
  /** SHA-256 over the columns and everything that their types consist of, hexadecimal */
  fingerprint: text,
  /** The columns of the COPY text in order; generated columns are left out. */
  columns: v.array(text),
  /** The partitioned table to load the rows into, if they may belong to another partition after a restore. */
  root: v.nullable(v.strictObject({ schema: text, name: text })),
  rows: count,
  /** bytes of COPY text */
  bytes: count,
  ranges: v.array(range),
});

/**
 * A snapshot does not freeze sequences: `latest` is the value after the archive, if it had changed by then.
 */
export const sequence = v.strictObject({
  schema: text,
  name: text,
  lastValue: bigint,
  isCalled: v.boolean(),
  latest: v.nullable(bigint),
});

/**
 * The purpose of a backup. A `safety` backup holds a database that a restore was about to empty. Such a
 * database is in trouble, so only the backup's id selects it, never a word such as `latest`. All others are
 * `ordinary`, whatever their labels say.
 */
export const purpose = v.picklist(['ordinary', 'safety']);

/** The fields of both formats */
export const manifestFields = {
  tool: v.strictObject({ name: text, version: text }),
  id: backupId,
  kind: v.picklist(['full', 'incremental', 'schema']),
  /**
   * The backup whose ranges an incremental one found unchanged. A restore needs nothing of it: this manifest
   * lists all ranges too.
   */
  base: v.nullable(backupId),
  /** Why a backup that was meant to be incremental read everything; null for all others. */
  fullBecause: v.nullable(text),
  label: v.nullable(text),
  pin: v.boolean(),
  startedAt: time,
  finishedAt: time,
  source: v.strictObject({
    database: text,
    databaseOid: count,
    systemIdentifier: text,
    timeline: count,
    postmasterStartedAt: time,
    /** server_version_num, for example 150018 */
    serverVersion: count,
    /** Name of the encoding of the COPY text, as in client_encoding */
    encoding: text,
    /** The session settings that shape the COPY text */
    settings: v.record(text, text),
    snapshot,
    lsn: text,
    /** The source's time just after the snapshot was taken: all that it sees was committed by then. */
    snapshotAt: time,
    /**
     * The rollback token that this backup left in the database after its snapshot; null when it left none.
     */
    token: v.nullable(text),
    /**
     * A digest of all definitions, keyed by the repository: captured changes cannot be replayed across a
     * change of definitions.
     */
    definitions: v.pipe(text, v.regex(/^[0-9a-f]{64}$/)),
  }),
  encryption: v.variant('scheme', [
    v.strictObject({ scheme: v.literal('none') }),
    v.strictObject({ scheme: v.literal('age'), recipients: v.array(text) }),
  ]),
  objects: v.array(storedObject),
  /** The pg_dump custom archive: the concatenated plaintexts of these objects. */
  archive: v.strictObject({ bytes: count, objects: v.array(count) }),
  /**
   * What pg_dump leaves out and what parity compares: the concatenated plaintexts are one JSON text, see
   * supplement.ts.
   */
  supplement: v.strictObject({ bytes: count, objects: v.array(count) }),
  tables: v.array(table),
  facts: v.strictObject({
    sequences: v.array(sequence),
    /** How many objects of each kind the database has outside extensions, for example `{ "view": 12 }` */
    objects: v.record(text, count),
    /** Roles that own or are granted something in the archive */
    roles: v.array(text),
    extensions: v.array(v.strictObject({ name: text, schema: text, version: text })),
  }),
  totals: v.strictObject({
    rows: count,
    /** bytes of COPY text and of the archive */
    bytes: count,
    /** Stored bytes of all objects that this backup refers to */
    stored: count,
    /** stored bytes that this backup added to the repository */
    added: count,
  }),
  notCarried: v.array(v.strictObject({ what: text, why: text, remedy: text })),
  /** milliseconds by phase */
  durations: v.record(text, count),
};

const manifestOfFormat2 = v.strictObject({ format: v.literal(2), purpose, ...manifestFields });
const manifestOfFormat1 = v.strictObject({ format: v.literal(1), ...manifestFields });

export type Manifest = v.InferOutput<typeof manifestOfFormat2>;

/** Reads both formats. The output is of format 2. */
export const manifestSchema: v.GenericSchema<unknown, Manifest> = v.variant('format', [
  manifestOfFormat2,
  v.pipe(manifestOfFormat1, v.transform(addPurpose)),
]);

/** The label of every safety backup of format 1; each was pinned, too. */
const safetyLabel = new RegExp(`^before restore of ${timedId}$`);

/**
 * Turns a manifest of format 1, or its outline, into one of format 2. In format 1 only the label tells a
 * safety backup from others. Nowhere else does a label mean anything.
 */
export function addPurpose<Old extends { readonly label: string | null; readonly pin: boolean }>(
  old: Old,
): Omit<Old, 'format'> & { format: 2; purpose: BackupPurpose } {
  const isSafety = old.pin && old.label !== null && safetyLabel.test(old.label);
  return { ...old, format: 2, purpose: isSafety ? 'safety' : 'ordinary' };
}

export type BackupPurpose = v.InferOutput<typeof purpose>;
export type StoredObject = v.InferOutput<typeof storedObject>;
export type Piece = v.InferOutput<typeof piece>;
export type TableRange = v.InferOutput<typeof range>;
export type TableEntry = v.InferOutput<typeof table>;
export type SequenceFact = v.InferOutput<typeof sequence>;
/** A sequence at one time. Its value is text because a bigint may not fit a number. */
export type SequenceState = Omit<SequenceFact, 'latest'>;
