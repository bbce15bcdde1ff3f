import type { Session } from '../../postgres/session/connection.ts';
import type { Segment } from '../../repository/changes/segments.ts';
import type { Context } from '../../runtime/context.ts';
import {
  advanceSlot,
  checkSlotPossible,
  createSlot,
  dropSlot,
  nameRunning,
  readSlot,
  type Slot,
} from '../../source/changes/slot.ts';
import { readClock, takeTransactionNumber } from '../../source/changes/wal-position.ts';
import type { SourceIdentity } from '../../source/identity.ts';
import { parseLsn } from '../../values/lsn.ts';
import { createBackupId } from '../../values/timed-id.ts';
import type { Destination } from '../backup/destination.ts';

/** Where a capture continues. */
export interface Chain {
  readonly description: Segment['chain'];
  readonly from: string;
  readonly fromXmax: bigint;
  /** The last stored segment of the chain; undefined at the beginning of a chain */
  readonly previous: Segment | undefined;
  /** Why changes since the previous capture are lost; undefined when none are */
  readonly lost: string | undefined;
}

interface Request {
  readonly name: string;
  readonly identity: SourceIdentity;
  readonly destination: Destination;
  readonly head: Segment | undefined;
  /** Why the newest segment cannot be read; undefined when it can be, or there is none */
  readonly damage: string | undefined;
  readonly unlimitedWal: boolean;
  /** How long the creation of a slot waits for each running transaction */
  readonly lockTimeoutSeconds: number;
}

/**
 * Continues the chain where its last segment ends, or begins a new chain when nothing was captured before or
 * changes in between are lost. A slot that is behind, because the last capture was stopped or the server
 * crashed, is advanced: what it would return again is stored.
 */
export async function joinChain(
  session: Session,
  request: Request,
  context: Context,
): Promise<{ chain: Chain; slot: Slot }> {
  const { name, head, identity } = request;
  const found = await readNotedSlot(session, name, context);
  const lost = await findLoss(session, found, request);
  if (found !== undefined && head !== undefined && lost === undefined) {
    if (parseLsn(found.confirmed) < parseLsn(head.to)) await advanceSlot(session, name, head.to);
    const chain = {
      description: head.chain,
      from: head.to,
      fromXmax: BigInt(head.toXmax),
      previous: head,
      lost,
    };
    return { chain, slot: found };
  }
  if (lost !== undefined) context.log.warn(`Changes are lost: ${lost}`);
  const slot = await beginSlot(session, found, lost, request, context);
  const description = {
    id: createBackupId(request.destination.date(context.now())),
    slot: name,
    startedAt: await readClock(session),
    because: lost ?? null,
    database: identity.database,
    databaseOid: identity.databaseOid,
    systemIdentifier: identity.systemIdentifier,
    timeline: identity.timeline,
  };
  const fromXmax = await takeTransactionNumber(session);
  return { chain: { description, from: slot.confirmed, fromXmax, previous: undefined, lost }, slot };
}

/** Reads the slot, and notes what is found for the record of the run. */
export async function readNotedSlot(
  session: Session,
  name: string,
  { noteSlot, now }: Pick<Context, 'noteSlot' | 'now'>,
): Promise<Slot | undefined> {
  const slot = await readSlot(session, name);
  noteSlot?.({ at: now(), state: slot ?? null });
  return slot;
}

/** Returns the slot for a new chain: the existing one if it is usable, else a new one. */
async function beginSlot(
  session: Session,
  found: Slot | undefined,
  lost: string | undefined,
  { name, unlimitedWal, lockTimeoutSeconds }: Request,
  context: Context,
): Promise<Slot> {
  const isUsable = found !== undefined && !found.unusable && lost === undefined;
  if (isUsable) return found;
  if (found !== undefined) await dropSlot(session, name);
  await checkSlotPossible(session, unlimitedWal);
  const running = await nameRunning(session);
  context.log.info(
    `Making the slot ${name}${running.length === 0 ? '' : `; it waits for the transactions that are running: ${running.join('; ')}`}`,
  );
  await createSlot(session, name, lockTimeoutSeconds);
  const made = await readNotedSlot(session, name, context);
  if (made === undefined) throw new Error('the slot is gone as soon as it was made');
  return made;
}

/**
 * Finds out why changes since the last segment cannot be read any more; undefined when all can be read, or
 * nothing was captured before.
 */
async function findLoss(
  session: Session,
  slot: Slot | undefined,
  { head, damage, identity, name }: Request,
): Promise<string | undefined> {
  if (head === undefined) return damage && `the newest stored changes cannot be read (${damage})`;
  const { chain } = head;
  if (chain.databaseOid !== identity.databaseOid) return 'the database was made anew';
  if (chain.timeline !== identity.timeline) return 'the server has begun a new timeline';
  if (slot === undefined) return `the slot ${name} is gone: somebody dropped it, or the server was restored`;
  if (slot.unusable) {
    return `the server gave up the slot ${name}, because more was written since the capture before than it keeps (max_slot_wal_keep_size)`;
  }
  if (parseLsn(slot.confirmed) > parseLsn(head.to)) {
    return `the slot ${name} was moved from ${head.to} to ${slot.confirmed}, and not by a capture`;
  }
  const [now] = await session.query<{ lsn: string; xmax: string }>(
    'SELECT pg_current_wal_insert_lsn()::text AS lsn, pg_snapshot_xmax(pg_current_snapshot())::text AS xmax',
  );
  const isBehind =
    now !== undefined &&
    (parseLsn(now.lsn) < parseLsn(head.to) ||
      (head.transactions > 0 && BigInt(now.xmax) < BigInt(head.toXmax)));
  return isBehind ? 'the database was rolled back to a state before the last capture' : undefined;
}
