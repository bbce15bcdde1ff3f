import { createHash } from 'node:crypto';
import { embedJson, html, Markup } from '../../../report/html.ts';
import { script } from './script.ts';
import { style } from './style.ts';

/** The page without its head. */
export interface PageParts {
  readonly title: string;
  readonly body: Markup;
  /** What the script reads; undefined: the page has no script */
  readonly data: unknown;
}

/**
 * Renders the whole document: one file that asks no network for anything, and whose policy (CSP level 3) lets
 * nothing run or look but the one script and the one style in it, named by their hashes.
 */
export function renderPage({ title, body, data }: PageParts): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta http-equiv="Content-Security-Policy" content="${policyOf(style, script)}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
${body}
${data === undefined ? undefined : html`<script type="application/json" id="data">${embedJson(data)}</script>\n<script>${new Markup(script)}</script>`}
</body>
</html>
`;
  return page.text;
}

/** A hash is over the text between the tags, with line feeds alone. */
function policyOf(css: string, code: string): string {
  return [
    "default-src 'none'",
    `style-src '${hashOf(css)}'`,
    `script-src '${hashOf(code)}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
