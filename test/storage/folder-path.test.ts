import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { refuseInside } from '../../src/storage/folder-path.ts';

let root: string;
let storage: string;
const at = (...names: string[]) => join(root, ...names);

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'inside-')));
  storage = at('b');
  for (const folder of ['b/manifests', 'besides', 'deep/er']) mkdirSync(at(folder), { recursive: true });
  symlinkSync(storage, at('link'));
  symlinkSync('../link/not-yet.html', at('besides', 'dangling.html'));
  symlinkSync(at('besides'), at('b', 'leads-out'));
  symlinkSync(at('b', 'manifests'), at('besides', 'way'));
  symlinkSync(at('circle'), at('circle'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('what lies in a storage', () => {
  it.each([
    ['itself', 'b'],
    ['with a slash behind', 'b/'],
    ['a file', 'b/repository.json'],
    ['a file in folders that do not exist yet', 'b/x/y/z.html'],
    ['by a way with ..', 'besides/../b/page.html'],
    ['by a way with .. from what does not exist', 'nowhere/../b/page.html'],
    ['by a link to it', 'link/page.html'],
    ['by a link into it, with ..', 'besides/way/../page.html'],
    ['by a link that leads to what does not exist yet', 'besides/dangling.html'],
    ['a link in it that leads out', 'b/leads-out'],
  ])('is refused: %s', async (_, place) => {
    const file = `${root}/${place}`;
    const refusal = refuseInside(file, 'output', ['s3://bucket/b', storage]);
    await expect(refusal).rejects.toThrow(ConfigurationError);
    await expect(refusal).rejects.toThrow(`output: ${JSON.stringify(file)} lies in the storage ${storage}`);
    const fromHere = `./${relative(process.cwd(), root)}/${place}`;
    await expect(refuseInside(fromHere, 'output', [storage])).rejects.toThrow('lies in the storage');
  });

  it('is known however the storage is written, also when it does not exist yet', async () => {
    const here = `./${relative(process.cwd(), storage)}`;
    for (const written of [pathToFileURL(storage).href, here, at('link'), `${storage}/`])
      await expect(refuseInside(at('b', 'x'), 'output', [written])).rejects.toThrow('lies in the storage');
    await expect(refuseInside(at('new', 'x'), 'output', [at('new')])).rejects.toThrow('lies in the storage');
  });
});

it.each(['page.html', 'besides/page.html', 'bb', 'b.html', '..b', 'circle', 'nowhere/page.html', ''])(
  'what lies elsewhere is not refused: %s',
  async (place) => {
    await refuseInside(`${root}/${place}`, 'output', [storage, 's3://bucket', 'artifact://name']);
    await refuseInside(undefined, 'output', [storage]);
  },
);
