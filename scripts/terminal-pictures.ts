import { stripVTControlCharacters } from 'node:util';
import { takePictures } from './pictures.ts';

/*
 * Takes pictures of a terminal of 80 columns: `node scripts/terminal-pictures.ts FILE PICTURE.png …`, where a file
 * is what a terminal was sent, as `script -qfc 'stty cols 80; supabase-backup …' FILE` writes it. It needs
 * Chromium. Look at every picture before it is committed.
 */

/** The colours of src/entry/terminal/paint.ts, and what ends each */
const colours: Readonly<Record<string, string>> = { '31': '#ff7b72', '32': '#7ee787', '33': '#e3b341' };
const styles = `
body { margin: 0; background: #0d1117; color: #e6edf3; }
pre { margin: 0; padding: 14px 16px; width: 80ch; font: 14px/1.35 "DejaVu Sans Mono", monospace; }`;

await takePictures((sent) => `<style>${styles}</style><pre>${renderScreen(sent)}</pre>`, 720);

/** What is seen in the end: of a line that was written several times, as progress is, the last text. */
function renderScreen(sent: string): string {
  const lines = sent
    .replaceAll('\r\n', '\n')
    .split('\n')
    .filter((line) => !/^Script (started|done) on /.test(line))
    .map((line) => line.split('\r').at(-1) ?? '');
  return lines.map(paint).join('\n').trim();
}

function paint(line: string): string {
  return line
    .split('\u001b[')
    .map((rest, index) => {
      const part = index === 0 ? rest : `\u001b[${rest}`;
      const colour = index === 0 ? undefined : colours[/^(\d+)m/.exec(rest)?.[1] ?? ''];
      const text = stripVTControlCharacters(part).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
      return colour === undefined ? text : `<span style="color: ${colour}">${text}</span>`;
    })
    .join('');
}
