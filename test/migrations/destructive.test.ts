import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findDestructive } from '../../src/migrations/destructive.ts';
import { tokenize } from '../../src/migrations/tokens.ts';

const whatOf = (sql: string) => findDestructive(sql).map(({ what }) => what);

describe('what destroys data', () => {
  it.each([
    ['DROP TABLE a', 'DROP TABLE'],
    ['drop table if exists public."A b" cascade', 'DROP TABLE'],
    ['DROP/**/TABLE a', 'DROP TABLE'],
    ['\uFEFFDROP TABLE a', 'DROP TABLE'],
    ['BEGIN; DROP SCHEMA public CASCADE; COMMIT', 'DROP SCHEMA'],
    ['DROP DATABASE x', 'DROP DATABASE'],
    ['DROP OWNED BY app', 'DROP OWNED'],
    ['DROP SEQUENCE s', 'DROP SEQUENCE'],
    ['DROP EXTENSION pgmq CASCADE', 'DROP EXTENSION'],
    ['DROP TYPE mood CASCADE', 'DROP TYPE … CASCADE'],
    ['DROP DOMAIN d CASCADE', 'DROP DOMAIN … CASCADE'],
    ['TRUNCATE a, b', 'TRUNCATE'],
    ['truncate table only a restart identity', 'TRUNCATE'],
    ['DELETE FROM a', 'DELETE without WHERE'],
    ['DELETE FROM a WHERE true', 'DELETE without WHERE'],
    ['DELETE FROM a WHERE (1 = 1) RETURNING *', 'DELETE without WHERE'],
    ['DELETE FROM a USING (SELECT 1 WHERE false) b', 'DELETE without WHERE'],
    ['UPDATE a SET b = 1', 'UPDATE without WHERE'],
    ['UPDATE ONLY a SET b = (SELECT c FROM d WHERE d.id = 1)', 'UPDATE without WHERE'],
    ['WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone', 'DELETE without WHERE'],
    ['WITH x AS (SELECT 1 WHERE true) DELETE FROM a', 'DELETE without WHERE'],
    ['WITH x AS MATERIALIZED (UPDATE a SET b = 1 RETURNING 1) SELECT 1', 'UPDATE without WHERE'],
    ['ALTER TABLE a DROP COLUMN b', 'DROP COLUMN'],
    ['ALTER TABLE a DROP b', 'DROP COLUMN'],
    ['ALTER TABLE IF EXISTS ONLY x.a * DROP IF EXISTS b', 'DROP COLUMN'],
    ['ALTER TABLE a ADD CONSTRAINT c CHECK (b IN (1, 2)), DROP COLUMN d, DROP e', 'DROP COLUMN'],
    ['ALTER TABLE a ALTER COLUMN b TYPE int', 'ALTER COLUMN … TYPE (may lose)'],
    ['ALTER TABLE a ALTER type TYPE int', 'ALTER COLUMN … TYPE (may lose)'],
    ['ALTER TABLE "if" ALTER "b" SET DATA TYPE varchar(3)', 'ALTER COLUMN … TYPE (may lose)'],
    ['ALTER TABLE a ALTER b TYPE text USING left(b, 3)', 'ALTER COLUMN … TYPE (may lose)'],
    ['ALTER TYPE t DROP ATTRIBUTE a', 'DROP ATTRIBUTE'],
    ['ALTER TYPE t ALTER ATTRIBUTE a TYPE int', 'ALTER ATTRIBUTE … TYPE (may lose)'],
    ['\\restrict abc\nDROP TABLE a', 'DROP TABLE'],
    ["COPY a FROM stdin;\n1\tit's\n\\.\nDROP TABLE a", 'DROP TABLE'],
    ["SELECT E'it\\'s', 'C:\\'; DROP TABLE a", 'DROP TABLE'],
    [
      "SELECT U&'\\0041'; SELECT $1$$x; DROP TABLE a",
      'a quote or comment without an end: the rest cannot be read',
    ],
    ['SELECT a$b$c; DROP TABLE a; SELECT d$b$', 'DROP TABLE'],
    ['SELECT (1; DROP TABLE a', 'DROP TABLE'],
  ])('%s', (sql, what) => {
    expect(whatOf(sql)).toEqual([what]);
  });

  it.each([
    ['EXPLAIN ANALYZE DELETE FROM a', 'DELETE without WHERE'],
    ['EXPLAIN (ANALYZE, BUFFERS, FORMAT json) UPDATE a SET b = 1', 'UPDATE without WHERE'],
    ['EXPLAIN ANALYSE VERBOSE WITH x AS (DELETE FROM a RETURNING 1) SELECT 1', 'DELETE without WHERE'],
    ['PREPARE gone (int) AS DELETE FROM a; EXECUTE gone (1)', 'DELETE without WHERE'],
    ["COPY (DELETE FROM a RETURNING *) TO '/tmp/a'", 'DELETE without WHERE'],
    ["COPY a FROM PROGRAM 'sh'", 'COPY … PROGRAM (runs what is not SQL)'],
    ['MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE', 'MERGE … DELETE'],
    [
      'MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN UPDATE SET x = 1 WHEN NOT MATCHED BY SOURCE THEN DELETE',
      'MERGE … DELETE',
    ],
    ['WITH x AS (SELECT 1) MERGE INTO a USING x ON true WHEN MATCHED THEN DELETE', 'MERGE … DELETE'],
    ["DELETE FROM a WHERE 'x' = 'x' OR false", 'DELETE without WHERE'],
    ['DELETE FROM a WHERE 1 < 2', 'DELETE without WHERE'],
    ['DELETE FROM a WHERE NOT false AND (true)', 'DELETE without WHERE'],
    ['UPDATE a SET b = 1 WHERE a.id = a.id', 'UPDATE without WHERE'],
    ['DELETE FROM a WHERE "Id" = "Id"', 'DELETE without WHERE'],
    ['-- old lines of Macs\rDROP TABLE a;\r', 'DROP TABLE'],
    ['SET standard_conforming_strings = off', 'strings that are written otherwise'],
    ["SET LOCAL standard_conforming_strings TO 'off'", 'strings that are written otherwise'],
    ['\\i other.sql', '\\i: another file, which is not looked at'],
    ['SELECT 1;\n  \\ir ../other.sql\n', '\\ir: another file, which is not looked at'],
    ["SELECT 'DROP TABLE ' || t FROM a \\gexec\n", '\\gexec: SQL that a query answers with'],
    ['\\! psql -c "drop table a"', '\\!: a program'],
    ['SELECT 1 \\g\nDROP TABLE a;', 'DROP TABLE'],
    ['SELECT 1 \\; DROP TABLE a;', 'DROP TABLE'],
    ["\\copy a FROM 'its.csv'\nDROP TABLE a;", 'DROP TABLE'],
    ["\\copy (DELETE FROM a RETURNING *) TO 'a.csv'\nSELECT 1;", 'DELETE without WHERE'],
    ["\\copy a from stdin\n1\tit's\n\\.\nDROP TABLE a;", 'DROP TABLE'],
  ])('%s, however it is run', (sql, what) => {
    expect(whatOf(sql)).toEqual([what]);
  });

  it.each([
    [`v := 'DROP TABLE a'; EXECUTE v`, 'DROP TABLE'],
    [`v := 'TRUN' || 'CATE a'; EXECUTE v`, undefined],
    [`EXECUTE 'DROP' || ' TABLE a'`, 'DROP TABLE'],
    [`EXECUTE 'DROP '\n'TABLE a'`, 'DROP TABLE'],
    [`EXECUTE 'DRO' || 'P TABLE a'`, 'DROP TABLE'],
    [`EXECUTE concat('DROP', ' ', 'TABLE', ' ', t)`, 'DROP TABLE'],
    [`EXECUTE concat_ws(' ', 'DROP', 'TABLE', t)`, 'DROP TABLE'],
    [`EXECUTE format('%s TABLE %I', 'DROP', t)`, 'DROP TABLE'],
    [`EXECUTE format('DROP %s %I', 'TABLE', t)`, 'DROP TABLE'],
    [`EXECUTE format('%2$s TABLE %1$I', t, 'DROP')`, 'DROP TABLE'],
    [`EXECUTE format('DROP %s %I', kind, t)`, 'DROP of what the text does not tell'],
    [`EXECUTE 'DROP ' || kind || ' ' || quote_ident(t)`, 'DROP of what the text does not tell'],
    [`EXECUTE E'DROP\\x20TABLE a'`, 'DROP TABLE'],
    [`EXECUTE E'DROP\\nTABLE a'`, 'DROP TABLE'],
    [`EXECUTE U&'DROP\\0020TABLE a'`, 'DROP TABLE'],
    [`EXECUTE $q$DO $b$ BEGIN DROP TABLE a; END $b$ $q$`, 'DROP TABLE'],
    [`EXECUTE 'CREATE FUNCTION f() RETURNS void LANGUAGE sql AS ''DELETE FROM a'''`, 'DELETE without WHERE'],
    [`MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE`, 'MERGE … DELETE'],
    [`COPY a FROM PROGRAM 'sh'`, 'COPY … PROGRAM (runs what is not SQL)'],
    [
      `q := format('ALTER TABLE %I DROP COLUMN b', t); RAISE NOTICE 'drop table a'; EXECUTE q USING 1`,
      'DROP COLUMN',
    ],
    [`FOREACH t IN ARRAY ARRAY['a', 'b'] LOOP EXECUTE 'TRUNCATE TABLE ' || t; END LOOP`, 'TRUNCATE'],
  ])('in a body: %s', (body, what) => {
    const sql = `SELECT 1;\nDO $do$ DECLARE v text; BEGIN ${body}; END $do$;`;
    expect(findDestructive(sql)).toMatchObject(what === undefined ? [] : [{ what, inside: 'do' }]);
  });

  it.each([
    "E'BEGIN\\n DROP TABLE a; END'",
    "U&'BEGIN\\000A DROP TABLE a; END'",
    "'BEGIN DROP TABLE a; END'",
  ])('in a body that is written as %s, of which nothing is quoted that is not where it seems', (body) => {
    const [found] = findDestructive(`\nDO ${body};`);
    expect(found).toMatchObject({ line: 2, what: 'DROP TABLE', inside: 'do' });
    expect(['', 'DROP TABLE a']).toContain(found?.words);
  });

  it.each([
    `EXECUTE format('DROP POLICY %I ON %I', p, t)`,
    `EXECUTE format('DROP FUNCTION IF EXISTS %I.%I', s, f)`,
    `EXECUTE 'DROP INDEX IF EXISTS ' || i`,
    `v := 'CREATE TABLE a (b int)'; EXECUTE v; RAISE EXCEPTION 'drop table % failed', t`,
    `v := 'DROP TABLE a'; RAISE NOTICE '%', v; EXECUTE 'SELECT 1'`,
    `EXECUTE format('DELETE FROM %I WHERE id = $1', t) USING 1`,
    `EXECUTE 'UPDATE a SET b = 1 WHERE ' || cond`,
    `IF TG_OP = 'DELETE' THEN RETURN OLD; ELSIF TG_OP = 'UPDATE' THEN RETURN NEW; END IF`,
    `MERGE INTO a USING b ON a.x = b.x WHEN MATCHED AND b.gone THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)`,
    `EXPLAIN ANALYZE INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET b = 1`,
    `EXECUTE 'GRANT EXECUTE ON FUNCTION f() TO x'; EXECUTE format('SET LOCAL ROLE %I', r)`,
  ])('none, in a body: %s', (body) => {
    expect(findDestructive(`DO $do$ BEGIN ${body}; END $do$;`)).toEqual([]);
  });

  it.each([
    "SET standard_conforming_strings = on; SELECT set_config('search_path', '', false); SET client_min_messages = warning",
    'COPY program (a) FROM stdin;\n1\n\\.\nCOPY a TO stdout',
    '\\set ON_ERROR_STOP on\n\\connect x\n\\timing\nSELECT 1;',
    'EXPLAIN DELETE FROM a; EXPLAIN (COSTS off) UPDATE a SET b = 1',
    'DELETE FROM a WHERE $1; DELETE FROM a WHERE b = c; DELETE FROM a WHERE id = 1 OR true = b',
    'PREPARE x AS SELECT 1; EXECUTE x; DEALLOCATE x',
    `do $$ begin if not exists (select from information_schema.columns where table_name = 'users') then
       alter table "auth"."users" rename column "email_confirmed" to "email_confirmed_at"; end if; end $$;
     create or replace function storage.search(prefix text) returns table (name text) language plpgsql stable as $$
     declare v_order_by text; begin
       case when prefix = 'name' then v_order_by = 'name'; else v_order_by = 'created_at'; end case;
       return query execute 'select name from storage.objects order by ' || v_order_by || ' limit $1' using 10; end $$;
     create or replace function storage.protect_delete() returns trigger language plpgsql as $$ begin
       if coalesce(current_setting('storage.allow_delete_query', true), 'false') != 'true' then
         raise exception 'Direct deletion from storage tables is not allowed. Use the Storage API instead.'
           using hint = 'Delete from storage.objects through it', errcode = '42501'; end if; return null; end $$;
     create trigger protect_objects_delete before delete on storage.objects for each statement execute function storage.protect_delete();
     create policy "own" on storage.objects for delete to authenticated using (auth.uid() = owner);
     alter publication supabase_realtime drop table public.messages; drop trigger if exists t on auth.users;
     alter table storage.objects drop constraint if exists "objects_owner_fkey", alter column owner drop default;
     update storage.objects set version = gen_random_uuid() where version is null;
     delete from storage.prefixes p where p.level = 1 and not exists (select from storage.objects o where o.level = 2);
     grant all on all tables in schema auth to postgres, dashboard_user; drop function if exists storage.f(text) cascade`,
  ])('none: %s', (sql) => {
    expect(findDestructive(sql)).toEqual([]);
  });

  it.each([
    'CREATE TABLE a (b int REFERENCES c (d) ON DELETE CASCADE ON UPDATE SET NULL)',
    'ALTER TABLE a DROP CONSTRAINT b, ALTER COLUMN c DROP NOT NULL, ALTER d DROP DEFAULT, ALTER e DROP IDENTITY',
    'ALTER TABLE a ALTER COLUMN b TYPE text, ADD COLUMN type text, RENAME TO c',
    'ALTER TABLE a ALTER COLUMN b SET DEFAULT 1, ALTER CONSTRAINT c DEFERRABLE, DETACH PARTITION d',
    'ALTER VIEW a ALTER COLUMN b DROP DEFAULT; ALTER TYPE mood ADD VALUE $$x$$',
    'DROP VIEW a; DROP INDEX b; DROP POLICY c ON d; DROP TRIGGER e ON f; DROP FUNCTION g() CASCADE',
    'DROP MATERIALIZED VIEW a; DROP TYPE mood; DROP FOREIGN TABLE f; DROP ROLE r',
    'GRANT SELECT, DELETE, UPDATE (a), TRUNCATE ON b TO c; REVOKE DELETE ON b FROM c',
    'CREATE TRIGGER t AFTER DELETE OR UPDATE ON a EXECUTE FUNCTION f()',
    'CREATE POLICY p ON a FOR DELETE USING (true); CREATE POLICY q ON a FOR UPDATE WITH CHECK (true)',
    'INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET b = 1',
    'SELECT * FROM a FOR UPDATE; SELECT truncate(1.5), "delete" FROM b',
    'DELETE FROM a WHERE id = 1; UPDATE a SET b = 1 WHERE c IS NULL RETURNING (d)',
    'WITH x AS (DELETE FROM a WHERE b RETURNING 1) UPDATE c SET d = 1 WHERE e',
    'CREATE RULE r AS ON DELETE TO a DO INSTEAD (UPDATE a SET b = 1; DELETE FROM c)',
    'CREATE FUNCTION f() RETURNS void LANGUAGE plv8 AS $$ DROP TABLE "`it\'s`" $$',
    'COMMENT ON TABLE a IS \'DROP TABLE a;\'; SELECT 1 AS "DROP TABLE a;"',
    'COPY a FROM stdin;\n1\t; DROP TABLE a;\n\\.\n',
    '',
  ])('is none of: %s', (sql) => {
    expect(findDestructive(sql)).toEqual([]);
  });

  it('is found in bodies, of DO blocks and of functions, and in what they hand to EXECUTE', () => {
    const found = findDestructive(`
DO $do$
DECLARE r record;
BEGIN
  FOR r IN SELECT 1 LOOP
    EXECUTE 'ALTER TABLE ' || quote_ident(r.t) || ' DROP COLUMN x';
    IF true THEN DROP TABLE a; ELSE TRUNCATE b; END IF;
    EXECUTE format($f$DELETE FROM %I.%2$I$f$, 's', 't');
    EXECUTE 'DELETE FROM a WHERE id = ' || 5;
    RAISE NOTICE 'DROP TABLE c; DROP TABLE d;'; -- DROP TABLE e;
  END LOOP;
END $do$;
CREATE OR REPLACE FUNCTION f(language text) RETURNS void LANGUAGE 'plpgsql' AS '
BEGIN
  UPDATE t SET a = ''DROP TABLE t;'';
END';
CREATE PROCEDURE p() BEGIN ATOMIC
  SELECT CASE WHEN true THEN 1 END; DELETE FROM x;
END;
CREATE FUNCTION q() RETURNS int LANGUAGE sql AS $$ DELETE FROM y RETURNING 1 $$;
DROP TABLE z;`);
    expect(found.map(({ line, what, inside }) => `${line} ${what} ${inside}`)).toEqual([
      '6 DROP COLUMN do',
      '7 DROP TABLE do',
      '7 TRUNCATE do',
      '8 DELETE without WHERE do',
      '15 UPDATE without WHERE function',
      '18 DELETE without WHERE function',
      '20 DELETE without WHERE function',
      '21 DROP TABLE null',
    ]);
  });

  it.each([
    [`OPEN c FOR EXECUTE 'DELETE FROM public.orders RETURNING id'`, 'DELETE without WHERE'],
    ['OPEN c NO SCROLL FOR DELETE FROM orders RETURNING id', 'DELETE without WHERE'],
    ['OPEN c FOR UPDATE orders SET total = 0 RETURNING id', 'UPDATE without WHERE'],
    [`RETURN QUERY EXECUTE format('DELETE FROM %I RETURNING id', 'orders')`, 'DELETE without WHERE'],
    [`IF true THEN EXECUTE concat('TRUNCATE ', 'public.orders'); END IF`, 'TRUNCATE'],
    ['FOR r IN DELETE FROM public.orders RETURNING id LOOP END LOOP', 'DELETE without WHERE'],
    [`FOR r IN EXECUTE 'DELETE FROM orders RETURNING id' LOOP END LOOP`, 'DELETE without WHERE'],
    ['LOOP FETCH c INTO r; DELETE FROM orders WHERE CURRENT OF c; END LOOP', 'DELETE … WHERE CURRENT OF'],
    ['UPDATE orders SET total = 0 WHERE CURRENT OF c', 'UPDATE … WHERE CURRENT OF'],
    [`EXECUTE 'DELETE FROM orders WHERE CURRENT OF c'`, 'DELETE … WHERE CURRENT OF'],
  ])('is found where a cursor is at work: %s', (body, what) => {
    const sql = `DO $$ DECLARE c refcursor; r record; BEGIN ${body}; END $$`;
    expect(findDestructive(sql)).toMatchObject([{ what, inside: 'do' }]);
  });

  it.each([
    'OPEN c FOR SELECT id FROM orders FOR UPDATE',
    'FOR r IN SELECT id FROM orders FOR UPDATE LOOP UPDATE orders SET a = 1 WHERE id = r.id; END LOOP',
    'PERFORM id FROM orders FOR UPDATE; INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET b = 1',
    `OPEN c FOR EXECUTE 'SELECT id FROM orders FOR UPDATE'`,
  ])('is not what a cursor only reads or locks: %s', (body) => {
    expect(findDestructive(`DO $$ BEGIN ${body}; END $$`)).toEqual([]);
  });

  it('is told with its first words, and without any text between quotes', () => {
    const [first] = findDestructive("UPDATE  users -- all\n SET password = 'hunter2', a = $$b$$");
    expect(first?.words).toBe("UPDATE users SET password = '…', a …");
    expect(findDestructive('DROP TABLE  "my table"')[0]?.words).toBe('DROP TABLE "my table"');
  });

  it.each(["SELECT 'a", 'SELECT "a', 'SELECT $x$ a', '/* /* */', "SELECT E'a\\'"])(
    'may be in %s, which never ends',
    (sql) => {
      expect(findDestructive(`SELECT 1;\n${sql}; DROP TABLE a;`)).toMatchObject([
        { line: 2, what: expect.stringContaining('without an end') },
      ]);
    },
  );
});

/* Laws. Whatever is hidden is never found, and hides nothing. */

const destructive = [
  'DROP TABLE a;',
  'TRUNCATE a;',
  'DELETE FROM a;',
  "'; DROP TABLE a;",
  '"; DROP TABLE a; --',
  '*/ DROP TABLE b;',
];
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom(...destructive, "'", '"', '--', '\n', '\\', ';', '$', '$$', '$a$', 'é'),
      fc.string(),
    ),
  )
  .map((parts) => parts.join(''));

const hidden = fc.oneof(
  nasty.map((text) => `SELECT '${text.replaceAll("'", "''")}';`),
  nasty.map((text) => `SELECT E'${text.replace(/[\\']/g, '\\$&')}';`),
  nasty.map((text) => `SELECT 1 AS "x${text.replaceAll('"', '""')}";`),
  nasty.map((text) => `SELECT $tag$${text.replaceAll('$', '')}$tag$;`),
  nasty.map((text) => `SELECT $$${text.replaceAll('$', '')}$$;`),
  nasty.map((text) => `-- ${text.replace(/[\n\r]/g, ' ')}\n`),
  nasty.map(
    (text) => `/* ${text.replace(/[/*]/g, ' ')} /* DROP TABLE n; */ ${text.replace(/[/*]/g, ' ')} */`,
  ),
);

describe('whatever is hidden in strings, names and comments', () => {
  it('is never found', () => {
    fc.assert(
      fc.property(fc.array(hidden), (parts) => {
        expect(findDestructive(parts.join('\n'))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('hides nothing that comes before, between or after', () => {
    fc.assert(
      fc.property(fc.array(hidden), fc.array(hidden), (before, after) => {
        const head = [...before, ''].join('\n');
        const sql = `${head}DROP TABLE a;\n${after.join('\n')}`;
        const found = [
          { line: head.split('\n').length, what: 'DROP TABLE', words: 'DROP TABLE a', inside: null },
        ];
        expect(
          findDestructive(sql).map((finding) => ({ ...finding, words: finding.words.replace(/;.*/s, '') })),
        ).toEqual(found);
      }),
      { numRuns: 500 },
    );
  });

  it('of any text at all, tokens are in order, apart, and inside of it', () => {
    fc.assert(
      fc.property(nasty, (sql) => {
        let end = 0;
        for (const token of tokenize(sql)) {
          expect(token.start).toBeGreaterThanOrEqual(end);
          expect(token.end).toBeGreaterThan(token.start);
          end = token.end;
        }
        expect(end).toBeLessThanOrEqual(sql.length);
        findDestructive(sql);
      }),
    );
  });

  it('takes time in proportion to its length', () => {
    const rows = `INSERT INTO a VALUES (${"'it''s', ".repeat(200_000)}1);\n`;
    const started = performance.now();
    expect(whatOf(`${rows}${'/*'.repeat(10_000)}${'*/'.repeat(10_000)}DROP TABLE a;`)).toEqual([
      'DROP TABLE',
    ]);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it.each([
    ['WITH that is never closed', 'with a as ('.repeat(60_000), ''],
    [
      'commands in parentheses',
      'with a as (delete from x returning *), '.repeat(20_000),
      'DELETE without WHERE',
    ],
    ['commands in each other', 'with a as (delete from x where '.repeat(20_000), 'commands within commands'],
    [
      'commands behind parentheses',
      `with a ${'() delete from x '.repeat(40_000)}`,
      'commands within commands',
    ],
    ['parentheses before a word', `a ${'() delete '.repeat(60_000)}`, ''],
    [
      'branches in a body',
      `do $$ begin ${'then delete from x '.repeat(40_000)} $$`,
      'commands within commands',
    ],
    [
      'texts in a body',
      `do $$ begin ${"then execute 'drop table x' ".repeat(20_000)} $$`,
      'commands within commands',
    ],
    [
      'actions in a body',
      `do $$ begin ${'then alter table x drop y '.repeat(40_000)} $$`,
      'commands within commands',
    ],
  ])('takes no longer for %s', (_, sql, says) => {
    const started = performance.now();
    const found = whatOf(sql);
    expect(performance.now() - started).toBeLessThan(4000);
    expect(found.some((what) => what.includes(says)) || (says === '' && found.length === 0)).toBe(true);
  });

  it('reads what lies in each other as deep as anybody writes it', () => {
    const deep = `${'with a as (delete from x where b in ('.repeat(30)} delete from y ${'))'.repeat(30)} select 1;`;
    expect(whatOf(`${deep} drop table z;`)).toEqual(['DROP TABLE']);
    const many = Array.from({ length: 5000 }, (_, n) => `a${n} as (delete from t${n} where id = ${n})`);
    expect(whatOf(`with ${many.join(', ')} select 1; drop table z`)).toEqual(['DROP TABLE']);
  });
});
