import * as v from 'valibot';
import { count, maybeIso, maybeTime } from '../../../interface/fields.ts';
import { readManaged } from '../../../operations/managed/read.ts';
import { findEnds, isSound, type Managed } from '../../../operations/managed/result.ts';
import { defineTool } from '../tool.ts';
import { findingSchema, listFindings, maybeCount, recoverySchema, toRecovery } from './fields.ts';
import { parseFor } from './parsed-inputs.ts';

const losses = ['newest-point', 'older-point', 'whole-project', 'part', 'deleted-project'] as const;
const betters = ['platform', 'repository', 'both', 'neither', 'not measured'] as const;

export const managedShow = defineTool({
  name: 'managed_show',
  title: 'Backups by the platform',
  description:
    "Tells how Supabase's own backups of the project stand beside those of the repository: which of them there are, how far back they reach, what is wrong, and which layer brings back what better. " +
    'Asks the Management API, reads the storage, and changes nothing.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  inputs: ['max-age'],
  own: {},
  output: {
    projectRef: v.string(),
    status: v.picklist(['healthy', 'broken']),
    findings: v.array(findingSchema),
    projectStatus: v.pipe(
      v.nullable(v.string()),
      v.description('In the words of the platform; null: not read'),
    ),
    plan: v.nullable(v.string()),
    layer: v.pipe(
      v.picklist(['daily', 'pitr', 'none', 'unread']),
      v.description('`pitr`: any second of a window. `none`: nothing that its owner could restore.'),
    ),
    from: maybeTime,
    to: maybeTime,
    backups: v.pipe(maybeCount, v.description('Daily ones; null: not counted')),
    retentionDays: v.nullable(v.number()),
    pitrDays: v.nullable(v.number()),
    scheduleUtc: v.nullable(v.string()),
    repository: v.nullable(
      v.strictObject({
        location: v.string(),
        newest: maybeTime,
        oldest: maybeTime,
        capturesChanges: v.boolean(),
        backups: count,
        recovery: recoverySchema,
      }),
    ),
    choices: v.pipe(
      v.array(v.strictObject({ loss: v.picklist(losses), better: v.picklist(betters) })),
      v.description('Which layer to take for a loss; empty without a second layer'),
    ),
  },
  async answer(call) {
    return { value: toFields(await readManaged(parseFor('managed', call), call.context)) };
  },
});

function toFields(managed: Managed) {
  const { facts, platform, own, choices = [] } = managed;
  const { project, plan, entitlements, pitrDays, schedule } = facts;
  const ends = findEnds(platform);
  return {
    projectRef: facts.ref,
    status: isSound(managed) ? ('healthy' as const) : ('broken' as const),
    findings: listFindings(managed.findings),
    projectStatus: project.kind === 'read' ? project.value.status : null,
    plan: plan.kind === 'read' ? plan.value : null,
    layer: platform.kind,
    ...{ from: maybeIso(ends?.oldest), to: maybeIso(ends?.newest) },
    backups: platform.kind === 'daily' ? platform.count : platform.kind === 'none' ? 0 : null,
    retentionDays: entitlements.kind === 'read' ? (entitlements.value.retentionDays ?? null) : null,
    pitrDays: pitrDays.kind === 'read' ? (pitrDays.value ?? 0) : null,
    scheduleUtc: schedule.kind === 'read' ? schedule.value : null,
    repository:
      own === undefined
        ? null
        : {
            ...{ location: own.location, newest: maybeIso(own.newest), oldest: maybeIso(own.oldest) },
            ...{ capturesChanges: own.isCaptured, backups: own.backups, recovery: toRecovery(own.recovery) },
          },
    choices: choices.map(({ loss, better }) => ({ loss, better })),
  };
}
