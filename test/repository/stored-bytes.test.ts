import { expect, it } from 'vitest';
import { measureStored, sumStored } from '../../src/repository/stored-bytes.ts';
import { MemoryStorage } from '../support/memory-storage.ts';

it('what is stored is counted by what it is, and nothing is left out', async () => {
  const storage = new MemoryStorage();
  const sizes = {
    'repository.json': 1,
    'outlines.json': 2,
    'backups/20261120T100000Z-0000.json': 4,
    'changes/1/0-1.json': 8,
    [`objects/ab/ab${'0'.repeat(62)}`]: 16,
    'records/drills/20261120T100000Z-0000.json': 32,
    'locks/20261120T100000Z-0000.json': 64,
    'garbage/20261120T100000Z-0000.json': 128,
    objects: 256,
  };
  for (const [key, size] of Object.entries(sizes)) await storage.put(key, Buffer.alloc(size));
  const stored = await measureStored(storage, new AbortController().signal);
  expect(stored).toEqual({
    objects: 16,
    manifests: 4,
    changes: 8,
    records: 32,
    others: 1 + 2 + 64 + 128 + 256,
  });
  expect(sumStored(stored)).toBe(511);
});
