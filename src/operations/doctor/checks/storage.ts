import type { PlaceInputs } from '../../../interface/inputs/shared-types.ts';
import type { DoctorInputs } from '../../../interface/inputs/types.ts';
import { measureClockSkew } from '../../../repository/clock-probe.ts';
import { findRepository, type Repository, refuseOccupied } from '../../../repository/open.ts';
import { assertOwnDatabase } from '../../../repository/own-database.ts';
import type { Context } from '../../../runtime/context.ts';
import { nameInput, say } from '../../../runtime/wording.ts';
import type { SourceIdentity } from '../../../source/identity.ts';
import type { Capabilities, PlaceTraits, Storage } from '../../../storage/storage.ts';
import { clockToleranceMs } from '../../../values/clock-tolerance.ts';
import { type Examination, type Finding, ok, unchecked, warning } from '../examination.ts';

/** milliseconds; an artifact has to be downloaded first */
const [bucketLimitMs, artifactLimitMs] = [60_000, 180_000];

const notWritten = () =>
  Promise.resolve(unchecked(say`${nameInput('read-only')}: nothing is written to the storage`));

/**
 * Checks what a backup needs of the storage. Writes nothing but values below `probe/`, and these only where
 * `readOnly` does not forbid it.
 *
 * @param identity of the database whose backups are to be there; undefined where it is not known
 * @returns the repository; undefined where there is none, or it cannot be opened
 */
export async function checkStorage(
  examination: Examination,
  storage: Storage,
  inputs: Pick<DoctorInputs & PlaceInputs, 'readOnly' | 'repositoryKey'>,
  identity: SourceIdentity | undefined,
  context: Context,
): Promise<Repository | undefined> {
  const { readOnly, repositoryKey } = inputs;
  const limitMs = /^artifact:/i.test(storage.location) ? artifactLimitMs : bucketLimitMs;
  await examination.run('listing', () => judgeListing(storage), { limitMs });
  const capabilities = await examination.run(
    'write',
    readOnly
      ? notWritten
      : async () => {
          const found = await storage.probe();
          return ok('a probe was written, read back and listed', found);
        },
    { needs: ['listing'], limitMs },
  );
  const needsWrite = readOnly ? ([] as const) : (['write'] as const);
  await examination.run(
    'create-only',
    capabilities === undefined ? notWritten : async () => judgeCreateOnly(capabilities),
    { needs: needsWrite },
  );
  await examination.run(
    'delete',
    capabilities === undefined ? notWritten : async () => judgeDelete(capabilities),
    { needs: needsWrite },
  );
  await checkTraits(examination, storage);
  await examination.run('clock', readOnly ? notWritten : () => judgeClock(storage, context), {
    needs: needsWrite,
  });
  return examination.run('repository', () => judgeRepository(storage, repositoryKey, identity, context), {
    needs: ['listing'],
    limitMs,
  });
}

async function judgeListing(storage: Storage): Promise<Finding> {
  const listing = storage.list('')[Symbol.asyncIterator]();
  const { done } = await listing.next();
  await listing.return?.();
  return ok(`${storage.location} can be listed${done === true ? ', and is empty' : ''}`);
}

function judgeCreateOnly({ createOnly }: Capabilities): Finding {
  if (createOnly) return ok('a second write under the same name was refused');
  return warning(
    'the storage ignores If-None-Match, so a write could replace an existing file. Locks still keep two runs apart, and each write checks first',
    'Let one workflow at a time write to it (a concurrency group), or use a store with conditional writes (Amazon S3, Cloudflare R2, MinIO).',
  );
}

/** Both can be right: a cleanup has to delete, and the credentials of a backup had better not. */
function judgeDelete({ deletes }: Capabilities): Finding {
  return deletes
    ? ok('allowed: `cleanup` can remove backups with these credentials, and so can whoever steals them')
    : ok('refused: nobody can remove a backup with these credentials; give `cleanup` others');
}

async function checkTraits(examination: Examination, storage: Storage): Promise<void> {
  let traits: PlaceTraits | undefined;
  await examination.run(
    'versions',
    async () => {
      traits = await storage.readTraits?.();
      return traits === undefined ? unchecked('only buckets keep versions') : judgeVersions(traits);
    },
    { needs: ['listing'] },
  );
  await examination.run(
    'default-retention',
    async () => (traits === undefined ? unchecked('only buckets have it') : judgeRetention(traits)),
    { needs: ['listing'] },
  );
}

function judgeVersions({ versions }: PlaceTraits): Finding {
  switch (versions) {
    case 'kept':
      return ok(
        'kept: what is replaced or deleted stays until a lifecycle rule expires noncurrent versions, and is paid for',
      );
    case 'suspended':
      return ok('no longer kept; those of before stay until they are removed, and are paid for');
    case 'none':
      return ok('not kept: what is deleted is gone');
    case 'unknown':
      return unchecked(
        'the store does not report it, or not with these credentials (s3:GetBucketVersioning)',
      );
  }
}

function judgeRetention({ defaultRetention }: PlaceTraits): Finding {
  if (defaultRetention === 'unknown')
    return unchecked(
      'the store does not report it, or not with these credentials (s3:GetBucketObjectLockConfiguration)',
    );
  if (defaultRetention === 'none') return ok('the bucket locks nothing of its own accord');
  const { mode, days } = defaultRetention;
  return warning(
    `the bucket locks every new object for ${days} days (${mode}), including locks and probes: what \`cleanup\` removes stays, and costs, that long`,
    `If you want this, use no retention rule shorter than ${days} days. Otherwise, remove the default retention from the bucket.`,
  );
}

async function judgeClock(storage: Storage, { now }: Pick<Context, 'now'>): Promise<Finding> {
  const skewSeconds = await measureClockSkew(storage, () => now());
  if (skewSeconds === undefined) return unchecked('an earlier probe cannot be removed');
  const seconds = Math.round(Math.abs(skewSeconds));
  if (Math.abs(skewSeconds) * 1000 <= clockToleranceMs)
    return ok(seconds < 2 ? 'the same as of this machine' : `${seconds} s from that of this machine`);
  return warning(
    `the clock of this machine is ${seconds} s ${skewSeconds > 0 ? 'behind' : 'ahead of'} that of the storage; backups use the time of the storage`,
    'Set the clock of this machine. A store refuses requests that are 15 minutes off.',
  );
}

async function judgeRepository(
  storage: Storage,
  repositoryKey: string | undefined,
  identity: SourceIdentity | undefined,
  { log }: Pick<Context, 'log'>,
): Promise<Finding<Repository>> {
  const repository = await findRepository(storage, repositoryKey);
  if (repository === undefined) {
    await refuseOccupied(storage, log);
    return ok('there is none yet: the first backup makes it');
  }
  const { source, createdAt } = repository;
  const key = repositoryKey === undefined ? 'it keeps its own key' : 'the key given is its key';
  const what = `of database ${source.database}, made ${createdAt.toISOString().slice(0, 10)}; ${key}`;
  if (identity === undefined) return ok(what, repository);
  assertOwnDatabase(repository, identity);
  return ok(`${what}; it is of the database that was given`, repository);
}
