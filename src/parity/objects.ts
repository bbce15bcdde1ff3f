import type { Manifest } from '../format/manifest.ts';
import { judge } from './known-differences.ts';
import { absent, type ParityLine } from './line.ts';

/**
 * Kinds whose counts also held objects that pg_dump skips, up to this version of the description (exclusive).
 * They are not compared by number, but by definition.
 */
const countedOtherwise: Readonly<Record<string, number>> = { operator: 2, comment: 3, 'foreign key': 3 };

/** Kinds whose missing objects no definition explains: a different number is always a difference. */
const untold = new Set(['large object']);

/**
 * Compares the number of objects of each kind: a second check, which does not depend on how definitions are
 * described.
 *
 * @param definitions the lines of the definitions: when one is missing for a known reason, the numbers differ
 * for it
 * @param version the version of the description in the backup
 */
export function compareObjects(
  { kind, facts }: Pick<Manifest, 'kind' | 'facts'>,
  found: Readonly<Record<string, number>>,
  definitions: readonly ParityLine[],
  version: number,
): ParityLine[] {
  const kinds = [...new Set([...Object.keys(facts.objects), ...Object.keys(found)])]
    // A backup of definitions holds no large objects.
    .filter((name) => kind !== 'schema' || name !== 'large object')
    .filter((name) => version >= (countedOtherwise[name] ?? 0))
    .sort();
  const known = definitions.some(
    ({ status, why, expected, found: there }) =>
      (status === 'not carried' || (status === 'different' && why !== undefined)) &&
      (expected === absent || there === absent),
  );
  return kinds.map((name) => {
    const [want, have] = [facts.objects[name] ?? 0, found[name] ?? 0];
    return judge(
      { kind: 'count', what: name, expected: String(want), found: String(have) },
      want === have,
      known && !untold.has(name) ? 'the definitions tell which are not carried' : undefined,
    );
  });
}
