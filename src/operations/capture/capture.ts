import type { CaptureInputs } from '../../interface/inputs/types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import { applySettings, copyEncoding } from '../../postgres/session/output-settings.ts';
import { reachDatabase } from '../../postgres/session/reach.ts';
import { type ConnectionSettings, describeConnection } from '../../postgres/session/settings.ts';
import { findReachingBase } from '../../repository/changes/reaching-backup.ts';
import { readNewestSegment, type Segment, writeSegment } from '../../repository/changes/segments.ts';
import type { World } from '../../runtime/context.ts';
import { SourceError } from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { readChanges } from '../../source/changes/reader.ts';
import { advanceSlot, dropSlot, readSlot, UnreadableChangesError } from '../../source/changes/slot.ts';
import { findStrangers, listKeyless, readChangeState } from '../../source/changes/state.ts';
import { chooseWalPosition } from '../../source/changes/wal-position.ts';
import { readIdentity, type SourceIdentity } from '../../source/identity.ts';
import { checkServer } from '../../source/preflight.ts';
import { parseLsn } from '../../values/lsn.ts';
import { type Destination, openDestination } from '../backup/destination.ts';
import { refuseUnencrypted } from '../backup/encryption-rule.ts';
import { takeBackup } from '../backup/take.ts';
import { type Chain, joinChain } from './chain.ts';
import { describeCapture } from './report.ts';
import type { Captured } from './result.ts';
import { SegmentAssembly } from './segment.ts';

/**
 * Stores what was committed since the capture before, in the order of the log: first the changes, then what says that they are whole, and
 * only then is the slot moved. So nothing is lost wherever it stops, and nothing is stored twice. Where no backup can be brought to the
 * end of it, because it is the first, or the definitions have changed, or changes are lost, a backup is taken at once.
 */
export async function capture(inputs: CaptureInputs, world: World): Promise<Outcome> {
  const clock = new PhaseClock();
  refuseUnencrypted(inputs, world);
  const settings = await reachDatabase('database-url', inputs.databaseUrl, inputs.sslrootcert, world);
  world.log.info(`Capturing changes of ${describeConnection(settings)} to ${inputs.storage}`);
  const captured = await captureChanges(inputs, settings, world);
  clock.end('capture');
  if (captured.base !== undefined || inputs.dropSlot) {
    return describeCapture(inputs, captured, undefined, clock.elapsed());
  }
  const why =
    captured.segments.at(-1)?.barrier ?? captured.chain.lost ?? 'it is the first for captured changes';
  const taken = await world.log.group('Backup to replay changes on', () =>
    takeBackup(
      { ...inputs, backupType: 'incremental', label: `after a capture: ${why}`.slice(0, 200), pin: false },
      'ordinary',
      world,
    ),
  );
  return describeCapture(inputs, await lookAgain(captured, settings, world), taken, clock.elapsed());
}

/** A backup takes its time, and more may be written meanwhile than the server keeps for the slot. */
async function lookAgain(captured: Captured, settings: ConnectionSettings, world: World): Promise<Captured> {
  const session = await openSession(settings, world.signal);
  try {
    const { name } = captured.slot;
    const now = await readSlot(session, name);
    if (now !== undefined && !now.lost) return captured;
    const lost =
      now === undefined
        ? `the slot ${name} was dropped while the backup ran`
        : `the server gave up the slot ${name} while the backup ran, because more was written than it keeps (max_slot_wal_keep_size): raise that; the next capture begins anew, and its backup takes little time`;
    world.log.warn(`Changes are lost: ${lost}`);
    return { ...captured, chain: { ...captured.chain, lost } };
  } finally {
    await session.close();
  }
}

/** What a large transaction becomes, while it is read, lies on the server's disk. A superuser need not ask anybody. */
async function letHold(session: Session): Promise<void> {
  await session.query(
    "SELECT set_config('temp_file_limit', '-1', false) FROM pg_roles WHERE rolname = current_user AND rolsuper",
  );
}

async function captureChanges(
  inputs: CaptureInputs,
  settings: ConnectionSettings,
  world: World,
): Promise<Captured> {
  await using resources = new AsyncDisposableStack();
  const session = await openSession(settings, world.signal);
  resources.defer(() => session.close());
  checkServer(session);
  const identity = await readIdentity(session);
  const destination = await openDestination(inputs, identity, world.now(), resources, world, 'capture');
  await applySettings(session, copyEncoding(identity.serverEncoding));
  await letHold(session);
  const { repository } = destination;
  const name = `supabase_backup_${repository.id.slice(0, 8)}`;
  await lockCaptures(session, name);

  let damage: string | undefined;
  const head = await readNewestSegment(repository, (error) => {
    damage = error.message;
    world.log.warn(error.message);
  });
  const { unlimitedWal, lockTimeoutSeconds } = inputs;
  const request = { name, identity, destination, head, damage, unlimitedWal, lockTimeoutSeconds };
  const { chain, slot } = await joinChain(session, request, world);
  const segments: Segment[] = [];
  const work = drainSlot(session, name, chain, identity, inputs, destination, segments);
  const { keyless, lost = chain.lost } = await (inputs.dropSlot ? work.catch(letGo) : work);
  if (inputs.dropSlot) {
    await dropSlot(session, name);
    world.log.info(`The slot ${name} is dropped`);
  }
  if (lost !== chain.lost) world.log.warn(`Changes are lost: ${lost}`);
  return {
    segments,
    keyless,
    chain: { ...chain, lost },
    slot,
    addedBytes: destination.writer.addedBytes,
    base: await findReachingBase(repository, world),
  };
}

/** Whoever gives captures up need not be able to read what is left. */
function letGo(error: unknown): Drained {
  if (error instanceof UnreadableChangesError) return { keyless: [], lost: error.message };
  throw error;
}

interface Drained extends Pick<Captured, 'keyless'> {
  /** Why changes are in no segment, and the slot does not keep them; undefined when all are stored */
  readonly lost?: string;
}

/** How often a run looks again when a table was written anew and nothing in the log says why */
const looks = 3;

/**
 * Reads the slot to the end of the log as it was when it began, and stores a segment for each part.
 *
 * @param segments get what is stored
 */
async function drainSlot(
  session: Session,
  name: string,
  chain: Chain,
  identity: SourceIdentity,
  inputs: CaptureInputs,
  { repository, lock, writer, world }: Destination,
  segments: Segment[],
): Promise<Drained> {
  const assembly = new SegmentAssembly(repository, { chain, identity, inputs });
  const store = (plaintext: Buffer) => writer.store(plaintext);
  const strangers = new Set<string>();
  let keyless: Captured['keyless'] = [];
  let { from } = chain;
  for (let look = 1; !assembly.isComplete; look++) {
    const position = await chooseWalPosition(session, from, world.signal);
    const state = await readChangeState(session);
    keyless = listKeyless(state);
    while (parseLsn(from) < parseLsn(position.lsn)) {
      const range = { from, until: position.lsn, xmax: position.xmax, hasLedger: state.hasLedger };
      const read = await readChanges(session, name, range, store, world.signal);
      const segment = assembly.assemble(from, read, { position, state }, look < looks);
      for (const name of findStrangers(read.tally.tables, state)) strangers.add(name);
      await Promise.all([writer.assertStored(segment.objects, world.signal), lock.assertHeld()]);
      await writeSegment(repository, segment);
      segments.push(segment);
      await advanceSlot(session, name, segment.to);
      world.log.progress(`captured up to ${segment.lastCommitAt ?? segment.through}`);
      from = segment.to;
    }
  }
  if (strangers.size > 0) {
    world.log.warn(
      `changed, and in no backup: ${[...strangers].join(', ')}. A recovery leaves these changes out, because pg_dump does not write tables of extensions`,
    );
  }
  return { keyless };
}

/** Two at once would store the same changes twice. The lock is the session's, and ends with it. */
async function lockCaptures(session: Session, name: string): Promise<void> {
  const [row] = await session.query<{ taken: boolean }>(
    'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken',
    [name],
  );
  if (row?.taken) return;
  throw new SourceError(
    'another capture of this database is running',
    'Let it end: it stores what this one would have. A concurrency group keeps runs of a workflow apart.',
  );
}
