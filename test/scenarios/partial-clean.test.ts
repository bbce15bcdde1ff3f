import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compareData, dumpData, dumpSchema } from '../fixture/dump.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { inWords } from './refusal.ts';
import { listBackups } from './repository-folder.ts';
import { createDatabase, createShop, describeDatabase, query } from './shop.ts';

/* A part of a backup goes into a database that is in use, and nothing else of that changes: pg_dump, which knows nothing of us, sees it. */

const minutes = 60_000;
const words = ['--confirm', 'RESTORE PRODUCTION'];
let cluster: Cluster;
let folder: string;
let storage: string;
let live: string;
let made = 0;
/** Rows, and a backup of them, that each test gets a copy of. */
const seeded = 'shop_seeded';
const seededStorage = () => join(folder, 'storage');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'partial-clean-'));
  cluster = await startCluster({ settings: { wal_level: 'logical' } });
  live = await createShop(cluster.superuserUrl(), 'shop');
  await query(
    live,
    `CREATE TYPE sales.mood AS ENUM ('well', 'ill');
     ALTER TABLE sales.customers ADD COLUMN mood sales.mood DEFAULT 'well', ADD COLUMN number serial;
     CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
     CREATE TRIGGER touched BEFORE UPDATE ON sales.customers FOR EACH ROW EXECUTE FUNCTION sales.touch();
     CREATE TRIGGER touched BEFORE UPDATE ON private.notes FOR EACH ROW EXECUTE FUNCTION sales.touch();
     COMMENT ON CONSTRAINT notes_customer_fkey ON private.notes IS 'whose it is';
     CREATE TABLE private.ratings (customer int PRIMARY KEY REFERENCES sales.customers ON DELETE CASCADE DEFERRABLE, mood sales.mood);
     INSERT INTO private.ratings SELECT n, 'ill' FROM generate_series(1, 10) n;
     CREATE PUBLICATION pub FOR TABLE sales.customers (id, name) WHERE (id > 7), TABLE private.notes;
     CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; COMMENT ON EXTENSION hstore IS 'ours';
     CREATE TABLE private.words (word ext.citext PRIMARY KEY); INSERT INTO private.words VALUES ('one');
     CREATE MATERIALIZED VIEW public.sums AS SELECT customer, count(*) AS n FROM private.notes GROUP BY 1;
     CREATE UNIQUE INDEX ON public.sums (customer); COMMENT ON MATERIALIZED VIEW public.sums IS 'of notes';
     CREATE TABLE public.tree (id int PRIMARY KEY, parent int REFERENCES public.tree); INSERT INTO public.tree VALUES (1, 1), (2, 1);
     CREATE TABLE public.egg (id int PRIMARY KEY, hen int); CREATE TABLE public.hen (id int PRIMARY KEY, egg int REFERENCES public.egg);
     ALTER TABLE public.egg ADD FOREIGN KEY (hen) REFERENCES public.hen; INSERT INTO public.egg VALUES (1, NULL); INSERT INTO public.hen VALUES (1, 1);
     CREATE TABLE public.audit (id int PRIMARY KEY, at timestamptz DEFAULT now()); INSERT INTO public.audit SELECT generate_series(1, 100)`,
  );
  await succeed(['backup', '--storage', seededStorage()], { env: { SUPABASE_BACKUP_DATABASE_URL: live } });
  await query(cluster.superuserUrl(), `ALTER DATABASE shop RENAME TO ${seeded}`);
}, minutes);
beforeEach(async () => {
  made += 1;
  storage = join(folder, `storage-${made}`);
  cpSync(seededStorage(), storage, { recursive: true });
  live = await createDatabase(cluster.superuserUrl(), 'shop', seeded);
}, minutes);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function restore(target: string, ...options: string[]): Promise<Finished> {
  return runCli(['restore', '--storage', storage, ...options], {
    env: { SUPABASE_BACKUP_TARGET_URL: target },
  });
}

const dump = async (url: string) => ({
  schema: await dumpSchema(url, cluster.binFolder),
  data: await dumpData(url, cluster.binFolder),
});

type Dump = Awaited<ReturnType<typeof dump>>;

async function expectSame(url: string, before: Dump): Promise<void> {
  const after = await dump(url);
  expect(after.schema).toBe(before.schema);
  expect(compareData(before.data, after.data)).toEqual([]);
}

describe('clean with include', () => {
  test.each([
    ['sales.customers'],
    ['private.notes, public.sums'],
    ['public.sums'],
    ['public.tree, public.egg'],
    ['sales.orders_2026'],
    ['sales.orders, sales.totals'],
    ['sales.totals'],
    ['public.*, private.*'],
  ])(
    'of %s brings it back as it was, and nothing else has changed',
    async (pattern) => {
      const before = await dump(live);
      const run = await restore(live, '--include', pattern, '--clean', ...words);
      expect(run, run.stderr + run.stdout).toMatchObject({ exitCode: 0 });
      expect(run.stdout).toMatch(/Parity: equal/);
      expect(run.stdout).not.toMatch(/Left out/);
      await expectSame(live, before);
      // The safety backup is of the whole target.
      expect(listBackups(storage)).toHaveLength(2);
      expect(await query(live, `SELECT to_regnamespace('supabase_backup') AS ours`)).toEqual([
        { ours: null },
      ]);
    },
    minutes,
  );

  test('replaces what was written since, and leaves other tables with what was', async () => {
    await query(
      live,
      `UPDATE private.notes SET note = 'spoilt'; INSERT INTO public.audit VALUES (101); CREATE TABLE public.newer (id int);
       INSERT INTO public.newer VALUES (1); ANALYZE`,
    );
    const plan = await restore(live, '--include', 'private.notes, public.sums', '--clean', '--dry-run');
    expect(plan.stdout).toMatch(
      /stays as it is but for the chosen objects: of its tables, private\.notes, public\.sums would be replaced, 1 table with about 20 rows/,
    );
    const run = await restore(live, '--include', 'private.notes, public.sums', '--clean', ...words);
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    expect(run.stdout).toMatch(
      /Replaced, and nothing else: private\.notes, public\.sums, 1 table with about 20 rows\./,
    );
    expect(await query(live, `SELECT count(*)::int AS n FROM private.notes WHERE note = 'spoilt'`)).toEqual([
      { n: 0 },
    ]);
    expect(await describeDatabase(live)).toMatchObject({ 'public.audit': 101, 'public.newer': 1 });
  });

  test('gives foreign keys back that rows break without a check of them, and says so', async () => {
    await query(
      live,
      `INSERT INTO sales.customers (name) VALUES ('new'); INSERT INTO private.notes SELECT 100, max(id) FROM sales.customers`,
    );
    const run = await restore(live, '--include', 'sales.customers', '--clean', ...words);
    expect(run, run.stderr).toMatchObject({ exitCode: 3 });
    expect(run.stdout).toMatch(
      /foreign key notes_customer_fkey of private\.notes +existing rows break it.*NOT VALID/,
    );
    expect(run.stdout).toMatch(/ALTER TABLE private\.notes VALIDATE CONSTRAINT notes_customer_fkey;/);
    const keys = `SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND confrelid = 'sales.customers'::regclass ORDER BY 1`;
    expect(await query(live, keys)).toEqual([
      { conname: 'notes_customer_fkey', convalidated: false },
      { conname: 'orders_customer_fkey', convalidated: true },
      { conname: 'ratings_customer_fkey', convalidated: true },
    ]);
    expect(await describeDatabase(live)).toMatchObject({ 'private.notes': 21, 'sales.customers': 50 });
  });

  test.each([
    ['sales.orders', /view sales\.totals/],
    ['sales.mood', /column mood of table sales\.customers, .*column mood of table private\.ratings/],
    ['sales.touch', /trigger touched on table private\.notes, trigger touched on table sales\.customers/],
  ])('of %s alone is refused with what needs it, and nothing is touched', async (pattern, says) => {
    const before = await dump(live);
    for (const options of [
      ['--clean', ...words],
      ['--clean', '--dry-run'],
    ]) {
      const run = await restore(live, '--include', pattern, ...options);
      expect(run.exitCode).toBe(options.includes('--dry-run') ? 0 : 2);
      expect(run.stdout + run.stderr).toMatch(/clean: what is to be replaced/);
      for (const part of says.source.split(', .*')) expect(run.stdout + run.stderr).toMatch(new RegExp(part));
    }
    await expectSame(live, before);
    expect(listBackups(storage)).toHaveLength(1);
  });

  test('goes on where it was stopped, and still knows the foreign keys', async () => {
    const before = await dump(live);
    await query(
      live,
      `CREATE FUNCTION public.hang_up() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()); END $$;
       CREATE EVENT TRIGGER hang_up ON ddl_command_end WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION public.hang_up()`,
    );
    const stopped = await restore(live, '--include', 'sales.customers', '--clean', ...words);
    expect(stopped.exitCode).toBe(1);
    expect(stopped.stderr).toMatch(/terminating connection/);
    expect(stopped.stderr).toMatch(/Only the selected objects were touched. Keep the database/);
    await query(live, 'DROP EVENT TRIGGER hang_up; DROP FUNCTION public.hang_up()');

    const other = await restore(live, '--include', 'private.ratings', '--clean', ...words);
    expect(other.exitCode).toBe(2);
    expect(other.stderr).toMatch(/which was another part of the backup or all of it/);
    const run = await restore(live, '--include', 'sales.customers', '--clean', ...words);
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    await expectSame(live, before);
  });

  test('says that of a partitioned table go the partitions that the backup does not know', async () => {
    await query(
      live,
      `CREATE TABLE sales.orders_2027 PARTITION OF sales.orders FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
       INSERT INTO sales.orders VALUES (9000, '2027-05-05', 1, 5); ANALYZE sales.orders_2027`,
    );
    const run = await restore(live, '--include', 'sales.orders, sales.totals', '--clean');
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toMatch(
      /1 table with about 1 rows of that does not come back, because the backup has no rows of them: sales\.orders_2027/,
    );
  });
});

describe('clean with exclude alone', () => {
  test('is refused where what is excluded needs what is not', async () => {
    const before = await dump(live);
    const run = await restore(live, '--exclude', 'sales.totals', '--clean', ...words);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toMatch(/because other objects depend on it: view sales\.totals/);
    await expectSame(live, before);
  });

  test(
    'leaves what is excluded as it is',
    async () => {
      await query(live, `INSERT INTO public.audit VALUES (101); UPDATE public.settings SET value = 'spoilt'`);
      const run = await restore(live, '--exclude', 'public.audit', '--clean', ...words);
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      expect(await describeDatabase(live)).toMatchObject({
        'public.audit': 101,
        'public.settings': 3,
        'private.notes': 20,
      });
      expect(await query(live, `SELECT FROM public.settings WHERE value = 'spoilt'`)).toEqual([]);
    },
    minutes,
  );
});

describe('without clean', () => {
  test('what is not there comes, with the types and functions that are', async () => {
    const before = await dump(live);
    await query(live, 'DROP TABLE private.ratings');
    const run = await restore(live, '--include', 'private.ratings', ...words);
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    expect(run.stdout).toMatch(
      /kept as the target has them: schema ext, schema private, schema sales, type sales\.mood/,
    );
    await expectSame(live, before);
    expect(listBackups(storage)).toHaveLength(1);
  });

  test('no extension comes but what the part needs', async () => {
    const before = await dump(live);
    await query(live, 'DROP TABLE private.words; DROP EXTENSION citext; DROP EXTENSION hstore');
    const run = await restore(live, '--include', 'private.words', ...words);
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    expect(await query(live, `SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'`)).toEqual([
      { extname: 'citext' },
    ]);
    await query(live, `CREATE EXTENSION hstore SCHEMA ext; COMMENT ON EXTENSION hstore IS 'ours'`);
    await expectSame(live, before);
  });

  test('a table that was renamed keeps names that the backup needs, which is told before anything is done', async () => {
    await query(live, 'ALTER TABLE private.notes RENAME TO notes_broken');
    const before = await dump(live);
    const run = await restore(live, '--include', 'private.notes', ...words);
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toMatch(/names that other objects there use: private\.notes_pkey\n→ .*ALTER INDEX/);
    await expectSame(live, before);
    await query(live, 'ALTER INDEX private.notes_pkey RENAME TO notes_broken_pkey');
    const again = await restore(live, '--include', 'private.notes', ...words);
    expect(again, again.stderr).toMatchObject({ exitCode: 0 });
    expect(await describeDatabase(live)).toMatchObject({ 'private.notes': 20, 'private.notes_broken': 20 });
  });

  test('a pattern that fits nothing is refused, beside others that do', async () => {
    const before = await dump(live);
    const misspelt = await restore(live, '--exclude', 'public.tree, sales.custmers', '--clean', ...words);
    expect(misspelt.exitCode).toBe(2);
    expect(misspelt.stderr).toMatch(/exclude: nothing in backup \S+ matches sales\.custmers/);
    const empty = await restore(live, '--include', '', '--clean', ...words);
    expect(empty.stderr).toMatch(/--include is empty/);
    await expectSame(live, before);
  });

  test('what is left out keeps the sequence of its column', async () => {
    await query(live, `SELECT setval('sales.customers_number_seq', 4711)`);
    const run = await restore(
      live,
      '--include',
      'sales.*',
      '--exclude',
      'sales.customers',
      '--clean',
      ...words,
      '--dry-run',
    );
    expect(run.stdout).not.toMatch(/customers_number_seq/);
  });

  test('of a type that stays and lacks a value of the backup, nothing is removed for rows that would not fit', async () => {
    await query(
      live,
      `ALTER TABLE private.ratings ALTER mood TYPE text; ALTER TABLE sales.customers ALTER mood DROP DEFAULT, ALTER mood TYPE text;
       ALTER TYPE sales.mood RENAME VALUE 'ill' TO 'sick'`,
    );
    const before = await dump(live);
    const run = await restore(live, '--include', 'private.ratings', '--clean', ...words);
    expect(run).toMatchObject({ exitCode: 2 });
    expect(run.stderr).toMatch(
      /depend on objects that differ between the target and the backup: type sales\.mood\./,
    );
    await expectSame(live, before);
    await query(
      live,
      `ALTER TYPE sales.mood RENAME VALUE 'sick' TO 'ill'; ALTER TYPE sales.mood ADD VALUE 'better'`,
    );
    const again = await restore(live, '--include', 'private.ratings', '--clean', ...words);
    expect(again, again.stderr + again.stdout).toMatchObject({ exitCode: 0 });
  });

  test('a partition is not taken off a table that it no longer fits', async () => {
    await query(live, 'ALTER TABLE sales.orders ADD COLUMN note text');
    const before = await dump(live);
    const run = await restore(live, '--include', 'sales.orders_2026', '--clean', ...words);
    expect(run.stderr).toMatch(/differ between the target and the backup: table sales\.orders\./);
    await expectSame(live, before);
  });

  test('what the live table has and the backup has not is told before it goes, row security first', async () => {
    await query(
      live,
      `ALTER TABLE public.audit ADD COLUMN who text; ALTER TABLE public.audit ENABLE ROW LEVEL SECURITY; CREATE INDEX by_who ON public.audit (who)`,
    );
    const told =
      /the backup does not have row level security public\.audit, column public\.audit who, index public\.audit by_who, so that they do not come back/;
    const plan = await restore(live, '--include', 'public.audit', '--clean', '--dry-run');
    expect(plan.stdout).toMatch(told);
    const unconfirmed = await restore(live, '--include', 'public.audit', '--clean');
    expect(unconfirmed.stderr).toMatch(told);
    const run = await restore(live, '--include', 'public.audit', '--clean', ...words);
    expect(run.stdout).toMatch(told);
  });

  test('a key to a table that stays leaves that as it is', async () => {
    await query(
      live,
      'DROP TABLE private.ratings; ALTER TABLE sales.customers DROP CONSTRAINT customers_pkey CASCADE; ALTER TABLE sales.customers ALTER id DROP IDENTITY, ALTER id DROP NOT NULL',
    );
    const customers = () =>
      query(
        live,
        `SELECT (SELECT json_agg(pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid = 'sales.customers'::regclass) AS keys,
           (SELECT bool_or(attnotnull) FROM pg_attribute WHERE attrelid = 'sales.customers'::regclass AND attname = 'id') AS strict`,
      );
    const before = await customers();
    const run = await restore(live, '--include', 'private.ratings', ...words);
    expect(run, run.stderr + run.stdout).toMatchObject({ exitCode: 3 });
    expect(run.stdout).toMatch(
      /fk constraint private\.ratings ratings_customer_fkey +the server refused it: there is no unique/,
    );
    expect(await customers()).toEqual(before);
  });

  test('a table that was renamed keeps the sequence that the backup needs, which is told before anything is done', async () => {
    await query(
      live,
      `ALTER TABLE sales.customers RENAME TO old_customers; ALTER INDEX sales.customers_pkey RENAME TO old_customers_pkey`,
    );
    const run = await restore(live, '--include', 'sales.customers');
    expect(run.stderr).toMatch(
      /sequences that belong to another table there: sales\.customers_id_seq, sales\.customers_number_seq/,
    );
  });

  test('a key that goes by a table of another schema is given back to that table', async () => {
    await query(
      live,
      `CREATE TABLE public.customers (id int PRIMARY KEY); ALTER DATABASE shop SET search_path = sales, public`,
    );
    const before = await dump(live);
    const run = await restore(live, '--include', 'sales.customers', '--clean', ...words);
    await query(live, 'ALTER DATABASE shop RESET search_path');
    expect(run, run.stderr + run.stdout).toMatchObject({ exitCode: 0 });
    await expectSame(live, before);
  });

  test('what is there is refused by its name', async () => {
    const before = await dump(live);
    const run = await restore(live, '--include', 'private.*', ...words);
    expect(run.exitCode).toBe(2);
    expect(inWords(run.stderr)).toMatch(
      /target-url: it has private\.notes, private\.ratings, private\.words already/,
    );
    await expectSame(live, before);
  });

  test('a part does not make the rest of its target something that may be lost', async () => {
    const other = await createDatabase(cluster.superuserUrl(), 'other');
    await query(other, 'CREATE TABLE public.kept (id int); INSERT INTO public.kept VALUES (1); ANALYZE');
    await query(
      other,
      `CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
       CREATE EVENT TRIGGER no ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.refuse()`,
    );
    expect((await restore(other, '--include', 'public.settings')).exitCode).toBe(1);
    await query(other, 'DROP EVENT TRIGGER no');
    const whole = await restore(other, '--clean');
    expect(whole.exitCode).toBe(2);
    expect(whole.stderr).toMatch(/safety-storage: is required/);
    const again = await restore(other, '--include', 'public.settings', '--clean', '--safety-backup', 'false');
    expect(again, again.stderr).toMatchObject({ exitCode: 0 });
    expect(await describeDatabase(other)).toEqual({ 'public.kept': 1, 'public.settings': 3 });
  });
});
