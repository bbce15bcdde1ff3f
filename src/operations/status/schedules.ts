import type { StatusInputs } from '../../interface/inputs/types.ts';
import { list } from '../../interface/inputs/values.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { PlannedDatabase } from '../../schedule/plan/plan.ts';
import type { Verification } from '../../schedule/verification/verify.ts';
import { planWorkflows, verifyPlanned } from '../schedule/planned.ts';

/** What the policy asks of one database, and what GitHub says of the workflows. */
export interface ReadSchedules {
  readonly database: PlannedDatabase;
  readonly timeZone: string;
  /** Undefined: there is no token to ask with */
  readonly verification: Verification | undefined;
}

/**
 * Reads the policy and asks GitHub, where they are given. Changes nothing, and enables no workflow.
 *
 * @throws ConfigurationError when the policy has mistakes, has no such database, or has it in another storage, or
 *   when GitHub refuses the token
 */
export async function readSchedules(
  inputs: Pick<StatusInputs, 'policy' | 'workflows' | 'githubToken' | 'storage' | 'database'>,
  context: Context,
): Promise<ReadSchedules | undefined> {
  const { policy, workflows, githubToken } = inputs;
  if (policy === undefined) return undefined;
  const planned = await planWorkflows({ policy, workflows }, context.env);
  const { databases, timeZone } = planned.plan;
  const database = findDatabase(databases, inputs);
  const verification =
    githubToken === undefined
      ? undefined
      : await verifyPlanned(planned, { token: githubToken, mayEnable: false }, context);
  return { database, timeZone, verification };
}

/**
 * Finds the database of the name that was given, or else the one whose backups are in the storage. A named one may
 * have its storage written in another way, but not that of another database.
 *
 * @throws ConfigurationError
 */
function findDatabase(
  databases: readonly PlannedDatabase[],
  { policy, storage, database }: Pick<StatusInputs, 'policy' | 'storage' | 'database'>,
): PlannedDatabase {
  const bare = (location: string) => location.trim().replace(/\/+$/, '');
  const isThere = ({ written }: PlannedDatabase) => bare(written.storage) === bare(storage);
  const names = list(databases.map(({ name }) => name));
  const stored = databases.find(isThere);
  const found = database === undefined ? stored : databases.find(({ name }) => name === database);
  if (found === undefined) {
    throw database === undefined
      ? new ConfigurationError(
          say`${nameInput('policy')}: no database of ${policy} has the storage ${storage}`,
          say`Write the storage as in the policy, or set the policy's name of the database as ${nameInput('database')}: ${names}.`,
        )
      : new ConfigurationError(
          say`${nameInput('database')}: ${policy} has no database ${JSON.stringify(database)}`,
          `Write ${names}, or leave it out for the one whose storage is ${storage}.`,
        );
  }
  if (stored === undefined || isThere(found)) return found;
  throw new ConfigurationError(
    say`${nameInput('database')}: ${storage} is in ${policy} the storage of ${stored.name}, and that of ${found.name} is ${found.written.storage}`,
    `Write ${found.written.storage} as the storage, or ${stored.name} as the database.`,
  );
}
