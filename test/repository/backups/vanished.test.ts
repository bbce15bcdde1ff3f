import { beforeEach, describe, expect, it } from 'vitest';
import { findVanished } from '../../../src/repository/backups/vanished.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { appendRecord } from '../../../src/repository/records.ts';
import { createRepository } from '../../repository/example.ts';

const [first, second, third] = ['20261101T020000Z-0001', '20261102T020000Z-0002', '20261103T020000Z-0003'];

let repository: Repository;
beforeEach(async () => {
  repository = await createRepository();
});

/** Records a cleanup of a day in November. */
function clean(day: number, kept: readonly string[], removed: readonly string[] = []): Promise<void> {
  return appendRecord(repository, 'prunes', new Date(Date.UTC(2026, 10, day, 6)), {
    ...{ retention: { daily: 7 }, timeZone: 'UTC', kept: [...kept], marked: 0, retained: 0 },
    removed: removed.map((id) => ({ id, why: 'no rule keeps it' })),
    objects: { removed: 0, bytes: 0 },
  });
}

const find = (...listed: readonly string[]) =>
  findVanished(repository, new Set(listed), (error) => expect(error).toBeUndefined());

describe('a backup that is not listed', () => {
  it('has vanished where a cleanup had left it, or a later record names it, and none has removed it', async () => {
    await clean(3, [first, second]);
    await appendRecord(repository, 'pins', new Date('2026-11-04'), { backup: third, pinned: true });
    expect(await find(first, second, third)).toEqual([]);
    expect(await find(second)).toEqual([first, third]);
    await clean(5, [second], [first]);
    expect(await find(second)).toEqual([]);
  });

  it('was removed by a cleanup of this copy, also where a later one of the source had left it there', async () => {
    await clean(4, [second, third], [first]);
    // The record of a cleanup of the source, which keeps more, comes with the next mirror.
    await clean(5, [first, second, third]);
    expect(await find(second, third)).toEqual([]);
    expect(await find(third)).toEqual([second]);
    for (let day = 6; day < 26; day++) await clean(day, [first, second, third]);
    expect(await find(second, third)).toEqual([]);
  });

  it('was removed also where an older validation is mirrored after the cleanup', async () => {
    await clean(4, [second], [first]);
    await appendRecord(repository, 'validations', new Date('2026-11-05'), {
      ...{ share: 1, damagedObjects: [] },
      backups: [{ id: first, outcome: 'passed', opened: false }],
    });
    await clean(3, [first, second]);
    expect(await find(second)).toEqual([]);
  });
});

it('cleanups are read only where a backup is missing, and since it was made', async () => {
  for (let day = 1; day < 29; day++) await clean(day, [third]);
  const read: string[] = [];
  const { get } = repository.storage;
  repository.storage.get = (key, ...rest) => {
    read.push(key);
    return get.call(repository.storage, key, ...rest);
  };
  await find(third);
  expect(read.length).toBeLessThan(10);
  expect(await find()).toEqual([third]);
  // What was cleaned up a day and more before the backup was made can not have removed it.
  expect(read.some((key) => key.startsWith('records/prunes/20261101'))).toBe(false);
  expect(read.some((key) => key.startsWith('records/prunes/20261105'))).toBe(true);
});
