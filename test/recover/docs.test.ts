import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
// The lines of this one are as long as the program writes them, which a test of its own compares.
const pages = globSync('docs/**/*.md', { cwd: root })
  .filter((page) => page !== 'docs/transcripts/compliance.md')
  .sort();
const doors = globSync('src/**/README.md', { cwd: root }).sort();
const documents = [
  'README.md',
  'AGENTS.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...pages,
  ...doors,
];
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('docs/troubleshooting.md', () => {
  // Messages refer to inputs, whose names the entry writes; the page has them as a workflow does.
  const source = globSync('src/**/*.ts', { cwd: root })
    .map(read)
    .join('\n')
    .replaceAll(/\$\{nameInput\('([\w-]+)'(?:, '([^']*)')?\)\}/g, (_, input, value) =>
      value === undefined ? input : `${input}: ${value}`,
    )
    .replaceAll(/\$\{nameInput\((input|settings\.input)\)\}/g, (_, name) => `\${${name}}`);
  const cells = read('docs/troubleshooting.md')
    .split('\n')
    .map((line) => /^\| (.*?) \|/.exec(line)?.[1] ?? '')
    .filter((cell) => cell.includes('`') && !/^`(permission denied|extension)/.test(cell));

  it('has messages', () => expect(cells.length).toBeGreaterThan(40));

  it.each(cells)('quotes what the code says: %s', (cell) => {
    for (const [, quoted = ''] of cell.matchAll(/`([^`]+)`/g)) {
      for (const part of quoted
        .split('…')
        .map((text) => text.trim())
        .filter((text) => text.length > 3)) {
        expect(source.replaceAll("\\'", "'")).toContain(part);
      }
    }
  });
});

describe('docs/README.md', () => {
  it('has every page, once', () => {
    const links = [...read('docs/README.md').matchAll(/^- \[[^\]]+\]\(([^)]+)\)/gm)].map(([, link = '']) =>
      join('docs', link),
    );
    const wanted = pages.filter((page) => page !== 'docs/README.md' && !/^docs\/decisions\/\d/.test(page));
    expect(links.sort()).toEqual([...wanted, 'CONTRIBUTING.md'].sort());
  });

  it('has a list of decisions with all of them', () => {
    const links = [...read('docs/decisions/README.md').matchAll(/\]\((\d{4}-[^)]+)\)/g)].map(
      ([, link]) => link,
    );
    expect(links.map((link) => `docs/decisions/${link}`)).toEqual(
      pages.filter((page) => /^docs\/decisions\/\d/.test(page)),
    );
  });
});

describe('the folders of src', () => {
  const folders = ['src', ...globSync('src/**/*.ts', { cwd: root }).map(dirname)].flatMap((folder) =>
    folder.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/')),
  );

  it.each([...new Set(folders)].sort())('%s says in a paragraph what it is for', (folder) => {
    const [heading, ...rest] = read(`${folder}/README.md`).trim().split('\n\n');
    expect(heading).toMatch(/^# /);
    expect(rest).toHaveLength(1);
    expect(rest[0]?.split('\n').length).toBeLessThanOrEqual(6);
  });

  it.each(doors)('%s names files of its own folder that exist', (door) => {
    const names = [...read(door).matchAll(/`((?!src\/|test\/)[\w./-]+(?:\.ts|\/))`/g)].map(
      ([, name]) => name ?? '',
    );
    expect(names.filter((name) => !existsSync(join(root, dirname(door), name)))).toEqual([]);
  });
});

describe.each(documents)('%s', (file) => {
  it('names files that exist', () => {
    const named = [
      ...read(file).matchAll(/`((?:src|test|scripts|bench|recover|schema|examples|docs)\/[^`\s…<>*]+)`/g),
    ];
    const missing = named.map(([, name = '']) => name).filter((name) => !existsSync(join(root, name)));
    expect(missing).toEqual([]);
  });

  it('links to files that exist', () => {
    const links = [...read(file).matchAll(/\]\((?!https:)([^)#]+)[^)]*\)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !existsSync(join(root, dirname(file), link)))).toEqual([]);
  });

  it('links to headings that exist', () => {
    const links = [...read(file).matchAll(/\]\(([^)#:]*)#([^)]+)\)/g)];
    const missing = links.filter(([, target = '', anchor = '']) => {
      const text = read(target === '' ? file : join(dirname(file), target));
      return !listAnchors(text).includes(anchor);
    });
    expect(missing.map(([link]) => link)).toEqual([]);
  });

  // What stands in docs/benchmarks.md was printed by bench/.
  it.skipIf(file === 'docs/benchmarks.md')('has lines of at most 140 characters, tables aside', () => {
    const long = read(file)
      .split('\n')
      .filter((line) => line.length > 140 && !line.startsWith('|'));
    expect(long).toEqual([]);
  });
});

/** As GitHub makes them of headings. */
function listAnchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}
