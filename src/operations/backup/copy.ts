import { objectSize } from '../../format/limits.ts';
import type { Manifest } from '../../format/manifest.ts';
import { planJobs } from '../../postgres/catalog/ranges.ts';
import { clientEnvironment } from '../../postgres/session/client-variables.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { isCrowded } from '../../postgres/session/refusal.ts';
import { countSessions } from '../../postgres/session/room.ts';
import { writeRootCertificates } from '../../postgres/session/root-certificates.ts';
import { Progress } from '../../report/progress.ts';
import { formatBytes, formatCounted } from '../../report/quantity.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { runInTurn, runTogether } from '../../runtime/workers.ts';
import { type Questions, readSupplement, storeSupplement } from '../../source/archive/describe.ts';
import { dumpArchive } from '../../source/archive/dump.ts';
import { describePasswords, listNotCarried } from '../../source/archive/omissions.ts';
import { digestDefinitions } from '../../source/changes/definitions-digest.ts';
import { BufferPool } from '../../source/rows/buffer-pool.ts';
import { type CopiedRange, copyRows } from '../../source/rows/copy.ts';
import type { PendingPiece } from '../../source/rows/object-sink.ts';
import type { CopyRequest } from './copy-request.ts';
import { type CopyPlan, findArchive, planFull, planIncremental, type Relation, relate } from './plan.ts';
import type { BackupRequest } from './request.ts';

export interface CopiedDatabase {
  readonly archive: readonly PendingPiece[];
  readonly supplement: readonly PendingPiece[];
  /** Digest of the definitions; the definitions themselves grow with the number of tables */
  readonly digest: string;
  readonly notCarried: Manifest['notCarried'];
  /** Whether Vault has secrets */
  readonly hasSecrets: boolean;
  readonly plan: CopyPlan;
  /** What was read; `plan` has what was taken over from the base. */
  readonly rowRanges: readonly CopiedRange[];
}

/** Sessions that are open already: the one that holds the snapshot, and the one that sees the present */
const openAlready = 2;
/**
 * Sessions besides those of the jobs: the two above, the one of pg_dump, and the one that describes the
 * database
 */
const sessionsBesideJobs = openAlready + 2;

/**
 * Copies the database. If the server or the pooler grants fewer sessions than wanted, the copy starts again
 * with as many as there are, and finds again what the first attempt stored.
 */
export async function copyDatabase(request: CopyRequest): Promise<CopiedDatabase> {
  const { settings, snapshot, destination } = request;
  const { jobs } = request.source;
  const { log } = destination.context;
  log.info(`Snapshot ${snapshot.visible} at ${snapshot.lsn}`);
  const wanted = jobs + sessionsBesideJobs;
  let room = wanted - openAlready;
  for (;;) {
    try {
      return await copyWithin(room, request);
    } catch (error) {
      snapshot.signal.throwIfAborted();
      if (!isCrowded(error) || room === 1) throw error;
      const found = await countSessions(settings, room, snapshot.signal);
      // Another client may have taken one of the counted sessions by now.
      room = Math.max(1, Math.min(room - 1, found));
      log.warn(
        say`${nameInput(settings.input)}: there are not the ${wanted} sessions that ${formatCounted(jobs, 'job')} want: it continues with ${room + openAlready}, and takes longer. Use a lower ${nameInput('jobs')}, or raise the pool size or the limit of the role.`,
      );
    }
  }
}

/** What the parts of a copy share. */
interface Copying extends CopyRequest {
  /** How many workers read rows at once */
  readonly workers: number;
  /** Runs tasks together, or one after another where sessions do not suffice */
  readonly run: typeof runTogether;
  readonly pool: BufferPool;
  /** How the backup relates to its base; undefined for a backup that is not to be incremental */
  readonly relation: Relation | undefined;
}

/**
 * Copies with a limited number of sessions: pg_dump writes the archive while workers choose what to read, and
 * read it, all under the same snapshot. An archive of the base that is current stands for a new one, unless
 * the recheck of its rows or the digest of the definitions says no.
 *
 * @param room how many sessions may be open at once, besides those that are open already
 */
async function copyWithin(room: number, request: CopyRequest): Promise<CopiedDatabase> {
  const { snapshot, destination } = request;
  const fitting = room + openAlready - sessionsBesideJobs;
  const workers = Math.max(1, fitting);
  const copying: Copying = {
    ...request,
    workers,
    run: fitting >= 1 ? runTogether : runInTurn,
    // A buffer for each worker and the archive, and two that are being stored meanwhile.
    pool: new BufferPool(workers + 3, objectSize),
    relation: destination.base && relate(destination.base, snapshot),
  };
  const current = copying.relation && findArchive(copying.relation, copying.sequences);
  const [archive, described, rows] = await copying.run<
    [CopiedDatabase['archive'], Awaited<ReturnType<typeof copyDescription>>, CopiedRows]
  >(snapshot.signal, [
    async (signal) => current ?? copyArchive(copying, signal),
    (signal) => copyDescription(copying, signal),
    (signal) => copyTables(copying, signal),
  ]);
  // Where rows have changed although nobody wrote, definitions may have, too; and these alone may have.
  const base = rows.plan.base;
  const isRefuted =
    current !== undefined && (base === undefined || base.source.definitions !== described.digest);
  return {
    archive: isRefuted ? await copyArchive(copying, snapshot.signal) : archive,
    ...described,
    ...rows,
  };
}

/** Makes pg_dump write the archive. */
function copyArchive(
  { backupType, snapshot, client, settings, destination, pool }: Copying,
  signal: AbortSignal,
): Promise<CopiedDatabase['archive']> {
  const { context, writer } = destination;
  return dumpArchive(snapshot, client, [...snapshot.tables, ...snapshot.leftOut], {
    schemaOnly: backupType === 'schema',
    settings,
    // pg_dump does not set the time zone, which shows in the text of defaults.
    env: clientEnvironment(settings, context.env, () => writeRootCertificates(context), 'UTC'),
    pool,
    store: (plaintext) => writer.store(plaintext),
    signal,
  });
}

/** Describes the database and lists what the backup does not carry, and stores the description. */
async function copyDescription(
  { backupType, source, snapshot, settings, destination }: Copying,
  signal: AbortSignal,
): Promise<Pick<CopiedDatabase, 'supplement' | 'digest' | 'notCarried' | 'hasSecrets'>> {
  const { repository, writer, context } = destination;
  const readBeside = (session: Session) => listNotCarried({ backupType }, session, snapshot);
  const asked = askedOf({ backupType, source });
  const { description, beside, unanswered } = await readSupplement(
    snapshot,
    settings,
    asked,
    readBeside,
    signal,
  );
  for (const message of unanswered) context.log.warn(message);
  const supplement = await storeSupplement(description, (plaintext) => writer.store(plaintext), signal);
  const { roles, definitions } = description;
  const tables = [...snapshot.tables, ...snapshot.leftOut];
  return {
    supplement,
    digest: digestDefinitions(repository, definitions, tables),
    notCarried: [...beside.omissions, ...describePasswords(roles)],
    hasSecrets: beside.hasSecrets,
  };
}

type CopiedRows = Pick<CopiedDatabase, 'plan' | 'rowRanges'>;

/**
 * Reads the rows that the plan chooses, while a sample of the reused rows is checked. If the check fails, all
 * rows are read.
 */
async function copyTables(copying: Copying, signal: AbortSignal): Promise<CopiedRows> {
  const { relation, snapshot, run, workers, pool } = copying;
  const plan = relation
    ? await planIncremental(copying, relation, { workers, pool, signal })
    : planFull(snapshot, null);
  const [rowRanges, proven] = await run<[CopiedRange[], CopyPlan]>(signal, [
    (combined) => readChosen(copying, plan, combined),
    (combined) => plan.recheck(combined),
  ]);
  if (proven === plan) return { plan, rowRanges };
  return { plan: proven, rowRanges: await readChosen(copying, proven, signal) };
}

function readChosen(
  { snapshot, settings, destination, workers, pool }: Copying,
  plan: CopyPlan,
  signal: AbortSignal,
): Promise<CopiedRange[]> {
  const { writer, context } = destination;
  const jobs = planJobs(plan.choices.flatMap((choice) => choice.read));
  const weight = jobs.reduce((sum, job) => sum + job.weight, 0);
  context.log.info(
    `Reading about ${formatBytes(weight)} of ${formatCounted(snapshot.tables.length, 'table')} in ${formatCounted(jobs.length, 'part')}`,
  );
  const progress = new Progress(context.log, weight);
  return copyRows(snapshot, settings, jobs, {
    workers,
    pool,
    store: (plaintext) => writer.store(plaintext),
    signal,
    onProgress: (job, read, bytes) => progress.advance(read, bytes, job.weight),
  });
}

/** Returns the questions for the source: none for a schema backup, which has no rows to answer them. */
export function askedOf({ backupType, source }: Pick<BackupRequest, 'backupType' | 'source'>): Questions {
  const { checks, freshness } = source;
  return backupType === 'schema' ? { checks: [], freshness: [] } : { checks, freshness };
}
