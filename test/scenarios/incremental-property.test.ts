import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runTool } from '../fixture/dump.ts';
import { connect } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { mulberry32 } from '../support/random.ts';
import { dataFolder } from './data-folder.ts';
import { Ladder } from './ladder.ts';
import { createDatabase, query } from './shop.ts';

/**
 * Three sessions write whatever comes to their minds while incremental backups are taken, some between two rounds of theirs and some in
 * the middle of one. Every restore point has to hold what pg_dump wrote of the very same snapshot. INCREMENTAL_SEED repeats a run.
 */

const seed = Number(process.env.INCREMENTAL_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** milliseconds */
const budget = 20_000;
const rounds = 12;

let cluster: Cluster;
let ladder: Ladder;

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off', max_prepared_transactions: '100' } });
  ladder = new Ladder(
    { superuserUrl: cluster.superuserUrl(), bin: cluster.binFolder },
    await createDatabase(cluster.superuserUrl(), 'source'),
  );
  await query(
    ladder.source,
    `CREATE TYPE mood AS ENUM ('m0');
     CREATE TABLE small (id int, n int, text text, mood mood DEFAULT 'm0');
     INSERT INTO small SELECT n, 0, 'start' FROM generate_series(1, 300) n;
     CREATE TABLE large (id int, n int, text text);
     INSERT INTO large SELECT n, 0, repeat(md5(n::text), 30) FROM generate_series(1, 14000) n;
     CREATE TABLE still AS SELECT n AS id, md5(n::text) AS text FROM generate_series(1, 2000) n;
     CREATE TABLE wide (id int, n int, text text);
     ALTER TABLE wide ALTER text SET STORAGE EXTERNAL;
     INSERT INTO wide SELECT n, 0, repeat(md5(n::text), 200) FROM generate_series(1, 100) n;
     CREATE TABLE parts (id int, n int, text text) PARTITION BY RANGE (id);
     CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (150);
     CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (150) TO (MAXVALUE);
     INSERT INTO parts SELECT n, 0, 'part' FROM generate_series(1, 300) n;`,
  );
}, 60_000);
afterAll(async () => {
  ladder?.[Symbol.dispose]();
  await cluster?.stop();
});

/** One user of the database. What he may not do at the moment (a lock, a deadlock) he leaves. */
class Writer {
  readonly #client: pg.Client;
  readonly #random: () => number;
  readonly #name: string;
  #open = false;
  #prepared: string[] = [];
  #count = 0;
  readonly done = new Map<string, number>();

  constructor(client: pg.Client, name: string, random: () => number) {
    this.#client = client;
    this.#name = name;
    this.#random = random;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  async act(): Promise<void> {
    const table = ['small', 'large', 'wide', 'parts'][this.#below(4)] as string;
    const from = this.#below(table === 'large' ? 2000 : 300);
    const ids = `id BETWEEN ${from} AND ${from + this.#below(12)}`;
    const text = table === 'wide' ? `repeat(md5('${this.#random()}'), 200)` : `'${this.#random()}'`;
    const write = [
      `INSERT INTO ${table} (id, n, text) SELECT ${from} + i, -1, ${text} FROM generate_series(1, ${1 + this.#below(8)}) i`,
      `UPDATE ${table} SET n = n + 1 WHERE ${ids}`,
      `UPDATE ${table} SET text = ${text} WHERE ${ids}`,
      `UPDATE ${table} SET id = ${this.#below(300)} WHERE ${ids}`,
      `DELETE FROM ${table} WHERE ${ids}`,
      `COPY ${table} (id, n) FROM PROGRAM 'printf "${from}\\\\t7\\\\n${from + 1}\\\\t8\\\\n"'`,
    ][this.#below(6)] as string;
    const choice = this.#below(100);
    if (choice < 45) await this.#run('write', write);
    else if (choice < 58) {
      const end = this.#below(2) === 0 ? 'ROLLBACK TO s' : 'RELEASE s';
      if (!this.#open) await this.#run('begin', 'BEGIN', true);
      await this.#run('savepoint', `SAVEPOINT s; ${write}; ${end}`);
    } else if (choice < 66) {
      if (this.#open) await this.#run('commit', this.#below(3) === 0 ? 'ROLLBACK' : 'COMMIT', false);
      else await this.#run('begin', 'BEGIN', true);
    } else if (choice < 74) {
      const name = `${this.#name}_${++this.#count}`;
      if (!this.#open && (await this.#run('prepare', `BEGIN; ${write}; PREPARE TRANSACTION '${name}'`)))
        this.#prepared.push(name);
    } else if (choice < 80) {
      const name = this.#open ? undefined : this.#prepared.shift();
      const verb = this.#below(2) === 0 ? 'ROLLBACK' : 'COMMIT';
      if (name !== undefined) await this.#run('prepared', `${verb} PREPARED '${name}'`);
    } else if (choice < 84) await this.#run('lock', `SELECT FROM ${table} WHERE ${ids} FOR SHARE`);
    else if (!this.#open) {
      if (choice < 90) await this.#run('vacuum', `VACUUM ${this.#below(2) === 0 ? '(FREEZE) ' : ''}${table}`);
      else if (choice < 93) await this.#run('vacuum full', `VACUUM FULL ${table}`);
      else if (choice < 95) await this.#run('truncate', `TRUNCATE ${table === 'large' ? 'small' : table}`);
      else if (choice < 98)
        await this.#run(
          'column',
          `ALTER TABLE ${table} ADD c_${this.#name}_${++this.#count} text DEFAULT '${this.#random()}'`,
        );
      else await this.#run('analyze', `ANALYZE ${table}`);
    }
  }

  /** @param opens whether a transaction is open afterwards; as before without it */
  async #run(what: string, sql: string, opens = this.#open): Promise<boolean> {
    try {
      await this.#client.query(sql);
      this.#open = opens;
      this.done.set(what, (this.done.get(what) ?? 0) + 1);
      return true;
    } catch (error) {
      // Not a slip of the test's own: only what comes of the others, and of values and places that are gone.
      const { code = '' } = error as { code?: string };
      if (!['55P03', '40P01', '40001', '25P02', '55006'].includes(code)) throw error;
      await this.#client.query('ROLLBACK');
      this.#open = false;
      return false;
    }
  }

  async end(): Promise<void> {
    await this.#client.end();
  }
}

/** Lines of a data-only dump in an order of their own: rows come in any. */
function sortLines(dump: string): string[] {
  return dump
    .split('\n')
    .filter((line) => line !== '' && !/^(--|\\(un)?restrict )/.test(line))
    .sort();
}

const describeTables = `SELECT string_agg(concat_ws(' ', c.relname, c.relfilenode, a.attname), ',' ORDER BY c.relname, a.attnum) AS text
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'`;

interface Witness {
  /** pg_current_snapshot() */
  readonly visible: string;
  readonly lines: string[];
}

/**
 * Takes part in each snapshot that a backup exports while it runs, and has pg_dump write what it shows. A snapshot whose tables have
 * been replaced before they could be locked here is none that pg_dump could dump, and is left out.
 */
async function witness(running: Promise<unknown>): Promise<Witness[]> {
  const seen = new Set<string>();
  const dumps: Promise<Witness | undefined>[] = [];
  let over = false;
  const end = () => {
    over = true;
  };
  running.then(end, end);
  while (!over) {
    for (const name of readdirSync(join(dataFolder(cluster), 'pg_snapshots'))) {
      if (seen.has(name)) continue;
      seen.add(name);
      dumps.push(dumpSnapshot(name));
      // What the witness exports himself is not to be witnessed.
    }
    await sleep(3);
  }
  return (await Promise.all(dumps)).filter((found) => found !== undefined);

  async function dumpSnapshot(name: string): Promise<Witness | undefined> {
    const client = await connect(ladder.source);
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      await client.query(`SET TRANSACTION SNAPSHOT '${name}'`);
      await client.query('LOCK TABLE small, large, wide, parts IN ACCESS SHARE MODE');
      const { rows } = await client.query('SELECT pg_current_snapshot()::text AS visible');
      const [now] = await query(ladder.source, describeTables);
      const then = (await client.query(describeTables)).rows[0];
      if (now?.text !== then?.text) return undefined;
      const own = (await client.query('SELECT pg_export_snapshot() AS name')).rows[0]?.name;
      seen.add(own);
      const dump = await runTool(
        cluster.binFolder,
        'pg_dump',
        ['--data-only', `--snapshot=${own}`],
        ladder.source,
      );
      return { visible: rows[0].visible, lines: sortLines(dump) };
    } catch {
      return undefined;
    } finally {
      await client.end();
    }
  }
}

test('every restore point of a database that is being written to holds what pg_dump saw', {
  timeout: 120_000,
}, async () => {
  const random = mulberry32(seed);
  const writers = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      const client = await connect(ladder.source);
      await client.query("SET lock_timeout = '150ms'; SET deadlock_timeout = '50ms'");
      return new Writer(client, name, mulberry32(Math.floor(random() * 2 ** 31)));
    }),
  );
  const tally = {
    between: 0,
    during: 0,
    unwitnessed: 0,
    refused: 0,
    shares: [] as (string | number | undefined)[],
  };
  const isEnough = () =>
    tally.between > 1 && tally.during > 0 && tally.shares.some((share) => Number(share) > 0.1);
  const points: { id: string; lines: string[]; when: string }[] = [];
  const started = Date.now();
  try {
    await ladder.take('full');
    for (let round = 0; round < rounds && (Date.now() - started < budget || !isEnough()); round++) {
      const acts = 5 + Math.floor(random() * 30);
      await Promise.all(
        writers.map(async (writer) => {
          for (let n = 0; n < acts; n++) await writer.act();
        }),
      );
      if (round % 2 === 0) {
        const rung = await ladder.take('incremental', ['--recheck', '100%']);
        const dump = await runTool(cluster.binFolder, 'pg_dump', ['--data-only'], ladder.source);
        points.push({ id: rung.id, lines: sortLines(dump), when: `between, round ${round}` });
        tally.between++;
        tally.shares.push(rung.outputs['reused-share']);
      } else {
        let over = false;
        const busy = writers.map(async (writer) => {
          while (!over) await writer.act();
        });
        const before = ladder.latest?.id;
        const running = ladder.take('incremental', ['--recheck', '100%']).catch((error: Error) => error);
        const witnesses = await witness(running);
        over = true;
        await Promise.all(busy);
        const rung = await running;
        if (rung instanceof Error) {
          expect(rung.message).toMatch(/3 times in a row|could not be (locked|read)/);
          tally.refused++;
          expect(ladder.latest?.id).toBe(before);
        } else {
          const found = witnesses.find(({ visible }) => visible === rung.manifest.source.snapshot);
          if (found === undefined) tally.unwitnessed++;
          else {
            points.push({ id: rung.id, lines: found.lines, when: `during, round ${round}` });
            tally.during++;
            tally.shares.push(rung.outputs['reused-share']);
          }
        }
      }
      // Each is restored while it is the newest; older ones again at the end would say no more.
      const point = points.at(-1);
      if (point !== undefined && point.id === ladder.latest?.id) await compare(point);
    }
    // One from the middle, restored after all that came later.
    const middle = points[points.length >> 1];
    if (middle) await compare(middle);
  } catch (error) {
    throw new Error(`INCREMENTAL_SEED=${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    for (const writer of writers) await writer.end();
    for (const { gid } of await query<{ gid: string }>(ladder.source, 'SELECT gid FROM pg_prepared_xacts'))
      await query(ladder.source, `ROLLBACK PREPARED '${gid}'`);
  }
  const done = Object.fromEntries(
    [
      ...Map.groupBy(
        writers.flatMap((writer) => [...writer.done]),
        ([what]) => what,
      ),
    ].map(([what, counts]) => [what, counts.reduce((sum, [, count]) => sum + count, 0)]),
  );
  console.info(`INCREMENTAL_SEED=${seed}`, JSON.stringify({ ...tally, done }));
  expect(tally.between, 'restore points between rounds').toBeGreaterThan(1);
  expect(tally.during, 'restore points while writing').toBeGreaterThan(0);
  expect(
    tally.shares.some((share) => Number(share) > 0.1),
    'something was taken over',
  ).toBe(true);

  async function compare({ id, lines, when }: { id: string; lines: string[]; when: string }): Promise<void> {
    const target = await ladder.restore(id);
    const restored = sortLines(await runTool(cluster.binFolder, 'pg_dump', ['--data-only'], target));
    const there = new Set(restored);
    const saw = new Set(lines);
    expect(
      {
        lines: restored.length,
        missing: lines
          .filter((line) => !there.has(line))
          .map((line) => line.slice(0, 80))
          .slice(0, 3),
        surplus: restored
          .filter((line) => !saw.has(line))
          .map((line) => line.slice(0, 80))
          .slice(0, 3),
      },
      when,
    ).toEqual({ lines: lines.length, missing: [], surplus: [] });
    expect(restored.join('\n') === lines.join('\n'), when).toBe(true);
  }
});
