import type { ManagedRestoreInputs } from '../../interface/inputs/managed-types.ts';
import type { BackupListing } from '../../management/project.ts';
import { formatAge } from '../../report/quantity.ts';
import { formatSecond } from '../../report/time.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { findProjectRef } from '../../values/project-ref.ts';
import { confirmingWords } from '../restore/guard.ts';
import type { Window } from './result.ts';

/** Refuses inputs that contradict each other, before anything is asked. */
export function refuseOtherProject({ targetUrl, management }: ManagedRestoreInputs): void {
  const ofUrl = findProjectRef(targetUrl);
  if (ofUrl === undefined || ofUrl === management.projectRef) return;
  throw new ConfigurationError(
    say`${nameInput('project-ref')}: it is ${management.projectRef}, and ${nameInput('target-url')} leads to ${ofUrl}`,
    'Leave one of them out, or make both refer to the same project.',
  );
}

/** The times that the platform can restore; undefined without point-in-time recovery. */
export function findWindow({ isPitr, earliest, latest }: BackupListing): Window | undefined {
  if (isPitr !== true || earliest === undefined || latest === undefined) return undefined;
  return { from: earliest, to: latest };
}

/** States of a project that can be restored: one that is damaged may be just the one */
const restorable: ReadonlySet<string> = new Set(['ACTIVE_HEALTHY', 'ACTIVE_UNHEALTHY']);

/**
 * Collects all reasons not to ask the platform.
 *
 * @param target on a whole second
 * @returns one error for each, in the order of reporting
 */
export function findRefusals(
  { confirmed, management }: ManagedRestoreInputs,
  { status, window, target, now }: { status: string; window: Window | undefined; target: Date; now: Date },
): ConfigurationError[] {
  const { projectRef } = management;
  const refusals: ConfigurationError[] = [];
  if (!restorable.has(status))
    refusals.push(
      new ConfigurationError(
        say`${nameInput('project-ref')}: the project is ${status}, but Supabase restores only a project that is ACTIVE_HEALTHY`,
        status === 'INACTIVE'
          ? 'Resume it in the dashboard first.'
          : 'Wait until it is, or check the dashboard.',
      ),
    );
  if (window === undefined)
    refusals.push(
      new ConfigurationError(
        say`${nameInput('managed')}: point-in-time recovery is not enabled for ${projectRef}, and Supabase offers no other restore through its API`,
        say`Restore one of its daily backups in the dashboard, under Database, Backups; or restore from the repository, without ${nameInput('managed')}.`,
      ),
    );
  else if (target < window.from || target > window.to)
    refusals.push(
      new ConfigurationError(
        say`${nameInput('recovery-target-time')}: ${formatSecond(target)} is not among the times that Supabase can restore: ${formatSecond(window.from)} to ${formatSecond(window.to)}`,
        target > window.to
          ? 'The end is some minutes behind the latest transaction: try again later, or choose an earlier time.'
          : say`Write a later time, or restore from the repository, without ${nameInput('managed')}: its backups may go back further.`,
      ),
    );
  if (!confirmed)
    refusals.push(
      new ConfigurationError(
        say`${nameInput('confirm')}: the project ${projectRef} needs a confirmation: the whole project goes back in time, and what was committed in the ${formatAge(Math.max(0, now.getTime() - target.getTime()))} since ${formatSecond(target)} is lost`,
        say`If you are sure, add ${nameInput('confirm', confirmingWords)}.`,
      ),
    );
  return refusals;
}
