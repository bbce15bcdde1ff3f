import { recordKey } from '../../../repository/records.ts';
import { isWithin } from '../../../values/period.ts';
import type { EvidenceFacts } from './facts.ts';
import type { Evidence } from './result.ts';
import { findDoer, findFollowUp, findIssue, toTime } from './runs.ts';

/** The validations of the period. One that only takes back damage of before reads no backup. */
export function gatherIntegrity({ records, period }: EvidenceFacts): Evidence['integrity'] {
  return records.validations
    .filter(({ at }) => isWithin(at, period))
    .map(({ id, at, content }) => {
      const idsOf = (outcome: 'passed' | 'damaged') =>
        content.backups.filter((backup) => backup.outcome === outcome).map((backup) => backup.id);
      const isCleanup = content.retracted !== undefined && content.retracted.segments === undefined;
      const operation = isCleanup ? 'cleanup' : 'validate';
      const { actor, run } = findDoer([operation], at, records.runs);
      return {
        ...{ evidence: recordKey('validations', id), at: toTime(at), share: content.share },
        ...{ passed: idsOf('passed'), damaged: idsOf('damaged') },
        opened: content.backups.filter(({ opened }) => opened).length,
        damagedObjects: content.damagedObjects.length,
        damagedChanges: (content.damagedSegments ?? []).map(({ key }) => key),
        retracted: content.retracted?.backups ?? [],
        ...{ actor, run },
      };
    });
}

export function gatherPins({ records, period }: EvidenceFacts): Evidence['pins'] {
  return records.pins
    .filter(({ at }) => isWithin(at, period))
    .map(({ id, at, content: { backup, pinned } }) => {
      const { actor, run } = findDoer([pinned ? 'pin' : 'unpin'], at, records.runs);
      return { evidence: recordKey('pins', id), at: toTime(at), backup, pinned, actor, run };
    });
}

/** How what is stored is encrypted, and for whom: a recipient is a public key, and its owner opens the backups. */
export function gatherEncryption(
  { stored, total }: Evidence['backups'],
  facts: EvidenceFacts,
): Evidence['encryption'] {
  const recipients = new Map<string, number>();
  for (const backup of stored)
    for (const recipient of backup.recipients)
      recipients.set(recipient, (recipients.get(recipient) ?? 0) + 1);
  return {
    encrypted: stored.filter(({ encryption }) => encryption !== 'none').length,
    unencrypted: stored.filter(({ encryption }) => encryption === 'none').length,
    unknown: total - stored.length,
    recipients: [...recipients]
      .map(([recipient, backups]) => ({ recipient, backups }))
      .sort((one, other) => (one.recipient < other.recipient ? -1 : 1)),
    keyHeld: facts.repository.keyHeld,
  };
}

/** Operations whose failure raises an alarm where one is configured: pins have none. */
const unannounced: ReadonlySet<string> = new Set(['pin', 'unpin']);

/** Every run that failed or whose answer was no, each of which is what an alarm is raised for */
export function gatherAlarms({ records, period, policy, issues }: EvidenceFacts): Evidence['alarms'] {
  const raised = records.runs.flatMap((run) => {
    const { startedAt, endedAt, operation, failure } = run.content;
    if (failure === null || unannounced.has(operation) || !isWithin(new Date(startedAt), period)) return [];
    return [
      {
        ...{ evidence: recordKey('runs', run.id), at: toTime(endedAt), operation, class: failure.class },
        ...{ endedBy: findFollowUp(run, records.runs), issue: findIssue(run.content.run, issues) },
      },
    ];
  });
  return {
    ...{ configured: policy === undefined ? null : [...policy.alarms], raised },
    issues:
      issues?.map(({ number, url, title, openedAt, closedAt }) => {
        return {
          number,
          url,
          title,
          openedAt: toTime(openedAt),
          closedAt: closedAt ? toTime(closedAt) : null,
        };
      }) ?? null,
  };
}
