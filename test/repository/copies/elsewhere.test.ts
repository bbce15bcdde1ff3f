import { beforeEach, describe, expect, it } from 'vitest';
import { manifestKey } from '../../../src/repository/backups/manifests.ts';
import { warnOfBackupsElsewhere } from '../../../src/repository/copies/elsewhere.ts';
import { mirrorTo } from '../../../src/repository/copies/mirror.ts';
import { openRepository, type Repository } from '../../../src/repository/open.ts';
import { appendRecord } from '../../../src/repository/records.ts';
import { StorageError } from '../../../src/runtime/errors.ts';
import { FallbackStorage } from '../../../src/storage/fallback.ts';
import { CollectingLog, createContext } from '../../support/context.ts';
import { ScriptedStorage } from '../../support/scripted-storage.ts';
import { createRepository } from '../example.ts';
import { storeBackup, storeObjects } from './example.ts';

const ids = ['20261120T021700Z-0001', '20261121T021700Z-0001', '20261122T021700Z-0001'] as const;

class TellingLog extends CollectingLog {
  readonly told: string[] = [];
  override info(message?: string): void {
    this.told.push(message ?? '');
  }
}

let first: ScriptedStorage;
let copy: ScriptedStorage;
let log: TellingLog;
let source: Repository;

beforeEach(async () => {
  [first, copy, log] = [new ScriptedStorage(), new ScriptedStorage(), new TellingLog()];
  source = await createRepository(first);
  for (const id of ids) await storeBackup(source, id, await storeObjects(source, 1));
  const options = { whole: true, share: 1, dryRun: false, holder: { id: 'test', name: 'a test' } };
  await mirrorTo(source, { name: 'second', storage: copy }, options, createContext({ now: first.now }));
});

/** As a restore does */
async function warn(patienceMs?: number): Promise<readonly string[]> {
  const all = new FallbackStorage(
    [
      { name: 'first', storage: first },
      { name: 'second', storage: copy },
    ],
    log,
  );
  const repository = await openRepository(all, undefined);
  await warnOfBackupsElsewhere(repository, all.copies, createContext({ log }), patienceMs);
  return log.warnings;
}

const lacking = (count: string, id: string, more = '') =>
  `the copy second (scripted) has ${count} that scripted lacks and no cleanup has removed, the newest ${id}${more}: give its id to use it, or run \`repair\` first`;

describe('backups that only a copy has', () => {
  it('are none while both list the same, or the copy is behind', async () => {
    expect(await warn()).toEqual([]);
    await copy.remove(manifestKey(ids[2]));
    expect(await warn()).toEqual([]);
    expect(log.told).toEqual([]);
  });

  it('are counted and named when the newest of the storage are lost', async () => {
    for (const id of ids.slice(1)) await first.remove(manifestKey(id));
    expect(await warn()).toEqual([lacking('2 backups', ids[2], ', which is newer than any there')]);
  });

  it('are told when an older one is lost, without calling it newer', async () => {
    await first.remove(manifestKey(ids[0]));
    expect(await warn()).toEqual([lacking('1 backup', ids[0])]);
  });

  it('are not told when a cleanup of the storage has removed them', async () => {
    await first.remove(manifestKey(ids[0]));
    await appendRecord(source, 'prunes', new Date(), {
      ...{
        retention: { daily: 1 },
        timeZone: 'UTC',
        objects: { removed: 0, bytes: 0 },
        marked: 0,
        retained: 0,
      },
      removed: [{ id: ids[0], why: 'old' }],
    } as never);
    expect(await warn()).toEqual([]);
  });

  it('are not looked for in a place that holds another repository, which is told', async () => {
    copy = new ScriptedStorage();
    await createRepository(copy);
    expect(await warn()).toEqual([
      expect.stringMatching(/^the copy second \(scripted\) holds another repository than scripted/),
    ]);
    expect(log.told).toEqual([]);
  });

  it.each([
    ['is down', () => Promise.reject(new StorageError('second is down', 'Wait.')), 'second is down'],
    ['hangs', () => new Promise<never>(() => {}), 'no answer within 0.01 seconds'],
  ])('are not waited for where the copy %s', async (_, before, why) => {
    copy.before = before;
    expect(await warn(10)).toEqual([]);
    expect(log.told).toEqual([`it is unknown whether the copy second (scripted) has more backups: ${why}`]);
  });
});
