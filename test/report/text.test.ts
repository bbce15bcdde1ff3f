import { describe, expect, test } from 'vitest';
import { displayWidth } from '../../src/report/display-width.ts';
import { renderText } from '../../src/report/text.ts';

describe('a report as text', () => {
  test('has aligned tables with numbers at the right', () => {
    const text = renderText([
      { kind: 'heading', text: 'Backup' },
      { kind: 'paragraph', text: 'Two tables.\nAll fine.' },
      {
        kind: 'table',
        columns: [{ title: 'Table' }, { title: 'Rows', align: 'right' }, { title: 'Note' }],
        rows: [
          ['public.users', '1,234', 'ok'],
          ['public.a', '7', ''],
        ],
      },
    ]);
    expect(text).toBe(
      [
        'Backup',
        '======',
        '',
        'Two tables.',
        'All fine.',
        '',
        'Table          Rows  Note',
        '------------  -----  ----',
        'public.users  1,234  ok',
        'public.a          7',
        '',
      ].join('\n'),
    );
  });

  test('has what a summary folds below its title', () => {
    const text = renderText([
      { kind: 'details', title: 'Phases', sections: [{ kind: 'paragraph', text: 'One.' }] },
      { kind: 'paragraph', text: 'Two.' },
    ]);
    expect(text).toBe('Phases\n\nOne.\n\nTwo.\n');
  });

  test('is aligned by what a terminal shows', () => {
    const lines = renderText([
      {
        kind: 'table',
        columns: [{ title: 'Name' }, { title: 'N', align: 'right' }],
        rows: ['顧客', 'e\u0301tat', '👩‍👩‍👧 x', 'plain'].map((name) => [name, '1']),
      },
    ]);
    const widths = lines.trimEnd().split('\n').map(displayWidth);
    expect(new Set(widths)).toEqual(new Set([8]));
  });

  test('cuts nothing', () => {
    const name = 'x'.repeat(500);
    expect(renderText([{ kind: 'table', columns: [{ title: 'T' }], rows: [[name]] }])).toContain(name);
  });

  test('shows control characters instead of sending them to the terminal', () => {
    const text = renderText([{ kind: 'table', columns: [{ title: 'T' }], rows: [['a\nb\u001b[2J']] }]);
    expect(text).toContain('a\\nb\\u{1b}[2J');
  });
});

test.each([
  ['', 0],
  ['abc', 3],
  ['ñandú', 5],
  ['日本', 4],
  ['한글', 4],
  ['e\u0301', 1],
  ['✅', 2],
  ['…', 1],
])('%j takes %i columns', (text, width) => {
  expect(displayWidth(text)).toBe(width);
});
