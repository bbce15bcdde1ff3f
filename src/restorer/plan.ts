import type { Manifest, TableEntry } from '../format/manifest.ts';
import type { Supplement } from '../format/supplement.ts';
import type { Omission, RestoreSelection } from '../parity/scope.ts';
import { about } from '../parity/subject.ts';
import { checkMemory } from '../postgres/catalog/memory.ts';
import { type ClientTools, findClient } from '../postgres/client/find.ts';
import { ToolError } from '../postgres/client/process.ts';
import { type ArchiveEntry, readContents } from '../postgres/client/table-of-contents.ts';
import { unquoteIdentifier } from '../postgres/identifier.ts';
import { openSession, type Session } from '../postgres/session/connection.ts';
import { type ConnectionSettings, describeConnection } from '../postgres/session/settings.ts';
import { fetchArchive } from '../repository/objects/archive-file.ts';
import type { ObjectReader } from '../repository/objects/store.ts';
import { readSupplement } from '../repository/objects/supplement.ts';
import type { World } from '../runtime/context.ts';
import { ConfigurationError, messageOf } from '../runtime/errors.ts';
import { type ImagePlan, planImage } from '../supabase/image.ts';
import { type PresentTable, selectForProject } from '../supabase/project-selection.ts';
import { readTargetCatalog } from '../supabase/target-catalog.ts';
import { chooseTargetKind, type TargetKind } from '../supabase/target-kind.ts';
import { createSelection } from '../values/table-patterns.ts';
import { describeActing, readVolatile } from './acting.ts';
import {
  createChoice,
  findUnmatchedIn,
  selectAll,
  selectPart,
  withoutExtensions,
} from './archive/selection.ts';
import type { OnStep } from './begun-step.ts';
import type { Recovery } from './choose.ts';
import { compareLocales } from './database-locale.ts';
import { describeDistant, findDistant } from './distant-refreshes.ts';
import { countArchivedRows } from './extensions/parts.ts';
import { foresee } from './foresight/foresight.ts';
import { findDifferences, type PartDifferences } from './part/differences.ts';
import { type FittedPart, fitPart } from './part/part.ts';
import { checkTarget, findMissingExtensions, readAssumableRoles, readSchemas } from './preflight.ts';
import { describeNoQueues, findQueueTables } from './queues.ts';
import { planRoles, type RolePlan } from './roles/roles.ts';
import { findGuards, refuseOpenings, tellGuards } from './row-guards.ts';
import type { RestoreScope } from './scope.ts';
import { describeUnreplayed } from './unreplayed.ts';

/** What is restored, and where. */
export interface RestoreRequest {
  readonly manifest: Manifest;
  readonly reader: ObjectReader;
  readonly settings: ConnectionSettings;
  readonly clientPath: string | undefined;
  readonly installClient: 'auto' | 'always' | 'never';
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly jobs: number;
  readonly verify: 'content' | 'counts' | 'none';
  /** What the target is taken for; `auto`, as without it, looks. */
  readonly targetKind?: TargetKind | 'auto';
  /** `refuse`, as without it: a target that is not empty is a configuration error. */
  readonly occupied?: 'refuse' | 'accept';
  /** `throwaway`: the target is dropped again; nothing outside of its database is altered, and no job is scheduled. */
  readonly roles?: 'throwaway';
  /** Whose default privileges a project has in the end: the narrower of both sides, as without it, or the source's */
  readonly defaultPrivileges?: 'narrower' | 'source';
  /** Whether the target is production, so that jobs may act from now on; not so without it. */
  readonly live?: boolean;
  /** What the restored database will be asked; one that cannot be answered is refused before there are rows */
  readonly checks?: readonly string[];
  /** The point in time that the backup is brought to, and what is replayed for it; as it is without it */
  readonly recovery?: Recovery | undefined;
  /** Told of each step while it is carried out */
  readonly onStep?: OnStep | undefined;
}

/** All that is decided before the target is touched. */
export interface RestorePlan {
  /** As it stands before the target is touched */
  readonly scope: RestoreScope;
  readonly archive: string;
  readonly client: ClientTools;
  /** In the archive's order */
  readonly entries: readonly ArchiveEntry[];
  /** Those without which rows of a table that the restore creates would be open to more than in the source */
  readonly guards: ReadonlySet<ArchiveEntry>;
  /** What the server will probably refuse, for people */
  readonly foreseen: readonly string[];
  readonly roles: RolePlan;
  /** By name, where the connected role can act as anybody */
  readonly extensionOwners: ReadonlyMap<string, string>;
  readonly image: ImagePlan | undefined;
  /** Tables that the restore creates */
  readonly created: readonly TableEntry[];
  /** Set for a part of the backup: what of the target it meets */
  readonly part: MetPart | undefined;
  /** Tables that the target has */
  readonly present: readonly PresentTable[];
  /** Tables of message queues, which the extension makes */
  readonly queues: readonly TableEntry[];
  /** Rows of Vault that come by its functions */
  readonly secrets: ArchiveEntry | undefined;
}

/** A part, and where what it meets is otherwise than the backup; nowhere in a target that holds nothing */
export type MetPart = FittedPart & Partial<PartDifferences>;

/** What goes where, and what does not. */
type Placement = Pick<RestorePlan, 'entries' | 'image' | 'created' | 'present' | 'secrets'> & {
  readonly selection: RestoreSelection;
  readonly tables: readonly TableEntry[];
  readonly notes: readonly string[];
  readonly managed: ReadonlySet<string>;
  readonly notCarried: readonly Omission[];
};

/**
 * Checks the identity, the archive and the target, and decides what of the backup goes into it.
 *
 * @throws ConfigurationError when it cannot be restored there
 */
export async function planRestore(request: RestoreRequest, world: World): Promise<RestorePlan> {
  const { manifest, reader, settings } = request;
  checkMemory('restore', manifest.tables.length);
  const archive = await fetchArchive(manifest, reader, world);
  const supplement = await readSupplement(manifest, reader);
  await using session = await openSession(settings, world.signal);
  const kind = await chooseTargetKind(session, request.targetKind ?? 'auto');
  await checkTarget(session, manifest, kind, request.occupied);
  const client = await findClient(Math.floor(session.serverVersion / 10000), world, request);
  const contents = await listArchive(client, archive, manifest, world);
  const missing = await findMissingExtensions(session, manifest);
  refuseUnmatched(request, contents);
  const chosen = chooseEntries(
    request,
    manifest,
    contents.filter((entry) => !isJobTable(entry)),
  );
  const fitted = isWhole(request)
    ? undefined
    : await fitPart(session, kind, { ...request, contents, selection: withoutExtensions(chosen, missing) });
  const { encoding } = manifest.source;
  const part = fitted?.isInUse
    ? { ...fitted, ...(await findDifferences(session, fitted, supplement.definitions, contents, encoding)) }
    : fitted;
  const selection = part?.selection ?? withoutExtensions(chosen, missing);
  const queued = chooseQueues(request, findQueueTables(manifest.tables, contents));
  if (queued.length === 0) refuseNothing(request, selection, manifest);
  const queues = missing.has('pgmq') ? [] : queued;
  const isGuard = tellGuards(supplement);
  refuseOpenings(selection, isGuard, missing);
  const tables = manifest.tables.filter(
    (table) => selection.tables.has(table.oid) && !queued.includes(table),
  );
  const { notCarried, notes, ...placed } = await place(
    session,
    kind,
    selection,
    { manifest, tables },
    (entry) => countArchivedRows(client, archive, entry, world),
  );
  const distant = request.roles === 'throwaway' ? findDistant(placed.entries) : new Set<ArchiveEntry>();
  const entries = placed.entries.filter((entry) => !distant.has(entry));
  const loaded = [...placed.tables, ...queues];
  const unreplayed = describeUnreplayed(request.recovery, manifest, loaded);
  const roles = await planRolesOf(session, request, supplement, kind);
  const created = roles.created.map(({ name }) => `role ${name} is not there, and is created`);
  const assumable = await readAssumableRoles(session);
  const scope: RestoreScope = {
    manifest,
    acting:
      assumable === undefined
        ? describeActing(settings.user, entries, supplement, await readVolatile(session))
        : undefined,
    target: describeConnection(settings),
    tables: loaded,
    selection: placed.selection,
    supplement,
    kind,
    managed: placed.managed,
    notCarried: [
      ...describeMissing(missing, chosen, selection, request),
      ...(missing.has('pgmq') ? describeNoQueues(queued, noExtension, lostUnlessDrilled(request)) : []),
      ...notCarried,
      ...[...distant].map(describeDistant),
      ...roles.listed,
      ...unreplayed.notCarried,
    ],
    notes: [
      ...(part?.notes ?? []),
      ...notes,
      ...created,
      ...(await compareLocales(session, supplement.definitions)),
    ],
  };
  const guards = findGuards(entries, isGuard);
  // The platform of a container that is in use stays.
  const image = part?.isInUse === true ? undefined : placed.image;
  const renewed = image?.schemas ?? [];
  const prospect = { entries, tables: loaded, guards, supplement, kind, roles, part, renewed };
  const foreseen = await foresee(session, prospect);
  const extensionOwners =
    assumable === undefined ? findExtensionOwners(supplement) : new Map<string, string>();
  const kept = {
    scope,
    archive,
    client,
    guards,
    foreseen,
    roles,
    extensionOwners,
    part,
    queues,
  };
  return { ...placed, image, entries, ...kept };
}

/** Whether all of the backup is restored, so that what belongs to the whole database is, too. */
export function isWhole({ include, exclude }: Pick<RestoreRequest, 'include' | 'exclude'>): boolean {
  return include.length === 0 && exclude.length === 0;
}

function planRolesOf(
  session: Session,
  request: RestoreRequest,
  { roles }: Supplement,
  kind: TargetKind,
): Promise<RolePlan> {
  const needed = request.manifest.facts.roles;
  const wanted = isWhole(request) ? roles : roles.filter(({ name }) => needed.includes(name));
  return planRoles(session, wanted, needed, request.roles ?? kind);
}

async function place(
  session: Session,
  kind: TargetKind,
  selection: RestoreSelection,
  { manifest, tables }: { readonly manifest: Manifest; readonly tables: readonly TableEntry[] },
  countRows: (entry: ArchiveEntry) => Promise<number>,
): Promise<Placement> {
  const schemas = await readSchemas(session);
  const whole = { selection, tables, created: tables, present: [], secrets: undefined };
  const plain = { ...whole, managed: new Set<string>(), notCarried: [], notes: [], image: undefined };
  if (kind === 'plain') {
    return { ...plain, entries: selection.entries.filter((entry) => !isThere(entry, schemas)) };
  }
  const target = await readTargetCatalog(session);
  if (kind === 'supabase-image') {
    const image = await planImage(session, selection.entries, target);
    for (const schema of image.schemas) schemas.delete(schema);
    return { ...plain, image, entries: selection.entries.filter((entry) => !isThere(entry, schemas)) };
  }
  const archivedRows = new Map<number, number>();
  for (const entry of selection.entries) {
    if (entry.kind === 'TABLE DATA' && entry.schema !== 'cron') {
      archivedRows.set(entry.id, await countRows(entry));
    }
  }
  const chosen = selectForProject(selection.entries, tables, target, {
    archivedRows,
    assumable: (await readAssumableRoles(session)) ?? new Set(manifest.facts.roles),
    extensions: manifest.facts.extensions,
  });
  const loaded = [...chosen.created, ...chosen.present.map(({ table }) => table)];
  const oids = new Set(loaded.map(({ oid }) => oid));
  return {
    ...chosen,
    notCarried: chosen.notCarried.map(({ of, ...omission }) => ({
      ...omission,
      ...about('kind' in of ? { kind: 'entry', entry: of } : { kind: 'rows', table: of }),
    })),
    image: undefined,
    selection: { ...selection, entries: chosen.entries, tables: oids },
    tables: [...loaded, ...chosen.lost],
    managed: target.managed,
  };
}

function findExtensionOwners({ definitions }: Supplement): Map<string, string> {
  const prefix = 'extension ';
  const owners = definitions.filter(({ kind, name }) => kind === 'owner' && name.startsWith(prefix));
  return new Map(owners.map(({ name, detail }) => [name.slice(prefix.length), unquoteIdentifier(detail)]));
}

/** Of the schema public, pg_dump writes only the owner, because every database has it. */
function isThere(entry: ArchiveEntry, schemas: ReadonlySet<string>): boolean {
  return entry.kind === 'SCHEMA' && entry.name !== 'public' && schemas.has(entry.name);
}

const noExtension = 'the server does not have the files of the extension pgmq, which makes the table';

/** A drill asks what the backup holds, and not what the server of the drill has. */
export function lostUnlessDrilled({
  roles,
}: {
  readonly roles?: RestoreRequest['roles'] | undefined;
}): true | undefined {
  return roles === 'throwaway' ? undefined : true;
}

/** A part of a backup has the queues that it names, and the list of queues as the extension makes it. */
function chooseQueues(request: RestoreRequest, tables: readonly TableEntry[]): readonly TableEntry[] {
  if (isWhole(request)) return tables;
  const isChosen = createSelection(request.include, request.exclude);
  return tables.filter((table) => table.name !== 'meta' && isChosen(table));
}

function describeMissing(
  missing: ReadonlySet<string>,
  before: RestoreSelection,
  after: RestoreSelection,
  { manifest, roles }: Pick<RestoreRequest, 'manifest' | 'roles'>,
): Omission[] {
  // Rows that nobody has seen again a drill has not proven.
  const lost = lostUnlessDrilled({ roles }) ? { lost: true as const } : {};
  const tables = manifest.tables.filter(
    (table) => table.rows > 0 && before.tables.has(table.oid) && !after.tables.has(table.oid),
  );
  return [
    ...[...missing].map((name) => ({
      ...about({ kind: 'object', type: 'extension', schema: null, name }),
      why: 'the server does not have its files; what needs it is left out',
      remedy: 'Install it on the server, or restore into one that has it.',
      ...lost,
    })),
    ...tables.map((table) => ({
      ...about({ kind: 'rows', table }),
      why: `the table needs an extension that the server lacks; ${table.rows} rows are lost`,
      remedy: 'Install the extension on the server, and restore again.',
      lost: true as const,
    })),
  ];
}

/** The jobs of pg_cron come through its functions, so that they do not run before somebody wants them to. */
function isJobTable({ kind, schema, name }: ArchiveEntry): boolean {
  return kind === 'TABLE DATA' && schema === 'cron' && name === 'job';
}

export async function listArchive(
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

function chooseEntries(
  request: RestoreRequest,
  manifest: Manifest,
  contents: readonly ArchiveEntry[],
): RestoreSelection {
  if (isWhole(request)) return selectAll(contents, manifest.tables);
  const names = new Map(manifest.tables.map((table) => [table.oid, table]));
  return selectPart(contents, names, createChoice(request));
}

/** A pattern with a slip in it would bring something, or replace something, that was not meant. */
function refuseUnmatched(
  { include, exclude, manifest }: RestoreRequest,
  contents: readonly ArchiveEntry[],
): void {
  const names = new Map(manifest.tables.map((table) => [table.oid, table]));
  for (const [input, patterns] of [['include', include] as const, ['exclude', exclude] as const]) {
    const unmatched = findUnmatchedIn(contents, names, patterns);
    if (unmatched.length === 0) continue;
    throw new ConfigurationError(
      `${input}: nothing in backup ${manifest.id} fits ${unmatched.join(', ')}`,
      'Correct the name, or leave it out. Names are schema.table or schema.*, in the letters of the database; the operation show lists the tables.',
    );
  }
}

/** A view alone is something only where its tables are. */
function refuseNothing(request: RestoreRequest, { entries }: RestoreSelection, manifest: Manifest): void {
  if (isWhole(request) || entries.some((entry) => entry.kind !== 'EXTENSION')) return;
  const without = request.exclude.length > 0 ? ` without ${request.exclude.join(', ')}` : '';
  throw new ConfigurationError(
    `include: nothing in backup ${manifest.id} fits ${request.include.join(', ')}${without}`,
    'Give names as schema.table or schema.*; the manifest lists the tables.',
  );
}
