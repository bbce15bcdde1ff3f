import { describe, expect, it } from 'vitest';
import { printable, printableForRunner, printableJson, printableLines } from '../../src/report/printable.ts';

describe('a text of somebody else', () => {
  it('moves no cursor and turns no line around', () => {
    expect(printable('a\u001b[2J\u202eb\nc\u2066')).toBe('a\\u{1b}[2J\\u{202e}b\\nc\\u{2066}');
    expect(printableLines('a\u0007\n\u0085b')).toBe('a\\u{7}\n\\u{85}b');
  });

  it.each([
    '\u200b',
    '\u00ad',
    '\ufeff',
    '\u2060',
    '\u{e0041}',
    '\u3164',
    '\u034f',
    '\u200d',
    '\ufe0f',
    '\u{e0100}',
  ])('has nothing that is not seen: users%s', (character) => {
    expect(printable(`users${character}`)).toBe(`users\\u{${character.codePointAt(0)?.toString(16)}}`);
    expect(printable(`us${character}ers`)).not.toContain(character);
  });

  it.each(['👩‍💻', '❤️', '👩🏽‍🚀', '🏳️‍🌈', 'می‌خواهم', 'क्‍ष', 'naïve', 'データ', 'Straße'])(
    'stays as it is where its script needs that: %s',
    (text) => {
      expect(printable(text)).toBe(text);
    },
  );

  it('stays the same JSON', () => {
    const value = { text: 'a\u009b2J\u202e\u{e0041}\ud800 ##[set-output name=gate]passed ##vso[x]\n' };
    expect(JSON.parse(printableJson(value))).toEqual(value);
    expect(printableJson(value)).not.toMatch(/[\u0080-\u009f\u202e\u{e0041}]|##/u);
  });

  // How the runner reads a line: ActionCommand.TryParseV2, then TryParse.
  const isCommand = (line: string) => line.trimStart().startsWith('::') || /##\w*\[/.test(line);

  it.each([
    'role r1\n::add-mask::different',
    '  ::set-output name=parity::equal',
    'table public.##[debug]x',
    '##[set-output name=gate]passed',
    '\r\n\t::stop-commands::x',
    '\u2028::warning::x',
    '\u00a0\u3000::warning::x',
    '###[debug]x',
    '##vso[task.setvariable variable=a]b',
  ])('is no command of a runner: %j', (text) => {
    const shown = printableForRunner(text);
    expect(shown.split(/\n|\r/).filter(isCommand)).toEqual([]);
    expect(shown.replaceAll('\u200B', '')).toBe(printableLines(text));
  });
});
