import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchArchive } from '../../../src/repository/objects/archive-file.ts';
import type { ObjectReader } from '../../../src/repository/objects/store.ts';
import type { Context } from '../../../src/runtime/context.ts';
import { StorageError } from '../../../src/runtime/errors.ts';
import { createContext } from '../../support/context.ts';
import { makeManifest } from '../example.ts';

describe('an archive', () => {
  let context: Context;
  beforeEach(() => {
    context = createContext({ temporaryFolder: mkdtempSync(join(tmpdir(), 'archive-')) });
  });
  afterEach(() => rmSync(context.temporaryFolder, { recursive: true }));

  it('is written where it has room', async () => {
    const reader = { read: async () => Buffer.alloc(50, 'x') } as unknown as ObjectReader;
    expect(readFileSync(await fetchArchive(makeManifest(), reader, context), 'utf8')).toBe('x'.repeat(50));
  });

  it('that has none there is not begun', async () => {
    const reader = { read: () => expect.unreachable() } as unknown as ObjectReader;
    const endless = makeManifest({ archive: { bytes: 2 ** 50, objects: [1] } });
    const fetched = fetchArchive(endless, reader, context);
    await expect(fetched).rejects.toThrow(StorageError);
    await expect(fetched).rejects.toThrow(/needs 1125899906842624 bytes in .*, but only \d+ are free/);
    expect(readdirSync(context.temporaryFolder)).toEqual([]);
  });
});
