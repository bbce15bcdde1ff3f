import { foreignLedger, isOwnTable, ledgerDefinitions, ledgerSchema } from '../postgres/own-schema.ts';
import type { Session } from '../postgres/session/connection.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { type BegunStep, findStep, type StepName, titleOf } from './begun-step.ts';
import { tryStatement } from './omission.ts';
import type { Held } from './part/replacement.ts';

/**
 * What a restore leaves in its target until it has come to its end, so that whoever finds the target knows what it is. It stands in the
 * schema of the ledger, which no backup carries and no comparison sees.
 */
export interface RestoreMark {
  /** Id of the backup that is being restored */
  readonly backup: string;
  /** ISO 8601 */
  readonly startedAt: string;
  readonly startedBy: string;
  /** The step that began last, for people */
  readonly step: string;
  /** The same step; undefined in some marks of older versions, which kept only the words */
  readonly stepName?: StepName | undefined;
  /** Whether the target held nothing before, so that nothing in it can be lost */
  readonly wasEmpty: boolean;
  /** oid of the database that it was left in; a copy of that is another one. Marks of before do not have it */
  readonly databaseOid?: number;
  /** The backup that was taken of the target before it was emptied; null when there was none */
  readonly safetyBackup: string | null;
  /** Set where only a part is restored, and the rest of the target is in use */
  readonly part?: MarkedPart;
}

/** What a mark says from the beginning on. */
export type NewMark = Omit<RestoreMark, 'step' | 'stepName' | 'databaseOid'>;

/** What a part of a backup is, and what has to be given back when it is there. */
export interface MarkedPart {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly held: readonly Held[];
}

const table = `${ledgerSchema}.unfinished_restore`;

/** @returns undefined when no restore is under way there, and none was left unfinished, as far as can be believed */
export async function readMark(session: Session): Promise<RestoreMark | undefined> {
  const [there] = await session.query(
    `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isOwnTable('unfinished_restore')}`,
  );
  if (there === undefined) return undefined;
  const [mark] = await session.query<{ mark: string }>(`SELECT mark::text FROM ${table} LIMIT 1`);
  if (mark === undefined) return undefined;
  const read: RestoreMark = JSON.parse(mark.mark);
  return { ...read, stepName: read.stepName ?? findStep(read.step) };
}

/**
 * Makes the mark, in the transaction of the caller, in place of one that is there. A ledger that is there already is of a history that ends here. The key lets the row be deleted where a publication of all
 * tables publishes that.
 */
export async function leaveMark(session: Session, begun: NewMark): Promise<void> {
  const mark: RestoreMark = { ...begun, ...describeStep({ name: 'beginning' }) };
  await refuseForeign(session);
  // A backup of the unfinished database looks for tokens where there is this schema.
  for (const definition of ledgerDefinitions) await session.query(definition);
  // Somebody may have made it since the first look; now nobody can any more.
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

/** @throws ConfigurationError when somebody else has a schema of our name */
async function refuseForeign(session: Session): Promise<void> {
  const [foreign] = await session.query<{ owner: string }>(foreignLedger);
  if (foreign === undefined) return;
  throw new ConfigurationError(
    `target-url: the database has a schema ${ledgerSchema} of ${foreign.owner}, which is the name that a restore leaves its mark under`,
    `Rename or drop that schema: ALTER SCHEMA ${ledgerSchema} RENAME TO …`,
  );
}

export async function noteStep(session: Session, step: BegunStep): Promise<void> {
  await session.query(
    `WITH before AS (DELETE FROM ${table} RETURNING mark)
     INSERT INTO ${table} (at, mark) SELECT clock_timestamp(), mark || $1::jsonb FROM before`,
    [JSON.stringify(describeStep(step))],
  );
}

/** Older versions read the words, and take a restore that was comparing for one that was by them. */
function describeStep(step: BegunStep): Required<Pick<RestoreMark, 'step' | 'stepName'>> {
  return { step: titleOf(step), stepName: step.name };
}

/**
 * Event triggers of the database may be there by now, and note or forbid what is dropped. They stay out of it where this role may tell them
 * to; where one forbids it all the same, the table stays without its row, and marks nothing.
 *
 * @param part whether the rest of the database goes on as it was, and its ledger with it
 */
export async function removeMark(session: Session, part: boolean): Promise<void> {
  // A role may have a lock_timeout that an autovacuum outlasts.
  await session.query(`SET lock_timeout = '1min'`);
  await tryStatement(session, 'SET session_replication_role = replica');
  if ((await readMark(session)) !== undefined) await session.query(`DELETE FROM ${table}`);
  const refused = await tryStatement(session, `DROP TABLE IF EXISTS ${table}`);
  if (refused !== undefined || (part && (await hasTokens(session)))) return;
  await tryStatement(session, `DROP TABLE IF EXISTS ${ledgerSchema}.tokens`);
  // A user may have a schema of that name, with things in it.
  if ((await tryStatement(session, `DROP SCHEMA IF EXISTS ${ledgerSchema}`)) === undefined) return;
  await tryStatement(session, `COMMENT ON SCHEMA ${ledgerSchema} IS NULL`);
}

async function hasTokens(session: Session): Promise<boolean> {
  const [tokens] = await session.query<{ there: boolean }>(
    `SELECT EXISTS (SELECT FROM ${ledgerSchema}.tokens) AS there`,
  );
  return tokens?.there === true;
}
