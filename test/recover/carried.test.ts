import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

/** What has to have a row, whatever else has one. */
const subjects = [
  'user triggers',
  'policies',
  'functions',
  'indexes',
  'views',
  'grants on managed schemas',
  'rows of `auth` and `storage`',
  'your roles',
  'passwords',
  '`ALTER ROLE … SET`',
  '`ALTER DATABASE … SET`',
  'grants on the database',
  'extensions',
  'event triggers',
  'publications',
  'jobs of pg_cron',
  'migration history',
  'secrets of Vault',
  'foreign data wrappers',
  'comments',
  'security labels',
  'default privileges',
  'privileges on columns and functions',
  'row level security',
  'large objects',
  'materialized views',
  'statistics objects',
];

describe('docs/supabase.md', () => {
  const lines = read('docs/supabase.md').split('\n');
  const start = lines.findIndex((line) => line.startsWith('| what | how it is carried |'));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'));
  const rows = lines.slice(start + 2, end).map((line) => {
    const cells = line.slice(1, -1).split(' | ');
    return { line, cells, what: (cells[0] ?? '').trim(), shown: (cells.at(-1) ?? '').trim() };
  });
  const named = rows.flatMap(({ what, shown }) =>
    [...shown.matchAll(/`(test\/[^`]+)`: ((?:“[^”]+”(?:, )?)+)/g)].flatMap(([, file = '', titles = '']) =>
      [...titles.matchAll(/“([^”]+)”/g)].map(([, title = '']): [string, string, string] => [
        what,
        file,
        title,
      ]),
    ),
  );

  it.each(subjects)('has a row for %s', (subject) => {
    expect(rows.filter(({ what }) => what.startsWith(subject))).toHaveLength(1);
  });

  it('says of each row how it is carried, into each kind of target', () => {
    for (const { line, cells } of rows) {
      expect(cells, line).toHaveLength(6);
      expect(
        cells.filter((cell) => cell.trim() === ''),
        line,
      ).toEqual([]);
    }
  });

  it('names a test for each row, or says that there is none', () => {
    for (const { line, what, shown } of rows) {
      const isNamed = named.some(([of]) => of === what);
      expect(isNamed !== (shown === 'no test'), line).toBe(true);
    }
  });

  it('names no file without a title', () => {
    const files = rows.flatMap(({ what, shown }) =>
      [...shown.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => `${what}: ${file}`),
    );
    expect([...new Set(named.map(([what, file]) => `${what}: ${file}`))]).toEqual(files);
  });

  it.each(named)('%s: names a test that exists, in %s: %s', (_, file, title) => {
    expect(existsSync(join(root, file)), file).toBe(true);
    const titles = [...read(file).matchAll(/(['`"])((?:(?!\1)[^\\\n]|\\.)+)\1/g)].map(([, , text]) => text);
    expect(titles).toContain(title);
  });
});
