import type { Session } from '../postgres/connection.ts';
import type { RowDigest } from '../postgres/row-digest.ts';
import { clientEnvironment } from '../postgres/settings.ts';
import { qualifiedName } from '../postgres/tables.ts';
import { formatCounted } from '../report/quantity.ts';
import type { TableEntry } from '../repository/manifest.ts';
import { analyzeTable, analyzeTables } from '../target/analyze.ts';
import { ArchiveRestore } from '../target/archive-restore.ts';
import { grantAgain } from '../target/grants.ts';
import { loadManagedRows } from '../target/managed-rows.ts';
import { findUnfounded } from '../target/orphans.ts';
import type { Advance } from '../target/parity.ts';
import { readAssumableRoles } from '../target/preflight.ts';
import { loadRows } from '../target/rows.ts';
import { type Step, steps } from '../target/steps.ts';
import { grantToUsers } from '../target/user-grants.ts';
import type { World } from '../world.ts';
import { askServer } from './ask-target.ts';
import { bringForward, type LoadedTables } from './bring-forward.ts';
import { writeRootCertificates } from './certificates.ts';
import type { PhaseClock } from './phases.ts';
import { Progress } from './progress.ts';
import { isWhole, type RestorePlan, type RestoreRequest } from './restore-plan.ts';

/** What was loaded, for the comparison. */
export interface LoadedRows {
  readonly sent: Map<number, RowDigest> | undefined;
  readonly countOnly: ReadonlyMap<number, string>;
  /** What came after it; undefined where the backup was not to be brought to another time */
  readonly advanced?: Advance | undefined;
}

/**
 * Restores definitions, rows and what is built on them, in the order of `steps`, and brings the rows to the wanted point in time in between.
 *
 * @param clock gets a phase for each step
 */
export async function restoreContents(
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
    const again = (session: Session) => grantAgain(session, refused, scope.supplement);
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
