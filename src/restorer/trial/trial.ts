import type { Manifest } from '../../format/manifest.ts';
import type { Parity } from '../../parity/compare.ts';
import { type ConnectionSettings, describeConnection } from '../../postgres/session/settings.ts';
import { redactReason } from '../../report/redact.ts';
import { readManifest } from '../../repository/backups/manifests.ts';
import { createReader } from '../../repository/objects/store.ts';
import { readSupplement } from '../../repository/objects/supplement.ts';
import type { Repository } from '../../repository/open.ts';
import { recordIfPossible } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError, IntegrityError, isKnownError, messageOf } from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { inScratchFolder } from '../../runtime/scratch-folder.ts';
import type { Recovery } from '../choose.ts';
import { type PreparedRestore, prepareRestore } from '../execute.ts';
import {
  type Attempt,
  explainFailure,
  findFault,
  hasPassed,
  hasReturned,
  type TrialFailure,
} from './attempt.ts';
import type { CheckResult } from './checks.ts';
import { writeParity } from './parity-files.ts';
import { createScratchDatabase, nameScratchDatabase } from './scratch-database.ts';
import { askChecks, runCommand } from './user-checks.ts';

/** How backups are tried. */
export interface Trial {
  readonly encryptionIdentity: readonly string[];
  readonly clientPath: string | undefined;
  readonly installClient: 'auto' | 'always' | 'never';
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly checks: readonly string[];
  readonly command: string | undefined;
  readonly reportFolder: string | undefined;
  readonly jobs: number;
  /** milliseconds that a recovery may take, for the record alone; undefined: no limit */
  readonly rtoTarget?: number | undefined;
}

export interface TrialCandidate {
  readonly id: string;
  readonly snapshotAt: Date;
  /** The recovery target and the changes to replay; undefined to restore the backup as it is */
  readonly recovery?: Recovery | undefined;
}

/**
 * Tries backups one after another, each in a scratch database, until one is restored as it was. A failed
 * check of such a backup ends the trial, too: the backup is sound, and an older one would only hold older
 * rows. Each outcome is recorded with its backup as a drill.
 *
 * @throws ConfigurationError when no database can be created on the server, or a check cannot be answered,
 * which says nothing about a backup
 */
export async function tryInTurn(
  candidates: readonly TrialCandidate[],
  repository: Repository,
  server: ConnectionSettings,
  trial: Trial,
  context: Context,
): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  for (const candidate of candidates) {
    const { id, snapshotAt } = candidate;
    context.log.info(
      `Trying backup ${id} of ${snapshotAt.toISOString()} in a throwaway database, ${nameScratchDatabase(id)}, on ${server.host}:${server.port}`,
    );
    const attempt = await inScratchFolder(context, (scratch) =>
      tryBackup(candidate, repository, server, trial, scratch),
    );
    attempts.push(attempt);
    await record(attempt, repository, { server, rtoTarget: trial.rtoTarget }, context);
    if (!hasPassed(attempt)) context.log.error(`backup ${id} failed: ${explainFailure(attempt)}`);
    if (hasReturned(attempt)) break;
  }
  return attempts;
}

async function tryBackup(
  { id, recovery: brought }: TrialCandidate,
  repository: Repository,
  server: ConnectionSettings,
  trial: Trial,
  context: Context,
): Promise<Attempt> {
  const clock = new PhaseClock();
  let manifest: Manifest | undefined;
  let recovery: number | undefined;
  let parity: Parity | undefined;
  let differences: Attempt['notCarried'] = [];
  let prepared: PreparedRestore | undefined;
  let checks: readonly CheckResult[] = [];
  let command: string | undefined;
  let failure: Attempt['failure'];
  try {
    manifest = await readManifest(repository, id);
    const reader = createReader(repository, manifest, trial.encryptionIdentity);
    const supplement = await readSupplement(manifest, reader);
    await using scratch = await createScratchDatabase(server, manifest, supplement, context);
    clock.end('database');
    const { settings } = scratch;
    const { clientPath, installClient, include, exclude, jobs } = trial;
    const request = {
      ...{ manifest, reader, settings, clientPath, installClient, include, exclude, jobs },
      verify: 'content' as const,
      targetKind: 'plain' as const,
      roles: 'scratch' as const,
      recovery: brought,
      checks: trial.checks,
    };
    differences = scratch.notCarried;
    prepared = await prepareRestore(request, context, clock);
    parity = await prepared.run();
    recovery = clock.elapsed() - (clock.milliseconds().parity ?? 0);
    checks = await askChecks(settings, trial.checks, context);
    clock.end('checks');
    if (parity !== undefined) await writeParity(trial.reportFolder, prepared.scope, parity, context, checks);
    command = await runCommand(settings, trial.command, context);
    clock.end('command');
  } catch (error) {
    context.signal.throwIfAborted();
    failure = judgeFailure(error);
  }
  return {
    manifest,
    backup: id,
    until: brought?.until,
    phases: clock.milliseconds(),
    recovery,
    parity,
    notCarried: prepared === undefined ? [] : [...differences, ...prepared.scope.notCarried],
    notes: prepared?.scope.notes ?? [],
    checks,
    command,
    failure,
  };
}

/** @throws the error itself where it says nothing about the backup: a wrong input, or a defect of ours */
function judgeFailure(error: unknown): TrialFailure {
  if (error instanceof ConfigurationError || !isKnownError(error)) throw error;
  return { kind: error instanceof IntegrityError ? 'damage' : 'refusal', message: messageOf(error) };
}

async function record(
  attempt: Attempt,
  repository: Repository,
  { server, rtoTarget }: { readonly server: ConnectionSettings; readonly rtoTarget: number | undefined },
  context: Context,
): Promise<void> {
  await recordIfPossible(repository, 'drills', 'drill', context, {
    backup: attempt.backup,
    outcome: hasPassed(attempt) ? 'passed' : 'failed',
    why: redactReason(explainFailure(attempt), context.redact),
    fault: findFault(attempt) ?? null,
    recovery: attempt.recovery === undefined ? null : Math.round(attempt.recovery),
    rtoTarget: rtoTarget ?? null,
    server: describeConnection(server),
    phases: { ...attempt.phases },
    recoveredTo: attempt.until ?? null,
    parity: attempt.parity === undefined ? null : attempt.parity.equal,
    checks: {
      asked: attempt.checks.length,
      failed: attempt.checks.filter((check) => !check.passed).map(({ sql }) => context.redact(sql)),
    },
  });
}
