import { describe, expect, it } from 'vitest';
import { listFiles, listNamed, listTitles, read, readRows } from './named-tests.ts';

describe('docs/threat-model.md', () => {
  const rows = readRows('docs/threat-model.md', '| claim | shown by |');
  const named = listNamed(rows);

  it('has a claim of each of its chapters, and names a test for each claim, or says that there is none', () => {
    const chapters = [...read('docs/threat-model.md').matchAll(/^## (.+)$/gm)].map(([, title]) => title);
    const isHead = (what: string) => what.startsWith('**');
    const heads = rows.map(({ what }) => what).filter(isHead);
    expect(heads.map((what) => what.replaceAll('**', ''))).toEqual(
      chapters.filter((title) => !['The secrets', 'Lost', 'Each claim, and its test'].includes(title ?? '')),
    );
    for (const { line, what, shown } of rows.filter(({ what }) => !isHead(what))) {
      expect(named.some(([of]) => of === what) !== shown.startsWith('no test'), line).toBe(true);
    }
  });

  it('names no file without a title', () => {
    expect([...new Set(named.map(([what, file]) => `${what}: ${file}`))]).toEqual(listFiles(rows));
  });

  it.each(named)('%s: names a test that exists, in %s: %s', (_, file, title) => {
    expect(listTitles(file)).toContain(title);
  });
});
