import type { Advance, Omission } from '../parity/scope.ts';
import { keyOfEntry } from '../parity/subject.ts';
import { qualifiedName } from '../postgres/catalog/tables.ts';
import { type ArchiveEntry, describeEntry } from '../postgres/client/table-of-contents.ts';
import { clientEnvironment } from '../postgres/session/client-variables.ts';
import type { Session } from '../postgres/session/connection.ts';
import { applySettings } from '../postgres/session/output-settings.ts';
import { writeRootCertificates } from '../postgres/session/root-certificates.ts';
import type { RowDigest } from '../postgres/wire/row-digest.ts';
import { formatCounted } from '../report/quantity.ts';
import type { Context } from '../runtime/context.ts';
import { TargetError } from '../runtime/errors.ts';
import { append } from '../runtime/lists.ts';
import type { PhaseClock } from '../runtime/phase-clock.ts';
import { ArchiveRestore } from './archive/restore.ts';
import { type Step, steps } from './archive/steps.ts';
import type { RestoredArchive } from './archive/tool.ts';
import { beginStep } from './begun-step.ts';
import { findGivenGrants, grantRightsAgain } from './extensions/grants.ts';
import { type ArchivedRows, readArchivedRows } from './extensions/parts.ts';
import type { RestorePlan } from './plan.ts';
import { isWhole, type RestoreRequest } from './request.ts';
import { grantAgain } from './roles/grants.ts';
import { grantToUsers } from './roles/user-grants.ts';
import { type RolledForward, rollForward } from './roll-forward.ts';
import { writeExclusion } from './row-guards.ts';
import { analyzeTables } from './rows/analyze.ts';
import { RowRestore } from './rows/row-restore.ts';
import type { RestoreProgress, RestoreScope } from './scope.ts';
import { listSearchPaths, type SearchPaths } from './search-paths.ts';
import { askServer } from './step.ts';
import { tryChecks } from './trial/user-checks.ts';
import { bringSecrets, lookAtSecrets, type SecretsLook } from './vault.ts';

/** The rows that were loaded, for the comparison. */
export interface LoadedRows {
  readonly sent: Map<number, RowDigest> | undefined;
  readonly countOnly: ReadonlyMap<number, string>;
  /** The changes replayed after it; undefined where the backup was not to be rolled forward */
  readonly advanced?: Advance | undefined;
}

/**
 * Restores definitions, rows and what is built on them, in the order of `steps`, and rolls the rows forward
 * to the recovery target in between. What the server refuses is left out and reported. The restore ends only
 * where that would open rows to other roles, and then before anything is granted.
 *
 * @param clock gets a phase for each step
 */
export async function restoreContents(
  request: RestoreRequest,
  plan: RestorePlan,
  progress: RestoreProgress,
  context: Context,
  clock: PhaseClock,
): Promise<LoadedRows> {
  const { settings, jobs } = request;
  const { scope } = plan;
  const searchPaths = listSearchPaths(scope.supplement, scope.manifest.facts);
  const definitions = new ArchiveRestore(toRestoredArchive(request, plan, searchPaths, context), context);
  const rows = new RowRestore(request, plan, definitions, searchPaths, context);
  let advanced: Advance | undefined;
  for (const step of steps) {
    if (step === 'foreign keys') {
      // Here keys have their indexes, and no trigger or foreign key acts on a change yet.
      await rows.freeOfDoubtfulChecks();
      const loaded = { ...rows.loaded, searchPath: searchPaths.needed };
      const brought = await rollForward(request, scope, loaded, context, clock);
      if (brought !== undefined) advanced = noteAdvance(brought, progress);
      progress.leaveOut(await rows.giveChecksBack());
    }
    if (step === 'grants') {
      refuseOpenTables(plan, definitions);
      progress.leaveOut(await rows.completeExtensions());
      await leaveGivenGrants(request, plan, definitions, context);
    }
    await runStep(step, definitions, request, context, clock);
    if (step === 'definitions') {
      const complete = definitions.notCarried.length + progress.scope.notCarried.length === 0;
      await tryChecks(settings, request.checks ?? [], scope.supplement, complete, context);
    }
    if (step === 'definitions' || rows.areWaiting) {
      progress.leaveOut(await rows.load());
      clock.end('rows');
    }
  }
  progress.leaveOut(rows.tellMissing());
  for (const table of scope.tables) {
    if (advanced?.tables.has(table.oid)) rows.analyzed.delete(qualifiedName(table));
  }
  progress.leaveOut(await grant(request, plan, definitions, context));
  const secrets = await makeSecrets(request, plan, context);
  definitions.end();
  progress.leaveOut([...secrets.notCarried, ...definitions.notCarried]);
  progress.note([...secrets.notes, ...definitions.notes]);
  await analyzeTables(settings, {
    workers: jobs,
    done: rows.analyzed,
    searchPaths: searchPaths.candidates,
    signal: context.signal,
    log: context.log,
  });
  clock.end('analyze');
  return { sent: rows.sent, countOnly: rows.countOnly, advanced };
}

function toRestoredArchive(
  { settings, jobs, roles }: RestoreRequest,
  { archive, client, entries, extensionOwners, scope }: RestorePlan,
  searchPaths: SearchPaths,
  context: Context,
): RestoredArchive {
  return {
    ...{ path: archive, client, entries, settings, jobs, searchPaths, extensionOwners },
    encoding: scope.manifest.source.encoding,
    env: clientEnvironment(settings, context.env, () => writeRootCertificates(context)),
    refusedExtensions: roles === 'scratch' ? 'told' : 'lost',
  };
}

/** Takes back omissions of changes that were expected to be skipped, and were replayed after all. */
function noteAdvance(brought: RolledForward, progress: RestoreProgress): Advance {
  progress.takeBack(({ subject }) => subject?.kind === 'changes' && brought.isComplete(subject.table));
  progress.leaveOut(brought.notCarried);
  progress.reach(brought.progression);
  return brought.advance;
}

async function runStep(
  step: Step,
  definitions: ArchiveRestore,
  { onStep }: RestoreRequest,
  context: Context,
  clock: PhaseClock,
): Promise<void> {
  if (!definitions.has(step)) return;
  await beginStep({ name: step }, onStep, context, () => definitions.run(step));
  clock.end(step);
}

/**
 * Ends the restore where a policy or row level security could not be created, and rows would be open to more
 * roles than in the source. Nothing has been granted yet, so only owners can read anything.
 *
 * @throws TargetError
 */
function refuseOpenTables({ guards, entries }: RestorePlan, definitions: ArchiveRestore): void {
  const refused = definitions
    .findGone('ROW SECURITY', 'POLICY')
    .filter((entry) => guards.has(entry) && !definitions.lacksTable(entry));
  const [first] = refused;
  if (first === undefined) return;
  const omission = definitions.notCarried.find(
    ({ subject }) => subject?.kind === 'entry' && keyOfEntry(subject.entry) === keyOfEntry(first),
  );
  const others =
    refused.length === 1 ? '' : `, nor ${formatCounted(refused.length - 1, 'other guard')} of rows`;
  throw new TargetError(
    `${describeEntry(first)} could not be created${others} (${omission?.why ?? 'something that it needs is missing'}). Without it, rows would be exposed, so no privileges were granted`,
    `Fix the cause, or leave the table out: ${writeExclusion(first, entries)}. ${omission?.remedy ?? ''}`.trim(),
  );
}

/**
 * Leaves out grants that a project has already, and where the connected role could not grant them again. In
 * other targets the restore grants everything, whatever is there.
 */
async function leaveGivenGrants(
  request: RestoreRequest,
  { entries, scope }: RestorePlan,
  definitions: ArchiveRestore,
  context: Context,
): Promise<void> {
  if (scope.kind !== 'supabase-project') return;
  const find = async (session: Session) => {
    await applySettings(session, scope.manifest.source.encoding);
    return findGivenGrants(session, entries, scope.supplement.definitions);
  };
  definitions.leaveOut(await askServer(request, context, 'grants', find));
}

/**
 * Grants again what was refused in the form that the archive has.
 *
 * @returns what is still refused
 */
async function grant(
  request: RestoreRequest,
  { scope }: RestorePlan,
  definitions: ArchiveRestore,
  context: Context,
): Promise<Omission[]> {
  const refused = definitions.findGone('ACL');
  const notCarried: Omission[] = [];
  if (refused.length > 0) {
    const again = (session: Session) => grantAgain(session, refused, scope.supplement);
    append(notCarried, await askServer(request, context, 'grants', again));
    const others = async (session: Session) => {
      await applySettings(session, scope.manifest.source.encoding);
      return grantRightsAgain(session, refused, scope.supplement.definitions);
    };
    append(notCarried, await askServer(request, context, 'grants', others));
  }
  if (scope.kind === 'supabase-project' && isWhole(request)) {
    const { definitions: wanted } = scope.supplement;
    const give = (session: Session) => grantToUsers(session, wanted, scope.managed);
    append(notCarried, await askServer(request, context, 'grants', give));
  }
  return notCarried;
}

/** Asks the server whether it opens the secrets of the backup; undefined where the backup has none for it. */
export function lookAtTarget(
  request: RestoreRequest,
  plan: RestorePlan,
  context: Context,
): Promise<SecretsLook | undefined> {
  return withSecrets(request, plan, context, (session, _entry, rows) => lookAtSecrets(session, rows));
}

async function makeSecrets(
  request: RestoreRequest,
  plan: RestorePlan,
  context: Context,
): Promise<Pick<RestoreScope, 'notes' | 'notCarried'>> {
  return (await withSecrets(request, plan, context, bringSecrets)) ?? { notes: [], notCarried: [] };
}

async function withSecrets<Result>(
  request: RestoreRequest,
  { secrets, client, archive, scope }: RestorePlan,
  context: Context,
  ask: (session: Session, entry: ArchiveEntry, rows: ArchivedRows) => Promise<Result>,
): Promise<Result | undefined> {
  const rows = secrets && (await readArchivedRows(client, archive, secrets, context));
  if (secrets === undefined || rows === undefined) return undefined;
  return askServer(request, context, 'secrets', async (session) => {
    await applySettings(session, scope.manifest.source.encoding);
    return ask(session, secrets, rows);
  });
}
