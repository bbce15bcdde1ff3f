import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findPassFile, homeOf } from '../../../src/postgres/session/files.ts';

const files = join(import.meta.dirname, '../../../src/postgres/session/files.ts');

test('the home is what HOME says, and else what the system does', () => {
  expect(homeOf({ HOME: '/somewhere' })).toBe('/somewhere');
  expect(findPassFile({ HOME: '/somewhere' })).toBe('/somewhere/.pgpass');
  expect(homeOf({})).toMatch(/^\/./);
});

test('a number without a name has no home, and is no mistake: containers give such ones', ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can become another user');
  const script = `process.setuid(54321); delete process.env.HOME;
    console.log(homeOf(process.env), findPassFile({}));`;
  const run = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { findPassFile, homeOf } from ${JSON.stringify(files)};\n${script}`,
    ],
    { encoding: 'utf8' },
  );
  expect(run).toMatchObject({ status: 0, stdout: '/nonexistent /nonexistent/.pgpass\n' });
});
