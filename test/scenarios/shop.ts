import pg from 'pg';
import { reconnect } from '../fixture/seed.ts';
import { copyOption } from '../support/copy-option.ts';

/** Runs statements on a connection of their own and returns the rows of the last. */
export async function query<Row extends pg.QueryResultRow = pg.QueryResultRow>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    const result: pg.QueryResult<Row> | pg.QueryResult<Row>[] =
      values.length > 0 ? await client.query(sql, values) : await client.query(sql);
    return (Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows) as Row[];
  } finally {
    await client.end();
  }
}

/** Creates a database, empty unless another is its template, replacing one of this name, and returns its URL. */
export async function createDatabase(
  superuserUrl: string,
  database: string,
  template = 'template0',
): Promise<string> {
  const [name, from] = [database, template].map((each) => pg.escapeIdentifier(each));
  const client = new pg.Client({ connectionString: superuserUrl });
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await client.query(
      `CREATE DATABASE ${name} TEMPLATE ${from} ENCODING 'UTF8' ${await copyOption(client)}`,
    );
  } finally {
    await client.end();
  }
  return reconnect(superuserUrl, { database });
}

/** Bytes of `public.readings` and of `public.events`; over 1 MiB, so that each has objects of its own. */
const bulkRows = 12_000;

/**
 * A small database with what a selection can go wrong about: two schemas, a partitioned table, foreign keys between and across
 * schemas, a view, a policy, and two tables whose rows do not share an object with others.
 */
export async function createShop(superuserUrl: string, database: string): Promise<string> {
  const url = await createDatabase(superuserUrl, database);
  await query(
    url,
    `CREATE SCHEMA sales;
     CREATE SCHEMA private;
     CREATE TABLE sales.customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
     INSERT INTO sales.customers (name) SELECT 'customer ' || n FROM generate_series(1, 50) n;
     CREATE TABLE sales.orders (id int, at date NOT NULL, customer int REFERENCES sales.customers, total numeric, PRIMARY KEY (id, at))
       PARTITION BY RANGE (at);
     CREATE TABLE sales.orders_2025 PARTITION OF sales.orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
     CREATE TABLE sales.orders_2026 PARTITION OF sales.orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
     INSERT INTO sales.orders SELECT n, date '2025-06-01' + n, 1 + n % 50, n * 1.5 FROM generate_series(1, 400) n;
     CREATE VIEW sales.totals AS SELECT customer, sum(total) AS total FROM sales.orders GROUP BY customer;
     CREATE TABLE private.notes (id int PRIMARY KEY, customer int REFERENCES sales.customers, note text);
     INSERT INTO private.notes SELECT n, n, 'note ' || n FROM generate_series(1, 20) n;
     ALTER TABLE private.notes ENABLE ROW LEVEL SECURITY;
     CREATE POLICY nobody ON private.notes USING (false);
     CREATE TABLE public.settings (key text PRIMARY KEY, value text);
     INSERT INTO public.settings VALUES ('colour', 'green'), ('tabs', E'a\\tb'), ('nothing', NULL);
     CREATE TABLE public.readings (id int PRIMARY KEY, text text);
     CREATE TABLE public.events (id int PRIMARY KEY, text text);
     INSERT INTO public.readings SELECT n, repeat(md5('reading ' || n), 5) FROM generate_series(1, ${bulkRows}) n;
     INSERT INTO public.events SELECT n, repeat(md5('event ' || n), 5) FROM generate_series(1, ${bulkRows}) n;`,
  );
  return url;
}

/** Every relation of a user, with its number of rows: what a restore must not have touched. */
export async function describeDatabase(url: string): Promise<Record<string, number>> {
  const rows = await query<{ name: string; kind: string }>(
    url,
    `SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind AS kind
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND n.nspname !~ '^pg_(toast|temp)' ORDER BY 1`,
  );
  const counts: Record<string, number> = {};
  for (const { name, kind } of rows) {
    const counted =
      kind === 'S' ? [] : await query<{ count: string }>(url, `SELECT count(*) AS count FROM ONLY ${name}`);
    counts[name] = Number(counted[0]?.count ?? 1);
  }
  return counts;
}
