import type { Digest, DigestBackup, DigestDrill, Removal, RunCount } from '../../interface/digest.ts';
import { tellFinding } from '../../interface/findings/telling.ts';
import { recordedOperations } from '../../interface/inputs/operations.ts';
import type { ListInputs } from '../../interface/inputs/types.ts';
import type { BackupSummary } from '../../repository/backups/catalog.ts';
import { mostRuns } from '../../repository/backups/success-rate.ts';
import { DamageWarnings } from '../../repository/damage-warnings.ts';
import { openRepository } from '../../repository/open.ts';
import { readRecords, type StoredRecord } from '../../repository/records.ts';
import type { RetentionDecision } from '../../repository/retention/policy.ts';
import { sumStored } from '../../repository/stored-bytes.ts';
import type { Context } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import { day } from '../../values/duration.ts';
import { listBackups } from '../catalog/list.ts';
import type { Status } from './result.ts';

type Decision = RetentionDecision<BackupSummary>;

/** milliseconds that a digest looks back */
const period = 7 * day;

/**
 * Reads what a digest says besides the status: what ran, and what a cleanup would remove. Changes nothing.
 *
 * @throws StorageError when a manifest or a record cannot be read at all
 */
export async function readDigest(
  inputs: Omit<ListInputs, 'operation'>,
  status: Status,
  context: Context,
): Promise<Digest> {
  const { decisions } = await listBackups(inputs, context);
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  using damage = new DamageWarnings(context.log);
  const since = new Date(status.at.getTime() - period);
  const options = { newest: mostRuns, since, signal: context.signal };
  const runs = await readRecords(repository, 'runs', damage.warn, options);
  return toDigest(status, runs, decisions);
}

/** Puts a digest together from what was measured and read. Reads nothing itself. */
export function toDigest(
  status: Status,
  runs: readonly StoredRecord<'runs'>[],
  decisions: readonly Decision[],
): Digest {
  const from = new Date(status.at.getTime() - period);
  const recent = decisions.filter(({ backup }) => backup.finishedAt >= from).map(({ backup }) => backup);
  const recoverableTo = status.recoverable.windows.at(-1)?.to;
  return {
    ...{ from, to: status.at, location: status.location },
    runs: countRuns(runs.filter(({ at }) => at >= from)),
    backups: {
      count: recent.length,
      addedBytes: recent.reduce((sum, { totals }) => sum + totals.added, 0),
    },
    newest: toNewest(status),
    recoverableTo: recoverableTo === undefined ? undefined : new Date(recoverableTo),
    storedBytes: sumStored(status.stored),
    monthGrowthBytes: status.growth.kind === 'measured' ? status.growth.bytes : undefined,
    lastDrill: toDrill(status.lastDrill),
    lastVerified: status.verified?.at,
    findings: status.findings.map((finding) => {
      return { kind: finding.kind, severity: finding.severity, ...tellFinding(finding) };
    }),
    removals: decisions.filter(({ keep }) => !keep).map(toRemoval),
  };
}

/** Counts runs by operation, in the order in which operations are listed. */
function countRuns(runs: readonly StoredRecord<'runs'>[]): RunCount[] {
  const order: readonly string[] = recordedOperations;
  return [...Map.groupBy(runs, ({ content }) => content.operation)]
    .sort(([one], [other]) => order.indexOf(one) - order.indexOf(other))
    .map(([operation, all]) => {
      const succeeded = all.filter(({ content }) => content.outcome === 'done').length;
      return { operation, succeeded, failed: all.length - succeeded };
    });
}

function toNewest({ usable: [newest] }: Status): DigestBackup | undefined {
  if (newest === undefined) return undefined;
  const { id, snapshotAt, totals } = newest;
  return { id, takenAt: snapshotAt, rows: totals.rows, bytes: totals.bytes };
}

function toDrill(last: Status['lastDrill']): DigestDrill | undefined {
  if (last === undefined) return undefined;
  const { backup, outcome, recovery } = last.content;
  return { at: last.at, backup, passed: outcome === 'passed', recovery: recovery ?? undefined };
}

function toRemoval({ backup, reasons }: Decision): Removal {
  return { backup: backup.id, takenAt: backup.snapshotAt, reasons };
}
