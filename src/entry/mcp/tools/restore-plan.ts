import * as v from 'valibot';
import { count, iso, maybeIso, maybeTime, table, time } from '../../../interface/fields.ts';
import { parseRecoveryRequest } from '../../../interface/inputs/recovery-request.ts';
import { matching, oneOf } from '../../../interface/inputs/values.ts';
import { foreseeRestore } from '../../../operations/restore-plan/foresee.ts';
import { planTargets, type RestorePlan } from '../../../operations/restore-plan/result.ts';
import { formatAge, formatCount } from '../../../report/quantity.ts';
import { writePattern } from '../../../values/table-patterns.ts';
import { defineTool } from '../tool.ts';
import { recoverySchema, take, toRecovery } from './fields.ts';
import { fixInputs } from './parsed-inputs.ts';

const mostTables = 50;

const parseTarget = oneOf(planTargets);

export const restorePlan = defineTool({
  name: 'restore_plan',
  title: 'Plan of a restore',
  description:
    'Plans a restore and restores NOTHING. Resolves which backup or point in time it would bring back, once and to an exact id; says what is lost, how long it takes, ' +
    'and gives the exact line for a terminal and for GitHub. Show it to the person, who decides, types the words it asks for, and runs it. Do not run the line yourself.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  inputs: ['backup-id', 'recovery-target-time', 'include'],
  own: {
    target: {
      description:
        'Into what: `empty`, a new or empty database, where nothing is lost; `production`, the database in use, which is emptied first; `beside`, rows of the tables in `include` beside the live ones, to compare.',
      default: 'empty',
      parse: parseTarget,
    },
    digest: {
      description: 'The digest of an earlier plan: the answer says whether this is the same restore.',
      parse: matching(
        /^[0-9a-f]{64}$/,
        'is no digest of a plan',
        'Copy it from the plan, 64 hexadecimal digits.',
      ),
    },
  },
  output: {
    digest: v.pipe(v.string(), v.description('The same for the same restore, whenever it is planned')),
    isSame: v.pipe(v.nullable(v.boolean()), v.description('Whether it is the plan that was asked about')),
    madeAt: time,
    expiresAt: v.pipe(
      time,
      v.description('Plan again from then on: more would be lost, or the backup be gone'),
    ),
    location: v.string(),
    backup: v.strictObject({
      id: v.string(),
      kind: v.picklist(['full', 'incremental', 'schema']),
      snapshotAt: time,
      label: v.nullable(v.string()),
      rows: count,
      bytes: count,
      verifiedAt: maybeTime,
      damagedAt: maybeTime,
    }),
    until: v.pipe(maybeTime, v.description('Until when changes are replayed; null: the backup as it is')),
    target: v.picklist(planTargets),
    tables: v.pipe(
      v.nullable(v.array(table)),
      v.description('What comes back, as of the backup; null: everything'),
    ),
    moreTables: count,
    lost: v.nullable(
      v.strictObject({
        from: v.pipe(time, v.description('What was committed since then is lost')),
        milliseconds: count,
        capturedTransactions: v.pipe(
          v.nullable(count),
          v.description('Of captured changes that end after it, so at most; null: none are captured'),
        ),
        capturedChanges: v.nullable(count),
      }),
    ),
    recovery: recoverySchema,
    settings: v.pipe(
      v.array(v.string()),
      v.description('To be set in the terminal first, with the person’s own values'),
    ),
    preview: v.pipe(v.string(), v.description('Shows what would be done, and changes nothing')),
    command: v.pipe(v.string(), v.description('Restores. For a person, in a terminal.')),
    workflow: v.pipe(
      v.nullable(v.string()),
      v.description('The same in GitHub Actions, where reviewers approve it'),
    ),
    words: v.pipe(
      v.nullable(v.string()),
      v.description(
        'What a person types in place of … in the lines; null: nothing. Never type them for the person.',
      ),
    ),
    sentences: v.pipe(v.array(v.string()), v.description('What to tell the person, in this order')),
  },
  async answer(call) {
    const request = parseRecoveryRequest(fixInputs(call.read, 'restore'), call.context.env);
    const plan = await foreseeRestore({ ...request, target: call.own.target }, call.context);
    return { value: toFields(plan, call.own.digest) };
  },
});

function toFields(plan: RestorePlan, earlier: string | undefined) {
  const { backup, lost, lines } = plan;
  const tables = plan.tables === undefined ? undefined : take(plan.tables, mostTables);
  return {
    digest: plan.digest,
    isSame: earlier === undefined ? null : earlier === plan.digest,
    ...{ madeAt: iso(plan.madeAt), expiresAt: iso(plan.expiresAt), location: plan.location },
    backup: {
      ...{ id: backup.id, kind: backup.kind, label: backup.label, rows: backup.rows, bytes: backup.bytes },
      snapshotAt: iso(backup.snapshotAt),
      ...{ verifiedAt: maybeIso(backup.verifiedAt), damagedAt: maybeIso(backup.damagedAt) },
    },
    ...{ until: plan.until ?? null, target: plan.target },
    tables:
      tables?.shown.map((table) => ({ name: writePattern(table), rows: table.rows, bytes: table.bytes })) ??
      null,
    moreTables: tables?.more ?? 0,
    lost:
      lost === undefined
        ? null
        : {
            from: iso(lost.from),
            milliseconds: lost.milliseconds,
            capturedTransactions: lost.captured?.transactions ?? null,
            capturedChanges: lost.captured?.changes ?? null,
          },
    recovery: toRecovery(plan.recovery),
    settings: [...plan.settings],
    ...{ preview: lines.preview, command: lines.command, workflow: lines.workflow ?? null },
    words: plan.words ?? null,
    sentences: tellPlan(plan),
  };
}

function tellPlan({
  backup,
  until,
  target,
  tables,
  lost,
  recovery,
  words,
  expiresAt,
}: RestorePlan): string[] {
  const what = tables === undefined ? 'Everything' : `${formatCount(tables.length)} of its tables`;
  const point =
    until === undefined ? `as of ${iso(backup.snapshotAt)}` : `as of ${until}, by captured changes`;
  const changes =
    lost?.captured === undefined
      ? ''
      : `, at most ${formatCount(lost.captured.changes)} changes of ${formatCount(lost.captured.transactions)} transactions that were captured`;
  return [
    'Nothing was restored.',
    `${what} of backup ${backup.id} would come back, ${point}.`,
    lost === undefined
      ? target === 'beside'
        ? 'Nothing is lost: the live tables stay as they are.'
        : 'Nothing is lost: what is in use stays where it is.'
      : `Lost is what was committed since ${iso(lost.from)}, the last ${formatAge(lost.milliseconds)}${changes}. The database is backed up before it is emptied.`,
    `${tables === undefined ? 'A recovery takes' : 'All of a backup takes longer than some tables, namely'}: ${toRecovery(recovery).sentence}.`,
    ...(backup.damagedAt === null
      ? []
      : [`THE BACKUP WAS FOUND DAMAGED on ${iso(backup.damagedAt)}: choose another one.`]),
    ...(backup.verifiedAt === null && backup.damagedAt === null
      ? ['The backup was never read back whole.']
      : []),
    ...(words === undefined
      ? []
      : [`A person who is sure types the words ${words} in place of … in the line.`]),
    `The plan holds until ${iso(expiresAt)}.`,
  ];
}
