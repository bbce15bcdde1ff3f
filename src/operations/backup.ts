import { ConfigurationError } from '../errors.ts';
import type { BackupInputs } from '../inputs.ts';
import { type ClientTools, findClient } from '../postgres/client.ts';
import { openSession } from '../postgres/connection.ts';
import { readFacts, readInvalidIndexes, readSequences } from '../postgres/facts.ts';
import { planJobs } from '../postgres/ranges.ts';
import { createSelection, findUnmatched } from '../postgres/selection.ts';
import { outputSettings } from '../postgres/session-settings.ts';
import {
  type ConnectionSettings,
  clientEnvironment,
  describeConnection,
  parseConnection,
} from '../postgres/settings.ts';
import { qualifiedName, readTables, type TableInfo } from '../postgres/tables.ts';
import { formatBytes, formatCounted } from '../report/quantity.ts';
import { createBackupId, readKnownObjects, writeManifest } from '../repository/backups.ts';
import { createOpen, createSeal } from '../repository/codec.ts';
import { type Doubted, readDamaged, readMarked } from '../repository/doubts.ts';
import { acquireLock, describeHolder, type Lock } from '../repository/locks.ts';
import { assembleManifest, type ManifestParts } from '../repository/manifest-assembly.ts';
import { createNaming, type NameObject, ObjectWriter, objectSize } from '../repository/objects.ts';
import { openForBackup, type Repository } from '../repository/repository.ts';
import { dumpArchive } from '../source/archive.ts';
import { BufferPool } from '../source/buffer-pool.ts';
import { readIdentity } from '../source/identity.ts';
import { leaveToken } from '../source/ledger.ts';
import type { PendingPiece } from '../source/object-sink.ts';
import { type CopiedSlice, copyRows } from '../source/rows.ts';
import { type Snapshot, takeSnapshot } from '../source/snapshot.ts';
import { openStorage } from '../storage/open.ts';
import { runTogether } from '../workers.ts';
import type { World } from '../world.ts';
import { describeBackup } from './backup-report.ts';
import { findBase } from './base.ts';
import { writeRootCertificates } from './certificates.ts';
import { type CopyPlan, findArchive, planFull, planIncremental, relate } from './incremental.ts';
import type { Outcome } from './outcome.ts';
import { PhaseClock } from './phases.ts';
import { Progress } from './progress.ts';

/**
 * Stores a restore point: everything the database holds, as one snapshot saw it. The manifest is written last; until then there
 * is no backup, and what a failed run has stored is found again by the next.
 */
export async function backup(inputs: BackupInputs, world: World): Promise<Outcome> {
  const clock = new PhaseClock();
  const calledAt = world.now();
  const settings = parseConnection('database-url', inputs.databaseUrl, world.env, inputs.sslrootcert);
  world.log.info(`Backing up ${describeConnection(settings)} to ${inputs.storage}`);
  const identity = await askServer(inputs, settings, world);
  const client = await findClient(Math.floor(identity.serverVersion / 10000), world, inputs.clientPath);

  await using resources = new AsyncDisposableStack();
  const storage = resources.adopt(await openStorage(inputs.storage, inputs), (opened) => opened.close());
  await storage.probe();
  const repository = await openForBackup(storage, inputs.repositoryKey, identity, calledAt);
  const lock = resources.adopt(await lockShared(repository, world), (held) => held.release());
  const shift = findClockError(lock, storage.location, world.log);
  const startedAt = shift(calledAt);
  const guarded = { ...world, signal: AbortSignal.any([world.signal, lock.signal]) };
  const name = createNaming(repository.key, inputs.encryptionRecipients);
  const damaged = await readDamaged(repository, (error) => world.log.warn(error.message));
  const writer = await createWriter(inputs, repository, name, damaged, guarded);
  const base =
    inputs.backupType === 'incremental' ? await findBase(inputs, repository, damaged, guarded) : undefined;
  clock.end('preflight');

  const snapshot = await takeSnapshot(settings, chooseTables(inputs), {
    lockTimeoutSeconds: inputs.lockTimeoutSeconds,
    signal: guarded.signal,
    log: world.log,
  });
  resources.defer(() => snapshot.lead.destroy());
  const token = inputs.ledger ? await leaveToken(settings, snapshot.signal, inputs.lockTimeoutSeconds) : null;
  const facts = await readFacts(snapshot.lead);
  const notCarried = await listNotCarried(inputs, snapshot);
  clock.end('snapshot');

  // A buffer for each worker and the archive, and two that are being stored meanwhile.
  const pool = new BufferPool(inputs.jobs + 3, objectSize);
  const relation = base && relate(base, snapshot);
  const { archive, plan, slices } = await copyEverything(inputs, guarded, settings, client, snapshot, {
    archived: relation && findArchive(relation, facts.sequences),
    makePlan: async (signal) =>
      relation
        ? planIncremental(inputs, guarded, settings, snapshot, relation, { name, pool, signal })
        : planFull(snapshot, null),
    writer,
    pool,
  });
  const latest = await readSequences(snapshot.lead);
  await snapshot.close();
  clock.end('copy');

  const manifest = assembleManifest({
    id: createBackupId(startedAt),
    kind: plan.base === undefined && inputs.backupType === 'incremental' ? 'full' : inputs.backupType,
    base: plan.base?.id ?? null,
    fullBecause: plan.fullBecause,
    label: inputs.label,
    pin: inputs.pin,
    startedAt,
    finishedAt: shift(world.now()),
    source: describeSource(snapshot, token),
    recipients: inputs.encryptionRecipients,
    archive,
    slices: [...plan.choices.flatMap((choice) => choice.reused), ...slices],
    facts: { ...facts, latest },
    notCarried,
    added: writer.addedBytes,
    durations: clock.milliseconds(),
  });
  await lock.assertHeld();
  await writeManifest(repository, manifest);
  return describeBackup(manifest, plan, writer, clock.elapsed());
}

/** One look at the server before anything else is opened: which it is, and whether the patterns mean anything there. */
async function askServer(inputs: BackupInputs, settings: ConnectionSettings, world: World) {
  const session = await openSession(settings, world.signal);
  try {
    if (inputs.include.length > 0 || inputs.exclude.length > 0) {
      const tables = await readTables(session);
      refuseUnmatched('include', inputs.include, tables);
      refuseUnmatched('exclude', inputs.exclude, tables);
    }
    return await readIdentity(session);
  } finally {
    await session.close();
  }
}

/** A pattern with a slip in it would leave rows out of the backup, or in it, without a word. */
function refuseUnmatched(
  input: 'include' | 'exclude',
  patterns: readonly string[],
  tables: readonly TableInfo[],
): void {
  const unmatched = findUnmatched(patterns, tables);
  if (unmatched.length === 0) return;
  throw new ConfigurationError(
    `${input}: no table of this database fits ${unmatched.join(', ')}`,
    'Correct the name, or leave it out. Names are schema.table or schema.*, in the letters of the database.',
  );
}

/** Keeps cleanups from removing anything while the backup runs. Backups do not keep each other out. */
function lockShared(repository: Repository, world: World): Promise<Lock> {
  return acquireLock(repository, {
    operation: 'backup',
    mode: 'shared',
    holder: describeHolder(world.env),
    now: () => world.now(),
    signal: world.signal,
    log: world.log,
    waitSeconds: lockWaitSeconds,
  });
}

/**
 * A machine whose clock is wrong would date its backups before older ones, or into the future: then the storage's clock is taken. What is
 * within the exactness of a storage's times is left alone.
 */
function findClockError({ skewSeconds }: Lock, location: string, log: World['log']): (time: Date) => Date {
  if (Math.abs(skewSeconds) <= tolerableSkewSeconds) return (time) => time;
  const direction = skewSeconds > 0 ? 'behind' : 'ahead of';
  log.warn(
    `the clock of this machine is ${Math.round(Math.abs(skewSeconds))} seconds ${direction} that of ${location}; the backup is dated by the latter`,
  );
  return (time) => new Date(time.getTime() + skewSeconds * 1000);
}

const tolerableSkewSeconds = 300;

/** A cleanup holds the repository for itself while it removes objects. */
const lockWaitSeconds = 15 * 60;

/** A writer that knows what the repository holds. */
async function createWriter(
  inputs: BackupInputs,
  repository: Repository,
  name: NameObject,
  damaged: Doubted,
  world: World,
): Promise<ObjectWriter> {
  const known = await readKnownObjects(repository, (error) =>
    world.log.warn(`${error.message}; it is not built upon`),
  );
  const marked = await readMarked(
    repository,
    (object) => known.has(object),
    (error) => world.log.warn(error.message),
  );
  const recipients = inputs.encryptionRecipients;
  return new ObjectWriter(
    repository.storage,
    name,
    createSeal(recipients, inputs.compressionLevel),
    known,
    new Map([...marked, ...damaged]),
    recipients.length === 0 ? createOpen('none', []) : undefined,
  );
}

/** Tells the tables whose rows are wanted; a schema backup wants none. */
function chooseTables(inputs: BackupInputs): (table: TableInfo) => boolean {
  return inputs.backupType === 'schema' ? () => false : createSelection(inputs.include, inputs.exclude);
}

async function listNotCarried(
  inputs: BackupInputs,
  snapshot: Snapshot,
): Promise<ManifestParts['notCarried']> {
  const leftOut = inputs.backupType === 'schema' ? [] : snapshot.leftOut;
  return [
    ...leftOut.map((table) => ({
      what: `rows of ${qualifiedName(table)}`,
      why: 'left out by include or exclude',
      remedy: 'Back up without include and exclude.',
    })),
    ...(await readInvalidIndexes(snapshot.lead)).map((index) => ({
      what: `index ${index}`,
      why: 'it is invalid, left behind by a failed CREATE INDEX CONCURRENTLY',
      remedy: 'Drop it, or REINDEX it, and back up again.',
    })),
  ];
}

/** pg_dump writes the archive while workers find out what to read, and read it, all under the one snapshot. */
async function copyEverything(
  inputs: BackupInputs,
  world: World,
  settings: ConnectionSettings,
  client: ClientTools,
  snapshot: Snapshot,
  {
    archived,
    makePlan,
    writer,
    pool,
  }: {
    /** The archive of the base, where it still holds */
    archived: readonly PendingPiece[] | undefined;
    makePlan: (signal: AbortSignal) => Promise<CopyPlan>;
    writer: ObjectWriter;
    pool: BufferPool;
  },
): Promise<Copied> {
  world.log.info(`Snapshot ${snapshot.visible} at ${snapshot.lsn}`);
  const store = (plaintext: Buffer) => writer.store(plaintext);
  const [archive, rows] = await runTogether<[readonly PendingPiece[], Omit<Copied, 'archive'>]>(
    snapshot.signal,
    [
      async (signal) =>
        archived ??
        dumpArchive(snapshot, client, [...snapshot.tables, ...snapshot.leftOut], {
          schemaOnly: inputs.backupType === 'schema',
          settings,
          env: clientEnvironment(settings, world.env, () => writeRootCertificates(world)),
          lockTimeoutSeconds: inputs.lockTimeoutSeconds,
          pool,
          store,
          signal,
        }),
      async (signal) => {
        const plan = await makePlan(signal);
        const [slices, proven] = await runTogether<[CopiedSlice[], CopyPlan]>(signal, [
          (combined) => readChosen(plan, combined),
          (combined) => plan.recheck(combined),
        ]);
        return proven === plan
          ? { plan, slices }
          : { plan: proven, slices: await readChosen(proven, signal) };
      },
    ],
  );
  return { archive, ...rows };

  function readChosen(plan: CopyPlan, signal: AbortSignal): Promise<CopiedSlice[]> {
    const jobs = planJobs(plan.choices.flatMap((choice) => choice.read));
    const weight = jobs.reduce((sum, job) => sum + job.weight, 0);
    world.log.info(
      `Reading about ${formatBytes(weight)} of ${formatCounted(snapshot.tables.length, 'table')} in ${formatCounted(jobs.length, 'part')}`,
    );
    const progress = new Progress(world.log, weight);
    return copyRows(snapshot, settings, jobs, {
      workers: inputs.jobs,
      pool,
      store,
      signal,
      onProgress: (job, read, bytes) => progress.advance(read, bytes, job.weight),
    });
  }
}

interface Copied {
  readonly archive: readonly PendingPiece[];
  readonly plan: CopyPlan;
  /** What was read; what was taken over from the base is in the plan. */
  readonly slices: readonly CopiedSlice[];
}

function describeSource({ identity, ...snapshot }: Snapshot, token: string | null): ManifestParts['source'] {
  return {
    database: identity.database,
    databaseOid: identity.databaseOid,
    systemIdentifier: identity.systemIdentifier,
    timeline: identity.timeline,
    postmasterStartedAt: identity.postmasterStartedAt,
    serverVersion: identity.serverVersion,
    encoding: snapshot.encoding,
    settings: { ...outputSettings },
    snapshot: snapshot.visible,
    lsn: snapshot.lsn,
    snapshotAt: snapshot.takenAt,
    token,
  };
}
