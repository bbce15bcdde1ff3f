import path from 'node:path';
import { isSql } from '../../interface/inputs/database-values.ts';
import type { Contradiction } from './contradictions.ts';
import type { WrittenPolicy } from './schema.ts';

/**
 * Finds files that a policy names and the repository does not have. A job of a database with `checks` has a
 * checkout, and reads them from there; a path from the root is of a runner's own disk, which is not here.
 */
export function findMissingFiles(
  { databases, drill }: WrittenPolicy,
  hasFile: (path: string) => boolean,
): Contradiction[] {
  const named = [
    ...Object.entries(databases).map(([name, { checks }]) => ({
      path: ['databases', name, 'checks'] as const,
      checks,
    })),
    { path: ['drill', 'checks'] as const, checks: drill?.checks },
  ];
  return named.flatMap(({ path: keys, checks }): Contradiction[] => {
    const file = checks?.trim() ?? '';
    if (file === '' || isSql(file) || path.isAbsolute(file) || hasFile(file)) return [];
    const message =
      'is neither a SELECT nor a file of this repository. Write one SELECT a line, each of which must return true, or the path of a file with them from the root of the repository';
    return [{ path: keys, message }];
  });
}
