import * as v from 'valibot';
import type { Clock } from '../../management/api.ts';
import { ConfigurationError, IntegrityError, StorageError } from '../../runtime/errors.ts';
import type { Storage } from '../../storage/storage.ts';

/*
 * What was asked of the platform, noted in the storage before it was asked: so it is asked once, whichever run
 * ends where, and of two runs at once only one asks. A note is not part of a repository (docs/format.md).
 */

const time = v.pipe(v.string(), v.isoTimestamp());

const claimSchema = v.strictObject({
  ref: v.string(),
  /** A random name of the run that asks */
  run: v.string(),
  /** Seconds since 1970 */
  target: v.pipe(v.number(), v.integer(), v.minValue(1)),
  claimedAt: time,
  /** When the project was first seen to have left; null: it was not */
  leftAt: v.nullable(time),
  backAt: v.nullable(time),
});

export type Claim = v.InferOutput<typeof claimSchema>;

/** Bytes of a note, at most */
const longestClaim = 4096;

function keyOf({ ref, target }: Pick<Claim, 'ref' | 'target'>): string {
  return `managed/${ref}-${target}.json`;
}

/** How long a store may take between looking for a key and writing it */
const settlesWithinMs = 2000;

/**
 * Notes that the platform is going to be asked. A store that ignores the condition lets two runs at once
 * believe that they were first: the note that stays is that of one of them, so it is read again after a moment.
 *
 * @returns false when it was noted before, by any run
 */
export async function makeClaim(
  storage: Storage,
  claim: Claim,
  { sleep }: Pick<Clock, 'sleep'>,
): Promise<boolean> {
  const key = keyOf(claim);
  if (!(await storage.create(key, toBytes(claim)))) return false;
  await sleep(settlesWithinMs);
  return (await readClaim(storage, key)).run === claim.run;
}

export async function writeClaim(storage: Storage, claim: Claim): Promise<void> {
  await storage.put(keyOf(claim), toBytes(claim));
}

/**
 * Takes the note back, after the platform has refused. A storage that removes nothing keeps it, and asks for
 * another second next time.
 */
export async function dropClaim(storage: Storage, claim: Claim): Promise<void> {
  await storage.delete([keyOf(claim)]);
}

/**
 * Reads what was asked for this project, oldest time first.
 *
 * @throws IntegrityError when a note is none: whether the platform was asked is not known then
 */
export async function readClaims(storage: Storage, ref: string): Promise<Claim[]> {
  const claims: Claim[] = [];
  for await (const { key } of storage.list(`managed/${ref}-`)) claims.push(await readClaim(storage, key));
  return claims.sort((one, other) => one.target - other.target);
}

async function readClaim(storage: Storage, key: string): Promise<Claim> {
  try {
    return v.parse(claimSchema, JSON.parse((await storage.get(key, longestClaim)).toString('utf8')));
  } catch (cause) {
    if (cause instanceof StorageError || cause instanceof ConfigurationError) throw cause;
    throw new IntegrityError(
      `${key} in ${storage.location} is no note of a restore by the platform`,
      'See in the dashboard whether the project was restored. Then remove the file.',
      cause,
    );
  }
}

function toBytes(claim: Claim): Buffer {
  return Buffer.from(`${JSON.stringify(claim)}\n`);
}
