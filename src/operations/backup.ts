import { ConfigurationError } from '../errors.ts';
import type { BackupInputs } from '../inputs.ts';
import { findClient } from '../postgres/client.ts';
import { openSession } from '../postgres/connection.ts';
import {
  countObjects,
  readExtensions,
  readInvalidIndexes,
  readRoles,
  readSequences,
} from '../postgres/facts.ts';
import { planJobs } from '../postgres/ranges.ts';
import { createSelection, findUnmatched } from '../postgres/selection.ts';
import { outputSettings } from '../postgres/session-settings.ts';
import { clientEnvironment, describeConnection, parseConnection } from '../postgres/settings.ts';
import { qualifiedName, readTables } from '../postgres/tables.ts';
import { formatBytes, formatCount, formatCounted, formatDuration, formatRate } from '../report/quantity.ts';
import { createBackupId, readKnownObjects, writeManifest } from '../repository/backups.ts';
import { createOpen, createSeal } from '../repository/codec.ts';
import type { Manifest, StoredObject } from '../repository/manifest.ts';
import { assembleManifest, type ManifestParts } from '../repository/manifest-assembly.ts';
import { createNaming, ObjectWriter, objectSize } from '../repository/objects.ts';
import { openForBackup } from '../repository/repository.ts';
import { dumpArchive } from '../source/archive.ts';
import { BufferPool } from '../source/buffer-pool.ts';
import { readIdentity } from '../source/identity.ts';
import type { PendingPiece } from '../source/object-sink.ts';
import { type CopiedSlice, copyRows } from '../source/rows.ts';
import { takeSnapshot } from '../source/snapshot.ts';
import { openStorage } from '../storage/open.ts';
import { runTogether } from '../workers.ts';
import type { World } from '../world.ts';
import { writeRootCertificates } from './certificates.ts';
import type { Outcome } from './outcome.ts';
import { PhaseClock } from './phases.ts';

/**
 * Stores a restore point: everything the database holds, as one snapshot saw it. The manifest is written last; until then there
 * is no backup, and what a failed run has stored is found again by the next.
 */
export async function backup(inputs: BackupInputs, world: World): Promise<Outcome> {
  const clock = new PhaseClock();
  const startedAt = world.now();
  const settings = parseConnection('database-url', inputs.databaseUrl, world.env, inputs.sslrootcert);
  world.log.info(`Backing up ${describeConnection(settings)} to ${inputs.storage}`);

  const identity = await askServer();
  const client = await findClient(Math.floor(identity.serverVersion / 10000), world, inputs.clientPath);
  const env = clientEnvironment(settings, world.env, () => writeRootCertificates(world));

  await using resources = new AsyncDisposableStack();
  const storage = resources.adopt(await openStorage(inputs.storage, inputs), (opened) => opened.close());
  await storage.probe();
  const repository = await openForBackup(storage, inputs.repositoryKey, identity, startedAt);
  const known = await readKnownObjects(repository, (error) =>
    world.log.warn(`${error.message}; it is not built upon`),
  );
  const writer = new ObjectWriter(
    storage,
    createNaming(repository.key, inputs.encryptionRecipients),
    createSeal(inputs.encryptionRecipients, inputs.compressionLevel),
    known,
    inputs.encryptionRecipients.length === 0 ? createOpen('none', []) : undefined,
  );
  const store = (plaintext: Buffer): Promise<StoredObject> => writer.store(plaintext);
  clock.end('preflight');

  const schemaOnly = inputs.backupType === 'schema';
  const wanted = createSelection(inputs.include, inputs.exclude);
  const snapshot = await takeSnapshot(settings, (table) => !schemaOnly && wanted(table), {
    lockTimeoutSeconds: inputs.lockTimeoutSeconds,
    signal: world.signal,
    log: world.log,
  });
  resources.defer(() => snapshot.lead.destroy());
  const facts = {
    sequences: await readSequences(snapshot.lead),
    objects: await countObjects(snapshot.lead),
    roles: await readRoles(snapshot.lead),
    extensions: await readExtensions(snapshot.lead),
  };
  const invalidIndexes = await readInvalidIndexes(snapshot.lead);
  clock.end('snapshot');

  const jobs = planJobs(snapshot.tables, objectSize);
  const weight = jobs.reduce((sum, job) => sum + job.weight, 0);
  world.log.info(
    `Snapshot ${snapshot.visible} at ${snapshot.lsn}: ${formatCounted(snapshot.tables.length, 'table')} of about ${formatBytes(weight)} in ${formatCounted(jobs.length, 'part')}`,
  );
  // A buffer for each worker and the archive, and two that are being stored meanwhile.
  const pool = new BufferPool(inputs.jobs + 3, objectSize);
  const done = { rows: 0, bytes: 0, weight: 0, jobs: 0 };
  const [archive, slices] = await runTogether<[readonly PendingPiece[], CopiedSlice[]]>(snapshot.signal, [
    (signal) =>
      dumpArchive(snapshot, client, [...snapshot.tables, ...snapshot.leftOut], {
        schemaOnly,
        env,
        lockTimeoutSeconds: inputs.lockTimeoutSeconds,
        pool,
        store,
        signal,
      }),
    (signal) =>
      copyRows(snapshot, settings, jobs, {
        workers: inputs.jobs,
        pool,
        store,
        signal,
        onProgress(job, rows, bytes) {
          done.rows += rows;
          done.bytes += bytes;
          done.weight += job.weight;
          done.jobs++;
          const elapsed = clock.elapsed();
          const left = done.weight > 0 ? (elapsed * (weight - done.weight)) / done.weight : 0;
          world.log.progress(
            `${formatCount(done.rows)} rows, ${formatBytes(done.bytes)}, ${formatRate(done.bytes, elapsed)}, part ${done.jobs} of ${jobs.length}, about ${formatDuration(left)} left`,
          );
        },
      }),
  ]);
  snapshot.signal.throwIfAborted();
  const latest = await readSequences(snapshot.lead);
  await snapshot.close();
  clock.end('copy');

  const parts: ManifestParts = {
    id: createBackupId(startedAt),
    kind: inputs.backupType,
    label: inputs.label,
    pin: inputs.pin,
    startedAt,
    finishedAt: world.now(),
    source: {
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
    },
    recipients: inputs.encryptionRecipients,
    archive,
    slices,
    facts: { ...facts, latest },
    notCarried: [
      ...(schemaOnly ? [] : snapshot.leftOut).map((table) => ({
        what: `rows of ${qualifiedName(table)}`,
        why: 'left out by include or exclude',
        remedy: 'Back up without include and exclude.',
      })),
      ...invalidIndexes.map((index) => ({
        what: `index ${index}`,
        why: 'it is invalid, left behind by a failed CREATE INDEX CONCURRENTLY',
        remedy: 'Drop it, or REINDEX it, and back up again.',
      })),
    ],
    durations: clock.milliseconds(),
  };
  const manifest = assembleManifest(parts);
  await writeManifest(repository, manifest);
  return describe(manifest, writer, clock.elapsed());

  async function askServer() {
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
}

/** A pattern with a slip in it would leave rows out of the backup, or in it, without a word. */
function refuseUnmatched(
  input: 'include' | 'exclude',
  patterns: readonly string[],
  tables: Awaited<ReturnType<typeof readTables>>,
): void {
  const unmatched = findUnmatched(patterns, tables);
  if (unmatched.length === 0) return;
  throw new ConfigurationError(
    `${input}: no table of this database fits ${unmatched.join(', ')}`,
    'Correct the name, or leave it out. Names are schema.table or schema.*, in the letters of the database.',
  );
}

function describe(manifest: Manifest, writer: ObjectWriter, elapsed: number): Outcome {
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  const bytes = manifest.objects.reduce((sum, object) => sum + object.bytes, 0);
  const stored = manifest.objects.reduce((sum, object) => sum + object.stored, 0);
  const largest = manifest.tables.toSorted((one, other) => other.bytes - one.bytes).slice(0, 10);
  return {
    exitCode: 0,
    outputs: {
      'backup-id': manifest.id,
      'backup-type': manifest.kind,
      tables: manifest.tables.length,
      rows,
      bytes,
      'stored-bytes': stored,
      'new-bytes': writer.addedBytes,
      objects: manifest.objects.length,
      'duration-seconds': Math.round(elapsed / 100) / 10,
    },
    report: [
      { kind: 'heading', text: `Backup ${manifest.id}` },
      {
        kind: 'table',
        columns: [{ title: 'what' }, { title: '', align: 'right' }],
        rows: [
          ['kind', manifest.kind],
          ['snapshot', manifest.source.snapshotAt],
          ['tables', formatCount(manifest.tables.length)],
          ['rows', formatCount(rows)],
          ['read', `${formatBytes(bytes)} (${formatRate(bytes, elapsed)})`],
          ['stored', `${formatBytes(stored)} in ${formatCounted(manifest.objects.length, 'object')}`],
          ['new in the repository', formatBytes(writer.addedBytes)],
          [
            'encrypted',
            manifest.encryption.scheme === 'age'
              ? `age, ${formatCounted(manifest.encryption.recipients.length, 'recipient')}`
              : 'no',
          ],
          ['duration', formatDuration(elapsed)],
        ],
      },
      ...(largest.length === 0
        ? []
        : ([
            {
              kind: 'paragraph',
              text: largest.length < manifest.tables.length ? 'The ten largest tables:' : 'Tables:',
            },
            {
              kind: 'table',
              columns: [
                { title: 'table' },
                { title: 'rows', align: 'right' },
                { title: 'bytes', align: 'right' },
                { title: 'ranges', align: 'right' },
              ],
              rows: largest.map((table) => [
                qualifiedName(table),
                formatCount(table.rows),
                formatBytes(table.bytes),
                formatCount(table.ranges.length),
              ]),
            },
          ] as const)),
      ...(manifest.notCarried.length === 0
        ? []
        : ([
            { kind: 'paragraph', text: 'Not in this backup:' },
            {
              kind: 'table',
              columns: [{ title: 'what' }, { title: 'why' }],
              rows: manifest.notCarried.map((item) => [item.what, item.why]),
            },
          ] as const)),
    ],
  };
}
