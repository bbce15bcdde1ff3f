import { objectSize } from '../../format/limits.ts';
import type { StoredObject } from '../../format/manifest.ts';
import { quoteLiteral } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { copyOut } from '../../postgres/wire/copy-reader.ts';
import { SourceError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { parseLsn } from '../../values/lsn.ts';
import { BufferPool } from '../rows/buffer-pool.ts';
import { ObjectSink, type Store } from '../rows/object-sink.ts';
import { explainSlotFailure } from './slot.ts';
import { ChangeTally } from './tally.ts';

/** Changes that were read from the slot between two positions, and stored. */
export interface ReadChanges {
  /** Where they end: the end of a log record, including the last commit. */
  readonly to: string;
  readonly objects: readonly StoredObject[];
  readonly tally: ChangeTally;
}

export interface ChangeRange {
  readonly from: string;
  readonly until: string;
  /** The number of a transaction close to those that are read. */
  readonly xmax: bigint;
  /** The schemas that are ours, whose changes are not captured. */
  readonly ownSchemas: readonly string[];
}

/** bytes of log decoded at a time: the server keeps the result on its own disk until it is read */
const stepBytes = 64n * 1024n * 1024n;

/**
 * Reads and stores what was committed between `from` and `until`: all of it, or a first part that ends with a
 * commit. The slot does not move.
 *
 * @throws SourceError when the slot cannot be read, or repeats changes from before `from`
 */
export async function readChanges(
  session: Session,
  slot: string,
  { from, until, xmax, ownSchemas }: ChangeRange,
  store: Store<StoredObject>,
  signal: AbortSignal,
): Promise<ReadChanges> {
  const [begin, end] = [parseLsn(from), parseLsn(until)];
  for (let step = stepBytes; ; step *= 2n) {
    const isWhole = begin + step >= end;
    const bound = isWhole ? end : begin + step;
    const { objects, tally } = await readUpTo(session, slot, bound, { xmax, ownSchemas }, store, signal);
    const last = tally.lastCommitEnd;
    if (tally.firstCommitEnd !== undefined && tally.firstCommitEnd <= begin) {
      throw new SourceError(
        `the slot ${slot} returns again what was committed before ${from}`,
        say`Nothing was stored. Run capture again. If this happens again, drop the slot with ${nameInput('drop-slot')} and start over.`,
      );
    }
    // A transaction longer than the step ends later: the next, wider step includes it.
    if (!isWhole && last === undefined) continue;
    const to = isWhole && (last === undefined || last < end) ? until : tally.lastCommit;
    return { to, objects, tally };
  }
}

async function readUpTo(
  session: Session,
  slot: string,
  bound: bigint,
  { xmax, ownSchemas }: Pick<ChangeRange, 'xmax' | 'ownSchemas'>,
  store: Store<StoredObject>,
  signal: AbortSignal,
): Promise<Pick<ReadChanges, 'objects' | 'tally'>> {
  const sink = new ChangeSink(new BufferPool(3, objectSize), store, new ChangeTally(xmax), signal);
  // Messages of pg_logical_emit_message change no row.
  const sql = `COPY (SELECT lsn, xid, data
      FROM pg_logical_slot_peek_changes(${quoteLiteral(slot)}, '0/0'::pg_lsn + ${bound}::numeric, NULL,
             'include-xids', 'on', 'include-timestamp', 'on', 'skip-empty-xacts', 'on')
      WHERE NOT starts_with(data, 'message: ')${ownSchemas.map(leaveOut).join('')}) TO STDOUT`;
  try {
    await copyOut(session, sql, sink);
  } catch (error) {
    signal.throwIfAborted();
    throw explainSlotFailure(error);
  }
  await sink.finish();
  sink.tally.finish();
  const objects = sink.copies.flatMap(({ pieces }) => pieces.map(({ holder }) => holder.object));
  return { objects: objects.filter((object) => object !== undefined) as StoredObject[], tally: sink.tally };
}

/** A condition: no change of a table of a schema alone. One TRUNCATE may name tables of others, too. */
const leaveOut = (schema: string) =>
  ` AND NOT (starts_with(data, 'table ${schema}.') AND data ~ '^table ${schema}[.][a-z_]+: ')`;

/** Stores the text, and counts the changes in it. */
class ChangeSink extends ObjectSink<StoredObject> {
  readonly tally: ChangeTally;

  constructor(pool: BufferPool, store: Store<StoredObject>, tally: ChangeTally, signal: AbortSignal) {
    super(pool, store, signal);
    this.tally = tally;
  }

  override async flush(): Promise<void> {
    this.tally.add(this.buffer.subarray(0, this.length));
    await super.flush();
  }

  override async finish(): Promise<void> {
    this.tally.add(this.buffer.subarray(0, this.length));
    await super.finish();
  }
}
