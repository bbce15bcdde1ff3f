import { type CopyPlace, parseCopies } from '../../interface/inputs/copies-values.ts';
import { findSharedPlace } from '../../interface/inputs/copy-places.ts';
import type { ManagementAccess, ManagementInputs } from '../../interface/inputs/management-types.ts';
import { parseToken } from '../../interface/inputs/management-values.ts';
import { withEndpoints } from '../../interface/inputs/shared-inputs.ts';
import { Problem } from '../../interface/inputs/values.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { defaultTokenName, type PlannedDatabase, tokenNameOf } from '../../schedule/plan/plan.ts';

/*
 * What a policy says of a database by the names of secrets: a job passes each as a variable of that name, or
 * as the input that is meant. What is not passed is told, and left out.
 */

type Means = Pick<Context, 'env' | 'log'>;

/** The project of a database, and how it is asked. */
export interface FoundProject {
  /** Undefined: neither policy nor inputs name one */
  readonly projectRef: string | undefined;
  /** The variable in which the token is looked for */
  readonly variable: string;
  /** Undefined: the project or the token is missing */
  readonly management: ManagementInputs | undefined;
}

/**
 * Finds the project of a database: the policy goes before the inputs.
 *
 * @param database undefined: the inputs alone
 * @throws ConfigurationError when inputs and policy name different projects, or a variable holds no token
 */
export function findProject(
  database: PlannedDatabase | undefined,
  given: ManagementAccess,
  policy: string,
  env: NodeJS.ProcessEnv,
): FoundProject {
  const { 'project-ref': ofPolicy, 'supabase-access-token': secret } = database?.written ?? {};
  if (ofPolicy !== undefined && given.projectRef !== undefined && ofPolicy !== given.projectRef)
    throw new ConfigurationError(
      say`${nameInput('project-ref')}: ${policy} names the project ${ofPolicy} for ${database?.name}, but the inputs lead to ${given.projectRef}`,
      say`Leave ${nameInput('project-ref')} and ${nameInput('database-url')} out, or correct the policy.`,
    );
  const projectRef = ofPolicy ?? given.projectRef;
  const variable = database === undefined ? defaultTokenName : tokenNameOf(database.written);
  const accessToken = readVariable('supabase-access-token', secret, env, parseToken) ?? given.accessToken;
  const isKnown = projectRef !== undefined && accessToken !== undefined;
  const management = isKnown ? { accessToken, projectRef, apiUrl: given.apiUrl } : undefined;
  return { projectRef, variable, management };
}

/**
 * Chooses, of each database, how the platform is asked for its own backups.
 *
 * @param given the project of the inputs is that of the only database; of several, the policy names them
 * @returns in the order of the databases; undefined: the platform is not asked
 * @throws ConfigurationError as `findProject` does, and when a token is given and nothing names a project
 */
export function chooseProjects(
  databases: readonly PlannedDatabase[],
  { policy, managementAccess: given }: { policy: string; managementAccess: ManagementAccess },
  { env, log }: Means,
): (ManagementInputs | undefined)[] {
  const ofEach = databases.length === 1 ? given : { ...given, projectRef: undefined };
  const found = databases.map((database) => findProject(database, ofEach, policy, env));
  if (found.every(({ projectRef }) => projectRef === undefined))
    refuseIdle(policy, given, databases.length, log);
  for (const [index, { projectRef, variable, management }] of found.entries())
    if (projectRef !== undefined && management === undefined)
      log.warn(
        say`${databases[index]?.name}: Supabase's own backups are not checked, because there is no token. Set the variable ${variable}, or ${nameInput('supabase-access-token')}.`,
      );
  return found.map(({ management }) => management);
}

function refuseIdle(
  policy: string,
  { isTokenGiven, projectRef }: ManagementAccess,
  count: number,
  log: Context['log'],
): void {
  if (projectRef !== undefined)
    log.warn(
      say`Supabase's own backups are not in the report: ${nameInput('project-ref')} names one project, but the report covers several databases. Choose one with ${nameInput('database')}, or each project in the policy.`,
    );
  else if (isTokenGiven)
    throw new ConfigurationError(
      say`${nameInput('project-ref')}: is required with ${nameInput('supabase-access-token')}, because ${policy} names none for ${count === 1 ? 'this database' : 'any of the databases'}`,
      'Add project-ref for the database to the policy, or leave the token out.',
    );
}

/**
 * Chooses the copies of a database: those of the inputs, or else those that the policy names.
 *
 * @param place the first storage
 * @throws ConfigurationError when the variable holds no such list, or a copy is no place of its own
 */
export function chooseCopies(
  { name, written }: PlannedDatabase,
  given: readonly CopyPlace[],
  place: { readonly storage: string; readonly s3Endpoint: string | undefined },
  { env, log }: Means,
): readonly CopyPlace[] {
  const named = given.length > 0 ? undefined : readVariable('copies', written.copies, env, parseCopies);
  const copies = named === undefined ? given : withEndpoints(named, env);
  if (copies.length === 0 && written.copies !== undefined)
    log.warn(
      say`${name}: its copies are not checked, because the variable ${written.copies}, which the policy names, is not set. Set it, or ${nameInput('copies')}.`,
    );
  const shared = findSharedPlace(place, copies);
  if (shared === undefined) return copies;
  throw new ConfigurationError(
    say`${nameInput('copies')}: ${shared}`,
    'A copy must survive the loss of the other storage: choose another location.',
  );
}

/**
 * Reads what a policy names: the variable of the name of the secret.
 *
 * @param key of the policy
 * @param secret undefined where the policy names none
 * @returns undefined where the variable is not set
 * @throws ConfigurationError which quotes nothing of the value
 */
export function readVariable<Value>(
  key: string,
  secret: string | undefined,
  env: NodeJS.ProcessEnv,
  parse: (text: string) => Value,
): Value | undefined {
  const text = secret === undefined ? undefined : env[secret]?.trim() || undefined;
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new ConfigurationError(
      say`${nameInput(key)}: the variable ${secret}, which the policy names, ${error.message}`,
      error.remedy,
    );
  }
}
