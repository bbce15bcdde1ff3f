import type { Basis } from '../../interface/estimate.ts';
import { parseRetention } from '../../interface/inputs/time-values.ts';
import type { MeasuredInputs } from '../../interface/inputs/types.ts';
import { list } from '../../interface/inputs/values.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { timesBetween } from '../../schedule/plan/cron.ts';
import { backupKinds, type PlannedDatabase } from '../../schedule/plan/plan.ts';
import { planPolicyFile } from '../../schedule/plan/policy-file.ts';
import { day } from '../../values/duration.ts';
import type { RetentionPolicy } from '../../values/retention-policy.ts';

/** Days of a month, for reckoning */
const monthDays = 30;

type BasisInputs = Pick<MeasuredInputs, 'retention' | 'pricePerGbMonth' | 'policy' | 'database'>;

/**
 * Takes retention and schedule from the policy, where one is given.
 *
 * @throws ConfigurationError when the policy has mistakes, or it is not clear which of its databases is meant
 */
export async function readBasis(
  inputs: BasisInputs,
  { env, now }: Pick<Context, 'env' | 'now'>,
): Promise<Basis> {
  if (inputs.policy === undefined) return usualBasis(inputs);
  const { plan } = await planPolicyFile(inputs.policy, env);
  const { jobs, retention } = choose(plan.databases, inputs);
  const [from, until] = [now(), new Date(now().getTime() + monthDays * day)];
  const count = (isMeant: (kind: string) => boolean) =>
    jobs
      .filter(({ kind }) => isMeant(kind))
      .flatMap(({ crons }) => crons)
      .reduce((sum, cron) => sum + timesBetween(cron, plan.timeZone, from, until).length, 0);
  return {
    ...{ retention: parseRetention(retention), source: 'policy', pricePerGbMonth: inputs.pricePerGbMonth },
    fullBackups: count((kind) => kind === 'full' || kind === 'archive'),
    allBackups: count((kind) => backupKinds.some((backups) => backups === kind)),
  };
}

/** A full backup every night, which the retention of the inputs keeps. */
export function usualBasis({
  retention,
  pricePerGbMonth,
}: Pick<BasisInputs, 'retention' | 'pricePerGbMonth'>): Basis {
  return {
    retention,
    source: 'inputs',
    fullBackups: monthDays,
    allBackups: monthDays,
    pricePerGbMonth,
  };
}

function choose(databases: readonly PlannedDatabase[], { policy, database }: BasisInputs): PlannedDatabase {
  const found = database === undefined ? databases : databases.filter(({ name }) => name === database);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const names = list(databases.map(({ name }) => name));
  throw database === undefined
    ? new ConfigurationError(
        say`${nameInput('database')}: ${policy} has several databases`,
        `Choose one of them: ${names}.`,
      )
    : new ConfigurationError(
        say`${nameInput('database')}: ${policy} has no database ${JSON.stringify(database)}`,
        `Write ${names}.`,
      );
}

/** The most backups that the rules keep at once: those that several rules keep count for each of them. */
export function countKept(retention: RetentionPolicy, allBackups: number): number {
  const { last, hourly, daily, weekly, monthly, yearly, within, verified } = retention;
  const young = Math.ceil((within / day / monthDays) * allBackups);
  return Math.max(1, verified, last + hourly + daily + weekly + monthly + yearly + young);
}
