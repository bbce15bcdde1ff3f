import { nameInput, say } from '../../runtime/wording.ts';
import { findProjectRef } from '../../values/project-ref.ts';
import type { CopyPlace } from './copies-values.ts';
import { findSharedPlace } from './copy-places.ts';
import type { ManagementAccess, ManagementInputs } from './management-types.ts';
import type { CommonInputs } from './shared-types.ts';
import type { Taker } from './taker.ts';

/* Inputs that several operations take alike. */

export function takeCommon(taker: Taker, env: NodeJS.ProcessEnv): CommonInputs {
  const storage = taker.take('storage');
  return { storage, ...takeAccess(taker, storage, env) };
}

/** Takes the copies, each with the address that the environment gives where the entry has none. */
export function takeCopies(
  taker: Taker,
  { storage, s3Endpoint }: { storage: string | undefined; s3Endpoint: string | undefined },
  env: NodeJS.ProcessEnv,
): readonly CopyPlace[] {
  const copies = withEndpoints(taker.take('copies') ?? [], env);
  if (copies.length > 0 && /^artifact:/i.test(storage ?? ''))
    taker.note(
      'copies',
      'cannot be used with an artifact, which is always stored as a whole',
      'Give a folder or a bucket as storage, or leave out copies.',
    );
  const shared = findSharedPlace(storage === undefined ? undefined : { storage, s3Endpoint }, copies);
  if (shared !== undefined)
    taker.note(
      'copies',
      shared,
      'A copy must survive the loss of the other storage: choose another location.',
    );
  return copies;
}

/** Gives each copy that names no address the one of the environment, as for the first storage. */
export function withEndpoints(copies: readonly CopyPlace[], env: NodeJS.ProcessEnv): readonly CopyPlace[] {
  return copies.map((copy) => ({ ...copy, s3Endpoint: copy.s3Endpoint ?? endpointOf(copy.storage, env) }));
}

/** The SDK would follow these variables on its own, but as if they were addresses of Amazon. */
function endpointOf(storage: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  return storage?.startsWith('s3:') ? env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL : undefined;
}

/** Takes what is needed besides the storage to get at it, and at what it keeps. */
export function takeAccess(
  taker: Taker,
  storage: string | undefined,
  env: NodeJS.ProcessEnv,
): Omit<CommonInputs, 'storage'> {
  return {
    s3Endpoint: taker.take('s3-endpoint') ?? endpointOf(storage, env),
    s3Region: taker.take('s3-region'),
    s3Addressing: taker.take('s3-addressing'),
    s3Sse: taker.take('s3-sse'),
    s3StorageClass: taker.take('s3-storage-class'),
    repositoryKey: taker.take('repository-key'),
    encryptionIdentity: taker.take('encryption-identity') ?? [],
    clientPath: taker.take('client-path'),
    installClient: taker.take('install-client'),
    artifactRetentionDays: taker.take('artifact-retention-days'),
    githubToken: taker.take('github-token'),
  };
}

export function takeSource(taker: Taker, common: CommonInputs, env: NodeJS.ProcessEnv) {
  const databaseUrl = taker.take('database-url');
  return {
    ...common,
    databaseUrl,
    vaultKey: takeVaultKey(taker, databaseUrl, env),
    include: taker.take('include') ?? [],
    exclude: taker.take('exclude') ?? [],
    encryptionRecipients: taker.take('encryption-recipients') ?? [],
    compressionLevel: taker.take('compression-level'),
    jobs: taker.take('jobs'),
    lockTimeoutSeconds: taker.take('lock-timeout'),
    recheck: taker.take('recheck'),
    rollbackToken: taker.take('rollback-token'),
    checks: taker.take('checks') ?? [],
    freshness: taker.take('freshness') ?? [],
    ...takeRecording(taker),
    allowUnencrypted: taker.take('allow-unencrypted'),
  };
}

export function takeLabelled(taker: Taker, common: CommonInputs, env: NodeJS.ProcessEnv) {
  return { ...takeSource(taker, common, env), label: taker.take('label') ?? null };
}

export function takeLimits(taker: Taker) {
  return {
    maxAge: taker.take('max-age'),
    verifiedWithin: taker.take('verified-within'),
    drilledWithin: taker.take('drilled-within'),
  };
}

export function takeRetention(taker: Taker) {
  return {
    retention: taker.take('retention'),
    timeZone: taker.take('time-zone'),
    keepChanges: taker.take('keep-changes'),
  };
}

export function takeRecording(taker: Taker) {
  return { recordsUrl: taker.take('records-url'), sslrootcert: taker.take('sslrootcert') };
}

/**
 * Takes how the platform is asked about the project, where token and project are known. With a policy that is
 * known when the policy is read, which may name both.
 *
 * @param databaseUrl may lead to the project
 */
export function takeManagement(
  taker: Taker,
  { databaseUrl, policy }: { databaseUrl?: string | undefined; policy: string | undefined },
  env: NodeJS.ProcessEnv,
): { management: ManagementInputs | undefined; managementAccess: ManagementAccess } {
  const managementAccess = takeKnown(taker, databaseUrl, env);
  const { accessToken, projectRef, apiUrl, isTokenGiven } = managementAccess;
  const isNoted = taker.mistakes.some(({ name }) => name === 'project-ref');
  if (isTokenGiven && projectRef === undefined && !isNoted && policy === undefined)
    taker.note(
      'project-ref',
      say`is required with ${nameInput('supabase-access-token')}`,
      'Write the twenty lower-case letters in the URL of its dashboard, or leave the token out.',
    );
  const isKnown = accessToken !== undefined && projectRef !== undefined;
  return { management: isKnown ? { accessToken, projectRef, apiUrl } : undefined, managementAccess };
}

/**
 * The same for Vault's root key. A backup, or a restore, does without rather than fail, so nothing is required.
 */
export function takeVaultKey(
  taker: Taker,
  databaseUrl: string | undefined,
  env: NodeJS.ProcessEnv,
): ManagementInputs | undefined {
  const isWanted = taker.take('vault-key');
  const { accessToken, projectRef, apiUrl } = takeKnown(taker, databaseUrl, env);
  return !isWanted || accessToken === undefined || projectRef === undefined
    ? undefined
    : { accessToken, projectRef, apiUrl };
}

/** The same, where the operation can do nothing without. */
export function requireManagement(
  taker: Taker,
  urlName: 'database-url' | 'target-url' | undefined,
  databaseUrl: string | undefined,
  env: NodeJS.ProcessEnv,
): ManagementInputs {
  const { accessToken, projectRef, apiUrl } = takeKnown(taker, databaseUrl, env);
  const isNoted = (input: string) => taker.mistakes.some(({ name }) => name === input);
  if (accessToken === undefined && !isNoted('supabase-access-token'))
    taker.note(
      'supabase-access-token',
      `is required for ${taker.operation}, because SUPABASE_ACCESS_TOKEN is not set either`,
      'Create a token at https://supabase.com/dashboard/account/tokens, scoped to this project, with permission to read its backups.',
    );
  if (projectRef === undefined && !isNoted('project-ref'))
    taker.note(
      'project-ref',
      `is required for ${taker.operation}${urlName === undefined ? ' of the kind managed' : `, because ${urlName} does not lead to a hosted project`}`,
      'Write the twenty lower-case letters in the URL of its dashboard.',
    );
  // Where one is missing, the mistake just noted is thrown before this value is used.
  return { accessToken: accessToken ?? '', projectRef: projectRef ?? '', apiUrl };
}

function takeKnown(taker: Taker, databaseUrl: string | undefined, env: NodeJS.ProcessEnv): ManagementAccess {
  const given = taker.take('supabase-access-token');
  return {
    accessToken: given ?? (env.SUPABASE_ACCESS_TOKEN?.trim() || undefined),
    isTokenGiven: given !== undefined,
    projectRef: taker.take('project-ref') ?? findProjectRef(databaseUrl),
    apiUrl: taker.take('management-api-url'),
  };
}
