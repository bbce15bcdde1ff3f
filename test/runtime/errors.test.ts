import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession, type Session } from '../../src/postgres/session/connection.ts';
import { messageOf } from '../../src/runtime/errors.ts';
import { createDatabase, type Database } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

let cluster: Cluster;
let database: Database;
let session: Session;
beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
  session = await openSession(database.settings);
});
afterAll(async () => {
  await session?.close();
  await database?.close();
  await cluster?.stop();
});

const say = (sql: string): Promise<string> =>
  session.query(sql).then(
    () => 'nothing was wrong',
    (error: unknown) => messageOf(error),
  );

describe('what is told of what a server says', () => {
  it.each([
    `DO $$ BEGIN RAISE EXCEPTION 'the row is SECRET' USING HINT = 'SECRET', DETAIL = 'SECRET'; END $$`,
    `DO $$ BEGIN RAISE 'SECRET' USING ERRCODE = '42501', DETAIL = 'SECRET'; END $$`,
    `DO $$ BEGIN ASSERT false, 'SECRET'; END $$`,
    `SELECT 'SECRET'::int`,
    `SELECT 'SECRET"1"'::uuid`,
    `SELECT 'SECRET'::timestamptz`,
    `SELECT '{SECRET'::int[]`,
    `SELECT '["SECRET'::json`,
    `SELECT '9999999999999'::int4`,
    `SELECT 'SECRET' COLLATE "SECRET"`,
  ])('are no values: %s', async (sql) => {
    const told = await say(sql);
    expect(told).not.toMatch(/9999999999999/);
    if (!sql.includes('COLLATE')) expect(told).not.toContain('SECRET');
    expect(told).not.toBe('nothing was wrong');
  });

  it.each([
    [`SELECT * FROM nowhere.at_all`, 'relation "nowhere.at_all" does not exist'],
    [`SET work_mem = 'much'`, 'invalid value for parameter "work_mem": "much"'],
    [`SELECT 'x'::int`, 'invalid input syntax for type integer: "…"'],
    [`DO $$ BEGIN RAISE 'x'; END $$`, 'SQLSTATE P0001'],
    [`CREATE EXTENSION nonesuch`, 'extension "nonesuch" is not available; hint: '],
  ])('are its words about everything else: %s', async (sql, words) => {
    expect(await say(sql)).toContain(words);
  });
});
