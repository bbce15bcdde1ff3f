import { foreignOwnSchema, isOwnTable, ownSchema, ownSchemaDefinitions } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { type BegunStep, findStep, type StepName, titleOf } from './begun-step.ts';
import { tryStatement } from './omission.ts';
import type { Held } from './part/replacement.ts';

/**
 * The mark that a restore leaves in its target until it ends, so that an unfinished target is recognized. It
 * is in our own schema, which no backup carries and no comparison sees.
 */
export interface UnfinishedRestore {
  /** Id of the backup that is being restored */
  readonly backup: string;
  /** ISO 8601 */
  readonly startedAt: string;
  readonly startedBy: string;
  /** The step that began last, for people */
  readonly step: string;
  /** The same step; undefined in some marks of older versions, which kept only its title */
  readonly stepName?: StepName | undefined;
  /** Whether the target held nothing before, so that nothing in it can be lost */
  readonly wasEmpty: boolean;
  /**
   * oid of the database that the mark was left in; a copy has another one. Missing in marks of older versions
   */
  readonly databaseOid?: number;
  /** The backup that was taken of the target before it was emptied; null when there was none */
  readonly safetyBackup: string | null;
  /** Set where only a part is restored, and the rest of the target is in use */
  readonly part?: MarkedPart;
}

/** What a mark says from the beginning. */
export type NewMark = Omit<UnfinishedRestore, 'step' | 'stepName' | 'databaseOid'>;

/** The patterns of a part of a backup, and what has to be given back when it is restored. */
export interface MarkedPart {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly held: readonly Held[];
}

const table = `${ownSchema}.unfinished_restore`;

/**
 * Reads the mark that a restore has left. A table of another owner is not believed.
 *
 * @returns undefined when no restore is under way, and none was left unfinished
 */
export async function readMark(session: Session): Promise<UnfinishedRestore | undefined> {
  const [there] = await session.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isOwnTable('unfinished_restore')}`,
  );
  if (there === undefined) return undefined;
  const [mark] = await session.query<{ mark: string }>(`SELECT mark::text FROM ${table} LIMIT 1`);
  if (mark === undefined) return undefined;
  const read: UnfinishedRestore = JSON.parse(mark.mark);
  return { ...read, stepName: read.stepName ?? findStep(read.step) };
}

/**
 * Writes the mark in the transaction of the caller, in place of an older one. Existing rollback tokens belong
 * to a history that ends here. The key allows the row to be deleted where a publication of all tables
 * publishes deletes.
 *
 * @throws ConfigurationError when another role has a schema of our name
 */
export async function leaveMark(session: Session, begun: NewMark): Promise<void> {
  const mark: UnfinishedRestore = { ...begun, ...toStep({ name: 'beginning' }) };
  await refuseForeign(session);
  // A backup of the unfinished database looks for tokens where this schema exists.
  for (const definition of ownSchemaDefinitions) await session.query(definition);
  // Another role may have created the schema since the first look, and from here on cannot.
  await refuseForeign(session);
  await session.query(`DROP TABLE IF EXISTS ${table}`);
  await session.query(
    `CREATE TABLE ${table} (at timestamptz PRIMARY KEY DEFAULT now(), mark jsonb NOT NULL)`,
  );
  await session.query(
    `INSERT INTO ${table} (mark) SELECT jsonb_set($1::jsonb, '{databaseOid}', to_jsonb(oid::int8)) FROM pg_database WHERE datname = current_database()`,
    [JSON.stringify(mark)],
  );
}

/** @throws ConfigurationError when another role has a schema of our name */
async function refuseForeign(session: Session): Promise<void> {
  const [foreign] = await session.query<{ owner: string }>(foreignOwnSchema);
  if (foreign === undefined) return;
  throw new ConfigurationError(
    say`${nameInput('target-url')}: the database has a schema ${ownSchema} of ${foreign.owner}, which is the name of the mark of a restore`,
    `Rename or drop that schema: ALTER SCHEMA ${ownSchema} RENAME TO …`,
  );
}

export async function noteStep(session: Session, step: BegunStep): Promise<void> {
  await session.query(
    `WITH before AS (DELETE FROM ${table} RETURNING mark)
     INSERT INTO ${table} (at, mark) SELECT clock_timestamp(), mark || $1::jsonb FROM before`,
    [JSON.stringify(toStep(step))],
  );
}

/** Older versions read the title, and recognize a restore that was comparing by it. */
function toStep(step: BegunStep): Required<Pick<UnfinishedRestore, 'step' | 'stepName'>> {
  return { step: titleOf(step), stepName: step.name };
}

/**
 * Removes the mark. Event triggers of the database may exist by now, and record or forbid what is dropped.
 * They are disabled where this role may do so. Where one forbids the drop all the same, the table stays
 * without its row, and marks nothing.
 *
 * @param part whether only a part was restored, so that the database keeps its rollback tokens
 */
export async function removeMark(session: Session, part: boolean): Promise<void> {
  // A role may have a lock_timeout that is too short for an autovacuum.
  await session.query(`SET lock_timeout = '1min'`);
  await tryStatement(session, 'SET session_replication_role = replica');
  if ((await readMark(session)) !== undefined) await session.query(`DELETE FROM ${table}`);
  const refused = await tryStatement(session, `DROP TABLE IF EXISTS ${table}`);
  if (refused !== undefined || (part && (await hasTokens(session)))) return;
  await tryStatement(session, `DROP TABLE IF EXISTS ${ownSchema}.tokens`);
  // A user may have put objects into the schema.
  if ((await tryStatement(session, `DROP SCHEMA IF EXISTS ${ownSchema}`)) === undefined) return;
  await tryStatement(session, `COMMENT ON SCHEMA ${ownSchema} IS NULL`);
}

async function hasTokens(session: Session): Promise<boolean> {
  const [tokens] = await session.query<{ there: boolean }>(
    `SELECT EXISTS (SELECT FROM ${ownSchema}.tokens) AS there`,
  );
  return tokens?.there === true;
}
