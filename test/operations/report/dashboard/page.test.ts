import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderDashboard } from '../../../../src/operations/report/dashboard/dashboard.ts';
import type { ReportFacts } from '../../../../src/operations/report/facts.ts';
import { browserPath, findBarriers, launchBrowser, openFile, type View } from '../../../support/browser.ts';
import { bothLayers, describe as makeFacts, nightly, report, states, unreadable } from '../example.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'dashboard-'));
let browser: Browser;

describe.skipIf(browserPath === undefined)('the dashboard in a browser', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  let files = 0;
  const open = (facts: ReportFacts, view?: View) => {
    files += 1;
    const file = path.join(folder, `${files}.html`);
    writeFileSync(file, renderDashboard(facts));
    return openFile(browser, file, view);
  };
  const textOf = async (facts: ReportFacts, view?: View) => {
    const { page } = await open(facts, view);
    const text = await page.textContent('main');
    await page.context().close();
    return text ?? '';
  };

  const views: readonly View[] = [
    { theme: 'light', width: 1280 },
    { theme: 'dark', width: 360 },
    { theme: 'dark', width: 1280 },
  ];
  const shown: readonly (readonly [string, ReportFacts, View])[] = [
    ...Object.entries(states).map(
      ([name, make], index) => [name, report([make()]), views[index] ?? {}] as const,
    ),
    ['many', report([states.good(), unreadable, { ...states.late(), name: 'crm' }]), { theme: 'dark' }],
    ['both layers', report([bothLayers()]), { theme: 'light', width: 360 }],
    ['public', report([states.late()], true), { theme: 'light', width: 360 }],
    ['empty', report([makeFacts({ backups: [], drills: [], facts: { newest: undefined } })]), {}],
  ];

  it.each(shown)('has no barrier, asks nobody and breaks no policy: %s', async (_, facts, view) => {
    const { page, complaints } = await open(facts, view);
    await page.locator('summary').first().click();
    expect(await findBarriers(page)).toEqual([]);
    expect(complaints).toEqual([]);
    const [wide, seen] = await page.evaluate<number[]>(
      '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
    );
    expect(wide).toBe(seen);
    await page.context().close();
  });

  it('is whole without its script, with the commands for the newest verified backup', async () => {
    const facts = report([states.good()]);
    const { page, complaints } = await open(facts, { hasScript: false });
    expect(await page.locator('form').isVisible()).toBe(false);
    const text = await page.textContent('body');
    expect(text).toContain(`--backup-id ${nightly(0).id}`);
    expect(text).toContain('gh workflow run emergency-restore.yml');
    expect(text).toContain('RESTORE PRODUCTION');
    expect(await page.locator('figure svg').count()).toBeGreaterThan(5);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('opens everything on paper, and leaves the restore manager out', async () => {
    for (const hasScript of [true, false]) {
      const { page } = await open(report([states.good()]), { hasScript });
      expect(await page.getByText('2026-11-19', { exact: true }).first().isVisible()).toBe(false);
      await page.emulateMedia({ media: 'print' });
      expect(await page.getByText('2026-11-19', { exact: true }).first().isVisible()).toBe(true);
      expect(await page.getByText('This page restores nothing').isVisible()).toBe(false);
      expect((await page.pdf({ format: 'A4' })).length).toBeGreaterThan(50_000);
      await page.context().close();
    }
  });

  it('can be used by keyboard alone', async () => {
    const { page } = await open(report([states.good()]));
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('main');
    const choice = page.locator('input[name=scope]').first();
    await choice.focus();
    await page.keyboard.press('ArrowDown');
    expect(await page.locator('input[name=scope]:checked').getAttribute('value')).toBe('tables');
    await page.context().close();
  });

  it('shows names of every kind as the texts that they are', async () => {
    const hostile = `</script><img src=x onerror="alert(1)"><style>*{display:none}</style>\u2028{{a}}`;
    const turned = 'a\u202Egpj.exe';
    const long = 'x'.repeat(4000);
    const good = states.good();
    const [first, ...rest] = good.records.restores;
    if (first === undefined || good.newest === undefined) throw new Error('the example has neither');
    const tables = [hostile, turned, long, 'שלום', "o'brien"].map((table) => ({
      schema: hostile,
      name: table,
      rows: 1,
      bytes: 1,
    }));
    const facts = report([
      {
        ...good,
        ...{ name: hostile, location: hostile, newest: { ...good.newest, tables } },
        place: { ...good.place, storage: `./${hostile}` },
        records: {
          ...good.records,
          restores: [
            {
              ...first,
              content: { ...first.content, target: hostile, actor: turned, outcome: 'failed', why: long },
            },
            ...rest,
          ],
        },
        answers: {
          kind: 'read',
          backups: [{ id: hostile, at: good.status.at, answers: [{ sql: hostile, sample: hostile }] }],
        },
      },
    ]);
    const { page, complaints } = await open(facts, { width: 360 });
    await page.locator('input[name=scope][value=tables]').check();
    for (const box of await page.locator('input[name=table]').all()) await box.check();
    expect(await page.locator('h1').textContent()).toContain('</script><img src=x onerror="alert(1)">');
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.textContent('main')).toContain('\\u{202e}');
    expect(await page.content()).not.toContain('\u202E');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    expect(await findBarriers(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('adds older backups on demand, from what is in the page', async () => {
    const backups = Array.from({ length: 1000 }, (_, index) => ({
      ...nightly(index % 7),
      id: nightly(index).id,
    }));
    const { page, complaints } = await open(report([makeFacts({ backups })]));
    const rows = page.locator('[data-backups] tbody tr');
    expect(await rows.count()).toBe(200);
    const more = page.locator('[data-more]');
    await more.click();
    expect(await rows.count()).toBe(700);
    await more.click();
    expect(await rows.count()).toBe(1000);
    expect(await more.isVisible()).toBe(false);
    expect(await rows.last().textContent()).toContain(backups.at(-1)?.id ?? '');
    // A row of the script looks as one of the page.
    const cells = async (index: number) => (await rows.nth(index).locator('td').allTextContents()).slice(4);
    const shape = (texts: readonly string[]) => texts.map((text) => text.replace(/\d/g, '0'));
    expect(shape(await cells(250))).toEqual(shape(await cells(145)));
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('tells of an empty repository what is not measured, and never 0', async () => {
    const text = await textOf(report([makeFacts({ backups: [], drills: [], facts: { newest: undefined } })]));
    expect(text.match(/not measured/gi)?.length).toBeGreaterThan(4);
    expect(text).toContain('there is no backup to restore');
  });
});
