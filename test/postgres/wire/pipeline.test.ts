import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../../../src/postgres/session/connection.ts';
import type { ServerError } from '../../../src/postgres/session/server-error.ts';
import { Pipeline } from '../../../src/postgres/wire/pipeline.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createDatabase, type Database } from '../database.ts';

let cluster: Cluster;
let database: Database;
let session: Session;
let done: [rows: number, note: string][];
let pipeline: Pipeline<string>;

beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});
beforeEach(async () => {
  await database.run('DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, text text)');
  session = await database.open();
  done = [];
  pipeline = new Pipeline(
    session,
    (rows, note) => {
      if (rows === 0 && note.startsWith('update')) throw new Error(`${note} hit nothing`);
      done.push([rows, note]);
    },
    (error: ServerError, note) => new Error(`${note}: ${error.message}`),
  );
});

const insert = { name: 'i', sql: 'INSERT INTO t VALUES ($1, $2)' };
const update = { name: 'u', sql: 'UPDATE t SET text = $2 WHERE id = $1' };
const rows = () => database.rows('SELECT id, text FROM t ORDER BY id');

describe('statements that are sent without waiting', () => {
  it('are all carried out in their order, and each says what it did', async () => {
    await pipeline.execute(insert, ['1', 'one'], 'insert 1');
    await pipeline.execute(insert, ['2', null], 'insert 2');
    await pipeline.execute(update, ['1', ''], 'update 1');
    await pipeline.execute({ name: 'm', sql: "UPDATE t SET text = 'both'" }, [], 'all');
    await pipeline.execute({ name: 's', sql: 'SELECT FROM t' }, [], 'read');
    await pipeline.execute({ name: 'c', sql: 'SET work_mem = 1000' }, [], 'set');
    await pipeline.settle();
    expect(done).toEqual([
      [1, 'insert 1'],
      [1, 'insert 2'],
      [1, 'update 1'],
      [2, 'all'],
      [2, 'read'],
      [0, 'set'],
    ]);
    pipeline.release();
    expect(await session.query('SELECT $1::text AS text', ['fine'])).toEqual([{ text: 'fine' }]);
  });

  it('may be many, different, and large', async () => {
    for (let id = 0; id < 50_000; id++) await pipeline.execute(insert, [`${id}`, `text ${id}`], `${id}`);
    for (let id = 0; id < 2500; id++) {
      const different = { name: `d${id}`, sql: `UPDATE t SET text = $1 WHERE id = ${id}` };
      await pipeline.execute(different, ['changed'], `update ${id}`);
    }
    const large = 'x'.repeat(5_000_000);
    await pipeline.execute(update, ['0', large], 'update 0');
    await pipeline.settle();
    expect(done).toHaveLength(52_501);
    expect(done.every(([count]) => count === 1)).toBe(true);
    expect(await database.rows('SELECT count(*), max(length(text)) FROM t')).toEqual([['50000', '5000000']]);
    expect(await database.rows(`SELECT count(*) FROM t WHERE text = 'changed'`)).toEqual([['2499']]);
    const [kept] = await (async () => {
      pipeline.release();
      return session.query<{ count: number }>('SELECT count(*)::int AS count FROM pg_prepared_statements');
    })();
    expect(kept?.count).toBeLessThanOrEqual(1000);
  });

  it('send the bytes that they were given', async () => {
    await pipeline.execute(insert, ['1', Buffer.from('größe 🐘').toString('latin1')], 'insert');
    await pipeline.settle();
    expect(await rows()).toEqual([['1', 'größe 🐘']]);
  });

  it('end with what the server said first, and of which it said it', async () => {
    await pipeline.execute({ name: 'b', sql: 'BEGIN' }, [], 'begin');
    for (let id = 0; id < 20_000; id++) {
      await pipeline
        .execute(insert, [id === 7000 ? '6999' : `${id}`, 'x'], `insert ${id}`)
        .catch(() => undefined);
    }
    const expected = 'insert 7000: duplicate key value violates unique constraint "t_pkey"';
    await expect(pipeline.settle()).rejects.toThrow(expected);
    await expect(pipeline.flush()).rejects.toThrow(expected);
    expect(done).toHaveLength(7001);
    expect(await rows()).toEqual([]);
  });

  it('end with a statement that cannot be prepared', async () => {
    await pipeline.execute(insert, ['1', 'x'], 'insert');
    await pipeline.execute({ name: 'w', sql: 'SELECT FROM nowhere' }, [], 'read');
    await expect(pipeline.settle()).rejects.toThrow('read: relation "nowhere" does not exist');
  });

  it('end when one did not do what it should', async () => {
    await pipeline.execute(insert, ['1', 'x'], 'insert');
    await pipeline.execute(update, ['2', 'x'], 'update 2');
    await expect(pipeline.settle()).rejects.toThrow('update 2 hit nothing');
  });

  it.each([
    ['the server ends', 'terminating connection due to administrator command'],
    ['this side ends', 'the connection was lost while changes were being sent'],
  ])('end with the connection, which %s', async (side, expected) => {
    pipeline.release();
    const [backend] = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const waiting = new Pipeline<string>(
      session,
      () => undefined,
      (error) => error,
    );
    await waiting.execute({ name: 'w', sql: 'SELECT pg_sleep(60)' }, [], 'wait');
    const settled = waiting.settle();
    settled.catch(() => undefined);
    if (side === 'the server ends') await database.run(`SELECT pg_terminate_backend(${backend?.pid})`);
    else session.destroy();
    await expect(settled).rejects.toThrow(expected);
    await expect(waiting.execute(insert, ['1', 'x'.repeat(300_000)], 'insert')).rejects.toThrow(expected);
  });
});
