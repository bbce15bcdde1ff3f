import { ConfigurationError, isKnownError, messageOf } from '../errors.ts';
import type { DrillInputs } from '../inputs.ts';
import { openSession } from '../postgres/connection.ts';
import { quoteIdentifier, quoteLiteral } from '../postgres/identifier.ts';
import { runTool, ToolError } from '../postgres/process.ts';
import {
  type ConnectionSettings,
  clientEnvironment,
  describeConnection,
  parseConnection,
} from '../postgres/settings.ts';
import { readManifest } from '../repository/backups.ts';
import type { Manifest } from '../repository/manifest.ts';
import { createReader } from '../repository/objects.ts';
import { appendRecord } from '../repository/records.ts';
import { openRepository, type Repository } from '../repository/repository.ts';
import { openStorage } from '../storage/open.ts';
import { type CheckResult, runChecks } from '../target/checks.ts';
import type { Parity } from '../target/parity.ts';
import { createRoles, findMissingRoles } from '../target/roles.ts';
import type { World } from '../world.ts';
import { writeRootCertificates } from './certificates.ts';
import { chooseBackups } from './choose-backups.ts';
import { type Attempt, explainFailure, hasPassed } from './drill-attempt.ts';
import { describeDrill } from './drill-report.ts';
import type { Outcome } from './outcome.ts';
import { PhaseClock } from './phases.ts';
import { prepareRestore } from './restore-into.ts';

/**
 * Restores a backup into a database made for the occasion, compares and tests it, and drops it again. When a backup fails, the ones
 * before it are tried, so that the answer says which one works. What each showed is recorded on it.
 */
export async function drill(inputs: DrillInputs, world: World): Promise<Outcome> {
  const server = parseConnection('target-url', inputs.targetUrl, world.env, inputs.sslrootcert);
  await using resources = new AsyncDisposableStack();
  const storage = resources.adopt(await openStorage(inputs.storage, inputs), (opened) => opened.close());
  const repository = await openRepository(storage, inputs.repositoryKey);
  const candidates = await chooseBackups(repository, inputs.backupId, world);
  const attempts: Attempt[] = [];
  for (const { id, snapshotAt } of candidates.slice(0, 1 + inputs.fallback)) {
    world.log.info(`Drill: backup ${id} of ${snapshotAt.toISOString()} on ${describeConnection(server)}`);
    const attempt = await tryBackup(id, repository, server, inputs, world);
    attempts.push(attempt);
    await record(attempt, repository, world);
    if (hasPassed(attempt)) break;
    world.log.error(`backup ${id} failed its drill: ${explainFailure(attempt)}`);
  }
  return describeDrill(attempts, inputs);
}

async function tryBackup(
  id: string,
  repository: Repository,
  server: ConnectionSettings,
  inputs: DrillInputs,
  world: World,
): Promise<Attempt> {
  const clock = new PhaseClock();
  let manifest: Manifest | undefined;
  let recovery: number | undefined;
  let parity: Parity | undefined;
  let checks: readonly CheckResult[] = [];
  let command: string | undefined;
  let failure: string | undefined;
  try {
    manifest = await readManifest(repository, id);
    const reader = createReader(repository, manifest, inputs.encryptionIdentity);
    await using throwaway = await makeThrowaway(server, manifest, world);
    clock.end('database');
    const { settings } = throwaway;
    const request = {
      ...inputs,
      manifest,
      reader,
      settings,
      include: [],
      exclude: [],
      verify: 'content' as const,
    };
    const prepared = await prepareRestore(request, world, clock);
    parity = await prepared.run();
    recovery = clock.elapsed() - (clock.milliseconds().parity ?? 0);
    checks = await askChecks(settings, inputs.checks, world);
    clock.end('checks');
    command = await runCommand(settings, inputs.command, world);
    clock.end('command');
  } catch (error) {
    world.signal.throwIfAborted();
    // A wrong input says nothing about the backup, and a defect of ours is none of its.
    if (error instanceof ConfigurationError || !isKnownError(error)) throw error;
    failure = messageOf(error);
  }
  return { manifest, backup: id, phases: clock.milliseconds(), recovery, parity, checks, command, failure };
}

interface Throwaway extends AsyncDisposable {
  /** How to connect to it */
  readonly settings: ConnectionSettings;
}

/** A new database on the server, with the roles that the backup needs. What was made is dropped when it is disposed of. */
async function makeThrowaway(
  server: ConnectionSettings,
  manifest: Manifest,
  world: World,
): Promise<Throwaway> {
  const database = `supabase_backup_drill_${manifest.id.toLowerCase().replace('-', '_')}`;
  const session = await openSession(server, world.signal);
  let roles: string[] = [];
  try {
    await session.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(database)} WITH (FORCE)`);
    await session.query(
      `CREATE DATABASE ${quoteIdentifier(database)} TEMPLATE template0 ENCODING ${quoteLiteral(manifest.source.encoding)}`,
    );
    roles = await findMissingRoles(session, manifest);
    await createRoles(session, roles);
  } catch (cause) {
    world.signal.throwIfAborted();
    throw new ConfigurationError(
      `target-url: the throwaway database cannot be made (${messageOf(cause)})`,
      'Give a server of its own for drills, and a role that may create databases and roles there.',
      cause,
    );
  } finally {
    await session.close();
  }
  return {
    settings: { ...server, database },
    async [Symbol.asyncDispose]() {
      // The run may have been told to stop; what it made goes all the same.
      const cleaner = await openSession(server);
      try {
        await cleaner.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(database)} WITH (FORCE)`);
        for (const role of roles) await cleaner.query(`DROP ROLE IF EXISTS ${quoteIdentifier(role)}`);
      } catch (error) {
        world.log.warn(
          `what the drill made on ${describeConnection(server)} could not be dropped: ${messageOf(error)}`,
        );
      } finally {
        await cleaner.close();
      }
    },
  };
}

async function askChecks(
  settings: ConnectionSettings,
  checks: readonly string[],
  world: World,
): Promise<CheckResult[]> {
  if (checks.length === 0) return [];
  const session = await openSession(settings, world.signal);
  try {
    return await runChecks(session, checks);
  } finally {
    await session.close();
  }
}

/**
 * Runs the user's command with the restored database in the PG… variables, through the shell that it was written for. Our own inputs, and
 * the secrets among them, are none of its business.
 */
async function runCommand(
  settings: ConnectionSettings,
  command: string | undefined,
  world: World,
): Promise<string | undefined> {
  if (command === undefined) return undefined;
  const theirs = Object.fromEntries(
    Object.entries(world.env).filter(([name]) => !/^(SUPABASE_BACKUP_|INPUT_)/.test(name)),
  );
  const env = clientEnvironment(settings, theirs, () => writeRootCertificates(world));
  try {
    const { stdout, stderr } = await runTool('/bin/sh', ['-c', command], { env, signal: world.signal });
    for (const line of `${stdout}\n${stderr}`.split('\n').filter((text) => text !== '')) world.log.info(line);
    return undefined;
  } catch (error) {
    world.signal.throwIfAborted();
    if (error instanceof ToolError) return error.message;
    throw error;
  }
}

/** A drill that nobody can look up has been for nothing, but it has been: that it cannot be recorded is told and no failure. */
async function record(attempt: Attempt, repository: Repository, world: World): Promise<void> {
  try {
    await appendRecord(repository, 'drills', world.now(), {
      backup: attempt.backup,
      outcome: hasPassed(attempt) ? 'passed' : 'failed',
      why: explainFailure(attempt) ?? null,
      recovery: attempt.recovery === undefined ? null : Math.round(attempt.recovery),
      phases: { ...attempt.phases },
      parity: attempt.parity === undefined ? null : attempt.parity.equal,
      checks: {
        asked: attempt.checks.length,
        failed: attempt.checks.filter((check) => !check.passed).map((check) => check.sql),
      },
    });
  } catch (error) {
    if (!isKnownError(error)) throw error;
    world.log.warn(`the drill could not be recorded: ${error.message}`);
  }
}
