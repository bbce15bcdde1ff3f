import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('docs/faults.md', () => {
  const rows = read('docs/faults.md')
    .split('\n')
    .flatMap((line) => {
      const [, number = '', shown = ''] = /^\| (\d+) \|.*\|([^|]*)\|$/.exec(line) ?? [];
      return number === '' ? [] : [{ line, number: Number(number), shown }];
    });

  it('has all 35', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 35 }, (_, index) => index + 1));
  });

  it('names a test for each, or says that it is not yet', () => {
    for (const { line, shown } of rows)
      expect(shown.includes('`test/') || line.includes('Not yet'), line).toBe(true);
  });

  const named = rows.flatMap(({ number, shown }) =>
    [...shown.matchAll(/`(test\/[^`]+)`: ((?:“[^”]+”(?:, )?)+)/g)].flatMap(([, file = '', titles = '']) =>
      [...titles.matchAll(/“([^”]+)”/g)].map(([, title = '']): [number, string, string] => [
        number,
        file,
        title,
      ]),
    ),
  );

  it('names no file without a title', () => {
    const files = rows.reduce((sum, { shown }) => sum + [...shown.matchAll(/`test\//g)].length, 0);
    const withTitles = new Set(named.map(([number, file]) => `${number} ${file}`));
    expect(withTitles.size).toBe(files);
  });

  it.each(named)('%i names a test that exists, in %s: %s', (_, file, title) => {
    expect(existsSync(join(root, file)), file).toBe(true);
    const titles = [...read(file).matchAll(/(['`"])((?:(?!\1)[^\\\n]|\\.)+)\1/g)].map(([, , text]) => text);
    expect(titles).toContain(title);
  });
});
