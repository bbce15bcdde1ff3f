import type { StoredRecord } from '../../repository/records.ts';
import { compare } from '../../values/ordering.ts';

/** Operations that run by schedules and leave a record, besides `backup`, whose runs are told by their type */
const attempted: readonly string[] = ['capture', 'validate', 'drill', 'cleanup', 'mirror', 'repair'];

/**
 * Finds when a run of each kind last ended, however it did: of each type of backups, and of other operations, in
 * the order of their names.
 *
 * @param runs records of runs, oldest first
 */
export function findAttempts(runs: readonly StoredRecord<'runs'>[]): ReadonlyMap<string, Date> {
  const found = new Map<string, Date>();
  for (const { at, content } of runs) {
    if (content.operation === 'backup' && content.backupType !== null) found.set(content.backupType, at);
    else if (attempted.includes(content.operation)) found.set(content.operation, at);
  }
  return new Map([...found].sort(([one], [other]) => compare(one, other)));
}
