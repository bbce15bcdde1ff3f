import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { launchBrowser } from '../test/support/browser.ts';
import { indexPng } from './indexed-png.ts';

/**
 * Takes a picture of each file that the arguments of this process name, `FILE PICTURE.png …`, as a page.
 *
 * @param render makes the page of a file, with styles in it
 * @param width of the page in pixels
 */
export async function takePictures(render: (content: string) => string, width: number): Promise<void> {
  const pairs = process.argv.slice(2);
  const scratch = mkdtempSync(path.join(tmpdir(), 'pictures-'));
  const browser = await launchBrowser();
  try {
    for (let index = 0; index + 1 < pairs.length; index += 2) {
      const [source = '', picture = ''] = pairs.slice(index, index + 2);
      const file = path.join(scratch, 'page.html');
      writeFileSync(file, `<!doctype html><meta charset="utf-8">${render(readFileSync(source, 'utf8'))}`);
      const page = await browser.newPage({ viewport: { width, height: 200 } });
      await page.goto(pathToFileURL(file).href);
      writeFileSync(picture, indexPng(await page.screenshot({ fullPage: true })));
      await page.close();
      console.log(picture);
    }
  } finally {
    await browser.close();
    rmSync(scratch, { recursive: true });
  }
}
