import type { Answer, Freshness } from '../format/supplement.ts';
import { judge, type KnownDifference } from './known-differences.ts';
import type { ParityLine } from './line.ts';
import type { ParityScope } from './scope.ts';

/** The newest value of a freshness column in the target, or why it cannot be read */
export type FreshnessFound = { readonly newest: string | null } | { readonly refused: string };

/**
 * Compares the newest values of the freshness columns.
 *
 * @param found in the order of `expected`
 */
export function compareFreshness(
  expected: readonly Freshness[],
  found: readonly FreshnessFound[],
  known: KnownDifference,
): ParityLine[] {
  return expected.map(({ schema, table, column, newest }, index) => {
    const there = found[index] ?? { refused: 'not asked' };
    const text = 'refused' in there ? there.refused : (there.newest ?? noRows);
    return judge(
      { kind: 'newest value', what: `${schema}.${table}.${column}`, expected: newest ?? noRows, found: text },
      !('refused' in there) && there.newest === newest,
      known({ kind: 'table', schema, relation: null, name: table }),
    );
  });
}

const noRows = 'no rows';

/**
 * Compares the answers to the checks that the backup recorded with the target's answers now.
 *
 * @param found in the order of `expected`; empty when the questions were not asked again
 */
export function compareAnswers(
  expected: readonly Answer[],
  found: readonly Answer[],
  { whole }: Pick<ParityScope, 'whole'>,
): ParityLine[] {
  return expected.map((answer, index) => {
    const again = found[index];
    const line = {
      kind: 'check',
      what: answer.sql,
      expected: describeAnswer(answer),
      found: again === undefined ? 'not asked' : describeAnswer(again),
    };
    const failed = answer.digest === null;
    const equal = !failed && again?.digest === answer.digest && again.rows === answer.rows;
    return judge(line, equal, explain(failed, whole));
  });
}

function explain(failed: boolean, whole: boolean): string | undefined {
  if (failed) return 'it failed at the source';
  return whole ? undefined : 'only a part was restored';
}

/** Characters of the first rows that are shown; a job summary may be public. */
const shown = 100;

function describeAnswer({ rows, digest, sample }: Answer): string {
  const text = sample.length > shown ? `${sample.slice(0, shown)}…` : sample;
  if (digest === null || rows === null) return `failed: ${text}`;
  return `${rows} ${rows === 1 ? 'row' : 'rows'}, ${digest.slice(0, 8)}…: ${text}`;
}
