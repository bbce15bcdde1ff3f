import * as v from 'valibot';
import { count, omission, phases, table, toOmissions, toPhases } from '../../interface/fields.ts';
import type { TableSize } from '../../restorer/part/replacement.ts';
import { assertNever } from '../../runtime/errors.ts';
import type { Wording } from '../../runtime/wording.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { attempts, checkResults, tellAttempts, tellChecks } from '../sections/attempts.ts';
import { findLost } from './loss.ts';
import { describeReason } from './reasons.ts';
import type { NonePassed, PlannedRestore, Restored, RestoreResult } from './result.ts';
import { holdsObjects } from './target-state.ts';

/** Tables and rows that a restore removes from the target; rows as the planner of the server estimates them */
const replaced = v.strictObject({
  tables: count,
  rows: count,
  lost: v.pipe(
    v.array(v.strictObject({ name: v.string(), rows: count })),
    v.description('Those of them that do not come back, because the backup has no rows of them'),
  ),
});

/** What a restore did, or would do in a dry run: `restore --json`, unless with `side-schema` or `managed` */
export const restoreDetails = v.variant('kind', [
  v.strictObject({
    kind: v.literal('planned'),
    target: v.string(),
    snapshotAt: v.pipe(v.string(), v.description('The backup has the database as of then')),
    until: v.pipe(v.nullable(v.string()), v.description('The time up to which changes would be replayed')),
    changes: v.pipe(count, v.description('Captured changes that would be replayed, at most')),
    tables: v.pipe(v.array(table), v.description('What would be restored')),
    replaced,
    confirmedBecause: v.pipe(v.array(v.string()), v.description('Why the restore has to be confirmed')),
    staged: v.pipe(v.boolean(), v.description('Whether it would be tried on staging first')),
    safetyStorage: v.pipe(v.nullable(v.string()), v.description('Where the target would be backed up to')),
    foreseen: v.pipe(v.array(v.string()), v.description('What the server will probably refuse')),
    missing: v.pipe(
      v.array(v.strictObject({ message: v.string(), next: v.string() })),
      v.description('What is missing for the restore to begin'),
    ),
    notCarried: v.array(omission),
  }),
  v.strictObject({
    kind: v.literal('restored'),
    target: v.string(),
    replaced,
    attempts: v.pipe(attempts, v.description('The trials on staging')),
    usableAfterMilliseconds: v.pipe(count, v.description('From the start until the database could be used')),
    phases,
    checks: checkResults,
    notCarried: v.array(omission),
    left: v.pipe(v.array(omission), v.description('What could not be removed from the target')),
    notGivenBack: v.pipe(
      v.array(omission),
      v.description('What depended on replaced objects, and is not as it was'),
    ),
  }),
  v.strictObject({
    kind: v.literal('none-passed'),
    target: v.string(),
    attempts: v.pipe(attempts, v.description('The trials on staging; the target was not touched')),
  }),
]);

/** What an entry shows once it has named inputs as its user sets them: a text that names inputs is a string then. */
type Shown<Value> = Value extends string
  ? string | Wording
  : Value extends readonly (infer Item)[]
    ? readonly Shown<Item>[]
    : Value extends object
      ? { readonly [Key in keyof Value]: Shown<Value[Key]> }
      : Value;

export function tellRestore(result: RestoreResult): Shown<v.InferOutput<typeof restoreDetails>> {
  switch (result.kind) {
    case 'planned':
      return tellPlanned(result);
    case 'restored':
      return tellRestored(result);
    case 'none-passed':
      return { kind: result.kind, target: result.state.target, attempts: tellAttempts(result.attempts) };
    default:
      return assertNever(result);
  }
}

function tellPlanned(plan: PlannedRestore) {
  const { kind, manifest, scope, recovery } = plan;
  return {
    ...{ kind, target: scope.target, snapshotAt: manifest.source.snapshotAt },
    until: recovery?.until ?? null,
    changes: recovery?.segments.reduce((sum, segment) => sum + segment.changes, 0) ?? 0,
    tables: scope.tables.map(({ schema, name, rows, bytes }) => ({
      ...{ name: writePattern({ schema, name }), rows, bytes },
    })),
    replaced: tellReplaced(plan),
    confirmedBecause: plan.reasons.map(describeReason),
    ...{ staged: plan.isStaged, safetyStorage: plan.safetyStorage ?? null, foreseen: plan.foreseen },
    missing: plan.refusals.map(({ told }) => told),
    notCarried: toOmissions(scope.notCarried),
  };
}

function tellRestored(restored: Restored) {
  const { kind, scope } = restored;
  return {
    ...{ kind, target: scope.target, replaced: tellReplaced(restored) },
    attempts: tellAttempts(restored.attempts ?? []),
    usableAfterMilliseconds: Math.round(restored.usableAfter),
    phases: toPhases(restored.phases),
    checks: tellChecks(restored.checks),
    notCarried: toOmissions(scope.notCarried),
    left: toOmissions(restored.left),
    notGivenBack: toOmissions(restored.ungiven),
  };
}

function tellReplaced({ manifest, state }: Exclude<RestoreResult, NonePassed>) {
  const name = (lost: readonly TableSize[]) =>
    lost.map((one) => ({ name: writePattern(one), rows: one.rows }));
  if (!holdsObjects(state)) return { tables: 0, rows: 0, lost: [] };
  if (state.part === undefined) {
    return { tables: state.tables, rows: state.rows, lost: name(findLost(manifest, state)) };
  }
  const { tables, rows, lost } = state.part.replaced;
  return { tables, rows, lost: name(lost) };
}
