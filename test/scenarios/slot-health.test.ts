import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RecordContent } from '../../src/repository/records.ts';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { createDatabase, query } from './shop.ts';

/** The slot of captures on its way to be lost: what runs record of it, and what `status` makes of that with and without the database. */

const minutes = 60_000;
let cluster: Cluster;
let source: string;
let other: string;
let folder: string;
let words: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slot-health-'));
  words = ['--storage', join(folder, 'backups')];
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '64MB' } });
  source = await createDatabase(cluster.superuserUrl(), 'watched');
  other = await createDatabase(cluster.superuserUrl(), 'other');
  await query(source, 'CREATE TABLE t (id int PRIMARY KEY, text text)');
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const withDatabase = (url = source) => ({ env: { SUPABASE_BACKUP_DATABASE_URL: url } });
const status = (env: object = {}, ...more: string[]) => runCli(['status', ...words, ...more], env);

/** Writes that many kilobytes and a bit to the log. */
async function write(kilobytes: number): Promise<void> {
  await query(source, `INSERT INTO t SELECT n, repeat('x', 960) FROM generate_series(1, ${kilobytes}) n`);
  await query(source, 'TRUNCATE t');
}

function readSlots(): RecordContent<'runs'>['slot'][] {
  const path = join(folder, 'backups', 'records', 'runs');
  return readdirSync(path)
    .sort()
    .map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')).content.slot);
}

test(
  'its lag and its loss are told by the records of runs, and by a look at the database',
  async () => {
    await succeed(['capture', ...words], withDatabase());
    const [slot] = await query<{ name: string }>(
      source,
      'SELECT slot_name AS name FROM pg_replication_slots',
    );
    expect(readSlots()).toMatchObject([
      { state: { name: slot?.name, walStatus: 'reserved', isActive: false } },
    ]);
    const well = await status();
    expect(well, well.stderr).toMatchObject({ exitCode: 0 });
    expect(well.stdout).toMatch(
      new RegExp(
        `slot of captures +${slot?.name} keeps .*, given up after .* \\(reserved\\), as of .* UTC, by the last`,
      ),
    );

    await write(50_000);
    const lagging = await status(withDatabase(), '--json');
    expect(lagging, lagging.stderr).toMatchObject({ exitCode: 0 });
    const { findings, 'lag-bytes': lag } = readPrinted(lagging.stdout).outputs;
    expect(lag).toBeGreaterThan(50e6);
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: 'slot-lag', severity: 'warning', measured: lag }),
    );
    // Without the database, what runs have seen counts, and a backup looks as well.
    expect((await status()).stdout).not.toContain('WARNING: the slot');
    await succeed(['backup', ...words], withDatabase());
    expect((await status()).stdout).toContain(`WARNING: the slot ${slot?.name} keeps 5`);

    await write(50_000);
    await query(source, 'CHECKPOINT');
    const lost = await status(withDatabase());
    expect(lost, lost.stderr).toMatchObject({ exitCode: 3 });
    expect(lost.stdout).toContain(`BROKEN: the server has given up the slot ${slot?.name}`);
    await succeed(['backup', ...words], withDatabase());
    expect(readSlots().at(-1)).toMatchObject({ state: { walStatus: 'lost', safeBytes: null } });
    expect(await status()).toMatchObject({ exitCode: 3 });
    const metrics = await status({}, '--format', 'openmetrics');
    expect(metrics.stdout).toMatch(/_finding\{.*finding="slot-lost",severity="broken"\} 1/);
    expect(metrics.stdout).not.toContain('slot_retained_bytes{');

    const again = await runCli(['capture', ...words], withDatabase());
    expect(again, again.stderr).toMatchObject({ exitCode: 3 });
    const mended = await status(withDatabase());
    expect(mended, mended.stdout).toMatchObject({ exitCode: 0 });
  },
  5 * minutes,
);

test(
  'a server that does not answer leaves what is recorded, and another database is a mistake',
  async () => {
    const nobody = await status(withDatabase('postgresql://u:hunter2@127.0.0.1:1/watched'));
    expect(nobody, nobody.stderr).toMatchObject({ exitCode: 0 });
    expect(nobody.stderr).toContain('the replication slot cannot be measured now: ');
    expect(nobody.stdout).toMatch(/slot of captures +supabase_backup_.*, by the last `capture` that looked/);
    expect(nobody.stdout + nobody.stderr).not.toContain('hunter2');
    const wrong = await status(withDatabase(other));
    expect(wrong).toMatchObject({ exitCode: 2 });
    expect(wrong.stderr).toContain('holds backups of database "watched"');
  },
  2 * minutes,
);

test('a slot that is dropped is none', { timeout: 2 * minutes }, async () => {
  await succeed(['capture', '--drop-slot', ...words], withDatabase());
  expect(readSlots().at(-1)).toMatchObject({ state: null });
  expect((await status()).stdout).toMatch(/slot of captures +none, as of/);
});

test('a server that keeps its slots to itself is backed up, and watched, all the same', {
  timeout: 2 * minutes,
}, async () => {
  await query(
    other,
    `CREATE ROLE reader LOGIN PASSWORD 'hunter2';
     REVOKE SELECT ON pg_catalog.pg_replication_slots FROM PUBLIC`,
  );
  const storage = join(folder, 'others');
  const env = { SUPABASE_BACKUP_DATABASE_URL: reconnect(other, { user: 'reader', password: 'hunter2' }) };
  const taken = await runCli(['backup', '--storage', storage], { env });
  expect(taken, taken.stderr).toMatchObject({ exitCode: 0 });
  expect(taken.stderr).toContain(
    'the replication slot is not measured: the replication slots cannot be read: permission denied',
  );
  const told = await runCli(['status', '--storage', storage], { env });
  expect(told.stderr).toContain(
    'the replication slot cannot be measured now: the replication slots cannot be',
  );
  expect(told.stdout).toMatch(/slot of captures +not measured\n/);
});
