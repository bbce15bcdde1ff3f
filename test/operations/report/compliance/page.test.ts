import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderCompliance } from '../../../../src/operations/report/compliance/compliance.ts';
import type { ReportFacts } from '../../../../src/operations/report/facts.ts';
import { browserPath, findBarriers, launchBrowser, openFile } from '../../../support/browser.ts';
import { makeFacts } from './example.ts';

const folder = mkdtempSync(join(tmpdir(), 'evidence-page-'));
const file = join(folder, 'production.html');
let browser: Browser;

beforeAll(async () => {
  const database = { kind: 'read', name: 'production', evidence: makeFacts() };
  const documents = renderCompliance({ databases: [database] } as unknown as ReportFacts);
  writeFileSync(file, documents.get('production.html') ?? '');
  if (browserPath !== undefined) browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

describe.skipIf(browserPath === undefined)('the page of the evidence in a browser', () => {
  it.each([
    ['light', 1280],
    ['dark', 360],
  ] as const)('has no barrier, asks for nothing and says nothing: %s, %i wide', async (theme, width) => {
    const { page, complaints } = await openFile(browser, file, { theme, width });
    expect(await findBarriers(page)).toEqual([]);
    expect(complaints).toEqual([]);
    // Only tables may be wider than the page, and scroll by themselves.
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await page.context().close();
  });

  it('shows all of its tables when it is printed', async () => {
    const { page } = await openFile(browser, file);
    await page.emulateMedia({ media: 'print' });
    expect(
      await page.evaluate(
        '[...document.querySelectorAll(".scroll")].filter((e) => e.scrollHeight > e.clientHeight + 1).length',
      ),
    ).toBe(0);
    expect(await page.textContent('main')).toContain('records/drills/20261118T052000Z-0000.json');
    await page.context().close();
  });
});
