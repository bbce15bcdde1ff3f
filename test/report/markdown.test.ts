import { describe, expect, test } from 'vitest';
import { escapeMarkdown, fitSummary, renderMarkdown } from '../../src/report/markdown.ts';

describe('a report as Markdown', () => {
  test('has tables with alignment', () => {
    const markdown = renderMarkdown([
      { kind: 'heading', text: 'Backup' },
      {
        kind: 'table',
        columns: [{ title: 'Table' }, { title: 'Rows', align: 'right' }],
        rows: [['public.users', '1,234'], ['public.a']],
      },
    ]);
    expect(markdown).toBe(
      '### Backup\n\n| Table | Rows |\n| --- | ---: |\n| public.users | 1,234 |\n| public.a |  |\n',
    );
  });

  test('keeps every name inside its cell', () => {
    const rows = [
      ['a|b'],
      ['a\nb'],
      ['`rm`'],
      ['<img src=x onerror=y>'],
      ['\\|'],
      ['[x](y)'],
      ['_private_ *b*'],
    ];
    const lines = renderMarkdown([{ kind: 'table', columns: [{ title: 'T' }], rows }])
      .trimEnd()
      .split('\n')
      .slice(2);
    expect(lines).toEqual([
      '| a\\|b |',
      '| a<br>b |',
      '| \\`rm\\` |',
      '| &lt;img src=x onerror=y&gt; |',
      '| \\\\\\| |',
      '| \\[x\\](y) |',
      '| \\_private\\_ \\*b\\* |',
    ]);
  });

  test('shows a paragraph as it is written, line by line', () => {
    expect(renderMarkdown([{ kind: 'paragraph', text: '# no heading\n- no list\n1. no number' }])).toBe(
      '\\# no heading<br>\n\\- no list<br>\n1\\. no number\n',
    );
  });

  test('escapes an entity that is text', () => {
    expect(escapeMarkdown('&lt;')).toBe('&amp;lt;');
  });
});

describe('what a report as Markdown holds', () => {
  test('leads nowhere', () => {
    const text = 'https://evil.example/x www.evil.example ftp://evil.example <https://evil.example>';
    expect(escapeMarkdown(text)).toBe(
      'https\\://evil.example/x www\\.evil.example ftp\\://evil.example &lt;https\\://evil.example&gt;',
    );
  });

  test('hides and turns nothing, in code neither', () => {
    const text = 'a\u202eb\u200b\u001b[2J';
    const report = renderMarkdown([
      { kind: 'heading', text },
      { kind: 'paragraph', text },
      { kind: 'table', columns: [{ title: text }], rows: [[text]] },
      { kind: 'code', language: 'sql', text: `${text}\n\tSELECT 1;\r\n` },
    ]);
    for (const hidden of ['\u202e', '\u200b', '\u001b']) expect(report).not.toContain(hidden);
    expect(report).toContain('\n\tSELECT 1;\n```');
  });
});

describe('a job summary', () => {
  test('that fits stays as it is', () => {
    expect(fitSummary('a\n')).toBe('a\n');
  });

  test('that is too large ends after a whole line, says so, and fits', () => {
    const line = '| größe | 1 |\n';
    const fitted = fitSummary(line.repeat(100_000));
    expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(1024 * 1024);
    expect(fitted).toContain('The rest is left out');
    expect(
      fitted
        .split('\n\n_')[0]
        ?.split('\n')
        .every((text) => text === line.trim()),
    ).toBe(true);
  });
});
