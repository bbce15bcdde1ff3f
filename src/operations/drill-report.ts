import type { DrillInputs } from '../inputs.ts';
import { formatCounted, formatDuration } from '../report/quantity.ts';
import { type Attempt, explainFailure, hasPassed } from './drill-attempt.ts';
import type { Outcome, Section } from './outcome.ts';
import { countNotCarried, describeParity } from './parity-report.ts';

/** @param attempts the chosen backup first, then those before it; the last one is the only one that may have passed */
export function describeDrill(attempts: readonly Attempt[], { rtoTarget }: DrillInputs): Outcome {
  const [chosen] = attempts;
  const last = attempts.at(-1);
  if (chosen === undefined || last === undefined) throw new Error('a drill without an attempt');
  const works = hasPassed(last) ? last : undefined;
  const tooSlow = rtoTarget !== undefined && works?.recovery !== undefined && works.recovery > rtoTarget;
  return {
    exitCode: works === chosen && !tooSlow ? 0 : 3,
    outputs: {
      'backup-id': works?.backup ?? '',
      drill: works === chosen ? 'passed' : works === undefined ? 'failed' : 'fell-back',
      attempts: attempts.length,
      parity: chosen.parity === undefined ? 'skipped' : chosen.parity.equal ? 'equal' : 'different',
      'not-carried': countNotCarried(chosen.parity),
      'recovered-to': works?.until ?? '',
      'recovery-seconds': works?.recovery === undefined ? '' : Math.round(works.recovery / 100) / 10,
      'duration-seconds':
        Math.round(attempts.reduce((sum, { phases }) => sum + (phases.total ?? 0), 0) / 100) / 10,
    },
    report: [
      { kind: 'heading', text: `Drill of backup ${chosen.backup}` },
      ...attempts.flatMap((attempt) => describeAttempt(attempt, attempts.length > 1)),
      { kind: 'paragraph', text: describeVerdict(chosen, works, attempts) },
      ...(tooSlow && rtoTarget !== undefined && works?.recovery !== undefined
        ? [
            {
              kind: 'paragraph' as const,
              text: `TOO SLOW: recovery took ${formatDuration(works.recovery)}, and the target is ${formatDuration(rtoTarget)}.`,
            },
          ]
        : []),
    ],
  };
}

function describeVerdict(chosen: Attempt, works: Attempt | undefined, attempts: readonly Attempt[]): string {
  if (works === undefined) {
    return `FAILED: none of the ${formatCounted(attempts.length, 'backup')} that were tried can be relied upon. Run validate, which finds what is damaged, and a full backup, which stores it anew.`;
  }
  const time = works.recovery === undefined ? '' : ` in ${formatDuration(works.recovery)}`;
  if (works === chosen && works.until !== undefined) {
    return `PASSED: the backup was restored, and changes replayed until ${works.until}${time}; nothing is missing.`;
  }
  if (works === chosen) return `PASSED: the backup was restored${time}, and is what it was.`;
  const takenAt = works.manifest?.source.snapshotAt ?? 'an unknown time';
  return `FAILED: the newest backup that works is ${works.backup} of ${takenAt}; it was restored${time}.`;
}

function describeAttempt(attempt: Attempt, named: boolean): Section[] {
  const failed = attempt.checks.filter((check) => !check.passed);
  return [
    ...(named ? [{ kind: 'heading' as const, text: `Backup ${attempt.backup}` }] : []),
    {
      kind: 'table',
      columns: [{ title: 'phase' }, { title: 'time', align: 'right' }],
      rows: Object.entries(attempt.phases).map(([phase, elapsed]) => [phase, formatDuration(elapsed)]),
    },
    ...(hasPassed(attempt)
      ? []
      : [{ kind: 'paragraph' as const, text: `Failed: ${explainFailure(attempt)}` }]),
    ...(attempt.parity === undefined
      ? []
      : describeParity(attempt.parity, attempt.manifest?.source.snapshotAt)),
    ...(attempt.checks.length === 0
      ? []
      : [
          {
            kind: 'paragraph' as const,
            text: `${attempt.checks.length - failed.length} of ${formatCounted(attempt.checks.length, 'check')} passed.`,
          },
        ]),
    ...(failed.length === 0
      ? []
      : [
          {
            kind: 'table' as const,
            columns: [{ title: 'check that failed' }, { title: 'answer' }],
            rows: failed.map((check) => [check.sql, check.answer ?? '']),
          },
        ]),
  ];
}
