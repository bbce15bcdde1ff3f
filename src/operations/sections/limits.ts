import { formatAge } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { Ages, JudgedLimit } from '../../repository/backups/freshness.ts';

/** Renders ages as outputs for scripts: whole seconds; empty when the event never happened. */
export function tellAges({ newest, verified, drilled }: Ages): Record<string, string | number> {
  const seconds = (age: number | undefined) => (age === undefined ? '' : Math.floor(age / 1000));
  return {
    'age-seconds': seconds(newest),
    'verified-age-seconds': seconds(verified),
    'drilled-age-seconds': seconds(drilled),
  };
}

const questions: Readonly<Record<JudgedLimit['input'], string>> = {
  'max-age': 'age of the newest backup',
  'verified-within': 'since a backup was verified',
  'drilled-within': 'since a drill passed',
};

/**
 * @param newestPoint the point whose age max-age limits: the newest backup, or the newest point that captured
 *   changes reach
 */
export function describeLimits(
  limits: readonly JudgedLimit[],
  newestPoint: 'backup' | 'changes' = 'backup',
): Section {
  const ask = (input: JudgedLimit['input']) =>
    input === 'max-age' && newestPoint === 'changes'
      ? 'age of the newest point to go back to'
      : questions[input];
  return {
    kind: 'table',
    columns: [
      { title: 'limit' },
      { title: 'what' },
      { title: 'at most', align: 'right' },
      { title: 'is', align: 'right' },
      { title: '' },
    ],
    rows: limits.map(({ input, limit, age, met }) => [
      input,
      ask(input),
      formatAge(limit),
      age === undefined ? (input === 'max-age' ? 'there is none' : 'never') : formatAge(age),
      met ? (age === undefined ? 'not due yet' : 'met') : 'BROKEN',
    ]),
  };
}
