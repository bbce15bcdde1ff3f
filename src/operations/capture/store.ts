import type { CaptureInputs } from '../../interface/inputs/types.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import { applySettings, copyEncoding } from '../../postgres/session/output-settings.ts';
import { reachDatabase } from '../../postgres/session/reach.ts';
import { type ConnectionSettings, describeConnection } from '../../postgres/session/settings.ts';
import { findReachingBase } from '../../repository/changes/reaching-backup.ts';
import { readNewestSegment, type Segment } from '../../repository/changes/segments.ts';
import type { Context } from '../../runtime/context.ts';
import { SourceError } from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { dropSlot, nameSlot, UnreadableChangesError } from '../../source/changes/slot.ts';
import { readIdentity } from '../../source/identity.ts';
import { checkServer } from '../../source/preflight.ts';
import { openDestination } from '../backup/destination.ts';
import { refuseUnencrypted } from '../backup/encryption-rule.ts';
import type { BackupRequest } from '../backup/request.ts';
import { takeBackup } from '../backup/take.ts';
import { joinChain, readNotedSlot } from './chain.ts';
import { drainSlot } from './drain.ts';
import type { Captured, CaptureResult } from './result.ts';

/**
 * Stores what was committed since the previous capture, in the order of the log: first the changes, then the
 * header that states that they are complete, and only then is the slot moved. So nothing is lost wherever a
 * capture stops, and nothing is stored twice. A backup is taken at once when none can be rolled forward to
 * the end of the changes: at the first capture, and when definitions have changed or changes are lost.
 */
export async function storeChanges(inputs: CaptureInputs, context: Context): Promise<CaptureResult> {
  const clock = new PhaseClock();
  refuseUnencrypted(inputs.storage, inputs, context);
  const settings = await reachDatabase('database-url', inputs.databaseUrl, inputs.sslrootcert, context);
  context.log.info(`Capturing changes of ${describeConnection(settings)} to ${inputs.storage}`);
  const { base, ...captured } = await captureChanges(inputs, settings, context);
  clock.end('capture');
  if (inputs.dropSlot) return { ...captured, ending: { kind: 'dropped' }, elapsed: clock.elapsed() };
  if (base !== undefined) {
    return { ...captured, ending: { kind: 'reached', base }, elapsed: clock.elapsed() };
  }
  const taken = await context.log.group('Backup to replay changes on', () =>
    takeBackup({ source: inputs, place: inputs, packing: inputs, ...nameBackup(captured) }, context),
  );
  return {
    ...(await lookAgain(captured, settings, context)),
    ending: { kind: 'backed-up', taken },
    elapsed: clock.elapsed(),
  };
}

/**
 * Describes the backup that is taken because no other can be rolled forward to the end of the captured
 * changes.
 */
function nameBackup({
  segments,
  lost,
}: Captured): Pick<BackupRequest, 'backupType' | 'purpose' | 'label' | 'pin'> {
  const why = segments.at(-1)?.barrier ?? lost ?? 'it is the first for captured changes';
  return {
    backupType: 'incremental',
    purpose: 'ordinary',
    label: `after a capture: ${why}`.slice(0, 200),
    pin: false,
  };
}

/**
 * Reads the slot again after the backup: meanwhile more may have been written than the server keeps for the
 * slot.
 */
async function lookAgain(
  captured: Captured,
  settings: ConnectionSettings,
  context: Context,
): Promise<Captured> {
  await using session = await openSession(settings, context.signal);
  const { name } = captured.slot;
  const now = await readNotedSlot(session, name, context);
  if (now !== undefined && !now.unusable) return captured;
  const lost =
    now === undefined
      ? `the slot ${name} was dropped while the backup ran`
      : `the server gave up the slot ${name} while the backup ran, because more was written than it keeps (max_slot_wal_keep_size): raise that; the next capture begins anew, and its backup takes little time`;
  context.log.warn(`Changes are lost: ${lost}`);
  return { ...captured, lost };
}

/**
 * What was captured, and the backup that can be rolled forward to its end; undefined when one has to be taken
 */
type Reaching = Captured & { readonly base: string | undefined };

async function captureChanges(
  inputs: CaptureInputs,
  settings: ConnectionSettings,
  context: Context,
): Promise<Reaching> {
  await using resources = new AsyncDisposableStack();
  const session = await openSession(settings, context.signal);
  resources.defer(() => session.close());
  checkServer(session);
  const identity = await readIdentity(session);
  const target = { place: inputs, packing: inputs, purpose: 'capture' as const };
  const destination = await openDestination(target, identity, context.now(), resources, context);
  await applySettings(session, copyEncoding(identity.serverEncoding));
  await letHold(session);
  const { repository } = destination;
  const name = nameSlot(repository);
  await lockCaptures(session, name);

  let damage: string | undefined;
  const head = await readNewestSegment(repository, (error) => {
    damage = error.message;
    context.log.warn(error.message);
  });
  const { unlimitedWal, lockTimeoutSeconds } = inputs;
  const request = { name, identity, destination, head, damage, unlimitedWal, lockTimeoutSeconds };
  const { chain, slot } = await joinChain(session, request, context);
  const segments: Segment[] = [];
  const recipients = inputs.encryptionRecipients;
  const drained = drainSlot(session, name, { chain, identity, recipients }, destination, segments).then(
    (keyless) => ({ keyless, lost: chain.lost }),
  );
  const { keyless, lost } = await (inputs.dropSlot ? drained.catch(letGo) : drained);
  if (inputs.dropSlot) {
    await dropSlot(session, name);
    context.noteSlot?.({ at: context.now(), state: null });
    context.log.info(`The slot ${name} is dropped`);
  }
  if (lost !== chain.lost) context.log.warn(`Changes are lost: ${lost}`);
  return {
    ...{ segments, keyless, slot, lost },
    from: chain.from,
    throughBefore: chain.previous?.through,
    isEncrypted: recipients.length > 0,
    addedBytes: destination.writer.addedBytes,
    base: await findReachingBase(repository, context),
  };
}

/**
 * Lifts the limit on temporary files for a superuser, who may do that: while a large transaction is read, the
 * server keeps its decoded changes on disk.
 */
async function letHold(session: Session): Promise<void> {
  await session.query(
    "SELECT set_config('temp_file_limit', '-1', false) FROM pg_roles WHERE rolname = current_user AND rolsuper",
  );
}

/** Lets a capture that drops the slot end even if the remaining changes cannot be decoded. */
function letGo(error: unknown): Pick<Captured, 'keyless' | 'lost'> {
  if (error instanceof UnreadableChangesError) return { keyless: [], lost: error.message };
  throw error;
}

/**
 * Prevents two captures at once, which would store the same changes twice. The advisory lock ends with the
 * session.
 *
 * @throws SourceError when another capture holds the lock
 */
async function lockCaptures(session: Session, name: string): Promise<void> {
  const [row] = await session.query<{ taken: boolean }>(
    'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken',
    [name],
  );
  if (row?.taken) return;
  throw new SourceError(
    'another capture of this database is running',
    'Wait for it to end: it stores what this one would have stored. A concurrency group prevents parallel runs of a workflow.',
  );
}
