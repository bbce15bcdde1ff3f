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
  nasty.map((text) => `-- ${text.replace(/[\n]/g, ' ')}\n`),
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
