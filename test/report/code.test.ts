import { expect, test } from 'vitest';
import { renderMarkdown } from '../../src/report/markdown.ts';
import type { Section } from '../../src/report/section.ts';
import { renderText } from '../../src/report/text.ts';

const code = (text: string): Section[] => [{ kind: 'code', language: 'sql', text }];

test('code stays as it is, line by line', () => {
  expect(renderText(code('SELECT *\n  FROM "a_b";'))).toBe('SELECT *\n  FROM "a_b";\n');
  expect(renderMarkdown(code('SELECT *\n  FROM "a_b";\n'))).toBe('```sql\nSELECT *\n  FROM "a_b";\n```\n');
});

test('code cannot end its own fence', () => {
  expect(renderMarkdown(code('SELECT "\n````\n# heading";'))).toBe(
    '`````sql\nSELECT "\n````\n# heading";\n`````\n',
  );
});

test('code sends no control characters to the terminal', () => {
  expect(renderText(code('SELECT "\u001b[2J"'))).toBe('SELECT "\\u{1b}[2J"\n');
});

test('code keeps its tabs, and how its lines end', () => {
  expect(renderText(code('SELECT\t1;\r\n\tSELECT 2;'))).toBe('SELECT\t1;\r\n\tSELECT 2;\n');
});

test('code of any number of backticks has a fence', () => {
  const text = `${'` '.repeat(300_000)}${'`'.repeat(5)}`;
  expect(renderMarkdown(code(text)).startsWith('``````sql\n')).toBe(true);
});
