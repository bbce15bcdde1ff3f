import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const text = read('Dockerfile');
const lines = text.replaceAll(/\\\n\s*/g, '').split('\n');
const copied = lines.flatMap((line) => /^COPY (.*) \S+$/.exec(line)?.[1]?.split(' ') ?? []);

/* Whether it builds is shown by ci.yml, which has Docker; here is what can be read. */
describe('the container file', () => {
  test('copies what the package holds, and nothing that has to be built first', () => {
    const packed: string[] = JSON.parse(read('package.json')).files;
    const wanted = ['LICENSE', 'bin/supabase-backup', ...packed.filter((file) => file.startsWith('dist/'))];
    expect(copied.toSorted()).toEqual(wanted.toSorted());
    for (const file of copied) expect(existsSync(join(root, file)), file).toBe(true);
  });

  test('is shown what it copies, and none of what may lie about', () => {
    const [first, ...allowed] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    const isShown = (file: string) => allowed.some((line) => matchesGlob(file, line.replace(/^!/, '')));
    expect(first).toBe('*');
    expect(allowed.every((line) => line.startsWith('!'))).toBe(true);
    for (const file of copied) expect(isShown(file), file).toBe(true);
    for (const file of [
      '.git/config',
      '.env',
      'backups/repository.json',
      'supabase-backup.yml',
      'node_modules/pg/package.json',
    ])
      expect(isShown(file), file).toBe(false);
  });

  test('runs as a user who is not root, the launcher itself, so that it gets signals', () => {
    const last = (name: string) => lines.findLast((line) => line.startsWith(`${name} `));
    expect(last('USER')).toBe('USER 1000:1000');
    expect(last('ENTRYPOINT')).toBe('ENTRYPOINT ["supabase-backup"]');
    expect(lines.findIndex((line) => line.startsWith('USER '))).toBeGreaterThan(
      lines.findLastIndex((line) => line.startsWith('RUN ')),
    );
  });

  test('is right by hadolint', ({ skip }) => {
    const run = spawnSync('hadolint', [join(root, 'Dockerfile')], { encoding: 'utf8' });
    if (run.error !== undefined) skip('hadolint is not installed');
    expect(run.stdout).toBe('');
  });
});
