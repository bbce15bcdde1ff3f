import type { Estimate } from '../../interface/estimate.ts';
import type { Outcome } from '../../interface/outcome.ts';
import { describeEstimate, tellEstimate } from '../sections/estimate.ts';

export function reportEstimate(estimate: Estimate): Outcome {
  return {
    exitCode: 0,
    outputs: tellEstimate(estimate),
    report: [
      { kind: 'heading', text: `Backups of ${estimate.database}: an estimate` },
      ...describeEstimate(estimate),
    ],
  };
}
