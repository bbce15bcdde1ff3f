import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';

/* A real Chromium without a window, for pages that are files. */

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Path of the browser; undefined where none is installed, which is said once. */
export const browserPath = places.find((place) => existsSync(place));
if (browserPath === undefined) {
  console.warn(
    `No browser at ${places.join(', ')}: the tests of pages in it are skipped. Debian has it as chromium.`,
  );
}

export function launchBrowser(): Promise<Browser> {
  if (browserPath === undefined) throw new Error('there is no browser');
  return chromium.launch({ executablePath: browserPath, args: ['--no-sandbox', '--disable-gpu'] });
}

/** What a page did that it should not: any request besides its own, any message, any breach of its policy */
export interface Watched {
  readonly page: Page;
  readonly complaints: readonly string[];
}

export interface View {
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly hasScript?: boolean;
}

/** Opens a file, and notes what it does besides showing itself. */
export async function openFile(browser: Browser, file: string, view: View = {}): Promise<Watched> {
  const { theme = 'light', width = 1280, hasScript = true } = view;
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: theme,
    javaScriptEnabled: hasScript,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  const own = `file://${file}`;
  page.on('request', (request) => {
    if (request.url().replace(/#.*/, '') !== own) complaints.push(`request: ${request.url()}`);
  });
  page.on('console', (message) => complaints.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  // Text, because code of the page has types that this project has not.
  await page.addInitScript({
    content: `document.addEventListener('securitypolicyviolation', (breach) => {
      console.error('policy: ' + breach.violatedDirective + ' ' + breach.blockedURI);
    });`,
  });
  await page.goto(own);
  return { page, complaints };
}

const axeFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/**
 * Asks axe-core for breaches of its rules, best practices included. It comes in by the protocol of the
 * browser, past the policy of the page, which stays in force.
 */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(axeFile, 'utf8'));
  const found = await page.evaluate<{ violations: Violation[] }>('axe.run()');
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary = '' }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
  );
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}
