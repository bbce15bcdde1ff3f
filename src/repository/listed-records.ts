import { compare } from '../values/ordering.ts';
import { timedId } from '../values/timed-id.ts';
import type { Repository } from './open.ts';

/** A record's id; that of a run has twelve digits more. Without a capturing group. */
export const recordId = `${timedId}(?:[0-9a-f]{12})?`;

/** A record by its name, before it is read */
export interface ListedRecord {
  readonly id: string;
  readonly storedAt: Date;
  /** bytes */
  readonly size: number;
}

/**
 * Lists the records of one kind by their names, oldest first.
 *
 * @param stamps beginnings of the names that are asked for, such as `20261120`; by default all
 */
export async function listRecords(
  repository: Repository,
  kind: string,
  stamps: readonly string[] = [''],
): Promise<ListedRecord[]> {
  const pattern = new RegExp(`^records/${kind}/(${recordId})\\.json$`);
  const found = await Promise.all(
    stamps.map(async (stamp) => {
      const records: ListedRecord[] = [];
      for await (const { key, modifiedAt, size } of repository.storage.list(`records/${kind}/${stamp}`)) {
        const id = pattern.exec(key)?.[1];
        if (id !== undefined) records.push({ id, storedAt: modifiedAt, size });
      }
      return records;
    }),
  );
  return found.flat().sort((one, other) => compare(one.id, other.id));
}
