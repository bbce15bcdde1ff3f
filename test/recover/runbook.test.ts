import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareData } from '../fixture/dump.ts';
import { reconnect, seedDatabase } from '../fixture/seed.ts';
import { createDatabase, query } from '../scenarios/shop.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { succeed } from '../support/run-cli.ts';
import {
  dumpTruth,
  follow,
  installProgram,
  isAsExpected,
  listNames,
  readPage,
  type Truth,
} from './followed.ts';

/*
 * The runbook is read by somebody who is woken up and has never seen it. So its pages are followed here as
 * they stand: each block of commands, in order, in one sh that knows nothing but the variables that the page
 * lists. What is printed is compared with what the page says, and what comes back with what pg_dump wrote
 * before.
 */

const minutes = 60_000;
let cluster: Cluster;
let folder: string;
let tools: string;
let identity: string;
let recipient: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'runbook-'));
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '1GB' } });
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  tools = join(folder, 'tools');
  installProgram(tools);
  const options = { database: 'fixture', owner: 'app_owner', tinyTables: 10, bulkRows: 500 };
  await seedDatabase({ superuserUrl: cluster.superuserUrl(), ...options });
}, 2 * minutes);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Incident {
  readonly url: string;
  readonly storage: string;
  readonly runbook: string;
  /** What pg_dump wrote when the last capture had ended */
  readonly truth: Truth;
  /** A time after the last change, and before the mistake */
  readonly before: string;
}

const dump = (url: string) => dumpTruth(url, cluster);

/** A copy of the fixture with a backup, changes captured after it if any are, and the runbook as it is then. */
async function prepare(name: string, { captured = true } = {}): Promise<Incident> {
  const superuserUrl = cluster.superuserUrl();
  await query(superuserUrl, `CREATE DATABASE ${name} TEMPLATE fixture`);
  const url = reconnect(superuserUrl, { database: name });
  // Whoever wrote the commands has to quote it.
  const storage = join(folder, `${name}, it's the storage`);
  const env = { SUPABASE_BACKUP_DATABASE_URL: url, SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity };
  const place = ['--storage', storage, '--encryption-recipients', recipient];
  if (captured) await succeed(['capture', ...place], { env });
  await query(
    url,
    `INSERT INTO bulk.narrow (account, amount, at) SELECT n, n * 1.5, now() FROM generate_series(1, 20) n;
     UPDATE public.todos SET is_complete = NOT is_complete WHERE id % 3 = 0`,
  );
  await succeed([captured ? 'capture' : 'backup', ...place], { env });
  const output = join(folder, `${name}-runbook`);
  const words = ['report', '--kind', 'runbook', '--storage', storage, '--database', name, '--output', output];
  await succeed(words, { env });
  const status = await succeed(['status', '--storage', storage], { env });
  const runbook = readFileSync(join(output, `runbook-${name}.md`), 'utf8');
  for (const secret of [identity, new URL(url).password]) expect(runbook).not.toContain(secret);
  return { url, storage, runbook, truth: await dump(url), before: String(status['recoverable-to']) };
}

/** Follows a page, and expects that every block ends well and prints what the page says. */
async function followPage(
  { runbook, url, before }: Incident,
  heading: string,
  given: { values?: Readonly<Record<string, string>>; notes?: string } = {},
): Promise<void> {
  const listed = listNames(runbook);
  const values: NodeJS.ProcessEnv = {
    PRODUCTION_URL: url,
    ...(listed.includes('BEFORE') && { BEFORE: before }),
    SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity,
    ...given.values,
  };
  expect(Object.keys(values).filter((name) => !listed.includes(name))).toEqual([]);
  const blocks = readPage(runbook, heading);
  expect(blocks.length).toBeGreaterThan(0);
  const env = { PATH: [tools, cluster.binFolder, '/usr/bin', '/bin'].join(delimiter), HOME: folder };
  const followed = await follow(blocks, join(folder, heading), { ...env, ...values }, given.notes);
  for (const [index, { status, printed }] of followed.entries()) {
    const { commands = '', expected } = blocks[index] ?? {};
    const told = `step of ${heading}:\n${commands}\nprinted:\n${printed}\nexpected:\n${expected?.join('\n')}`;
    expect(status, told).toBe('0');
    expect(expected, told).toBeDefined();
    expect(isAsExpected(expected ?? [], printed), told).toBe(true);
  }
}

/** The reader keeps the id that is printed. */
const noteSafetyBackup = `SAFETY_ID=$(sed -n 's/^The target was backed up before anything was removed: \\([^,]*\\),.*/\\1/p' out-*); export SAFETY_ID`;

async function expectBack(url: string, truth: Truth): Promise<void> {
  const now = await dump(url);
  expect(compareData(truth.data, now.data)).toEqual([]);
  expect(now.schema).toBe(truth.schema);
}

describe('a runbook that is followed', () => {
  it(
    'brings a dropped table back, and leaves everything else as it is',
    async () => {
      const incident = await prepare('dropped');
      await query(incident.url, 'DROP TABLE bulk.narrow');
      await followPage(incident, 'Dropped table', { values: { TABLE: 'bulk.narrow' } });
      await expectBack(incident.url, incident.truth);
    },
    3 * minutes,
  );

  it(
    'brings the database to the time before a bad migration',
    async () => {
      const incident = await prepare('migrated');
      await query(
        incident.url,
        `ALTER TABLE public.todos DROP COLUMN task CASCADE; UPDATE bulk.narrow SET amount = 0; DELETE FROM bulk.wide`,
      );
      await followPage(incident, 'Bad migration', {
        values: { TABLE: 'bulk.narrow' },
        notes: noteSafetyBackup,
      });
      await expectBack(incident.url, incident.truth);
    },
    4 * minutes,
  );

  it(
    'brings lost rows back beside what was written since',
    async () => {
      const incident = await prepare('lost');
      await query(incident.url, `INSERT INTO bulk.narrow (account, amount, at) VALUES (7, 7, now())`);
      const truth = await dump(incident.url);
      await query(incident.url, 'DELETE FROM bulk.narrow WHERE id % 4 = 0 AND id <= 500');
      await followPage(incident, 'Lost rows', { values: { TABLE: 'bulk.narrow' } });
      await expectBack(incident.url, truth);
    },
    3 * minutes,
  );

  it(
    'brings a whole project back into a new database',
    async () => {
      const incident = await prepare('gone');
      await query(
        cluster.superuserUrl(),
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = 'gone'`,
      );
      await query(cluster.superuserUrl(), 'DROP DATABASE gone WITH (FORCE)');
      const target = await createDatabase(cluster.superuserUrl(), 'new_project');
      await followPage(incident, 'Project gone', { values: { NEW_URL: target } });
      await expectBack(target, incident.truth);
    },
    3 * minutes,
  );

  it(
    'restores from the copy when the storage is gone',
    async () => {
      const incident = await prepare('region');
      const copy = join(folder, 'the second copy');
      cpSync(incident.storage, copy, { recursive: true });
      rmSync(incident.storage, { recursive: true });
      const target = await createDatabase(cluster.superuserUrl(), 'from_copy');
      const values = { COPY: copy, NEW_URL: target, NEW_STORAGE: join(folder, 'the new storage') };
      await followPage(incident, 'Storage region gone', { values });
      await expectBack(target, incident.truth);
    },
    3 * minutes,
  );

  it(
    'captures again after the slot was lost, and every change since is there',
    async () => {
      const incident = await prepare('slotless');
      await query(
        incident.url,
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = 'slotless'`,
      );
      await query(incident.url, 'UPDATE bulk.narrow SET amount = amount + 1');
      await followPage(incident, 'Slot lost');
      const target = await createDatabase(cluster.superuserUrl(), 'after_slot');
      const env = { SUPABASE_BACKUP_TARGET_URL: target, SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity };
      await succeed(['restore', '--storage', incident.storage, '--recovery-target-time', 'latest'], { env });
      await expectBack(target, await dump(incident.url));
    },
    3 * minutes,
  );

  it(
    'without captures brings back the newest backup, with as many rows as it says',
    async () => {
      const incident = await prepare('uncaptured', { captured: false });
      const values = { TABLE: 'bulk.narrow' };
      await query(incident.url, 'DROP TABLE bulk.narrow');
      await followPage(incident, 'Dropped table', { values });
      await expectBack(incident.url, incident.truth);
      await query(incident.url, 'UPDATE bulk.narrow SET amount = 0; DELETE FROM bulk.wide');
      await followPage(incident, 'Bad migration', { values, notes: noteSafetyBackup });
      await expectBack(incident.url, incident.truth);
      const target = await createDatabase(cluster.superuserUrl(), 'new_uncaptured');
      await followPage(incident, 'Project gone', { values: { NEW_URL: target } });
      await expectBack(target, incident.truth);
    },
    5 * minutes,
  );

  it(
    'prints what the pages say that bring nothing back',
    async () => {
      const incident = await prepare('sound');
      await followPage(incident, 'No fresh backups');
      await followPage(incident, 'Leaked key');
      await followPage(incident, 'Ransomware', { values: { NEW_STORAGE: join(folder, 'new storage') } });
      await followPage(incident, 'Vault key lost');
      await followPage(incident, 'Files gone');
      await followPage(incident, 'Platform backups');
      await expectBack(incident.url, incident.truth);
    },
    5 * minutes,
  );
});
