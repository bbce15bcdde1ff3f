import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { ServerError } from '../../../src/postgres/session/server-error.ts';
import { copyIn } from '../../../src/postgres/wire/copy-writer.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createDatabase, type Database, until } from '../database.ts';

let cluster: Cluster;
let database: Database;
let session: Session;

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
});

async function* parts(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

const stored = () => database.rows('SELECT id, text FROM t ORDER BY id');

/** The session does what a session does, a COPY of its own included. */
async function expectUsable(): Promise<void> {
  expect(await session.query('SELECT $1::text AS text', ['fine'])).toEqual([{ text: 'fine' }]);
  expect(await copyIn(session, 'COPY t FROM STDIN', parts('-1\tagain\n'))).toBe(1);
}

describe('the COPY writer', () => {
  it('sends rows, wherever the text is cut, and tells how many the server took', async () => {
    expect(
      await copyIn(session, 'COPY t FROM STDIN', parts('1\to', 'ne\n2\t', '', 'two\\nlines\n3\t\\N', '\n')),
    ).toBe(3);
    expect(await stored()).toEqual([
      ['1', 'one'],
      ['2', 'two\nlines'],
      ['3', null],
    ]);
    await expectUsable();
  });

  it.each([
    ['no parts', []],
    ['an empty part', ['']],
  ])('sends no rows: %s', async (_what, texts) => {
    expect(await copyIn(session, 'COPY t FROM STDIN', parts(...texts))).toBe(0);
    expect(await stored()).toEqual([]);
    await expectUsable();
  });

  it('does not run ahead of a server that is slower', async () => {
    await database.run(`
      CREATE TABLE gate ();
      CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF new.id = 1 THEN LOCK TABLE gate IN ACCESS SHARE MODE; END IF; RETURN new; END $$;
      CREATE TRIGGER wait BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait_at_gate();`);
    await database.run('BEGIN; LOCK TABLE gate');
    const total = 100;
    let given = 0;
    // 100 MB in parts of one row each; the server stops at the first until the gate opens.
    async function* rows() {
      while (given < total) yield Buffer.from(`${++given}\t${'x'.repeat(1_000_000)}\n`);
    }
    const copied = copyIn(session, 'COPY t FROM STDIN', rows());
    let before = -1;
    await until(async () => {
      const same = before === given && given > 0;
      before = given;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return same;
    });
    expect(given).toBeLessThan(20);
    await database.run('COMMIT');
    expect(await copied).toBe(total);
    expect(await database.rows('SELECT count(*), sum(length(text)) FROM t')).toEqual([['100', '100000000']]);
    await database.run('DROP TABLE t; DROP TABLE gate; CREATE TABLE t (id int, text text)');
    await expectUsable();
  });

  it.each([
    ['a value of another type', '1\ta\nnot a number\tb\n', '22P02'],
    ['a missing column', '1\ta\n2\n', '22P04'],
    ['the same key twice', '1\ta\n1\tb\n', '23505'],
    ['bytes that are no UTF-8', '1\ta\n2\t\\xff\n', '22021'],
  ])('reports the server’s error and keeps nothing: %s', async (_what, text, code) => {
    const copied = copyIn(session, 'COPY t FROM STDIN', parts(text));
    await expect(copied).rejects.toThrow(ServerError);
    await expect(copied).rejects.toMatchObject({ code });
    expect(await stored()).toEqual([]);
    await expectUsable();
  });

  it('stops asking for text when the server has refused a row', async () => {
    let given = 0;
    async function* endless() {
      for (;;) {
        given++;
        // As when an object is fetched: the server's answer gets its turn.
        await setImmediate();
        yield Buffer.from(given === 2 ? 'bad\n' : `${given}\t${'x'.repeat(100_000)}\n`);
      }
    }
    await expect(copyIn(session, 'COPY t FROM STDIN', endless())).rejects.toMatchObject({ code: '22P02' });
    await expectUsable();
    expect(await stored()).toEqual([['-1', 'again']]);
  });

  it('reports a statement that is refused at once', async () => {
    await expect(copyIn(session, 'COPY nowhere FROM STDIN', parts('1\n'))).rejects.toMatchObject({
      code: '42P01',
    });
    await expectUsable();
  });

  it('throws what the source of text threw, and nothing is kept', async () => {
    const reason = new Error('the object is damaged');
    async function* broken() {
      yield Buffer.from('1\ta\n');
      throw reason;
    }
    await expect(copyIn(session, 'COPY t FROM STDIN', broken())).rejects.toBe(reason);
    expect(await stored()).toEqual([]);
    await expectUsable();
  });

  it('lets the source of text clean up when the server refuses', async () => {
    let cleaned = false;
    async function* careful() {
      try {
        for (;;) {
          await setImmediate();
          yield Buffer.from('bad\n');
        }
      } finally {
        cleaned = true;
      }
    }
    await expect(copyIn(session, 'COPY t FROM STDIN', careful())).rejects.toThrow(ServerError);
    expect(cleaned).toBe(true);
  });

  const terminate = async () => {
    const pids = await database.rows(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'supabase-backup' AND state = 'active' AND query LIKE 'COPY%'",
    );
    expect(pids).toHaveLength(1);
  };

  it('rejects when the server ends the session midway, and nothing is kept', async () => {
    async function* rows() {
      yield Buffer.from('1\ta\n');
      await terminate();
      await until(() => session.stream.destroyed);
      yield Buffer.from('2\tb\n');
      yield Buffer.from('3\tb\n');
    }
    await expect(copyIn(session, 'COPY t FROM STDIN', rows())).rejects.toThrow(
      /connection was lost.*terminating/,
    );
    expect(await stored()).toEqual([]);
  });

  it('rejects at once when the session is gone already', async () => {
    session.destroy();
    await expect(copyIn(session, 'COPY t FROM STDIN', parts('1\ta\n'))).rejects.toThrow(
      /connection was lost/,
    );
  });
});
