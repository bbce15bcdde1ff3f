import { displayWidth } from './display-width.ts';

/**
 * Breaks a text into lines of at most `width` columns, between words. A word that is wider than a line stays
 * whole: an id or a path that is broken cannot be copied.
 */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** Wraps each line of a text on its own. Lines of a list, and indented ones, keep their indentation. */
export function wrapLines(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => {
      const [start = ''] = /^ *(?:- |→ )?/.exec(line) ?? [];
      const isPlain = displayWidth(line) <= width;
      return isPlain
        ? [line]
        : wrap(line.slice(start.length), width - start.length).map((part, index) =>
            index === 0 ? start + part : ' '.repeat(start.length) + part,
          );
    })
    .join('\n');
}

/** The columns of the widest word of a text, which no line may be narrower than */
export function longestWord(text: string): number {
  return text.split(' ').reduce((longest, word) => Math.max(longest, displayWidth(word)), 0);
}
