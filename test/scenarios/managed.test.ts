import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FileStorage } from '../../src/storage/file.ts';
import { createRepository } from '../repository/example.ts';
import { presentContext } from '../support/context.ts';
import { type FakeManagement, startFakeManagement } from '../support/fake-management.ts';
import { writePolicy } from '../support/policy-file.ts';
import { readPrinted } from '../support/printed-json.ts';
import { startBundle } from '../support/run-cli.ts';
import { inWords } from './refusal.ts';

/**
 * The program as it is shipped, against the stand-in for Supabase's Management API. Each look takes six seconds, one for each request.
 */

let platform: FakeManagement;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'both-layers-'));
  await createRepository(new FileStorage(join(folder, 'backups'), presentContext));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  platform = await startFakeManagement(new Date());
});
afterEach(async () => {
  expect(platform.violations).toEqual([]);
  await platform.close();
});

const run = (words: readonly string[], token = platform.token) =>
  startBundle(
    'cli.cjs',
    [...words, '--project-ref', platform.project.ref, '--management-api-url', platform.url],
    { env: { SUPABASE_ACCESS_TOKEN: token }, cwd: folder },
  ).finished;

describe('the command line', () => {
  test('tells both layers as JSON, from the token that its own tools take, and shows the token nowhere', async () => {
    const { exitCode, stdout, stderr } = await run(['managed', '--storage', './backups', '--json']);
    expect([exitCode, stderr]).toEqual([0, '']);
    const told = readPrinted(stdout).outputs;
    expect(told).toMatchObject({
      status: 'healthy',
      plan: 'pro',
      'managed-layer': 'daily',
      'managed-backups': 7,
    });
    expect(told.findings).toMatchObject([{ kind: 'managed-out-of-step', severity: 'warning' }]);
    expect(stdout + stderr).not.toContain(platform.token);
  });

  test('ends with 2 where the token is not known any more, and says that it may have expired', async () => {
    const { exitCode, stderr } = await run(['managed'], 'sbp_gone');
    expect(exitCode).toBe(2);
    expect(inWords(stderr)).toMatch(/supabase-access-token: .*may have expired[\s\S]*→ Create a new token/);
    expect(stderr).not.toContain('sbp_gone');
  });

  test('ends with 3 where the last backup failed, and names what was found', async () => {
    platform.project.backups.unshift({ status: 'FAILED', at: new Date() });
    const { exitCode, stdout, stderr } = await run(['managed']);
    expect(exitCode).toBe(3);
    expect(stdout).toContain('BROKEN: Supabase');
    expect(stderr).toContain("something is wrong with Supabase's own backups");
  });

  test('has the same findings in status, and both layers in a folder of three forms', async () => {
    platform.project.backups.shift();
    const { exitCode, stdout } = await run(['status', '--storage', './backups', '--json']);
    expect(exitCode).toBe(3);
    const kinds = readPrinted(stdout).outputs.findings.map(({ kind }: { kind: string }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['max-age', 'managed-late', 'managed-out-of-step']));
    const written = ['--kind', 'managed', '--database', 'shop', '--output', './both'];
    expect((await run(['report', '--storage', './backups', ...written])).exitCode).toBe(0);
    expect(readdirSync(join(folder, 'both')).sort()).toEqual(['shop.html', 'shop.json', 'shop.md']);
    expect(readFileSync(join(folder, 'both/shop.md'), 'utf8')).toContain('BROKEN: Supabase');
  });

  test('asks about no project where a report is about several databases, and says so', async () => {
    const names = ['shop', 'books'].map(
      (name) => `  ${name}: { database-url: URL, storage: ${folder}/${name} }`,
    );
    const policy = [
      `action: octo-org/supabase-backup@${'0'.repeat(40)}`,
      ...['repository: octo-org/shop', 'runs-on: self-hosted', 'databases:', ...names],
    ];
    writeFileSync(join(folder, 'policy.yml'), policy.join('\n'));
    const { exitCode, stderr } = await run(['report', '--policy', 'policy.yml', '--output', 'page.html']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("Supabase's own backups are not in the report");
    expect(platform.requests).toEqual([]);
  });

  test('shows project and copies that a policy names, from the variables of its names, and none of their values', async () => {
    const policy = join(folder, 'named.yml');
    const place = `storage: ${folder}/backups, project-ref: ${platform.project.ref}`;
    const named = 'supabase-access-token: SHOP_TOKEN, copies: SHOP_COPIES';
    const other = `  books: { database-url: URL, storage: ${folder}/books }`;
    writePolicy(policy, `databases:\n  shop: { database-url: URL, ${place}, ${named} }\n${other}\n`);
    const keys = 'access-key-id: AKIA, secret-access-key: of-the-copy';
    const copies = `- { name: elsewhere, storage: 's3://copy/shop', endpoint: 'http://127.0.0.1:1', ${keys} }`;
    const env = { SHOP_TOKEN: platform.token, SHOP_COPIES: `${copies}\n- { name: disk, storage: ./copy }` };
    const about = ['--policy', policy, '--management-api-url', platform.url];
    const ask = (words: readonly string[]) =>
      startBundle('cli.cjs', [...words, ...about], { env, cwd: folder }).finished;
    const [status, report] = await Promise.all([
      ask(['status', '--storage', `${folder}/backups`, '--json']),
      ask(['report', '--output', 'page.html']),
    ]);
    const told = readPrinted(status.stdout).outputs;
    const kinds = told.findings.map(({ kind }: { kind: string }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['managed-out-of-step', 'late-copy']));
    expect(told.copies.map(({ name }: { name: string }) => name)).toEqual(['elsewhere', 'disk']);
    expect(report.exitCode).toBe(0);
    const page = readFileSync(join(folder, 'page.html'), 'utf8').replaceAll('&#39;', "'");
    for (const shown of ["Supabase's own backups", 'elsewhere', 'copy 2']) expect(page).toContain(shown);
    for (const text of [status.stdout, status.stderr, report.stdout, report.stderr, page])
      expect(text).not.toMatch(/of-the-copy|sbp_/);
  });

  test('restores nothing without the words', async () => {
    platform.project.isPitr = true;
    platform.project.window = { earliest: new Date(Date.now() - 86_400_000), latest: new Date() };
    const time = `${new Date(Date.now() - 3_600_000).toISOString().slice(0, 19)}Z`;
    const { exitCode, stderr } = await run([
      ...['restore', '--managed', '--storage', './backups', '--recovery-target-time', time],
    ]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("add --confirm 'RESTORE PRODUCTION'");
    expect(platform.project.restores).toEqual([]);
  });
});
