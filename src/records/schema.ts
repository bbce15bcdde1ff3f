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
    // A session lock would be lost in a pooler that gives each transaction another server process.
    await session.query(`SELECT pg_advisory_xact_lock(hashtext('${recordsSchema}'))`);
    return await bringUp(session, steps);
  });
}

/**
 * Sees to it that the records may be read, and writes nothing.
 *
 * @returns false where there is no schema of the records
 * @throws ConfigurationError when it is not ours, or not of this version
 */
export async function findRecords(session: Session): Promise<boolean> {
  if (!(await findSchema(session))) return false;
  const applied = await readApplied(session);
  const [found, newest] = [applied, migrations].map((steps) => steps.at(-1)?.version ?? 0);
  if (found === newest) {
    refuseAltered(applied, migrations);
    return true;
  }
  const isNewer = (found ?? 0) > (newest ?? 0);
  throw new ConfigurationError(
    `the schema ${recordsSchema} has version ${found}, and this version of supabase-backup works with ${newest}`,
    isNewer ? 'Use the version that made it, or a newer one.' : 'Bring it up to date: run `records rebuild`.',
  );
}

async function bringUp(session: Session, steps: readonly Migration[]): Promise<Readiness> {
  const newest = steps.at(-1)?.version ?? 0;
  const isThere = await findSchema(session);
  if (!isThere) await session.query(foundation);
  const applied = await readApplied(session);
  const from = applied.at(-1)?.version ?? 0;
  if (from > newest) return { kind: 'newer', version: from };
  refuseAltered(applied, steps);
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
  return { kind: 'ready', version: newest, from };
}

/** @throws ConfigurationError when there is a schema of this name that is not ours, or holds what is somebody else's */
async function findSchema(session: Session): Promise<boolean> {
  const ours = await session.query<{ name: string }>(ownSchemas);
  if (ours.some(({ name }) => name === recordsSchema)) {
    await refuseStrangers(session);
    return true;
  }
  const [other] = await session.query<{ owner: string }>(
    `SELECT pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname = '${recordsSchema}'`,
  );
  if (other === undefined) return false;
  throw new ConfigurationError(
    `the database has a schema ${recordsSchema} of ${other.owner} that is not ours`,
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
    `Use the version that made it, or drop the schema and fill it from the repository: DROP SCHEMA ${recordsSchema} CASCADE`,
  );
}

function checksumOf({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex');
}
