import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeS3, startFakeS3 } from '../support/fake-s3.ts';
import { awsSecret, runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { findObject, flipBit, listBackups, listFolder, readStoredManifest } from './repository-folder.ts';
import { createDatabase, createShop, describeDatabase, query } from './shop.ts';
import { mountTmpfs } from './tmpfs.ts';

/**
 * Every input wrong in turn. Whatever it is, the exit code says whose fault, the message names the thing and what to do, and
 * nothing is half-written: the repository holds the same files as before and the target no tables.
 */

const { TESTBED_PG17_URL, TESTBED_PG17_BIN } = process.env;
const password = 'pa55 w@rd/with#everything';
const repositoryKey = '5ca1ab1e'.repeat(8);
const otherKey = 'deadbeef'.repeat(8);

let cluster: Cluster;
let folder: string;
let source: string;
let target: string;
let s3: FakeS3;
let identity: string;
let otherIdentity: string;
let recipient: string;
let secrets: string[];

/** Repositories with one backup of the shop each. */
const at = (name: string): string => join(folder, name);
const plain = (): string => at('plain');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bad-input-'));
  [cluster, s3] = await Promise.all([startCluster(), startFakeS3()]);
  identity = await generateX25519Identity();
  otherIdentity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  secrets = [
    new URL(cluster.superuserUrl()).password,
    password,
    repositoryKey,
    otherKey,
    identity,
    otherIdentity,
    awsSecret,
  ];
  source = await createShop(cluster.superuserUrl(), 'shop');
  target = await createDatabase(cluster.superuserUrl(), 'empty');
  const back = (name: string, words: string[] = [], env = {}) =>
    succeed(['backup', '--storage', at(name), ...words], {
      env: { SUPABASE_BACKUP_DATABASE_URL: source, ...env },
    });
  await back('plain');
  await back('sealed', ['--encryption-recipients', recipient]);
  await back('outside', [], { SUPABASE_BACKUP_REPOSITORY_KEY: repositoryKey });
});
afterAll(async () => {
  await cluster?.stop();
  await s3?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Attempt {
  words: readonly string[];
  env?: NodeJS.ProcessEnv;
  exitCode: 1 | 2;
  says: RegExp | readonly RegExp[];
  /** A restore's target, when it is not the empty database. */
  target?: string;
}

async function refuse({ words, env = {}, exitCode, says, target: into }: Attempt): Promise<void> {
  const storage = /^\//.exec(words[words.indexOf('--storage') + 1] ?? '')?.input;
  const before = storage === undefined ? {} : listFolder(storage);
  const existed = storage !== undefined && existsSync(storage);
  const contents = await describeDatabase(into ?? target);
  const run = await runCli(words, {
    env: {
      ...(words[0] === 'backup' ? { SUPABASE_BACKUP_DATABASE_URL: source } : {}),
      ...(words[0] === 'restore' ? { SUPABASE_BACKUP_TARGET_URL: into ?? target } : {}),
      ...env,
    },
  });
  expectRefusal(run, { exitCode, says, secrets });
  expect(run.stdout).toBe('');
  if (storage !== undefined) {
    expect(listFolder(storage)).toEqual(before);
    if (!existed) expect(listBackups(storage)).toEqual([]);
  }
  expect(await describeDatabase(into ?? target)).toEqual(contents);
}

/** A copy of a repository, to be damaged. */
function copyOf(name: string, damage: (copy: string) => void): string {
  const copy = mkdtempSync(join(folder, `${name}-copy-`));
  cpSync(at(name), copy, { recursive: true });
  damage(copy);
  return copy;
}

const backup = (storage: string, ...words: string[]): string[] => ['backup', '--storage', storage, ...words];
const validate = (storage: string, ...words: string[]): string[] => [
  'validate',
  '--storage',
  storage,
  ...words,
];
const restore = (storage: string, ...words: string[]): string[] => [
  'restore',
  '--storage',
  storage,
  ...words,
];

describe('the command line', () => {
  test.each<[string, () => Attempt]>([
    [
      'an unknown operation',
      () => ({ words: ['back-up'], exitCode: 2, says: /operation: there is none named "back-up"/ }),
    ],
    ['no storage', () => ({ words: ['backup'], exitCode: 2, says: /storage: is required for backup/ })],
    [
      'a storage of an unknown scheme',
      () => ({ words: ['validate', '--storage', 'ftp://x/y'], exitCode: 2, says: /storage: is neither/ }),
    ],
    [
      'a flag that does not exist',
      () => ({ words: validate(plain(), '--shares', '5%'), exitCode: 2, says: /--shares/ }),
    ],
    [
      'a flag of another operation',
      () => ({ words: validate(plain(), '--dry-run'), exitCode: 2, says: /validate does not use --dry-run/ }),
    ],
    [
      'a flag without its value',
      () => ({ words: restore(plain(), '--backup-id'), exitCode: 2, says: /--backup-id has no value/ }),
    ],
    [
      'a share of nothing',
      () => ({ words: validate(plain(), '--share', '0%'), exitCode: 2, says: /share: cannot be "0%"/ }),
    ],
    [
      'a number of jobs that is too large',
      () => ({ words: backup(at('new'), '--jobs', '1000'), exitCode: 2, says: /jobs: cannot be "1000"/ }),
    ],
    [
      'a recipient that is none',
      () => ({
        words: backup(at('new'), '--encryption-recipients', 'age1nonsense'),
        exitCode: 2,
        says: /encryption-recipients: "age1nonsense" is not an age recipient/,
      }),
    ],
    [
      'an identity in the place of a recipient',
      () => ({
        words: backup(at('new')),
        env: { SUPABASE_BACKUP_ENCRYPTION_RECIPIENTS: identity },
        exitCode: 2,
        says: /encryption-recipients: contains an identity/,
      }),
    ],
    [
      'an identity that is none',
      () => ({
        words: restore(at('sealed')),
        env: { SUPABASE_BACKUP_ENCRYPTION_IDENTITY: `${identity.slice(0, -3)}QQQ` },
        exitCode: 2,
        says: /encryption-identity: has a line that is not a valid age identity/,
      }),
    ],
    [
      'a repository key that is no key',
      () => ({
        words: backup(at('new')),
        env: { SUPABASE_BACKUP_REPOSITORY_KEY: repositoryKey.slice(1) },
        exitCode: 2,
        says: /repository-key: is not 64 hexadecimal digits/,
      }),
    ],
    [
      'a pattern that is none',
      () => ({
        words: backup(at('new'), '--include', 'a."b'),
        exitCode: 2,
        says: /include: cannot contain/,
      }),
    ],
    [
      'a CA certificate that cannot be read',
      () => ({
        words: backup(at('new'), '--sslrootcert', at('none.pem')),
        exitCode: 2,
        says: /sslrootcert: cannot be read/,
      }),
    ],
    [
      'a URL with its password where the operation stands',
      () => ({ words: [source], exitCode: 2, says: /operation/ }),
    ],
    [
      'a URL with its password after the operation',
      () => ({ words: ['backup', source], exitCode: 2, says: /operation/ }),
    ],
    [
      'an identity after the operation',
      () => ({
        words: ['restore', identity],
        exitCode: 2,
        says: /unexpected argument after `restore` .*hidden/,
      }),
    ],
  ])('%s is refused', async (_, attempt) => {
    await refuse(attempt());
  });
});

/** The same mistakes with the database of a backup and with the target of a restore. */
describe.each([
  ['backup', 'database-url', 'SUPABASE_BACKUP_DATABASE_URL'],
  ['restore', 'target-url', 'SUPABASE_BACKUP_TARGET_URL'],
] as const)('the database of %s', (operation, input, variable) => {
  const encoded = encodeURIComponent(password);
  const local = () => `127.0.0.1:${cluster.port}`;
  const words = () => (operation === 'backup' ? backup(at('new')) : restore(plain()));

  test.each<[string, () => string, 1 | 2, RegExp]>([
    ['a URL of something else', () => 'https://example.com/db', 2, /does not start with postgresql:\/\//],
    ['a URL without a database', () => `postgresql://u:${encoded}@h`, 2, /has no database/],
    [
      'a password that is not percent-encoded',
      () => `postgresql://u:${password}@${local()}/shop`,
      2,
      /is not a valid URL|it is not a URL/,
    ],
    ['the placeholder of the dashboard', () => 'postgresql://u:[YOUR-PASSWORD]@h/db', 2, /placeholder/],
    ['an unknown parameter', () => `${source}?sslmod=require`, 2, /there is no parameter "sslmod"/],
    ['an unknown sslmode', () => `${source}?sslmode=full`, 2, /sslmode "full" is not known/],
    [
      'a closed port',
      () => `postgresql://u:${encoded}@127.0.0.1:1/db`,
      2,
      /127\.0\.0\.1:1\/db.*nothing answers/,
    ],
    [
      'a host that does not exist',
      () => `postgresql://u:${encoded}@no-such-host.invalid/db`,
      2,
      /no-such-host\.invalid.*cannot be found/,
    ],
    ['a wrong password', () => reconnect(source, { password }), 2, /refused the user or the password/],
    ['no password', () => source.replace(/:[^:@]*@/, '@'), 2, /asks for a password and none was given/],
    ['a role that does not exist', () => reconnect(source, { user: 'nobody_here' }), 2, /nobody_here@/],
    [
      'a database that does not exist',
      () => reconnect(source, { database: 'nowhere' }),
      2,
      /nowhere: there is no such database/,
    ],
    [
      'the transaction pooler',
      () => `postgresql://postgres.abc:${encoded}@aws-0-eu-central-1.pooler.supabase.com:6543/postgres`,
      2,
      /port 6543 is the transaction pooler/,
    ],
    [
      'the transaction pooler of the direct host',
      () => `postgresql://postgres:${encoded}@db.abcdefghijklmnop.supabase.co:6543/postgres`,
      2,
      /port 6543 is the transaction pooler/,
    ],
    [
      'a user without project at the pooler',
      () => `postgresql://postgres:${encoded}@aws-0-eu-central-1.pooler.supabase.com:5432/postgres`,
      2,
      /the pooler cannot tell the project/,
    ],
    [
      'a user with project at the direct host',
      () => `postgresql://postgres.abcdefghijklmnop:${encoded}@db.abcdefghijklmnop.supabase.co:5432/postgres`,
      2,
      /the pooler's form of the user name/,
    ],
    [
      'verify-full at a server without TLS',
      () => `${source}?sslmode=verify-full`,
      2,
      /the server does not offer TLS/,
    ],
    [
      'require at a server without TLS',
      () => `${source}?sslmode=require`,
      2,
      /the server does not offer TLS/,
    ],
  ])('%s is refused', async (_, url, exitCode, says) => {
    await refuse({
      words: words(),
      env: { [variable]: url() },
      exitCode,
      says: [new RegExp(`^error: ${input}: `, 'm'), says],
    });
  });
});

describe('the storage', () => {
  const s3Words = (operation: string, bucket = s3.bucket): string[] => [
    operation,
    '--storage',
    `s3://${bucket}/shop`,
    '--s3-endpoint',
    s3.endpoint,
  ];

  test.each(['backup', 'validate', 'restore'])(
    'a bucket that does not exist is refused by %s',
    async (operation) => {
      s3.fault = () => undefined;
      await refuse({
        words: s3Words(operation, 'elsewhere'),
        exitCode: 2,
        says: /bucket elsewhere does not exist/,
      });
      expect(s3.values.size).toBe(0);
    },
  );

  test.each([
    ['backup', 'InvalidAccessKeyId', /does not know this access key/],
    ['validate', 'InvalidAccessKeyId', /does not know this access key/],
    ['restore', 'InvalidAccessKeyId', /does not know this access key/],
    ['backup', 'SignatureDoesNotMatch', /secret key does not belong to the access key/],
    ['validate', 'SignatureDoesNotMatch', /secret key does not belong to the access key/],
    ['restore', 'SignatureDoesNotMatch', /secret key does not belong to the access key/],
    ['backup', 'AccessDenied', /access is denied/],
    ['validate', 'AccessDenied', /access is denied/],
  ])('%s is refused credentials that the store answers with %s', async (operation, code, says) => {
    s3.fault = () => ({ kind: 'answer', status: 403, code });
    await refuse({ words: s3Words(operation), exitCode: 2, says });
    expect(s3.values.size).toBe(0);
  });

  test.each(['backup', 'validate', 'restore'])(
    'a store that nobody answers for is refused by %s',
    async (operation) => {
      await refuse({
        words: [operation, '--storage', 's3://bucket/x', '--s3-endpoint', 'http://127.0.0.1:1'],
        exitCode: 2,
        says: /127\.0\.0\.1:1 cannot be reached/,
      });
    },
  );

  test.each(['backup', 'validate', 'restore'])(
    'a folder under a file is refused by %s',
    async (operation) => {
      writeFileSync(at('file'), 'text');
      const storage = join(at('file'), 'backups');
      await refuse({
        words: [operation, '--storage', storage],
        exitCode: 2,
        says: operation === 'backup' ? /is not a folder, or lies under a file/ : /there is no repository at/,
      });
      expect(readFileSync(at('file'), 'utf8')).toBe('text');
    },
  );

  test.each(['validate', 'restore'])('a folder without a repository is refused by %s', async (operation) => {
    await refuse({
      words: [operation, '--storage', at('none')],
      exitCode: 2,
      says: /there is no repository at/,
    });
    expect(existsSync(at('none'))).toBe(false);
  });

  test('a folder with other things is refused by backup', async () => {
    mkdirSync(at('home'), { recursive: true });
    writeFileSync(at('home/letter.txt'), 'Dear reader');
    await refuse({ words: backup(at('home')), exitCode: 2, says: /is not empty \(it holds letter\.txt\)/ });
  });

  test('a repository of another database is refused by backup', async () => {
    const env = { SUPABASE_BACKUP_DATABASE_URL: target };
    await refuse({ words: backup(plain()), env, exitCode: 2, says: /holds backups of database "shop"/ });
  });

  test('a read-only folder is refused by backup', async (context) => {
    mkdirSync(at('read-only'), { recursive: true });
    if (process.getuid?.() !== 0) chmodSync(at('read-only'), 0o500);
    const mounted = process.getuid?.() === 0 ? mountTmpfs(at('read-only'), 'ro') : undefined;
    if (process.getuid?.() === 0 && !mounted)
      return context.skip('root writes anywhere and cannot mount here');
    try {
      await refuse({
        words: backup(at('read-only')),
        exitCode: 2,
        says: /read-only filesystem|cannot be written/,
      });
    } finally {
      mounted?.unmount();
      chmodSync(at('read-only'), 0o700);
    }
  });

  test('a disk that is full fails the backup', async (context) => {
    mkdirSync(at('full'), { recursive: true });
    const mounted = mountTmpfs(at('full'), 'size=256k');
    if (!mounted) return context.skip('only root can mount a small disk');
    try {
      const run = await runCli(backup(at('full')), { env: { SUPABASE_BACKUP_DATABASE_URL: source } });
      expectRefusal(run, { exitCode: 1, says: [/ENOSPC/, /→ Free space/], secrets });
      expect(listBackups(at('full'))).toEqual([]);
    } finally {
      mounted.unmount();
    }
  });
});

describe('the keys', () => {
  test.each<[string, () => Attempt]>([
    [
      'a wrong repository key, by validate',
      () => ({
        words: validate(at('outside')),
        env: { SUPABASE_BACKUP_REPOSITORY_KEY: otherKey },
        exitCode: 2,
        says: /repository-key: this is not the key/,
      }),
    ],
    [
      'a wrong repository key, by backup',
      () => ({
        words: backup(at('outside')),
        env: { SUPABASE_BACKUP_REPOSITORY_KEY: otherKey },
        exitCode: 2,
        says: /repository-key: this is not the key/,
      }),
    ],
    [
      'no repository key where it is kept outside',
      () => ({ words: restore(at('outside')), exitCode: 2, says: /repository-key: .* was not given/ }),
    ],
    [
      'a repository key where the repository has its own',
      () => ({
        words: restore(plain()),
        env: { SUPABASE_BACKUP_REPOSITORY_KEY: otherKey },
        exitCode: 2,
        says: /repository-key: this repository has its own key/,
      }),
    ],
    [
      'no identity, by restore',
      () => ({
        words: restore(at('sealed')),
        exitCode: 2,
        says: /encryption-identity: .* no identity was given/,
      }),
    ],
    [
      'a wrong identity, by restore',
      () => ({
        words: restore(at('sealed')),
        env: { SUPABASE_BACKUP_ENCRYPTION_IDENTITY: otherIdentity },
        exitCode: 2,
        says: /encryption-identity: .* does not belong/,
      }),
    ],
    [
      'a wrong identity, by validate',
      () => ({
        words: validate(at('sealed')),
        env: { SUPABASE_BACKUP_ENCRYPTION_IDENTITY: otherIdentity },
        exitCode: 2,
        says: /encryption-identity: .* does not belong/,
      }),
    ],
  ])('%s is refused', async (_, attempt) => {
    await refuse(attempt());
  });
});

describe('the backup to restore', () => {
  test.each<[string, () => Attempt]>([
    [
      'a backup id that is unknown, by restore',
      () => ({
        words: restore(plain(), '--backup-id', '20200101T000000Z-abcd'),
        exitCode: 2,
        says: /backup-id: there is no backup 20200101T000000Z-abcd/,
      }),
    ],
    [
      'a backup id that is unknown, by validate',
      () => ({
        words: validate(plain(), '--backup-id', '20200101T000000Z-abcd'),
        exitCode: 2,
        says: /backup-id: there is no backup 20200101T000000Z-abcd/,
      }),
    ],
    [
      'a backup id that is none',
      () => ({
        words: restore(plain(), '--backup-id', 'yesterday'),
        exitCode: 2,
        says: /backup-id: cannot be/,
      }),
    ],
    [
      'a time before the first backup',
      () => ({
        words: restore(plain(), '--backup-id', 'before:2020-01-01'),
        exitCode: 2,
        says: /backup-id: no backup .* fits before:2020-01-01/,
      }),
    ],
    [
      'all backups at once',
      () => ({
        words: restore(plain(), '--backup-id', 'all'),
        exitCode: 2,
        says: /backup-id: cannot be all/,
      }),
    ],
    [
      'an include that means nothing, by restore',
      () => ({
        words: restore(plain(), '--include', 'public.nothing'),
        exitCode: 2,
        says: /include: nothing in backup .* matches public\.nothing/,
      }),
    ],
    [
      'an include that means nothing, by backup',
      () => ({
        words: backup(at('new'), '--include', 'pubic.*'),
        exitCode: 2,
        says: /include: .*pubic\.\*/,
      }),
    ],
    [
      'an exclude that means nothing, by backup',
      () => ({
        words: backup(at('new'), '--exclude', 'private.notse'),
        exitCode: 2,
        says: /exclude: .*private\.notse/,
      }),
    ],
    [
      'a folder without client programs, by backup',
      () => ({
        words: backup(at('new'), '--client-path', folder),
        exitCode: 2,
        says: /client-path: .* does not hold a working pg_dump/,
      }),
    ],
    [
      'a folder without client programs, by restore',
      () => ({
        words: restore(plain(), '--client-path', folder),
        exitCode: 2,
        says: /client-path: .* does not hold a working pg_dump/,
      }),
    ],
    [
      'a folder without client programs, by validate',
      () => ({
        words: validate(plain(), '--client-path', folder),
        exitCode: 2,
        says: /client-path: .* does not hold a working pg_dump/,
      }),
    ],
    [
      'a client path that is no folder',
      () => ({
        words: backup(at('new'), '--client-path', at('none')),
        exitCode: 2,
        says: /client-path: is not a folder/,
      }),
    ],
  ])('%s is refused', async (_, attempt) => {
    await refuse(attempt());
  });

  test('a target that is not empty is refused, and keeps what it has', async () => {
    const full = await createDatabase(cluster.superuserUrl(), 'full');
    await query(full, 'CREATE TABLE kept (v int); INSERT INTO kept VALUES (1), (2)');
    await refuse({
      words: restore(plain()),
      target: full,
      exitCode: 2,
      says: /target-url: the database is not empty: it has table public\.kept/,
    });
  });

  test('a target that is the source is refused', async () => {
    await refuse({
      words: restore(plain()),
      target: source,
      exitCode: 2,
      says: /target-url: .* is not empty/,
    });
  });

  test('a role that the target lacks, and that may not be made there, is named, and nothing is made', async () => {
    await query(
      source,
      `CREATE ROLE seller; GRANT SELECT ON sales.customers TO seller; CREATE ROLE modest LOGIN PASSWORD 'modest'`,
    );
    await succeed(backup(at('granted')), { env: { SUPABASE_BACKUP_DATABASE_URL: source } });
    await query(source, 'DROP OWNED BY seller; DROP ROLE seller');
    await query(cluster.superuserUrl(), 'CREATE DATABASE modest OWNER modest TEMPLATE template0');
    await refuse({
      words: restore(at('granted')),
      target: reconnect(source, { database: 'modest', user: 'modest', password: 'modest' }),
      exitCode: 2,
      says: [/target-url: .*seller/, /CREATE ROLE "?seller/],
    });
  });

  test('a target of another kind of encoding is refused', async () => {
    await query(
      cluster.superuserUrl(),
      `CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`,
    );
    await refuse({
      words: restore(plain()),
      target: reconnect(source, { database: 'ascii' }),
      exitCode: 2,
      says: /target-url: the database has encoding SQL_ASCII/,
    });
  });

  const testbed = test.runIf(TESTBED_PG17_URL && TESTBED_PG17_BIN);

  testbed('a target of an older major is refused', async (context) => {
    if (cluster.major >= 17) return context.skip('the newest server here is not older than the testbed');
    const newer = await createShop(TESTBED_PG17_URL ?? '', 'bad_input_newer');
    await succeed(backup(at('newer'), '--client-path', TESTBED_PG17_BIN ?? ''), {
      env: { SUPABASE_BACKUP_DATABASE_URL: newer },
    });
    await query(TESTBED_PG17_URL ?? '', 'DROP DATABASE bad_input_newer WITH (FORCE)');
    await refuse({
      words: restore(at('newer'), '--client-path', TESTBED_PG17_BIN ?? ''),
      exitCode: 2,
      says: new RegExp(`target-url: the server is PostgreSQL ${cluster.major}, .* PostgreSQL 17`),
    });
    await refuse({ words: restore(at('newer')), exitCode: 2, says: /target-url: the server is PostgreSQL/ });
  });

  testbed('client programs older than the server are refused', async (context) => {
    if (cluster.major >= 17) return context.skip('the newest server here is not older than the testbed');
    await refuse({
      words: backup(at('new'), '--client-path', cluster.binFolder),
      env: { SUPABASE_BACKUP_DATABASE_URL: TESTBED_PG17_URL },
      exitCode: 2,
      says: /client-path: pg_dump there is version .*, older than the server's major 17/,
    });
  });

  testbed('an archive of newer client programs than those at hand is refused by name', async (context) => {
    if (cluster.major >= 17) return context.skip('the newest server here is not older than the testbed');
    await succeed(backup(at('newer-client'), '--client-path', TESTBED_PG17_BIN ?? ''), {
      env: { SUPABASE_BACKUP_DATABASE_URL: source },
    });
    await refuse({
      words: restore(at('newer-client'), '--client-path', cluster.binFolder),
      exitCode: 2,
      says: /pg_restore/,
    });
  });
});

describe('a repository that is damaged', () => {
  const archiveKey = (copy: string): string => {
    const manifest = readStoredManifest(copy);
    const { name = '' } = manifest.objects[manifest.archive.objects[0] ?? 0] ?? {};
    return join(copy, 'objects', name.slice(0, 2), name);
  };
  const manifestFile = (copy: string): string => join(copy, 'backups', `${listBackups(copy)[0]}.json`);

  test.each<[string, (copy: string) => void, 1 | 2, RegExp]>([
    ['an archive with a wrong bit', (copy) => flipBit(archiveKey(copy)), 1, /object objects\/.*SHA-256/],
    ['an archive that is missing', (copy) => rmSync(archiveKey(copy)), 1, /object objects\/.*is missing/],
    [
      'an archive that was cut',
      (copy) => truncateSync(archiveKey(copy), 100),
      1,
      /object objects\/.*has 100 bytes instead of/,
    ],
    [
      'a repository.json that was cut',
      (copy) => truncateSync(join(copy, 'repository.json'), 40),
      1,
      /repository\.json .*is damaged/,
    ],
    [
      'an empty repository.json',
      (copy) => truncateSync(join(copy, 'repository.json'), 0),
      1,
      /repository\.json .*is damaged/,
    ],
    [
      'a repository.json of a later format',
      (copy) => {
        const file = join(copy, 'repository.json');
        writeFileSync(file, readFileSync(file, 'utf8').replace('"format": 2', '"format": 3'));
      },
      2,
      /has format 3; this version reads formats 1 and 2/,
    ],
    [
      'the only manifest cut',
      (copy) => truncateSync(manifestFile(copy), 1000),
      2,
      /backup-id: no backup .* fits latest/,
    ],
    ['no manifest', (copy) => rmSync(manifestFile(copy)), 2, /backup-id: no backup .* fits latest/],
  ])('%s is refused by restore before the target is touched', async (_, damage, exitCode, says) => {
    await refuse({ words: restore(copyOf('plain', damage)), exitCode, says });
  });

  test('a manifest that was cut, or changed by someone without the key, is refused by its id', async () => {
    const [id = ''] = listBackups(plain());
    const cut = copyOf('plain', (copy) => truncateSync(manifestFile(copy), 1000));
    await refuse({
      words: restore(cut, '--backup-id', id),
      exitCode: 1,
      says: new RegExp(`manifest backups/${id}\\.json: it is truncated`),
    });
    const changed = copyOf('plain', (copy) => {
      const text = readFileSync(manifestFile(copy), 'utf8');
      writeFileSync(manifestFile(copy), text.replace('"rows":50', '"rows":51'));
    });
    await refuse({
      words: restore(changed, '--backup-id', id),
      exitCode: 1,
      says: new RegExp(`manifest backups/${id}\\.json: its seal does not match`),
    });
  });

  test.each<[string, (copy: string) => void, RegExp]>([
    [
      'a repository.json that was cut',
      (copy) => truncateSync(join(copy, 'repository.json'), 40),
      /repository\.json .*is damaged/,
    ],
    ['no repository.json', (copy) => rmSync(join(copy, 'repository.json')), /is not empty|no repository/],
  ])('%s stops a backup, which writes nothing', async (_, damage, says) => {
    const copy = copyOf('plain', damage);
    const before = listFolder(copy);
    const run = await runCli(backup(copy), { env: { SUPABASE_BACKUP_DATABASE_URL: source } });
    expectRefusal(run, { exitCode: run.exitCode === 1 ? 1 : 2, says, secrets });
    expect(listFolder(copy)).toEqual(before);
  });

  test('an object that is damaged ends validation with exit code 3 and the names of what is lost', async () => {
    const copy = copyOf('plain', () => undefined);
    const manifest = readStoredManifest(copy);
    const { key, tables } = findObject(manifest, 'public.readings');
    flipBit(join(copy, key));
    const before = listFolder(copy);
    const run = await runCli(validate(copy));
    expect(run.exitCode).toBe(3);
    for (const text of [manifest.id, key, ...tables]) expect(run.stdout).toContain(text);
    expect(run.stderr).toContain('stored backups are damaged');
    const [record, ...others] = Object.keys(listFolder(copy)).filter((file) => !(file in before));
    expect(others).toEqual([]);
    expect(record).toMatch(/^records\/validations\//);
    expect(listFolder(copy)).toMatchObject(before);
  });
});

describe('many mistakes at once', () => {
  test('are all told in one run', async () => {
    await refuse({
      words: ['restore', '--storage', 'backups', '--jobs', 'many', '--backup-id', 'x', '--verify', 'maybe'],
      env: { SUPABASE_BACKUP_TARGET_URL: `mysql://u:${encodeURIComponent(password)}@h/db` },
      exitCode: 2,
      says: [
        /5 inputs of restore are wrong/,
        /- storage: /,
        /- target-url: /,
        /- jobs: /,
        /- backup-id: /,
        /- verify: /,
      ],
    });
  });
});
