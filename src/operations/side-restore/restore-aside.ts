import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Manifest } from '../../format/manifest.ts';
import { describeHolder, nameActor } from '../../github/run.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import { findClient } from '../../postgres/client/find.ts';
import { quoteIdentifier } from '../../postgres/identifier.ts';
import { reachDatabase } from '../../postgres/session/reach.ts';
import { fitJobs } from '../../postgres/session/room.ts';
import { type ConnectionSettings, describeConnection } from '../../postgres/session/settings.ts';
import { redactReason } from '../../report/redact.ts';
import { chooseManifest } from '../../repository/backups/choose.ts';
import { warnOfBackupsElsewhere } from '../../repository/copies/elsewhere.ts';
import { fetchArchive } from '../../repository/objects/archive-file.ts';
import { createReader, type ObjectReader } from '../../repository/objects/store.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { recordIfPossible } from '../../repository/records.ts';
import { listArchive } from '../../restorer/plan.ts';
import { checkComparable, readForeignKeys, readLiveTables } from '../../restorer/side/live-table.ts';
import { findRelated, orderByReferences } from '../../restorer/side/repair-sql.ts';
import { chooseSideTables } from '../../restorer/side/selection.ts';
import {
  checkSideSchema,
  createSideTables,
  dropSideSchema,
  indexSideTable,
  planSideTables,
  type SideTable,
} from '../../restorer/side/tables.ts';
import { makeReportFolder } from '../../restorer/trial/parity-files.ts';
import type { Context } from '../../runtime/context.ts';
import {
  ConfigurationError,
  IntegrityError,
  messageOf,
  StorageError,
  TargetError,
} from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { nameInput, nameInputs, say } from '../../runtime/wording.ts';
import { openWithCopies } from '../../storage/copies.ts';
import type { FallbackStorage } from '../../storage/fallback.ts';
import { compare } from './comparison.ts';
import type { SideFindings, SideRestore, SideScope } from './result.ts';
import { fill, inSideSchema, type SideWork, withSession } from './rows.ts';

/**
 * Restores the rows of chosen tables into a new schema of the database in use, compares them with the live
 * tables, and writes the SQL that brings missing rows back. The live tables are read and never written.
 * Differences are the answer, not a failure. When the restore fails or is stopped, the new schema is dropped
 * again.
 */
export async function restoreAside(inputs: RestoreInputs, context: Context): Promise<SideRestore> {
  const clock = new PhaseClock();
  const schema = checkInputs(inputs);
  await using storage = await openWithCopies(inputs, context);
  return { ...(await restoreFrom(storage, schema, inputs, clock, context)), readFrom: storage.answers };
}

async function restoreFrom(
  storage: FallbackStorage,
  schema: string,
  inputs: RestoreInputs,
  clock: PhaseClock,
  context: Context,
): Promise<SideRestore> {
  const settings = await reachDatabase('target-url', inputs.targetUrl, inputs.sslrootcert, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  if (inputs.backupId === 'latest') await warnOfBackupsElsewhere(repository, storage.copies, context);
  const manifest = await chooseManifest(repository, inputs.backupId, context);
  const reader = createReader(repository, manifest, inputs.encryptionIdentity);
  context.log.info(
    `Restoring rows of backup ${manifest.id} of ${manifest.source.snapshotAt} into the schema ${schema} of ${describeConnection(settings)}`,
  );
  const scope = await planScope(inputs, schema, manifest, reader, settings, context);
  clock.end('preflight');
  if (inputs.dryRun) return { kind: 'planned', scope, elapsed: clock.elapsed() };
  await makeReportFolder(inputs.reportFolder);
  const work: SideWork = { scope, reader, settings, jobs: await fitJobs(settings, inputs.jobs, context) };
  let findings: SideFindings;
  try {
    findings = await carryOut(work, context, clock);
  } catch (error) {
    await record(repository, scope, { outcome: 'failed', why: messageOf(error) }, clock, context);
    throw error;
  }
  // `unverified`: the comparison answers whether the live tables equal the backup, not whether the restore
  // went well.
  await record(repository, scope, { outcome: 'unverified', why: null }, clock, context);
  const file = await writeSql(inputs.reportFolder, findings.sql, context);
  const phases = clock.milliseconds();
  return { kind: 'compared', scope, findings, file, phases, elapsed: clock.elapsed() };
}

/** @returns the name of the side schema */
function checkInputs(inputs: RestoreInputs): string {
  if (inputs.sideSchema === undefined) throw new Error('a restore beside the live tables without its schema');
  if (inputs.include.length === 0) {
    throw new ConfigurationError(
      say`${nameInput('include')}: is required with ${nameInput('side-schema')}`,
      'Select the tables whose rows you need, for example public.orders,auth.users.',
    );
  }
  const contrary = [
    ...(inputs.clean ? ['clean'] : []),
    ...(inputs.stagingUrl === undefined ? [] : ['staging-url']),
    ...(inputs.safetyStorage === undefined ? [] : ['safety-storage']),
    ...(inputs.checks.length === 0 ? [] : ['checks']),
    ...(inputs.recoveryTargetTime === undefined ? [] : ['recovery-target-time']),
  ];
  if (contrary.length > 0) {
    throw new ConfigurationError(
      say`${nameInput('side-schema')}: cannot be used together with ${nameInputs(contrary)}`,
      'A restore into a side schema does not change the live tables. Leave the others out.',
    );
  }
  return inputs.sideSchema;
}

async function planScope(
  inputs: RestoreInputs,
  schema: string,
  manifest: Manifest,
  reader: ObjectReader,
  settings: ConnectionSettings,
  context: Context,
): Promise<SideScope> {
  const archive = await fetchArchive(manifest, reader, context);
  return withSession({ settings, manifest, signal: context.signal }, async (session) => {
    await checkSideSchema(session, schema);
    const client = await findClient(Math.floor(session.serverVersion / 10000), context, inputs);
    const contents = await listArchive(client, archive, manifest, context);
    const chosen = chooseSideTables(manifest, contents, inputs);
    const partitions = chosen.filter((table) => !table.whole).flatMap((table) => table.parts);
    const live = await readLiveTables(session, [...chosen, ...partitions]);
    const planned = planSideTables(chosen, live);
    await checkComparable(
      session,
      planned.flatMap((table) => table.live ?? []),
    );
    const foreignKeys = await readForeignKeys(session);
    const { ordered, circular } = orderByReferences(planned, foreignKeys);
    const target = describeConnection(settings);
    const { followers, parents } = findRelated(ordered, foreignKeys);
    return { manifest, target, schema, tables: ordered, circular, followers, parents };
  });
}

async function carryOut(work: SideWork, context: Context, clock: PhaseClock): Promise<SideFindings> {
  const { schema, manifest, tables } = work.scope;
  const comment = `Rows of backup ${manifest.id}, restored by supabase-backup at ${context.now().toISOString()} beside the live tables`;
  await inSideSchema(work, context.signal, (session) => createSideTables(session, schema, tables, comment));
  try {
    const filled = await fill(work, context);
    clock.end('rows');
    const indexed = await inSideSchema(work, context.signal, async (session) => {
      const done: SideTable[] = [];
      for (const table of filled) done.push(await indexSideTable(session, schema, table));
      return done;
    });
    clock.end('indexes');
    const findings = await context.log.group('Comparing with the live tables', () =>
      compare(work, indexed, context.signal),
    );
    clock.end('comparison');
    return findings;
  } catch (cause) {
    const state = await dropAgain(work, context);
    context.signal.throwIfAborted();
    throw explain(cause, state);
  }
}

/**
 * Drops the side schema of a restore that failed or was stopped.
 *
 * @returns the state of the database now, for people
 */
async function dropAgain({ scope, settings }: SideWork, context: Context): Promise<string> {
  const { schema, manifest } = scope;
  try {
    await withSession({ settings, manifest, signal: undefined }, (session) =>
      dropSideSchema(session, schema),
    );
    return `The schema ${schema} was dropped again, and the live tables are as they were.`;
  } catch (error) {
    context.log.warn(`the schema ${schema} could not be dropped: ${messageOf(error)}`);
    return `The live tables are as they were; drop what is left with: DROP SCHEMA ${quoteIdentifier(schema)} CASCADE;`;
  }
}

/**
 * Gives an error another next step: the loader's says to drop an incomplete target, and this target must
 * stay.
 */
function explain(cause: unknown, state: string): unknown {
  const message = messageOf(cause);
  const again = 'Fix the cause and run it again.';
  if (cause instanceof ConfigurationError) return cause;
  if (cause instanceof IntegrityError) {
    const next = `${state} Run \`validate\` to see which backups are intact, and use one of those.`;
    return new IntegrityError(message, next, cause);
  }
  if (cause instanceof StorageError) return new StorageError(message, `${state} ${again}`, { cause });
  // Errors of the server and of the network have a code, except for a lost connection.
  if (cause instanceof TargetError || (cause as { code?: string }).code || /connection/i.test(message)) {
    return new TargetError(message, `${state} ${again}`, cause);
  }
  return cause;
}

/**
 * Writes the SQL into the report folder.
 *
 * @returns the path of the file; undefined when there is none, so the report has to show the SQL
 */
async function writeSql(
  folder: string | undefined,
  sql: string,
  context: Context,
): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  const file = path.join(folder, 'bring-back.sql');
  try {
    await writeFile(file, sql);
    return file;
  } catch (error) {
    context.log.warn(`${file} could not be written, so the report contains it: ${messageOf(error)}`);
    return undefined;
  }
}

/**
 * Records a restore. Credentials that may only read are enough to restore, so a failure to write the record
 * is a warning.
 */
async function record(
  repository: Repository,
  { manifest, target, schema }: SideScope,
  result: { outcome: 'unverified' | 'failed'; why: string | null },
  clock: PhaseClock,
  context: Context,
): Promise<void> {
  await recordIfPossible(repository, 'restores', 'restore', context, {
    backup: manifest.id,
    target: `${target}, beside the live tables in the schema ${schema}`,
    actor: nameActor(context),
    run: describeHolder(context.env),
    whole: false,
    ...{ ...result, why: redactReason(result.why, context.redact) },
    phases: clock.milliseconds(),
  });
}
