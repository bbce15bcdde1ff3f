import type { CopyPlace } from '../../interface/inputs/copies-values.ts';
import type { ManagementInputs } from '../../interface/inputs/management-types.ts';
import type { DoctorInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say, type Wording } from '../../runtime/wording.ts';
import type { PlannedDatabase } from '../../schedule/plan/plan.ts';
import { planPolicyFile } from '../../schedule/plan/policy-file.ts';
import { chooseCopies, findProject } from '../schedule/named-secrets.ts';

/** What the policy says of the database that is checked */
export interface DatabaseChoice {
  /** Those that may be meant; none without a policy */
  readonly named: readonly PlannedDatabase[];
  /** Undefined: it is not clear which one */
  readonly meant: PlannedDatabase | undefined;
}

/** Which project at Supabase is checked. */
export type ProjectChoice =
  /** Nothing names one. */
  | { readonly kind: 'none' }
  /** It is not known which, or there is no token. */
  | { readonly kind: 'unknown'; readonly why: string | Wording }
  | { readonly kind: 'known'; readonly management: ManagementInputs };

/**
 * Chooses the project of the database of the policy, or that of the inputs.
 *
 * @throws ConfigurationError when both name one, and another, or when a variable holds no token
 */
export function chooseProject(
  { managementAccess: given, policy = '' }: DoctorInputs,
  { named, meant }: DatabaseChoice,
  { env }: Pick<Context, 'env'>,
): ProjectChoice {
  const { projectRef, variable, management } = findProject(meant, given, policy, env);
  if (management !== undefined) return { kind: 'known', management };
  if (projectRef !== undefined)
    return {
      kind: 'unknown',
      why: say`${projectRef} was not checked: neither ${nameInput('supabase-access-token')} nor ${variable} is set`,
    };
  const isNamed = meant === undefined && named.some(({ written }) => written['project-ref'] !== undefined);
  return isNamed
    ? {
        kind: 'unknown',
        why: say`${policy} has several projects, and ${nameInput('database')} names none of its databases`,
      }
    : { kind: 'none' };
}

/**
 * Chooses the copies that are checked: those of the inputs, or else those that the policy names for the database.
 *
 * @throws ConfigurationError as `chooseCopies` does
 */
export function choosePlaces(
  inputs: DoctorInputs,
  { meant }: DatabaseChoice,
  context: Context,
): readonly CopyPlace[] {
  if (meant === undefined) return inputs.copies;
  const { storage = meant.written.storage, s3Endpoint } = inputs;
  return chooseCopies(meant, inputs.copies, { storage, s3Endpoint }, context);
}

/** Finds the databases of the policy that may be meant, and the one that is. */
export async function findDatabase(
  { policy = '', database, storage = '' }: DoctorInputs,
  env: NodeJS.ProcessEnv,
): Promise<DatabaseChoice> {
  const databases = await listDatabases(policy, env);
  const named = databases.filter(({ name }) => database === undefined || name === database);
  const isThere = ({ written }: PlannedDatabase) => bare(written.storage) === bare(storage);
  return { named, meant: named.length === 1 ? named[0] : named.find(isThere) };
}

const bare = (location: string) => location.trim().replace(/\/+$/, '');

/** What is wrong with a policy is told by its own check. */
async function listDatabases(policy: string, env: NodeJS.ProcessEnv): Promise<readonly PlannedDatabase[]> {
  if (policy === '') return [];
  try {
    return (await planPolicyFile(policy, env)).plan.databases;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return [];
  }
}
