import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { vault, vaultCipher } from '../fixture/extensions.ts';
import { seedDatabase } from '../fixture/seed.ts';
import { makeProjectTarget, type Target } from '../fixture/target.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeManagement, rootKeys, startFakeManagement } from '../support/fake-management.ts';
import { runCli } from '../support/run-cli.ts';
import { keyOf, listBackups, readStoredManifest } from './repository-folder.ts';
import { query } from './shop.ts';

/* The root key of Vault through the whole program: from one project, with a backup, into another. */

const page = readFileSync(join(import.meta.dirname, '../../docs/recover-by-hand.md'), 'utf8');
const minutes = 60_000;
const owner = 'app_owner';
let cluster: Cluster;
let folder: string;
let source: string;
let superuser: string;
let identity: string;
let recipient: string;
/** The platform as the project that is backed up sees it, and as the target does */
let from: FakeManagement;
let into: FakeManagement;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'root-key-'));
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  cluster = await startCluster();
  const seeded = await seedDatabase({
    superuserUrl: cluster.superuserUrl('postgres'),
    ...{ database: 'source', owner, application: false, sessionDefaults: false },
  });
  [source, superuser] = [seeded.ownerUrl, seeded.superuserUrl];
  await query(
    superuser,
    `DROP SCHEMA cron CASCADE; ${vault(rootKeys.own)}
     SELECT vault.create_secret('sk_live_42', 'stripe', 'payments'), vault.create_secret('second')`,
  );
}, 2 * minutes);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  from = await startFakeManagement(new Date());
  into = await startFakeManagement(new Date());
  into.project.rootKey = rootKeys.other;
});
afterEach(async () => {
  expect([...from.violations, ...into.violations]).toEqual([]);
  await Promise.all([from.close(), into.close()]);
});

const environment = (platform: FakeManagement) => ({
  SUPABASE_BACKUP_MANAGEMENT_API_URL: platform.url,
  SUPABASE_BACKUP_PROJECT_REF: platform.project.ref,
  SUPABASE_ACCESS_TOKEN: platform.token,
  SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity,
});

/** Text that nothing shows, whatever it is about */
function expectSilent(text: string): void {
  for (const secret of [rootKeys.own, rootKeys.other, 'sk_live_42', from.token])
    expect(text.includes(secret), secret).toBe(false);
}

async function backUp(storage: string, ...words: string[]): Promise<string> {
  const env = { SUPABASE_BACKUP_DATABASE_URL: source, ...environment(from) };
  const run = await runCli(['backup', '--verbose', '--storage', storage, ...words], { env });
  expect(run, run.stderr).toMatchObject({ exitCode: 0 });
  expectSilent(run.stdout + run.stderr);
  return run.stdout;
}

const encrypted = () => ['--encryption-recipients', recipient];

async function restore(target: Target, storage: string, ...words: string[]) {
  const env = { SUPABASE_BACKUP_TARGET_URL: target.url, ...environment(into) };
  const run = await runCli(['restore', '--verbose', '--storage', storage, ...words], { env });
  expectSilent(run.stdout + run.stderr);
  return run;
}

async function makeProject(database: string): Promise<Target> {
  const project = await makeProjectTarget({
    superuserUrl: cluster.superuserUrl('postgres'),
    ...{ database, owner, samePlatform: true },
  });
  await query(project.superuserUrl, `DROP SCHEMA cron CASCADE; ${vault(rootKeys.other)}`);
  into.project.onRootKey = (key) => query(project.superuserUrl, vaultCipher(key));
  return project;
}

const asked = ({ requests }: FakeManagement) => requests.map(({ method, path }) => `${method} ${path}`);
const keyPath = '/v1/projects/abcdefghijklmnopqrst/pgsodium';
const secrets = 'SELECT name, description, decrypted_secret FROM vault.decrypted_secrets ORDER BY 3';

/** Opens each stored object with the ordinary programs. */
function openAll(storage: string): string[] {
  const file = join(folder, 'identity.txt');
  writeFileSync(file, `${identity}\n`, { mode: 0o600 });
  return readdirSync(join(storage, 'objects'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /[0-9a-f]{64}$/.test(name))
    .map((name) => {
      const opened = spawnSync('age', ['-d', '-i', file, join(storage, 'objects', name)]);
      return spawnSync('zstd', ['-dc'], { input: opened.stdout }).stdout.toString('latin1');
    });
}

describe('a backup', () => {
  test(
    'carries the root key, for those alone who can open it, once for all backups',
    async () => {
      const storage = join(folder, 'carried');
      const stdout = await backUp(storage, ...encrypted());
      expect(stdout).toMatch(/root key of Vault +in it/);
      expect(stdout).not.toContain('the root key of the vault');
      await backUp(storage, ...encrypted(), '--backup-type', 'incremental');
      expect(asked(from)).toEqual([`GET ${keyPath}`, `GET ${keyPath}`]);
      const found = openAll(storage).filter((text) => text.includes(rootKeys.own));
      expect(found).toEqual([
        `{"kind":"vault-root-key","project":"abcdefghijklmnopqrst","root_key":"${rootKeys.own}"}\n`,
      ]);
      const files = readdirSync(storage, { recursive: true, encoding: 'utf8', withFileTypes: true });
      for (const file of files.filter((each) => each.isFile()))
        expectSilent(readFileSync(join(file.parentPath, file.name), 'latin1'));
      const validated = await runCli(['validate', '--storage', storage], { env: environment(from) });
      expect(validated, validated.stderr).toMatchObject({ exitCode: 0 });
      expectSilent(validated.stdout + validated.stderr);

      // Somebody without this program gives it to a project with the commands of the documentation.
      const [, section = ''] = page.split("\n## Vault's root key\n");
      const commands = (section.split('\n## ')[0] ?? '').match(/^ {4}.*$/gm) ?? [];
      expect(commands.join('\n')).toContain('--data-binary @-');
      const script = commands.join('\n').replaceAll('https://api.supabase.com', into.url);
      const file = join(folder, 'identity.txt');
      const [backup = ''] = listBackups(storage);
      const names = { BACKUP: backup, IDENTITY: file, TARGET_REF: into.project.ref };
      const env = { PATH: process.env.PATH, SUPABASE_ACCESS_TOKEN: into.token, ...names };
      const shell = await promisify(execFile)('sh', ['-euc', script], { cwd: storage, env });
      expect(shell).toEqual({ stdout: '', stderr: '' });
      expect(into.project.rootKey).toBe(rootKeys.own);

      // It is an object like any other, so damage of it is found, and named, without a key, too.
      const manifest = readStoredManifest(storage);
      const extra = manifest.objects.at(-1);
      writeFileSync(join(storage, keyOf(extra?.name ?? '')), 'age-encryption.org/v1\nnothing');
      const damaged = await runCli(['validate', '--storage', storage]);
      expect(damaged.exitCode).toBe(3);
      expect(damaged.stdout).toMatch(/extra object/);
    },
    2 * minutes,
  );

  test(
    'leaves it out, and says so, where it is not encrypted or not permitted',
    async () => {
      const storage = join(folder, 'left');
      const clear = await backUp(storage);
      expect(clear).toMatch(
        /the root key of the vault +the backup is not encrypted, and the key is never stored unencrypted/,
      );
      expect(asked(from)).toEqual([]);
      from.project.denied.set('/pgsodium', 'secrets_write');
      const denied = await backUp(storage, ...encrypted());
      expect(denied).toMatch(
        /the root key of the vault +supabase-access-token: the token has no access to the root key of Vault \(403\): it lacks secrets_write/,
      );
      expect(listBackups(storage)).toHaveLength(2);
      expect(openAll(storage).join()).not.toContain(rootKeys.own);
    },
    2 * minutes,
  );
});

describe('a restore into a project with another root key', () => {
  const storage = () => join(folder, 'kept');
  beforeAll(async () => {
    from = await startFakeManagement(new Date());
    await backUp(storage(), ...encrypted());
    await from.close();
  });

  test(
    'gives it the key of the backup, and makes the secrets anew; a dry run says so',
    async () => {
      const project = await makeProject('fresh');
      const plan = await restore(project, storage(), '--dry-run');
      expect(plan.stdout).toMatch(
        /abcdefghijklmnopqrst would first get the root key of Vault from this backup/,
      );
      expect(asked(into)).toEqual([`GET ${keyPath}`]);
      const run = await restore(project, storage());
      expect(run, run.stdout + run.stderr).toMatchObject({ exitCode: 0 });
      expect(run.stdout).toMatch(/abcdefghijklmnopqrst got the root key of Vault from this backup/);
      expect(run.stdout).toMatch(/2 secrets of Vault: made anew/);
      expect(into.project.rootKey).toBe(rootKeys.own);
      expect(asked(into).slice(1)).toEqual([`GET ${keyPath}`, `PUT ${keyPath}`]);
      expect(await query(project.superuserUrl, secrets)).toEqual(await query(superuser, secrets));
    },
    2 * minutes,
  );

  test(
    'that has secrets takes these away only with clean, and after its own key is in the safety backup',
    async () => {
      const project = await makeProject('used');
      await query(
        project.superuserUrl,
        `GRANT DELETE ON ALL TABLES IN SCHEMA auth, storage, realtime, vault TO ${owner};
         SELECT vault.create_secret('of the target', 'own')`,
      );
      const safety = join(folder, 'safety');
      const words = ['--clean', '--confirm', 'RESTORE PRODUCTION', '--safety-storage', safety];
      const run = await restore(project, storage(), ...words);
      expect(run, run.stdout + run.stderr).toMatchObject({ exitCode: 0 });
      expect(into.project.rootKey).toBe(rootKeys.own);
      expect(await query(project.superuserUrl, secrets)).toEqual(await query(superuser, secrets));
      expect(openAll(safety).filter((text) => text.includes(rootKeys.other))).toHaveLength(1);
    },
    2 * minutes,
  );
});
