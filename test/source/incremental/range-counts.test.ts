import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { planRanges, type RowRange } from '../../../src/postgres/catalog/ranges.ts';
import type { TableInfo } from '../../../src/postgres/catalog/tables.ts';
import { countRanges } from '../../../src/source/incremental/range-counts.ts';
import { type Snapshot, takeSnapshot } from '../../../src/source/snapshot/snapshot.ts';
import { createDatabase, type Database, until } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { CollectingLog } from '../../support/context.ts';

let cluster: Cluster;
let database: Database;
let taken: Snapshot[] = [];

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off' } });
  database = await createDatabase(cluster);
  await database.run(`
    CREATE TABLE lived (id int, text text);
    CREATE TABLE child () INHERITS (lived);
    INSERT INTO child SELECT n, 'child' FROM generate_series(1, 500) n;
    CREATE TABLE "odd ""name" (id int); INSERT INTO "odd ""name" VALUES (1), (2);
    CREATE TABLE empty (id int);
    CREATE TABLE bare (); INSERT INTO bare SELECT FROM generate_series(1, 10);`);
  // Many transactions, subtransactions, rolled back ones, and holes.
  await database.run(`DO $$ BEGIN
    FOR i IN 1..60 LOOP
      INSERT INTO lived SELECT i * 100 + n, repeat(md5(n::text), 4) FROM generate_series(1, 100) n;
      IF i % 7 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
      UPDATE lived SET text = 'updated' WHERE id % 50 = i % 50;
      DELETE FROM lived WHERE id % 90 = i % 90;
      BEGIN INSERT INTO lived VALUES (-i, 'sub'); EXCEPTION WHEN OTHERS THEN NULL; END;
      COMMIT;
    END LOOP; END $$`);
  await database.run('VACUUM lived');
  await database.run("INSERT INTO lived SELECT n, 'fills holes' FROM generate_series(1, 300) n");
  await database.run('VACUUM FREEZE lived');
  await database.run("INSERT INTO lived SELECT n, 'last' FROM generate_series(1, 50) n");
});
afterEach(() => {
  for (const snapshot of taken) snapshot.lead.destroy();
  taken = [];
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});

async function take(): Promise<Snapshot> {
  const snapshot = await takeSnapshot(database.settings, () => true, {
    lockTimeoutSeconds: 30,
    signal: new AbortController().signal,
    log: new CollectingLog(),
  });
  taken.push(snapshot);
  return snapshot;
}

function count(snapshot: Snapshot, slices: readonly RowRange[], since: bigint, workers = 2) {
  return countRanges(snapshot, database.settings, slices, since, {
    workers,
    signal: snapshot.signal,
    onProgress: () => undefined,
  });
}

function find(snapshot: Snapshot, name: string): TableInfo {
  return snapshot.tables.find((table) => table.name === name) as TableInfo;
}

async function countOnly(name: string): Promise<number> {
  return Number((await database.rows(`SELECT count(*) FROM ONLY ${name}`))[0]?.[0]);
}

async function present(): Promise<bigint> {
  const [[xmax] = []] = await database.rows('SELECT pg_snapshot_xmax(pg_current_snapshot())');
  return BigInt(xmax ?? 0);
}

describe('counting', () => {
  it('finds in each range what a look at every row finds', async () => {
    const snapshot = await take();
    const lived = find(snapshot, 'lived');
    const slices = planRanges(lived, 0, 40_000);
    expect(slices.length).toBeGreaterThan(10);
    const numbers = (await database.rows('SELECT DISTINCT xmin::text::int8 FROM ONLY lived ORDER BY 1')).map(
      ([xid]) => BigInt(xid ?? 0),
    );
    expect(numbers.length).toBeGreaterThan(60);
    const middle = numbers[numbers.length >> 1] ?? 0n;
    for (const since of [
      numbers[0] ?? 0n,
      middle,
      middle + 1n,
      numbers.at(-1) ?? 0n,
      (numbers.at(-1) ?? 0n) + 1n,
    ]) {
      const counts = await count(snapshot, slices, since);
      const naive = await database.rows(
        `SELECT (ctid::text::point)[0]::int AS page, xmin::text::int8 >= $1, hashtidextended(ctid, 0) FROM ONLY lived`,
        [String(since)],
      );
      for (const slice of slices) {
        const inside = naive.filter(
          ([page]) => Number(page) >= slice.from && (slice.to === null || Number(page) < slice.to),
        );
        expect(counts.get(slice), `pages from ${slice.from} since ${since}`).toEqual({
          rows: inside.length,
          modifiedRows: inside.filter(([, fresh]) => fresh === 't' || fresh === 'true').length,
          places: String(inside.reduce((hash, [, , place]) => hash ^ BigInt(place ?? 0), 0n)),
        });
      }
      const modified = [...counts.values()].reduce((sum, each) => sum + each.modifiedRows, 0);
      expect(modified > 0).toBe(since <= (numbers.at(-1) ?? 0n));
    }
  });

  it('takes tables of one range together, without those that inherit from them', async () => {
    const snapshot = await take();
    const slices = snapshot.tables.map((table) => ({ table, from: 0, to: null }));
    const counts = await count(snapshot, slices, await present());
    expect(Object.fromEntries([...counts].map(([slice, { rows }]) => [slice.table.name, rows]))).toEqual({
      lived: await countOnly('lived'),
      child: await countOnly('child'),
      'odd "name': 2,
      empty: 0,
      bare: 10,
    });
    expect([...counts.values()].every(({ modifiedRows }) => modifiedRows === 0)).toBe(true);
  });

  it('sees what its snapshot sees, and nothing of what came after', async () => {
    const snapshot = await take();
    const since = await present();
    await database.run("INSERT INTO lived VALUES (0, 'later'); DELETE FROM lived WHERE id = 101");
    const slice = { table: find(snapshot, 'lived'), from: 0, to: null };
    const then = (await count(snapshot, [slice], since)).get(slice);
    expect(then?.modifiedRows).toBe(0);
    const now = await take();
    const later = { table: find(now, 'lived'), from: 0, to: null };
    expect((await count(now, [later], since)).get(later)?.modifiedRows).toBe(1);
  });

  it('takes the lower half of a number beyond 32 bits', async () => {
    const snapshot = await take();
    const slice = { table: find(snapshot, 'lived'), from: 0, to: null };
    const since = (await present()) - 3n;
    const one = (await count(snapshot, [slice], since)).get(slice);
    expect((await count(snapshot, [slice], since + 2n ** 32n * 5n)).get(slice)).toEqual(one);
    expect(one?.modifiedRows).toBeGreaterThan(0);
  });

  it('takes no row for old when the bound is a number that no transaction has', async () => {
    const snapshot = await take();
    const slice = { table: find(snapshot, 'lived'), from: 0, to: null };
    for (const since of [2n ** 32n, 2n ** 32n + 1n, 2n ** 32n + 2n]) {
      const counted = (await count(snapshot, [slice], since)).get(slice);
      expect(counted?.modifiedRows).toBe(counted?.rows);
    }
  });

  it('counts ranges beyond the end of a table as empty', async () => {
    const snapshot = await take();
    const slices = [
      { table: find(snapshot, 'lived'), from: 90_000, to: 90_010 },
      { table: find(snapshot, 'lived'), from: 90_010, to: null },
    ];
    const counts = await count(snapshot, slices, await present());
    expect([...counts.values()]).toEqual(slices.map(() => ({ rows: 0, modifiedRows: 0, places: '0' })));
  });

  it('reads the pages of each range and no others', async () => {
    const [[name] = []] = await database.rows('SELECT current_database()');
    await database.run(`ALTER DATABASE ${name} SET session_preload_libraries = 'auto_explain';
                        ALTER DATABASE ${name} SET auto_explain.log_min_duration = 0;
                        ALTER DATABASE ${name} SET auto_explain.log_analyze = on`);
    const snapshot = await take();
    const child = find(snapshot, 'child');
    // A plan is logged when the next statement of the session takes its place.
    const next = [
      { table: child, from: 0, to: 1 },
      { table: child, from: 1, to: null },
    ];
    await count(snapshot, [...planRanges(find(snapshot, 'lived'), 0, 40_000), ...next], 5n, 1);
    await database.run(`ALTER DATABASE ${name} RESET ALL`);
    const log = () => readFileSync(join(cluster.folder, 'log'), 'utf8');
    await until(() => log().includes('unnest($1::tid[]'));
    const plan = log().slice(log().lastIndexOf('unnest($1::tid[]'));
    expect(plan).toMatch(/Tid Range Scan on (public\.)?lived/);
    expect(plan).not.toMatch(/Seq Scan on lived/);
  });

  it('stops when it is told to', async () => {
    const snapshot = await take();
    const controller = new AbortController();
    controller.abort(new Error('the user asked'));
    await expect(
      countRanges(snapshot, database.settings, planRanges(find(snapshot, 'lived')), 5n, {
        workers: 2,
        signal: controller.signal,
        onProgress: () => undefined,
      }),
    ).rejects.toThrow('the user asked');
  });
});
