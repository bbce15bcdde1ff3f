import type { Manifest } from '../format/manifest.ts';
import { judge } from './known-differences.ts';
import { absent, type ParityLine } from './line.ts';

/** Of these the descriptions below a version counted some that pg_dump passes over; the definitions tell the others. */
const countedOtherwise: Readonly<Record<string, number>> = { operator: 2, comment: 3, 'foreign key': 3 };

/** No definition tells of these: where their number differs, nothing else would show it. */
const untold = new Set(['large object']);

/**
 * Compares how many objects of each kind there are: a second look, which does not depend on how definitions are described.
 *
 * @param definitions the first look: where something is missing for a reason, the numbers cannot be the same
 * @param version of the description in the backup
 */
export function compareObjects(
  { kind, facts }: Pick<Manifest, 'kind' | 'facts'>,
  found: Readonly<Record<string, number>>,
  definitions: readonly ParityLine[],
  version: number,
): ParityLine[] {
  const kinds = [...new Set([...Object.keys(facts.objects), ...Object.keys(found)])]
    // Definitions alone carry no large objects.
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
