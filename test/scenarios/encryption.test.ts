import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import {
  findObject,
  keyOf,
  listFolder,
  readStoredManifest,
  type StoredManifest,
} from './repository-folder.ts';
import { createDatabase, createShop, query } from './shop.ts';

let cluster: Cluster;
let folder: string;
let source: string;
let targets = 0;
let alice: { identity: string; recipient: string };
let bob: { identity: string; recipient: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'encryption-'));
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
  [alice, bob] = await Promise.all([createPerson(), createPerson()]);
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function createPerson() {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

function backUp(storage: string, recipients: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const words = recipients.length === 0 ? [] : ['--encryption-recipients', recipients.join(',')];
  return succeed(['backup', '--storage', storage, ...words], {
    env: { SUPABASE_BACKUP_DATABASE_URL: source, ...env },
  });
}

async function restore(
  storage: string,
  identity: string,
  id: string | number = 'latest',
  env: NodeJS.ProcessEnv = {},
) {
  targets += 1;
  const target = await createDatabase(cluster.superuserUrl(), `target_${targets}`);
  return runCli(['restore', '--storage', storage, '--backup-id', String(id), '--json'], {
    env: { SUPABASE_BACKUP_TARGET_URL: target, SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity, ...env },
  });
}

const namesOf = (manifest: StoredManifest): string[] => manifest.objects.map(({ name }) => name).sort();

function isInstalled(...tools: string[]): boolean {
  return tools.every((tool) => spawnSync(tool, ['--version']).status === 0);
}

describe('a stored object', () => {
  test.runIf(isInstalled('age', 'zstd'))(
    'is read by the programs age and zstd, and is COPY text',
    async () => {
      const storage = join(folder, 'readable');
      await backUp(storage, [alice.recipient]);
      const manifest = readStoredManifest(storage);
      const { key } = findObject(manifest, 'public.settings');
      const identityFile = join(folder, 'alice.txt');
      writeFileSync(identityFile, `${alice.identity}\n`, { mode: 0o600 });
      const compressed = spawnSync('age', ['--decrypt', '--identity', identityFile, join(storage, key)], {
        maxBuffer: 1 << 28,
      });
      expect(compressed.stderr.toString()).toBe('');
      const text = spawnSync('zstd', ['--decompress', '--stdout'], {
        input: compressed.stdout,
        maxBuffer: 1 << 28,
      });
      expect(text).toMatchObject({ status: 0 });
      const table = manifest.tables.find(({ name }) => name === 'settings');
      const [piece] = table?.ranges[0]?.pieces ?? [];
      const rows = text.stdout
        .subarray(piece?.offset, (piece?.offset ?? 0) + (piece?.length ?? 0))
        .toString();
      expect(rows).toBe('colour\tgreen\ntabs\ta\\tb\nnothing\t\\N\n');
    },
  );

  test.runIf(isInstalled('zstd'))('that is not encrypted is read by zstd alone', async () => {
    const storage = join(folder, 'clear');
    await backUp(storage, []);
    const { key } = findObject(readStoredManifest(storage), 'public.readings');
    const text = spawnSync('zstd', ['--decompress', '--stdout', '--format=zstd'], {
      input: readFileSync(join(storage, key)),
      maxBuffer: 1 << 28,
    });
    expect(text).toMatchObject({ status: 0 });
    expect(text.stdout.toString().split('\n')).toHaveLength(12_001);
  });

  test('that is encrypted tells nothing of the rows or the definitions', async () => {
    const storage = join(folder, 'sealed');
    await backUp(storage, [alice.recipient]);
    for (const file of Object.keys(listFolder(storage)).filter((key) => key.startsWith('objects/'))) {
      const bytes = readFileSync(join(storage, file));
      expect(bytes.toString('latin1', 0, 22)).toBe('age-encryption.org/v1\n');
      expect(bytes.includes('customer 1')).toBe(false);
      expect(bytes.includes('CREATE TABLE')).toBe(false);
    }
  });
});

describe('recipients', () => {
  test('are two: each of them restores alone, and a third does not', async () => {
    const storage = join(folder, 'two');
    await backUp(storage, [alice.recipient, bob.recipient]);
    for (const { identity } of [alice, bob]) {
      const run = await restore(storage, identity);
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      expect(readPrinted(run.stdout).outputs).toMatchObject({ parity: 'equal' });
    }
    const stranger = await createPerson();
    expectRefusal(await restore(storage, stranger.identity), {
      exitCode: 2,
      says: /encryption-identity: .* does not belong/,
      secrets: [stranger.identity],
    });
  });

  test('change between backups: the objects are new, and both backups restore, each with its own identity', async () => {
    const storage = join(folder, 'switched');
    const clear = await backUp(storage, []);
    const forAlice = await backUp(storage, [alice.recipient]);
    const forBob = await backUp(storage, [bob.recipient]);
    const all = [clear, forAlice, forBob];
    const names = all.flatMap((outputs) =>
      namesOf(readStoredManifest(storage, String(outputs['backup-id']))),
    );
    expect(new Set(names).size).toBe(names.length);
    for (const outputs of all) expect(outputs['new-bytes']).toBe(outputs['stored-bytes']);
    // The same recipients again, in whatever order, find what is stored.
    expect(Number((await backUp(storage, [bob.recipient]))['new-bytes'])).toBeLessThan(
      Number(forBob['stored-bytes']) / 2,
    );
    for (const [outputs, identity] of [
      [clear, ''],
      [forAlice, alice.identity],
      [forBob, bob.identity],
    ] as const) {
      const run = await restore(storage, identity, outputs['backup-id']);
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    }
    expect((await restore(storage, alice.identity, forBob['backup-id'])).exitCode).toBe(2);
  });

  test('cannot be forgotten: a backup, and a capture, in the clear beside encrypted ones is refused unless it is asked for', async () => {
    const storage = join(folder, 'forgotten');
    await backUp(storage, [alice.recipient]);
    const before = listFolder(storage);
    for (const operation of ['backup', 'capture']) {
      const run = await runCli([operation, '--storage', storage], {
        env: { SUPABASE_BACKUP_DATABASE_URL: source },
      });
      expectRefusal(run, {
        exitCode: 2,
        says: /encryption-recipients: is empty, and the newest backup .+ is encrypted/,
      });
    }
    expect(listFolder(storage)).toEqual(before);
    await succeed(['backup', '--storage', storage, '--allow-unencrypted'], {
      env: { SUPABASE_BACKUP_DATABASE_URL: source },
    });
  });

  test('that are left out are told, and those that are added are not', async () => {
    const storage = join(folder, 'left-out');
    const warn = async (...recipients: string[]) => {
      const words = ['backup', '--storage', storage, '--encryption-recipients', recipients.join(',')];
      const run = await runCli(words, { env: { SUPABASE_BACKUP_DATABASE_URL: source } });
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      return run.stderr
        .split('\n')
        .filter((line) => line.startsWith('warning: this backup is not encrypted for'));
    };
    expect(await warn(alice.recipient)).toEqual([]);
    expect(await warn(bob.recipient, alice.recipient)).toEqual([]);
    expect(await warn(bob.recipient)).toEqual([expect.stringContaining(alice.recipient)]);
    expect(await warn(bob.recipient)).toEqual([]);
  });

  test('of the newest backup are those of a safety backup, also where an older one in the clear is restored', async () => {
    const storage = join(folder, 'safety');
    const clear = await backUp(storage, []);
    await backUp(storage, [alice.recipient]);
    const run = await runCli(
      [
        'restore',
        '--storage',
        storage,
        '--backup-id',
        String(clear['backup-id']),
        '--clean',
        '--confirm',
        'RESTORE PRODUCTION',
        '--json',
      ],
      { env: { SUPABASE_BACKUP_TARGET_URL: source } },
    );
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    const id = readPrinted(run.stdout).outputs['safety-backup-id'];
    expect(readStoredManifest(storage, id).encryption).toEqual({
      scheme: 'age',
      recipients: [alice.recipient],
    });
    const restored = await restore(storage, alice.identity, id);
    expect(restored, restored.stderr).toMatchObject({ exitCode: 0 });
  });

  test('of several backups differ: validate opens what it can and hashes the rest', async () => {
    const storage = join(folder, 'mixed');
    await backUp(storage, [alice.recipient]);
    await backUp(storage, [bob.recipient]);
    const validate = (identity: string) =>
      runCli(['validate', '--storage', storage], { env: { SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity } });
    const both = await validate(`${alice.identity}\n${bob.identity}`);
    expect(both, both.stderr).toMatchObject({ exitCode: 0 });
    expect(both.stdout).toMatch(/archives listed by pg_restore +2/);
    const one = await validate(alice.identity);
    expect(one, one.stderr).toMatchObject({ exitCode: 0 });
    expect(one.stdout).toMatch(/archives listed by pg_restore +1/);
    expect(one.stderr).toMatch(/warning: .*identity/i);
  });
});

describe('a repository key kept outside', () => {
  const key = '0123456789abcdef'.repeat(4);
  const env = { SUPABASE_BACKUP_REPOSITORY_KEY: key };

  test('is nowhere in the repository, and every operation needs it', async () => {
    const storage = join(folder, 'outside');
    await backUp(storage, [alice.recipient], env);
    for (const file of Object.keys(listFolder(storage))) {
      expect(readFileSync(join(storage, file), 'latin1').includes(key)).toBe(false);
    }
    expect(await succeed(['validate', '--storage', storage], { env })).toMatchObject({ damaged: 0 });
    expect((await restore(storage, alice.identity, 'latest', env)).exitCode).toBe(0);
    expectRefusal(await restore(storage, alice.identity), { exitCode: 2, says: /repository-key: / });
    expectRefusal(await runCli(['validate', '--storage', storage]), {
      exitCode: 2,
      says: /repository-key: /,
    });
  });

  test('gives equal content another name in each repository', async () => {
    await query(source, 'VACUUM');
    const [one, two] = [join(folder, 'key-one'), join(folder, 'key-two')];
    await backUp(one, []);
    await backUp(two, []);
    const names = [...namesOf(readStoredManifest(one)), ...namesOf(readStoredManifest(two))];
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(listFolder(one))).toEqual(
      expect.arrayContaining(namesOf(readStoredManifest(one)).map(keyOf)),
    );
  });
});
