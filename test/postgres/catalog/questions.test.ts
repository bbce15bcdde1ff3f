import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { askQuestions, readFreshness, tellUnanswered } from '../../../src/postgres/catalog/questions.ts';
import { letRead, type Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createDatabase, type Database } from '../database.ts';

let cluster: Cluster;
let database: Database;
let session: Session;

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off', timezone: 'Asia/Kathmandu' } });
  database = await createDatabase(cluster);
  await database.run(`
    CREATE TABLE t (id int, at timestamptz, day date, n numeric, note text, flag boolean, "Odd ""name""" int);
    INSERT INTO t VALUES (1, '2026-11-19 23:30:00.25+00', '2026-11-19', 1.50, E'tab\\there', true, 7),
      (2, '2026-11-20 00:15:00+00', '2026-11-20', NULL, NULL, false, 8), (3, NULL, '2026-01-01', 9, '', true, 9), (4, NULL, NULL, 3, 'x', NULL, 1);
    CREATE TABLE empty (at timestamptz);
    CREATE VIEW seen AS SELECT at FROM t`);
  session = await database.open();
  await letRead(session);
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});
beforeEach(async () => {
  await session.query('ROLLBACK');
  await applySettings(session, 'UTF8');
  await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('askQuestions', () => {
  it('answers with the number of rows, their digest and the first three', async () => {
    const sql = 'SELECT id, n, note FROM public.t ORDER BY id';
    const rows = ['1\t1.50\ttab\\there', '2\t\\N\t\\N', '3\t9\t', '4\t3\tx'];
    expect(await askQuestions(session, [sql])).toEqual([
      {
        sql,
        rows: 4,
        digest: sha256(rows.map((row) => `${row}\n`).join('')),
        sample: rows.slice(0, 3).join('\n'),
      },
    ]);
  });

  it.each<[what: string, sql: string, rows: number, sample: string]>([
    ['columns of one name', 'SELECT 1 AS a, 2 AS a', 1, '1\t2'],
    ['no name at all', `SELECT 'x' || 'y', count(*) FROM public.t`, 1, 'xy\t4'],
    [
      'any type',
      `SELECT ARRAY[1, NULL], ROW(1, 'a b'), '{"a": 1}'::jsonb, true`,
      1,
      '{1,NULL}\t(1,"a b")\t{"a": 1}\tt',
    ],
    ['VALUES', 'VALUES (1), (2)', 2, '1\n2'],
    ['WITH', 'WITH w AS (SELECT id FROM public.t) SELECT count(*) FROM w', 1, '4'],
    ['TABLE', 'TABLE public.empty', 0, ''],
    ['a semicolon at the end', 'SELECT 1 ; ', 1, '1'],
    ['a comment at the end', 'SELECT 1 -- one', 1, '1'],
    ['no column', 'SELECT FROM public.t', 4, '\n\n'],
    ['an empty text', `SELECT ''`, 1, ''],
  ])('takes %s', async (_what, sql, rows, sample) => {
    const [answer] = await askQuestions(session, [sql]);
    expect(answer).toMatchObject({ rows, sample });
  });

  it('tells a moment in UTC, whatever the server says', async () => {
    const [answer] = await askQuestions(session, ['SELECT max(at) FROM public.t']);
    expect(answer?.sample).toBe('2026-11-20 00:15:00+00');
  });

  it('tells what the server said when one fails, and asks the others', async () => {
    const answers = await askQuestions(session, [
      'SELECT 1/0',
      'SELECT * FROM public.nothing',
      'DELETE FROM public.t RETURNING id',
      'SELECT 1; SELECT 2',
      "SELECT set_config('search_path', 'app', true)",
      "SELECT current_setting('search_path')",
    ]);
    expect(answers.map(({ rows, digest }) => [rows, digest === null])).toEqual([
      [null, true],
      [null, true],
      [null, true],
      [null, true],
      [1, false],
      [1, false],
    ]);
    expect(answers.map(({ sample }) => sample)).toEqual([
      'division by zero',
      'relation "public.nothing" does not exist',
      'cannot execute DELETE in a read-only transaction',
      expect.stringContaining('syntax error'),
      'app',
      '',
    ]);
    expect(await session.query('SELECT count(*) AS count FROM public.t')).toEqual([{ count: 4 }]);
  });

  it('hands over each that fails, and says of names without a schema what to do', async () => {
    const told: string[] = [];
    await askQuestions(
      session,
      ['SELECT count(*) FROM t', 'SELECT count(*) FROM public.t', "SELECT 'secret'::int"],
      (sql, error) => told.push(tellUnanswered(sql, error)),
    );
    expect(told).toEqual([
      'checks: the source does not answer this, so that restores have nothing to compare (relation "t" does not exist): SELECT count(*) FROM t. Write names with their schema, as public.users: it is asked with an empty search_path.',
      // The message of a value has the value.
      "checks: the source does not answer this, so that restores have nothing to compare (SQLSTATE 22P02): SELECT 'secret'::int.",
    ]);
  });

  it('digests an answer of many rows and keeps little of it', async () => {
    const sql = `SELECT repeat('é', 1000) || n FROM generate_series(1, 5000) AS n`;
    const [answer] = await askQuestions(session, [sql]);
    const text = Array.from({ length: 5000 }, (_, n) => `${'é'.repeat(1000)}${n + 1}\n`).join('');
    expect(answer).toEqual({ sql, rows: 5000, digest: sha256(text), sample: `${'é'.repeat(499)}…` });
  });

  it('digests a row that is longer than its buffer', async () => {
    const [answer] = await askQuestions(session, [`SELECT repeat('x', 300000)`]);
    expect(answer).toMatchObject({ rows: 1, digest: sha256(`${'x'.repeat(300_000)}\n`) });
  });

  it('throws when the session is lost', async () => {
    const other = await database.open();
    await other.query('BEGIN');
    await expect(askQuestions(other, ['SELECT pg_terminate_backend(pg_backend_pid())'])).rejects.toThrow(
      /lost|terminated|terminating|ended/,
    );
    other.destroy();
  });
});

describe('readFreshness', () => {
  const column = (table: string, name: string) => ({ schema: 'public', table, column: name });

  it('tells the newest values as text in UTC', async () => {
    await session.query(`SET LOCAL TimeZone = 'America/New_York'; SET LOCAL DateStyle = 'SQL, DMY'`);
    const found = await readFreshness(session, [
      column('t', 'at'),
      column('t', 'day'),
      column('seen', 'at'),
      column('t', 'Odd "name"'),
      column('empty', 'at'),
    ]);
    expect(found.map(({ newest }) => newest)).toEqual([
      '2026-11-20 00:15:00+00',
      '2026-11-20',
      '2026-11-20 00:15:00+00',
      '9',
      null,
    ]);
    expect(found[0]).toEqual({ ...column('t', 'at'), newest: '2026-11-20 00:15:00+00' });
  });

  it.each<[what: string, table: string, name: string, message: string, next: RegExp]>([
    ['table', 'tt', 'at', 'freshness: public.tt does not exist', /schema\.table\.column/],
    ['column', 't', 'AT', 'freshness: public.t has no column AT', /id, at, day/],
    [
      'newest value',
      't',
      'flag',
      'freshness: public.t: column flag of type boolean cannot be compared by age',
      /dates/,
    ],
  ])('names the input when there is no such %s', async (_what, table, name, message, next) => {
    const error = await readFreshness(session, [column(table, name)]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as ConfigurationError).message).toBe(message);
    expect((error as ConfigurationError).next).toMatch(next);
  });
});
