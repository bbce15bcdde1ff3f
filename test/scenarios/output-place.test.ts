import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { FileStorage } from '../../src/storage/file.ts';
import { createRepository } from '../repository/example.ts';
import { presentContext } from '../support/context.ts';
import { writePolicy } from '../support/policy-file.ts';
import { operate } from './in-process.ts';
import { listFolder } from './repository-folder.ts';

/* What an operation writes beside its work never takes the place of a file of a repository. */

let folder: string;
let storage: string;
let other: string;
let policy: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'output-place-'));
  [storage, other] = [join(folder, 'shop'), join(folder, 'books')];
  for (const place of [storage, other]) await createRepository(new FileStorage(place, presentContext));
  policy = join(folder, 'policy.yml');
  writePolicy(
    policy,
    `databases:
  shop: { database-url: SHOP_URL, storage: ${storage} }
  books: { database-url: BOOKS_URL, storage: ${other} }
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Given = Partial<Record<InputName, string>>;

async function expectRefused(given: Given, says: string): Promise<void> {
  const before = [listFolder(storage), listFolder(other)];
  const refusal = operate(presentContext, given);
  await expect(refusal).rejects.toThrow(ConfigurationError);
  await expect(refusal).rejects.toThrow(says);
  expect([listFolder(storage), listFolder(other)]).toEqual(before);
}

test.each(['dashboard', 'runbook', 'compliance'])(
  'a report of kind %s is not written into a storage',
  async (kind) => {
    const output = join(storage, 'repository.json');
    const says = `output: ${JSON.stringify(output)} lies in the storage ${storage}`;
    await expectRefused({ operation: 'report', storage, kind, output }, says);
    await expectRefused({ operation: 'report', storage, kind, output: storage }, 'lies in the storage');
  },
);

test('a report about databases of a policy is not written into any of their storages', async () => {
  const given: Given = { operation: 'report', policy, database: 'shop', storage: '' };
  await expectRefused({ ...given, output: join(other, 'repository.json') }, `the storage ${other}`);
  await operate(presentContext, { ...given, output: join(folder, 'page.html') });
  expect(readdirSync(folder)).toContain('page.html');
});

test('metrics are not written into a storage', async () => {
  const given: Given = { operation: 'status', storage };
  const file = join(storage, 'repository.json');
  await expectRefused(
    { ...given, 'metrics-file': file },
    `metrics-file: ${JSON.stringify(file)} lies in the storage ${storage}`,
  );
  const books = join(other, 'repository.json');
  await expectRefused({ ...given, policy, 'metrics-file': books }, `the storage ${other}`);
  await operate(presentContext, { ...given, 'metrics-file': join(folder, 'shop.prom') });
  expect(readdirSync(folder)).toContain('shop.prom');
});

test('comparisons are not written into a storage, and no database is asked before', async () => {
  const target: Given = { storage, 'target-url': 'postgresql://postgres:x@127.0.0.1:9/postgres' };
  const says = `report-folder: ${JSON.stringify(storage)} lies in the storage ${storage}`;
  for (const operation of ['restore', 'drill'])
    await expectRefused({ ...target, operation, 'report-folder': storage }, says);
  const aside: Given = { ...target, operation: 'restore', 'side-schema': 'rescue', include: 'public.x' };
  await expectRefused({ ...aside, 'report-folder': storage }, says);
  const safety: Given = { clean: 'true', 'safety-storage': other, 'report-folder': join(other, 'x') };
  await expectRefused({ ...target, operation: 'restore', ...safety }, `the storage ${other}`);
});
