import type { Omission } from '../../parity/scope.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { ConfigurationError, isKnownError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { addToPartitions } from '../archive/broken-keys.ts';
import { tryStatement } from '../omission.ts';
import { type Chosen, findReplacement, type Held, type Replacement } from '../part/replacement.ts';
import { dropObjects, explainRefusal, localSettings } from './clean.ts';

/**
 * Removes what a part of a backup replaces, and nothing else, in one transaction.
 *
 * @param note records what is removed, in the same transaction
 * @throws ConfigurationError when something else depends on it, or when the role may not remove it
 * @throws TargetError when the server fails otherwise. Nothing was removed after any throw
 */
export async function removePart(
  session: Session,
  chosen: Chosen,
  note: (session: Session, held: readonly Held[]) => Promise<void>,
): Promise<Replacement> {
  try {
    await session.query(`BEGIN; ${localSettings}`);
    await lock(session, chosen);
    const replaced = await findReplacement(session, chosen);
    refuseHindrances(replaced);
    for (const { drop } of replaced.held) if (drop !== null) await session.query(drop);
    await dropObjects(session, replaced.objects);
    await note(session, replaced.held);
    await session.query('COMMIT');
    return replaced;
  } catch (cause) {
    await Promise.allSettled([session.query('ROLLBACK')]);
    if (isKnownError(cause)) throw cause;
    throw explainRefusal(cause, 0, 'what is to be replaced could not be removed: ');
  }
}

/**
 * Locks the replaced tables. From here on another session waits before it can, for example, create a view of
 * them.
 */
async function lock(session: Session, chosen: Chosen): Promise<void> {
  const { objects } = await findReplacement(session, chosen);
  const tables = await session.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = ANY ($1::oid[]) AND c.relkind IN ('r', 'p') ORDER BY 1`,
    [objects.map(({ oid }) => oid)],
  );
  if (tables.length === 0) return;
  await session.query(`LOCK TABLE ${tables.map(({ name }) => name).join(', ')} IN ACCESS EXCLUSIVE MODE`);
}

const shown = 20;

/** @throws ConfigurationError naming what else would be dropped */
export function refuseHindrances(replaced: Replacement): void {
  const refusal = toHindranceError(replaced);
  if (refusal !== undefined) throw refusal;
}

export function toHindranceError({ hindrances, names }: Replacement): ConfigurationError | undefined {
  if (hindrances.length === 0) return undefined;
  const more = hindrances.length - shown;
  const list = `${hindrances.slice(0, shown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return new ConfigurationError(
    say`${nameInput('clean')}: what is to be replaced (${summarize(names)}) cannot be dropped alone, because other objects depend on it: ${list}`,
    say`Add them to ${nameInput('include')}, so that they come from the backup, too. Or drop them by hand, if they can be created again; use ${nameInput('exclude')} for what need not be replaced; or restore the rows beside the live tables with ${nameInput('side-schema')}.`,
  );
}

/** The first names, and how many others there are. */
export function summarize(names: readonly string[]): string {
  const more = names.length - 5;
  return `${names.slice(0, 5).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Gives back what was held, one by one. A foreign key that rows violate comes back as NOT VALID. */
export async function giveBackHeld(session: Session, held: readonly Held[]): Promise<Omission[]> {
  const missing: Omission[] = [];
  for (const one of held) append(missing, await giveBack(session, one));
  return missing;
}

async function giveBack(session: Session, { what, add, addUnchecked }: Held): Promise<Omission[]> {
  const why = await tryStatement(session, add);
  if (why === undefined) return [];
  const remedy = `Fix the cause, and run: ${add};`;
  if (addUnchecked === null) return [{ what, why: `it could not be restored: ${why}`, remedy }];
  const again = await tryStatement(session, addUnchecked);
  if (again !== undefined) {
    // Before PostgreSQL 18 a partitioned table cannot have a key that is NOT VALID.
    const partitions = await addToPartitions(
      session,
      addUnchecked.replace(/ NOT VALID(; COMMENT ON .*)?$/s, ';'),
    );
    if (partitions.length === 0) return [{ what, why: `it could not be restored: ${again}`, remedy }];
    return [
      {
        what,
        why: `existing rows break it, so only the partitions have it, as NOT VALID where rows break it: ${why}`,
        remedy,
      },
    ];
  }
  return [
    {
      what,
      why: `existing rows break it, so it exists as NOT VALID: ${why}`,
      remedy: `Fix the rows, and run: ${writeValidation(addUnchecked)};`,
    },
  ];
}

function writeValidation(add: string): string {
  const [, table = '', key = ''] =
    /^(ALTER TABLE .*?) ADD CONSTRAINT ((?:"(?:[^"]|"")+")|\S+) /s.exec(add) ?? [];
  return `${table} VALIDATE CONSTRAINT ${key}`;
}
