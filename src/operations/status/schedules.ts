import type { StatusInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
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
 * @throws ConfigurationError when the policy has mistakes or does not have this storage, or GitHub refuses the
 *   token
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

/** Finds the database whose backups are in the storage, or the one of the name that was given. */
function findDatabase(
  databases: readonly PlannedDatabase[],
  { policy, storage, database }: Pick<StatusInputs, 'policy' | 'storage' | 'database'>,
): PlannedDatabase {
  const bare = (location: string) => location.trim().replace(/\/+$/, '');
  const found =
    databases.find(({ written }) => bare(written.storage) === bare(storage)) ??
    databases.find(({ name }) => name === database);
  if (found !== undefined) return found;
  throw new ConfigurationError(
    `policy: no database of ${policy} has the storage ${storage}`,
    `Write the storage as the policy does, or its name of the database as \`database\`: ${databases.map(({ name }) => name).join(', ')}.`,
  );
}
