import type { Manifest } from '../../format/manifest.ts';
import type { BackupRequest } from '../../interface/inputs/types.ts';
import { readFacts, readSequences } from '../../postgres/catalog/facts.ts';
import { checkMemory } from '../../postgres/catalog/memory.ts';
import { checkFreshness } from '../../postgres/catalog/questions.ts';
import { readTables, type TableInfo } from '../../postgres/catalog/tables.ts';
import { findDumpClient } from '../../postgres/client/find.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import { outputSettings } from '../../postgres/session/output-settings.ts';
import { openReached } from '../../postgres/session/reach.ts';
import { type ConnectionSettings, describeConnection } from '../../postgres/session/settings.ts';
import { assembleManifest, type ManifestParts } from '../../repository/backups/assembly.ts';
import { writeManifest } from '../../repository/backups/manifests.ts';
import type { World } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { checkAccounts, checkRecorded } from '../../source/accounts.ts';
import { assertSameServer, readIdentity, type SourceIdentity } from '../../source/identity.ts';
import { measureReuse } from '../../source/incremental/reuse.ts';
import { leaveToken } from '../../source/rollback-token.ts';
import { type Snapshot, takeSnapshot } from '../../source/snapshot/snapshot.ts';
import { createSelection, findUnmatched } from '../../values/table-patterns.ts';
import { createBackupId } from '../../values/timed-id.ts';
import { askedOf, copyDatabase } from './copy.ts';
import { type Destination, openDestination } from './destination.ts';
import { refuseUnencrypted } from './encryption-rule.ts';
import type { BackupResult } from './result.ts';

/**
 * Stores a restore point: everything the database holds, as one snapshot saw it. The manifest is written last; until then there
 * is no backup, and what a failed run has stored is found again by the next.
 */
export async function takeBackup(inputs: BackupRequest, world: World): Promise<BackupResult> {
  const clock = new PhaseClock();
  refuseUnencrypted(inputs, world);
  const calledAt = world.now();
  await using resources = new AsyncDisposableStack();
  const { settings, session: present } = await openReached(
    'database-url',
    inputs.databaseUrl,
    inputs.sslrootcert,
    world,
  );
  resources.defer(() => present.destroy());
  world.log.info(`Backing up ${describeConnection(settings)} to ${inputs.storage}`);
  const identity = await askServer(inputs, present);
  // Neither the server nor the storage waits for the other; each may be far.
  const lead = beginLead(settings, resources, world);
  const client = await findDumpClient(identity.serverVersion, world, inputs);
  const destination = await openDestination(inputs, identity, calledAt, resources, world);
  clock.end('preflight');

  const snapshot = await takeSnapshot(settings, chooseTables(inputs), {
    lockTimeoutSeconds: inputs.lockTimeoutSeconds,
    signal: destination.world.signal,
    log: world.log,
    present,
    lead,
  });
  resources.defer(() => snapshot.lead.destroy());
  assertSameServer(settings.input, identity, snapshot.identity);
  checkMemory('backup', snapshot.tables.length);
  const token = inputs.ledger ? await leaveToken(settings, snapshot.signal, inputs.lockTimeoutSeconds) : null;
  const facts = await readFacts(snapshot.lead, await snapshot.present());
  clock.end('snapshot');

  const request = { inputs, settings, client, snapshot, destination, sequences: facts.sequences };
  const { plan, slices, ...copied } = await copyDatabase(request);
  const [latest] = await Promise.all([
    readSequences(snapshot.lead, await snapshot.present()),
    checkAccounts(snapshot.lead, snapshot),
  ]);
  await snapshot.close();
  clock.end('copy');

  const manifest = assembleManifest({
    id: createBackupId(destination.date(calledAt)),
    kind: plan.base === undefined && inputs.backupType === 'incremental' ? 'full' : inputs.backupType,
    base: plan.base?.id ?? null,
    fullBecause: plan.fullBecause,
    label: inputs.label,
    pin: inputs.pin,
    startedAt: destination.date(calledAt),
    finishedAt: destination.date(world.now()),
    source: { ...describeSource(snapshot, token), definitions: copied.digest },
    recipients: inputs.encryptionRecipients,
    archive: copied.archive,
    supplement: copied.supplement,
    slices: [...plan.choices.flatMap((choice) => choice.reused), ...slices],
    facts: { ...facts, latest },
    notCarried: copied.notCarried,
    added: destination.writer.addedBytes,
    durations: clock.milliseconds(),
  });
  checkRecorded(manifest.tables, snapshot.tables);
  await record(manifest, destination);
  return {
    manifest,
    reuse: plan.base && measureReuse(manifest, plan.base, plan.choices),
    mismatches: plan.mismatches,
    addedBytes: destination.writer.addedBytes,
    elapsed: clock.elapsed(),
  };
}

/** Opens the session that will hold the snapshot. That it cannot be opened is heard by who waits for it; what ends the backup before says more. */
function beginLead(
  settings: ConnectionSettings,
  resources: AsyncDisposableStack,
  { signal }: World,
): Promise<Session> {
  const lead = openSession(settings, signal);
  lead.catch(() => undefined);
  resources.defer(() =>
    lead.then(
      (session) => session.destroy(),
      () => undefined,
    ),
  );
  return lead;
}

/** Writes the manifest, once all that it names is proven to be stored and the lock is still held. */
async function record(
  manifest: Manifest,
  { repository, lock, writer, outlines, world: { signal } }: Destination,
): Promise<void> {
  await outlines;
  await writeManifest(repository, manifest, async () => {
    await Promise.all([writer.assertStored(manifest.objects, signal), lock.assertHeld()]);
    // A backup that was stopped until now has recorded nothing.
    signal.throwIfAborted();
  });
}

/** One look at the server before anything else is opened: which it is, and whether the patterns mean anything there. */
async function askServer(inputs: BackupRequest, session: Session): Promise<SourceIdentity> {
  await checkFreshness(session, askedOf(inputs).freshness);
  if (inputs.include.length > 0 || inputs.exclude.length > 0) {
    const tables = await readTables(session);
    refuseUnmatched('include', inputs.include, tables);
    refuseUnmatched('exclude', inputs.exclude, tables);
  }
  return readIdentity(session);
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
    'Correct the name, or leave it out. Names are schema.table or schema.*, in the letters of the database, with double quotes around a part where it needs them.',
  );
}

/** Tells the tables whose rows are wanted; a schema backup wants none. */
function chooseTables(inputs: BackupRequest): (table: TableInfo) => boolean {
  return inputs.backupType === 'schema' ? () => false : createSelection(inputs.include, inputs.exclude);
}

function describeSource(
  { identity, ...snapshot }: Snapshot,
  token: string | null,
): Omit<ManifestParts['source'], 'definitions'> {
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
