import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { renderDashboard } from '../src/operations/report/dashboard/dashboard.ts';
import { bothLayers, report, states } from '../test/operations/report/example.ts';
import { launchBrowser, openFile } from '../test/support/browser.ts';
import { indexPng } from './indexed-png.ts';

/*
 * Takes the pictures of docs/dashboard.md: the dashboard of each example state, in both themes and at two
 * widths. `node scripts/screenshots.ts`; look at every one before it is committed.
 */

const folder = path.join(import.meta.dirname, '..', 'docs', 'images');
const scratch = mkdtempSync(path.join(tmpdir(), 'screenshots-'));
/** How much of the page is shown at each width: enough for what is seen first, and for a look at the charts */
const heights = { 1280: 1500, 360: 1900 } as const;

const browser = await launchBrowser();
try {
  for (const [state, make] of Object.entries({ ...states, 'both-layers': bothLayers })) {
    const file = path.join(scratch, `${state}.html`);
    writeFileSync(file, renderDashboard(report([make()])));
    for (const theme of ['light', 'dark'] as const) {
      for (const [width, height] of Object.entries(heights)) {
        const { page, complaints } = await openFile(browser, file, { theme, width: Number(width) });
        if (complaints.length > 0) throw new Error(complaints.join('\n'));
        // The section is far down, and what is out of sight has no height yet.
        const isSection = state === 'both-layers';
        await page.setViewportSize({ width: Number(width), height: isSection ? 12_000 : height });
        const picture = path.join(folder, `dashboard-${state}-${theme}-${width}.png`);
        const part = page.locator('section', { has: page.locator('h3[id$="-layers"]') });
        const shown = isSection ? part.last() : page;
        writeFileSync(picture, indexPng(await shown.screenshot()));
        await page.context().close();
        console.log(picture);
      }
    }
  }
} finally {
  await browser.close();
  rmSync(scratch, { recursive: true });
}
