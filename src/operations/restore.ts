import { ConfigurationError, messageOf } from '../errors.ts';
import type { RestoreInputs } from '../inputs.ts';
import { type ArchiveEntry, readContents } from '../postgres/archive.ts';
import { findClient } from '../postgres/client.ts';
import { openSession } from '../postgres/connection.ts';
import { ToolError } from '../postgres/process.ts';
import { createSelection } from '../postgres/selection.ts';
import { clientEnvironment, describeConnection, parseConnection } from '../postgres/settings.ts';
import { formatBytes, formatCount, formatCounted, formatDuration, formatRate } from '../report/quantity.ts';
import { chooseBackup } from '../repository/backups.ts';
import { createReader } from '../repository/objects.ts';
import { openRepository } from '../repository/repository.ts';
import { openStorage } from '../storage/open.ts';
import { analyzeTables } from '../target/analyze.ts';
import { type ArchiveFile, restoreEntries } from '../target/archive-restore.ts';
import { compareWithBackup } from '../target/parity.ts';
import { checkTarget, readSchemas } from '../target/preflight.ts';
import { loadRows } from '../target/rows.ts';
import { type RestoreSelection, selectAll, selectPart } from '../target/selection.ts';
import { findOwnIndexes, type Step, splitIntoSteps } from '../target/steps.ts';
import type { World } from '../world.ts';
import { fetchArchive } from './archive-file.ts';
import { writeRootCertificates } from './certificates.ts';
import type { Outcome } from './outcome.ts';
import { PhaseClock } from './phases.ts';
import { describePlan, describeRestore } from './restore-report.ts';

/**
 * Restores a backup, or the chosen part of one, into an empty database, and compares the result with the facts of the backup.
 * The identity, the archive and the target are all checked before the target is touched.
 */
export async function restore(inputs: RestoreInputs, world: World): Promise<Outcome> {
  const clock = new PhaseClock();
  const settings = parseConnection('target-url', inputs.targetUrl, world.env, inputs.sslrootcert);
  await using resources = new AsyncDisposableStack();
  const storage = resources.adopt(await openStorage(inputs.storage, inputs), (opened) => opened.close());
  const repository = await openRepository(storage, inputs.repositoryKey);
  const manifest = await chooseBackup(repository, inputs.backupId, (error) =>
    world.log.warn(`${error.message}; passed over`),
  );
  const reader = createReader(repository, manifest, inputs.encryptionIdentity);
  world.log.info(
    `Restoring backup ${manifest.id} of ${manifest.source.snapshotAt} into ${describeConnection(settings)}`,
  );

  const archivePath = await fetchArchive(manifest, reader, world);
  const { targetMajor, schemas } = await askTarget();
  const client = await findClient(targetMajor, world, inputs.clientPath);
  const contents = await readContents(client, archivePath, manifest.facts.roles, world).catch(
    (cause: unknown) => {
      if (!(cause instanceof ToolError)) throw cause;
      // The archive is what the manifest says, byte for byte, so it is the program that does not understand it.
      throw new ConfigurationError(
        `client-path: pg_restore ${client.version} cannot read the archive of backup ${manifest.id}: ${messageOf(cause)}`,
        'Give the folder of newer client programs with client-path; those that made the backup can read it.',
        cause,
      );
    },
  );
  const selection = choose();
  const archive: ArchiveFile = {
    path: archivePath,
    client,
    steps: splitIntoSteps(selection.entries.filter((entry) => !isThere(entry))),
    database: settings.database,
    env: clientEnvironment(settings, world.env, () => writeRootCertificates(world)),
  };
  const tables = manifest.tables.filter((table) => selection.tables.has(table.oid));
  const scope = { manifest, target: describeConnection(settings), tables, selection };
  clock.end('preflight');
  if (inputs.dryRun) return describePlan(scope, clock);

  const total = tables.reduce((sum, table) => sum + table.bytes, 0);
  // Indexes that are built as soon as their table is loaded, while others are still being loaded.
  const early = new Set<ArchiveEntry>();
  await restoreArchive('definitions');

  const done = { rows: 0, bytes: 0 };
  const rowsStart = clock.elapsed();
  const sent = await world.log.group(`Rows of ${formatCounted(tables.length, 'table')}`, () =>
    loadRows(settings, manifest, tables, reader, {
      workers: inputs.jobs,
      digest: inputs.verify === 'content',
      signal: world.signal,
      onProgress(rows, bytes) {
        done.rows += rows;
        done.bytes += bytes;
        const elapsed = clock.elapsed() - rowsStart;
        const left = done.bytes > 0 ? (elapsed * (total - done.bytes)) / done.bytes : 0;
        world.log.progress(
          `${formatCount(done.rows)} rows, ${formatBytes(done.bytes)} of ${formatBytes(total)}, ${formatRate(done.bytes, elapsed)}, about ${formatDuration(left)} left`,
        );
      },
      async onLoaded(table) {
        const indexes = findOwnIndexes(archive.steps, table.oid);
        for (const entry of indexes) early.add(entry);
        await restoreEntries(archive, 'indexes and constraints', indexes, 1, world);
      },
    }),
  );
  clock.end('rows');

  await restoreArchive('sequences and large objects');
  await restoreArchive('indexes and constraints');
  await restoreArchive('indexes of partitions');
  await restoreArchive('foreign keys');
  await restoreArchive('triggers and policies');
  await restoreArchive('materialized views');
  await restoreArchive('event triggers');
  await analyzeTables(settings, { workers: inputs.jobs, signal: world.signal, log: world.log });
  clock.end('analyze');

  if (inputs.verify === 'none') return describeRestore(scope, undefined, clock);
  let compared = 0;
  const parity = await world.log.group('Comparing with the backup', () =>
    compareWithBackup(
      settings,
      manifest,
      { tables, whole: isWhole(), sent },
      {
        workers: inputs.jobs,
        signal: world.signal,
        onProgress(rows) {
          compared += rows;
          world.log.progress(`${formatCount(compared)} rows compared`);
        },
      },
    ),
  );
  clock.end('parity');
  return describeRestore(scope, parity, clock);

  async function restoreArchive(step: Step): Promise<void> {
    const entries = archive.steps.get(step)?.filter((entry) => !early.has(entry)) ?? [];
    if (entries.length === 0) return;
    const title = `${step.charAt(0).toUpperCase()}${step.slice(1)}`;
    await world.log.group(title, () => restoreEntries(archive, step, entries, inputs.jobs, world));
    clock.end(step);
  }

  async function askTarget() {
    const session = await openSession(settings, world.signal);
    try {
      await checkTarget(session, manifest);
      return { targetMajor: Math.floor(session.serverVersion / 10000), schemas: await readSchemas(session) };
    } finally {
      await session.close();
    }
  }

  /** Of the schema public, pg_dump writes only the owner, because every database has it. */
  function isThere(entry: ArchiveEntry): boolean {
    return entry.kind === 'SCHEMA' && entry.name !== 'public' && schemas.has(entry.name);
  }

  function isWhole(): boolean {
    return inputs.include.length === 0 && inputs.exclude.length === 0;
  }

  function choose(): RestoreSelection {
    if (isWhole()) return selectAll(contents, manifest.tables);
    const names = new Map(manifest.tables.map((table) => [table.oid, table]));
    const part = selectPart(contents, names, createSelection(inputs.include, inputs.exclude));
    if (part.entries.some((entry) => entry.kind !== 'EXTENSION')) return part;
    throw new ConfigurationError(
      `include: nothing in backup ${manifest.id} fits ${inputs.include.join(', ')}${inputs.exclude.length > 0 ? ` without ${inputs.exclude.join(', ')}` : ''}`,
      'Give names as schema.table or schema.*; the manifest lists the tables.',
    );
  }
}
