import { describe, expect, it } from 'vitest';
import { printable, printableForRunner, printableLines } from '../../src/report/printable.ts';

describe('a text of somebody else', () => {
  it('moves no cursor and turns no line around', () => {
    expect(printable('a\u001b[2J\u202eb\nc\u2066')).toBe('a\\u{1b}[2J\\u{202e}b\\nc\\u{2066}');
    expect(printableLines('a\u0007\n\u0085b')).toBe('a\\u{7}\n\\u{85}b');
  });

  // How the runner reads a line: ActionCommand.TryParseV2, then TryParse.
  const isCommand = (line: string) => line.trimStart().startsWith('::') || line.includes('##[');

  it.each([
    'role r1\n::add-mask::different',
    '  ::set-output name=parity::equal',
    'table public.##[debug]x',
    '##[set-output name=gate]passed',
    '\r\n\t::stop-commands::x',
    '\u2028::warning::x',
  ])('is no command of a runner: %j', (text) => {
    const shown = printableForRunner(text);
    expect(shown.split(/\n|\r/).filter(isCommand)).toEqual([]);
    expect(shown.replaceAll('\u200B', '')).toBe(printableLines(text));
  });
});
