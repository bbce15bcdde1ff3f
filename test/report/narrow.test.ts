import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { displayWidth } from '../../src/report/display-width.ts';
import type { Section } from '../../src/report/section.ts';
import { renderText } from '../../src/report/text.ts';
import { wrapLines } from '../../src/report/wrap.ts';

const id = '20261120T021700Z-7f3a';
const table = (
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): Section => ({
  kind: 'table',
  columns: titles.map((title, index) => ({ title, ...(right.includes(index) ? { align: 'right' } : {}) })),
  rows,
});
const narrow = (section: Section, width = 80) => renderText([section], { width }).trimEnd().split('\n');

describe('a table on a narrow screen', () => {
  test('stays as it is where it fits', () => {
    const fitting = table(['id', 'rows'], [[id, '1']], [1]);
    expect(renderText([fitting], { width: 40 })).toBe(renderText([fitting]));
  });

  test('wraps long cells at words, and keeps numbers and ids whole', () => {
    const lines = narrow(
      table(['id', 'rows', 'why'], [[id, '1,234,567', 'one two three four five six seven']], [1]),
      60,
    );
    expect(lines).toEqual([
      'id                          rows  why',
      '---------------------  ---------  --------------------------',
      `${id}  1,234,567  one two three four five`,
      '                                  six seven',
    ]);
  });

  test('shows what has no room beside the first cells below them, behind its title', () => {
    const titles = ['id', 'taken (UTC)', 'kind', 'rows', 'size', 'label', 'kept by'];
    const row = [id, '2026-11-20 02:17', 'incremental', '1,234,567', '1.35 GB', '', 'daily, weekly'];
    expect(narrow(table(titles, [row, [id, '', '', '', '', '', '']], [3, 4]))).toEqual([
      'id                     taken (UTC)       kind              rows     size  label',
      '---------------------  ----------------  -----------  ---------  -------  -----',
      `${id}  2026-11-20 02:17  incremental  1,234,567  1.35 GB`,
      '    kept by: daily, weekly',
      id,
    ]);
  });

  test('breaks no word and exceeds the screen only by a word that is longer', () => {
    const word = fc.stringMatching(/^[a-z0-9:/-]{1,24}$/);
    const cell = fc.array(word, { maxLength: 12 }).map((words) => words.join(' '));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.array(cell, { minLength: 9, maxLength: 9 }), { maxLength: 4 }),
        fc.integer({ min: 40, max: 120 }),
        (count, rows, width) => {
          const titles = Array.from({ length: count }, (_, index) => `title${index}`);
          const shown = rows.map((row) => row.slice(0, count));
          const text = renderText([table(titles, shown)], { width });
          for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(width);
          const words = text.split(/\s+|;/);
          for (const one of shown.flat().flatMap((text) => text.split(' ')))
            expect(words.includes(one)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });
});

test('paragraphs wrap at words, and lists keep their indentation', () => {
  const text = '- one two three four five\n  six\nseven eight nine ten eleven';
  expect(wrapLines(text, 16)).toBe('- one two three\n  four five\n  six\nseven eight nine\nten eleven');
  expect(renderText([{ kind: 'paragraph', text: `see ${'x'.repeat(30)} there` }], { width: 16 })).toBe(
    `see\n${'x'.repeat(30)}\nthere\n`,
  );
});

test('a file or a pipe gets whole lines, and no rule of hundreds of dashes', () => {
  const [title = '', rule = '', cell = ''] = renderText([table(['what'], [['x '.repeat(130).trim()]])]).split(
    '\n',
  );
  expect([title, rule.length, cell.length]).toEqual(['what', 60, 259]);
});

test('tones are painted, line by line, and no text is a tone', () => {
  const paint = (text: string, tone: string | undefined) =>
    tone === undefined ? text : `<${tone}>${text}</>`;
  const report: Section[] = [
    { kind: 'heading', text: 'Doctor: 1 FAILED', tone: 'bad' },
    { kind: 'paragraph', text: 'FAILED' },
    {
      ...(table(['check'], [['one'], ['two']]) as Extract<Section, { kind: 'table' }>),
      tones: ['good', undefined],
    },
  ];
  expect(renderText(report, { paint })).toBe(
    '<bad>Doctor: 1 FAILED</>\n================\n\nFAILED\n\ncheck\n-----\n<good>one</>\ntwo\n',
  );
});
