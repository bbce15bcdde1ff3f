import type { Section } from '../../report/section.ts';
import type { RetentionDecision } from '../../repository/retention/policy.ts';

/** Says by which rules each backup stays, or why none keeps it; folded, for the lists are long. */
export function describeReasons(decisions: readonly RetentionDecision<{ readonly id: string }>[]): Section {
  return {
    kind: 'details',
    title: 'Why each backup is kept or not',
    sections: [
      {
        kind: 'table',
        columns: [{ title: 'id', code: true }, { title: 'kept by' }],
        rows: decisions.map(({ backup, keep, reasons }) => [
          backup.id,
          `${keep ? '' : 'nothing: '}${reasons.join(', ')}`,
        ]),
      },
    ],
  };
}
