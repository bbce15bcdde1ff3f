import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import type { Segment } from '../../src/repository/changes/segments.ts';
import type { KnownError } from '../../src/runtime/errors.ts';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { ScriptedStorage } from '../support/scripted-storage.ts';
import { findInserted, listSegments, readLines } from './captured.ts';
import { operate } from './in-process.ts';
import { waitUntil } from './processes.ts';
import { createDatabase, query } from './shop.ts';

/**
 * What `capture` stores has to be everything that was committed, once, whatever happens to it, to its slot and to the server. The changes
 * are read back from the segments and compared with what the database was told to do.
 */

const stage = vi.hoisted(() => ({ storage: undefined as unknown, beforeLook: async () => {} }));
vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.storage }));

// What happens between the two looks of a capture: at the log, and at the tables
vi.mock('../../src/source/changes/state.ts', async (original) => {
  const actual = await original<typeof import('../../src/source/changes/state.ts')>();
  return {
    ...actual,
    readChangeState: async (...args: Parameters<typeof actual.readChangeState>) => {
      await stage.beforeLook();
      return actual.readChangeState(...args);
    },
  };
});

let cluster: Cluster;
let storage: ScriptedStorage;
let url: string;
let messages: string[];

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off' } });
  await limitSlots('1GB');
});
afterAll(() => cluster?.stop());

beforeEach(async () => {
  storage = new ScriptedStorage();
  stage.storage = storage;
  messages = [];
  stage.beforeLook = async () => {};
  await query(cluster.superuserUrl(), 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
  url = await createDatabase(cluster.superuserUrl(), 'captured');
  await query(url, 'CREATE TABLE numbers (id int PRIMARY KEY, text text)');
});

const capture = (inputs: Partial<Record<InputName, string>> = {}) =>
  operate(storage, { operation: 'capture', 'database-url': url, ...inputs }, { messages });

/** In a file, so that it can be changed while the server runs. */
async function limitSlots(size: string): Promise<void> {
  await query(cluster.superuserUrl(), `ALTER SYSTEM SET max_slot_wal_keep_size = '${size}'`);
  await query(cluster.superuserUrl(), 'SELECT pg_reload_conf()');
  await waitUntil(`the limit is ${size}`, async () => {
    const [row] = await query<{ size: string }>(
      cluster.superuserUrl(),
      `SELECT current_setting('max_slot_wal_keep_size') AS size`,
    );
    return row?.size === size;
  });
}

const insert = (from: number, to = from) =>
  query(url, `INSERT INTO numbers SELECT n, 'number ' || n FROM generate_series(${from}, ${to}) n`);

async function readNumbers(segments?: readonly Segment[]): Promise<number[]> {
  return findInserted(await readLines(storage, segments ?? (await listSegments(storage))), 'public.numbers');
}

async function countBackups(): Promise<number> {
  return (await storage.keys('backups/')).length;
}

/** Positions meet, nothing goes back, and the newest chain has no hole. */
function expectChain(segments: readonly Segment[]): void {
  for (const [index, segment] of segments.entries()) {
    const before = segments[index - 1];
    if (before === undefined || before.chain.id !== segment.chain.id) continue;
    expect(segment.from).toBe(before.to);
    expect(segment.fromXmax).toBe(before.toXmax);
    expect(segment.through >= before.through).toBe(true);
  }
}

async function slotOf(): Promise<{ name: string; confirmed: string } | undefined> {
  const [slot] = await query<{ name: string; confirmed: string }>(
    url,
    'SELECT slot_name AS name, confirmed_flush_lsn::text AS confirmed FROM pg_replication_slots',
  );
  return slot;
}

describe('a first capture', () => {
  test('makes a slot, stores a segment, and takes the backup that changes are replayed on', async () => {
    const { exitCode, outputs } = await capture();
    expect({ exitCode, ...outputs }).toMatchObject({
      exitCode: 0,
      transactions: 0,
      changes: 0,
      barrier: '',
      'lost-changes': '',
    });
    expect(await storage.keys('backups/')).toEqual([`backups/${outputs['backup-id']}.json`]);
    const [segment, ...more] = await listSegments(storage);
    expect(more).toEqual([]);
    expect(segment).toMatchObject({ barrier: null, transactions: 0, objects: [], chain: { because: null } });
    const slot = await slotOf();
    expect(slot?.name).toBe(segment?.chain.slot);
    expect(slot?.confirmed).toBe(segment?.to);
  });

  test('stores what was committed since, in the order of commits, and takes no further backup', async () => {
    await capture();
    await insert(1, 3);
    await query(
      url,
      `BEGIN; UPDATE numbers SET text = 'x' WHERE id = 2; DELETE FROM numbers WHERE id = 3; COMMIT`,
    );
    await query(url, 'BEGIN; INSERT INTO numbers VALUES (99); ROLLBACK');
    const { exitCode, outputs } = await capture();
    expect({ exitCode, ...outputs }).toMatchObject({
      exitCode: 0,
      transactions: 2,
      changes: 5,
      'backup-id': '',
    });
    const segments = await listSegments(storage);
    expectChain(segments);
    expect(segments.at(-1)).toMatchObject({
      tables: [{ schema: 'public', name: 'numbers', inserts: 3, updates: 1, deletes: 1, truncates: 0 }],
    });
    expect(await readNumbers()).toEqual([1, 2, 3]);
  });

  test('goes on on an idle server, so that the time until which all is known moves on', async () => {
    await capture();
    const first = (await listSegments(storage)).at(-1);
    await capture();
    await capture();
    const segments = await listSegments(storage);
    expect(segments).toHaveLength(3);
    expectChain(segments);
    expect((segments.at(-1)?.through ?? '') > (first?.through ?? '')).toBe(true);
  });

  test('has a commit that did not wait for the disk', async () => {
    await capture();
    await query(url, `SET synchronous_commit = off; INSERT INTO numbers VALUES (7)`);
    await capture();
    expect(await readNumbers()).toEqual([7]);
  });
});

describe('whatever stops it', () => {
  test('at each call of the storage, before it or after it: nothing is lost and nothing is stored twice', async () => {
    await capture();
    let next = 1;
    for (let call = 1, isOver = false; !isOver; call++) {
      for (const when of ['before', 'after'] as const) {
        await insert(next++);
        storage.calls.length = 0;
        storage.death = { call, when };
        await expect(capture()).rejects.toThrow();
        // What comes once the slot was moved only reads.
        const stored = storage.calls.findIndex(
          ({ method, key }) => method === 'create' && key.startsWith('changes/'),
        );
        isOver = stored >= 0 && stored < call - 3;
        storage = await storage.fork();
        stage.storage = storage;
        // Each lock of the dead is a call more for the next.
        for (const key of await storage.keys('locks/')) await storage.remove(key);
      }
    }
    await capture();
    const segments = await listSegments(storage);
    expectChain(segments);
    expect(await readNumbers(segments)).toEqual(Array.from({ length: next - 1 }, (_, index) => index + 1));
    expect(new Set(segments.map(({ chain }) => chain.id)).size).toBe(1);
    expect(segments.length).toBeGreaterThan(5);
  });

  test('a crash of the server sets the slot back, and what it gives out again is not stored again', async () => {
    await capture();
    // While it is open the server need not write down where the slot stands.
    const open = new pg.Client({ connectionString: url });
    open.on('error', () => {});
    await open.connect();
    await open.query('BEGIN; SELECT pg_current_xact_id()');
    await insert(1, 5);
    await capture();
    await insert(6, 10);
    await capture();
    const before = await slotOf();
    await cluster.crash();
    await cluster.start();
    expect((await slotOf())?.confirmed).not.toBe(before?.confirmed);
    await insert(11);
    const { exitCode } = await capture();
    expect(exitCode).toBe(0);
    const segments = await listSegments(storage);
    expectChain(segments);
    expect(await readNumbers(segments)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('two at once: one of them is told, and nothing is stored twice', async () => {
    await capture();
    await insert(1, 2000);
    const results = await Promise.allSettled([capture(), capture()]);
    for (const result of results) {
      if (result.status === 'rejected')
        expect(String(result.reason)).toMatch(/another capture of this database/);
    }
    expect(results.some(({ status }) => status === 'fulfilled')).toBe(true);
    await capture();
    expectChain(await listSegments(storage));
    expect(await readNumbers()).toHaveLength(2000);
  });
});

describe('a transaction', () => {
  test('that was begun before a capture and committed after it is in the next one, whole', async () => {
    await capture();
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query('BEGIN');
      await client.query(`INSERT INTO numbers VALUES (1, 'early')`);
      await insert(2);
      await capture();
      expect(await readNumbers()).toEqual([2]);
      await client.query(
        `SAVEPOINT s; INSERT INTO numbers VALUES (3); ROLLBACK TO s; INSERT INTO numbers VALUES (4)`,
      );
      await client.query('COMMIT');
    } finally {
      await client.end();
    }
    await capture();
    expect(await readNumbers()).toEqual([2, 1, 4]);
  });

  test('that was prepared is stored when it is committed', async () => {
    await capture();
    await query(url, `BEGIN; INSERT INTO numbers VALUES (1); PREPARE TRANSACTION 'later'`);
    await capture();
    expect(await readNumbers()).toEqual([]);
    await query(url, `COMMIT PREPARED 'later'`);
    await capture();
    expect(await readNumbers()).toEqual([1]);
  });

  test('that is longer than a step of the reading is stored whole, and so is all around it', async () => {
    await capture();
    await query(url, `ALTER TABLE numbers ALTER text SET STORAGE EXTERNAL`);
    await capture();
    await insert(1);
    // 200 MB of log, in one transaction and then in some.
    const fill = (from: number, to: number) =>
      query(
        url,
        `INSERT INTO numbers SELECT n, repeat(md5(n::text), 400) FROM generate_series(${from}, ${to}) n`,
      );
    await fill(2, 9001);
    await fill(9002, 12001);
    await fill(12002, 15001);
    const { outputs } = await capture();
    expect(outputs).toMatchObject({ transactions: 4, changes: 15_001 });
    const segments = await listSegments(storage);
    expectChain(segments);
    // One run, in parts; only the last one says that all until its time is there.
    expect(segments.length).toBeGreaterThan(3);
    expect(new Set(segments.map(({ through }) => through)).size).toBe(3);
    expect(await readNumbers(segments)).toEqual(Array.from({ length: 15_001 }, (_, index) => index + 1));
  }, 120_000);
});

describe('a change that a replay cannot bring', () => {
  test('of the definitions needs a new backup, which is taken at once', async () => {
    await capture();
    await query(url, 'ALTER TABLE numbers ADD more int');
    const { exitCode, outputs } = await capture();
    expect({ exitCode, ...outputs }).toMatchObject({
      exitCode: 0,
      barrier: 'definitions were changed',
      'lost-changes': '',
    });
    expect(await countBackups()).toBe(2);
    expect((await capture()).outputs).toMatchObject({ barrier: '', 'backup-id': '' });
  });

  test('a table that was dropped and made again is another one, although it looks the same', async () => {
    await capture();
    await query(url, 'DROP TABLE numbers; CREATE TABLE numbers (id int PRIMARY KEY, text text)');
    expect((await capture()).outputs).toMatchObject({ barrier: 'definitions were changed' });
  });

  test('rows that ALTER TABLE wrote anew are noticed although the definition is what it was', async () => {
    await insert(1, 3);
    await capture();
    await query(url, 'ALTER TABLE numbers ALTER text TYPE text USING upper(text)');
    expect((await capture()).outputs).toMatchObject({ barrier: 'public.numbers was written anew' });
  });

  test('a TRUNCATE is a change like any other', async () => {
    await insert(1, 3);
    await capture();
    await query(url, 'TRUNCATE numbers');
    const { outputs } = await capture();
    expect(outputs).toMatchObject({ barrier: '', 'backup-id': '', transactions: 1 });
    expect((await listSegments(storage)).at(-1)?.tables).toMatchObject([{ name: 'numbers', truncates: 1 }]);
  });

  test('a TRUNCATE between the look at the log and that at the tables is waited for, and is none either', async () => {
    await insert(1, 3);
    await capture();
    stage.beforeLook = async () => {
      stage.beforeLook = async () => {};
      await query(url, 'TRUNCATE numbers');
    };
    const { outputs } = await capture();
    expect(outputs).toMatchObject({ barrier: '', 'backup-id': '', transactions: 1 });
    const segments = await listSegments(storage);
    expectChain(segments);
    expect(segments.at(-2)?.through).toBe(segments.at(-3)?.through);
    expect((await capture()).outputs).toMatchObject({ barrier: '', transactions: 0 });
  });

  test('tables whose updates do not say which row they mean are named', async () => {
    await query(
      url,
      `CREATE TABLE keyless (n int); INSERT INTO keyless VALUES (1);
       CREATE TABLE full_rows (n int); ALTER TABLE full_rows REPLICA IDENTITY FULL; INSERT INTO full_rows VALUES (1);
       CREATE TABLE nothing (n int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING; INSERT INTO nothing VALUES (1);
       CREATE TABLE appended (n int)`,
    );
    await capture();
    await query(
      url,
      'UPDATE keyless SET n = 2; UPDATE full_rows SET n = 2; DELETE FROM nothing; INSERT INTO appended VALUES (1)',
    );
    const { report } = await capture();
    expect((await listSegments(storage)).at(-1)?.uncovered).toEqual([
      { schema: 'public', name: 'keyless', why: 'it has no primary key' },
      { schema: 'public', name: 'nothing', why: 'its replica identity is NOTHING' },
    ]);
    expect(JSON.stringify(report)).toMatch(/Not covered: public\.keyless \(it has no primary key\)/);
  });

  test("what the ledger, messages and other databases do is nobody's change", async () => {
    await capture({ 'rollback-token': 'true' });
    await query(
      url,
      `SELECT pg_logical_emit_message(true, 'app', 'hello'), pg_logical_emit_message(false, 'app', 'hello')`,
    );
    await query(reconnect(url, { database: 'postgres' }), 'CREATE TABLE other (n int); DROP TABLE other');
    const { outputs } = await capture({ 'rollback-token': 'true' });
    expect(outputs).toMatchObject({ changes: 0, barrier: '' });
  });
});

describe('a slot', () => {
  test('that somebody dropped means lost changes: it ends with 3, begins anew, and takes a backup', async () => {
    await capture();
    await insert(1);
    await query(url, 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
    const { exitCode, outputs } = await capture();
    expect(exitCode).toBe(3);
    expect(outputs['lost-changes']).toMatch(/^the slot supabase_backup_\w+ is gone/);
    expect(outputs['backup-id']).not.toBe('');
    const chains = new Set((await listSegments(storage)).map(({ chain }) => chain.id));
    expect(chains.size).toBe(2);
    expect((await capture()).exitCode).toBe(0);
  });

  test('that somebody else moved means lost changes', async () => {
    await capture();
    await insert(1);
    await query(
      url,
      'SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots',
    );
    const { exitCode, outputs } = await capture();
    expect(exitCode).toBe(3);
    expect(outputs['lost-changes']).toMatch(/was moved from .+ to .+, and not by a capture/);
    expect(await readNumbers()).toEqual([]);
  });

  test('that the server gave up means lost changes', async () => {
    await capture();
    await limitSlots('1MB');
    try {
      for (let round = 0; round < 3; round++) {
        await insert(1 + round * 1000, 1000 + round * 1000);
        await query(url, 'SELECT pg_switch_wal()');
        await query(url, 'CHECKPOINT');
      }
      const { exitCode, outputs } = await capture();
      expect(exitCode).toBe(3);
      expect(outputs['lost-changes']).toMatch(/gave up the slot .+ more was written/);
    } finally {
      await limitSlots('1GB');
    }
    expect((await capture()).exitCode).toBe(0);
  });

  test('whose last segment was damaged is begun anew, loudly', async () => {
    await capture();
    const [key = ''] = await storage.keys('changes/');
    const bytes = Buffer.from(await storage.read(key));
    bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
    await storage.put(key, bytes);
    const { exitCode, outputs } = await capture();
    expect(exitCode).toBe(3);
    expect(outputs['lost-changes']).toMatch(/newest stored changes cannot be read/);
  });

  test('is dropped on request, after a last capture', async () => {
    await capture();
    await insert(1);
    const { outputs } = await capture({ 'drop-slot': 'true' });
    expect(outputs).toMatchObject({ transactions: 1 });
    expect(await slotOf()).toBeUndefined();
    expect(await readNumbers()).toEqual([1]);
  });

  test('that somebody else reads at the moment is left to him', async () => {
    await capture();
    const name = (await slotOf())?.name ?? '';
    const reader = spawn(
      join(cluster.binFolder, 'pg_recvlogical'),
      ['--dbname', url, '--slot', name, '--start', '--no-loop', '--file', '-'],
      { stdio: 'ignore' },
    );
    const ended = once(reader, 'exit');
    const isRead = async () => {
      const [slot] = await query<{ active: boolean }>(url, 'SELECT active FROM pg_replication_slots');
      return slot?.active === true;
    };
    await waitUntil('the slot is read', isRead);
    await expect(capture()).rejects.toThrow(/another process reads the replication slot/);
    reader.kill();
    await ended;
    await waitUntil('the slot is free', async () => !(await isRead()));
    expect((await capture()).outputs['captured-through']).not.toBe('');
  });
});

describe('a table whose updates do not say which row they mean', () => {
  const shown = ({ report }: Outcome) => JSON.stringify(report);

  test('is told at each capture, with the reason, before anything is lost', async () => {
    await query(
      url,
      `CREATE TABLE cards (id int PRIMARY KEY DEFERRABLE, text text);
       CREATE TABLE loose (id int);
       CREATE TABLE silent (id int PRIMARY KEY); ALTER TABLE silent REPLICA IDENTITY NOTHING;
       CREATE TABLE whole (id int); ALTER TABLE whole REPLICA IDENTITY FULL;
       CREATE TABLE by_index (id int NOT NULL UNIQUE); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_id_key`,
    );
    for (let round = 0; round < 2; round++) {
      const report = shown(await capture());
      expect(report).toContain('public.cards (its key is deferrable)');
      expect(report).toContain('public.loose (it has no primary key)');
      expect(report).toContain('public.silent (its replica identity is NOTHING)');
      for (const name of ['public.numbers (', 'public.whole (', 'public.by_index ('])
        expect(report).not.toContain(name);
    }
  });

  test('is not covered once it was changed, and says so', async () => {
    await query(
      url,
      'CREATE TABLE cards (id int PRIMARY KEY DEFERRABLE, text text); INSERT INTO cards VALUES (1)',
    );
    await capture();
    await query(url, "UPDATE cards SET text = 'x'");
    expect(shown(await capture())).toMatch(/Not covered: public\.cards \(its key is deferrable\)/);
    const [segment] = (await listSegments(storage)).slice(-1);
    expect(segment?.uncovered).toEqual([{ schema: 'public', name: 'cards', why: 'its key is deferrable' }]);
  });
});

describe('a transaction that does not end', () => {
  const patience = { 'lock-timeout': '1' };

  test('is named by the first capture, which waits no longer than lock-timeout and leaves no slot', async () => {
    const client = new pg.Client({ connectionString: url, application_name: 'the forgotten' });
    await client.connect();
    try {
      await client.query('BEGIN; INSERT INTO numbers VALUES (1)');
      await expect(capture(patience)).rejects.toThrow(
        /a transaction does not end within 1 s: process \d+ \(supabase_admin, the forgotten, idle in transaction for/,
      );
      expect(messages.join('\n')).toMatch(/waits for the transactions that are running: process \d+/);
      expect(await slotOf()).toBeUndefined();
    } finally {
      await client.end();
    }
    expect((await capture(patience)).exitCode).toBe(0);
  });

  test('is named as well when it was prepared', async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO numbers VALUES (2)');
    await client.query("PREPARE TRANSACTION 'left behind'");
    await client.end();
    try {
      await expect(capture(patience)).rejects.toThrow(
        /prepared transaction 'left behind' of supabase_admin in captured/,
      );
    } finally {
      await query(url, "ROLLBACK PREPARED 'left behind'");
    }
  });
});

describe('a transaction larger than temp_file_limit', () => {
  const large = () =>
    query(url, 'INSERT INTO numbers SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 60000) n');
  beforeEach(async () => {
    await query(
      url,
      "DROP ROLE IF EXISTS capturer; CREATE ROLE capturer LOGIN REPLICATION BYPASSRLS PASSWORD 'capturer' IN ROLE pg_read_all_data",
    );
    await query(url, "ALTER ROLE capturer SET temp_file_limit = '8MB'");
  });
  const asRole = () => ({ 'database-url': reconnect(url, { user: 'capturer', password: 'capturer' }) });

  test('is read by a superuser all the same', async () => {
    await query(url, 'ALTER ROLE capturer SUPERUSER');
    await capture(asRole());
    await large();
    expect((await capture(asRole())).outputs).toMatchObject({ changes: 60_000 });
  });

  test('is told to another role with both ways on, and nothing is lost until then', async () => {
    await capture(asRole());
    await large();
    const refused = await capture(asRole()).catch((error: KnownError) => error);
    expect(refused).toMatchObject({
      message: expect.stringMatching(/temp_file_limit/),
      next: expect.stringMatching(/SET temp_file_limit = -1\. Or .* drop-slot/),
    });
    await query(url, 'ALTER ROLE capturer RESET ALL');
    expect((await capture(asRole())).outputs).toMatchObject({ changes: 60_000 });
  });

  test('is let go with the slot by whoever wants that, and the next capture begins anew', async () => {
    await capture(asRole());
    await large();
    const dropped = await capture({ ...asRole(), 'drop-slot': 'true' });
    expect(dropped.exitCode).toBe(3);
    expect(dropped.outputs['lost-changes']).toMatch(/temp_file_limit/);
    expect(await query(url, 'SELECT FROM pg_replication_slots')).toEqual([]);
    // Again with 3, because the slot is gone; with a backup to go on from.
    expect((await capture(asRole())).outputs['backup-id']).toMatch(/^\d{8}T/);
    expect(await capture(asRole())).toMatchObject({ exitCode: 0 });
  });
});

test('a row that is too large for the server to send ends a capture with the way on', {
  timeout: 120_000,
}, async () => {
  await capture();
  await query(
    url,
    `CREATE TABLE huge (a bytea, b bytea);
     INSERT INTO huge SELECT v, v FROM (SELECT decode(repeat('ab27', 140000000), 'hex')) AS t (v); TRUNCATE huge`,
  );
  const refused = await capture().catch((error: KnownError) => error);
  expect(refused).toMatchObject({
    message: expect.stringMatching(/larger than the server can send as text/),
    next: expect.stringMatching(/drop-slot/),
  });
  expect(await capture({ 'drop-slot': 'true' })).toMatchObject({ exitCode: 3 });
  await capture();
  expect(await capture()).toMatchObject({ exitCode: 0 });
});

test('a slot that goes while the backup of the first capture runs is told by it, and not by the next one', async () => {
  // A question of the backup does what the server does when more is written than it keeps.
  const drop = 'SELECT pg_drop_replication_slot(slot_name) IS NOT NULL FROM pg_replication_slots';
  const { exitCode, outputs } = await capture({ checks: drop });
  expect(exitCode).toBe(3);
  expect(outputs['lost-changes']).toMatch(/was dropped while the backup ran/);
  expect(await countBackups()).toBe(1);
});

describe('a server', () => {
  test('without a limit to what a slot keeps is refused unless that is accepted', async () => {
    await limitSlots('-1');
    try {
      await expect(capture()).rejects.toThrow(/unlimited-wal: the server does not limit/);
      expect(await slotOf()).toBeUndefined();
      expect((await capture({ 'unlimited-wal': 'true' })).exitCode).toBe(0);
    } finally {
      await limitSlots('1GB');
    }
  });

  test('whose role may not replicate is refused by name; one that may needs not be a superuser', async () => {
    await query(
      url,
      `DROP ROLE IF EXISTS capturer;
       CREATE ROLE capturer LOGIN BYPASSRLS PASSWORD 'capturer' IN ROLE pg_read_all_data`,
    );
    const asRole = reconnect(url, { user: 'capturer', password: 'capturer' });
    await expect(capture({ 'database-url': asRole })).rejects.toThrow(
      /capturer cannot create a replication slot/,
    );
    await query(url, 'ALTER ROLE capturer REPLICATION');
    expect((await capture({ 'database-url': asRole })).exitCode).toBe(0);
    await insert(1);
    expect((await capture({ 'database-url': asRole })).outputs).toMatchObject({ changes: 1 });
  });

  test('that does not write what decoding needs is refused by name', async () => {
    await using plain = await startCluster({ settings: { wal_level: 'replica' } });
    const other = await createDatabase(plain.superuserUrl(), 'plain');
    await expect(capture({ 'database-url': other })).rejects.toThrow(/wal_level is replica/);
  });
});
