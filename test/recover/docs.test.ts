import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...[
    'drill',
    'format',
    'network',
    'parity',
    'point-in-time',
    'recover-by-hand',
    'restore',
    'supabase',
    'threat-model',
    'troubleshooting',
  ].map((name) => `docs/${name}.md`),
];
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('docs/troubleshooting.md', () => {
  const source = globSync('src/**/*.ts', { cwd: root }).map(read).join('\n');
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

describe.each(documents)('%s', (file) => {
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

  it('has lines of at most 140 characters, tables aside', () => {
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
