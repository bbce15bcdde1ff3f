import * as v from 'valibot';
import type { Manifest } from '../../format/manifest.ts';
import type { PlaceInputs } from '../../interface/inputs/shared-types.ts';
import type { ReportInputs } from '../../interface/inputs/types.ts';
import { readAllRecords } from '../../repository/all-records.ts';
import { readManifest } from '../../repository/backups/manifests.ts';
import { openRepository, type Repository } from '../../repository/open.ts';
import { planRetention } from '../../repository/retention/policy.ts';
import { keepBases } from '../../repository/retention/reachable.ts';
import type { Context } from '../../runtime/context.ts';
import { isKnownError } from '../../runtime/errors.ts';
import { toolVersion } from '../../runtime/version.ts';
import { openStorage } from '../../storage/open.ts';
import { compareKeys } from '../../values/ordering.ts';
import { askPlatform } from '../managed/read.ts';
import { judgeStatus } from '../status/judge.ts';
import { readStatusFacts } from '../status/read.ts';
import { readAnswers } from './answers.ts';
import { readEvidence } from './compliance/read.ts';
import {
  type BackupContents,
  type DatabaseFacts,
  type Encryption,
  mostRecords,
  type Place,
  type ReportedDatabase,
  type ReportFacts,
  type RepositoryFacts,
} from './facts.ts';
import { tellUnreadable } from './publicity.ts';
import { type DatabaseRequest, listRequests } from './request.ts';

/**
 * Reads all that is known of the databases to report on. Changes nothing. One of several databases that cannot
 * be read is part of the report; the only one is not.
 *
 * @throws ConfigurationError when an input or the policy is wrong
 * @throws StorageError when the only database cannot be read
 */
export async function readReportFacts(inputs: ReportInputs, context: Context): Promise<ReportFacts> {
  const requests = await listRequests(inputs, context);
  const databases: ReportedDatabase[] = [];
  for (const request of requests) {
    context.signal.throwIfAborted();
    databases.push(
      requests.length === 1
        ? await readDatabase(request, inputs, context)
        : await attempt(request, inputs, context),
    );
  }
  const { kind, isPublic } = inputs;
  return { kind, at: context.now(), version: toolVersion, isPublic, databases };
}

async function attempt(
  request: DatabaseRequest,
  inputs: ReportInputs,
  context: Context,
): Promise<ReportedDatabase> {
  const { name = request.place.storage, place } = request;
  try {
    return await readDatabase(request, inputs, context);
  } catch (error) {
    if (!isKnownError(error)) throw error;
    context.log.warn(`${name}: ${tellUnreadable(error.message, inputs.isPublic)}`);
    return { kind: 'unreadable', name, location: place.storage, why: error.message, next: error.next };
  }
}

async function readDatabase(
  request: DatabaseRequest,
  inputs: ReportInputs,
  context: Context,
): Promise<DatabaseFacts> {
  const { place, limits, price, identities, planned, schedules, rtoTarget, management } = request;
  await using storage = await openStorage(place.storage, place, context);
  const repository = await openRepository(storage, place.repositoryKey);
  const managed = management && (await askPlatform(management, context));
  const { log, signal } = context;
  const onDamaged = ({ message }: Error) => log.debug(`${message}; skipped`);
  const records = await readAllRecords(repository, onDamaged, { newest: mostRecords, signal });
  const facts = await readStatusFacts(
    repository,
    {
      ...{ ...limits, pricePerGbMonth: price, schedules, slotNow: undefined, managed },
      copies: request.copies,
    },
    context,
  );
  const { freshness, recoverable } = facts;
  const [newest] = freshness.usable;
  const manifest = newest && (await readManifest(repository, newest.id));
  const { policy, timeZone, keepChanges } = request.retention;
  const now = facts.now;
  const decisions = planRetention(freshness.catalog.backups, policy, { now, timeZone });
  const name = request.name ?? repository.source.database;
  const described = describeRepository(repository, manifest);
  const { changes } = recoverable;
  const status = judgeStatus(facts);
  const known = {
    ...{ name, keyHeld: described.keyHeld, catalog: freshness.catalog, changes, manifest },
    managed: status.managed,
  };
  return {
    kind: 'read',
    name,
    location: storage.location,
    place: toPlace(place),
    ...{ status, freshness, recoverable, records, rtoTarget, planned },
    retention: {
      ...{ policy, timeZone, keepChanges, changes },
      decisions: keepBases(decisions, changes, { now, keepChanges }),
    },
    repository: described,
    newest: manifest && listContents(manifest),
    answers: await readAnswers(repository, manifest, freshness.usable, identities, context),
    evidence:
      inputs.kind === 'compliance' ? await readEvidence(repository, inputs, known, context) : undefined,
  };
}

/** Returns what a command line says to get at a storage. */
export function toPlace(place: PlaceInputs): Place {
  return {
    storage: place.storage,
    's3-endpoint': place.s3Endpoint,
    's3-region': place.s3Region,
    's3-addressing': place.s3Addressing === 'auto' ? undefined : place.s3Addressing,
  };
}

/** What of `repository.json` says how it is made; the file was checked when the repository was opened. */
const madeAs = v.object({
  format: v.number(),
  key: v.object({ held: v.picklist(['repository', 'outside']) }),
});

export function describeRepository(repository: Repository, manifest: Manifest | undefined): RepositoryFacts {
  const { format, key } = v.parse(madeAs, JSON.parse(repository.config.toString('utf8')));
  const encryption: Encryption = manifest?.encryption ?? { scheme: 'unknown' };
  return { id: repository.id, source: repository.source, format, keyHeld: key.held, encryption };
}

function listContents({ id, tables, facts, tool, notCarried }: Manifest): BackupContents {
  return {
    id,
    tables: tables
      .map(({ schema, name, rows, bytes }) => ({ schema, name, rows, bytes }))
      .sort((one, other) => compareKeys([one.schema, one.name], [other.schema, other.name])),
    extensions: facts.extensions.map(({ name, version }) => ({ name, version })),
    notCarried,
    tool,
  };
}
