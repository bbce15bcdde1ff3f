import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Replayed } from '../../../src/restorer/replay/replay.ts';
import { servers, type TestServer } from '../servers.ts';
import { Setting } from './setting.ts';

describe.each(servers)('changes of every kind of table of PostgreSQL %i', (_major, start) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  /** Takes a base, makes changes, and expects that a restore that is brought forward has them. */
  async function expectSame(
    definitions: string,
    before: string,
    changes: readonly string[],
  ): Promise<Replayed> {
    await using setting = await Setting.create(server, definitions);
    await setting.run(before);
    const base = await setting.takeBase();
    for (const sql of changes) await setting.run(sql);
    await setting.capture();
    const { url, replayed } = await setting.recover(base);
    expect(await setting.readRows(url)).toEqual(await setting.readRows());
    return replayed;
  }

  it('find their rows by the key, by an index, or have none to find', async () => {
    const replayed = await expectSame(
      `CREATE TABLE public.keyed (id int PRIMARY KEY, name text, other text);
       CREATE TABLE public.log (at timestamptz DEFAULT now(), what text);
       CREATE TABLE public.by_index (id int, code text NOT NULL, UNIQUE (code));
       ALTER TABLE public.by_index REPLICA IDENTITY USING INDEX by_index_code_key`,
      `INSERT INTO public.keyed VALUES (1, 'one', NULL), (2, 'two', ''), (3, 'it''s', E'\\\\x\\n')`,
      [
        `INSERT INTO public.keyed VALUES (4, 'four', 'x'), (5, NULL, NULL); INSERT INTO public.log (what) VALUES ('a'), ('a')`,
        `UPDATE public.keyed SET name = 'zwei' WHERE id = 2; UPDATE public.keyed SET id = 30 WHERE id = 3;
         DELETE FROM public.keyed WHERE id = 1`,
        `INSERT INTO public.by_index VALUES (1, 'a'), (1, 'b'), (NULL, 'c'); UPDATE public.by_index SET id = 7 WHERE code = 'b';
         UPDATE public.by_index SET code = 'd' WHERE code = 'c'; DELETE FROM public.by_index WHERE code = 'a'`,
      ],
    );
    expect(replayed).toMatchObject({ transactions: 3, changes: 13 });
  });

  it('keep what is stored out of line, what is generated, and what only an INSERT can set', async () => {
    await expectSame(
      `CREATE TABLE public.wide (id int PRIMARY KEY, big text, small text);
       CREATE TABLE public.numbered (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
       CREATE TABLE public.side (code text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, big text, twice int GENERATED ALWAYS AS (n * 2) STORED);
       CREATE TABLE public.loose (n int GENERATED ALWAYS AS IDENTITY, a text); ALTER TABLE public.loose REPLICA IDENTITY FULL;
       ALTER TABLE public.wide ALTER big SET STORAGE EXTERNAL; ALTER TABLE public.side ALTER big SET STORAGE EXTERNAL`,
      `INSERT INTO public.wide VALUES (1, repeat('abc', 3000), 'x'), (2, repeat('def', 3000), 'y');
       INSERT INTO public.numbered (a) VALUES (1), (2), (3);
       INSERT INTO public.side (code, big) VALUES ('a', repeat('s', 9000)), ('b', NULL);
       INSERT INTO public.loose (a) VALUES ('one'), ('two')`,
      [
        `UPDATE public.wide SET small = 'z'; UPDATE public.wide SET id = 3 WHERE id = 2;
         UPDATE public.wide SET big = repeat('new', 3000) WHERE id = 1`,
        `UPDATE public.numbered SET a = a + 10; UPDATE public.numbered SET id = DEFAULT WHERE a = 11;
         INSERT INTO public.numbered (a) VALUES (4); DELETE FROM public.numbered WHERE a = 12`,
        `UPDATE public.side SET code = 'aa' WHERE code = 'a'; UPDATE public.side SET n = DEFAULT;
         UPDATE public.side SET code = 'bb', n = DEFAULT, big = 'x' WHERE code = 'b'`,
        `UPDATE public.loose SET a = 'drei' WHERE a = 'two'; UPDATE public.loose SET n = DEFAULT WHERE a = 'one';
         UPDATE public.loose SET n = DEFAULT, a = NULL`,
      ],
    );
  });

  it('with values that are too long for a string arrive, and rows are found by them', async () => {
    await using setting = await Setting.create(
      server,
      `CREATE TABLE public."long's" (id int PRIMARY KEY, a text, b bytea, c text);
       CREATE TABLE public.whole (a text, n int); ALTER TABLE public.whole REPLICA IDENTITY FULL`,
    );
    const base = await setting.takeBase();
    // All that is escaped, in 70 MB
    const piece = `repeat(E'it''s \\ "a" \t\n\u00e4', 4000000)`;
    await setting.run(
      `INSERT INTO public."long's" VALUES (1, ${piece}, 'x', 'short'), (2, 'y', NULL, ${piece})`,
    );
    await setting.run(`UPDATE public."long's" SET b = convert_to(a, 'UTF8'), a = 'z', c = NULL WHERE id = 1`);
    await setting.run(`INSERT INTO public.whole VALUES (${piece}, 1); UPDATE public.whole SET n = 2`);
    await setting.capture();
    const { url, replayed } = await setting.recover(base);
    expect(replayed).toMatchObject({ transactions: 3, changes: 5 });
    const digests = async (of: string) => {
      const session = await server.open(of);
      const rows = await session.query(
        `SELECT id::text, md5(a) AS a, length(a) AS size, md5(b) AS b, md5(c) AS c FROM public."long's"
         UNION ALL SELECT n::text, md5(a), length(a), NULL, NULL FROM public.whole ORDER BY 1, 2`,
      );
      await session.close();
      return rows;
    };
    const expected = await digests(setting.url);
    expect(expected).toHaveLength(3);
    expect(await digests(url)).toEqual(expected);
  });

  it('hit one of several rows that are the same, and rows of types without equality', async () => {
    await expectSame(
      `CREATE TYPE public.pair AS (a int, b text);
       CREATE TABLE public.bag (a int, b json, c char(5), d inet, e "char", f numeric, g public.pair, h xml, i bool, j float4, k varbit(9),
                                l name[], m money);
       CREATE INDEX ON public.bag (a); ALTER TABLE public.bag REPLICA IDENTITY FULL;
       CREATE TABLE public.hollow (); ALTER TABLE public.hollow REPLICA IDENTITY FULL;
       CREATE TABLE public.swap (id int PRIMARY KEY DEFERRABLE INITIALLY IMMEDIATE, what text); ALTER TABLE public.swap REPLICA IDENTITY FULL;
       CREATE TABLE public.both (id int PRIMARY KEY, what text); ALTER TABLE public.both REPLICA IDENTITY FULL`,
      `INSERT INTO public.bag
         SELECT 1, '{"a": 1}', 'x', '10.0.0.1', 'c', 1.50, ROW(1, 'x')::public.pair, '<a/>', true, 0.1, B'101', '{a,b}', '1.5'
         FROM generate_series(1, 3);
       INSERT INTO public.bag (a) VALUES (1), (NULL), (NULL); INSERT INTO public.bag (b) VALUES ('{"a":1}'), (NULL);
       INSERT INTO public.swap VALUES (1, 'one'), (2, 'two'); INSERT INTO public.both VALUES (1, 'one'), (2, NULL);
       INSERT INTO public.hollow DEFAULT VALUES; INSERT INTO public.hollow DEFAULT VALUES`,
      [
        'UPDATE public.bag SET f = 1.5 WHERE ctid = (SELECT ctid FROM public.bag WHERE f = 1.5 LIMIT 1)',
        `DELETE FROM public.bag WHERE ctid = (SELECT ctid FROM public.bag WHERE f::text = '1.50' LIMIT 1)`,
        'DELETE FROM public.bag WHERE ctid = (SELECT ctid FROM public.bag WHERE a IS NULL AND b IS NULL LIMIT 1)',
        `UPDATE public.bag SET a = NULL, d = '10.0.0.1/8', c = ' y' WHERE c = 'x';
         UPDATE public.bag SET b = NULL WHERE b::text = '{"a":1}'`,
        `UPDATE public.swap SET id = 3 - id; DELETE FROM public.swap WHERE id = 2;
         DELETE FROM public.hollow WHERE ctid = (SELECT min(ctid) FROM public.hollow)`,
        `UPDATE public.both SET what = id; UPDATE public.both SET id = id + 1 WHERE id = 2; DELETE FROM public.both WHERE id = 1`,
      ],
    );
  });

  it('are of one row where others are taken for equal', async () => {
    await expectSame(
      `CREATE COLLATION public.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
       CREATE TABLE public.vague (text text COLLATE public.ci, n int); ALTER TABLE public.vague REPLICA IDENTITY FULL;
       CREATE INDEX ON public.vague (text);
       CREATE TABLE public.keyed (text text COLLATE public.ci PRIMARY KEY, n numeric UNIQUE)`,
      `INSERT INTO public.vague VALUES ('a', 1), ('A', 1), ('a', NULL), ('A', NULL); INSERT INTO public.keyed VALUES ('x', 1.0), ('y', 2)`,
      [
        `DELETE FROM public.vague WHERE text COLLATE "C" = 'A' AND n = 1; UPDATE public.vague SET n = 7 WHERE text COLLATE "C" = 'A'`,
        `UPDATE public.keyed SET text = 'X', n = 1.00 WHERE text = 'x'; DELETE FROM public.keyed WHERE text = 'Y'`,
      ],
    );
  });

  it('pass through states that only a transaction may have', async () => {
    await expectSame(
      `CREATE TABLE public.places (id int PRIMARY KEY, place int UNIQUE DEFERRABLE, boss int REFERENCES public.places);
       CREATE TABLE public.spans (id int PRIMARY KEY, span int4range, EXCLUDE USING gist (span WITH &&) DEFERRABLE INITIALLY DEFERRED);
       CREATE TABLE public.steps (id int PRIMARY KEY, n int UNIQUE)`,
      `INSERT INTO public.places VALUES (1, 1, NULL), (2, 2, 1); INSERT INTO public.spans VALUES (1, '[1,5)'), (2, '[5,9)');
       INSERT INTO public.steps SELECT n, n FROM generate_series(1, 20) n`,
      [
        'UPDATE public.places SET place = 3 - place; INSERT INTO public.places VALUES (4, 4, 4), (3, 3, 4)',
        `UPDATE public.spans SET span = '[5,9)' WHERE id = 1; UPDATE public.spans SET span = '[1,5)' WHERE id = 2`,
        'UPDATE public.steps SET n = -n; UPDATE public.steps SET n = 100 + n; UPDATE public.steps SET id = -id',
        'DELETE FROM public.places WHERE id = 1 OR id = 2',
      ],
    );
  });

  it('move rows between partitions, and go through the whole where these differ', async () => {
    const replayed = await expectSame(
      `CREATE TABLE public.parted (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
       CREATE TABLE public.part1 PARTITION OF public.parted FOR VALUES IN (1);
       CREATE TABLE public.part2 PARTITION OF public.parted FOR VALUES IN (2);
       CREATE TYPE public.mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f');
       CREATE TABLE public.moods (mood public.mood, id int, what text, PRIMARY KEY (id, mood)) PARTITION BY HASH (mood);
       CREATE TABLE public.moods0 PARTITION OF public.moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
       CREATE TABLE public.moods1 (what text, id int NOT NULL, mood public.mood NOT NULL);
       ALTER TABLE public.moods ATTACH PARTITION public.moods1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
       CREATE TABLE public.parent (id int PRIMARY KEY); CREATE TABLE public.child (PRIMARY KEY (id)) INHERITS (public.parent)`,
      `INSERT INTO public.parted SELECT n, 1 + n % 2 FROM generate_series(1, 10) n;
       INSERT INTO public.parent VALUES (1), (2); INSERT INTO public.child VALUES (1), (2);
       INSERT INTO public.moods SELECT m, n, 'x' FROM unnest(enum_range(NULL::public.mood)) m, generate_series(1, 3) n`,
      [
        'UPDATE public.parted SET part = 3 - part WHERE id < 5; DELETE FROM public.parted WHERE id = 9',
        `UPDATE public.moods SET what = id::text; UPDATE public.moods SET mood = 'b', id = id + 10 WHERE mood = 'a';
         DELETE FROM public.moods WHERE mood = 'c'`,
        `UPDATE ONLY public.parent SET id = 5 WHERE id = 1; DELETE FROM public.child WHERE id = 2;
         UPDATE public.parent SET id = id + 100`,
        'TRUNCATE public.part1; INSERT INTO public.parted VALUES (77, 1)',
        `TRUNCATE public.moods; INSERT INTO public.moods VALUES ('d', 1, 'y'), ('e', 1, 'y')`,
      ],
    );
    expect(replayed.elsewhere).toEqual([]);
  });

  it('cannot empty one partition of which the rows may be in another', async () => {
    await using setting = await Setting.create(
      server,
      `CREATE TYPE public.mood AS ENUM ('a', 'b'); CREATE TABLE public.moods (mood public.mood PRIMARY KEY) PARTITION BY HASH (mood);
       CREATE TABLE public.moods0 PARTITION OF public.moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
       CREATE TABLE public.moods1 PARTITION OF public.moods FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
    );
    const base = await setting.takeBase();
    await setting.run('TRUNCATE public.moods1');
    await setting.capture();
    await expect(setting.recover(base)).rejects.toThrow('not all of "public"."moods"');
  });

  it('empty tables, and count their rows from then on', async () => {
    await using setting = await Setting.create(
      server,
      `CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int PRIMARY KEY REFERENCES public.a);
       CREATE TABLE public.c (id int PRIMARY KEY)`,
    );
    await setting.run(
      'INSERT INTO public.a VALUES (1), (2); INSERT INTO public.b VALUES (1); INSERT INTO public.c VALUES (1), (2), (3)',
    );
    const base = await setting.takeBase();
    await setting.run(
      'INSERT INTO public.a VALUES (3); TRUNCATE public.a CASCADE; INSERT INTO public.a VALUES (4), (5)',
    );
    await setting.run(
      'INSERT INTO public.c VALUES (4), (5); DELETE FROM public.c WHERE id = 1; UPDATE public.c SET id = 9 WHERE id = 2',
    );
    await setting.capture();
    const { url, replayed } = await setting.recover(base);
    expect(await setting.readRows(url)).toEqual(await setting.readRows());
    const changes = Object.fromEntries(base.tables.map(({ name, oid }) => [name, replayed.tables.get(oid)]));
    expect(changes).toEqual({
      a: { inserts: 3, updates: 0, deletes: 0, truncates: 1, rows: 2 },
      b: { inserts: 0, updates: 0, deletes: 0, truncates: 1, rows: 0 },
      c: { inserts: 2, updates: 1, deletes: 1, truncates: 0, rows: 4 },
    });
  });

  it('with anything in their names and values arrive', async () => {
    const table = `"my ""schema"": "."größe 🐘"`;
    await expectSame(
      `CREATE SCHEMA "my ""schema"": "; CREATE TYPE "my ""schema"": "."a]: type" AS ENUM ('x ''y', 'ß');
       CREATE TABLE ${table} ("Ü\\ber" "my ""schema"": "."a]: type" PRIMARY KEY, "a.b" text[], "sel'ect" jsonb)`,
      `INSERT INTO ${table} VALUES ('ß', '{"a,b",NULL}', '{"k": "\\\\n"}')`,
      [
        `INSERT INTO ${table} VALUES ('x ''y', ARRAY[E'tab\\t', E'line\\n\\r', '🐘\\\\', ''''], '"it''s"')`,
        `UPDATE ${table} SET "a.b" = "a.b" || '{"ü"}'; DELETE FROM ${table} WHERE "Ü\\ber" = 'ß'`,
      ],
    );
  });
});
