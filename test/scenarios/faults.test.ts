import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compareData, dumpData } from '../fixture/dump.ts';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeS3, type Fault, startFakeS3 } from '../support/fake-s3.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type Finished, type Running, runCli, startCli, succeed } from '../support/run-cli.ts';
import { type ServerSession, Watcher, waitUntil } from './processes.ts';
import { expectRefusal } from './refusal.ts';
import {
  findObject,
  flipBit,
  listBackups,
  listFolder,
  readStoredManifest,
  type StoredManifest,
} from './repository-folder.ts';
import { createDatabase, createShop, query } from './shop.ts';
import { mountTmpfs } from './tmpfs.ts';

/**
 * What breaks outside of us while we run. A store that answers 503 to every object holds a backup where it is, as long as a test
 * needs to see it there: nothing here waits for a time to pass.
 */

const database = 'shop';
const slowDown: Fault = { kind: 'answer', status: 503, code: 'SlowDown' };

let cluster: Cluster;
let folder: string;
let source: string;
let watcher: Watcher;
let s3: FakeS3;
let alwaysFailing: { s3: FakeS3; run: Promise<Finished> };
let targets = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'faults-'));
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), database);
  watcher = await Watcher.open(cluster.superuserUrl());
  // Its retries outlast half a minute, so it runs beside the other tests.
  const failing = await startFakeS3();
  failing.fault = ({ method, key }) => (method === 'PUT' && isObject(key) ? slowDown : undefined);
  const other = await createShop(cluster.superuserUrl(), 'other');
  const run = startCli(backupWords(failing), { env: { SUPABASE_BACKUP_DATABASE_URL: other } });
  alwaysFailing = { s3: failing, run: run.finished };
});
afterAll(async () => {
  await watcher?.close();
  await cluster?.stop();
  await alwaysFailing?.run;
  await alwaysFailing?.s3.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  s3 = await startFakeS3();
});
afterEach(() => s3.close());

const isObject = (key: string): boolean => key.startsWith('shop/objects/');
const s3Words = (store = s3): string[] => [
  '--storage',
  `s3://${store.bucket}/shop`,
  '--s3-endpoint',
  store.endpoint,
];
const backupWords = (store = s3, ...words: string[]): string[] => ['backup', ...s3Words(store), ...words];
const environment = () => ({ SUPABASE_BACKUP_DATABASE_URL: source });
const manifests = (store = s3): string[] =>
  [...store.values.keys()].filter((key) => key.startsWith('shop/backups/'));

function createTarget(): Promise<string> {
  targets += 1;
  return createDatabase(cluster.superuserUrl(), `target_${targets}`);
}

/** Starts a backup of which no object can be stored until `release` is called, and waits until it tries to. */
async function startHeldBackup(
  words: readonly string[] = [],
  env: NodeJS.ProcessEnv = environment(),
): Promise<{ run: Running; release: () => void }> {
  let held = true;
  s3.fault = ({ method, key }) => (held && method === 'PUT' && isObject(key) ? slowDown : undefined);
  const run = startCli(backupWords(s3, '--json', ...words), { env });
  await waitUntil('an object is sent', () =>
    s3.requests.some(({ method, key }) => method === 'PUT' && isObject(key)),
  );
  return {
    run,
    release: () => {
      held = false;
    },
  };
}

async function expectRestorable(
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
  from = source,
): Promise<void> {
  const target = await createTarget();
  expect(
    await succeed(['restore', ...words], { env: { SUPABASE_BACKUP_TARGET_URL: target, ...env } }),
  ).toMatchObject({
    parity: 'equal',
  });
  const [there, here] = [await dumpData(from, cluster.binFolder), await dumpData(target, cluster.binFolder)];
  expect(compareData(there, here)).toEqual([]);
}

function kindOf(run: Finished): string {
  return String(readPrinted(run.stdout).error?.kind);
}

describe('the server', () => {
  test('ends the session that holds the snapshot: the backup fails and leaves no manifest', async () => {
    const { run, release } = await startHeldBackup();
    // The first is the one that sees the present.
    const [, lead] = await watcher.until(database, (sessions) => sessions.length > 2);
    await watcher.terminate(lead?.pid ?? 0);
    release();
    const finished = await run.finished;
    expectRefusal(finished, { exitCode: 1, says: /the session that holds the snapshot was lost/ });
    expect(kindOf(finished)).toBe('SourceError');
    expect(manifests()).toEqual([]);
    await watcher.until(database, (sessions) => sessions.length === 0);
  });

  test('ends the session that sees the present: another one is opened', async () => {
    const { run, release } = await startHeldBackup();
    const [present] = await watcher.until(database, (sessions) => sessions.length > 2);
    await watcher.terminate(present?.pid ?? 0);
    release();
    expect((await run.finished).exitCode).toBe(0);
    await expectRestorable(s3Words());
  });

  test('is read to the end while the storage still takes what was read: no worker waits for it', async () => {
    const { run, release } = await startHeldBackup(['--jobs', '1']);
    const isWorker = ({ query }: ServerSession) => query.startsWith('COPY ');
    await watcher.until(database, (sessions) => sessions.length > 0 && !sessions.some(isWorker));
    expect(manifests()).toEqual([]);
    release();
    expect((await run.finished).exitCode).toBe(0);
    await expectRestorable(s3Words());
  });

  test('ends the session of a worker in the middle of a COPY: the backup fails and names the table', async () => {
    await query(
      source,
      `CREATE TABLE public.large (id int, text text);
       INSERT INTO public.large SELECT n, repeat(md5('large ' || n), 20) FROM generate_series(1, 60000) n`,
    );
    try {
      s3.fault = ({ method, key }) => (method === 'PUT' && isObject(key) ? slowDown : undefined);
      const run = startCli(backupWords(s3, '--json'), { env: environment() });
      const isReading = ({ query, state }: { query: string; state: string | null }) =>
        /^COPY .*"large"/.test(query) && state === 'active';
      const sessions = await watcher.until(database, (all) => all.some(isReading));
      await watcher.terminate(sessions.find(isReading)?.pid ?? 0);
      const finished = await run.finished;
      expectRefusal(finished, { exitCode: 1, says: /table public\.large.*: / });
      expect(kindOf(finished)).toBe('SourceError');
      expect(manifests()).toEqual([]);
    } finally {
      await query(source, 'DROP TABLE public.large');
    }
  });

  test('crashes: the backup fails, and the next one succeeds', async () => {
    await using crashing = await startCluster();
    const env = { SUPABASE_BACKUP_DATABASE_URL: await createShop(crashing.superuserUrl(), database) };
    const { run, release } = await startHeldBackup([], env);
    await crashing.crash();
    const finished = await run.finished;
    expectRefusal(finished, { exitCode: 1, says: /./ });
    expect(kindOf(finished)).toBe('SourceError');
    expect(manifests()).toEqual([]);
    release();
    await crashing.start();
    await succeed(backupWords(), { env });
    expect(await succeed(['validate', ...s3Words()])).toMatchObject({ backups: 1, damaged: 0 });
    await expectRestorable(s3Words(), {}, env.SUPABASE_BACKUP_DATABASE_URL);
  });

  test('has timeouts set on the role: they end nothing', async () => {
    await query(
      source,
      `CREATE ROLE hasty LOGIN SUPERUSER PASSWORD 'hasty';
       ALTER ROLE hasty SET statement_timeout = '2ms';
       ALTER ROLE hasty SET idle_in_transaction_session_timeout = '2ms';
       ALTER ROLE hasty SET lock_timeout = '2ms';
       ALTER ROLE hasty SET default_transaction_read_only = on`,
    );
    let refusals = 0;
    s3.fault = ({ method, key }) =>
      method === 'PUT' && isObject(key) && refusals++ < 6 ? slowDown : undefined;
    const hasty = (url: string) => reconnect(url, { user: 'hasty', password: 'hasty' });
    await succeed(backupWords(), { env: { SUPABASE_BACKUP_DATABASE_URL: hasty(source) } });
    await query(source, 'ALTER ROLE hasty RESET default_transaction_read_only');
    const target = await createTarget();
    const restored = await succeed(['restore', ...s3Words()], {
      env: { SUPABASE_BACKUP_TARGET_URL: hasty(target) },
    });
    expect(restored).toMatchObject({ parity: 'equal' });
  });

  test('ends the session of a restore while it waits for rows: the target is called incomplete', async () => {
    await succeed(backupWords(), { env: environment() });
    const target = await createTarget();
    const name = new URL(target).pathname.slice(1);
    const manifest = JSON.parse(
      s3.values.get(manifests()[0] ?? '')?.bytes.toString() ?? '',
    ) as StoredManifest;
    const { key } = findObject(manifest, 'public.readings');
    let held = true;
    s3.fault = (request) =>
      held && request.method === 'GET' && request.key === `shop/${key}` ? slowDown : undefined;
    const run = startCli(['restore', ...s3Words(), '--json', '--jobs', '1'], {
      env: { SUPABASE_BACKUP_TARGET_URL: target },
    });
    const [worker] = await watcher.until(
      name,
      (all) => all.length === 1 && /^COPY .*"readings".* FROM STDIN/.test(all[0]?.query ?? ''),
    );
    await watcher.terminate(worker?.pid ?? 0);
    await watcher.until(name, (all) => all.length === 0);
    held = false;
    const finished = await run.finished;
    expectRefusal(finished, { exitCode: 1, says: [/table public\.readings/, /→ The target is incomplete/] });
    expect(kindOf(finished)).toBe('TargetError');
  });
});

describe('the store', () => {
  test('answers 503 a few times: the backup succeeds and restores', async () => {
    let refusals = 0;
    s3.fault = () => (refusals++ % 4 === 1 ? slowDown : undefined);
    await succeed(backupWords(), { env: environment() });
    expect(refusals).toBeGreaterThan(8);
    await expectRestorable(s3Words());
  });

  test('loses answers and breaks connections: the backup succeeds and restores', async () => {
    let requests = 0;
    s3.fault = ({ method }) =>
      requests++ % 5 !== 3
        ? undefined
        : method === 'PUT'
          ? { kind: 'lose-answer' }
          : { kind: 'cut', bytes: 10 };
    await succeed(backupWords(), { env: environment() });
    await expectRestorable(s3Words());
  });

  test('denies objects: the backup fails at once and leaves no manifest', async () => {
    s3.fault = ({ method, key }) =>
      method === 'PUT' && isObject(key) ? { kind: 'answer', status: 403, code: 'AccessDenied' } : undefined;
    expectRefusal(await runCli(backupWords(), { env: environment() }), {
      exitCode: 1,
      says: /access is denied/,
    });
    expect(manifests()).toEqual([]);
  });

  test('falls silent: an interrupted backup still ends within seconds', async () => {
    s3.fault = ({ method, key }) => (method === 'PUT' && isObject(key) ? { kind: 'hang' } : undefined);
    const run = startCli(backupWords(), { env: environment() });
    await waitUntil('an object is sent', () =>
      s3.requests.some(({ method, key }) => method === 'PUT' && isObject(key)),
    );
    run.child.kill('SIGTERM');
    const late = setTimeout(() => run.child.kill('SIGKILL'), 7000);
    const finished = await run.finished;
    clearTimeout(late);
    expect(finished).toMatchObject({ exitCode: 143, signal: null });
    await watcher.until(database, (sessions) => sessions.length === 0);
  });

  const recipients: [string, () => Promise<{ identity: string; words: string[] }>][] = [
    ['clear', async () => ({ identity: '', words: [] })],
    [
      'encrypted',
      async () => {
        const identity = await generateX25519Identity();
        return { identity, words: ['--encryption-recipients', await identityToRecipient(identity)] };
      },
    ],
  ];

  test.each(recipients)(
    'keeps less of an object than it confirms (%s): the backup fails, and the next one is whole',
    async (_, create) => {
      const { identity, words } = await create();
      s3.fault = ({ method, key }) =>
        method === 'PUT' && isObject(key) ? { kind: 'store-less', bytes: 150 } : undefined;
      expectRefusal(await runCli(backupWords(s3, ...words), { env: environment() }), {
        exitCode: 1,
        says: /has other bytes, with the MD5 [0-9a-f]{32} under .* although .* confirmed/,
      });
      expect(manifests()).toEqual([]);
      // What the failed run left behind lies under the names that the next run would give.
      s3.fault = () => undefined;
      await succeed(backupWords(s3, ...words), { env: environment() });
      await expectRestorable(
        s3Words(),
        identity === '' ? {} : { SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity },
      );
    },
  );

  test('confirms objects and keeps none: the backup fails', async () => {
    s3.fault = ({ method, key }) =>
      method === 'PUT' && isObject(key) ? { kind: 'answer', status: 200, code: '', body: '' } : undefined;
    expectRefusal(await runCli(backupWords(), { env: environment() }), {
      exitCode: 1,
      says: /has nothing under .* although .* confirmed/,
    });
    expect(manifests()).toEqual([]);
  });

  test('keeps less of a manifest than it confirms: the backup fails, and what is there counts as damaged', async () => {
    s3.fault = ({ method, key }) =>
      method === 'PUT' && key.startsWith('shop/backups/') ? { kind: 'store-less', bytes: 500 } : undefined;
    expectRefusal(await runCli(backupWords(), { env: environment() }), {
      exitCode: 1,
      says: /although .* confirmed/,
    });
    s3.fault = () => undefined;
    expect((await runCli(['validate', ...s3Words()])).exitCode).toBe(3);
    await succeed(backupWords(), { env: environment() });
    await expectRestorable(s3Words());
  });

  test('lost an object that the next backup would use again: it is stored again, and both restore', async () => {
    await succeed(backupWords(), { env: environment() });
    const manifest = JSON.parse(
      s3.values.get(manifests()[0] ?? '')?.bytes.toString() ?? '',
    ) as StoredManifest;
    s3.values.delete(`shop/${findObject(manifest, 'public.readings').key}`);
    expect((await runCli(['validate', ...s3Words()])).exitCode).toBe(3);
    await succeed(backupWords(), { env: environment() });
    expect(await succeed(['validate', ...s3Words()])).toMatchObject({ backups: 2, damaged: 0 });
    await expectRestorable([...s3Words(), '--backup-id', manifest.id]);
  });

  const { TESTBED_S3_ENDPOINT } = process.env;
  test.runIf(TESTBED_S3_ENDPOINT)('is a strict one: a backup is stored, validated and restored', async () => {
    const words = [
      ...['--storage', `s3://testbed/scenarios-${process.pid}-${Date.now()}`],
      ...['--s3-endpoint', TESTBED_S3_ENDPOINT ?? ''],
    ];
    const first = await succeed(['backup', ...words], { env: environment() });
    expect(first['new-bytes']).toBe(first['stored-bytes']);
    expect(Number((await succeed(['backup', ...words], { env: environment() }))['new-bytes'])).toBeLessThan(
      50_000,
    );
    expect(await succeed(['validate', ...words])).toMatchObject({ backups: 2, damaged: 0 });
    await expectRestorable(words);
  });

  test('answers 503 to every object: the backup gives up and leaves no manifest', async () => {
    const finished = await alwaysFailing.run;
    expectRefusal(finished, { exitCode: 1, says: /kept answering SlowDown \(HTTP 503/ });
    expect(manifests(alwaysFailing.s3)).toEqual([]);
  }, 120_000);
});

describe('the disk', () => {
  test('fills up during a backup: it fails, the repository is intact, and the next one succeeds', async (context) => {
    const storage = join(folder, 'small');
    mkdirSync(storage);
    const disk = mountTmpfs(storage, 'size=64m');
    if (!disk) return context.skip('only root can mount a small disk');
    try {
      await succeed(['backup', '--storage', storage], { env: environment() });
      const before = listFolder(storage);
      const used = readStoredManifest(storage).objects.reduce((sum, { stored }) => sum + stored + 4096, 0);
      disk.remount(`size=${used + 400_000}`);
      await query(
        source,
        `CREATE TABLE public.fresh AS SELECT n, (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 20) WHERE n > 0) AS text
         FROM generate_series(1, 4000) n`,
      );
      expectRefusal(await runCli(['backup', '--storage', storage], { env: environment() }), {
        exitCode: 1,
        says: [/ENOSPC/, /→ Free space/],
      });
      expect(listFolder(storage)).toMatchObject(before);
      expect(listBackups(storage)).toHaveLength(1);
      expect(await succeed(['validate', '--storage', storage])).toMatchObject({ backups: 1, damaged: 0 });
      disk.remount('size=64m');
      await succeed(['backup', '--storage', storage], { env: environment() });
      expect(await succeed(['validate', '--storage', storage])).toMatchObject({ backups: 2, damaged: 0 });
      await expectRestorable(['--storage', storage]);
    } finally {
      disk.unmount();
      await query(source, 'DROP TABLE IF EXISTS public.fresh');
    }
  });
});

describe('what was stored', () => {
  let kept: string;
  let copies = 0;
  beforeAll(async () => {
    kept = join(folder, 'kept');
    await succeed(['backup', '--storage', kept], { env: environment() });
    await query(source, `INSERT INTO public.events VALUES (-1, 'between two backups')`);
    await succeed(['backup', '--storage', kept], { env: environment() });
  });

  function damage(change: (copy: string) => void): string {
    copies += 1;
    const copy = join(folder, `kept-${copies}`);
    cpSync(kept, copy, { recursive: true });
    change(copy);
    return copy;
  }

  const allTables = (manifest: StoredManifest): string[] =>
    manifest.tables.map(({ schema, name }) => `${schema}.${name}`);
  /** Ids and tables that the report names as damaged. */
  const damagedLines = (stdout: string): string[] =>
    stdout.split('\n').filter((line) => /^\d{8}T\d{6}Z-[0-9a-f]{4} /.test(line));

  test.each([
    ['deleted', (file: string) => rmSync(file), /is missing/],
    ['changed by one bit', flipBit, /SHA-256 is not the recorded one/],
  ] as const)(
    'was %s: validate names what is lost, and a restore fails at exactly that',
    async (_, change, how) => {
      const [first = '', second = ''] = listBackups(kept);
      const manifest = readStoredManifest(kept, second);
      const { key, tables } = findObject(manifest, 'public.events');
      expect(tables).toEqual(['public.events']);
      const copy = damage((storage) => change(join(storage, key)));

      const validated = await runCli(['validate', '--storage', copy]);
      expect(validated.exitCode).toBe(3);
      const lines = damagedLines(validated.stdout);
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(new RegExp(`^${second} +table public\\.events `));
      expect(lines[0]).toMatch(how);

      const target = await createTarget();
      const env = { SUPABASE_BACKUP_TARGET_URL: target };
      const restored = await runCli(['restore', '--storage', copy], { env });
      expectRefusal(restored, {
        exitCode: 1,
        says: [/table public\.events/, new RegExp(key), how, /→ .*target is incomplete/],
      });
      // The other backup does not need it.
      await succeed(['restore', '--storage', copy, '--backup-id', first], {
        env: { SUPABASE_BACKUP_TARGET_URL: await createTarget() },
      });
    },
  );

  test('was lost with several tables of several backups: each is named', async () => {
    const manifest = readStoredManifest(kept);
    const { key, tables } = findObject(manifest, 'sales.customers');
    expect(tables.length).toBeGreaterThan(1);
    const copy = damage((storage) => rmSync(join(storage, key)));
    const validated = await runCli(['validate', '--storage', copy, '--json']);
    expect(validated.exitCode).toBe(3);
    expect(readPrinted(validated.stdout).outputs).toMatchObject({ backups: 2, damaged: 2 });
    const lines = damagedLines((await runCli(['validate', '--storage', copy])).stdout);
    const expected = listBackups(kept).flatMap((id) => tables.map((table) => `${id} table ${table}`));
    expect(lines.map((line) => line.split(/ {2,}/).slice(0, 2).join(' ')).sort()).toEqual(expected.sort());
    const unharmed = allTables(manifest).filter((table) => !tables.includes(table));
    for (const table of unharmed) expect(lines.join('\n')).not.toContain(table);
  });

  test('is read back in part when a share is asked for', async () => {
    const whole = await succeed(['validate', '--storage', kept]);
    const part = await succeed(['validate', '--storage', kept, '--share', '10%']);
    expect(part).toMatchObject({ backups: 2, damaged: 0 });
    expect(part['objects-checked']).toBe(Math.ceil(Number(whole['objects-checked']) / 10));
  });

  test('is encrypted: validated by its hashes without the identity, and opened with it', async () => {
    const identity = await generateX25519Identity();
    const sealed = join(folder, 'sealed');
    await succeed(
      ['backup', '--storage', sealed, '--encryption-recipients', await identityToRecipient(identity)],
      {
        env: environment(),
      },
    );
    const without = await runCli(['validate', '--storage', sealed]);
    expect(without).toMatchObject({ exitCode: 0 });
    expect(without.stderr).toMatch(/warning: .*hashes .*no SUPABASE_BACKUP_ENCRYPTION_IDENTITY was given/);
    expect(without.stdout).toMatch(/archives listed by pg_restore +0/);
    const env = { SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity };
    const opened = await runCli(['validate', '--storage', sealed], { env });
    expect(opened).toMatchObject({ exitCode: 0 });
    expect(opened.stdout).toMatch(/archives listed by pg_restore +1/);
    const { key } = findObject(readStoredManifest(sealed), 'public.readings');
    flipBit(join(sealed, key));
    for (const given of [{}, env]) {
      const damaged = await runCli(['validate', '--storage', sealed], { env: given });
      expect(damaged.exitCode).toBe(3);
      expect(damaged.stdout).toContain('table public.readings');
    }
  });
});
