import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findPassFile, homeOf } from '../../../src/postgres/session/files.ts';

const src = join(import.meta.dirname, '../../../src');

test('the home is what HOME says, and else what the system does', () => {
  expect(homeOf({ HOME: '/somewhere' })).toBe('/somewhere');
  expect(findPassFile({ HOME: '/somewhere' })).toBe('/somewhere/.pgpass');
  expect(homeOf({})).toMatch(/^\/./);
});

test('a number without a name has no home, and is no mistake: containers give such ones', ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can become another user');
  const script = `
    import { findPassFile, homeOf } from '${src}/postgres/session/files.ts';
    import { parseConnection } from '${src}/postgres/session/settings.ts';
    import { nameActor } from '${src}/github/run.ts';
    process.setuid(54321);
    delete process.env.HOME;
    const env = {};
    const connect = (url) => parseConnection('database-url', url, { env, random: Math.random });
    console.log(homeOf(env), findPassFile(env), nameActor({ env }));
    console.log(connect('postgresql://me@127.0.0.1/shop').user);
    try { connect('postgresql://127.0.0.1/shop'); } catch (error) { console.log(error.name, error.message); }`;
  const run = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
  expect(run).toMatchObject({
    status: 0,
    stdout: [
      '/nonexistent /nonexistent/.pgpass user 54321',
      'me',
      'ConfigurationError database-url: has no user name, and the user of this process has none either',
      '',
    ].join('\n'),
  });
});
