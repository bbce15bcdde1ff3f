import { isKnownError, messageOf, TargetError } from '../errors.ts';
import { openSession, type Session } from '../postgres/connection.ts';
import type { RowDigest } from '../postgres/row-digest.ts';
import { clientEnvironment } from '../postgres/settings.ts';
import { qualifiedName } from '../postgres/tables.ts';
import { formatCount, formatCounted } from '../report/quantity.ts';
import type { TableEntry } from '../repository/manifest.ts';
import type { Supplement } from '../repository/supplement.ts';
import { clearImage } from '../supabase/image.ts';
import { analyzeTable, analyzeTables } from '../target/analyze.ts';
import { ArchiveRestore } from '../target/archive-restore.ts';
import { restoreCronJobs } from '../target/cron.ts';
import { type Neutralized, neutralizeDefaultPrivileges } from '../target/default-privileges.ts';
import { applyDatabase } from '../target/globals.ts';
import { grantAgain } from '../target/grants.ts';
import { loadManagedRows } from '../target/managed-rows.ts';
import { findOccupants, refuseOccupants } from '../target/occupants.ts';
import { findUnfounded } from '../target/orphans.ts';
import { type Advance, compareWithBackup, type Parity } from '../target/parity.ts';
import { readAssumableRoles, startsAsReplica } from '../target/preflight.ts';
import { createRolesOf, finishRoles, returnRoles } from '../target/roles.ts';
import { loadRows } from '../target/rows.ts';
import { type Step, steps } from '../target/steps.ts';
import { grantToUsers } from '../target/user-grants.ts';
import type { World } from '../world.ts';
import { bringForward, type LoadedTables } from './bring-forward.ts';
import { writeRootCertificates } from './certificates.ts';
import type { PhaseClock } from './phases.ts';
import { Progress } from './progress.ts';
import { isWhole, planRestore, type RestorePlan, type RestoreRequest } from './restore-plan.ts';
import type { RestoreScope } from './restore-report.ts';

export type { RestoreRequest } from './restore-plan.ts';

/** A restore that is ready: everything has been checked, and nothing of the target touched. */
export interface PreparedRestore {
  readonly scope: RestorePlan['scope'];
  /** @returns undefined when nothing was to be compared */
  run(): Promise<Parity | undefined>;
}

/**
 * Checks the identity, the archive and the target of a restore, and plans it.
 *
 * @param clock gets the phases, those of `run` included
 */
export async function prepareRestore(
  request: RestoreRequest,
  world: World,
  clock: PhaseClock,
): Promise<PreparedRestore> {
  const plan = await planRestore(request, world);
  const { scope } = plan;
  if (scope.kind !== 'plain') world.log.info(`The target is a ${scope.kind}`);
  for (const note of scope.notes) world.log.info(note);
  for (const { what, why } of scope.notCarried) world.log.info(`Not brought: ${what}: ${why}`);
  clock.end('preflight');
  return { scope, run: () => carryOut(request, plan, world, clock) };
}

async function carryOut(
  request: RestoreRequest,
  plan: RestorePlan,
  world: World,
  clock: PhaseClock,
): Promise<Parity | undefined> {
  const { settings, verify } = request;
  const neutralized = await askServer(request, world, 'roles', (session) => prepareServer(session, plan));
  clock.end('roles');
  let loaded: LoadedRows;
  try {
    loaded = await restoreContents(request, plan, world, clock);
  } catch (error) {
    await giveBack(request, plan, neutralized, world);
    throw error;
  }
  await askServer(request, world, 'settings', (session) => finishServer(session, request, plan, neutralized));
  clock.end('settings');
  const starts = await openSession(settings, world.signal);
  if (await startsAsReplica(starts)) {
    plan.scope.notCarried.push({
      what: 'triggers and foreign keys of new sessions',
      why: 'sessions of this database start with session_replication_role = replica, as a setting of the database or the role says',
      remedy:
        'Unless it is meant so: ALTER DATABASE … RESET session_replication_role, and the same of the role.',
    });
  }
  await starts.close();
  if (verify === 'none') return undefined;
  const parity = await compare(request, plan.scope, loaded, world);
  clock.end('parity');
  return parity;
}

/** Makes room and roles, and keeps what the target grants on new objects away from those that are restored. */
async function prepareServer(session: Session, { image, roles, scope }: RestorePlan): Promise<Neutralized> {
  if (image !== undefined) {
    // Whoever said that the target is empty may have meant less than its schemas.
    const rows = (await findOccupants(session, scope.kind)).filter((what) => what.startsWith('rows of '));
    refuseOccupants(rows, scope.kind);
    await clearImage(session, image);
  }
  // What is left to people is known since the plan.
  const refused = await createRolesOf(session, roles);
  scope.notCarried.push(...refused.filter((item) => !roles.listed.includes(item)));
  return neutralizeDefaultPrivileges(session);
}

/** What sessions would feel, or jobs would act on, comes when everything else is there. */
async function finishServer(
  session: Session,
  request: RestoreRequest,
  { roles, scope }: RestorePlan,
  neutralized: Neutralized,
): Promise<void> {
  const { manifest, supplement, notCarried } = scope;
  if (!isWhole(request)) await neutralized.restore(session);
  else {
    if (request.roles !== 'throwaway') {
      notCarried.push(
        ...(await restoreCronJobs(
          session,
          supplement.cronJobs,
          manifest.source.database,
          request.live === true,
        )),
      );
    }
    notCarried.push(...(await applyDatabase(session, supplement.database, roles.scope)));
  }
  notCarried.push(...(await finishRoles(session, roles)));
}

async function askServer<Result>(
  { settings }: RestoreRequest,
  world: World,
  step: string,
  ask: (session: Session) => Promise<Result>,
): Promise<Result> {
  const session = await openSession(settings, world.signal);
  try {
    return await ask(session);
  } catch (cause) {
    world.signal.throwIfAborted();
    if (isKnownError(cause)) throw cause;
    throw new TargetError(
      `${step}: ${messageOf(cause)}`,
      'The target is incomplete: drop the database, mend the cause, and restore into a new one.',
      cause,
    );
  } finally {
    await session.close();
  }
}

/** A restore that failed leaves default privileges and memberships as it found them; the run may have been told to stop. */
async function giveBack(
  { settings }: RestoreRequest,
  { roles }: RestorePlan,
  neutralized: Neutralized,
  world: World,
): Promise<void> {
  if (neutralized.entries.length === 0 && roles.borrowed.size === 0) return;
  try {
    const session = await openSession(settings);
    await neutralized.restore(session);
    for (const { what, why } of await returnRoles(session, roles)) world.log.warn(`${what}: ${why}`);
    await session.close();
  } catch (error) {
    world.log.warn(
      `the target's default privileges could not be given back: ${messageOf(error)}; run ${neutralized.undo.join('; ')}`,
    );
  }
}

/** What was loaded, for the comparison. */
interface LoadedRows {
  readonly sent: Map<number, RowDigest> | undefined;
  readonly countOnly: ReadonlyMap<number, string>;
  /** What came after it; undefined where the backup was not to be brought to another time */
  readonly advanced?: Advance | undefined;
}

async function restoreContents(
  request: RestoreRequest,
  plan: RestorePlan,
  world: World,
  clock: PhaseClock,
): Promise<LoadedRows> {
  const { settings, jobs } = request;
  const { scope, archive, client, entries, tolerated, orphans } = plan;
  const file = {
    path: archive,
    client,
    entries,
    tolerated,
    assumable: await askServer(request, world, 'roles', readAssumableRoles),
    database: settings.database,
    env: clientEnvironment(settings, world.env, () => writeRootCertificates(world)),
    jobs,
  };
  const definitions = new ArchiveRestore(file, world);
  const [first, ...others] = steps;
  await runStep(first, definitions, world, clock);
  const { unfounded, notCarried } = await askServer(request, world, 'extensions', (session) =>
    findUnfounded(session, orphans),
  );
  definitions.leaveOut(unfounded);
  scope.notCarried.push(...notCarried);
  const { analyzed, tables, ...loaded } = await loadTables(request, plan, definitions, world);
  clock.end('rows');
  let advanced: Advance | undefined;
  for (const step of others) {
    // Keys have their indexes by then, and nothing acts on a change yet.
    if (step === 'foreign keys') advanced = await bringForward(request, scope, tables, world, clock);
    await runStep(step, definitions, world, clock);
  }
  for (const table of scope.tables) {
    if (advanced?.tables.has(table.oid)) analyzed.delete(qualifiedName(table));
  }
  const refused = definitions.refusedGrants;
  if (refused.length > 0) {
    const { privileges } = scope.supplement;
    const again = (session: Session) => grantAgain(session, refused, privileges);
    scope.notCarried.push(...(await askServer(request, world, 'grants', again)));
  }
  if (scope.kind === 'supabase-project' && isWhole(request)) {
    const { definitions: wanted } = scope.supplement;
    const give = (session: Session) => grantToUsers(session, wanted, scope.managed);
    scope.notCarried.push(...(await askServer(request, world, 'grants', give)));
  }
  scope.notCarried.push(...definitions.notCarried);
  await analyzeTables(settings, { workers: jobs, done: analyzed, signal: world.signal, log: world.log });
  clock.end('analyze');
  return { ...loaded, advanced };
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
  request: RestoreRequest,
  { scope, created, present }: RestorePlan,
  definitions: ArchiveRestore,
  world: World,
): Promise<LoadedRows & { analyzed: Set<string>; tables: LoadedTables }> {
  const { settings, reader, jobs, verify } = request;
  const { manifest, tables } = scope;
  const { signal } = world;
  const analyzed = new Set<string>();
  const progress = new Progress(
    world.log,
    tables.reduce((sum, table) => sum + table.bytes, 0),
  );
  const onProgress = (rows: number, bytes: number) => progress.advance(rows, bytes, bytes);
  const possible = created.filter((table) => !definitions.isGone(table.oid));
  scope.notCarried.push(...created.filter((table) => definitions.isGone(table.oid)).map(describeGone));
  return await world.log.group(`Rows of ${formatCounted(tables.length, 'table')}`, async () => {
    const sent = await loadRows(settings, manifest, possible, reader, {
      workers: jobs,
      digest: verify === 'content',
      signal,
      onProgress,
      async onLoaded(table, session) {
        const complete = await definitions.buildIndexes(table.oid);
        if (!complete || table.root !== null) return;
        await analyzeTable(session, table, world.log, signal);
        analyzed.add(qualifiedName(table));
      },
    });
    const rows = await loadManagedRows(settings, manifest, present, reader, {
      workers: jobs,
      signal,
      onProgress,
    });
    scope.notCarried.push(...rows.notCarried);
    for (const [oid, digest] of rows.sent) sent?.set(oid, digest);
    // What was refused stays as it is, whatever changed it since.
    const arrived = present.filter(
      ({ table: { oid, rows: expected } }) => expected === 0 || rows.sent.has(oid) || rows.countOnly.has(oid),
    );
    const loaded = { created: possible, present: arrived };
    return { sent, countOnly: rows.countOnly, analyzed, tables: loaded };
  });
}

function describeGone(table: TableEntry) {
  return {
    what: `rows of ${qualifiedName(table)}`,
    why: `the table could not be created; ${table.rows} rows are lost`,
    remedy: 'Mend what kept it from being created, and restore again.',
  };
}

function compare(
  request: RestoreRequest,
  { manifest, supplement, tables, selection, kind, managed, notCarried }: RestoreScope,
  { sent, countOnly, advanced }: LoadedRows,
  world: World,
): Promise<Parity> {
  let compared = 0;
  return world.log.group('Comparing with the backup', () =>
    compareWithBackup(
      request.settings,
      manifest,
      supplement,
      {
        ...{ tables, whole: isWhole(request), sent, countOnly, advanced, selection, kind, managed },
        notCarried: [...notCarried, ...(request.roles === 'throwaway' ? describeIdleJobs(supplement) : [])],
      },
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

/** What is dropped again schedules no jobs: they would act, on whatever they are made to act on. */
function describeIdleJobs({ cronJobs }: Supplement): RestoreScope['notCarried'] {
  if (cronJobs.length === 0) return [];
  const what = formatCounted(cronJobs.length, 'cron job');
  return [{ what, why: 'a drill schedules no jobs', remedy: 'A restore into a database that stays does.' }];
}
