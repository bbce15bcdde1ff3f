import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { writePolicy } from '../support/policy-file.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { createShop, query } from './shop.ts';

/* The dashboard of a real repository, made by the bundle. */

let cluster: Cluster;
let folder: string;
let storage: string;
let identity: string;
let ids: string[];
let keyHex: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'report-'));
  storage = join(folder, 'shop');
  identity = await generateIdentity();
  keyHex = 'ab'.repeat(32);
  cluster = await startCluster();
  const source = await createShop(cluster.superuserUrl(), 'shop');
  const env = { SUPABASE_BACKUP_DATABASE_URL: source, SUPABASE_BACKUP_REPOSITORY_KEY: keyHex };
  const recipients = ['--encryption-recipients', await identityToRecipient(identity)];
  const checks = ['--checks', 'SELECT count(*) FROM sales.customers'];
  ids = [];
  for (const statement of ['SELECT 1', `INSERT INTO sales.customers (name) VALUES ('Mara')`]) {
    await query(source, statement);
    const { 'backup-id': id } = await succeed(['backup', '--storage', storage, ...recipients, ...checks], {
      env,
    });
    ids.push(String(id));
  }
  await succeed(['validate', '--storage', storage, '--backup-id', 'all'], { env });
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const env = () => ({ SUPABASE_BACKUP_REPOSITORY_KEY: keyHex });

test('one file says what is stored, for its user alone, and replaces the one before at once', async () => {
  writeFileSync(join(folder, 'dashboard.html'), 'the one before');
  const identified = { ...env(), SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity };
  const args = [
    'report',
    '--storage',
    storage,
    '--database',
    'My shop',
    '--output',
    join(folder, 'dashboard.html'),
  ];
  const result = await succeed(args, { env: identified });
  expect(result).toMatchObject({ 'report-path': join(folder, 'dashboard.html'), 'broken-findings': 0 });
  const file = join(folder, 'dashboard.html');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
  const page = readFileSync(file, 'utf8');
  expect(page).toContain('<h1>Backups of My shop</h1>');
  for (const id of ids) expect(page).toContain(id);
  expect(page).toContain('sales.customers');
  expect(page).toContain('SELECT count(*) FROM sales.customers');
  expect(page).toContain('The newest answer: 51');
  expect(page).toContain('export SUPABASE_BACKUP_REPOSITORY_KEY=…');
  expect(page).not.toContain(keyHex);
  expect(page).not.toContain(identity);
  expect(page).not.toContain('customer 7');
});

test('what is encrypted is told to be closed, where nothing opens it, and a broken limit fails nothing', async () => {
  const output = join(folder, 'closed.html');
  const args = ['report', '--storage', storage, '--output', output, '--drilled-within', '1s'];
  const { exitCode, stdout } = await runCli(args, { env: env() });
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/1 finding broken/);
  const page = readFileSync(output, 'utf8');
  expect(page).toContain('<code>encryption-identity</code> was not given to open them');
  expect(page).toMatch(/data-finding="drilled-within" data-severity="broken"/);
});

test('a policy puts all its databases on one page, also one that cannot be read', async () => {
  const policy = join(folder, 'policy.yml');
  writePolicy(
    policy,
    `databases:
  empty:
    database-url: EMPTY_URL
    storage: ${join(folder, 'nothing')}
  shop:
    database-url: DATABASE_URL
    storage: ${storage}
    repository-key: SHOP_KEY
`,
  );
  const output = join(folder, 'all.html');
  const args = ['report', '--policy', policy, '--output', output];
  const result = await succeed(args, { env: { SHOP_KEY: keyHex } });
  expect(result['broken-findings']).toBe(1);
  const page = readFileSync(output, 'utf8');
  expect(page).toContain('<h1>Backups of 2 databases</h1>');
  expect(page).toContain('NOT READABLE');
  expect(page).toContain('there is no repository at');
  const [, next = ''] = /<dt>Next backup<\/dt><dd><time datetime="([^"]+)"/.exec(page) ?? [];
  expect(Date.parse(next)).toBeGreaterThan(Date.now());
  const one = await succeed([...args, '--database', 'shop', '--public'], { env: { SHOP_KEY: keyHex } });
  expect(one['broken-findings']).toBe(0);
  expect(readFileSync(output, 'utf8')).not.toContain('sales.customers');
});

test('wrong inputs are the mistake of the user, and nothing is written', async () => {
  const nothing = join(folder, 'nothing');
  const unknown = await runCli(['report', '--storage', nothing], { env: env() });
  expectRefusal(unknown, { exitCode: 2, says: /there is no repository at/ });
  const output = join(folder, 'missing', 'page.html');
  const unwritten = await runCli(['report', '--storage', storage, '--output', output], { env: env() });
  expectRefusal(unwritten, { exitCode: 2, says: /output: .* cannot be written/, secrets: [keyHex] });
});
