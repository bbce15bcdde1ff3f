import type { Estimate } from '../../interface/estimate.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { formatAmount, formatBytes } from '../../report/quantity.ts';
import { describeEstimate, tellEstimate } from '../sections/estimate.ts';

export function reportEstimate(estimate: Estimate): Outcome {
  return {
    exitCode: 0,
    outputs: tellEstimate(estimate),
    report: [
      {
        kind: 'heading',
        text: `Backups of ${estimate.database}: an estimate of ${formatBytes(estimate.size.storedBytes)} each, ${formatAmount(estimate.storage.mostCost)} a month for storage`,
        tone: 'good',
      },
      ...describeEstimate(estimate),
    ],
  };
}
