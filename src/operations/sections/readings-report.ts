import type { Outcome } from '../../interface/outcome.ts';
import { formatCounted } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { CopyAnswer, FallbackReason } from '../../storage/fallback.ts';

/**
 * Adds to an outcome which copies were read from in place of the first storage, and why: to the output
 * `read-from`, and as a paragraph below the heading. Nothing where the first storage gave everything.
 */
export function withReadings(outcome: Outcome, answers: readonly CopyAnswer[] = []): Outcome {
  if (answers.length === 0) return outcome;
  const [heading, ...rest] = outcome.report;
  return {
    ...outcome,
    outputs: { ...outcome.outputs, 'read-from': answers.map(({ name }) => name).join(', ') },
    report: [...(heading === undefined ? [] : [heading]), ...answers.map(describeAnswer), ...rest],
  };
}

const reasons: Readonly<Record<FallbackReason, string>> = {
  unreachable: 'while the storage could not be reached',
  missing: 'of what the storage lacks',
  damaged: 'of what is damaged in the storage',
  withheld: 'of what the storage does not give out',
};

function describeAnswer({ name, location, readings }: CopyAnswer): Section {
  const copy = name === location ? name : `${name} (${location})`;
  const told = (['unreachable', 'missing', 'damaged', 'withheld'] as const)
    .filter((reason) => readings[reason] > 0)
    .map((reason) => `${formatCounted(readings[reason], 'reading')} ${reasons[reason]}`);
  const next =
    readings.unreachable > 0
      ? 'Look why the storage does not answer.'
      : '`repair` brings the storage back to what its copies have.';
  return { kind: 'paragraph', text: `READ FROM THE COPY ${copy}: ${told.join(', ')}. ${next}` };
}
