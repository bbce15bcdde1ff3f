import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { Manifest } from '../../../format/manifest.ts';
import { nameActor, readRun } from '../../../github/run.ts';
import type { ReportInputs } from '../../../interface/inputs/types.ts';
import { readAllRecords } from '../../../repository/all-records.ts';
import type { Catalog } from '../../../repository/backups/catalog.ts';
import { manifestKey, readOutline } from '../../../repository/backups/manifests.ts';
import { findVanished } from '../../../repository/backups/vanished.ts';
import type { Repository } from '../../../repository/open.ts';
import { readRecords } from '../../../repository/records.ts';
import type { CapturedChanges } from '../../../repository/retention/reachable.ts';
import { sizeLimit } from '../../../repository/signature.ts';
import type { Context } from '../../../runtime/context.ts';
import { ConfigurationError, IntegrityError, StorageError } from '../../../runtime/errors.ts';
import { nameInput, say } from '../../../runtime/wording.ts';
import { runWorkers } from '../../../runtime/workers.ts';
import { isWithin, type Period, resolvePeriod } from '../../../values/period.ts';
import { timeOf } from '../../../values/timed-id.ts';
import type { Managed } from '../../managed/result.ts';
import { readApprovals } from './approvals.ts';
import type { EvidenceFacts, ManifestFacts } from './facts.ts';
import { readIssues } from './issues.ts';
import { readPolicyFacts } from './policy.ts';

/** What the report has read of the database already */
export interface KnownFacts {
  /** As people call it */
  readonly name: string;
  readonly keyHeld: 'repository' | 'outside';
  readonly catalog: Catalog;
  readonly changes: CapturedChanges;
  /** Of the newest usable backup */
  readonly manifest: Manifest | undefined;
  /** Undefined: the platform was not asked */
  readonly managed: Managed | undefined;
}

/**
 * Reads what the evidence of a period is made of, besides what every report reads. Changes nothing.
 *
 * @throws ConfigurationError when the period has not begun yet
 * @throws StorageError when a record or a manifest cannot be read at all
 */
export async function readEvidence(
  repository: Repository,
  inputs: ReportInputs,
  known: KnownFacts,
  context: Context,
): Promise<EvidenceFacts> {
  const { name, keyHeld, catalog, changes, manifest, managed } = known;
  const now = context.now();
  const period = resolvePeriod(inputs.period, now);
  if (period.from > now) {
    throw new ConfigurationError(
      say`${nameInput('period')}: it begins at ${period.from.toISOString()}, which is still to come`,
      'Write a period that has begun, such as 90d.',
    );
  }
  const unreadable: { key: string; message: string }[] = catalog.damaged.map(({ id, message }) => {
    return { key: manifestKey(id), message };
  });
  const onDamaged = ({ message }: IntegrityError, key: string) => unreadable.push({ key, message });
  const { signal } = context;
  const records = await readAllRecords(repository, onDamaged, { since: period.from, signal });
  const newest = await readRecords(repository, 'prunes', () => undefined, { newest: ofOneSecond });
  const listed = new Set([...catalog.backups, ...catalog.damaged].map(({ id }) => id));
  const fromPolicy =
    inputs.policy === undefined
      ? undefined
      : await readPolicyFacts(inputs.policy, name, inputs.keepChanges, context);
  return {
    ...{ now, period, database: name, catalog, changes, records, unreadable, managed },
    repository: {
      createdAt: readCreation(repository),
      ...{ id: repository.id, location: repository.storage.location, source: repository.source, keyHeld },
      keys: await listKeys(repository),
    },
    policy: fromPolicy?.policy,
    targets: { rto: fromPolicy?.targets.rto ?? inputs.rtoTarget, rpo: fromPolicy?.targets.rpo },
    by: { actor: nameActor(context), run: readRun(context.env) },
    manifests: await readManifests(repository, chooseManifests(catalog, period, manifest), context.signal),
    newest: manifest && { id: manifest.id, tables: manifest.tables.length, notCarried: manifest.notCarried },
    lastPrune: newest.at(-1),
    vanished: await findVanished(repository, listed, () => undefined, context.signal),
    approvals: await readApprovals(records.restores, period, inputs.githubToken, context),
    issues: await readIssues(fromPolicy?.policy.repository, period, inputs.githubToken, context),
  };
}

/** When the repository was made, as `repository.json` says; the file was checked when it was opened. */
function readCreation({ config }: Repository): Date {
  return new Date(
    v.parse(v.object({ createdAt: v.string() }), JSON.parse(config.toString('utf8'))).createdAt,
  );
}

/** The names of records order them only to the second. */
const ofOneSecond = 8;

/** Lists the keys that the digest of the repository is of. */
async function listKeys({ storage }: Repository): Promise<string[]> {
  const keys: string[] = [];
  for (const folder of ['backups/', 'records/'])
    for await (const { key } of storage.list(folder)) if (key.endsWith('.json')) keys.push(key);
  return keys.sort();
}

function chooseManifests({ backups }: Catalog, period: Period, newest: Manifest | undefined): string[] {
  return backups.map(({ id }) => id).filter((id) => id === newest?.id || isWithin(timeOf(id), period));
}

/** How many manifests are read at once */
const readers = 4;

/** Reads the digest of each manifest, and for whom its objects are encrypted. One that goes meanwhile is missing. */
async function readManifests(
  repository: Repository,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, ManifestFacts>> {
  const found = new Map<string, ManifestFacts>();
  const queue = ids.values();
  await runWorkers(Math.min(readers, ids.length), signal, async (stop) => {
    for (const id of queue) {
      stop.throwIfAborted();
      const facts = await readManifestFacts(repository, id);
      if (facts !== undefined) found.set(id, facts);
    }
  });
  return found;
}

async function readManifestFacts(repository: Repository, id: string): Promise<ManifestFacts | undefined> {
  try {
    const outline = await readOutline(repository, id);
    const bytes = await repository.storage.get(manifestKey(id), sizeLimit('manifest'));
    if (outline === undefined) return undefined;
    return { sha256: createHash('sha256').update(bytes).digest('hex'), encryption: outline.encryption };
  } catch (error) {
    // A damaged one is told by the catalog, and one that a cleanup has removed is no part of it any more.
    if (error instanceof IntegrityError || (error instanceof StorageError && error.missing)) return undefined;
    throw error;
  }
}
