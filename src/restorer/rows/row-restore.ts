import type { TableEntry } from '../../format/manifest.ts';
import type { Omission } from '../../parity/scope.ts';
import { about } from '../../parity/subject.ts';
import { qualifiedName } from '../../postgres/catalog/tables.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { applyInputSettings } from '../../postgres/session/output-settings.ts';
import type { RowDigest } from '../../postgres/wire/row-digest.ts';
import { Progress } from '../../report/progress.ts';
import { formatCounted } from '../../report/quantity.ts';
import type { Context } from '../../runtime/context.ts';
import { append } from '../../runtime/lists.ts';
import type { PresentTable } from '../../supabase/project-selection.ts';
import type { ArchiveRestore } from '../archive/restore.ts';
import { beginStep } from '../begun-step.ts';
import { makeAdditions } from '../extensions/additions.ts';
import type { RestorePlan } from '../plan.ts';
import { Queues } from '../queues.ts';
import { isWhole, lostUnlessDrilled, type RestoreRequest } from '../request.ts';
import type { LoadedTables } from '../roll-forward.ts';
import type { RestoreScope } from '../scope.ts';
import type { SearchPaths } from '../search-paths.ts';
import { askServer } from '../step.ts';
import { analyzedColumns, analyzeTable } from './analyze.ts';
import { loadRows } from './load.ts';
import { loadManagedRows } from './managed.ts';
import { ChecksAside } from './set-aside.ts';

/**
 * Loads the rows of a restore as soon as their tables exist: most after the definitions, the others when keys
 * have allowed their tables to be created.
 */
export class RowRestore {
  /** Digests by the table's oid in the source; undefined where sent rows are not digested */
  readonly sent: Map<number, RowDigest> | undefined;
  /** Why the rows of a table can only be counted, by its oid in the source */
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
  readonly #context: Context;

  constructor(
    request: RestoreRequest,
    plan: RestorePlan,
    definitions: ArchiveRestore,
    searchPaths: SearchPaths,
    context: Context,
  ) {
    this.#request = request;
    this.#plan = plan;
    this.#definitions = definitions;
    this.#searchPaths = searchPaths;
    this.#context = context;
    const { queues, scope } = plan;
    this.#queues = new Queues(queues, scope.supplement.queues, lostUnlessDrilled(request));
    this.sent = request.verify === 'content' ? new Map() : undefined;
    const bytes = scope.tables.reduce((sum, table) => sum + table.bytes, 0);
    this.#progress = new Progress(context.log, bytes);
  }

  get loaded(): LoadedTables {
    return { created: this.#created, present: this.#present };
  }

  /**
   * Whether a table was created after rows were loaded, because its definition needs keys by way of a
   * function.
   */
  get areWaiting(): boolean {
    return this.#findReady().length > 0;
  }

  /**
   * Loads the rows of the tables that exist. A large table gets its indexes and statistics while others are
   * still being loaded.
   */
  async load(): Promise<Omission[]> {
    const ready = this.#findReady();
    const queues = this.#isFirst ? await this.#makeQueues() : { present: [], notCarried: [] };
    const present = this.#isFirst ? [...this.#plan.present, ...queues.present] : [];
    this.#isFirst = false;
    const notCarried = [...queues.notCarried];
    const step = { name: 'rows', tables: ready.length + present.length } as const;
    await beginStep(step, this.#request.onStep, this.#context, async () => {
      append(notCarried, await this.#loadCreated(ready));
      if (present.length > 0) append(notCarried, await this.#loadPresent(present));
    });
    append(this.#created, ready);
    return notCarried;
  }

  /**
   * Drops checks that may refuse replayed changes. These come at another time than they were made, and a
   * check may depend on the time, or on a table that has changed since.
   */
  async freeOfDoubtfulChecks(): Promise<void> {
    const changed = new Set(
      this.#request.recovery?.segments.flatMap(({ tables }) => tables.map(qualifiedName)) ?? [],
    );
    const tables = this.#created.filter((table) => changed.has(qualifiedName(table)));
    if (tables.length === 0) return;
    const checks = new ChecksAside();
    this.#checks.push(checks);
    await askServer(this.#request, this.#context, 'checks', async (session) => {
      await applyInputSettings(session, this.#plan.scope.manifest.source.encoding);
      for (const table of tables) await checks.takeDoubtful(session, table);
    });
  }

  /** Gives dropped checks back, as far as rows fulfil them. */
  async giveChecksBack(): Promise<Omission[]> {
    const { scope } = this.#plan;
    const broken: Omission[] = [];
    for (const checks of this.#checks.splice(0)) {
      const giveBack = async (session: Session) => {
        await applyInputSettings(session, scope.manifest.source.encoding);
        return checks.giveBack(session, this.#searchPaths.candidates);
      };
      append(broken, await askServer(this.#request, this.#context, 'checks', giveBack));
    }
    return broken;
  }

  /** Reports tables that could not be created. */
  tellMissing(): Omission[] {
    const missing = this.#plan.created.filter(
      ({ oid, rows }) => rows > 0 && this.#definitions.stateOf(oid) !== 'made',
    );
    return missing.map(describeGone);
  }

  #findReady(): TableEntry[] {
    const loaded = new Set(this.#created.map(({ oid }) => oid));
    return this.#plan.created.filter(
      ({ oid }) => !loaded.has(oid) && this.#definitions.stateOf(oid) === 'made',
    );
  }

  readonly #onProgress = (rows: number, bytes: number) => this.#progress.advance(rows, bytes, bytes);

  async #loadCreated(tables: readonly TableEntry[]): Promise<readonly Omission[]> {
    const { settings, reader, jobs } = this.#request;
    const { scope } = this.#plan;
    const { signal, log } = this.#context;
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
    return notCarried;
  }

  /** Restores additions to tables of extensions, after rows and changes and before grants. */
  async completeExtensions(): Promise<Omission[]> {
    const { additions } = this.#plan.scope.supplement;
    const wanted = additions.filter(
      ({ schema, table }) => isWhole(this.#request) || this.#queues.has({ schema, name: table }),
    );
    if (wanted.length + this.#plan.queues.length === 0) return [];
    const complete = async (session: Session) => {
      await this.#queues.goOn(session);
      return completeTables(session, wanted, this.#queues);
    };
    return askServer(this.#request, this.#context, 'extensions', complete);
  }

  async #makeQueues(): Promise<{ present: PresentTable[]; notCarried: Omission[] }> {
    if (this.#plan.queues.length === 0) return { present: [], notCarried: [] };
    return askServer(this.#request, this.#context, 'queues', (session) => this.#queues.make(session));
  }

  async #loadPresent(present: readonly PresentTable[]): Promise<readonly Omission[]> {
    const { settings, reader, jobs } = this.#request;
    const { scope } = this.#plan;
    const rows = await loadManagedRows(settings, scope.manifest, present, reader, {
      workers: jobs,
      signal: this.#context.signal,
      onProgress: this.#onProgress,
    });
    for (const [oid, digest] of rows.sent) this.sent?.set(oid, digest);
    for (const [oid, why] of rows.countOnly) this.countOnly.set(oid, why);
    // A table whose rows were refused stays as it is: no changes are replayed on it.
    this.#present = present.filter(
      ({ table: { oid, rows: expected } }) => expected === 0 || rows.sent.has(oid) || rows.countOnly.has(oid),
    );
    return rows.notCarried;
  }
}

/**
 * Deletes the rows of a queue that would be open without a refused addition. Rows of other extensions are the
 * extension's own.
 */
async function completeTables(
  session: Session,
  additions: RestoreScope['supplement']['additions'],
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
    ...about({ kind: 'rows', table }),
    why: `the table could not be created; ${formatCounted(table.rows, 'row')} ${table.rows === 1 ? 'is' : 'are'} lost`,
    remedy: 'Fix what prevented its creation, and restore again.',
    lost: true,
  };
}
