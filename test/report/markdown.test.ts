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
      ['a`rm`'],
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
      '| a\\`rm\\` |',
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

describe('code in a report', () => {
  const paragraph = (text: string) => renderMarkdown([{ kind: 'paragraph', text }]).trim();

  test.each([
    ['Run `repair`, or (`drill`).', 'Run `repair`, or (`drill`).'],
    ['backup 20261120T021700Z-7f3a.', 'backup `20261120T021700Z-7f3a`.'],
    ['in a/b-20261120T021700Z-7f3a.json.', 'in `a/b-20261120T021700Z-7f3a.json`.'],
    ['of 2026-11-20T02:17:00.000Z, and', 'of `2026-11-20T02:17:00.000Z`, and'],
    ['2026-11-20 02:17 UTC, 2026-11-20', '`2026-11-20 02:17 UTC`, 2026-11-20'],
    ['into postgres@db.example.com:5432/shop.', 'into `postgres@db.example.com:5432/shop`.'],
    ['(s3://bucket/it, https://x.example/y.)', '(`s3://bucket/it`, `https://x.example/y`.)'],
    ['at www.evil.example', 'at `www.evil.example`'],
    ['`a|b` and `c\\`', '<code>a\\|b</code> and <code>c\\\\</code>'],
    ['`` and `', '\\`\\` and \\`'],
  ])('is what is typed, and what must not break or become a link: %s', (text, shown) => {
    expect(paragraph(text)).toBe(shown);
  });

  test('is each cell of its column, literally', () => {
    const rows = [['*/5 2 * * *'], ['a`b'], ['a|b'], [''], [' x'], ['<b>']];
    const lines = renderMarkdown([{ kind: 'table', columns: [{ title: 'T', code: true }], rows }]);
    expect(lines.trimEnd().split('\n').slice(2)).toEqual([
      '| `*/5 2 * * *` |',
      '| <code>a\\`b</code> |',
      '| <code>a\\|b</code> |',
      '|  |',
      '| <code> x</code> |',
      '| `<b>` |',
    ]);
  });

  test('is kept in one piece beside long texts, where a table has to be as wide as the page', () => {
    const why = '<script>*x*</script>\n\n| `repair` https://evil.example '.repeat(3);
    const columns = [{ title: 'id', code: true }, { title: 'n', align: 'right' as const }, { title: 'why' }];
    const text = renderMarkdown([
      {
        kind: 'table',
        columns,
        rows: [
          ['20261120T021700Z-7f3a', '1', why],
          ['', '2', ''],
        ],
      },
    ]);
    expect(text).toMatch(
      /^<table>\n<tr><th width="\d+">id<\/th><th align="right">n<\/th><th>why<\/th><\/tr>/,
    );
    expect(text).toContain('<td><code>20261120T021700Z-7f3a</code></td><td align="right">1</td>');
    expect(text).toContain('&lt;script&gt;*x*&lt;/script&gt;<br><br>| <code>repair</code> <code>https://');
    expect(text).toContain('<tr><td></td><td align="right">2</td><td></td></tr>\n</table>\n');
    // An empty line would end the HTML, and begin Markdown.
    expect(text.trimEnd()).not.toContain('\n\n');
  });
});

describe('what matters less', () => {
  const report = renderMarkdown([
    {
      ...{ kind: 'details', title: 'Phases <b>, 3 s' },
      sections: [
        { kind: 'paragraph', text: 'One.' },
        { kind: 'code', language: 'sh', text: 'true' },
      ],
    },
  ]);

  test('is folded under its title', () => {
    expect(report).toBe(
      '<details><summary>Phases &lt;b&gt;, 3 s</summary>\n\nOne.\n\n```sh\ntrue\n```\n\n</details>\n',
    );
  });

  test('does not fold the note of a summary that is cut', () => {
    const cut = fitSummary(`x\n${report.replace('One.', 'One.\n'.repeat(100_000))}`, 10_000);
    expect(cut).toMatch(/One\.\n\n<\/details>\n\n_The rest is left out/);
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(10_000);
    expect(fitSummary(report + 'y\n'.repeat(10_000), 10_000)).toMatch(/y\n\n_The rest/);
  });

  test('ends before the note where its code is cut, whatever the code looks like', () => {
    const code = (text: string) =>
      fitSummary(
        renderMarkdown([
          { kind: 'heading', text: 'x' },
          { kind: 'details', title: 'SQL', sections: [{ kind: 'code', language: 'sql', text }] },
        ]),
        3000,
      );
    const rest = 'SELECT 1;\n'.repeat(1000);
    for (const start of ['', '</details>\n', '<table>\n', '```\n<details>\n']) {
      const cut = code(start + rest);
      expect(cut).toMatch(/SELECT 1;\n(`{3,})\n\n<\/details>\n\n_The rest/);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(3000);
    }
    expect(code(`${'`'.repeat(5000)}\n`)).toMatch(/^\n\n_The rest/);
  });

  test('ends before the note where its table is cut', () => {
    const table = {
      kind: 'table' as const,
      columns: [{ title: 'id', code: true }, { title: 'what' }],
      rows: Array.from({ length: 100 }, () => ['x'.repeat(30), 'y '.repeat(60)]),
    };
    const folded = renderMarkdown([
      { kind: 'heading', text: 'x' },
      { kind: 'details', title: 'Ids', sections: [table] },
    ]);
    expect(fitSummary(folded, 3000)).toMatch(/<\/tr>\n<\/table>\n\n<\/details>\n\n_The rest/);
  });
});

test('a verdict has a sign, as a terminal has a colour', () => {
  const render = (tone?: 'good' | 'warning' | 'bad') =>
    renderMarkdown([{ kind: 'heading', text: 'Drill: PASSED', tone }]);
  expect([render('good'), render('bad'), render()]).toEqual([
    '### ✅ Drill: PASSED\n',
    '### ❌ Drill: PASSED\n',
    '### Drill: PASSED\n',
  ]);
});

describe('what a report as Markdown holds', () => {
  test('leads nowhere', () => {
    const text = 'https://evil.example/x www.evil.example ftp://evil.example <https://evil.example>';
    expect(escapeMarkdown('_www.evil.example')).toBe('\\_www\\.evil.example');
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
