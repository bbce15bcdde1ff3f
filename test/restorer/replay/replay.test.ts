import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayChanges } from '../../../src/restorer/replay/replay.ts';
import { IntegrityError, TargetError } from '../../../src/runtime/errors.ts';
import { formatTimestamp, parseTimestamp } from '../../../src/values/timestamp.ts';
import { asRole, connect } from '../../postgres/database.ts';
import { servers, type TestServer } from '../servers.ts';
import { databaseOf, Setting } from './setting.ts';

describe.each(servers)('changes of PostgreSQL %i, replayed', (_major, start) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  it('are the transactions that the snapshot does not see, whenever the backup is taken', async () => {
    await using setting = await Setting.create(
      server,
      `CREATE TABLE public.accounts (id int PRIMARY KEY, balance int NOT NULL, note text);
       CREATE TABLE public.events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account int REFERENCES public.accounts, what text);
       INSERT INTO public.accounts SELECT n, 0, NULL FROM generate_series(1, 50) n`,
    );
    let working = true;
    const work = async (number: number) => {
      const client = await connect(setting.url);
      for (let turn = 0; working; turn++) {
        const id = 1 + ((turn * 7 + number * 13) % 50);
        await client.query('BEGIN');
        await client.query('UPDATE public.accounts SET balance = balance + 1 WHERE id = $1', [id]);
        if (turn % 3 === 0) await client.query('SAVEPOINT s');
        await client.query('INSERT INTO public.events (account, what) VALUES ($1, $2)', [
          id,
          `${number}-${turn}`,
        ]);
        if (turn % 9 === 0) await client.query('ROLLBACK TO s');
        if (turn % 5 === 0) {
          await client.query(
            'DELETE FROM public.events WHERE id IN (SELECT id FROM public.events ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED)',
          );
        }
        await client.query(turn % 7 === 0 ? 'ROLLBACK' : 'COMMIT');
      }
      await client.end();
    };
    const workers = [1, 2, 3, 4].map(work);
    const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 150));
    await pause();
    await setting.capture();
    await pause();
    const base = await setting.takeBase(pause);
    await setting.capture();
    await pause();
    working = false;
    await Promise.all(workers);
    await setting.capture();
    const { url, replayed } = await setting.recover(base);
    expect(await setting.readRows(url)).toEqual(await setting.readRows());
    expect(replayed.transactions).toBeGreaterThan(50);
    expect(replayed.endedBefore).toBeNull();
    expect(base.tables.reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThan(50);
  });

  it('end before the first transaction that was committed later, to the microsecond', async () => {
    await using setting = await Setting.create(server, 'CREATE TABLE public.t (id int PRIMARY KEY)');
    const base = await setting.takeBase();
    for (const id of [1, 2, 3, 4]) {
      await setting.run(`INSERT INTO public.t VALUES (${id})`);
      if (id === 2) await setting.capture();
    }
    await setting.capture();
    const times = setting.commitTimes().map(parseTimestamp);
    expect(times).toHaveLength(4);
    const idsAt = async (until: bigint) => {
      const { url, replayed } = await setting.recover(base, { until: formatTimestamp(until) });
      const rows = (await setting.readRows(url))[only];
      expect(rows).toHaveLength(replayed.transactions);
      const [last, next] = [replayed.transactions - 1, replayed.transactions].map((index) => times[index]);
      expect(replayed.lastCommitAt).toBe(last === undefined ? null : formatTimestamp(last));
      expect(replayed.endedBefore).toBe(next === undefined ? null : formatTimestamp(next));
      return rows;
    };
    const [first = 0n, second = 0n, third = 0n] = times;
    expect(await idsAt(first - 1n)).toEqual([]);
    expect(await idsAt(second - 1n)).toEqual(['(1)']);
    expect(await idsAt(second)).toEqual(['(1)', '(2)']);
    expect(await idsAt(third)).toEqual(['(1)', '(2)', '(3)']);
  });

  it('have what was going on when the snapshot was taken, and nothing twice', async () => {
    await using setting = await Setting.create(
      server,
      'CREATE TABLE public.t (id int PRIMARY KEY, what text)',
    );
    const [[limit] = []] = await server.rows('SHOW max_prepared_transactions');
    const open = await connect(setting.url);
    await open.query(`BEGIN; INSERT INTO public.t VALUES (1, 'open'); SAVEPOINT a; INSERT INTO public.t VALUES (2, 'sub');
      RELEASE a; SAVEPOINT b; INSERT INTO public.t VALUES (3, 'gone'); ROLLBACK TO b`);
    await setting.run(`INSERT INTO public.t VALUES (4, 'before')`);
    const gid = `${server.prefix}_prepared`;
    const prepared = Number(limit) > 0;
    if (prepared) {
      await setting.run(`BEGIN; INSERT INTO public.t VALUES (5, 'prepared'); PREPARE TRANSACTION '${gid}'`);
    }
    const base = await setting.takeBase(async () => {
      await setting.run(`INSERT INTO public.t VALUES (6, 'after')`);
      if (prepared) await setting.run(`COMMIT PREPARED '${gid}'`);
    });
    expect(base.tables[0]?.rows).toBe(1);
    await open.query(`SAVEPOINT c; UPDATE public.t SET what = 'changed' WHERE id = 1; RELEASE c; COMMIT`);
    await open.end();
    await setting.capture();
    const { url, replayed } = await setting.recover(base);
    expect(await setting.readRows(url)).toEqual(await setting.readRows());
    expect(replayed.transactions).toBe(prepared ? 3 : 2);
  });

  it('of a transaction that is larger than what is held come whole or not at all', async () => {
    await using setting = await Setting.create(
      server,
      'CREATE TABLE public.t (id int PRIMARY KEY, what text)',
    );
    const base = await setting.takeBase();
    await setting.run(`INSERT INTO public.t VALUES (-1, 'small')`);
    await setting.run(
      `INSERT INTO public.t SELECT n, 'big' FROM generate_series(1, 25000) n; UPDATE public.t SET what = 'bigger' WHERE id > 24000`,
    );
    await setting.run(`INSERT INTO public.t VALUES (-2, repeat('x', 20000000))`);
    await setting.capture();
    const times = setting.commitTimes().map(parseTimestamp);
    const whole = await setting.recover(base);
    expect(await setting.readRows(whole.url)).toEqual(await setting.readRows());
    expect(whole.replayed).toMatchObject({ transactions: 3, changes: 26_002 });
    const part = await setting.recover(base, { until: formatTimestamp((times[1] ?? 0n) - 1n) });
    expect(await setting.readRows(part.url)).toEqual({ [only]: ['(-1,small)'] });
    expect(part.replayed).toMatchObject({ transactions: 1, changes: 1 });
    expect([...part.replayed.tables.values()]).toEqual([
      { inserts: 1, updates: 0, deletes: 0, truncates: 0, rows: 1 },
    ]);
  });

  it('leave tables as they are that are not covered or not restored', async () => {
    await using setting = await Setting.create(
      server,
      `CREATE TABLE public.keyless (id int); CREATE TABLE public.other (id int PRIMARY KEY);
       CREATE TABLE public.kept (id int PRIMARY KEY)`,
    );
    await setting.run('INSERT INTO public.keyless VALUES (1), (2)');
    const base = await setting.takeBase();
    await setting.run(
      `INSERT INTO public.keyless VALUES (3); UPDATE public.keyless SET id = 5 WHERE id = 1;
       INSERT INTO public.other VALUES (1); INSERT INTO public.kept VALUES (1)`,
    );
    await setting.capture();
    const uncovered = [{ schema: 'public', name: 'keyless' }];
    const created = base.tables.filter(({ name }) => name !== 'other');
    const { url, replayed } = await setting.recover(base, { uncovered, created });
    expect(await setting.readRows(url)).toEqual({
      'ONLY "public"."keyless"': ['(1)', '(2)'],
      'ONLY "public"."kept"': ['(1)'],
      'ONLY "public"."other"': [],
    });
    expect(replayed.uncovered).toEqual([{ schema: 'public', name: 'keyless', changes: 2 }]);
    expect(replayed.elsewhere).toEqual([{ schema: 'public', name: 'other', changes: 1 }]);
    const target = await setting.restore(base);
    await expect(replayChanges(target.settings, setting.request(base))).rejects.toThrow(
      /^the replay differs from the source: table public\.keyless, transaction \d+ at .*: update: the source does not say which row it is$/,
    );
  });

  it('are refused where the target is not what the source was', async () => {
    await using setting = await Setting.create(
      server,
      'CREATE TABLE public.t (id int PRIMARY KEY, what text)',
    );
    await setting.run(`INSERT INTO public.t VALUES (1, 'secret')`);
    const base = await setting.takeBase();
    await setting.run(`UPDATE public.t SET what = 'other'`);
    await setting.capture();
    const diverge = async (sql: string, why: RegExp) => {
      const target = await setting.restore(base);
      await server.run(sql, databaseOf(target.url));
      const before = await setting.readRows(target.url);
      const failure = await replayChanges(target.settings, setting.request(base)).catch((error) => error);
      expect(failure).toBeInstanceOf(TargetError);
      expect(failure.message).not.toContain('secret');
      expect(failure.message).toMatch(
        /^the replay differs from the source: table public\.t, transaction \d+ at [0-9A-F]+\/[0-9A-F]+: /,
      );
      expect(failure.message).toMatch(why);
      expect(await setting.readRows(target.url)).toEqual(before);
    };
    await diverge('DELETE FROM public.t', /the update hit 0 rows instead of one$/);
    await diverge('ALTER TABLE public.t DROP COLUMN what', /update: the target has no column what$/);
    await diverge(
      `ALTER TABLE public.t ADD CHECK (what <> 'other')`,
      /the server refused the update: .*violates check constraint/,
    );
    await diverge('ALTER TABLE public.t DROP CONSTRAINT t_pkey', /the source does not say which row it is$/);
  });

  describe('onto tables that the target had before', () => {
    const definitions = `CREATE TABLE public.users (id int PRIMARY KEY, name text, extra text);
      CREATE TABLE public.identities (id int PRIMARY KEY, "user" int NOT NULL REFERENCES public.users ON DELETE CASCADE);
      CREATE TABLE public.seen (what text);
      CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.seen VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL; END $$;
      CREATE TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON public.users FOR EACH ROW EXECUTE FUNCTION public.see()`;

    async function replayOnto(user: string | undefined) {
      await using setting = await Setting.create(server, definitions);
      await setting.run(
        `INSERT INTO public.users VALUES (1, 'one', 'x'), (2, 'two', 'y'); INSERT INTO public.identities VALUES (1, 1), (2, 1), (3, 2)`,
      );
      const base = await setting.takeBase();
      await setting.run(
        `DELETE FROM public.users WHERE id = 1; INSERT INTO public.users VALUES (3, 'three', 'z');
         UPDATE public.users SET name = 'zwei' WHERE id = 2; INSERT INTO public.identities VALUES (4, 3)`,
      );
      await setting.run('TRUNCATE public.identities; INSERT INTO public.identities VALUES (5, 3)');
      await setting.capture();
      const target = await setting.restore(base);
      await target.finish();
      await server.run(
        `ALTER TABLE public.users DROP COLUMN extra; DELETE FROM public.seen;
         ${user === undefined ? '' : `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${user}; GRANT USAGE ON SCHEMA public TO ${user}`}`,
        databaseOf(target.url),
      );
      const present = base.tables
        .filter(({ name }) => name !== 'seen')
        .map((table) => ({ table, missing: table.name === 'users' ? ['extra'] : [] }));
      const settings = user === undefined ? target.settings : asRole(target.settings, user, 'secret');
      const replayed = await replayChanges(settings, setting.request(base, { created: [], present }));
      return { replayed, rows: await setting.readRows(target.url) };
    }
    const users = ['(2,zwei)', '(3,three)'];

    it('do nothing but what they say', async () => {
      const { replayed, rows } = await replayOnto(undefined);
      expect(rows).toEqual({
        'ONLY "public"."identities"': ['(5,3)'],
        'ONLY "public"."seen"': [],
        'ONLY "public"."users"': users,
      });
      expect(replayed.notCarried).toEqual([]);
    });

    it('find done what foreign keys have done where these cannot be held back, and say so', async () => {
      const user = `${server.prefix}_guest`;
      await server.run(`CREATE ROLE ${user} LOGIN PASSWORD 'secret'`);
      const { replayed, rows } = await replayOnto(user);
      expect(rows).toMatchObject({ 'ONLY "public"."identities"': ['(5,3)'], 'ONLY "public"."users"': users });
      expect(rows['ONLY "public"."seen"']).toHaveLength(3);
      expect(replayed.notCarried.map(({ what }) => what)).toEqual([
        "changes replayed without the platform's triggers",
      ]);
    });
  });

  it('stop when they are told to', async () => {
    await using setting = await Setting.create(server, 'CREATE TABLE public.t (id int PRIMARY KEY)');
    const base = await setting.takeBase();
    await setting.run('INSERT INTO public.t SELECT generate_series(1, 30000)');
    const { toXmax, bytes } = await setting.capture();
    const target = await setting.restore(base);
    const controller = new AbortController();
    async function* stopping() {
      yield bytes.subarray(0, -100);
      controller.abort(new Error('enough'));
      await new Promise((resolve) => setTimeout(resolve, 50));
      yield bytes.subarray(-100);
    }
    const segments = [{ toXmax, text: stopping() }];
    await expect(
      replayChanges(target.settings, setting.request(base, { segments, signal: controller.signal })),
    ).rejects.toThrow('enough');
    expect(await setting.readRows(target.url)).toEqual({ [only]: [] });
  });

  it('are refused when their text is not whole', async () => {
    await using setting = await Setting.create(server, 'CREATE TABLE public.t (id int PRIMARY KEY)');
    const base = await setting.takeBase();
    await setting.run('INSERT INTO public.t VALUES (1)');
    const { toXmax, bytes } = await setting.capture();
    const target = await setting.restore(base);
    const replayText = (lines: readonly (string | undefined)[]) => {
      async function* text() {
        yield Buffer.from(`${lines.join('\n')}\n`);
      }
      const segments = [{ toXmax, text: text() }];
      return replayChanges(target.settings, setting.request(base, { segments }));
    };
    const [begin, insert, commit] = bytes.toString().split('\n');
    await expect(replayText([begin, insert])).rejects.toThrow(IntegrityError);
    await expect(replayText([insert, commit])).rejects.toThrow('outside of a transaction');
    await expect(replayText([begin, begin, insert, commit])).rejects.toThrow('part of another transaction');
    expect(await setting.readRows(target.url)).toEqual({ [only]: [] });
  });
});

const only = 'ONLY "public"."t"';
