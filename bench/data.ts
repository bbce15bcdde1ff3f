import type { BenchServer } from './server.ts';

/**
 * The databases that are backed up. They are made by SQL from hashes of the row number: the same on every machine, and of the
 * kind that applications store. Pure md5 would compress like nothing real; repeated text, like nothing real either.
 */
export const databases = {
  rows: 'supabase_backup_bench_rows',
  tables: 'supabase_backup_bench_tables',
  /** Of those that change it */
  changing: 'supabase_backup_bench_changing',
  /** Whose rows are changed one by one */
  changes: 'supabase_backup_bench_changes',
  /** With one tiny table */
  single: 'supabase_backup_bench_single',
  /** With a schema for each customer */
  tenants: 'supabase_backup_bench_tenants',
  target: 'supabase_backup_bench_target',
} as const;

/** To be raised with every change below, so that databases kept on a server are made again. */
const edition = 1;

/** At scale 1. */
const size = {
  ...{ events: 8_000_000, documents: 2_000_000, tables: 2_000, region: 20_000, accounts: 100_000 },
  ...{ tenants: 2_500, rowsOfTenant: 1_200 },
};

/** 64, so that six bits of a hash choose one. */
const vocabulary = `
  account address after again amount annual answer apply before billing branch build cancel change charge client confirm contact
  contract create customer daily delivery discount draft email final first free gift invoice item large late letter license
  meeting member monthly new note number offer office order paid parcel partner payment pending phone price project receipt
  refund renewal report return review service shipment small team ticket`
  .trim()
  .split(/\s+/);
const words = `(SELECT '{${vocabulary.join(',')}}'::text[] AS words) AS vocabulary`;

/** SQL for `count` words, chosen by a hash: ten of them use up its 64 bits. */
function phrase(hash: string, count: number): string {
  return Array.from({ length: count }, (_, n) => `words[1 + ((${hash} >> ${n * 6}) & 63)::int]`).join(
    " || ' ' || ",
  );
}

/** Two large tables, about 1.4 GB as COPY text at scale 1. Returns whether they had to be made. */
export function provideRows(server: BenchServer, scale: number): Promise<'built' | 'found'> {
  const contents = `rows at scale ${scale}, edition ${edition}`;
  return server.provide(databases.rows, contents, async () => {
    await makeRows(server, databases.rows, scale);
  });
}

/** The same two tables and a small one, always made anew: what measures with them changes them. */
export async function provideChangingRows(server: BenchServer, scale: number): Promise<'built'> {
  await server.createDatabase(databases.changing);
  await makeRows(server, databases.changing, scale);
  await server.run(databases.changing, [
    'CREATE TABLE remarks (id integer PRIMARY KEY, remark text NOT NULL)',
    `INSERT INTO remarks SELECT i, 'remark ' || i FROM generate_series(1, 100) AS i`,
    'VACUUM (ANALYZE) remarks',
  ]);
  return 'built';
}

async function makeRows(server: BenchServer, database: string, scale: number): Promise<void> {
  await Promise.all([
    server.run(database, eventStatements(countEvents(scale))),
    server.run(database, documentStatements(Math.round(size.documents * scale))),
  ]);
}

/** A schema with one table for each customer: as many objects, for tables of several schemas share none. */
export function provideTenants(server: BenchServer, scale: number): Promise<'built' | 'found'> {
  const contents = `tenants at scale ${scale}, edition ${edition}`;
  return server.provide(databases.tenants, contents, async () => {
    await server.run(databases.tenants, tenantStatements(countTenants(scale)));
  });
}

export function countTenants(scale: number): number {
  return Math.max(20, Math.round(size.tenants * scale));
}

/** One table of ten rows. */
export function provideSingle(server: BenchServer): Promise<'built' | 'found'> {
  return server.provide(databases.single, `one table, edition ${edition}`, async () => {
    await server.run(databases.single, tinyTableStatements(1));
  });
}

/** One table whose rows are changed one by one, always made anew. */
export async function provideAccounts(server: BenchServer, scale: number): Promise<'built'> {
  await server.createDatabase(databases.changes);
  await server.run(databases.changes, [
    'CREATE TABLE accounts (id integer PRIMARY KEY, amount bigint NOT NULL, note text NOT NULL)',
    `INSERT INTO accounts SELECT i, 0, md5(i::text) FROM generate_series(1, ${countAccounts(scale)}) AS i`,
    'VACUUM (ANALYZE) accounts',
  ]);
  return 'built';
}

export function countAccounts(scale: number): number {
  return Math.max(1000, Math.round(size.accounts * scale));
}

/** Changes every account, a hundred in a transaction. */
export function changeAccounts(scale: number, round: number): string[] {
  return [
    `DO $$ BEGIN
       FOR low IN 1..${countAccounts(scale)} BY 100 LOOP
         UPDATE accounts SET amount = id * ${round}, note = md5(id || '/${round}') WHERE id BETWEEN low AND low + 99;
         COMMIT;
       END LOOP;
     END $$`,
  ];
}

/** SQL for the same changes, a statement for each, as rows of `text` with a transaction each */
export function describeAccountChanges(scale: number, rounds: number, rowsAtOnce: number): string {
  return `
    SELECT 'BEGIN;' || string_agg(format(E'\\nUPDATE accounts SET amount = %s, note = %L WHERE id = %s;',
                                         id * round, md5(id || '/' || round), id), '' ORDER BY id) || E'\\nCOMMIT;' AS text
    FROM generate_series(1, ${rounds}) AS round, generate_series(1, ${countAccounts(scale)}) AS id
    GROUP BY round, (id - 1) / ${rowsAtOnce} ORDER BY round, (id - 1) / ${rowsAtOnce}`;
}

function countEvents(scale: number): number {
  return Math.round(size.events * scale);
}

export function insertRemark(): string[] {
  return [`INSERT INTO remarks SELECT max(id) + 1, 'one more' FROM remarks`];
}

/** Changes rows that lie together, and appends as many: 20,000 at scale 1. Every `turn`, from 1 on, takes other ones. */
export function changeRegion(scale: number, turn: number): string[] {
  const rows = Math.max(1, Math.round(size.region * scale));
  // Multiples of the golden ratio fall evenly, and never where one was before.
  const first = 1 + Math.floor(((turn * 0.618_034) % 1) * (countEvents(scale) - rows));
  return [
    `UPDATE events SET amount = amount + 1 WHERE id BETWEEN ${first} AND ${first + rows - 1}`,
    insertEvents(`(SELECT max(id) + 1 FROM events), (SELECT max(id) + ${rows} FROM events)`),
  ];
}

/** Changes one row in a hundred, chosen by a hash. Every `turn` takes other ones. */
export function changeAtRandom(turn: number): string[] {
  return [`UPDATE events SET amount = amount + 1 WHERE hashint8extended(id, ${100 + turn}) % 100 = 0`];
}

/**
 * Takes the dead rows away, and the gaps too. A plain VACUUM would leave gaps all over the table; the next rows that belong together
 * would be strewn into them, and that would be one more random change.
 */
export function compactEvents(): string[] {
  return ['VACUUM (FULL) events', 'VACUUM (ANALYZE) events'];
}

/** Many tables of ten rows. */
export function provideTables(server: BenchServer, scale: number): Promise<'built' | 'found'> {
  const contents = `tables at scale ${scale}, edition ${edition}`;
  return server.provide(databases.tables, contents, async () => {
    await server.run(databases.tables, tinyTableStatements(countTables(scale)));
  });
}

export function countTables(scale: number): number {
  return Math.max(10, Math.round(size.tables * scale));
}

function eventStatements(rows: number): string[] {
  return [
    `CREATE TABLE events (
       id bigint NOT NULL,
       account_id integer NOT NULL,
       kind smallint NOT NULL,
       amount numeric(10, 2) NOT NULL,
       occurred_at timestamptz NOT NULL,
       note text
     )`,
    insertEvents(`1::bigint, ${rows}`),
    'ALTER TABLE events ADD PRIMARY KEY (id)',
    'CREATE INDEX ON events (account_id, occurred_at)',
    'VACUUM (ANALYZE) events',
  ];
}

/**
 * Few accounts have many events; prices end as prices do; one note in eight is missing.
 *
 * @param ids SQL for the first and the last
 */
function insertEvents(ids: string): string {
  return `INSERT INTO events
     SELECT i,
       1 + floor(50000 * power((a & 1048575) / 1048576.0::float8, 3))::int,
       (a >> 20) & 7,
       ((a >> 24) & 511) + (ARRAY[0, 0.49, 0.5, 0.9, 0.95, 0.99, 0.99, 0.99])[1 + ((a >> 40) & 7)::int],
       timestamptz '2024-01-01 00:00:00+00' + i * interval '7.9 s' + (b & 4194303) * interval '1 us',
       CASE WHEN (a >> 50) & 7 > 0 THEN ${phrase('b', 4)} || ' ' || (10000 + (a >> 30) % 90000) END
     FROM generate_series(${ids}) AS i,
       LATERAL (SELECT abs(hashint8extended(i, 1)) AS a, hashint8extended(i, 2) AS b) AS hashes,
       ${words}`;
}

function documentStatements(rows: number): string[] {
  return [
    `CREATE TABLE documents (
       id uuid NOT NULL,
       owner_id integer NOT NULL,
       updated_at timestamptz NOT NULL,
       body jsonb NOT NULL
     )`,
    `INSERT INTO documents
     SELECT md5('document ' || i)::uuid,
       1 + floor(50000 * power((a & 1048575) / 1048576.0::float8, 3))::int,
       timestamptz '2024-01-01 00:00:00+00' + i * interval '31 s' + (a & 4194303) * interval '1 us',
       jsonb_build_object(
         'title', ${phrase('b', 3)},
         'text', ${phrase('c', 10)},
         'status', (ARRAY['draft', 'open', 'done', 'done'])[1 + ((a >> 20) & 3)::int],
         'price', (a >> 24) % 50000 / 100.0,
         'currency', (ARRAY['EUR', 'EUR', 'USD', 'GBP'])[1 + ((a >> 40) & 3)::int],
         'tags', jsonb_build_array(${phrase('(b >> 20)', 1)}, ${phrase('(b >> 26)', 1)}),
         'contact', jsonb_build_object('city', initcap(${phrase('(b >> 32)', 1)}), 'zip', 10000 + (b & 65535)),
         'etag', CASE WHEN (a >> 44) & 1 = 1 THEN md5(i::text) END)
     FROM generate_series(1::bigint, ${rows}) AS i,
       LATERAL (
         SELECT abs(hashint8extended(i, 3)) AS a, hashint8extended(i, 4) AS b, hashint8extended(i, 5) AS c
       ) AS hashes,
       ${words}`,
    'ALTER TABLE documents ADD PRIMARY KEY (id)',
    'CREATE INDEX ON documents (owner_id)',
    'VACUUM (ANALYZE) documents',
  ];
}

function tenantStatements(tenants: number): string[] {
  const statements: string[] = [];
  for (let first = 1; first <= tenants; first += 100) {
    statements.push(`
      DO $$
      BEGIN
        FOR t IN ${first}..${Math.min(first + 99, tenants)} LOOP
          EXECUTE format('
            CREATE SCHEMA tenant_%1$s;
            CREATE TABLE tenant_%1$s.orders (id bigint PRIMARY KEY, customer uuid, price numeric(10, 2), note text);
            INSERT INTO tenant_%1$s.orders
            SELECT i, md5(%1$s || ''/'' || i)::uuid, i * 1.25, md5(i || ''/%1$s'') || '' order of day number '' || i
            FROM generate_series(1, ${size.rowsOfTenant}) AS i', t);
        END LOOP;
      END $$`);
  }
  return [...statements, 'VACUUM (ANALYZE)'];
}

function tinyTableStatements(tables: number): string[] {
  const statements = ['CREATE SCHEMA tiny'];
  // Not all in one transaction, whose locks would not fit into the lock table of a server with default settings.
  for (let first = 1; first <= tables; first += 100) {
    statements.push(`
      DO $$
      BEGIN
        FOR t IN ${first}..${Math.min(first + 99, tables)} LOOP
          EXECUTE format('
            CREATE TABLE tiny.%1$I (
              id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
              name text NOT NULL,
              price numeric(10, 2) DEFAULT 0 CHECK (price >= 0),
              created_at timestamptz NOT NULL DEFAULT now()
            )', 'table_' || t);
          EXECUTE format('
            INSERT INTO tiny.%1$I (name, price, created_at)
            SELECT %2$L || i, i * 1.25, timestamptz ''2024-01-01 00:00:00+00'' + i * interval ''1 day''
            FROM generate_series(1, 10) AS i', 'table_' || t, 'item ' || t || '.');
        END LOOP;
      END $$`);
  }
  return [...statements, 'VACUUM (ANALYZE)'];
}
