import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { createDatabase, query } from './shop.ts';

/*
 * Functions that say of themselves that they are immutable, and are not: what they make of a value hangs on the settings of the session.
 * What a restore does with them has to come to the same as in the source.
 */

const minute = 60_000;
let home: Cluster;
let away: Cluster;
let folder: string;

beforeAll(async () => {
  [home, away] = await Promise.all([startCluster(), startCluster()]);
  folder = mkdtempSync(join(tmpdir(), 'surroundings-'));
}, minute);
afterAll(async () => {
  await Promise.all([home?.stop(), away?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

const days = `
  CREATE FUNCTION public.day(timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT $1::date';
  CREATE FUNCTION public.read_date(text) RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT $1::date';
  CREATE TABLE public.visits (at timestamptz, day date GENERATED ALWAYS AS (public.day(at)) STORED, written text,
    CHECK (public.read_date(written) < '2020-02-28'));
  CREATE UNIQUE INDEX once_a_day ON public.visits (public.day(at));
  CREATE TABLE public.parts (at timestamptz) PARTITION BY LIST (public.day(at));
  CREATE TABLE public.part_1 PARTITION OF public.parts FOR VALUES IN ('2026-01-01');
  CREATE TABLE public.part_2 PARTITION OF public.parts FOR VALUES IN ('2026-01-02');
  CREATE MATERIALIZED VIEW public.list AS SELECT public.day(at) AS day FROM public.visits;
  INSERT INTO public.visits (at, written) VALUES ('2026-01-01 14:59Z', '02/03/2020'), ('2026-01-01 15:01Z', '02/03/2020');
  INSERT INTO public.parts VALUES ('2026-01-01 14:59Z'), ('2026-01-01 15:01Z');
  REFRESH MATERIALIZED VIEW public.list`;

const held = `
  SELECT (SELECT json_agg(v ORDER BY at) FROM public.visits v)::jsonb - '' AS visits,
         (SELECT json_agg(day ORDER BY day) FROM public.list)::jsonb AS list,
         (SELECT count(*)::int FROM public.part_2) AS moved, (SELECT count(*)::int FROM pg_indexes WHERE indexname = 'once_a_day') AS indexes,
         (SELECT bool_and(convalidated) FROM pg_constraint WHERE conrelid = 'public.visits'::regclass AND contype = 'c') AS checked`;

const copy = async (
  name: string,
  word: 'restore' | 'drill' = 'restore',
  from = home,
  to = away,
): Promise<Finished> => {
  const env = {
    SUPABASE_BACKUP_DATABASE_URL: from.superuserUrl(name),
    SUPABASE_BACKUP_TARGET_URL: to.superuserUrl(word === 'drill' ? 'postgres' : name),
  };
  const storage = ['--storage', join(folder, name)];
  await succeed(['backup', ...storage], { env });
  return runCli([word, ...storage], { env });
};

const stored = `SELECT unnest(setconfig) AS setting FROM pg_db_role_setting
  WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1`;

describe('expressions that hang on settings', () => {
  test.each([
    ['of the database', 'database'],
    ['of the role that made them', 'role'],
  ])(
    'find those %s',
    async (_, name) => {
      const source = await createDatabase(home.superuserUrl(), name);
      const target = await createDatabase(away.superuserUrl(), name);
      const alter =
        name === 'role' ? `ALTER ROLE supabase_admin IN DATABASE ${name}` : `ALTER DATABASE ${name}`;
      await query(source, `${alter} SET TimeZone = 'Asia/Tokyo'; ${alter} SET DateStyle = 'ISO, MDY'`);
      await query(source, days);
      const done = await copy(name);
      expect(done, done.stderr + done.stdout).toMatchObject({ exitCode: 0 });
      const utc = `SET TimeZone = 'UTC'; ${held}`;
      expect(await query(target, utc)).toEqual(await query(source, utc));
      expect(await query(target, stored)).toEqual(await query(source, stored));
    },
    minute,
  );

  test(
    'are not disturbed by what the restore sets for itself',
    async () => {
      const settings = { TimeZone: 'Asia/Tokyo', DateStyle: 'ISO, MDY' };
      await using stack = new AsyncDisposableStack();
      const [one, other] = await Promise.all([startCluster({ settings }), startCluster({ settings })]);
      stack.defer(() => one.stop());
      stack.defer(() => other.stop());
      const source = await createDatabase(one.superuserUrl(), 'own');
      const target = await createDatabase(other.superuserUrl(), 'own');
      await query(source, days);
      const done = await copy('own', 'restore', one, other);
      expect(done, done.stderr + done.stdout).toMatchObject({ exitCode: 0 });
      expect(await query(target, held)).toEqual(await query(source, held));
      expect(await query(target, stored)).toEqual([]);
    },
    minute,
  );

  test(
    'find what users have named themselves, in a drill as well',
    async () => {
      const source = await createDatabase(home.superuserUrl(), 'named');
      await createDatabase(away.superuserUrl(), 'named');
      await query(source, `ALTER DATABASE named SET app.factor = '3'`);
      await query(
        source,
        `CREATE FUNCTION public.times(int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT $1 * current_setting('app.factor')::int $$;
         CREATE TABLE public.goods (id int, price int GENERATED ALWAYS AS (public.times(id)) STORED, CHECK (public.times(id) > 2));
         CREATE INDEX by_price ON public.goods (public.times(id)); INSERT INTO public.goods VALUES (1), (2)`,
      );
      const done = await copy('named');
      expect(done, done.stderr + done.stdout).toMatchObject({ exitCode: 0 });
      expect(await query(away.superuserUrl('named'), 'SELECT sum(price)::int FROM public.goods')).toEqual([
        { sum: 9 },
      ]);
      const drill = await copy('named', 'drill');
      expect(drill, drill.stderr + drill.stdout).toMatchObject({ exitCode: 0 });
    },
    minute,
  );
});

describe('a database whose settings would be in the way', () => {
  test(
    'is restored although it is read-only by default',
    async () => {
      const source = await createDatabase(home.superuserUrl(), 'strict');
      const target = await createDatabase(away.superuserUrl(), 'strict');
      await query(
        source,
        `CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (1);
         ALTER DATABASE strict SET default_transaction_read_only = on`,
      );
      const done = await copy('strict');
      expect(done, done.stderr + done.stdout).toMatchObject({ exitCode: 0 });
      expect(await query(target, stored)).toEqual([{ setting: 'default_transaction_read_only=on' }]);
      expect(await query(target, 'SELECT id FROM public.t')).toEqual([{ id: 1 }]);
    },
    minute,
  );
});
