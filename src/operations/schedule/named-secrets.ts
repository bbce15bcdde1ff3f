import { type CopyPlace, parseCopies } from '../../interface/inputs/copies-values.ts';
import { findSharedPlace } from '../../interface/inputs/copy-places.ts';
import type { ManagementAccess, ManagementInputs } from '../../interface/inputs/management-types.ts';
import { parseToken } from '../../interface/inputs/management-values.ts';
import { withEndpoints } from '../../interface/inputs/shared-inputs.ts';
import { Problem } from '../../interface/inputs/values.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { type PlannedDatabase, tokenNameOf } from '../../schedule/plan/plan.ts';

/*
 * What a policy says of a database by the names of secrets: a job passes each as a variable of that name, or
 * as the input that is meant. What is not passed is told, and left out.
 */

type Means = Pick<Context, 'env' | 'log'>;

/**
 * Chooses, of each database, how the platform is asked for its own backups.
 *
 * @param given the project of the inputs is that of the only database; of several, the policy names them
 * @returns in the order of the databases; undefined: the platform is not asked
 * @throws ConfigurationError when inputs and policy name different projects, when a token is given and no
 *   project, or when a variable holds no token
 */
export function chooseProjects(
  databases: readonly PlannedDatabase[],
  { policy, managementAccess: given }: { policy: string; managementAccess: ManagementAccess },
  { env, log }: Means,
): (ManagementInputs | undefined)[] {
  const [only] = databases.length === 1 ? databases : [];
  const ofOnly = only?.written['project-ref'];
  if (ofOnly !== undefined && given.projectRef !== undefined && ofOnly !== given.projectRef)
    throw new ConfigurationError(
      `project-ref: ${policy} names the project ${ofOnly} for ${only?.name}, and the inputs lead to ${given.projectRef}`,
      'Leave project-ref and database-url out, or correct the policy.',
    );
  const refs = databases.map(({ written }) => written['project-ref'] ?? (only && given.projectRef));
  if (refs.every((ref) => ref === undefined)) refuseIdle(policy, given, databases.length, log);
  return databases.map(({ name, written }, index) => {
    const projectRef = refs[index];
    if (projectRef === undefined) return undefined;
    const variable = tokenNameOf(written);
    const accessToken =
      readVariable('supabase-access-token', written['supabase-access-token'], env, parseToken) ??
      given.accessToken;
    if (accessToken !== undefined) return { accessToken, projectRef, apiUrl: given.apiUrl };
    log.warn(
      `${name}: Supabase's own backups are not looked at, because there is no token. Set the variable ${variable}, or supabase-access-token.`,
    );
    return undefined;
  });
}

function refuseIdle(
  policy: string,
  { isTokenGiven, projectRef }: ManagementAccess,
  count: number,
  log: Context['log'],
): void {
  if (projectRef !== undefined)
    log.warn(
      "Supabase's own backups are not in the report: project-ref names one project, and the report is about several databases. Name one with database, or each project in the policy.",
    );
  else if (isTokenGiven)
    throw new ConfigurationError(
      `project-ref: is required with supabase-access-token, because ${policy} names none for ${count === 1 ? 'this database' : 'any of the databases'}`,
      'Write project-ref for the database in the policy, or leave the token out.',
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
      `${name}: its copies are not looked at, because the variable ${written.copies}, which the policy names, is not set. Set it, or copies.`,
    );
  const shared = findSharedPlace(place, copies);
  if (shared === undefined) return copies;
  throw new ConfigurationError(
    `copies: ${shared}`,
    'A copy is for the day when the other place is gone: name another one.',
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
      `${key}: the variable ${secret}, which the policy names, ${error.message}`,
      error.remedy,
    );
  }
}
