import type { Session } from './connection.ts';
import { type Definition, readDefinitions } from './definitions.ts';
import { firstUserOid } from './facts.ts';
import { readLargeObjects } from './large-objects.ts';
import { laterOwner } from './ownership-queries.ts';
import { readSystemRights } from './system-rights.ts';

/** Raised when more is told of a database than before: what an older description lacks is then no difference. */
const version = '2';

/**
 * All that is told of a database for a comparison: its definitions, and besides them what no change of rows depends on.
 *
 * @param session in a transaction with one snapshot, and as of `readDefinitions`
 * @param other the description of the database that it is to be compared with
 */
export async function readDescription(
  session: Session,
  other: readonly Definition[] = [],
): Promise<Definition[]> {
  return [
    { kind: 'description', schema: null, relation: null, name: '', detail: version },
    ...(await readDefinitions(session)),
    ...(await readLargeObjects(session)),
    ...(await readSystemRights(session, other)),
  ];
}

/** Kinds that `readDefinitions` does not tell: rows can be replayed on a database whatever these are. */
export const besideDefinitions: ReadonlySet<string> = new Set(['description', 'large object', 'rights']);

/** Whether it was made before descriptions said which version they have. */
export function isFirstVersion(description: readonly Definition[]): boolean {
  return description.every(({ kind }) => kind !== 'description');
}

const laterKinds: ReadonlySet<string> = new Set([
  'description',
  'large object',
  'rights',
  'grant option',
  'column order',
  'tablespace',
  'operator family members',
  'database',
]);

/** Whether a description of the first version, which does not say that it is one, has no such line. */
function cameLater({ kind, name }: Definition): boolean {
  if (kind === 'owner') return laterOwner.test(name);
  const ofLargeObject = /^large object (\d+)$/.exec(name)?.[1];
  return laterKinds.has(kind) || (kind === 'comment' && Number(ofLargeObject) < firstUserOid);
}

/** Of two descriptions what both can tell, without the lines that tell of themselves. */
export function matchDescriptions(
  expected: readonly Definition[],
  found: readonly Definition[],
): { readonly expected: readonly Definition[]; readonly found: readonly Definition[] } {
  const isOld = isFirstVersion(expected);
  return {
    expected: expected.filter(({ kind }) => kind !== 'description'),
    found: found.filter((line) => line.kind !== 'description' && !(isOld && cameLater(line))),
  };
}
