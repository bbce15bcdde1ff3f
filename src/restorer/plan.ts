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
import { describeConnection } from '../postgres/session/settings.ts';
import { fetchArchive } from '../repository/objects/archive-file.ts';
import { readSupplement } from '../repository/objects/supplement.ts';
import type { Context } from '../runtime/context.ts';
import { ConfigurationError, messageOf } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { chooseTargetKind, type TargetKind } from '../supabase/target-kind.ts';
import { describeActing, readVolatile } from './acting.ts';
import { withoutExtensions } from './archive/selection.ts';
import { chooseEntries, chooseQueues, isJobTable, refuseNothing, refuseUnmatched } from './chosen-entries.ts';
import { compareLocales } from './database-locale.ts';
import { describeDistant, findDistant } from './distant-refreshes.ts';
import { countArchivedRows } from './extensions/parts.ts';
import { previewRestore } from './foresight/foresight.ts';
import { findDifferences, type PartDifferences } from './part/differences.ts';
import { type FittedPart, fitPart, type Part } from './part/part.ts';
import { type Placement, place } from './placement.ts';
import { checkTarget, findMissingExtensions, readAssumableRoles } from './preflight.ts';
import { describeNoQueues, findQueueTables } from './queues.ts';
import { isWhole, lostUnlessDrilled, type RestoreRequest } from './request.ts';
import { planRoles, type RolePlan } from './roles/roles.ts';
import { findGuards, refuseOpenings, tellGuards } from './row-guards.ts';
import type { RestoreScope } from './scope.ts';
import { toUnreplayed } from './unreplayed.ts';

/** Everything that is decided before the target is touched. */
export interface RestorePlan
  extends Pick<Placement, 'entries' | 'image' | 'created' | 'present' | 'secrets'> {
  /** As it stands before the target is touched */
  readonly scope: RestoreScope;
  readonly archive: string;
  readonly client: ClientTools;
  /**
   * Entries without which rows of a table that the restore creates would be open to more roles than in the
   * source
   */
  readonly guards: ReadonlySet<ArchiveEntry>;
  /** What the server will probably refuse, for people */
  readonly foreseen: readonly string[];
  readonly roles: RolePlan;
  /** By extension, where the connected role can act as any role */
  readonly extensionOwners: ReadonlyMap<string, string>;
  /** Set for a part of the backup: how it fits the target */
  readonly part: MetPart | undefined;
  /** Tables of message queues, which the extension makes */
  readonly queues: readonly TableEntry[];
}

/** A part, and how the target differs from the backup; without differences in a target that holds nothing */
export type MetPart = FittedPart & Partial<PartDifferences>;

/**
 * Checks the identity, the archive and the target, and decides what of the backup is restored.
 *
 * @throws ConfigurationError when it cannot be restored there
 */
export async function planRestore(request: RestoreRequest, context: Context): Promise<RestorePlan> {
  const { manifest, reader, settings } = request;
  checkMemory('restore', manifest.tables.length);
  const archive = await fetchArchive(manifest, reader, context);
  const supplement = await readSupplement(manifest, reader);
  await using session = await openSession(settings, context.signal);
  const kind = await chooseTargetKind(session, request.targetKind ?? 'auto');
  await checkTarget(session, manifest, kind, request.occupied);
  const client = await findClient(Math.floor(session.serverVersion / 10000), context, request);
  const contents = await listArchive(client, archive, manifest, context);
  const choice = await choose(session, request, kind, supplement, contents);
  const { part, missing, selection, queued, tables } = choice;
  const isGuard = tellGuards(supplement);
  refuseOpenings(selection, isGuard, missing);
  const placed = await place(session, kind, selection, { manifest, tables }, (entry) =>
    countArchivedRows(client, archive, entry, context),
  );
  const distant = request.roles === 'scratch' ? findDistant(placed.entries) : new Set<ArchiveEntry>();
  const entries = placed.entries.filter((entry) => !distant.has(entry));
  const queues = missing.has('pgmq') ? [] : queued;
  const roles = await planRolesOf(session, request, supplement, kind);
  const actsAsAnybody = (await readAssumableRoles(session)) === undefined;
  const scope: RestoreScope = {
    ...{ manifest, supplement, kind },
    acting: actsAsAnybody
      ? describeActing(settings.user, entries, supplement, await readVolatile(session))
      : undefined,
    target: describeConnection(settings),
    tables: [...placed.tables, ...queues],
    selection: placed.selection,
    managed: placed.managed,
    notCarried: describeOmissions(request, choice, placed, distant, roles, [...placed.tables, ...queues]),
    notes: [
      ...(part?.notes ?? []),
      ...placed.notes,
      ...roles.created.map(({ name }) => `role ${name} is not there, and is created`),
      ...(await compareLocales(session, supplement.definitions)),
    ],
  };
  const guards = findGuards(entries, isGuard);
  // A container that is in use keeps its platform.
  const image = part?.isInUse === true ? undefined : placed.image;
  const prospect = { entries, tables: scope.tables, guards, supplement, kind, roles, part };
  const foreseen = await previewRestore(session, { ...prospect, renewed: image?.schemas ?? [] });
  const extensionOwners = actsAsAnybody ? findExtensionOwners(supplement) : new Map<string, string>();
  const { created, present, secrets } = placed;
  return {
    ...{ scope, archive, client, entries, guards, foreseen, roles, extensionOwners },
    ...{ image, created, part, present, queues, secrets },
  };
}

/** What the request chooses of the backup, and what the server can hold of that. */
interface Choice {
  /** Names of extensions that the server does not have */
  readonly missing: ReadonlySet<string>;
  /** The choice before missing extensions are considered */
  readonly chosen: RestoreSelection;
  readonly selection: RestoreSelection;
  readonly part: MetPart | undefined;
  /** Tables of message queues */
  readonly queued: readonly TableEntry[];
  /** Tables other than those of queues */
  readonly tables: readonly TableEntry[];
}

async function choose(
  session: Session,
  request: RestoreRequest,
  kind: TargetKind,
  supplement: Supplement,
  contents: readonly ArchiveEntry[],
): Promise<Choice> {
  const { manifest } = request;
  const missing = await findMissingExtensions(session, manifest);
  refuseUnmatched(request, contents);
  const chosen = chooseEntries(
    request,
    manifest,
    contents.filter((entry) => !isJobTable(entry)),
  );
  const possible = withoutExtensions(chosen, missing);
  const part = isWhole(request)
    ? undefined
    : await meetPart(session, kind, { ...request, contents, selection: possible }, supplement);
  const selection = part?.selection ?? possible;
  const queued = chooseQueues(request, findQueueTables(manifest.tables, contents));
  if (queued.length === 0) refuseNothing(request, selection, manifest);
  const tables = manifest.tables.filter(
    (table) => selection.tables.has(table.oid) && !queued.includes(table),
  );
  return { missing, chosen, selection, part, queued, tables };
}

async function meetPart(
  session: Session,
  kind: TargetKind,
  wanted: Part & Pick<RestoreRequest, 'manifest'>,
  { definitions }: Supplement,
): Promise<MetPart> {
  const { contents, manifest } = wanted;
  const fitted = await fitPart(session, kind, wanted);
  if (!fitted.isInUse) return fitted;
  const { encoding } = manifest.source;
  return { ...fitted, ...(await findDifferences(session, fitted, definitions, contents, encoding)) };
}

function describeOmissions(
  request: RestoreRequest,
  { missing, chosen, selection, queued }: Choice,
  placed: Placement,
  distant: ReadonlySet<ArchiveEntry>,
  roles: RolePlan,
  loaded: readonly TableEntry[],
): Omission[] {
  return [
    ...describeMissing(missing, chosen, selection, request),
    ...(missing.has('pgmq') ? describeNoQueues(queued, noExtension, lostUnlessDrilled(request)) : []),
    ...placed.notCarried,
    ...[...distant].map(describeDistant),
    ...roles.listed,
    ...toUnreplayed(request.recovery, request.manifest, loaded).notCarried,
  ];
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

function findExtensionOwners({ definitions }: Supplement): Map<string, string> {
  const prefix = 'extension ';
  const owners = definitions.filter(({ kind, name }) => kind === 'owner' && name.startsWith(prefix));
  return new Map(owners.map(({ name, detail }) => [name.slice(prefix.length), unquoteIdentifier(detail)]));
}

const noExtension = 'the server does not have the files of the extension pgmq, which makes the table';

function describeMissing(
  missing: ReadonlySet<string>,
  before: RestoreSelection,
  after: RestoreSelection,
  { manifest, roles }: Pick<RestoreRequest, 'manifest' | 'roles'>,
): Omission[] {
  // In a drill a missing extension does not count as lost. Rows that need it do: the drill has not proven
  // that they come back.
  const lost = lostUnlessDrilled({ roles }) ? { lost: true as const } : {};
  const tables = manifest.tables.filter(
    (table) => table.rows > 0 && before.tables.has(table.oid) && !after.tables.has(table.oid),
  );
  return [
    ...[...missing].map((name) => ({
      ...about({ kind: 'object', type: 'extension', schema: null, name }),
      why: 'the server does not have its files; everything that needs it is left out',
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

export async function listArchive(
  client: ClientTools,
  archive: string,
  manifest: Manifest,
  context: Context,
): Promise<ArchiveEntry[]> {
  try {
    return await readContents(client, archive, manifest.facts.roles, context);
  } catch (cause) {
    if (!(cause instanceof ToolError)) throw cause;
    // The archive is byte for byte what the manifest says, so it is pg_restore that cannot read it.
    throw new ConfigurationError(
      say`${nameInput('client-path')}: pg_restore ${client.version} cannot read the archive of backup ${manifest.id}: ${messageOf(cause)}`,
      say`Set the folder of newer client programs with ${nameInput('client-path')}. Those that created the backup can read it.`,
      cause,
    );
  }
}
