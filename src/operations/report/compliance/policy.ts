import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseDuration, parseInterval, parseRetention } from '../../../interface/inputs/time-values.ts';
import type { Context } from '../../../runtime/context.ts';
import { ConfigurationError } from '../../../runtime/errors.ts';
import { nameInput, say } from '../../../runtime/wording.ts';
import { type PlannedPolicy, planPolicyFile } from '../../../schedule/plan/policy-file.ts';
import type { PolicyFacts, Targets } from './facts.ts';

/**
 * Reads what a policy says of one of its databases, with the digest of the file.
 *
 * @param name of a database of the policy
 * @param usualKeepChanges milliseconds, where the policy does not say how long captured changes stay
 * @throws ConfigurationError when it cannot be read, or has no such database
 */
export async function readPolicyFacts(
  file: string,
  name: string,
  usualKeepChanges: number,
  { env }: Pick<Context, 'env'>,
): Promise<{ policy: PolicyFacts; targets: Targets }> {
  const planned = await planPolicyFile(file, env);
  const database = planned.plan.databases.find((one) => one.name === name);
  if (database === undefined) {
    throw new ConfigurationError(
      say`${nameInput('policy')}: ${file} has no database ${name} any more`,
      'Run the report again.',
    );
  }
  const { alarms, drill } = planned.policy;
  const keep = database.keepChanges;
  return {
    policy: {
      file,
      sha256: createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
      plan: database,
      repository: planned.plan.repository,
      timeZone: planned.plan.timeZone,
      retention: parseRetention(database.retention),
      keepChanges: keep === undefined ? usualKeepChanges : parseInterval(keep),
      alarms: listAlarms(planned),
      others: planned.plan.databases.map((one) => one.name).filter((other) => other !== name),
    },
    targets: { rto: parseTarget(drill?.['rto-target']), rpo: parseTarget(alarms?.['rpo-target']) },
  };
}

function parseTarget(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}

/** Lists the channels, without their addresses. */
function listAlarms({ policy: { alarms = {} } }: PlannedPolicy): string[] {
  return [
    ...(alarms.issues === false ? [] : ['issues']),
    ...(alarms['notify-url'] === undefined ? [] : ['webhook']),
    ...(alarms['slack-webhook-url'] === undefined ? [] : ['Slack']),
    ...(alarms['mail-to'] === undefined ? [] : ['mail']),
    ...(alarms['heartbeat-url'] === undefined ? [] : ['heartbeat']),
  ];
}
