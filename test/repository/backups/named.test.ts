import { beforeEach, describe, expect, it } from 'vitest';
import { chooseBackup, chooseBackups, chooseManifest } from '../../../src/repository/backups/choose.ts';
import { writeManifest } from '../../../src/repository/backups/manifests.ts';
import { resolveChoice } from '../../../src/repository/backups/named.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { createContext } from '../../support/context.ts';
import { MemoryStorage } from '../../support/memory-storage.ts';
import { createRepository, makeManifest } from '../example.ts';

const ids = [
  '20261118T021700Z-0001',
  '20261119T021700Z-0002',
  '20261120T021700Z-7f3a',
  '20261120T021700Z-7f4b',
];
const context = createContext();
let repository: Repository;

beforeEach(async () => {
  repository = await createRepository();
  for (const id of ids) await writeManifest(repository, makeManifest({ id }));
});

describe('the beginning of an id', () => {
  it.each([
    ['20261119', ids[1]],
    ['20261118T', ids[0]],
    ['20261120T021700Z-7f3', ids[2]],
    ['20261120T021700Z-7f4b', ids[3]],
  ])('%s means the only one that begins so', async (beginning, id) => {
    expect(await resolveChoice(repository, beginning)).toBe(id);
    expect((await chooseManifest(repository, beginning, context)).id).toBe(id);
    expect((await chooseBackups(repository, beginning, context))[0]?.id).toBe(id);
  });

  it('is refused where several begin so, which are named, the newest first', async () => {
    await expect(chooseManifest(repository, '20261120', context)).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: 'backup-id: 2 backups have ids that begin with 20261120',
      next: `Give more of the id: ${ids[3]}, ${ids[2]}.`,
    });
  });

  it('names no more than fit on a few lines', async () => {
    for (let second = 10; second < 20; second++)
      await writeManifest(repository, makeManifest({ id: `20261121T0000${second}Z-0000` }));
    await expect(resolveChoice(repository, '20261121')).rejects.toMatchObject({
      next: expect.stringContaining('20261121T000012Z-0000, or one of 2 older ones; `list` shows them all.'),
    });
  });

  it('is refused where none begins so, with the nearest', async () => {
    await expect(resolveChoice(repository, '20261117')).rejects.toMatchObject({
      message: expect.stringContaining('backup-id: no backup begins with 20261117 at '),
      next: expect.stringContaining(`Did you mean ${ids[1]}?`),
    });
    await expect(resolveChoice(await createRepository(), '2026')).rejects.toMatchObject({
      next: 'It has no backups: run `backup` first.',
    });
  });
});

describe('a whole id that there is not', () => {
  it('is refused with the nearest', async () => {
    const refusal = {
      message: expect.stringContaining('backup-id: there is no backup 20261120T021700Z-7f3b at '),
      next: `Did you mean ${ids[3]}? \`list\` shows them all; \`latest\` is the newest.`,
    };
    const asked = '20261120T021700Z-7f3b';
    await expect(chooseManifest(repository, asked, context)).rejects.toMatchObject(refusal);
    await expect(chooseBackups(repository, asked, context)).rejects.toMatchObject(refusal);
  });

  it('costs no listing where there is one', async () => {
    const storage = new MemoryStorage();
    const other = await createRepository(storage);
    await writeManifest(other, makeManifest({ id: '20261118T021700Z-0001' }));
    storage.list = () => {
      throw new Error('a listing');
    };
    expect((await chooseBackup(other, ids[0] ?? '', () => undefined)).id).toBe(ids[0]);
  });
});
