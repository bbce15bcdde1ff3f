import { describe, expect, it } from 'vitest';
import { listFiles, listNamed, listTitles, readRows } from './named-tests.ts';

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
  const rows = readRows('docs/supabase.md', '| what | how it is carried |');
  const named = listNamed(rows);

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
    expect([...new Set(named.map(([what, file]) => `${what}: ${file}`))]).toEqual(listFiles(rows));
  });

  it.each(named)('%s: names a test that exists, in %s: %s', (_, file, title) => {
    expect(listTitles(file)).toContain(title);
  });
});
