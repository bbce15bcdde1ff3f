import { type NamedRecord, recordKey } from '../../../repository/records.ts';
import { isWithin } from '../../../values/period.ts';
import { judge } from '../objective.ts';
import { takenAt } from './backups.ts';
import type { EvidenceFacts } from './facts.ts';
import type { DrillEvidence, RestoreEvidence } from './result.ts';
import { addressOf, findDoer, toTime } from './runs.ts';

/** The drills of the period, and what each measured against its targets. */
export function gatherDrills(facts: EvidenceFacts): DrillEvidence[] {
  const { drills } = facts.records;
  return drills
    .filter(({ at }) => isWithin(at, facts.period))
    .map((drill) => {
      const { content } = drill;
      const { rtoTarget } = content;
      const next = drills.find(({ at, content: other }) => at > drill.at && other.outcome === 'passed');
      return {
        ...describeRecovery('drills', drill, facts),
        ...findDoer(
          ['drill', 'restore'],
          drill.at,
          facts.records.runs,
          ({ backup }) => backup === content.backup,
        ),
        target: content.server ?? null,
        rto: judge(rtoTarget === undefined ? facts.targets.rto : rtoTarget, content.recovery),
        scope: 'whole backup' as const,
        ...{ outcome: content.outcome, fault: content.fault ?? null },
        parity: content.parity === null ? 'not compared' : content.parity ? 'equal' : 'different',
        checks: content.checks,
        nextPassed:
          content.outcome === 'passed' || next === undefined
            ? null
            : { evidence: recordKey('drills', next.id), at: toTime(next.at) },
      };
    });
}

/** The restores of the period: who restored what, where, and who approved it. */
export function gatherRestores(facts: EvidenceFacts): RestoreEvidence[] {
  return facts.records.restores
    .filter(({ at }) => isWithin(at, facts.period))
    .map((restore) => {
      const { content } = restore;
      const doer = findDoer(
        ['restore'],
        restore.at,
        facts.records.runs,
        ({ backup }) => backup === content.backup,
      );
      const url = addressOf(content.run) ?? doer.run?.url;
      const measured = content.outcome === 'failed' ? null : measureRestore(content.phases);
      return {
        ...describeRecovery('restores', restore, facts),
        ...{
          ...doer,
          actor: content.actor,
          run: doer.run ?? (url === undefined ? null : { url, attempt: null }),
        },
        target: content.target,
        rto: judge(facts.targets.rto, measured),
        scope: content.whole ? 'whole backup' : 'a part',
        ...{ targetKind: content.kind ?? null, environment: content.environment ?? null },
        wordsTyped: content.confirmed ?? null,
        safetyBackup: content.safetyBackup ?? null,
        triedBefore: content.staging ?? [],
        outcome: content.outcome,
        approvals: (url === undefined ? undefined : facts.approvals.get(url))?.map(copyApproval) ?? null,
      };
    });
}

function describeRecovery(
  kind: 'drills' | 'restores',
  { id, at, content }: NamedRecord<'drills'> | NamedRecord<'restores'>,
  { catalog, targets }: EvidenceFacts,
) {
  const { backup, phases, why, recoveredTo = null } = content;
  const taken = takenAt(backup, catalog);
  const startedAt = phases.total === undefined ? null : new Date(at.getTime() - phases.total);
  const point = recoveredTo === null ? taken : new Date(recoveredTo);
  const lost = startedAt === null ? null : Math.max(0, startedAt.getTime() - point.getTime());
  return {
    evidence: recordKey(kind, id),
    ...{ backup, backupTakenAt: toTime(taken) },
    startedAt: startedAt === null ? null : toTime(startedAt),
    endedAt: toTime(at),
    ...{ recoveredTo, rpo: judge(targets.rpo, lost), why, phases },
  };
}

/** Milliseconds until the database could have been used, as a drill measures them: without the comparison */
function measureRestore({ total, parity = 0 }: Readonly<Record<string, number>>): number | null {
  return total === undefined ? null : Math.max(0, total - parity);
}

function copyApproval({
  by,
  state,
  environments,
}: {
  by: string;
  state: string;
  environments: readonly string[];
}) {
  return { by, state, environments: [...environments] };
}
