import { readSegments, type Segment } from '../../src/repository/changes/segments.ts';
import { createReader } from '../../src/repository/objects/store.ts';
import { openRepository } from '../../src/repository/open.ts';
import type { Storage } from '../../src/storage/storage.ts';

/** All segments of a repository, by chain and position. */
export async function listSegments(storage: Storage): Promise<Segment[]> {
  const repository = await openRepository(storage, undefined);
  return readSegments(repository, (error) => {
    throw error;
  });
}

/** The decoded text of segments, a line for each change, COPY's escapes included. */
export async function readLines(storage: Storage, segments: readonly Segment[]): Promise<string[]> {
  const repository = await openRepository(storage, undefined);
  const lines: string[] = [];
  for (const segment of segments) {
    const reader = createReader(repository, segment, []);
    const parts: Buffer[] = [];
    for (const object of segment.objects) parts.push(await reader.read(object));
    const text = Buffer.concat(parts).toString('utf8');
    lines.push(...text.split('\n').slice(0, -1));
  }
  return lines;
}

/** The values of the first column of all rows that were inserted into a table, in the order of the log. */
export function findInserted(lines: readonly string[], table: string): number[] {
  return lines.flatMap((line) => {
    const [, id] = line.match(/table (\S+: INSERT: \w+\[integer\]:(\d+))/)?.[1]?.startsWith(`${table}: `)
      ? (/INSERT: \w+\[integer\]:(\d+)/.exec(line) ?? [])
      : [];
    return id === undefined ? [] : [Number(id)];
  });
}
