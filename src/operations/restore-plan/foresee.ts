import type { Manifest } from '../../format/manifest.ts';
import type { RecoveryRequest } from '../../interface/inputs/recovery-request.ts';
import { printable } from '../../report/printable.ts';
import { readFreshness } from '../../repository/backups/freshness.ts';
import { measureRecovery } from '../../repository/backups/recovery-time.ts';
import type { Segment } from '../../repository/changes/segments.ts';
import { readRecoverable } from '../../repository/changes/windows.ts';
import { warnOfBackupsElsewhere } from '../../repository/copies/elsewhere.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { readRecords, type StoredRecord } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { openWithCopies } from '../../storage/copies.ts';
import { hour } from '../../values/duration.ts';
import { askForTables } from '../../values/nearest-tables.ts';
import { createSelection, findUnmatched, writePattern } from '../../values/table-patterns.ts';
import { parseTimestamp } from '../../values/timestamp.ts';
import {
  confirmingWords,
  fillIn,
  listSettings,
  makeWay,
  type Point,
  type Scope,
  type Target,
} from '../report/dashboard/ways.ts';
import type { Place, TableContents } from '../report/facts.ts';
import { describeRepository, toPlace } from '../report/read.ts';
import { chooseCandidates } from '../restore/candidates.ts';
import { digestPlan } from './digest.ts';
import type { Loss, PlanLines, PlannedBackup, PlanTarget, RestorePlan } from './result.ts';

export interface PlanRequest extends RecoveryRequest {
  readonly target: PlanTarget;
}

/** What a plan says of losses grows old; a backup that a cleanup removes is refused by the restore itself. */
const planLifetimeMs = hour;

/**
 * Plans a restore: resolves which backup and which point in time it would bring back, and writes the line that
 * does it. Reads the storage alone, and changes nothing.
 *
 * @throws ConfigurationError when no backup fits, the time cannot be reached, or tables are named that the
 *   backup does not have
 */
export async function foreseeRestore(request: PlanRequest, context: Context): Promise<RestorePlan> {
  refuseContradictions(request);
  await using storage = await openWithCopies(request, context);
  const repository = await openRepository(storage, request.repositoryKey);
  if (request.backupId === 'latest') await warnOfBackupsElsewhere(repository, storage.copies, context);
  const chosen = await choose(repository, request, context);
  const { manifest, until } = chosen;
  const tables = chooseTables(manifest, request.include);
  const now = context.now();
  const freshness = await readFreshness(repository, context);
  const { segments } = await readRecoverable(repository, freshness.usable, context);
  const described = { place: toPlace(request), repository: describeRepository(repository, manifest) };
  const lines = writeLines(request, chosen, described.place);
  const { id } = manifest;
  const known = freshness.catalog.backups.find((backup) => backup.id === id);
  return {
    digest: digestPlan({ ...request, repository: repository.id, backup: id, until, command: lines.command }),
    madeAt: now,
    expiresAt: new Date(now.getTime() + planLifetimeMs),
    location: storage.location,
    backup: describeBackup(manifest, known),
    until,
    target: request.target,
    tables,
    lost: measureLoss(request.target, chosen, segments, now),
    recovery: measureRecovery(freshness, await readRestores(repository, context)),
    lines,
    settings: listSettings(described),
    words: request.target === 'production' ? confirmingWords : undefined,
  };
}

function refuseContradictions({ target, include, recoveryTargetTime }: PlanRequest): void {
  const odd = include.find((pattern) => printable(pattern) !== pattern);
  if (odd !== undefined)
    throw new ConfigurationError(
      say`${nameInput('include')}: a name has invisible characters, so a person could not check the command before running it`,
      'Select the table with schema.*, or restore it in a terminal.',
    );
  if (target !== 'beside') return;
  if (include.length === 0)
    throw new ConfigurationError(
      say`${nameInput('include')}: is required to restore rows beside the live tables`,
      'Name the tables, such as public.orders.',
    );
  if (recoveryTargetTime !== undefined)
    throw new ConfigurationError(
      say`${nameInput('recovery-target-time')}: rows beside the live tables come from a backup, not from a point in time`,
      'Choose a backup instead, or plan a restore into an empty database.',
    );
}

/** How many of the newest restores tell how long one takes */
const timedRestores = 20;

function readRestores(
  repository: Repository,
  { log, signal }: Context,
): Promise<readonly StoredRecord<'restores'>[]> {
  const onDamaged = (error: Error) => log.warn(`${error.message}; skipped`);
  return readRecords(repository, 'restores', onDamaged, { newest: timedRestores, signal });
}

interface Chosen {
  readonly manifest: Manifest;
  readonly until: string | undefined;
}

async function choose(repository: Repository, request: PlanRequest, context: Context): Promise<Chosen> {
  const choice = { ...request, stagingUrl: undefined, fallback: 0 };
  const { candidates, manifest } = await chooseCandidates(repository, choice, context);
  return { manifest, until: candidates[0]?.recovery?.until };
}

/** @throws ConfigurationError naming the patterns that no table fits */
function chooseTables(manifest: Manifest, include: readonly string[]): TableContents[] | undefined {
  if (include.length === 0) return undefined;
  const unmatched = findUnmatched(include, manifest.tables);
  if (unmatched.length > 0)
    throw new ConfigurationError(
      say`${nameInput('include')}: no table of backup ${manifest.id} matches ${unmatched.join(', ')}`,
      `${askForTables(unmatched, manifest.tables)}Correct the name (names are case-sensitive), or choose a backup that has the table; backup_show lists its tables.`,
    );
  return manifest.tables
    .filter(createSelection(include, []))
    .map(({ schema, name, rows, bytes }) => ({ schema, name, rows, bytes }))
    .sort((one, other) => other.rows - one.rows || (writePattern(one) < writePattern(other) ? -1 : 1));
}

function describeBackup(
  { id, kind, source, label, totals }: Manifest,
  known: Pick<PlannedBackup, 'verifiedAt' | 'damagedAt'> | undefined,
): PlannedBackup {
  return {
    ...{ id, kind, label, rows: totals.rows, bytes: totals.bytes },
    snapshotAt: new Date(source.snapshotAt),
    verifiedAt: known?.verifiedAt ?? null,
    damagedAt: known?.damagedAt ?? null,
  };
}

function writeLines({ target, include }: PlanRequest, { manifest, until }: Chosen, place: Place): PlanLines {
  const scope: Scope = target === 'beside' ? 'rows' : include.length === 0 ? 'whole' : 'tables';
  const point: Point = until === undefined ? 'backup' : 'time';
  const into: Target = target === 'beside' ? 'live' : target;
  const way = makeWay({ scope, point, target: into }, place, { isBound: true });
  const words = { backup: manifest.id, time: until ?? '', tables: include.join(','), confirm: '…' };
  return {
    preview: fillIn(way.preview, words),
    command: fillIn(way.command, words),
    workflow: way.workflow === undefined ? undefined : fillIn(way.workflow, words),
  };
}

/** Nothing is lost in an empty database, nor beside live tables. */
function measureLoss(
  target: PlanTarget,
  { manifest, until }: Chosen,
  segments: readonly Segment[],
  now: Date,
): Loss | undefined {
  if (target !== 'production') return undefined;
  const point = until ?? manifest.source.snapshotAt;
  const from = new Date(point);
  const later = segments.filter(({ through }) => parseTimestamp(through) > parseTimestamp(point));
  const sum = (count: (segment: Segment) => number) =>
    later.reduce((total, segment) => total + count(segment), 0);
  return {
    from,
    milliseconds: Math.max(0, now.getTime() - from.getTime()),
    captured:
      segments.length === 0
        ? undefined
        : { transactions: sum((one) => one.transactions), changes: sum((one) => one.changes) },
  };
}
