import type { Manifest } from '../../format/manifest.ts';
import { readEventBase } from '../../github/event.ts';
import { nameCommit } from '../../github/run.ts';
import { joinTelling, tellRowLoss } from '../../interface/findings/telling.ts';
import type { GateInputs } from '../../interface/inputs/types.ts';
import { lookAtMigrations, type Migrations } from '../../migrations/changed.ts';
import { findShrinkage } from '../../repository/backups/findings.ts';
import {
  type BackupFreshness,
  judgeLimits,
  measureAges,
  measureFreshness,
  readFreshness,
} from '../../repository/backups/freshness.ts';
import { readIfPresent } from '../../repository/backups/manifests.ts';
import { openRepository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { StorageError } from '../../runtime/errors.ts';
import { PhaseClock } from '../../runtime/phase-clock.ts';
import { openStorage } from '../../storage/open.ts';
import type { Storage } from '../../storage/storage.ts';
import type { BackupResult } from '../backup/result.ts';
import { takeBackup } from '../backup/take.ts';
import { decide, reconsider } from './decision.ts';
import type { GateResult, Unseen, WayBack } from './result.ts';

/**
 * Lets a release pass if there is a backup to go back to that is fresh enough and, where asked for, proven.
 * Takes a backup first if only that is missing, and stops the release otherwise. Every failure on the way is
 * thrown, so a release passes only by a decision.
 */
export async function judgeRelease(inputs: GateInputs, context: Context): Promise<GateResult> {
  const clock = new PhaseClock();
  const migrations = await findMigrations(inputs, context);
  const { freshness, createdAt } = await withStorage(inputs, context, (storage) =>
    readFreshnessOrNone(storage, inputs, context),
  );
  const shrinkage = findShrinkage(freshness.usable);
  if (shrinkage !== undefined) context.log.warn(joinTelling(tellRowLoss(shrinkage)));
  const found = measureAges(freshness, context.now(), createdAt);
  const isDestructive = migrations.kind === 'looked-at' && migrations.destructive.length > 0;
  const judged = judgeLimits(found, inputs);
  const unseen = findUnseen(migrations);
  const decision = decide({ judged, age: found.newest, isDestructive, unseen, onStale: inputs.onStale });

  const taken = decision.kind === 'back-up' ? await takeForRelease(inputs, decision.pin, context) : undefined;
  const [newest] = freshness.usable;
  const id = taken === undefined ? newest?.id : taken.manifest.id;
  const manifest = id === undefined ? undefined : await readTarget(inputs, id, context);
  const ages = taken === undefined ? found : { ...found, newest: ageOf(manifest, context.now()) };
  return {
    verdict: reconsider(decision, taken),
    taken,
    wayBack: manifest && {
      manifest,
      pinned: (taken === undefined ? newest?.pinned : manifest.pin) ?? false,
      place: placeOf(inputs),
      needsKey: inputs.repositoryKey !== undefined,
    },
    migrations,
    ages,
    judged: judgeLimits(ages, inputs),
    judgedBefore: judged,
    elapsed: clock.elapsed(),
  };
}

function takeForRelease(inputs: GateInputs, pin: boolean, context: Context): Promise<BackupResult> {
  const label = inputs.label ?? chooseLabel(context.env);
  return context.log.group('Backup before the release', () =>
    takeBackup(
      {
        source: inputs,
        place: inputs,
        packing: inputs,
        backupType: 'incremental',
        purpose: 'ordinary',
        label,
        pin,
      },
      context,
    ),
  );
}

function placeOf({ storage, s3Endpoint, s3Region, s3Addressing }: GateInputs): WayBack['place'] {
  return { storage, s3Endpoint, s3Region, s3Addressing };
}

async function findMigrations({ migrations, baseRef }: GateInputs, context: Context): Promise<Migrations> {
  const derived = baseRef === undefined ? await readEventBase(context) : undefined;
  const found = await lookAtMigrations({ folder: migrations, baseRef, derived }, context);
  if (found.kind !== 'looked-at') {
    const told = `the migrations were not looked at: ${found.why}`;
    if (found.kind === 'not-asked') context.log.info(told);
    else context.log.warn(told);
    return found;
  }
  for (const { path, why } of found.passedOver) {
    if (why !== 'not SQL') context.log.warn(`${path} is ${why}, and was not checked`);
  }
  return found;
}

/** Lists which migrations could not be inspected: a release passes only on what was inspected. */
function findUnseen(migrations: Migrations): Unseen[] {
  if (migrations.kind === 'not-asked') return [];
  if (migrations.kind === 'unseen') {
    const { why, remedy } = migrations;
    return [{ kind: 'unseen-migrations', why, remedy }];
  }
  return migrations.passedOver.flatMap(({ path, why, remedy }): Unseen[] =>
    remedy === undefined ? [] : [{ kind: 'unseen-file', path, why, remedy }],
  );
}

/**
 * Reads the state of the backups. An empty storage is no mistake: that there is no backup is for the gate to
 * find.
 */
async function readFreshnessOrNone(
  storage: Storage,
  inputs: GateInputs,
  context: Context,
): Promise<{ readonly freshness: BackupFreshness; readonly createdAt: Date }> {
  if (await isEmpty(storage)) {
    const now = context.now();
    context.log.warn(`${storage.location} holds nothing yet`);
    const freshness = measureFreshness({ backups: [], damaged: [] }, [], [], {
      now,
      warn: (message) => context.log.warn(message),
    });
    return { freshness, createdAt: now };
  }
  const repository = await openRepository(storage, inputs.repositoryKey);
  return { freshness: await readFreshness(repository, context), createdAt: repository.createdAt };
}

async function isEmpty(storage: Storage): Promise<boolean> {
  // A probe that may not delete leaves its values under `probe/`.
  for await (const { key } of storage.list('')) if (!key.startsWith('probe/')) return false;
  return true;
}

/** @throws StorageError when the backup was removed meanwhile */
async function readTarget(inputs: GateInputs, id: string, context: Context): Promise<Manifest> {
  return withStorage(inputs, context, async (storage) => {
    const repository = await openRepository(storage, inputs.repositoryKey);
    const manifest = await readIfPresent(repository, id);
    if (manifest !== undefined) return manifest;
    throw new StorageError(
      `backup ${id} was removed from ${storage.location} while the gate relied on it`,
      'Run the gate again, and make sure that no cleanup runs at the same time.',
    );
  });
}

async function withStorage<T>(
  inputs: GateInputs,
  context: Context,
  body: (storage: Storage) => Promise<T>,
): Promise<T> {
  await using storage = await openStorage(inputs.storage, inputs, context);
  return await body(storage);
}

function ageOf(manifest: Manifest | undefined, now: Date): number | undefined {
  return manifest && Math.max(0, now.getTime() - Date.parse(manifest.source.snapshotAt));
}

function chooseLabel(env: NodeJS.ProcessEnv): string {
  const sha = nameCommit(env);
  return sha ? `before ${sha.slice(0, 7)}` : 'before a release';
}
