import { createHash } from 'node:crypto';
import { escapeHtml } from '../../../report/html.ts';
import { printable } from '../../../report/printable.ts';

const style = `
:root { color-scheme: light dark; --line: light-dark(#c9ced6, #3d444d); --head: light-dark(#f3f5f8, #1f242c); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 90rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.15rem; margin-top: 2rem; }
p { max-width: 60rem; }
.table { overflow-x: auto; }
.table:focus-visible { outline: 2px solid; outline-offset: 2px; }
table { border-collapse: collapse; font-size: 0.87rem; }
th, td { border: 1px solid var(--line); padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; min-width: 5rem; }
th { background: var(--head); overflow-wrap: normal; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { overflow-x: auto; }
@media print { body { max-width: none; font-size: 9pt; } .table { overflow: visible; } tr { break-inside: avoid; } th, td { min-width: 0; } }
`;

/** A page that asks nothing of any network: its policy lets it have this one style, and nothing else. */
const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'`;

/**
 * Renders a whole page without scripts.
 *
 * @param content HTML
 */
export function renderPage(title: string, content: string): string {
  const name = escapeHtml(printable(title));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${name}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${name}</h1>
${content}</main>
</body>
</html>
`;
}
