import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, vi } from 'vitest';
import { FileStorage } from '../../src/storage/file.ts';
import { describeStorage } from '../storage.contract.ts';
import { presentContext } from '../support/context.ts';

// No such filesystem can be had everywhere: FAT, and many network and FUSE mounts, answer EPERM to link(2).
vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  link: async () => {
    throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' });
  },
}));

const base = await mkdtemp(join(tmpdir(), 'storage-file-'));
afterAll(() => rm(base, { recursive: true, force: true }));

let folders = 0;
describeStorage(
  'file without hard links',
  async () => new FileStorage(join(base, `root-${folders++}`), presentContext),
  {
    createOnly: false,
    deletes: true,
  },
);
