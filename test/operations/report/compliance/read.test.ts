import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ReportInputs } from '../../../../src/interface/inputs/types.ts';
import { readEvidence } from '../../../../src/operations/report/compliance/read.ts';
import { readCatalog } from '../../../../src/repository/backups/catalog.ts';
import { manifestKey, writeManifest } from '../../../../src/repository/backups/manifests.ts';
import type { Repository } from '../../../../src/repository/open.ts';
import { appendRecord } from '../../../../src/repository/records.ts';
import { readPeriod } from '../../../../src/values/period.ts';
import { createRepository, makeManifest } from '../../../repository/example.ts';
import { createContext } from '../../../support/context.ts';

const now = new Date('2026-11-30T12:00:00Z');
const context = createContext({ now: () => now, env: { GITHUB_ACTOR: 'auditor' } });
const manifest = makeManifest({ notCarried: [{ what: 'a', why: 'b', remedy: 'c' }] });
const pin = { backup: manifest.id, pinned: true };
const prune = {
  retention: { daily: 7 },
  timeZone: 'UTC',
  removed: [],
  objects: { removed: 0, bytes: 0 },
  marked: 0,
  retained: 0,
};
let repository: Repository;

async function read(period: string, inputs: Partial<ReportInputs> = {}) {
  const catalog = await readCatalog(repository, { onDamaged: () => undefined });
  const asked = { ...inputs, period: readPeriod(period) } as ReportInputs;
  const known = {
    name: 'shop',
    keyHeld: 'repository' as const,
    catalog,
    changes: { stored: [], replayable: [] },
    manifest,
    managed: undefined,
  };
  return readEvidence(repository, asked, known, context);
}

beforeEach(async () => {
  repository = await createRepository();
  for (const { name, stored } of manifest.objects)
    await repository.storage.put(`objects/${name.slice(0, 2)}/${name}`, Buffer.alloc(stored));
  await writeManifest(repository, manifest);
  await appendRecord(repository, 'prunes', new Date('2026-10-20T06:00:00Z'), prune);
  await appendRecord(repository, 'pins', new Date('2026-10-21T06:00:00Z'), pin);
  await appendRecord(repository, 'pins', new Date('2026-11-21T06:00:00Z'), { ...pin, pinned: false });
});

describe('what evidence is made of', () => {
  it('is what was recorded since the period began, and the last cleanup of all', async () => {
    const { records, lastPrune, repository: told, by } = await read('2026-11');
    expect(records.pins.map(({ content }) => content.pinned)).toEqual([false]);
    expect(records.prunes).toEqual([]);
    expect(lastPrune?.content.retention).toEqual({ daily: 7 });
    expect(told.keys).toEqual(told.keys.toSorted());
    expect(told.keys).toHaveLength(4);
    expect(by).toEqual({ actor: 'auditor', run: undefined });
    expect((await read('2026')).records.pins).toHaveLength(2);
  });

  it('has the digests of manifests as they are stored', async () => {
    const bytes = await repository.storage.get(manifestKey(manifest.id), 1e6);
    const { manifests, newest } = await read('90d');
    expect(manifests.get(manifest.id)).toEqual({
      sha256: createHash('sha256').update(bytes).digest('hex'),
      encryption: { scheme: 'none' },
    });
    expect(newest).toEqual({ id: manifest.id, tables: 1, notCarried: manifest.notCarried });
  });

  it('names what is there and cannot be believed', async () => {
    const key = 'records/pins/20261122T060000Z-0000.json';
    await repository.storage.put(key, Buffer.from('{"format":1}'));
    await repository.storage.put('backups/20261122T060000Z-0000.json', Buffer.from('{"format":2}'));
    const { unreadable, records, repository: told } = await read('2026-11');
    expect(unreadable.map((one) => one.key)).toEqual(['backups/20261122T060000Z-0000.json', key]);
    expect(records.pins).toHaveLength(1);
    expect(told.keys).toContain(key);
  });

  it('is of no time that is still to come', async () => {
    await expect(read('2027')).rejects.toThrow(
      'period: it begins at 2027-01-01T00:00:00.000Z, which is still to come',
    );
  });
});
