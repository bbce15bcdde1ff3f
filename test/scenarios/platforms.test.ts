import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runAction } from '../support/run-action.ts';
import { runCli } from '../support/run-cli.ts';
import { createShop } from './shop.ts';

/** The bundles, told that they are on another system: what they decide by its name. Nothing here ran on that system. */

let folder: string;
let cluster: Cluster;
let source: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'platforms-'));
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Options of Node that have the process believe it. */
function onPlatform(platform: NodeJS.Platform): NodeJS.ProcessEnv {
  const file = join(folder, `${platform}.cjs`);
  writeFileSync(file, `Object.defineProperty(process, 'platform', { value: '${platform}' });\n`);
  return { NODE_OPTIONS: `--require=${file}` };
}

test('on Windows the command line says at once that it does not run there, before it asks for anything', async () => {
  const storage = join(folder, 'never');
  const run = await runCli(['backup', '--storage', storage, '--json'], {
    env: { ...onPlatform('win32'), SUPABASE_BACKUP_DATABASE_URL: 'postgresql://u:p@db.example.test/d' },
  });
  expect(run.exitCode).toBe(2);
  expect(run.stderr).toContain('error: supabase-backup does not run on Windows\n→ Run it in WSL 2');
  expect(readPrinted(run.stdout)).toMatchObject({ exitCode: 2, error: { kind: 'ConfigurationError' } });
});

test('and explains itself all the same', async () => {
  for (const word of ['--help', '--version']) {
    const run = await runCli([word], { env: onPlatform('win32') });
    expect([run.exitCode, run.stderr]).toEqual([0, '']);
  }
});

test('on Windows the action fails with the runner to choose', async () => {
  const run = await runAction({ operation: 'list', storage: './x' }, { env: onPlatform('win32') });
  expect(run.exitCode).toBe(1);
  expect(run.stdout).toContain('::error::supabase-backup does not run on Windows');
  expect(run.stdout).toContain('ubuntu-latest');
});

test('on macOS it works with the client programs that are there', async () => {
  const storage = join(folder, 'repository');
  const env = { ...onPlatform('darwin'), SUPABASE_BACKUP_DATABASE_URL: source };
  const run = await runCli(['backup', '--storage', storage, '--allow-unencrypted'], { env });
  expect(run.exitCode, run.stderr).toBe(0);
});
