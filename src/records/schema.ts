import { createHash } from 'node:crypto';
import { ownSchemas, recordsSchema } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { foundation, type Migration, migrations, writeSurface } from './migrations.ts';
import { inBoundedTransaction, noteDefinition } from './transaction.ts';
import { makeReader, refuseStrangers, revokeRights } from './trust.ts';

/** What became of the schema of the records. */
export type Readiness =
  /** It may be written: it was as it should be, or was brought there from version `from`, 0 for none. */
  | { readonly kind: 'ready'; readonly version: number; readonly from: number }
  /** A newer version of this tool has made it. Nothing was written, and nothing may be. */
  | { readonly kind: 'newer'; readonly version: number };

/**
 * Makes the schema of the records, or brings it up to date, in one transaction. Of several runs at once one
 * does it, and the others find it done.
 *
 * @throws ConfigurationError when the schema is not ours, or a step in it is not the one of this version
 */
export async function prepareSchema(
  session: Session,
  steps: readonly Migration[] = migrations,
): Promise<Readiness> {
  return await inBoundedTransaction(session, async () => {
    const found = await findVersion(session, steps);
    if (found !== undefined && found >= newestOf(steps)) return toReadiness(found, steps);
    // A session lock would be lost in a pooler that gives each transaction another server process. Any role can
    // hold this one, so that only the making of the schema waits for it.
    await session.query(`SELECT pg_advisory_xact_lock(hashtext('${recordsSchema}'))`);
    return await bringUp(session, steps);
  });
}

/** @param from the version that was found, before it was brought up to date */
function toReadiness(from: number, steps: readonly Migration[]): Readiness {
  const newest = newestOf(steps);
  return from > newest ? { kind: 'newer', version: from } : { kind: 'ready', version: newest, from };
}

function newestOf(steps: readonly Migration[]): number {
  return steps.at(-1)?.version ?? 0;
}

/**
 * Sees to it that the records may be read, and writes nothing.
 *
 * @returns false where there is no schema of the records
 * @throws ConfigurationError when it is not ours, or not of this version
 */
export async function findRecords(session: Session): Promise<boolean> {
  const found = await findVersion(session, migrations);
  if (found === undefined) return false;
  const newest = newestOf(migrations);
  if (found === newest) return true;
  throw new ConfigurationError(
    `the schema ${recordsSchema} has version ${found}, and this version of supabase-backup works with ${newest}`,
    found > newest ? 'Use the version that created it, or a newer one.' : 'Update it: run `records rebuild`.',
  );
}

async function bringUp(session: Session, steps: readonly Migration[]): Promise<Readiness> {
  const found = await findVersion(session, steps);
  if (found === undefined) await session.query(foundation);
  const from = found ?? 0;
  const missing = steps.filter(({ version }) => version > from);
  for (const step of missing) {
    await session.query(step.sql);
    await session.query(`INSERT INTO ${recordsSchema}.schema_versions (version, checksum) VALUES ($1, $2)`, [
      step.version,
      checksumOf(step),
    ]);
  }
  if (missing.length > 0) {
    await session.query(writeSurface(session.serverVersion, await makeReader(session)));
    await revokeRights(session);
    await noteDefinition(session);
  }
  return toReadiness(from, steps);
}

/**
 * Finds the version of the schema; undefined when there is none, and 0 when it has no tables yet.
 *
 * @throws ConfigurationError when it is not ours, or a step in it is not the one of this version
 */
async function findVersion(session: Session, steps: readonly Migration[]): Promise<number | undefined> {
  if (!(await findSchema(session))) return undefined;
  const applied = await readApplied(session);
  const found = applied.at(-1)?.version ?? 0;
  if (found <= newestOf(steps)) refuseAltered(applied, steps);
  return found;
}

/** @throws ConfigurationError when there is a schema of this name that is not ours, or holds what is somebody else's */
async function findSchema(session: Session): Promise<boolean> {
  // One statement: between two, another run may have made it.
  const [found] = await session.query<{ owner: string; isOurs: boolean }>(
    `SELECT pg_get_userbyid(nspowner) AS owner, nspname::text IN (SELECT name::text FROM (${ownSchemas}) AS own) AS "isOurs"
     FROM pg_namespace WHERE nspname = '${recordsSchema}'`,
  );
  if (found === undefined) return false;
  if (found.isOurs) {
    await refuseStrangers(session);
    return true;
  }
  throw new ConfigurationError(
    `the database has a schema ${recordsSchema} of ${found.owner} that is not ours`,
    `Rename or drop it: ALTER SCHEMA ${recordsSchema} RENAME TO …`,
  );
}

interface Applied {
  readonly version: number;
  readonly checksum: string;
}

function readApplied(session: Session): Promise<Applied[]> {
  return session.query<{ version: number; checksum: string }>(
    `SELECT version, checksum FROM ${recordsSchema}.schema_versions ORDER BY version`,
  );
}

function refuseAltered(applied: readonly Applied[], steps: readonly Migration[]): void {
  const known = new Map(steps.map((step) => [step.version, checksumOf(step)]));
  const altered = applied.find(({ version, checksum }) => known.get(version) !== checksum);
  if (altered === undefined) return;
  throw new ConfigurationError(
    `step ${altered.version} of the schema ${recordsSchema} is not the one of this version of supabase-backup`,
    `Use the version that created it, or drop the schema and fill it from the repository: DROP SCHEMA ${recordsSchema} CASCADE`,
  );
}

function checksumOf({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex');
}
