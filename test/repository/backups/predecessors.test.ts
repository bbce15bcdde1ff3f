import { beforeEach, describe, expect, it } from 'vitest';
import { listManifests, manifestKey, writeManifest } from '../../../src/repository/backups/manifests.ts';
import { readPredecessors } from '../../../src/repository/backups/predecessors.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { createRepository, makeManifest, makeObject } from '../example.ts';

let repository: Repository;
beforeEach(async () => {
  repository = await createRepository();
});

describe('the objects that are known', () => {
  it('are those of the newest backups, described by the newest; a damaged backup vouches for none', async () => {
    const [shared, onlyOld, lost] = [makeObject(), makeObject(), makeObject()];
    const renewed = { ...shared, stored: 11, sha256: 'f'.repeat(64) };
    const empty = { archive: { bytes: 0, objects: [] }, tables: [] };
    await writeManifest(
      repository,
      makeManifest({ id: '20261120T010000Z-0000', objects: [shared, onlyOld], ...empty }),
    );
    await writeManifest(
      repository,
      makeManifest({ id: '20261120T020000Z-0000', objects: [renewed], ...empty }),
    );
    await writeManifest(repository, makeManifest({ id: '20261120T030000Z-0000', objects: [lost], ...empty }));
    const last = await repository.storage.get(manifestKey('20261120T030000Z-0000'));
    await repository.storage.put(manifestKey('20261120T030000Z-0000'), last.subarray(0, -10));
    const damaged: string[] = [];
    const listing = await listManifests(repository);
    const onDamaged = (error: Error) => damaged.push(error.message);
    const { known } = await readPredecessors(repository, listing, onDamaged, new AbortController().signal);
    expect(new Map(known)).toEqual(
      new Map([
        [shared.name, renewed],
        [onlyOld.name, onlyOld],
      ]),
    );
    expect(damaged).toHaveLength(1);
  });
});

describe('what a backup builds upon', () => {
  const at = (hour: number) => `20261120T0${hour}0000Z-0000`;
  const read = async () => {
    const listing = await listManifests(repository);
    return readPredecessors(repository, listing, () => {}, new AbortController().signal);
  };

  it('is the newest backup with rows, however many without come after it', async () => {
    for (const hour of [1, 2]) await writeManifest(repository, makeManifest({ id: at(hour) }));
    for (const hour of [3, 4, 5, 6, 7])
      await writeManifest(repository, makeManifest({ id: at(hour), kind: 'schema' }));
    const { newest, base } = await read();
    expect(newest?.id).toBe(at(7));
    expect(base?.id).toBe(at(2));
  });

  it('is nothing where there is no backup', async () => {
    expect(await read()).toEqual({
      newest: undefined,
      base: undefined,
      known: new Map(),
      outlines: new Map(),
    });
  });
});
