import { objectSize } from '../../format/limits.ts';
import type { Manifest } from '../../format/manifest.ts';
import type { BackupRequest } from '../../interface/inputs/types.ts';
import { planJobs } from '../../postgres/catalog/ranges.ts';
import { clientEnvironment } from '../../postgres/session/client-variables.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { isCrowded } from '../../postgres/session/refusal.ts';
import { countSessions } from '../../postgres/session/room.ts';
import { writeRootCertificates } from '../../postgres/session/root-certificates.ts';
import { Progress } from '../../report/progress.ts';
import { formatBytes, formatCounted } from '../../report/quantity.ts';
import { runInTurn, runTogether } from '../../runtime/workers.ts';
import { describeDatabase, type Questions, storeSupplement } from '../../source/archive/describe.ts';
import { dumpArchive } from '../../source/archive/dump.ts';
import { describePasswords, listNotCarried } from '../../source/archive/omissions.ts';
import { digestDefinitions } from '../../source/changes/definitions-digest.ts';
import { BufferPool } from '../../source/rows/buffer-pool.ts';
import { type CopiedSlice, copyRows } from '../../source/rows/copy.ts';
import type { PendingPiece } from '../../source/rows/object-sink.ts';
import type { CopyRequest } from './copy-request.ts';
import { type CopyPlan, findArchive, planFull, planIncremental, relate } from './plan.ts';

export interface CopiedDatabase {
  readonly archive: readonly PendingPiece[];
  readonly supplement: readonly PendingPiece[];
  /** Of the definitions: what they are grows with the number of tables */
  readonly digest: string;
  readonly notCarried: Manifest['notCarried'];
  readonly plan: CopyPlan;
  /** What was read; what was taken over from the base is in the plan. */
  readonly slices: readonly CopiedSlice[];
}

/** The session that holds the snapshot, and the one that sees the present */
const openAlready = 2;
/** They, pg_dump's, and the one that describes the database */
const sessionsBesideJobs = openAlready + 2;

/**
 * Copies the database. Where the server or the pooler has fewer sessions than are wanted it begins again with as many as there are, and what
 * was stored until then is found again.
 */
export async function copyDatabase(request: CopyRequest): Promise<CopiedDatabase> {
  const { inputs, settings, snapshot, destination } = request;
  const { log } = destination.world;
  log.info(`Snapshot ${snapshot.visible} at ${snapshot.lsn}`);
  const wanted = inputs.jobs + sessionsBesideJobs;
  let room = wanted - openAlready;
  for (;;) {
    try {
      return await copyWithin(room, request);
    } catch (error) {
      snapshot.signal.throwIfAborted();
      if (!isCrowded(error) || room === 1) throw error;
      const found = await countSessions(settings, room, snapshot.signal);
      // Of which another client may have taken one by now.
      room = Math.max(1, Math.min(room - 1, found));
      log.warn(
        `${settings.input}: there are not the ${wanted} sessions that ${formatCounted(inputs.jobs, 'job')} want: it goes on with ${room + openAlready}, and takes longer. Set jobs lower, or raise the pool size or the limit of the role.`,
      );
    }
  }
}

/**
 * pg_dump writes the archive while workers find out what to read, and read it, all under the one snapshot.
 *
 * @param room how many sessions may be open at once, besides those that are open already
 */
async function copyWithin(room: number, request: CopyRequest): Promise<CopiedDatabase> {
  const { inputs, settings, client, snapshot, destination } = request;
  const { world } = destination;
  const fitting = room + openAlready - sessionsBesideJobs;
  const workers = Math.max(1, fitting);
  const run = fitting >= 1 ? runTogether : runInTurn;
  // A buffer for each worker and the archive, and two that are being stored meanwhile.
  const pool = new BufferPool(workers + 3, objectSize);
  const relation = destination.base && relate(destination.base, snapshot);
  const store = (plaintext: Buffer) => destination.writer.store(plaintext);
  const [archive, described, rows] = await run<
    [
      CopiedDatabase['archive'],
      Pick<CopiedDatabase, 'supplement' | 'digest' | 'notCarried'>,
      Pick<CopiedDatabase, 'plan' | 'slices'>,
    ]
  >(snapshot.signal, [
    async (signal) =>
      (relation && findArchive(relation, request.sequences)) ??
      dumpArchive(snapshot, client, [...snapshot.tables, ...snapshot.leftOut], {
        schemaOnly: inputs.backupType === 'schema',
        settings,
        // pg_dump leaves these to the database, and they show in the text of defaults.
        env: clientEnvironment(settings, world.env, () => writeRootCertificates(world), 'UTC'),
        pool,
        store,
        signal,
      }),
    async (signal) => {
      const readBeside = (session: Session) => listNotCarried(inputs, session, snapshot);
      const asked = askedOf(inputs);
      const { description, beside } = await describeDatabase(snapshot, settings, asked, readBeside, signal);
      const supplement = await storeSupplement(description, store, signal);
      const { roles, definitions } = description;
      const tables = [...snapshot.tables, ...snapshot.leftOut];
      return {
        supplement,
        digest: digestDefinitions(destination.repository, definitions, tables),
        notCarried: [...beside, ...describePasswords(roles)],
      };
    },
    async (signal) => {
      const plan = relation
        ? await planIncremental({ ...request, inputs: { ...inputs, jobs: workers } }, relation, {
            pool,
            signal,
          })
        : planFull(snapshot, null);
      const [slices, proven] = await run<[CopiedSlice[], CopyPlan]>(signal, [
        (combined) => readChosen(plan, combined),
        (combined) => plan.recheck(combined),
      ]);
      return proven === plan ? { plan, slices } : { plan: proven, slices: await readChosen(proven, signal) };
    },
  ]);
  return { archive, ...described, ...rows };

  function readChosen(plan: CopyPlan, signal: AbortSignal): Promise<CopiedSlice[]> {
    const jobs = planJobs(plan.choices.flatMap((choice) => choice.read));
    const weight = jobs.reduce((sum, job) => sum + job.weight, 0);
    world.log.info(
      `Reading about ${formatBytes(weight)} of ${formatCounted(snapshot.tables.length, 'table')} in ${formatCounted(jobs.length, 'part')}`,
    );
    const progress = new Progress(world.log, weight);
    return copyRows(snapshot, settings, jobs, {
      workers,
      pool,
      store,
      signal,
      onProgress: (job, read, bytes) => progress.advance(read, bytes, job.weight),
    });
  }
}

/** Definitions without rows answer no question about rows. */
export function askedOf({ backupType, checks, freshness }: BackupRequest): Questions {
  return backupType === 'schema' ? { checks: [], freshness: [] } : { checks, freshness };
}
