import { styleText } from 'node:util';
import type { Tone } from '../../report/section.ts';

export type Paint = (text: string, tone: Tone | undefined) => string;

const styles = { good: 'green', warning: 'yellow', bad: 'red' } as const satisfies Record<Tone, string>;

/**
 * Colours texts by their tone, where the stream is a terminal that shows colours and nobody has said no:
 * `styleText` heeds NO_COLOR, NODE_DISABLE_COLORS, FORCE_COLOR and TERM.
 */
export function createPaint(stream: NodeJS.WriteStream): Paint {
  return (text, tone) => {
    if (tone === undefined) return text;
    // Each line on its own, so that a pager or a cut in the middle leaves nothing coloured.
    return text
      .split('\n')
      .map((line) => (line === '' ? line : styleText(styles[tone], line, { stream })))
      .join('\n');
  };
}
