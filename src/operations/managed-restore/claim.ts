import * as v from 'valibot';
import type { Clock } from '../../management/api.ts';
import type { Repository } from '../../repository/open.ts';
import { readSealed, sealContent } from '../../repository/signature.ts';
import { IntegrityError } from '../../runtime/errors.ts';

/*
 * What was asked of the platform, noted in the storage before it was asked: so it is asked once, whichever run
 * ends where, and of two runs at once only one asks. A note is not part of a repository, but sealed with its key,
 * so that nobody without the key can say that a restore was asked for, or is over (docs/format.md).
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
  repository: Repository,
  claim: Claim,
  { sleep }: Pick<Clock, 'sleep'>,
): Promise<boolean> {
  const key = keyOf(claim);
  if (!(await repository.storage.create(key, sealContent(repository, 'claim', claim)))) return false;
  await sleep(settlesWithinMs);
  return (await readClaim(repository, key))?.run === claim.run;
}

export async function writeClaim(repository: Repository, claim: Claim): Promise<void> {
  await repository.storage.put(keyOf(claim), sealContent(repository, 'claim', claim));
}

/**
 * Takes the note back, after the platform has refused. A storage that removes nothing keeps it, and asks for
 * another second next time.
 */
export async function dropClaim({ storage }: Repository, claim: Claim): Promise<void> {
  await storage.delete([keyOf(claim)]);
}

/**
 * Reads what was asked for this project, oldest time first.
 *
 * @throws IntegrityError when a note is not what this repository has sealed, or lies where another one belongs:
 *   whether the platform was asked is not known then
 */
export async function readClaims(repository: Repository, ref: string): Promise<Claim[]> {
  const claims: Claim[] = [];
  for await (const { key } of repository.storage.list(`managed/${ref}-`)) {
    const claim = await readClaim(repository, key);
    if (claim !== undefined) claims.push(claim);
  }
  return claims.sort((one, other) => one.target - other.target);
}

/** Reads a note; undefined when there is none, for example because it was taken back after it was listed. */
async function readClaim(repository: Repository, key: string): Promise<Claim | undefined> {
  const damaged = (how: string, cause?: unknown) =>
    new IntegrityError(
      `${key} in ${repository.storage.location} is not a valid note of a restore by Supabase: ${how}`,
      'Check in the dashboard whether the project was restored, and check who can write to the storage. Then delete the file, and run this again.',
      cause,
    );
  const claim = await readSealed(repository, 'claim', key, claimSchema, damaged);
  if (claim !== undefined && keyOf(claim) !== key) throw damaged(`it says that it is ${keyOf(claim)}`);
  return claim;
}
