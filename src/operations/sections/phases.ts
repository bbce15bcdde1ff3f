import { formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';

/** Milliseconds below which a phase is told as 0 ms: it did not happen, and a line of it says nothing. */
const shortest = 0.5;

/**
 * Folds the times of phases under their sum.
 *
 * @param phases milliseconds; `total`, where there is one, is the sum
 */
export function describePhases({ total, ...phases }: Readonly<Record<string, number>>): Section[] {
  const took = Object.entries(phases).filter(([, elapsed]) => elapsed >= shortest);
  if (took.length === 0) return [];
  const sum = total ?? took.reduce((all, [, elapsed]) => all + elapsed, 0);
  return [
    {
      kind: 'details',
      title: `Times of the phases, ${formatDuration(sum)} in all`,
      sections: [
        {
          kind: 'table',
          columns: [{ title: 'phase' }, { title: 'time', align: 'right' }],
          rows: took.map(([phase, elapsed]) => [phase, formatDuration(elapsed)]),
        },
      ],
    },
  ];
}
