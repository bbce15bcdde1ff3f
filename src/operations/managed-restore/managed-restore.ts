import type { ManagedRestoreInputs } from '../../interface/inputs/managed-types.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { clockOf, connectManagement } from '../../management/connect.ts';
import type { Context } from '../../runtime/context.ts';
import { describeManagedRestore } from './report.ts';
import { restoreProject } from './restore-project.ts';

/** Has the platform restore a project from its own backups, and reports how that ended. */
export async function restoreManaged(inputs: ManagedRestoreInputs, context: Context): Promise<Outcome> {
  const clock = clockOf(context);
  const api = connectManagement(inputs.management, context, clock);
  return describeManagedRestore(await restoreProject(inputs, context, { api, clock }));
}
