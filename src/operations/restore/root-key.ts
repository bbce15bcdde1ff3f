import type { RootKey } from '../../format/root-key.ts';
import type { Clock, ManagementApi } from '../../management/api.ts';
import { clockOf, connectManagement } from '../../management/connect.ts';
import { ManagementFailure } from '../../management/failure.ts';
import { readRootKey, setRootKey } from '../../management/project.ts';
import { readCarriedRootKey } from '../../repository/objects/extras.ts';
import { createReader, type ObjectReader } from '../../repository/objects/store.ts';
import type { PreparedRestore } from '../../restorer/execute.ts';
import type { Context } from '../../runtime/context.ts';
import { IntegrityError, isKnownError, type Told } from '../../runtime/errors.ts';
import { nameInput, say, type Wording } from '../../runtime/wording.ts';
import { findProjectRef } from '../../values/project-ref.ts';
import type { Done, RestoreJob } from './job.ts';
import type { KeyOutcome } from './result.ts';

/*
 * Vault's root key, without which the target's server opens none of the secrets of the backup. The platform
 * keeps it outside of the database, and a project that gets another one loses what it has encrypted itself.
 */

/** What is needed to find out, of a restore and its surroundings */
export interface KeyRequest {
  readonly job: Pick<RestoreJob, 'inputs' | 'manifest' | 'state'>;
  readonly prepared: Pick<PreparedRestore, 'lookAtSecrets'>;
  readonly reader: ObjectReader;
  readonly api: ManagementApi | undefined;
  /** Whether the target is still to be emptied */
  readonly isToBeEmptied: boolean;
  /** Whether a backup of the target has secrets that nothing but the present key of the target opens */
  readonly isFormerKeyNeeded: boolean;
}

/** @param done what was done to the target so far; undefined in a dry run */
export function toKeyRequest(
  job: RestoreJob,
  prepared: PreparedRestore,
  done: Done | undefined,
  context: Context,
): KeyRequest {
  const { inputs, manifest, repository, state } = job;
  const { vaultKey, clean, encryptionIdentity } = inputs;
  return {
    ...{ job, prepared, reader: createReader(repository, manifest, encryptionIdentity) },
    api: vaultKey && connectManagement(vaultKey, context, clockOf(context)),
    isToBeEmptied: done === undefined && clean && state.part === undefined,
    isFormerKeyNeeded: done?.lacksRootKey === true,
  };
}

/** Changes nothing, and asks the platform for the present key only where it would be replaced. */
export async function foreseeRootKey(request: KeyRequest, context: Context): Promise<KeyOutcome> {
  return toOutcome(await decide(request, context));
}

/** How long a server may take to open the secrets with the new key, and how often it is asked; milliseconds */
const [openWithinMs, pauseMs] = [3 * 60_000, 5000];

/**
 * Gives the target's project the key of the backup, where its server does not open the secrets without and
 * nothing that it has needs the present one. The key is in place when the server opens the secrets.
 */
export async function bringRootKey(request: KeyRequest, clock: Clock, context: Context): Promise<KeyOutcome> {
  const decision = await decide(request, context);
  if (decision.kind !== 'replace') return toOutcome(decision);
  const { api, key, project } = decision;
  context.log.info(`Giving the project ${project} the root key of Vault of this backup`);
  const failure = await replaceKey(api, project, key.value, context);
  if (failure !== undefined) return { kind: 'left', why: failure.message, remedy: failure.next };
  if (await opensInTime(request.prepared, clock, context)) return { kind: 'set', project };
  return {
    kind: 'left',
    why: `the project ${project} now has the root key of the backup, but its server still cannot decrypt the secrets`,
    remedy: 'Restart the project in the dashboard, and restore again.',
  };
}

type Decision =
  | Exclude<KeyOutcome, { readonly kind: 'wanted' | 'set' }>
  | {
      readonly kind: 'replace';
      readonly api: ManagementApi;
      readonly key: RootKey;
      readonly project: string;
    };

function toOutcome(decision: Decision): KeyOutcome {
  return decision.kind === 'replace' ? { kind: 'wanted', project: decision.project } : decision;
}

async function decide(request: KeyRequest, context: Context): Promise<Decision> {
  const look = await request.prepared.lookAtSecrets();
  if (look === undefined || look.areOpen) return { kind: 'unneeded' };
  const key = await readKey(request, context);
  if (!('value' in key)) return key;
  const { job, api } = request;
  const { vaultKey, targetUrl } = job.inputs;
  if (api === undefined || vaultKey === undefined)
    return leave(
      'the backup carries the root key, but the project of the target is unknown or no token is given',
      say`Set ${nameInput('supabase-access-token')} and ${nameInput('project-ref')} of the target, without ${nameInput('vault-key', 'false')}, and restore again.`,
    );
  const project = vaultKey.projectRef;
  const ofUrl = findProjectRef(targetUrl);
  if (ofUrl !== undefined && ofUrl !== project)
    return leave(
      say`${nameInput('project-ref')} is ${project}, but ${nameInput('target-url')} leads to ${ofUrl}`,
      'Make both refer to the same project, and restore again.',
    );
  const { source } = job.manifest;
  if (key.project === project && source.systemIdentifier !== job.state.systemIdentifier)
    return leave(
      say`${nameInput('project-ref')} is ${project}, which is the project that was backed up, but the target is on another server`,
      say`Set ${nameInput('project-ref')} to the project of the target, and restore again.`,
    );
  if (look.hasOwn && !request.isToBeEmptied)
    return leave(
      'the target has secrets of its own, which only its present root key can decrypt',
      say`Restore into a new project, or with ${nameInput('clean', 'true')}, which removes them. Or create the secrets of the backup again by hand.`,
    );
  if (request.isFormerKeyNeeded)
    return leave(
      'the safety backup has secrets of the target, but not the root key that decrypts them',
      say`Encrypt the safety backup, or turn it off with ${nameInput('safety-backup', 'false')}, and restore again.`,
    );
  return compareKeys(api, key, project, context);
}

async function readKey({ job, reader }: KeyRequest, context: Context): Promise<RootKey | Decision> {
  try {
    const key = await readCarriedRootKey(job.manifest, reader);
    if (key === undefined)
      return leave(
        'the backup does not have the root key that they were encrypted with',
        'Copy the key from the source project as docs/supabase.md describes, and restore again.',
      );
    context.mask(key.value);
    return key;
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    return leave(say`the root key in the backup cannot be read: ${error.told.message}`, error.told.next);
  }
}

/** Reads the present key, which also shows whether the token may write it. */
async function compareKeys(
  api: ManagementApi,
  key: RootKey,
  project: string,
  context: Context,
): Promise<Decision> {
  try {
    const present = await readRootKey(api, project, context.mask);
    if (present !== key.value) return { kind: 'replace', api, key, project };
  } catch (error) {
    const { message, next } = toFailure(error, context);
    return leave(message, next);
  }
  return leave(
    `the project ${project} has the root key of the backup, but its server cannot decrypt the secrets`,
    'Restart the project in the dashboard, and restore again.',
  );
}

/**
 * Asks for the new key once. Where the answer does not tell what became of it, the key is read.
 *
 * @returns undefined when the project has the key
 */
async function replaceKey(
  api: ManagementApi,
  project: string,
  key: string,
  context: Context,
): Promise<Told | undefined> {
  let failure: Told;
  try {
    await setRootKey(api, project, key);
    return undefined;
  } catch (error) {
    failure = toFailure(error, context);
    if (!(error instanceof ManagementFailure) || error.wasRefused) return failure;
  }
  try {
    return (await readRootKey(api, project, context.mask)) === key ? undefined : failure;
  } catch (error) {
    const { message } = toFailure(error, context);
    return {
      ...failure,
      message: say`${failure.message}; it is unknown whether the project has the key: ${message}`,
    };
  }
}

function toFailure(error: unknown, { signal }: Context): Told {
  signal.throwIfAborted();
  if (error instanceof ManagementFailure || isKnownError(error)) return error.told;
  throw error;
}

/** A server that starts anew with its key is away meanwhile. */
async function opensInTime(
  prepared: KeyRequest['prepared'],
  clock: Clock,
  { signal, log }: Context,
): Promise<boolean> {
  const deadline = clock.now().getTime() + openWithinMs;
  for (;;) {
    try {
      if ((await prepared.lookAtSecrets())?.areOpen === true) return true;
    } catch (error) {
      signal.throwIfAborted();
      if (!isKnownError(error)) throw error;
      log.debug(`the target does not answer: ${error.message}`);
    }
    if (clock.now().getTime() >= deadline) return false;
    await clock.sleep(pauseMs);
  }
}

function leave(
  why: string | Wording,
  remedy: string | Wording,
): Extract<Decision, { readonly kind: 'left' }> {
  return { kind: 'left', why, remedy };
}
