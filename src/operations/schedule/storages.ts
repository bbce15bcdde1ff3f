import type { ReportInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { planPolicyFile } from '../../schedule/plan/policy-file.ts';

/**
 * Lists the storages that an operation knows of: the one that is given, and those of all databases of the policy.
 *
 * @throws ConfigurationError when the policy has mistakes, or cannot be read
 */
export async function listStorages(
  { storage, policy }: Pick<ReportInputs, 'storage' | 'policy'>,
  { env }: Pick<Context, 'env'>,
): Promise<readonly string[]> {
  const planned = policy === undefined ? [] : (await planPolicyFile(policy, env)).plan.databases;
  return [...(storage === undefined ? [] : [storage]), ...planned.map(({ written }) => written.storage)];
}
