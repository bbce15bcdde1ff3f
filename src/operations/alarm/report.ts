import type { Outcome } from '../../interface/outcome.ts';
import type { HeardJobs } from './result.ts';

export function describeHeard({ operation, jobs }: HeardJobs): Outcome {
  const results = jobs.map(({ id, result }) => `${id}: ${result}`).join(', ');
  return {
    exitCode: 0,
    outputs: {},
    report: [
      { kind: 'heading', text: `No alarm of ${operation}`, tone: 'good' },
      { kind: 'paragraph', text: `No job ended without having told how ${operation} went (${results}).` },
    ],
  };
}
