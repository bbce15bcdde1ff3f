import { formatBytes, formatCount, formatCounted, formatShare } from '../../../report/quantity.ts';
import type { Section } from '../../../report/section.ts';
import { hasRows, heading, paragraph, tellFollowUp, tellRun, tellTime, toTable } from './cells-report.ts';
import type { Evidence } from './result.ts';

export function describeDisposal({ disposal }: Evidence): Section[] {
  const { rules, cleanups, totals, overdue, gone } = disposal;
  return [
    heading('Retention and disposal'),
    paragraph(
      rules === null
        ? 'What the rules are is not known: no policy was given, and no cleanup is recorded.'
        : `Rules, as the ${rules.source} has them: ${rules.text}; days begin in the time zone ${rules.timeZone}.`,
    ),
    paragraph(
      `In the period ${formatCounted(totals.cleanups, 'cleanup')} removed ${formatCounted(totals.backups, 'backup')} and ${formatCounted(totals.objects, 'object')} with ${formatBytes(totals.bytes)}. ` +
        'Objects go a grace period after the backups that needed them. Retained are files that the storage refused to delete, as a retention lock does; hidden are versions that ' +
        'the storage still keeps. What the storage itself guarantees, its lock and its versions, is to be shown with its provider’s tools.',
    ),
    toTable(
      [
        'cleanup',
        'by',
        'rules',
        'backups removed',
        'objects',
        'freed',
        'waiting',
        'retained',
        'hidden',
        'evidence',
      ],
      cleanups.map((cleanup) => [
        tellTime(cleanup.at),
        cleanup.actor ?? 'not known',
        cleanup.rules,
        cleanup.removed.map(({ id, why }) => `${id}: ${why}`).join('\n') || 'none',
        formatCount(cleanup.objects),
        formatBytes(cleanup.bytes),
        formatCount(cleanup.marked),
        formatCount(cleanup.retained),
        cleanup.hiddenBytes === null ? 'not known' : formatBytes(cleanup.hiddenBytes),
        `${cleanup.evidence}${tellRun(cleanup.run, '\n')}`,
      ]),
      [4, 5, 6, 7, 8],
    ),
    toTable(
      ['ought to be gone', 'taken', 'why', 'evidence'],
      overdue.map(({ id, takenAt, why, evidence }) => [id, tellTime(takenAt), why, evidence]),
    ),
    toTable(
      ['gone without a record', 'named by'],
      gone.map(({ id, evidence }) => [id, evidence.join('\n')]),
    ),
  ].filter(hasRows);
}

export function describeEncryption({ encryption }: Evidence): Section[] {
  const { encrypted, unencrypted, unknown, recipients, keyHeld } = encryption;
  return [
    heading('Encryption'),
    paragraph(
      `Of the backups of the period that are stored, ${formatCount(encrypted)} are encrypted with age and ${formatCount(unencrypted)} are not; of ${formatCount(unknown)} that are gone it is not known. ` +
        'A recipient is a public key: whoever has its identity opens these backups, and nobody else. Manifests, with names of tables and counts, are sealed and not encrypted.',
    ),
    toTable(
      ['who can open: recipient', 'backups'],
      recipients.map(({ recipient, backups }) => [recipient, formatCount(backups)]),
      [1],
    ),
    paragraph(
      keyHeld === 'outside'
        ? 'The key that names objects and seals files is kept outside of the storage. It opens nothing.'
        : 'The key that names objects and seals files lies in the storage: seals show damage, and not a forgery by one who may read and write there. It opens nothing.',
    ),
  ].filter(hasRows);
}

export function describeIntegrity({ integrity }: Evidence): Section[] {
  if (integrity.length === 0)
    return [heading('Integrity'), paragraph('No validation of the period is recorded.')];
  return [
    heading('Integrity'),
    toTable(
      [
        'validation',
        'by',
        'share read',
        'passed',
        'damaged',
        'opened',
        'damaged objects',
        'taken back',
        'evidence',
      ],
      integrity.map((validation) => [
        tellTime(validation.at),
        validation.actor ?? 'not known',
        formatShare(validation.share, 1),
        validation.passed.join('\n'),
        [...validation.damaged, ...validation.damagedChanges].join('\n'),
        formatCount(validation.opened),
        formatCount(validation.damagedObjects),
        validation.retracted.join('\n'),
        `${validation.evidence}${tellRun(validation.run, '\n')}`,
      ]),
      [2, 5, 6],
    ),
  ];
}

export function describeAlarms({ alarms }: Evidence): Section[] {
  const { configured, raised, issues } = alarms;
  return [
    heading('Alarms'),
    paragraph(
      `${configured === null ? 'Which alarms are configured is not known here' : `Configured: ${configured.join(', ') || 'none'}`}. A run that fails, or whose answer is no, raises one where it is; ` +
        'the next success ends it. Whether a message arrived is not recorded. ' +
        (issues === null
          ? 'Which failure issues there were is not known here: it is asked of GitHub with a token.'
          : `Failure issues that were open in the period: ${formatCount(issues.length)}.`),
    ),
    toTable(
      ['failed', 'operation', 'failure class', 'ended by', 'evidence'],
      raised.map((alarm) => [
        tellTime(alarm.at),
        alarm.operation,
        alarm.class,
        tellFollowUp(alarm.endedBy),
        alarm.issue === null ? alarm.evidence : `${alarm.evidence}\nissue #${alarm.issue}`,
      ]),
    ),
    toTable(
      ['issue', 'opened', 'closed', 'title', 'evidence'],
      (issues ?? []).map(({ number, openedAt, closedAt, title, url }) => [
        `#${number}`,
        tellTime(openedAt),
        closedAt === null ? 'open' : tellTime(closedAt),
        title,
        url,
      ]),
    ),
  ].filter(hasRows);
}
