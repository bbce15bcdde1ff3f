import { execFileSync } from 'node:child_process';
import { takePictures } from './pictures.ts';

/*
 * Takes pictures of job summaries as GitHub shows them: `node scripts/summaries.ts FILE.md PICTURE.png …`, where
 * a file is what a run wrote to GITHUB_STEP_SUMMARY. It needs Chromium and cmark-gfm, GitHub's own renderer of
 * Markdown (Debian has both). Look at every picture before it is committed.
 */

/** Of a summary's column on GitHub */
const width = 900;

/** The rules of GitHub's page that decide where a table breaks (primer/css, `.markdown-body`) */
const styles = `
* { box-sizing: border-box; }
body { margin: 0; padding: 16px; font: 14px/1.5 "Noto Sans", "DejaVu Sans", sans-serif; color: #1f2328; }
h3 { font-size: 1.25em; margin: 24px 0 16px; line-height: 1.25; } h3:first-child { margin-top: 0; }
p, details, table, pre { margin: 0 0 16px; }
table { display: block; width: max-content; max-width: 100%; overflow: auto; border-spacing: 0; border-collapse: collapse; }
th, td { padding: 6px 13px; border: 1px solid #d1d9e0; } th { font-weight: 600; }
tr { background: #fff; border-top: 1px solid #d1d9e0b3; } tr:nth-child(2n) { background: #f6f8fa; }
code { padding: .2em .4em; font: 85% "DejaVu Sans Mono", monospace; white-space: break-spaces; background: #818b981f; border-radius: 6px; }
pre { padding: 16px; overflow: auto; background: #f6f8fa; border-radius: 6px; }
pre code { padding: 0; white-space: pre; background: none; font-size: 100%; }
summary { cursor: pointer; } details > :nth-child(2) { margin-top: 16px; }`;

const extensions = ['table', 'strikethrough', 'autolink', 'tasklist'].flatMap((name) => ['-e', name]);

await takePictures((markdown) => {
  const body = execFileSync('cmark-gfm', ['--unsafe', ...extensions], { input: markdown, encoding: 'utf8' });
  return `<style>${styles}</style>${body}`;
}, width);
