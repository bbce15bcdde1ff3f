import { beforeEach, describe, expect, it } from 'vitest';
import type { Repository } from '../../src/repository/open.ts';
import { appendRecord, type RecordKind, readRecords } from '../../src/repository/records.ts';
import { sealContent } from '../../src/repository/signature.ts';
import { IntegrityError, StorageError } from '../../src/runtime/errors.ts';
import { createRepository } from './example.ts';

let repository: Repository;
let damaged: string[];
beforeEach(async () => {
  repository = await createRepository();
  damaged = [];
});

const backup = '20261120T021700Z-7f3a';
const pin = { backup, pinned: true };
const at = new Date('2026-11-20T02:17:00.250Z');
const read = <Kind extends RecordKind>(kind: Kind) =>
  readRecords(repository, kind, (error) => {
    expect(error).toBeInstanceOf(IntegrityError);
    damaged.push(error.message);
  });

async function listKeys(prefix = 'records/'): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of repository.storage.list(prefix)) keys.push(key);
  return keys;
}

describe('records', () => {
  it('come back as they were written, with their time to the millisecond', async () => {
    const prune = {
      retention: { daily: 7, within: '30d' },
      timeZone: 'Europe/Berlin',
      removed: [{ id: backup, why: 'no rule keeps it' }],
      objects: { removed: 3, bytes: 1000 },
      marked: 2,
      retained: 0,
    };
    const validation = {
      share: 0.1,
      backups: [{ id: backup, outcome: 'damaged' as const, opened: false }],
      damagedObjects: ['a'.repeat(64)],
    };
    await appendRecord(repository, 'pins', at, pin);
    await appendRecord(repository, 'prunes', at, prune);
    await appendRecord(repository, 'validations', at, validation);
    const id = expect.stringMatching(/^20261120T021700Z-[0-9a-f]{4}$/);
    expect(await read('pins')).toEqual([{ id, at, storedAt: expect.any(Date), content: pin }]);
    expect(await read('prunes')).toEqual([{ id, at, storedAt: expect.any(Date), content: prune }]);
    expect(await read('validations')).toEqual([{ id, at, storedAt: expect.any(Date), content: validation }]);
    expect(damaged).toEqual([]);
  });

  it('are read since a time and the newest alone, and what that leaves out is counted', async () => {
    const times = [5, 4, 3, 2, 1].map((hours) => new Date(at.getTime() - hours * 3_600_000));
    for (const time of times) await appendRecord(repository, 'pins', time, pin);
    const unread: number[] = [];
    const onUnread = (count: number) => void unread.push(count);
    const since = (hours: number, newest?: number) =>
      readRecords(repository, 'pins', fail, {
        since: new Date(at.getTime() - hours * 3_600_000),
        ...(newest === undefined ? {} : { newest }),
        onUnread,
      });
    const fail = (error: IntegrityError) => {
      throw error;
    };
    const timesOf = (records: Awaited<ReturnType<typeof since>>) => records.map((record) => record.at);
    expect(timesOf(await since(4))).toEqual(times.slice(1));
    expect(timesOf(await since(4, 2))).toEqual(times.slice(3));
    expect(timesOf(await since(0))).toEqual([]);
    expect(unread).toEqual([0, 2, 0]);
  });

  it('are named by their second', async () => {
    await appendRecord(repository, 'pins', at, pin);
    expect(await listKeys()).toEqual([
      expect.stringMatching(/^records\/pins\/20261120T021700Z-[0-9a-f]{4}\.json$/),
    ]);
  });

  it('are ordered by time, also within a second', async () => {
    const times = [700, 20, 5000, 300].map((ms) => new Date(at.getTime() + ms));
    for (const time of times) await appendRecord(repository, 'pins', time, pin);
    const sorted = times.toSorted((one, other) => one.getTime() - other.getTime());
    expect((await read('pins')).map((record) => record.at)).toEqual(sorted);
  });

  it('are many: more than are read at once', async () => {
    for (let second = 0; second < 100; second++) {
      await appendRecord(repository, 'pins', new Date(at.getTime() + second * 1000), pin);
    }
    expect(await read('pins')).toHaveLength(100);
  });

  it('are read from the newest on when so many are enough', async () => {
    const times = [3, 1, 4, 2].map((seconds) => new Date(at.getTime() + seconds * 1000));
    for (const time of times) await appendRecord(repository, 'pins', time, pin);
    const newest = await readRecords(repository, 'pins', (error) => damaged.push(error.message), {
      newest: 2,
    });
    expect(newest.map((record) => record.at)).toEqual([times[0], times[2]]);
  });

  it('are read from a second on when older ones are of no interest', async () => {
    const times = [3, 1, 4, 2].map((seconds) => new Date(at.getTime() + seconds * 1000));
    for (const time of times) await appendRecord(repository, 'pins', time, pin);
    const since = new Date(at.getTime() + 3000);
    const newer = await readRecords(repository, 'pins', (error) => damaged.push(error.message), { since });
    expect(newer.map((record) => record.at)).toEqual([times[0], times[2]]);
  });

  it('of none are none', async () => {
    expect(await read('pins')).toEqual([]);
  });

  it('get another name when theirs is taken', async () => {
    const create = repository.storage.create.bind(repository.storage);
    let refusals = 3;
    repository.storage.create = async (key, value) => (refusals-- > 0 ? false : create(key, value));
    await appendRecord(repository, 'pins', at, pin);
    expect(await read('pins')).toHaveLength(1);
  });

  it('are given up when every name is taken', async () => {
    repository.storage.create = async () => false;
    await expect(appendRecord(repository, 'pins', at, pin)).rejects.toThrow(StorageError);
  });
});

describe('a record that is not to be believed is reported and ignored:', () => {
  const place = (name: string, bytes: Buffer) => repository.storage.put(`records/pins/${name}`, bytes);
  const content = { format: 1, id: '20261120T021700Z-0000', at: at.toISOString(), content: pin };

  beforeEach(() => appendRecord(repository, 'pins', at, pin));

  it.each([
    ['cut off', () => sealContent(repository, 'record pins', content).subarray(0, -20)],
    ['empty', () => Buffer.alloc(0)],
    ['without a seal', () => Buffer.from(JSON.stringify(content))],
    ['of another kind', () => sealContent(repository, 'record validations', content)],
    ['a manifest', () => sealContent(repository, 'manifest', content)],
    ['of a later format', () => sealContent(repository, 'record pins', { ...content, format: 2 })],
    [
      'without what its kind must have',
      () => sealContent(repository, 'record pins', { ...content, content: { backup } }),
    ],
    [
      'a copy under a newer name',
      () => sealContent(repository, 'record pins', { ...content, id: '20261119T000000Z-0000' }),
    ],
  ])('%s', async (_what, make) => {
    await place('20261120T021700Z-0000.json', make());
    expect(await read('pins')).toHaveLength(1);
    expect(damaged).toEqual([expect.stringContaining('records/pins/20261120T021700Z-0000.json')]);
  });

  it('sealed by another repository', async () => {
    const other = await createRepository();
    await place('20261120T021700Z-0000.json', sealContent(other, 'record pins', content));
    expect(await read('pins')).toHaveLength(1);
    expect(damaged).toHaveLength(1);
  });

  it('but not what lies there and is no record', async () => {
    await place('notes.txt', Buffer.from('mine'));
    await place('20261120T021700Z-0000.json.tmp', Buffer.from(''));
    expect(await read('pins')).toHaveLength(1);
    expect(damaged).toEqual([]);
  });

  it('and a storage that fails is no damaged record', async () => {
    const failing = new StorageError('the network is down', 'Try again.');
    repository.storage.get = () => Promise.reject(failing);
    await expect(read('pins')).rejects.toBe(failing);
  });
});
