import * as v from 'valibot';
import { count, omission, phases, toOmissions, toPhases } from '../../interface/fields.ts';
import { type Attempt, explainFailure, hasPassed } from '../../restorer/trial/attempt.ts';
import type { CheckResult } from '../../restorer/trial/checks.ts';

/** Checks of a restored database, and what they answered */
export const checkResults = v.array(
  v.strictObject({
    sql: v.string(),
    passed: v.boolean(),
    answer: v.pipe(v.nullable(v.string()), v.description('What it answered instead of true')),
  }),
);

export function tellChecks(checks: readonly CheckResult[]): v.InferOutput<typeof checkResults> {
  return checks.map(({ sql, passed, answer }) => ({ sql, passed, answer: answer ?? null }));
}

/** Backups that were restored into a throwaway database or on staging, the chosen one first, for programs */
export const attempts = v.array(
  v.strictObject({
    backup: v.string(),
    passed: v.boolean(),
    why: v.pipe(v.nullable(v.string()), v.description('Why it did not pass')),
    until: v.pipe(v.nullable(v.string()), v.description('The time up to which changes were replayed')),
    recoveryMilliseconds: v.pipe(
      v.nullable(count),
      v.description('Until the database could have been used; null when it never could'),
    ),
    phases,
    parity: v.picklist(['equal', 'different', 'skipped']),
    checks: checkResults,
    notCarried: v.array(omission),
  }),
);

export function tellAttempts(tried: readonly Attempt[]): v.InferOutput<typeof attempts> {
  return tried.map((attempt) => ({
    ...{ backup: attempt.backup, passed: hasPassed(attempt), why: explainFailure(attempt) ?? null },
    until: attempt.until ?? null,
    recoveryMilliseconds: attempt.recovery === undefined ? null : Math.round(attempt.recovery),
    phases: toPhases(attempt.phases),
    parity: attempt.parity === undefined ? 'skipped' : attempt.parity.equal ? 'equal' : 'different',
    checks: tellChecks(attempt.checks),
    notCarried: toOmissions(attempt.notCarried),
  }));
}
