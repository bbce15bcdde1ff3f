import { ConfigurationError, messageOf } from '../errors.ts';
import { type ArchiveEntry, readContents } from '../postgres/archive.ts';
import { type ClientTools, findClient } from '../postgres/client.ts';
import { openSession } from '../postgres/connection.ts';
import { ToolError } from '../postgres/process.ts';
import type { RowDigest } from '../postgres/row-digest.ts';
import { createSelection } from '../postgres/selection.ts';
import { type ConnectionSettings, clientEnvironment, describeConnection } from '../postgres/settings.ts';
import { qualifiedName } from '../postgres/tables.ts';
import { formatCount, formatCounted } from '../report/quantity.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { ObjectReader } from '../repository/objects.ts';
import { analyzeTable, analyzeTables } from '../target/analyze.ts';
import { type ArchiveFile, ArchiveRestore } from '../target/archive-restore.ts';
import { compareWithBackup, type Parity } from '../target/parity.ts';
import { checkTarget, findMissingExtensions, readSchemas } from '../target/preflight.ts';
import { loadRows } from '../target/rows.ts';
import { type RestoreSelection, selectAll, selectPart, withoutExtensions } from '../target/selection.ts';
import { type Step, steps } from '../target/steps.ts';
import type { World } from '../world.ts';
import { fetchArchive } from './archive-file.ts';
import { writeRootCertificates } from './certificates.ts';
import type { PhaseClock } from './phases.ts';
import { Progress } from './progress.ts';
import type { RestoreScope } from './restore-report.ts';

/** What is restored, and where. */
export interface RestoreRequest {
  readonly manifest: Manifest;
  readonly reader: ObjectReader;
  readonly settings: ConnectionSettings;
  readonly clientPath: string | undefined;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly jobs: number;
  readonly verify: 'content' | 'counts' | 'none';
}

/** A restore that is ready: everything has been checked, and nothing of the target touched. */
export interface PreparedRestore {
  readonly scope: RestoreScope;
  /** @returns undefined when nothing was to be compared */
  run(): Promise<Parity | undefined>;
}

/**
 * Checks the identity, the archive and the target of a restore into an empty database.
 *
 * @param clock gets the phases, those of `run` included
 */
export async function prepareRestore(
  request: RestoreRequest,
  world: World,
  clock: PhaseClock,
): Promise<PreparedRestore> {
  const { manifest, reader, settings } = request;
  const archive = await fetchArchive(manifest, reader, world);
  const { major, schemas, missing } = await askTarget(settings, manifest, world);
  const client = await findClient(major, world, request.clientPath);
  const contents = await listArchive(client, archive, manifest, world);
  const selection = withoutExtensions(chooseEntries(request, manifest, contents), missing);
  if (missing.size > 0) {
    world.log.warn(
      `the server lacks ${[...missing].join(', ')}: what needs that is left out and listed in the report`,
    );
  }
  const tables = manifest.tables.filter((table) => selection.tables.has(table.oid));
  const scope: RestoreScope = { manifest, target: describeConnection(settings), tables, selection };
  clock.end('preflight');
  const file: ArchiveFile = {
    path: archive,
    client,
    entries: selection.entries.filter((entry) => !isThere(entry, schemas)),
    database: settings.database,
    env: clientEnvironment(settings, world.env, () => writeRootCertificates(world)),
    jobs: request.jobs,
  };
  return { scope, run: () => carryOut(request, scope, new ArchiveRestore(file, world), world, clock) };
}

async function carryOut(
  request: RestoreRequest,
  scope: RestoreScope,
  definitions: ArchiveRestore,
  world: World,
  clock: PhaseClock,
): Promise<Parity | undefined> {
  const { settings, jobs, verify } = request;
  const [first, ...others] = steps;
  await runStep(first, definitions, world, clock);
  const { sent, analyzed } = await loadTables(request, scope, definitions, world);
  clock.end('rows');
  for (const step of others) await runStep(step, definitions, world, clock);
  await analyzeTables(settings, { workers: jobs, done: analyzed, signal: world.signal, log: world.log });
  clock.end('analyze');
  if (verify === 'none') return undefined;
  const parity = await compare(request, scope, sent, world);
  clock.end('parity');
  return parity;
}

async function askTarget(settings: ConnectionSettings, manifest: Manifest, world: World) {
  const session = await openSession(settings, world.signal);
  try {
    await checkTarget(session, manifest);
    return {
      major: Math.floor(session.serverVersion / 10000),
      schemas: await readSchemas(session),
      missing: await findMissingExtensions(session, manifest),
    };
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

function isWhole({ include, exclude }: RestoreRequest): boolean {
  return include.length === 0 && exclude.length === 0;
}

function chooseEntries(
  request: RestoreRequest,
  manifest: Manifest,
  contents: readonly ArchiveEntry[],
): RestoreSelection {
  if (isWhole(request)) return selectAll(contents, manifest.tables);
  const names = new Map(manifest.tables.map((table) => [table.oid, table]));
  const part = selectPart(contents, names, createSelection(request.include, request.exclude));
  if (part.entries.some((entry) => entry.kind !== 'EXTENSION')) return part;
  const without = request.exclude.length > 0 ? ` without ${request.exclude.join(', ')}` : '';
  throw new ConfigurationError(
    `include: nothing in backup ${manifest.id} fits ${request.include.join(', ')}${without}`,
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
  { settings, reader, jobs, verify }: RestoreRequest,
  { manifest, tables }: RestoreScope,
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
      workers: jobs,
      digest: verify === 'content',
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
  request: RestoreRequest,
  { manifest, tables, selection }: RestoreScope,
  sent: ReadonlyMap<number, RowDigest> | undefined,
  world: World,
): Promise<Parity> {
  let compared = 0;
  return world.log.group('Comparing with the backup', () =>
    compareWithBackup(
      request.settings,
      manifest,
      { tables, whole: isWhole(request) && selection.leftOut.length === 0, sent },
      {
        workers: request.jobs,
        signal: world.signal,
        onProgress(rows) {
          compared += rows;
          world.log.progress(`${formatCount(compared)} rows compared`);
        },
      },
    ),
  );
}
