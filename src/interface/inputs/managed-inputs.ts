import type { ManagedInputs, ManagedRestoreInputs } from './managed-types.ts';
import { requireManagement, takeAccess, takeRecording } from './shared-inputs.ts';
import type { Taker } from './taker.ts';

/* Inputs of what concerns the platform's own backups. */

export function takeManaged(taker: Taker, env: NodeJS.ProcessEnv): ManagedInputs {
  const storage = taker.takeOptional('storage');
  return {
    operation: 'managed',
    management: requireManagement(taker, 'database-url', taker.take('database-url'), env),
    storage,
    ...takeAccess(taker, storage, env),
    maxAge: taker.take('max-age'),
  };
}

/** What no restore by the platform heeds: it brings back the project whole and in place, or not at all. */
const partsOnly = [
  ...(['backup-id', 'include', 'exclude', 'clean', 'checks', 'side-schema', 'staging-url'] as const),
  ...(['safety-storage', 'target-kind', 'default-privileges', 'verify', 'report-folder'] as const),
];

export function takeManagedRestore(taker: Taker, env: NodeJS.ProcessEnv): ManagedRestoreInputs {
  const storage = takeNotebook(taker);
  const targetUrl = taker.takeOptional('target-url');
  taker.refuseBeside('managed', partsOnly);
  return {
    operation: 'restore',
    managed: true,
    management: requireManagement(taker, 'target-url', targetUrl, env),
    recoveryTargetTime: taker.takeWholeSecond(),
    ...{ storage, targetUrl, ...takeAccess(taker, storage, env), ...takeRecording(taker) },
    confirmed: taker.take('confirm') !== undefined,
    safetyBackup: taker.take('safety-backup'),
    jobs: taker.take('jobs'),
    waitAtMost: taker.take('wait-at-most'),
    dryRun: taker.take('dry-run'),
  };
}

/**
 * Takes the storage in which is noted what the platform was asked, so that no run asks again. An artifact of
 * another run cannot be written to.
 */
function takeNotebook(taker: Taker): string {
  const storage = taker.takeOptional('storage');
  if (storage === undefined && !taker.mistakes.some(({ name }) => name === 'storage'))
    taker.note(
      'storage',
      'is required for restore with managed: the request to Supabase is recorded there, so that a second run does not send it again',
      'Give the storage of the backups of this project, a folder or a bucket.',
    );
  if (/^artifact:/i.test(storage ?? ''))
    taker.note('storage', 'cannot be an artifact together with managed', 'Give a folder or a bucket.');
  // Where it is missing, the mistake just noted is thrown before this value is used.
  return storage ?? '';
}
