import { beforeEach, describe, expect, it } from 'vitest';
import type { Manifest } from '../../../src/format/manifest.ts';
import { type CatalogOptions, gatherRecords, readCatalog } from '../../../src/repository/backups/catalog.ts';
import { manifestKey, writeManifest } from '../../../src/repository/backups/manifests.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { appendRecord, type RecordContent } from '../../../src/repository/records.ts';
import { sealContent } from '../../../src/repository/signature.ts';
import { StorageError } from '../../../src/runtime/errors.ts';
import { createRepository, makeManifest } from '../example.ts';

let repository: Repository;
let damaged: string[];
beforeEach(async () => {
  repository = await createRepository();
  damaged = [];
});

const read = (options: Partial<CatalogOptions> = {}) =>
  readCatalog(repository, { onDamaged: (error) => damaged.push(error.message), ...options });

const example = makeManifest();
const idAt = (hour: number) => `20261120T${String(hour).padStart(2, '0')}0000Z-0000`;

async function store(hour: number, overrides: Partial<Manifest> = {}): Promise<Manifest> {
  const snapshotAt = `2026-11-20T${String(hour).padStart(2, '0')}:00:05.500000Z`;
  const manifest = makeManifest({
    id: idAt(hour),
    source: { ...example.source, snapshotAt },
    ...overrides,
  });
  await writeManifest(repository, manifest);
  return manifest;
}

describe('the catalog', () => {
  it('of a repository without backups is empty', async () => {
    expect(await read()).toEqual({ backups: [], damaged: [] });
  });

  it('tells what a manifest says', async () => {
    await store(3, {
      kind: 'incremental',
      base: idAt(2),
      label: 'v2.4',
      encryption: { scheme: 'age', recipients: [] },
    });
    expect((await read()).backups).toEqual([
      {
        id: idAt(3),
        kind: 'incremental',
        purpose: 'ordinary',
        label: 'v2.4',
        snapshotAt: new Date('2026-11-20T03:00:05.500Z'),
        startedAt: new Date('2026-11-20T02:17:00.000Z'),
        finishedAt: new Date('2026-11-20T02:18:00.000Z'),
        base: idAt(2),
        fullBecause: null,
        totals: { rows: 3, bytes: 1050, stored: 140, added: 140 },
        serverVersion: 150018,
        source: expect.objectContaining({ lsn: '0/1A2B3C', snapshot: '10:20:11', timeline: 1 }),
        encrypted: true,
        pinned: false,
        verifiedAt: null,
        damagedAt: null,
        drilled: null,
      },
    ]);
  });

  it('is ordered by the time of the snapshot, newest first, and then by id', async () => {
    const late = { ...example.source, snapshotAt: '2026-11-20T12:00:00Z' };
    await store(1, { source: late });
    for (const hour of [4, 2, 3]) await store(hour);
    await store(5, { source: late });
    expect((await read()).backups.map(({ id }) => id)).toEqual([5, 1, 4, 3, 2].map(idAt));
  });

  it('leaves out a backup that is removed while it is read', async () => {
    await store(1);
    const list = repository.storage.list.bind(repository.storage);
    repository.storage.list = async function* (prefix) {
      yield* list(prefix);
      if (prefix === 'backups/') await repository.storage.delete([manifestKey(idAt(1))]);
    };
    expect(await read()).toEqual({ backups: [], damaged: [] });
  });

  it('is not there at all when the storage fails', async () => {
    await store(1);
    const failing = new StorageError('the network is down', 'Try again.');
    repository.storage.get = () => Promise.reject(failing);
    await expect(read()).rejects.toBe(failing);
  });
});

describe('a damaged manifest', () => {
  it.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -10)],
    [
      'changed where the catalog does not look',
      (bytes: Buffer) => Buffer.from(bytes.toString().replace('postgres', 'postgrez')),
    ],
    ['of a later format', () => sealContent(repository, 'manifest', { ...example, id: idAt(2), format: 3 })],
    ['of another id', () => sealContent(repository, 'manifest', example)],
    [
      'without objects',
      () => sealContent(repository, 'manifest', { ...example, id: idAt(2), objects: null }),
    ],
  ])('is named, and is no backup: %s', async (_what, damage) => {
    await store(1);
    await store(2);
    await repository.storage.put(
      manifestKey(idAt(2)),
      damage(await repository.storage.get(manifestKey(idAt(2)))),
    );
    const catalog = await read();
    expect(catalog.backups.map(({ id }) => id)).toEqual([idAt(1)]);
    expect(catalog.damaged).toEqual([
      { id: idAt(2), message: expect.stringContaining(manifestKey(idAt(2))) },
    ]);
    expect(damaged).toHaveLength(1);
  });
});

describe('what became known later', () => {
  const at = (hour: number) => new Date(`2026-11-21T${String(hour).padStart(2, '0')}:00:00.000Z`);
  const pin = (hour: number, pinned: boolean, backup = idAt(1)) =>
    appendRecord(repository, 'pins', at(hour), { backup, pinned });
  const validate = (hour: number, outcome: 'passed' | 'damaged', share = 1) =>
    appendRecord(repository, 'validations', at(hour), {
      share,
      backups: [{ id: idAt(1), outcome, opened: true }],
      damagedObjects: [],
    });
  const first = async () => {
    const { backups } = await read();
    return backups.find(({ id }) => id === idAt(1));
  };

  it('pins and unpins, the newest record last, whatever order they were written in', async () => {
    await store(1);
    await store(2, { pin: true });
    expect((await read()).backups.map(({ pinned }) => pinned)).toEqual([true, false]);
    await pin(2, true);
    expect((await first())?.pinned).toBe(true);
    await pin(1, false);
    expect((await first())?.pinned).toBe(true);
    await pin(3, false);
    await pin(3, false, idAt(2));
    expect((await read()).backups.map(({ pinned }) => pinned)).toEqual([false, false]);
  });

  it('verifies what was read whole, and a share of it verifies nothing', async () => {
    await store(1);
    await validate(1, 'passed', 0.5);
    expect(await first()).toMatchObject({ verifiedAt: null, damagedAt: null });
    await validate(2, 'passed');
    await validate(3, 'passed', 0.5);
    expect(await first()).toMatchObject({ verifiedAt: at(2), damagedAt: null });
  });

  it('damages what was verified, and heals it only when all of it was read again', async () => {
    await store(1);
    await validate(1, 'passed');
    await validate(2, 'damaged', 0.1);
    expect(await first()).toMatchObject({ verifiedAt: null, damagedAt: at(2) });
    await validate(3, 'passed', 0.1);
    expect(await first()).toMatchObject({ verifiedAt: null, damagedAt: at(2) });
    await validate(4, 'passed');
    expect(await first()).toMatchObject({ verifiedAt: at(4), damagedAt: null });
  });

  it('counts for nothing when its record is damaged', async () => {
    await store(1);
    await pin(1, true);
    for await (const { key } of repository.storage.list('records/')) {
      await repository.storage.put(key, Buffer.from('{}'));
    }
    expect(await first()).toMatchObject({ pinned: false });
    expect(damaged).toEqual([expect.stringContaining('records/pins/')]);
  });
});

describe('an earlier proof of a backup', () => {
  const drilled = (hour: number, content: Partial<RecordContent<'drills'>> = {}) => ({
    at: new Date(`2026-11-20T0${hour}:00:00Z`),
    storedAt: new Date(`2026-11-20T0${hour}:00:00Z`),
    content: {
      ...{ backup: idAt(1), outcome: 'passed' as const, why: null, fault: null, recovery: 5, phases: {} },
      ...{ parity: true, checks: { asked: 0, failed: [] } },
      ...content,
    },
  });
  const weigh = (...drills: ReturnType<typeof drilled>[]) =>
    gatherRecords([], [], drills).get(idAt(1))?.drilled;
  const failed = { outcome: 'failed' as const, why: 'x' };
  const saidNo = { asked: 1, failed: ['SELECT false'] };

  it.each([
    ['a check said no', { fault: 'checks' as const, checks: saidNo }],
    ['the command failed', { fault: 'command' as const }],
    ['a check said no, as older versions recorded it', { fault: undefined, checks: saidNo }],
  ])('stands when the data came back again and %s', (_what, content) => {
    expect(weigh(drilled(1), drilled(2, { ...failed, ...content }))).toMatchObject({
      passed: true,
      at: new Date('2026-11-20T01:00:00Z'),
    });
    expect(weigh(drilled(2, { ...failed, ...content }))).toMatchObject({ passed: false });
  });

  it.each([
    ['it differed', { fault: 'parity' as const, parity: false, checks: saidNo }],
    ['it did not come back', { fault: 'restore' as const, parity: null }],
    ['it did not come back, as older versions recorded it', { fault: undefined, parity: null }],
  ])('is taken away when %s', (_what, content) => {
    expect(weigh(drilled(1), drilled(2, { ...failed, ...content }))).toMatchObject({ passed: false });
  });
});
