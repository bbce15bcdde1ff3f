import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { renderText } from '../../../src/report/text.ts';
import { FileStorage } from '../../../src/storage/file.ts';
import { createRepository } from '../../repository/example.ts';
import { operate } from '../../scenarios/in-process.ts';
import { presentContext } from '../../support/context.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'public-'));
  await createRepository(new FileStorage(join(folder, 'shop'), presentContext));
  writeFileSync(
    join(folder, 'policy.yml'),
    `action: octo-org/supabase-backup@${'0'.repeat(40)}
repository: octo-org/shop
runs-on: self-hosted
databases:
  shop: { database-url: SHOP_URL, storage: ${join(folder, 'shop')} }
  books: { database-url: BOOKS_URL, storage: ${join(folder, 'books')} }
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** All that a run writes and says, but for the path that it was given */
async function reportAll(isPublic: boolean): Promise<string> {
  const messages: string[] = [];
  const output = join(folder, 'page.html');
  const { report, outputs } = await operate(
    presentContext,
    {
      ...{ operation: 'report', storage: '', policy: join(folder, 'policy.yml') },
      ...{ output, public: String(isPublic) },
    },
    { messages },
  );
  expect(outputs['broken-findings']).toBe(2);
  const said = [...messages, renderText(report), readFileSync(output, 'utf8')].join('\n');
  return said.replaceAll(output, 'OUTPUT');
}

test('why a database cannot be read is told, and to everybody nothing of its place', async () => {
  const told = await reportAll(false);
  expect(told.match(/there is no repository at/g)?.length).toBeGreaterThanOrEqual(3);
  const toEverybody = await reportAll(true);
  expect(toEverybody).not.toContain(folder);
  expect(toEverybody).not.toContain('no repository at');
  expect(toEverybody).toMatch(/\bbooks: cannot be read; the reason is not in a report for everybody$/m);
  expect(toEverybody).toMatch(/^books +UNREADABLE +cannot be read; the reason/m);
});
