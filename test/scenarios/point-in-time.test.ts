import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareData, type DataDump, dumpData, dumpSchema } from '../fixture/dump.ts';
import { connect } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { mulberry32 } from '../support/random.ts';
import { runCli } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { createDatabase, query } from './shop.ts';

/**
 * Four sessions write whatever comes to their minds while backups and captures are taken, some between two rounds of theirs and most in the
 * middle of one. After each round nobody writes for a moment: what pg_dump writes then is what a restore to that very moment has to
 * hold. POINT_IN_TIME_SEED repeats a run.
 */

const seed = Number(process.env.POINT_IN_TIME_SEED ?? Math.floor(Math.random() * 2 ** 31));
const rounds = 8;

let cluster: Cluster;
let folder: string;
let source: string;

beforeAll(async () => {
  cluster = await startCluster({
    settings: { autovacuum: 'off', max_slot_wal_keep_size: '2GB', max_prepared_transactions: '100' },
  });
  folder = mkdtempSync(join(tmpdir(), 'point-in-time-'));
  source = await createDatabase(cluster.superuserUrl(), 'source');
  await query(
    source,
    `CREATE TYPE mood AS ENUM ('glad', 'sad');
     CREATE TABLE people (id int PRIMARY KEY, name text, mood mood, chief int REFERENCES people DEFERRABLE INITIALLY DEFERRED);
     INSERT INTO people SELECT n, 'person ' || n, 'glad', nullif(n / 10, 0) FROM generate_series(1, 200) n;
     CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person int REFERENCES people ON DELETE CASCADE,
       text text, length int GENERATED ALWAYS AS (length(text)) STORED, at timestamptz DEFAULT clock_timestamp());
     INSERT INTO notes (person, text) SELECT n, repeat(md5(n::text), 3) FROM generate_series(1, 200) n;
     CREATE TABLE wide (key text PRIMARY KEY, n numeric, big text, tags text[], document jsonb);
     ALTER TABLE wide ALTER big SET STORAGE EXTERNAL;
     INSERT INTO wide SELECT 'k' || n, n / 7.0, repeat(md5(n::text), 200), ARRAY['a', NULL, 'x,"y'], '{"a": [1, null]}' FROM generate_series(1, 60) n;
     CREATE TABLE bag (n int, text text, document json);
     ALTER TABLE bag REPLICA IDENTITY FULL;
     INSERT INTO bag SELECT n % 5, nullif('same', CASE WHEN n % 3 = 0 THEN 'same' END), '{}' FROM generate_series(1, 60) n;
     CREATE TABLE parts (id int, part int, text text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
     CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
     CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
     INSERT INTO parts SELECT n, 1 + n % 2, 'part' FROM generate_series(1, 100) n;
     CREATE TABLE places (id int PRIMARY KEY, place int UNIQUE DEFERRABLE INITIALLY IMMEDIATE);
     INSERT INTO places SELECT n, n FROM generate_series(1, 50) n;`,
  );
  await query(
    source,
    `CREATE TABLE log (at timestamptz DEFAULT clock_timestamp(), what text);
     CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (what) VALUES (TG_OP || ' ' || OLD.id); RETURN NULL; END $$;
     CREATE TRIGGER note_it AFTER UPDATE OR DELETE ON people FOR EACH ROW EXECUTE FUNCTION note_it();
     ALTER TABLE people ENABLE ROW LEVEL SECURITY;
     CREATE POLICY nobody ON people USING (false);
     CREATE MATERIALIZED VIEW moods AS SELECT mood, count(*) FROM people GROUP BY mood;`,
  );
}, 60_000);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** One user of the database. What he may not do at the moment he leaves. */
class Writer {
  readonly #client: pg.Client;
  readonly #random: () => number;
  readonly #name: string;
  #open = false;
  #count = 0;

  constructor(client: pg.Client, name: string, random: () => number) {
    this.#client = client;
    this.#name = name;
    this.#random = random;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #write(): string {
    const [id, other] = [1 + this.#below(220), 1 + this.#below(220)];
    const word = `'${this.#name} ${++this.#count} it''s \\ %'`;
    const writes = [
      `INSERT INTO people VALUES (${1000 * (1 + this.#below(9)) + id}, ${word}, 'sad', ${id}) ON CONFLICT (id) DO UPDATE SET name = ${word}`,
      `UPDATE people SET mood = CASE mood WHEN 'sad' THEN 'glad'::mood ELSE 'sad' END, name = ${word} WHERE id BETWEEN ${id} AND ${id + 5}`,
      `UPDATE people SET id = id + 100000 WHERE id = ${id} AND NOT EXISTS (SELECT FROM people p WHERE p.chief = ${id}) AND NOT EXISTS (SELECT FROM notes n WHERE n.person = ${id})`,
      `DELETE FROM people p WHERE id = ${id} AND NOT EXISTS (SELECT FROM people q WHERE q.chief = ${id})`,
      `INSERT INTO notes (person, text) SELECT id, ${word} FROM people ORDER BY id LIMIT ${1 + this.#below(30)}`,
      `UPDATE notes SET text = ${word} || text WHERE id % 17 = ${this.#below(17)} AND length < 400`,
      `DELETE FROM notes WHERE id % 29 = ${this.#below(29)}`,
      `INSERT INTO wide VALUES (${word}, ${this.#random()}, repeat('${this.#random()}', 300), '{}', '[]')`,
      `UPDATE wide SET n = n + 1, tags = tags || ${word}::text WHERE key = 'k${id % 60}'`,
      `UPDATE wide SET key = key || '+' WHERE key = 'k${id % 60}'`,
      `UPDATE wide SET big = repeat('${this.#random()}', 250) WHERE key = 'k${id % 60}'`,
      `DELETE FROM wide WHERE key LIKE '${this.#name}%' AND n < 0.3`,
      `UPDATE bag SET text = NULL WHERE n = ${id % 5}`,
      `DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag WHERE n = ${id % 5} LIMIT 1)`,
      `INSERT INTO bag VALUES (${id % 5}, ${word}, '{"n": ${id}}'), (${id % 5}, NULL, NULL)`,
      `UPDATE parts SET part = 3 - part, text = ${word} WHERE id = ${id % 100}`,
      `INSERT INTO parts VALUES (${100_000 + id}, 1, ${word}) ON CONFLICT DO NOTHING`,
      `BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE places SET place = 51 - place WHERE place IN (${1 + (other % 50)}, ${50 - (other % 50)}); COMMIT`,
      `INSERT INTO log (what) SELECT ${word} FROM generate_series(1, ${this.#below(40)})`,
    ];
    return writes[this.#below(writes.length)] as string;
  }

  async act(): Promise<void> {
    const choice = this.#below(100);
    if (choice < 12) {
      if (this.#open) await this.#run(this.#below(3) === 0 ? 'ROLLBACK' : 'COMMIT', false);
      else await this.#run('BEGIN', true);
    } else if (choice < 22) {
      if (!this.#open) await this.#run('BEGIN', true);
      const end = this.#below(2) === 0 ? 'ROLLBACK TO s' : 'RELEASE s';
      const write = this.#write();
      if (!write.startsWith('BEGIN')) await this.#run(`SAVEPOINT s; ${write}; ${end}`);
    } else if (choice < 23 && !this.#open)
      await this.#run(this.#below(6) === 0 ? 'TRUNCATE parts_2' : 'ANALYZE');
    else if (choice < 24 && !this.#open) await this.#run('REFRESH MATERIALIZED VIEW moods');
    else {
      const write = this.#write();
      if (!this.#open || !write.startsWith('BEGIN')) await this.#run(write);
    }
  }

  /** @param opens whether a transaction is open afterwards; as before without it */
  async #run(sql: string, opens = this.#open): Promise<void> {
    try {
      await this.#client.query(sql);
      this.#open = opens;
    } catch (error) {
      // Only what comes of the others, and of values that are gone.
      const { code = '' } = error as { code?: string };
      if (!['55P03', '40P01', '40001', '25P02', '23505', '23503'].includes(code)) throw error;
      await this.#client.query('ROLLBACK');
      this.#open = false;
    }
  }

  async rest(): Promise<void> {
    if (this.#open) await this.#run(this.#below(2) === 0 ? 'COMMIT' : 'ROLLBACK', false);
  }

  async end(): Promise<void> {
    await this.#client.end();
  }
}

const environment = () => ({ SUPABASE_BACKUP_DATABASE_URL: source });

async function operate(words: string[]): Promise<Record<string, string | number>> {
  const run = await runCli([...words, '--storage', join(folder, 'repository'), '--json'], {
    env: environment(),
  });
  expect(run.exitCode, run.stderr).toBe(0);
  return readPrinted(run.stdout).outputs;
}

/** @returns false when the writers have kept it from taking a snapshot with its locks, which a TRUNCATE does */
async function backUp(type: string): Promise<boolean> {
  const words = ['backup', '--backup-type', type, '--storage', join(folder, 'repository')];
  const run = await runCli(words, { env: environment() });
  if (run.exitCode === 0) return true;
  expect(run.stderr).toMatch(/3 times in a row|could not be (locked|read)/);
  return false;
}

interface Moment {
  /** The source's time while nobody was writing */
  readonly at: string;
  readonly data: DataDump;
}

async function lookAround(): Promise<Moment> {
  const [now] = await query<{ at: string }>(
    source,
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
  );
  return { at: now?.at ?? '', data: await dumpData(source, cluster.binFolder) };
}

/** Sequences are not frozen, and may be a little ahead; everything else is what it was. */
function withoutSequences(dump: DataDump): DataDump {
  return { ...dump, sequences: [] };
}

async function restoreTo(time: string, words: string[] = []) {
  const target = await createDatabase(
    cluster.superuserUrl(),
    `restored_${Math.random().toString(36).slice(2)}`,
  );
  const run = await runCli(
    ['restore', '--storage', join(folder, 'repository'), '--recovery-target-time', time, '--json', ...words],
    { env: { SUPABASE_BACKUP_TARGET_URL: target } },
  );
  return { target, run };
}

test('every moment of a database that is being written to can be restored', {
  timeout: 240_000,
}, async () => {
  const random = mulberry32(seed);
  console.info(`POINT_IN_TIME_SEED=${seed}`);
  const writers = await Promise.all(
    ['a', 'b', 'c', 'd'].map(async (name) => {
      const client = await connect(source);
      await client.query("SET lock_timeout = '150ms'; SET deadlock_timeout = '50ms'");
      return new Writer(client, name, mulberry32(Math.floor(random() * 2 ** 31)));
    }),
  );
  const moments: Moment[] = [];
  let backups = 1;
  try {
    await operate(['capture']);
    for (let round = 0; round < rounds; round++) {
      let over = false;
      const busy = Promise.all(
        writers.map(async (writer) => {
          while (!over) await writer.act();
          await writer.rest();
        }),
      );
      // Waited for below, and not before
      busy.catch(() => {});
      await sleep(200);
      // In the middle of the writing: a capture, a backup, or both after each other
      if (round % 3 !== 1) await operate(['capture']);
      if (round % 3 !== 0) {
        if (await backUp(round % 2 === 0 ? 'full' : 'incremental')) backups++;
      }
      await sleep(100);
      over = true;
      await busy;
      moments.push(await lookAround());
    }
    const captured = await operate(['capture']);
    expect(captured).toMatchObject({ barrier: null, 'lost-changes': null, 'backup-id': null });
    for (const moment of moments) {
      const { target, run } = await restoreTo(moment.at);
      expect(run.exitCode, `${run.stderr}\n${moment.at}`).toBe(0);
      expect(readPrinted(run.stdout).outputs).toMatchObject({ 'recovered-to': moment.at, parity: 'equal' });
      const restored = await dumpData(target, cluster.binFolder);
      expect(compareData(withoutSequences(moment.data), withoutSequences(restored)), moment.at).toEqual([]);
      expect(await dumpSchema(target, cluster.binFolder)).toBe(await dumpSchema(source, cluster.binFolder));
      await expectSequencesAhead(target);
    }
  } catch (error) {
    throw new Error(`POINT_IN_TIME_SEED=${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    for (const writer of writers) await writer.end();
  }
  expect(backups).toBeGreaterThan(2);
});

/** The next value of an identity column is above every one that is there. */
async function expectSequencesAhead(target: string): Promise<void> {
  const [row] = await query<{ ahead: boolean }>(
    target,
    'SELECT (SELECT last_value FROM notes_id_seq) >= coalesce(max(id), 0) AS ahead FROM notes',
  );
  expect(row?.ahead).toBe(true);
}

test('a time that cannot be reached is refused with those next to it, and nothing is touched', async () => {
  const { target, run } = await restoreTo('2020-01-01T00:00:00Z');
  expectRefusal(run, {
    exitCode: 2,
    says: [/recovery-target-time: 2020-01-01T00:00:00\.000000Z cannot be reached/, /after it/],
  });
  const late = await restoreTo('2120-01-01T00:00:00Z');
  expectRefusal(late.run, { exitCode: 2, says: [/2120-.* cannot be reached/, /before it/] });
  const [row] = await query<{ tables: string }>(
    target,
    `SELECT count(*) AS tables FROM pg_tables WHERE schemaname = 'public'`,
  );
  expect(row?.tables).toBe('0');
});
