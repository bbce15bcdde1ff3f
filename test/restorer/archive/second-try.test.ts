import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ArchiveEntry } from '../../../src/postgres/client/table-of-contents.ts';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { splitScript } from '../../../src/restorer/archive/entry-statements.ts';
import { tryAgain } from '../../../src/restorer/archive/second-try.ts';
import { createDatabase, type Database } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { hasPackagedServer } from '../../support/packaged-server.ts';

let cluster: Cluster;
let database: Database;
let session: Session;

beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
  session = await database.open();
  await applySettings(session, 'UTF8');
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});

const entry = (kind: string, owner = ''): ArchiveEntry => ({
  ...{ id: 1, catalogOid: 0, oid: 0, kind, schema: 'public', name: 'it', owner, needs: [] },
});
const statements = (sql: string, owner?: string) => ({ sql, owner });

/**
 * A session of a server that has supautils, as far as event triggers go: a superuser may not make one that executes a function of somebody
 * who is none, and the platform's user may make his own, although PostgreSQL gives them to superusers only.
 */
function guardEventTriggers(real: Session, how?: 'only refuses'): Session {
  const query = async (sql: string, parameters?: unknown[]): Promise<unknown> => {
    const rest = /^CREATE EVENT TRIGGER on_ddl [^;]*;(.*)$/s.exec(sql)?.[1];
    if (rest === undefined) return real.query(sql, parameters as never);
    const [user] = await real.query<{ name: string; superuser: boolean }>(
      'SELECT rolname AS name, rolsuper AS superuser FROM pg_roles WHERE rolname = session_user',
    );
    if (user?.superuser) {
      return real.query(
        `DO $$ BEGIN RAISE 'Superuser owned event trigger must execute a superuser owned function' USING ERRCODE = 'XX000'; END $$`,
      );
    }
    if (how === 'only refuses') return real.query(sql);
    return real.query(`SET LOCAL SESSION AUTHORIZATION DEFAULT; ${sql.slice(0, sql.length - rest.length)}
      UPDATE pg_event_trigger SET evtowner = '${user?.name}'::regrole WHERE evtname = 'on_ddl';
      SET LOCAL SESSION AUTHORIZATION ${user?.name}; ${rest}`);
  };
  return Object.assign(Object.create(real), { query }) as Session;
}

describe('an entry that was refused', () => {
  it('is made under the first path that has what it looks for, and the session looks nowhere afterwards', async () => {
    await database.run(`SET check_function_bodies = off; CREATE SCHEMA one; CREATE SCHEMA two; CREATE FUNCTION two.double(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
      CREATE FUNCTION public.four(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT double(double($1))'; CREATE TABLE public.numbers (n int)`);
    const index = statements('CREATE INDEX numbers_four ON public.numbers USING btree (public.four(n));');
    expect(await tryAgain(session, entry('INDEX'), index, ['one', 'one, two', 'two'])).toEqual({
      outcome: 'made',
      under: 'search_path = one, two',
      searchPath: 'one, two',
      ownerRefused: undefined,
    });
    expect(await session.query('SHOW search_path')).toEqual([{ search_path: '' }]);
  });

  it('is refused with what the server said at first, where no path helps', async () => {
    const view = statements('CREATE VIEW public.never AS SELECT gone.nowhere();');
    const result = await tryAgain(session, entry('VIEW'), view, ['one', 'two']);
    expect(result).toMatchObject({ outcome: 'refused', why: 'schema "gone" does not exist', sql: view.sql });
  });

  it.each([
    ['as much memory as it says', 'memory required is 128 MB', '256MB'],
    ['much memory', 'set maintenance_work_mem higher', '1GB'],
  ])('gets %s', async (_what, says, gets) => {
    await database.run(`CREATE OR REPLACE FUNCTION public.need(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        IF pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < 134217728 THEN RAISE EXCEPTION '${says}'; END IF;
        RETURN v; END $$;
      DROP TABLE IF EXISTS public.heavy; CREATE TABLE public.heavy AS SELECT 1 AS n`);
    const index = statements('CREATE INDEX heavy_need ON public.heavy USING btree (public.need(n));');
    expect(await tryAgain(session, entry('INDEX'), index, [])).toMatchObject({
      outcome: 'made',
      under: `maintenance_work_mem = ${gets}`,
    });
  });

  it('holds for new rows where old ones break it, if it is a key to another table or a check', async () => {
    await database.run(
      `CREATE TABLE public.parents (id int PRIMARY KEY); CREATE TABLE public.children AS SELECT 7 AS parent`,
    );
    const key = statements(
      'ALTER TABLE ONLY public.children\n    ADD CONSTRAINT to_parent FOREIGN KEY (parent) REFERENCES public.parents(id);\n',
    );
    expect(await tryAgain(session, entry('FK CONSTRAINT'), key, [])).toMatchObject({ outcome: 'not valid' });
    const check = statements('ALTER TABLE public.children\n    ADD CONSTRAINT small CHECK ((parent < 5));');
    expect(await tryAgain(session, entry('CHECK CONSTRAINT'), check, [])).toMatchObject({
      outcome: 'not valid',
    });
  });

  it('is left out where rows are twice what may be once', async () => {
    await database.run('CREATE TABLE public.twice AS SELECT 1 AS n FROM generate_series(1, 2)');
    const unique = statements(
      'ALTER TABLE ONLY public.twice\n    ADD CONSTRAINT twice_pkey PRIMARY KEY (n);',
    );
    expect(await tryAgain(session, entry('CONSTRAINT'), unique, ['one'])).toMatchObject({
      outcome: 'refused',
      why: 'could not create unique index "twice_pkey"',
    });
  });

  it('belongs to its owner in the end, or to who made it', async () => {
    await database.run('CREATE ROLE keeper');
    const own = (name: string, owner: string) =>
      tryAgain(
        session,
        entry('TABLE', owner),
        statements(`CREATE TABLE public.${name} ();`, `ALTER TABLE public.${name} OWNER TO ${owner};`),
        [],
      );
    expect(await own('kept', 'keeper')).toMatchObject({ outcome: 'made', ownerRefused: undefined });
    expect(await own('left_behind', 'nobody_here')).toMatchObject({
      outcome: 'made',
      ownerRefused: 'role "nobody_here" does not exist',
    });
    expect(
      await database.rows(`SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'kept'`),
    ).toEqual([['keeper']]);
  });

  it('is made by its owner where a superuser may not make it, as supautils has it of event triggers', async () => {
    await database.run(`CREATE ROLE of_project; GRANT CREATE ON SCHEMA public TO of_project;
      CREATE FUNCTION public.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; ALTER FUNCTION public.on_ddl() OWNER TO of_project`);
    const trigger = statements(
      'CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION public.on_ddl();\n\nALTER EVENT TRIGGER on_ddl DISABLE;',
      'ALTER EVENT TRIGGER on_ddl OWNER TO of_project;',
    );
    const guarded = guardEventTriggers(session);
    expect(await tryAgain(guarded, entry('EVENT TRIGGER', 'of_project'), trigger, ['one'])).toMatchObject({
      outcome: 'made',
      ownerRefused: undefined,
    });
    expect(
      await database.rows('SELECT evtname, pg_get_userbyid(evtowner), evtenabled FROM pg_event_trigger'),
    ).toEqual([['on_ddl', 'of_project', 'D']]);
    expect(await session.query('SELECT session_user::text AS name')).toEqual([{ name: 'supabase_admin' }]);
    await database.run('DROP EVENT TRIGGER on_ddl');
    // Without supautils nobody but a superuser makes any, and what is told is what the server said at first.
    expect(
      await tryAgain(
        guardEventTriggers(session, 'only refuses'),
        entry('EVENT TRIGGER', 'of_project'),
        trigger,
        [],
      ),
    ).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('SQLSTATE XX000'),
    });
  });

  it('is left out where the server lacks a file for it, or a function of the user raises what only the server should', async () => {
    const library = statements(
      `CREATE FUNCTION public.gone() RETURNS int LANGUAGE c AS '$libdir/gone', 'gone';`,
    );
    expect(await tryAgain(session, entry('FUNCTION'), library, [])).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('could not access file'),
    });
    await database.run(
      `CREATE FUNCTION public.stop(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'no more' USING ERRCODE = '57P01'; END $$;
       CREATE TABLE public.stopping (n int); INSERT INTO public.stopping VALUES (1)`,
    );
    const index = statements('CREATE INDEX stops ON public.stopping USING btree (public.stop(n));');
    expect(await tryAgain(session, entry('INDEX'), index, [])).toMatchObject({
      outcome: 'refused',
      why: expect.stringMatching(/^a function raised an exception.*SQLSTATE 57P01/),
    });
  });

  it('is left out where the server has too little of something for it', async () => {
    await database.run(
      `CREATE TABLE public.large AS SELECT n, repeat('x', 100) AS v FROM generate_series(1, 50000) n`,
    );
    await session.query(
      `SET temp_file_limit = '64kB'; SET work_mem = '64kB'; SET maintenance_work_mem = '1MB'`,
    );
    const index = statements('CREATE INDEX large_v ON public.large USING btree (v, n);');
    expect(await tryAgain(session, entry('INDEX'), index, [])).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('temp_file_limit'),
    });
    await session.query('RESET temp_file_limit; RESET work_mem; RESET maintenance_work_mem');
  });
});

describe.runIf(hasPackagedServer(16))('a server of a minor without notes of its own', () => {
  it('gets a table without those of another, and with the options that users set', async () => {
    await using older = await startCluster({ major: 16 });
    const target = await createDatabase(older);
    const there = await target.open();
    const sql = [
      'SET default_table_access_method = heap;',
      'CREATE TABLE public."odd, name" (a integer, b integer);',
      `ALTER TABLE ONLY public."odd, name" ALTER COLUMN a SET (pg_attver=12345);`,
      `ALTER TABLE ONLY public."odd, name" ALTER COLUMN b SET (n_distinct=7, pg_attver=12345);`,
    ].join('\n');
    expect(await tryAgain(there, entry('TABLE'), statements(sql), [])).toMatchObject({ outcome: 'made' });
    expect(
      await target.rows(
        `SELECT attname, attoptions::text FROM pg_attribute WHERE attrelid = 'public."odd, name"'::regclass AND attnum > 0`,
      ),
    ).toEqual([
      ['a', null],
      ['b', '{n_distinct=7}'],
    ]);
    await target.close();
  });
});

describe('a script of pg_restore', () => {
  const script = (body: string) =>
    `--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\nSET statement_timeout = 0;\nSET row_security = off;\n\n${body}\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n`;

  it('has its statements between what it sets and its end, and the owner apart', () => {
    const body = `SET default_table_access_method = heap;\n\n--\n-- Name: t; Type: TABLE; Schema: public; Owner: me\n--\n\nCREATE TABLE public.t ();\n\n\nALTER TABLE public.t OWNER TO "the ; me";\n`;
    expect(splitScript(script(body))).toEqual({
      sql: 'SET default_table_access_method = heap;\n\nCREATE TABLE public.t ();',
      owner: 'ALTER TABLE public.t OWNER TO "the ; me";',
    });
  });

  it('keeps what a function says', () => {
    const body = `--\n-- Name: f(); Type: FUNCTION; Schema: public; Owner: me\n--\n\nCREATE FUNCTION public.f() AS $$\n--\n-- Name: g(); Type: x\n--\nALTER TABLE t OWNER TO x;\n$$;`;
    expect(splitScript(script(body)).sql).toBe(body.slice(body.indexOf('CREATE')));
  });

  it('is one, or an error', () => {
    expect(() => splitScript('nothing')).toThrow(/no script/);
  });
});
