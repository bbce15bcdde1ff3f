import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { createDatabase, query } from './shop.ts';

/** The command line with a policy in place of options: nothing below names a storage. */

let cluster: Cluster;
let folder: string;
let source: string;

beforeAll(async () => {
  cluster = await startCluster();
  folder = mkdtempSync(join(tmpdir(), 'configuration-'));
  source = await createDatabase(cluster.superuserUrl(), 'shop');
  await query(source, 'CREATE TABLE public.orders AS SELECT n AS id FROM generate_series(1, 50) n');
  const database = (name: string) =>
    `  ${name}:\n    database-url: SHOP_URL\n    storage: ${join(folder, 'backups', name)}\n`;
  const [one, two] = [
    `databases:\n${database('shop')}`,
    `databases:\n${database('shop')}${database('empty')}`,
  ];
  writeFileSync(join(folder, 'supabase-backup.yml'), one, { mode: 0o644 });
  writeFileSync(join(folder, 'several.yml'), two, { mode: 0o644 });
  await succeed(['backup', '--config', 'supabase-backup.yml', '--label', 'by the policy'], {
    cwd: folder,
    env: { SHOP_URL: source },
  });
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> =>
  runCli(words, { cwd: folder, env });

describe('list and status without a storage', () => {
  test.each<[string, string[], NodeJS.ProcessEnv]>([
    ['is named', ['--config', 'supabase-backup.yml'], {}],
    ['is named by a variable', [], { SUPABASE_BACKUP_CONFIG: 'supabase-backup.yml' }],
    ['lies in the folder', [], {}],
    ['has several databases, of which one is named', ['--config', 'several.yml', '--database', 'shop'], {}],
  ])('read it from a policy that %s', async (_, words, env) => {
    const place = join(folder, 'backups', 'shop');
    const listed = await ask(['list', ...words], env);
    expect(listed).toMatchObject({ exitCode: 0 });
    expect(listed.stdout).toContain('by the policy');
    expect(listed.stderr).toContain(`shop, in ${place}`);
    const status = await ask(['status', ...words, '--max-age', '1h'], env);
    expect(status, status.stderr).toMatchObject({ exitCode: 0 });
  });

  test('look where the policy says, and nowhere else', async () => {
    const words = ['--config', 'several.yml', '--database', 'empty'];
    const listed = await ask(['list', ...words]);
    expect(listed.stdout).not.toContain('by the policy');
    expect(await ask(['status', ...words, '--max-age', '1h'])).not.toMatchObject({ exitCode: 0 });
  });

  test('ask which database is meant, and which storage where there is no policy', async () => {
    expectRefusal(await ask(['list', '--config', 'several.yml']), {
      exitCode: 2,
      says: /several\.yml has 2 databases/,
    });
    const elsewhere = await runCli(['list']);
    expectRefusal(elsewhere, { exitCode: 2, says: /storage: is required/ });
  });

  test('tell where a policy is wrong', async () => {
    writeFileSync(join(folder, 'wrong.yml'), 'databases:\n  shop:\n    storage: backups\n');
    const refused = await ask(['list', '--config', 'wrong.yml']);
    expect(refused).toMatchObject({ exitCode: 2 });
    expect(refused.stderr).toContain('wrong.yml:3:5: databases.shop.database-url: is required');
    expect(refused.stderr).toContain('wrong.yml:3:14: databases.shop.storage: is neither a folder');
  });
});
