import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfiguration, type Surroundings } from '../../../src/entry/terminal/configuration.ts';
import type { Operation } from '../../../src/interface/inputs/operations.ts';
import type { InputName } from '../../../src/interface/inputs/schema.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'configuration-'));
  file = join(folder, 'supabase-backup.yml');
  writeFileSync(
    file,
    `databases:
      shop:
        database-url: SHOP_URL
        storage: s3://bucket/shop
        s3-endpoint: https://store.example.com
        s3-region: auto
        encryption-identity: SHOP_IDENTITY
        aws-access-key-id: STORE_ID
        aws-secret-access-key: STORE_SECRET\n`,
    { mode: 0o644 },
  );
  chmodSync(file, 0o644);
});
afterEach(() => rmSync(folder, { recursive: true }));

const secrets = {
  SHOP_URL: 'postgresql://shop:hunter2@db/shop',
  SHOP_IDENTITY: 'AGE-SECRET-KEY-1SHOP',
  STORE_ID: 'AKIASTORE',
  STORE_SECRET: 'of the store',
};

function ask(
  operation: Operation,
  {
    named,
    given = {},
    env = secrets,
    userId = process.getuid?.(),
  }: Partial<Surroundings> & { given?: Partial<Record<InputName, string>> } = {},
) {
  return readConfiguration(operation, { named, read: (name) => given[name], env, folder, userId });
}

const named = { named: 'supabase-backup.yml' };

describe('a file that is named', () => {
  test('says where the storage is, and which variables have what opens it', async () => {
    const found = await ask('backup', named);
    expect(Object.fromEntries(found?.values ?? [])).toMatchObject({
      storage: 's3://bucket/shop',
      'database-url': secrets.SHOP_URL,
      'encryption-identity': secrets.SHOP_IDENTITY,
    });
    expect(found?.environment).toEqual({
      AWS_ACCESS_KEY_ID: 'AKIASTORE',
      AWS_SECRET_ACCESS_KEY: 'of the store',
      AWS_SESSION_TOKEN: undefined,
    });
    expect(found?.told).toBe(
      'supabase-backup.yml: shop, in s3://bucket/shop at https://store.example.com, with SHOP_URL, SHOP_IDENTITY, STORE_ID and STORE_SECRET of the environment',
    );
  });

  test('gives way to what is said otherwise, and its storage with all that belongs to it', async () => {
    const given = { storage: './other', 'database-url': 'postgresql://mine' };
    const found = await ask('backup', { ...named, given });
    expect([...(found?.values.keys() ?? [])]).toEqual(['database']);
    expect(found?.environment).toEqual({});
    expect(found?.told).toBe('supabase-backup.yml: shop');
  });

  test('says which variables are not set', async () => {
    const found = await ask('backup', {
      ...named,
      env: { SHOP_URL: secrets.SHOP_URL, STORE_ID: 'AKIASTORE' },
    });
    expect(found?.told).toMatch(
      /, with SHOP_URL and STORE_ID of the environment, without SHOP_IDENTITY and STORE_SECRET, not set in the environment$/,
    );
    expect(found?.environment).toEqual({});
  });

  test('is read for a CI, too, and wherever it is', async () => {
    expect(await ask('list', { ...named, env: { ...secrets, CI: 'true' } })).toBeDefined();
    expect(await ask('list', { named: file })).toBeDefined();
    chmodSync(file, 0o666);
    expect(await ask('list', named)).toBeDefined();
  });

  test('is refused where there is none, and where it is no file', async () => {
    await expect(ask('list', { named: 'other.yml' })).rejects.toThrow('config: other.yml cannot be found');
    await expect(ask('list', { named: '.' })).rejects.toThrow('config: . is no file');
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    await expect(ask('list', { named: 'pipe' })).rejects.toThrow('config: pipe is no file');
    writeFileSync(join(folder, 'large.yml'), '#'.repeat(1_000_001));
    await expect(ask('list', { named: 'large.yml' })).rejects.toThrow('larger than a policy is');
  });
});

describe('a file that lies in the folder', () => {
  test('says where the storage is, and has no variable read', async () => {
    const found = await ask('backup');
    expect(found?.values.get('storage')).toBe('s3://bucket/shop');
    expect(
      Object.values(secrets).filter((secret) => JSON.stringify([...(found?.values ?? [])]).includes(secret)),
    ).toEqual([]);
    expect(found?.environment).toEqual({});
    expect(found?.told).toContain(
      'in s3://bucket/shop at https://store.example.com, without SHOP_URL and SHOP_IDENTITY: ',
    );
    expect(found?.told).toContain('--config supabase-backup.yml');
  });

  test.each<[string, Operation, Partial<Record<InputName, string>>, NodeJS.ProcessEnv]>([
    ['a storage is named', 'backup', { storage: './mine' }, {}],
    ['a policy is named', 'report', { policy: 'policy.yml' }, {}],
    [
      'the database is named and nothing else is needed',
      'estimate',
      { 'database-url': 'postgresql://mine' },
      {},
    ],
    ['a CI has checked it out', 'backup', {}, { CI: 'true' }],
    ['a runner has checked it out', 'backup', {}, { GITHUB_ACTIONS: 'true' }],
    ['the operation needs no storage', 'schedule', {}, {}],
  ])('is not looked at where %s', async (_, operation, given, env) => {
    writeFileSync(file, 'wrong');
    expect(await ask(operation, { given, env })).toBeUndefined();
  });

  test.each([0o666, 0o664, 0o646])('is refused where others may write it: %o', async (mode) => {
    chmodSync(file, mode);
    await expect(ask('list')).rejects.toThrow('is not read, because others can write to it');
  });

  test('is refused where it is somebody else’s, and so is a link of somebody else', async ({ skip }) => {
    await expect(ask('list', { userId: 4711 })).resolves.toBeDefined();
    if (process.getuid?.() !== 0) skip('only root gives files away');
    chownSync(file, 4712, 4712);
    await expect(ask('list', { userId: 4711 })).rejects.toThrow('is not read, because you do not own it');
    await expect(ask('list', { userId: 4712 })).resolves.toBeDefined();
    rmSync(file);
    writeFileSync(join(folder, 'mine.yml'), 'databases: { a: { database-url: A, storage: ./a } }', {
      mode: 0o644,
    });
    symlinkSync('mine.yml', file);
    await expect(ask('list', { userId: 4711 })).resolves.toBeDefined();
    execFileSync('chown', ['-h', '4712', file]);
    await expect(ask('list', { userId: 4711 })).rejects.toThrow('is not read, because you do not own it');
  });

  test('may be absent', async () => {
    rmSync(file);
    expect(await ask('list')).toBeUndefined();
  });
});
