import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startReceiver } from '../alarm/receiver.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { expectNoSecret } from './refusal.ts';
import { createDatabase, query } from './shop.ts';

/* What doctor says beforehand, and what a backup does then: the one agrees with the other. */

let cluster: Cluster;
let source: string;
let folder: string;
let identity: string;
let recipient: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '4GB' } });
  source = await createDatabase(cluster.superuserUrl(), 'examined');
  await query(
    source,
    `CREATE TABLE orders AS SELECT id FROM generate_series(1, 1000) id; CREATE TABLE secrets AS SELECT 1 AS id;
     CREATE ROLE reader LOGIN BYPASSRLS PASSWORD 'readers-p@ss'; GRANT SELECT ON orders TO reader;`,
  );
  identity = await generateIdentity();
  recipient = await identityToRecipient(identity);
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const run = (operation: string, url: string, ...more: string[]): Promise<Finished> =>
  runCli([operation, '--encryption-recipients', recipient, '--client-path', cluster.binFolder, ...more], {
    env: { SUPABASE_BACKUP_DATABASE_URL: url },
  });

test('what it finds well is backed up, and known again afterwards', async () => {
  const storage = ['--storage', join(folder, 'well')];
  const before = await run('doctor', source, ...storage);
  expect(before.exitCode).toBe(0);
  expect(before.stdout).toContain('there is none yet: the first backup makes it');
  expect((await run('backup', source, ...storage)).exitCode).toBe(0);
  const after = await run('doctor', source, ...storage);
  expect(after.exitCode).toBe(0);
  expect(after.stdout).toContain('it is of the database that was given');
  const stranger = await run('doctor', source, ...storage, '--encryption-identity', await generateIdentity());
  expect(stranger.exitCode).toBe(3);
  expect(stranger.stdout).toMatch(
    /newest backup +FAILED +--encryption-identity: the identity cannot decrypt \d{8}T/,
  );
  const other = await createDatabase(cluster.superuserUrl(), 'another');
  const foreign = await run('doctor', other, ...storage);
  expect(foreign.exitCode).toBe(3);
  expect((await run('backup', other, ...storage)).exitCode).not.toBe(0);
});

test('what it finds wrong fails a backup, with the same words, which are the last on the screen', async () => {
  const place = join(folder, 'closed');
  const url = source.replace(/\/\/[^@]+@/, '//reader:readers-p%40ss@');
  const examined = await run('doctor', url, '--storage', place);
  expect(examined.exitCode).toBe(3);
  const words = 'reader may not read 1 table: public.secrets';
  expect(examined.stdout).toContain(words);
  expect(examined.stdout).toMatch(/^Doctor: \d FAILED.*\n=+\n\nDo this first: FAILED database, privileges: /);
  expect(examined.stderr.trimEnd().split('\n').at(-1)).toContain('Grant it with "GRANT pg_read_all_data');
  expectNoSecret(examined.stdout + examined.stderr, ['readers-p@ss', 'readers-p%40ss']);
  const left = readdirSync(place, { recursive: true, withFileTypes: true });
  expect(left.filter((entry) => entry.isFile())).toEqual([]);
  const backup = await run('backup', url, '--storage', place);
  expect(backup.exitCode).toBe(1);
  expect(backup.stderr).toContain(words);
});

test('a test alarm is sent where it is asked for, and told to scripts', async () => {
  const receiver = await startReceiver();
  const given = ['doctor', '--json', '--notify-url', `${receiver.url}/hidden-hook`];
  try {
    const quiet = await runCli(given);
    expect(quiet.exitCode).toBe(0);
    expect(receiver.requests).toEqual([]);
    const told = await runCli([...given, '--test-alarm']);
    expect(receiver.requests.map(({ body }) => JSON.parse(body).kind)).toEqual(['test']);
    const { checks, doctor } = readPrinted(told.stdout).outputs;
    expect(doctor).toBe('ok');
    expect(checks).toMatchObject([{ name: 'notify-url', state: 'ok' }]);
    receiver.answer = () => ({ status: 410 });
    const refused = await runCli([...given, '--test-alarm']);
    expect(refused.exitCode).toBe(3);
    expect(refused.stdout + refused.stderr).not.toContain('hidden-hook');
  } finally {
    await receiver.close();
  }
});

test('an estimate is one JSON object, and needs only the database', async () => {
  const env = { SUPABASE_BACKUP_DATABASE_URL: source };
  expect(await succeed(['estimate'], { env })).toMatchObject({ tables: 2, 'kept-backups': 24 });
});
