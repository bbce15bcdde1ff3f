import { ConfigurationError, messageOf } from '../errors.ts';
import type { RestoreInputs } from '../inputs.ts';
import { type ArchiveEntry, readContents } from '../postgres/archive.ts';
import { type ClientTools, findClient } from '../postgres/client.ts';
import { openSession } from '../postgres/connection.ts';
import { ToolError } from '../postgres/process.ts';
import type { RowDigest } from '../postgres/row-digest.ts';
import { createSelection } from '../postgres/selection.ts';
import {
  type ConnectionSettings,
  clientEnvironment,
  describeConnection,
  parseConnection,
} from '../postgres/settings.ts';
import { qualifiedName } from '../postgres/tables.ts';
import { formatCount, formatCounted } from '../report/quantity.ts';
import { chooseBackup } from '../repository/backups.ts';
import type { Manifest } from '../repository/manifest.ts';
import { createReader, type ObjectReader } from '../repository/objects.ts';
import { openRepository } from '../repository/repository.ts';
import { openStorage } from '../storage/open.ts';
import { analyzeTable, analyzeTables } from '../target/analyze.ts';
import { ArchiveRestore } from '../target/archive-restore.ts';
import { compareWithBackup, type Parity } from '../target/parity.ts';
import { checkTarget, readSchemas } from '../target/preflight.ts';
import { loadRows } from '../target/rows.ts';
import { type RestoreSelection, selectAll, selectPart } from '../target/selection.ts';
import { type Step, steps } from '../target/steps.ts';
import type { World } from '../world.ts';
import { fetchArchive } from './archive-file.ts';
import { writeRootCertificates } from './certificates.ts';
import type { Outcome } from './outcome.ts';
import { PhaseClock } from './phases.ts';
import { Progress } from './progress.ts';
import { describePlan, describeRestore, type RestoreScope } from './restore-report.ts';

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
  const target = describeConnection(settings);
  world.log.info(`Restoring backup ${manifest.id} of ${manifest.source.snapshotAt} into ${target}`);

  const archive = await fetchArchive(manifest, reader, world);
  const { major, schemas } = await askTarget(settings, manifest, world);
  const client = await findClient(major, world, inputs.clientPath);
  const contents = await listArchive(client, archive, manifest, world);
  const selection = chooseEntries(inputs, manifest, contents);
  const tables = manifest.tables.filter((table) => selection.tables.has(table.oid));
  const scope: RestoreScope = { manifest, target, tables, selection };
  clock.end('preflight');
  if (inputs.dryRun) return describePlan(scope, clock);

  const definitions = new ArchiveRestore(
    {
      path: archive,
      client,
      entries: selection.entries.filter((entry) => !isThere(entry, schemas)),
      database: settings.database,
      env: clientEnvironment(settings, world.env, () => writeRootCertificates(world)),
      jobs: inputs.jobs,
    },
    world,
  );
  const [first, ...others] = steps;
  await runStep(first, definitions, world, clock);
  const { sent, analyzed } = await loadTables(inputs, settings, scope, reader, definitions, world);
  clock.end('rows');
  for (const step of others) await runStep(step, definitions, world, clock);
  await analyzeTables(settings, {
    workers: inputs.jobs,
    done: analyzed,
    signal: world.signal,
    log: world.log,
  });
  clock.end('analyze');

  if (inputs.verify === 'none') return describeRestore(scope, undefined, clock);
  const parity = await compare(inputs, settings, scope, sent, world);
  clock.end('parity');
  return describeRestore(scope, parity, clock);
}

async function askTarget(settings: ConnectionSettings, manifest: Manifest, world: World) {
  const session = await openSession(settings, world.signal);
  try {
    await checkTarget(session, manifest);
    return { major: Math.floor(session.serverVersion / 10000), schemas: await readSchemas(session) };
  } finally {
    await session.close();
  }
}

async function listArchive(
  client: ClientTools,
  archive: string,
  manifest: Manifest,
  world: World,
): Promise<ArchiveEntry[]> {
  try {
    return await readContents(client, archive, manifest.facts.roles, world);
  } catch (cause) {
    if (!(cause instanceof ToolError)) throw cause;
    // The archive is what the manifest says, byte for byte, so it is the program that does not understand it.
    throw new ConfigurationError(
      `client-path: pg_restore ${client.version} cannot read the archive of backup ${manifest.id}: ${messageOf(cause)}`,
      'Give the folder of newer client programs with client-path; those that made the backup can read it.',
      cause,
    );
  }
}

function isWhole(inputs: RestoreInputs): boolean {
  return inputs.include.length === 0 && inputs.exclude.length === 0;
}

function chooseEntries(
  inputs: RestoreInputs,
  manifest: Manifest,
  contents: readonly ArchiveEntry[],
): RestoreSelection {
  if (isWhole(inputs)) return selectAll(contents, manifest.tables);
  const names = new Map(manifest.tables.map((table) => [table.oid, table]));
  const part = selectPart(contents, names, createSelection(inputs.include, inputs.exclude));
  if (part.entries.some((entry) => entry.kind !== 'EXTENSION')) return part;
  const without = inputs.exclude.length > 0 ? ` without ${inputs.exclude.join(', ')}` : '';
  throw new ConfigurationError(
    `include: nothing in backup ${manifest.id} fits ${inputs.include.join(', ')}${without}`,
    'Give names as schema.table or schema.*; the manifest lists the tables.',
  );
}

/** Of the schema public, pg_dump writes only the owner, because every database has it. */
function isThere(entry: ArchiveEntry, schemas: ReadonlySet<string>): boolean {
  return entry.kind === 'SCHEMA' && entry.name !== 'public' && schemas.has(entry.name);
}

async function runStep(
  step: Step,
  definitions: ArchiveRestore,
  world: World,
  clock: PhaseClock,
): Promise<void> {
  if (!definitions.has(step)) return;
  await world.log.group(`${step.charAt(0).toUpperCase()}${step.slice(1)}`, () => definitions.run(step));
  clock.end(step);
}

/** Loads all rows; a large table gets its indexes and statistics while others are still being loaded. */
async function loadTables(
  inputs: RestoreInputs,
  settings: ConnectionSettings,
  { manifest, tables }: RestoreScope,
  reader: ObjectReader,
  definitions: ArchiveRestore,
  world: World,
): Promise<{ sent: Map<number, RowDigest> | undefined; analyzed: Set<string> }> {
  const analyzed = new Set<string>();
  const progress = new Progress(
    world.log,
    tables.reduce((sum, table) => sum + table.bytes, 0),
  );
  const sent = await world.log.group(`Rows of ${formatCounted(tables.length, 'table')}`, () =>
    loadRows(settings, manifest, tables, reader, {
      workers: inputs.jobs,
      digest: inputs.verify === 'content',
      signal: world.signal,
      onProgress: (rows, bytes) => progress.advance(rows, bytes, bytes),
      async onLoaded(table, session) {
        const complete = await definitions.buildIndexes(table.oid);
        if (!complete || table.root !== null) return;
        await analyzeTable(session, table, world.log, world.signal);
        analyzed.add(qualifiedName(table));
      },
    }),
  );
  return { sent, analyzed };
}

function compare(
  inputs: RestoreInputs,
  settings: ConnectionSettings,
  { manifest, tables }: RestoreScope,
  sent: ReadonlyMap<number, RowDigest> | undefined,
  world: World,
): Promise<Parity> {
  let compared = 0;
  return world.log.group('Comparing with the backup', () =>
    compareWithBackup(
      settings,
      manifest,
      { tables, whole: isWhole(inputs), sent },
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
}
