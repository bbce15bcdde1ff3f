import type { Manifest } from '../../format/manifest.ts';
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
import type { Context } from '../../runtime/context.ts';
import { SourceError } from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { checkAccounts, checkRecorded } from '../../source/accounts.ts';
import { measureSlot, nameSlot } from '../../source/changes/slot.ts';
import { assertSameServer, readIdentity, type SourceIdentity } from '../../source/identity.ts';
import { measureReuse } from '../../source/incremental/reuse.ts';
import { leaveToken } from '../../source/rollback-token.ts';
import { type Snapshot, takeSnapshot } from '../../source/snapshot/snapshot.ts';
import { refuseUnmatched } from '../../source/unmatched.ts';
import { createSelection } from '../../values/table-patterns.ts';
import { createBackupId } from '../../values/timed-id.ts';
import { askedOf, type CopiedDatabase, copyDatabase } from './copy.ts';
import { type Destination, openDestination } from './destination.ts';
import { refuseUnencrypted } from './encryption-rule.ts';
import type { BackupRequest } from './request.ts';
import type { BackupResult } from './result.ts';
import { type CarriedKey, carryRootKey } from './root-key.ts';

/**
 * Stores a restore point: everything the database holds, in one snapshot. The manifest is written last: until
 * then there is no backup, and the next run finds again what a failed run has stored.
 */
export async function takeBackup(request: BackupRequest, context: Context): Promise<BackupResult> {
  const clock = new PhaseClock();
  const { source, place, packing, backupType } = request;
  refuseUnencrypted(place.storage, packing, context);
  const calledAt = context.now();
  await using resources = new AsyncDisposableStack();
  const { settings, session: present } = await openReached(
    'database-url',
    source.databaseUrl,
    source.sslrootcert,
    context,
  );
  resources.defer(() => present.destroy());
  context.log.info(`Backing up ${describeConnection(settings)} to ${place.storage}`);
  const identity = await askServer(request, present);
  // The server and the storage may both be far away, so neither waits for the other.
  const lead = beginLead(settings, resources, context);
  const client = await findDumpClient(identity.serverVersion, context, source);
  const target = { place, packing, purpose: backupType };
  const destination = await openDestination(target, identity, calledAt, resources, context);
  if (request.purpose === 'ordinary') await noteSlot(present, destination);
  clock.end('preflight');

  const reached = { settings, present, lead, identity };
  const held = await holdSnapshot(request, reached, resources, destination.context);
  const { snapshot, facts } = held;
  clock.end('snapshot');

  const { sequences } = facts;
  const copy = { backupType, source, settings, client, snapshot, destination, sequences };
  const copied = await copyDatabase(copy);
  const [latest] = await Promise.all([
    readSequences(snapshot.lead, await snapshot.present()),
    checkAccounts(snapshot.lead, snapshot),
  ]);
  await snapshot.close();
  clock.end('copy');

  const rootKey = await carryRootKey(request, copied, destination);
  const manifest = assembleManifest({
    ...gatherParts(request, copied, rootKey, destination, calledAt, context.now()),
    source: { ...toSource(held), definitions: copied.digest },
    facts: { ...facts, latest },
    durations: clock.milliseconds(),
  });
  checkRecorded(manifest.tables, snapshot.tables);
  await record(manifest, destination);
  const { plan } = copied;
  return {
    manifest,
    reuse: plan.base && measureReuse(manifest, plan.base, plan.choices),
    mismatches: plan.mismatches,
    rootKey: rootKey.kind,
    addedBytes: destination.writer.addedBytes,
    elapsed: clock.elapsed(),
  };
}

/**
 * Notes the slot of captures for the record of the run. A server that does not tell it is no reason to take no
 * backup.
 */
async function noteSlot(present: Session, { repository, context }: Destination): Promise<void> {
  if (context.noteSlot === undefined) return;
  try {
    const state = await measureSlot(present, nameSlot(repository));
    if (state !== undefined) context.noteSlot({ at: context.now(), state });
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    context.log.warn(`the replication slot is not measured: ${error.message}`);
  }
}

/** The source and its open sessions. */
interface Reached {
  readonly settings: ConnectionSettings;
  /** Sees the present */
  readonly present: Session;
  /** Will hold the snapshot */
  readonly lead: Promise<Session>;
  readonly identity: SourceIdentity;
}

/** A snapshot, which lasts as long as its lead session, and what was read in it first. */
interface Held {
  readonly snapshot: Snapshot;
  /** The rollback token, written before the facts were read; null when none is wanted */
  readonly token: string | null;
  readonly facts: Awaited<ReturnType<typeof readFacts>>;
}

async function holdSnapshot(
  { source, backupType }: BackupRequest,
  { settings, present, lead, identity }: Reached,
  resources: AsyncDisposableStack,
  { log, signal }: Context,
): Promise<Held> {
  const { lockTimeoutSeconds } = source;
  const options = { lockTimeoutSeconds, signal, log, present, lead };
  const snapshot = await takeSnapshot(settings, chooseTables(source, backupType), options);
  resources.defer(() => snapshot.lead.destroy());
  assertSameServer(settings.input, identity, snapshot.identity);
  checkMemory('backup', snapshot.tables.length);
  const token = source.rollbackToken ? await leaveToken(settings, snapshot.signal, lockTimeoutSeconds) : null;
  const facts = await readFacts(snapshot.lead, await snapshot.present());
  return { snapshot, token, facts };
}

/** Gathers what the manifest says of the backup itself, and the parts that it lists. */
function gatherParts(
  { backupType, purpose, label, pin, packing }: BackupRequest,
  { plan, rowRanges, archive, supplement, notCarried }: CopiedDatabase,
  rootKey: CarriedKey,
  { date, writer }: Destination,
  startedAt: Date,
  finishedAt: Date,
): Omit<ManifestParts, 'source' | 'facts' | 'durations'> {
  return {
    id: createBackupId(date(startedAt)),
    kind: plan.base === undefined && backupType === 'incremental' ? 'full' : backupType,
    base: plan.base?.id ?? null,
    fullBecause: plan.fullBecause,
    ...{ purpose, label, pin },
    startedAt: date(startedAt),
    finishedAt: date(finishedAt),
    recipients: packing.encryptionRecipients,
    ...{ archive, supplement },
    extras: rootKey.kind === 'carried' ? [rootKey.piece] : [],
    notCarried: rootKey.kind === 'left' ? [rootKey.omission, ...notCarried] : notCarried,
    rowRanges: [...plan.choices.flatMap((choice) => choice.reused), ...rowRanges],
    added: writer.addedBytes,
  };
}

/**
 * Opens the session that will hold the snapshot. A failure is thrown where the session is awaited; an error
 * that ends the backup earlier says more.
 */
function beginLead(
  settings: ConnectionSettings,
  resources: AsyncDisposableStack,
  { signal }: Context,
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

/** Writes the manifest, once everything that it names is proven to be stored and the lock is still held. */
async function record(
  manifest: Manifest,
  { repository, lock, writer, outlines, context: { signal } }: Destination,
): Promise<void> {
  await outlines;
  await writeManifest(repository, manifest, async () => {
    await Promise.all([writer.assertStored(manifest.objects, signal), lock.assertHeld()]);
    // A backup that was stopped before this point records nothing.
    signal.throwIfAborted();
  });
}

/**
 * Identifies the server before anything else is opened, and checks that `freshness`, `include` and `exclude`
 * fit its tables.
 */
async function askServer(request: BackupRequest, session: Session): Promise<SourceIdentity> {
  const { include, exclude } = request.source;
  await checkFreshness(session, askedOf(request).freshness);
  if (include.length > 0 || exclude.length > 0) {
    const tables = await readTables(session);
    refuseUnmatched('include', include, tables);
    refuseUnmatched('exclude', exclude, tables);
  }
  return readIdentity(session);
}

/** Selects the tables whose rows are wanted; a schema backup wants none. */
function chooseTables(
  { include, exclude }: BackupRequest['source'],
  backupType: BackupRequest['backupType'],
): (table: TableInfo) => boolean {
  return backupType === 'schema' ? () => false : createSelection(include, exclude);
}

function toSource({ snapshot, token }: Held): Omit<ManifestParts['source'], 'definitions'> {
  const { identity } = snapshot;
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
