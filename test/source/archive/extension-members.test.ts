import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSession, type Session } from '../../../src/postgres/session/connection.ts';
import { readAdditions } from '../../../src/source/archive/extension-additions.ts';
import {
  countUnwrittenRows,
  findOrphanedSequences,
  findUnwrittenObjects,
  findUnwrittenSequences,
} from '../../../src/source/archive/extension-members.ts';
import { asRole, createDatabase, type Database } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';

let cluster: Cluster;
let database: Database;
let session: Session;

/** An extension as its script makes it, in one transaction. Nobody but root could put the files of one on the server. */
const toy = `
  BEGIN;
  INSERT INTO pg_extension SELECT 99000, 'toy', 10, oid, true, '1', NULL, NULL FROM pg_namespace WHERE nspname = 'public';
  CREATE FUNCTION toy_touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
  CREATE TABLE toy_words AS SELECT 'a' AS word;
  CREATE TABLE toy_empty (id int);
  CREATE TABLE toy_settings AS SELECT 'x' AS name, 'y' AS value;
  CREATE TABLE toy_systems (id int PRIMARY KEY, mine boolean NOT NULL CHECK (id > 0));
  INSERT INTO toy_systems VALUES (1, false), (2, false), (3, true);
  CREATE SEQUENCE toy_counter; CREATE SEQUENCE toy_unused; CREATE SEQUENCE toy_kept;
  CREATE TRIGGER toy_trigger BEFORE INSERT ON toy_systems FOR EACH ROW EXECUTE FUNCTION toy_touch();
  CREATE INDEX toy_index ON toy_words (word);
  ALTER EXTENSION toy ADD FUNCTION toy_touch();
  ${['words', 'empty', 'settings', 'systems'].map((name) => `ALTER EXTENSION toy ADD TABLE toy_${name};`).join(' ')}
  ${['counter', 'unused', 'kept'].map((name) => `ALTER EXTENSION toy ADD SEQUENCE toy_${name};`).join(' ')}
  UPDATE pg_extension SET
    extconfig = ARRAY['toy_settings'::regclass, 'toy_systems'::regclass, 'toy_kept'::regclass]::oid[],
    extcondition = ARRAY['', 'WHERE mine', ''] WHERE extname = 'toy';
  COMMIT;
  SELECT nextval('toy_counter'), nextval('toy_kept');`;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
});
beforeEach(async () => {
  database = await createDatabase(cluster);
  await database.run(toy);
  session = await database.open();
  return () => database.close();
});

const dump = () => execFileSync(`${cluster.binFolder}/pg_dump`, [database.url], { encoding: 'utf8' });
const countIn = async (of: Session) => {
  await of.query('BEGIN');
  const rows = await countUnwrittenRows(of, { present: async () => of, lockTimeoutSeconds: 1 });
  await of.query('COMMIT');
  return rows;
};
const named = async () =>
  (await findUnwrittenObjects(session)).map(({ kind, name, how }) => `${how}: ${kind} ${name}`);

describe('of an extension as its script makes it', () => {
  it('the rows that pg_dump does not write are counted, whether it writes none of a table or some', async () => {
    const rows = await countIn(session);
    expect(rows.map(({ table, rows: count, condition }) => [table, count, condition])).toEqual([
      ['toy_systems', 2, 'WHERE mine'],
      ['toy_words', 1, undefined],
    ]);
    expect(rows.every(({ added, extension }) => !added && extension === 'toy')).toBe(true);
    const script = dump();
    expect(script).toContain('COPY public.toy_systems (id, mine) FROM stdin;\n3\tt\n\\.');
    expect(script).toContain('COPY public.toy_settings');
    expect(script).not.toContain('COPY public.toy_words');
  });

  it('the sequences that were used and are no configuration are named', async () => {
    expect(await findUnwrittenSequences(session)).toEqual([
      { schema: 'public', name: 'toy_counter', extension: 'toy' },
    ]);
    expect(dump()).toContain("setval('public.toy_kept', 1, true)");
  });

  it('nothing else is named: its own triggers, keys and indexes it makes again', async () => {
    expect(await named()).toEqual([]);
    expect(await findOrphanedSequences(session)).toEqual([]);
  });
});

describe('what somebody added', () => {
  it('to tables of an extension is named, and is not in a dump', async () => {
    await database.run(`
      CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
      CREATE TRIGGER my_trigger BEFORE INSERT ON toy_words FOR EACH ROW EXECUTE FUNCTION mine();
      CREATE POLICY my_policy ON toy_words USING (true);
      CREATE INDEX my_index ON toy_words (length(word));
      ALTER TABLE toy_words ADD my_column int, ADD CONSTRAINT my_check CHECK (my_column > 0), ADD CONSTRAINT my_key UNIQUE (my_column);
      CREATE RULE my_rule AS ON DELETE TO toy_words DO INSTEAD NOTHING;
      CREATE STATISTICS my_statistics ON word, my_column FROM toy_words;
      -- What is on tables of nobody's extension is in the dump, and is no matter here.
      CREATE TABLE plain (id int PRIMARY KEY); CREATE TRIGGER plain_trigger BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION mine();`);
    expect(await named()).toEqual([
      'on: column my_column on public.toy_words',
      'on: constraint my_check on public.toy_words',
      'on: constraint my_key on public.toy_words',
      'on: rule my_rule on public.toy_words',
      'on: statistics object my_statistics on public.toy_words',
    ]);
    expect(await readAdditions(session)).toEqual([
      expect.objectContaining({
        what: 'policy public.toy_words my_policy',
        sql: 'CREATE POLICY my_policy ON public.toy_words AS PERMISSIVE FOR ALL TO PUBLIC USING (true)',
        guards: false,
      }),
      expect.objectContaining({ what: 'trigger public.toy_words my_trigger' }),
      expect.objectContaining({
        what: 'index public.my_index',
        sql: 'CREATE INDEX IF NOT EXISTS my_index ON public.toy_words USING btree (length(word))',
      }),
    ]);
    const script = dump();
    expect(script).not.toMatch(/my_/);
    expect(script).toContain('plain_trigger');
  });

  it('to an extension is named, and is not in a dump: tables with their sequences even when they are empty', async () => {
    await database.run('CREATE TABLE queue (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message jsonb)');
    await database.run('CREATE FUNCTION later(int) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$');
    await database.run('ALTER EXTENSION toy ADD TABLE queue');
    await database.run('ALTER EXTENSION toy ADD FUNCTION later(int)');
    // As a queue is made: the table and its place in the extension in one transaction.
    await database.run(
      'BEGIN; CREATE TABLE other_queue AS SELECT 1 AS id; ALTER EXTENSION toy ADD TABLE other_queue; COMMIT',
    );
    const rows = (await countIn(session)).filter(({ added }) => added);
    expect(rows.map(({ table, rows: count }) => [table, count])).toEqual([
      ['other_queue', 1],
      ['queue', 0],
    ]);
    expect(await named()).toEqual(['added: function public.later(integer)']);
    expect(await findOrphanedSequences(session)).toEqual([
      { name: 'public.queue_id_seq', table: 'public.queue' },
    ]);
    expect(dump()).not.toMatch(/queue|later/);
  });
});

it('rows that a role may not read, or not all of them, are told without their number', async () => {
  await database.run(`
    CREATE ROLE reader_of_${database.name} LOGIN PASSWORD 'p';
    ALTER TABLE toy_systems ENABLE ROW LEVEL SECURITY; GRANT SELECT ON toy_systems TO public`);
  const reader = await openSession(asRole(database.settings, `reader_of_${database.name}`, 'p'));
  await reader.query('SET row_security = off');
  const rows = await countIn(reader);
  expect(rows.map(({ table, rows: count }) => [table, count])).toEqual(
    ['toy_empty', 'toy_systems', 'toy_words'].map((table) => [table, 'not readable']),
  );
  await reader.close();
});
