import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Definition } from '../../src/format/supplement.ts';
import { putInWordsOf } from '../../src/parity/reading.ts';
import { readDefinitions } from '../../src/postgres/catalog/definitions.ts';
import { splitDetail, withoutMarks } from '../../src/postgres/catalog/printed-text.ts';
import { applySettings } from '../../src/postgres/session/output-settings.ts';
import { createDatabase, type Database } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

/* Texts in other words than the server's own: as somebody typed them, or as a server printed them that had not read them from a dump. */

let cluster: Cluster;
let database: Database;

beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
  await database.run(`
    CREATE SCHEMA app;
    CREATE TABLE app."T" (id int PRIMARY KEY, s varchar(20), at int4range, g bool GENERATED ALWAYS AS (s IN ('a', 'b')) STORED,
      d bool DEFAULT ('a'::varchar IN ('a', 'b')), CONSTRAINT short CHECK (s IN ('a', 'b')), CONSTRAINT apart EXCLUDE USING gist (at WITH &&) WHERE (s IN ('a', 'b')));
    CREATE INDEX partly ON app."T" (id) WHERE s IN ('a', 'b');
    CREATE UNIQUE INDEX computed ON app."T" ((s IN ('a', 'b')));
    CREATE TABLE app.parts (s varchar, k int) PARTITION BY LIST ((s IN ('a', 'b')));
    CREATE INDEX on_parts ON app.parts ((s IN ('a', 'b')));
    CREATE POLICY own ON app."T" USING (s IN ('a', 'b')) WITH CHECK (EXISTS (SELECT FROM app.parts p WHERE p.k = "T".id AND p.s IN ('a', 'b')));
    CREATE TRIGGER watch BEFORE UPDATE ON app."T" FOR EACH ROW WHEN (NEW.s IN ('a', 'b')) EXECUTE FUNCTION suppress_redundant_updates_trigger();
    CREATE RULE quiet AS ON DELETE TO app."T" WHERE OLD.s IN ('a', 'b') DO INSTEAD INSERT INTO app.parts VALUES (OLD.s, OLD.id);
    CREATE VIEW app.seen AS SELECT q.id FROM (SELECT id FROM app."T" UNION ALL SELECT NULL) q;
    CREATE MATERIALIZED VIEW app.kept AS SELECT id FROM app."T" WHERE s IN ('a', 'b');
    CREATE DOMAIN app.code AS varchar DEFAULT 'A' CHECK (VALUE IN ('a', 'b'));
    CREATE FUNCTION app.f(a varchar, b bool DEFAULT 'a'::varchar IN ('a', 'b')) RETURNS bool RETURN a IN ('a', 'b');
    CREATE PROCEDURE app.p(a varchar, b bool DEFAULT 'a'::varchar IN ('a', 'b')) BEGIN ATOMIC SELECT p.a IN ('a', 'b'); END;
    CREATE STATISTICS app.together ON (s IN ('a', 'b')), id FROM app."T";
    CREATE PUBLICATION news FOR TABLE app."T" (id, s) WHERE (id IN (1, 2));
    CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'something of the user ran'; END $$;
    CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION app.on_ddl()`);
}, 60_000);
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});

async function readAll(): Promise<Definition[]> {
  const session = await database.open();
  await applySettings(session, 'UTF8');
  return readDefinitions(session);
}

const read = (expected: readonly Definition[], found: readonly Definition[]) =>
  putInWordsOf(database.settings, 'UTF8', expected, found, new AbortController().signal);

/** The same in other words: as it is typed. */
const retype = (line: Definition, replace: (text: string) => string): Definition => {
  const { texts } = splitDetail(line.detail);
  return {
    ...line,
    detail: texts.reduce((detail, text) => detail.replace(text, () => replace(text)), line.detail),
  };
};
const lists =
  /\((\S+|'a'::character varying)\)::text = ANY \(\(ARRAY\['a'::character varying, 'b'::character varying\]\)::text\[\]\)/g;
const asTyped = (text: string) =>
  text
    .replaceAll(lists, "$1 IN ('a', 'b')")
    .replace(
      "s::text = ANY (ARRAY['a'::character varying, 'b'::character varying]::text[])",
      "s IN ('a', 'b')",
    )
    .replace('= ANY (ARRAY[1, 2])', 'IN (1, 2)')
    .replace(' NULL::', ' null::');

const name = ({ kind, schema, relation, name }: Definition) =>
  [kind, schema, relation, name].filter((part) => part !== null).join(' ');

describe('a text in other words', () => {
  it('comes out in those of the server, wherever it stands', async () => {
    const found = await readAll();
    const expected = found.map((line) => retype(line, asTyped));
    const changed = expected.filter(({ detail }, index) => detail !== found[index]?.detail);
    expect(changed.map(name)).toEqual([
      'column app T d',
      'column app T g',
      'constraint app T apart',
      'constraint app T short',
      'function app f(character varying, boolean)',
      'function app p(character varying, boolean)',
      'index app T apart',
      'index app T computed',
      'index app T partly',
      'index app parts on_parts',
      'materialized view app kept',
      'policy app T own',
      'publication table app T news',
      'rule app T quiet',
      'statistics object app app."T" together',
      'table app parts',
      'trigger app T watch',
      'type app code',
      'view app seen',
    ]);
    expect((await read(expected, found)).map(({ detail }) => detail)).toEqual(
      found.map(({ detail }) => detail),
    );
  });

  it('that was stored without marks does so, too', async () => {
    const found = await readAll();
    const old = found
      .filter(({ detail }) => !detail.includes('definition '))
      .map((line) => retype(line, asTyped))
      .map((line) => ({ ...line, detail: withoutMarks(line.detail) }));
    const printed = await read(old, found);
    const there = new Map(found.map((line) => [name(line), withoutMarks(line.detail)]));
    expect(printed.map(({ detail }) => withoutMarks(detail))).toEqual(
      old.map((line) => there.get(name(line))),
    );
  });

  it('that says something else, or that the server cannot read, stays another', async () => {
    const found = await readAll();
    const others = [
      (text: string) => text.replaceAll("'b'", "'c'").replace('[1, 2]', '[1, 3]').replace("'A'", "'B'"),
      () => 'no SQL',
    ];
    for (const change of others) {
      const expected = found.map((line) => retype(line, change));
      const printed = await read(expected, found);
      const same = printed.filter(
        ({ detail }, index) => detail === found[index]?.detail && expected[index]?.detail !== detail,
      );
      expect(same.map(name)).toEqual([]);
    }
  });

  it('leaves nothing behind, and lets what is locked be', async () => {
    const found = await readAll();
    const expected = found.map((line) => retype(line, asTyped));
    const before = await database.rows('SELECT count(*), max(oid) FROM pg_class');
    await database.run('BEGIN; LOCK TABLE app.parts IN ACCESS EXCLUSIVE MODE');
    const printed = await read(expected, found).finally(() => database.run('ROLLBACK'));
    expect(await database.rows('SELECT count(*), max(oid) FROM pg_class')).toEqual(before);
    const unread = printed.filter(({ detail }, index) => detail !== found[index]?.detail).map(name);
    expect(unread).toEqual([
      'index app parts on_parts',
      'policy app T own',
      'rule app T quiet',
      'table app parts',
    ]);
  });

  it('is not read where nothing differs, nor where something of the user would run that cannot be disabled', async () => {
    const found = await readAll();
    const nowhere = { ...database.settings, port: 1 };
    expect(await putInWordsOf(nowhere, 'UTF8', found, found, new AbortController().signal)).toEqual(found);
    const expected = found.map((line) => retype(line, asTyped));
    await database.run(
      `SET session_replication_role = replica; CREATE ROLE reading LOGIN PASSWORD 'reading'; GRANT USAGE ON SCHEMA app TO reading; RESET session_replication_role`,
    );
    const reading = { ...database.settings, user: 'reading', password: 'reading' };
    expect(await putInWordsOf(reading, 'UTF8', expected, found, new AbortController().signal)).toEqual(
      expected,
    );
  });

  it.each(['ALWAYS', 'REPLICA'])(
    'is read where an event trigger is enabled %s, which does not fire',
    async (state) => {
      const found = await readAll();
      const expected = found.map((line) => retype(line, asTyped));
      await database.run(`ALTER EVENT TRIGGER on_ddl ENABLE ${state}`);
      expect((await read(expected, found)).map(({ detail }) => detail)).toEqual(
        found.map(({ detail }) => detail),
      );
      expect(await database.rows('SELECT evtenabled FROM pg_event_trigger')).toEqual([[state[0]]]);
      await database.run('ALTER EVENT TRIGGER on_ddl ENABLE');
    },
  );

  it('is read 2,000 times in seconds', async () => {
    await database.run(`DO $$ BEGIN SET LOCAL session_replication_role = replica; FOR n IN 1..1000 LOOP
      EXECUTE format('CREATE TABLE app.many_%s (s varchar(20) CHECK (s IN (''a'', ''b'')), t varchar CHECK (t IN (''a'', ''b'')))', n);
      IF n % 500 = 0 THEN COMMIT; SET LOCAL session_replication_role = replica; END IF; END LOOP; END $$`);
    const found = await readAll();
    const expected = found.map((line) => retype(line, asTyped));
    const differing = expected.filter(({ detail }, index) => detail !== found[index]?.detail);
    expect(differing.length).toBeGreaterThan(2000);
    const start = performance.now();
    const printed = await read(expected, found);
    expect(performance.now() - start).toBeLessThan(60_000);
    expect(printed.filter(({ detail }, index) => detail !== found[index]?.detail).map(name)).toEqual([]);
  }, 180_000);
});
