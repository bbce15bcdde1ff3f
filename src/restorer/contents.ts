import type { TableEntry } from '../format/manifest.ts';
import type { Advance, Omission } from '../parity/scope.ts';
import { qualifiedName } from '../postgres/catalog/tables.ts';
import { describeEntry } from '../postgres/client/table-of-contents.ts';
import { clientEnvironment } from '../postgres/session/client-variables.ts';
import type { Session } from '../postgres/session/connection.ts';
import { applyInputSettings, applySettings } from '../postgres/session/output-settings.ts';
import { writeRootCertificates } from '../postgres/session/root-certificates.ts';
import type { RowDigest } from '../postgres/wire/row-digest.ts';
import { Progress } from '../report/progress.ts';
import { formatCounted } from '../report/quantity.ts';
import type { World } from '../runtime/context.ts';
import { TargetError } from '../runtime/errors.ts';
import { append } from '../runtime/lists.ts';
import type { PhaseClock } from '../runtime/phase-clock.ts';
import type { PresentTable } from '../supabase/project-selection.ts';
import { ArchiveRestore } from './archive/restore.ts';
import { type Step, steps } from './archive/steps.ts';
import { makeAdditions } from './extensions/additions.ts';
import { findGivenGrants, grantRightsAgain } from './extensions/grants.ts';
import { readArchivedRows } from './extensions/parts.ts';
import { isWhole, lostUnlessDrilled, type RestorePlan, type RestoreRequest } from './plan.ts';
import { Queues } from './queues.ts';
import { grantAgain } from './roles/grants.ts';
import { grantToUsers } from './roles/user-grants.ts';
import { bringForward, type LoadedTables } from './roll-forward.ts';
import { writeExclusion } from './row-guards.ts';
import { analyzedColumns, analyzeTable, analyzeTables } from './rows/analyze.ts';
import { loadRows } from './rows/load.ts';
import { loadManagedRows } from './rows/managed.ts';
import { ChecksAside } from './rows/set-aside.ts';
import { listSearchPaths, type SearchPaths } from './search-paths.ts';
import { askServer } from './step.ts';
import { tryChecks } from './trial/user-checks.ts';
import { bringSecrets } from './vault.ts';

/** What was loaded, for the comparison. */
export interface LoadedRows {
  readonly sent: Map<number, RowDigest> | undefined;
  readonly countOnly: ReadonlyMap<number, string>;
  /** What came after it; undefined where the backup was not to be brought to another time */
  readonly advanced?: Advance | undefined;
}

/**
 * Restores definitions, rows and what is built on them, in the order of `steps`, and brings the rows to the wanted point in time in between.
 * What the server refuses is left out and told; only where that would open rows to somebody does it end, before anything is granted.
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
  const { scope } = plan;
  const searchPaths = listSearchPaths(scope.supplement, scope.manifest.facts);
  const file = {
    path: plan.archive,
    client: plan.client,
    entries: plan.entries,
    settings,
    encoding: scope.manifest.source.encoding,
    searchPaths,
    env: clientEnvironment(settings, world.env, () => writeRootCertificates(world)),
    jobs,
    extensionOwners: plan.extensionOwners,
    refusedExtensions: request.roles === 'throwaway' ? ('told' as const) : ('lost' as const),
  };
  const definitions = new ArchiveRestore(file, world);
  const rows = new Rows(request, plan, definitions, searchPaths, world);
  let advanced: Advance | undefined;
  for (const step of steps) {
    if (step === 'foreign keys') {
      // Keys have their indexes by then, and nothing acts on a change yet.
      await rows.freeOfDoubtfulChecks();
      const loaded = { ...rows.loaded, searchPath: searchPaths.needed };
      advanced = await bringForward(request, scope, loaded, world, clock);
      await rows.giveChecksBack();
    }
    if (step === 'grants') {
      refuseOpenTables(plan, definitions);
      await rows.completeExtensions();
      await leaveGivenGrants(request, plan, definitions, world);
    }
    await runStep(step, definitions, world, clock);
    if (step === 'definitions') {
      const complete = definitions.notCarried.length + scope.notCarried.length === 0;
      await tryChecks(settings, request.checks ?? [], scope.supplement, complete, world);
    }
    if (step === 'definitions' || rows.areWaiting) {
      await rows.load();
      clock.end('rows');
    }
  }
  rows.tellMissing();
  for (const table of scope.tables) {
    if (advanced?.tables.has(table.oid)) rows.analyzed.delete(qualifiedName(table));
  }
  await grant(request, plan, definitions, world);
  await makeSecrets(request, plan, world);
  definitions.end();
  append(scope.notCarried, definitions.notCarried);
  append(scope.notes, definitions.notes);
  await analyzeTables(settings, {
    workers: jobs,
    done: rows.analyzed,
    searchPaths: searchPaths.candidates,
    signal: world.signal,
    log: world.log,
  });
  clock.end('analyze');
  return { sent: rows.sent, countOnly: rows.countOnly, advanced };
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

/**
 * Ends the restore where rows would be open to more than in the source: what should guard them could not be made. Nothing has been granted
 * by then, so that nobody but owners reads anything.
 */
function refuseOpenTables({ guards, entries }: RestorePlan, definitions: ArchiveRestore): void {
  const refused = definitions
    .findGone('ROW SECURITY', 'POLICY')
    .filter((entry) => guards.has(entry) && !definitions.lacksTable(entry));
  const [first] = refused;
  if (first === undefined) return;
  const omission = definitions.notCarried.find(({ what }) => what === describeEntry(first));
  const others =
    refused.length === 1 ? '' : `, nor ${formatCounted(refused.length - 1, 'other guard')} of rows`;
  throw new TargetError(
    `${describeEntry(first)} could not be made${others} (${omission?.why ?? 'it needs what is not there'}); without it rows would be open, so nothing was granted to anybody`,
    `Mend the cause, or leave the table out: ${writeExclusion(first, entries)}. ${omission?.remedy ?? ''}`.trim(),
  );
}

/** Into a project, where they could not be given once more; anywhere else the restore gives them whatever is there. */
async function leaveGivenGrants(
  request: RestoreRequest,
  { entries, scope }: RestorePlan,
  definitions: ArchiveRestore,
  world: World,
): Promise<void> {
  if (scope.kind !== 'supabase-project') return;
  const find = async (session: Session) => {
    await applySettings(session, scope.manifest.source.encoding);
    return findGivenGrants(session, entries, scope.supplement.definitions);
  };
  definitions.leaveOut(await askServer(request, world, 'grants', find));
}

/** What of the grants was refused in the form that the archive has it in */
async function grant(
  request: RestoreRequest,
  { scope }: RestorePlan,
  definitions: ArchiveRestore,
  world: World,
): Promise<void> {
  const refused = definitions.findGone('ACL');
  if (refused.length > 0) {
    const again = (session: Session) => grantAgain(session, refused, scope.supplement);
    append(scope.notCarried, await askServer(request, world, 'grants', again));
    const others = async (session: Session) => {
      await applySettings(session, scope.manifest.source.encoding);
      return grantRightsAgain(session, refused, scope.supplement.definitions);
    };
    append(scope.notCarried, await askServer(request, world, 'grants', others));
  }
  if (scope.kind === 'supabase-project' && isWhole(request)) {
    const { definitions: wanted } = scope.supplement;
    const give = (session: Session) => grantToUsers(session, wanted, scope.managed);
    append(scope.notCarried, await askServer(request, world, 'grants', give));
  }
}

async function makeSecrets(
  request: RestoreRequest,
  { secrets, client, archive, scope }: RestorePlan,
  world: World,
): Promise<void> {
  const rows = secrets && (await readArchivedRows(client, archive, secrets, world));
  if (secrets === undefined || rows === undefined) return;
  const { notes, notCarried } = await askServer(request, world, 'secrets', async (session) => {
    await applySettings(session, scope.manifest.source.encoding);
    return bringSecrets(session, secrets, rows);
  });
  append(scope.notes, notes);
  append(scope.notCarried, notCarried);
}

/** The rows of a restore. */
class Rows {
  /** By the table's oid in the source; undefined where what was sent is not digested */
  readonly sent: Map<number, RowDigest> | undefined;
  /** Why the rows of a table can only be counted */
  readonly countOnly = new Map<number, string>();
  /** Tables whose statistics have been gathered */
  readonly analyzed = new Set<string>();
  readonly #created: TableEntry[] = [];
  #present: LoadedTables['present'] = [];
  #isFirst = true;
  readonly #checks: ChecksAside[] = [];
  readonly #queues: Queues;
  readonly #progress: Progress;
  readonly #request: RestoreRequest;
  readonly #plan: RestorePlan;
  readonly #definitions: ArchiveRestore;
  readonly #searchPaths: SearchPaths;
  readonly #world: World;

  constructor(
    request: RestoreRequest,
    plan: RestorePlan,
    definitions: ArchiveRestore,
    searchPaths: SearchPaths,
    world: World,
  ) {
    this.#request = request;
    this.#plan = plan;
    this.#definitions = definitions;
    this.#searchPaths = searchPaths;
    this.#world = world;
    const { queues, scope } = plan;
    this.#queues = new Queues(queues, scope.supplement.queues, lostUnlessDrilled(request));
    this.sent = request.verify === 'content' ? new Map() : undefined;
    const bytes = scope.tables.reduce((sum, table) => sum + table.bytes, 0);
    this.#progress = new Progress(world.log, bytes);
  }

  get loaded(): LoadedTables {
    return { created: this.#created, present: this.#present };
  }

  /** Whether a table has been made since rows were loaded: its definition needs keys, by way of a function. */
  get areWaiting(): boolean {
    return this.#findReady().length > 0;
  }

  /** Loads what can be loaded; a large table gets its indexes and statistics while others are still being loaded. */
  async load(): Promise<void> {
    const ready = this.#findReady();
    const present = this.#isFirst ? [...this.#plan.present, ...(await this.#makeQueues())] : [];
    this.#isFirst = false;
    const amount = formatCounted(ready.length + present.length, 'table');
    await this.#world.log.group(`Rows of ${amount}`, async () => {
      await this.#loadCreated(ready);
      if (present.length > 0) await this.#loadPresent(present);
    });
    append(this.#created, ready);
  }

  /** Changes are replayed at another time than they were made, and a check may look at the time, or at a table that has moved on. */
  async freeOfDoubtfulChecks(): Promise<void> {
    const changed = new Set(
      this.#request.recovery?.segments.flatMap(({ tables }) => tables.map(qualifiedName)) ?? [],
    );
    const tables = this.#created.filter((table) => changed.has(qualifiedName(table)));
    if (tables.length === 0) return;
    const checks = new ChecksAside();
    this.#checks.push(checks);
    await askServer(this.#request, this.#world, 'checks', async (session) => {
      await applyInputSettings(session, this.#plan.scope.manifest.source.encoding);
      for (const table of tables) await checks.takeDoubtful(session, table);
    });
  }

  /** Checks that were taken away for rows come back, as far as these fulfil them. */
  async giveChecksBack(): Promise<void> {
    const { scope } = this.#plan;
    for (const checks of this.#checks.splice(0)) {
      const broken = await askServer(this.#request, this.#world, 'checks', async (session) => {
        await applyInputSettings(session, scope.manifest.source.encoding);
        return checks.giveBack(session, this.#searchPaths.candidates);
      });
      append(scope.notCarried, broken);
    }
  }

  /** Tells of tables that could not be made. */
  tellMissing(): void {
    const missing = this.#plan.created.filter(
      ({ oid, rows }) => rows > 0 && this.#definitions.stateOf(oid) !== 'made',
    );
    append(this.#plan.scope.notCarried, missing.map(describeGone));
  }

  #findReady(): TableEntry[] {
    const loaded = new Set(this.#created.map(({ oid }) => oid));
    return this.#plan.created.filter(
      ({ oid }) => !loaded.has(oid) && this.#definitions.stateOf(oid) === 'made',
    );
  }

  readonly #onProgress = (rows: number, bytes: number) => this.#progress.advance(rows, bytes, bytes);

  async #loadCreated(tables: readonly TableEntry[]): Promise<void> {
    const { settings, reader, jobs } = this.#request;
    const { scope } = this.#plan;
    const { signal, log } = this.#world;
    const { digests, notCarried, checks } = await loadRows(settings, scope.manifest, tables, reader, {
      workers: jobs,
      digest: this.sent !== undefined,
      searchPaths: this.#searchPaths,
      signal,
      onProgress: this.#onProgress,
      onLoaded: async (table, session) => {
        const complete = await this.#definitions.buildIndexes(table.oid);
        if (!complete || table.root !== null || table.columns.length > analyzedColumns) return;
        await analyzeTable(session, table, { searchPaths: this.#searchPaths.candidates, log, signal });
        this.analyzed.add(qualifiedName(table));
      },
    });
    for (const [oid, digest] of digests ?? []) this.sent?.set(oid, digest);
    this.#checks.push(checks);
    append(scope.notCarried, notCarried);
  }

  /** What is on tables of extensions, when grants are next, and rows and changes have come. */
  async completeExtensions(): Promise<void> {
    const { additions } = this.#plan.scope.supplement;
    const wanted = additions.filter(
      ({ schema, table }) => isWhole(this.#request) || this.#queues.has({ schema, name: table }),
    );
    if (wanted.length + this.#plan.queues.length === 0) return;
    const complete = async (session: Session) => {
      await this.#queues.goOn(session);
      return completeTables(session, wanted, this.#queues);
    };
    append(this.#plan.scope.notCarried, await askServer(this.#request, this.#world, 'extensions', complete));
  }

  async #makeQueues(): Promise<readonly PresentTable[]> {
    if (this.#plan.queues.length === 0) return [];
    const make = (session: Session) => this.#queues.make(session);
    const { present, notCarried } = await askServer(this.#request, this.#world, 'queues', make);
    append(this.#plan.scope.notCarried, notCarried);
    return present;
  }

  async #loadPresent(present: readonly PresentTable[]): Promise<void> {
    const { settings, reader, jobs } = this.#request;
    const { scope } = this.#plan;
    const rows = await loadManagedRows(settings, scope.manifest, present, reader, {
      workers: jobs,
      signal: this.#world.signal,
      onProgress: this.#onProgress,
    });
    append(scope.notCarried, rows.notCarried);
    for (const [oid, digest] of rows.sent) this.sent?.set(oid, digest);
    for (const [oid, why] of rows.countOnly) this.countOnly.set(oid, why);
    // What was refused stays as it is, whatever changed it since.
    this.#present = present.filter(
      ({ table: { oid, rows: expected } }) => expected === 0 || rows.sent.has(oid) || rows.countOnly.has(oid),
    );
  }
}

/** Rows of a queue that would be open without what guards them are deleted again; those of other extensions are the extension's own. */
async function completeTables(
  session: Session,
  additions: RestorePlan['scope']['supplement']['additions'],
  queues: Queues,
): Promise<Omission[]> {
  const { notCarried, open } = await makeAdditions(session, additions);
  for (const { schema, table: name, what } of open.keys()) {
    if (queues.has({ schema, name })) append(notCarried, await queues.empty(session, name, what));
  }
  return notCarried;
}

function describeGone(table: TableEntry): Omission {
  return {
    what: `rows of ${qualifiedName(table)}`,
    why: `the table could not be created; ${formatCounted(table.rows, 'row')} ${table.rows === 1 ? 'is' : 'are'} lost`,
    remedy: 'Mend what kept it from being created, and restore again.',
    lost: true,
  };
}
