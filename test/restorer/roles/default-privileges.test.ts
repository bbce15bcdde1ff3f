import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { neutralizeDefaultPrivileges } from '../../../src/restorer/roles/default-privileges.ts';
import { connectionEnvironment } from '../../fixture/dump.ts';
import { reconnect } from '../../fixture/seed.ts';
import { servers, type TestServer } from '../servers.ts';

const run = promisify(execFile);

describe.each(servers)('default privileges on PostgreSQL %i', (_major, start) => {
  let server: TestServer;
  let url: string;
  let name: string;
  let session: Session;
  const api = '~_anon, ~_authenticated, ~_service';

  beforeAll(async () => {
    server = await start();
    await server.run(`
      CREATE ROLE ~_anon; CREATE ROLE ~_authenticated; CREATE ROLE ~_service; CREATE ROLE ~_admin;
      CREATE ROLE "~_My ""app""" NOLOGIN;
      CREATE ROLE ~_postgres LOGIN NOINHERIT PASSWORD 'secret';
      GRANT "~_My ""app""" TO ~_postgres`);
  });
  /** What a fresh project has: whoever creates something in public lets everybody in. */
  const openProject = async () => {
    url = await server.createDatabase(`${server.prefix}_postgres`);
    name = new URL(url).pathname.slice(1);
    const open = ['~_postgres', '~_admin'].flatMap((role) =>
      ['TABLES', 'FUNCTIONS', 'SEQUENCES'].map(
        (objects) =>
          `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} IN SCHEMA public GRANT ALL ON ${objects} TO ~_postgres, ${api};`,
      ),
    );
    await server.run(`${open.join(' ')} GRANT CREATE ON SCHEMA public TO ~_postgres`, name);
    session = await server.open(url, `${server.prefix}_postgres`);
  };
  beforeEach(openProject);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  /** As \ddp of psql shows them, in an order of their own. */
  const list = (role = '') =>
    server.rows(
      `SELECT defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype,
         ARRAY(SELECT i::text FROM unnest(defaclacl) AS i ORDER BY 1)::text
       FROM pg_default_acl WHERE defaclrole::regrole::text LIKE '%${role}%' ORDER BY 1, 2, 3`,
      name,
    );
  const can = async (role: string, what: string) =>
    (await server.rows(`SELECT ${what.replace('?', `'~_${role}'`)}`, name))[0]?.[0];

  it('widen nothing that is created while they are neutral', async () => {
    await neutralizeDefaultPrivileges(session);
    await session.query('CREATE TABLE public.locked (id serial)');
    await session.query("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    for (const role of ['anon', 'authenticated', 'service']) {
      for (const privilege of ['SELECT', 'INSERT', 'TRUNCATE', 'TRIGGER']) {
        expect(await can(role, `has_table_privilege(?, 'public.locked', '${privilege}')`)).toBe('f');
      }
      expect(await can(role, `has_sequence_privilege(?, 'public.locked_id_seq', 'USAGE')`)).toBe('f');
    }
    // PostgreSQL's own default, and nothing on top.
    expect(await server.rows(`SELECT proacl IS NULL FROM pg_proc WHERE proname = 'f'`, name)).toEqual([
      ['t'],
    ]);
  });

  it('come back as in the source with its archive, and grant nothing on top of it', async () => {
    // The dump is of a role that may not speak for the platform's.
    await server.run(
      `DROP OWNED BY ~_admin;
       ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres IN SCHEMA public REVOKE ALL ON TABLES FROM ~_anon;
       ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres IN SCHEMA public
         REVOKE ALL ON FUNCTIONS FROM ~_postgres, ${api}`,
      name,
    );
    await session.query('CREATE TABLE public.open ()');
    await session.query('CREATE TABLE public.locked ()');
    await session.query(`REVOKE ALL ON public.locked FROM ${api.replaceAll('~', server.prefix)}`);
    await session.query("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    const access = async () => [
      await list('postgres'),
      await server.rows(
        `SELECT relname, array_agg(a::text ORDER BY a::text)::text FROM pg_class CROSS JOIN unnest(coalesce(relacl, acldefault('r', relowner))) AS a
         WHERE relnamespace = 'public'::regnamespace GROUP BY 1 ORDER BY 1`,
        name,
      ),
      await server.rows(`SELECT proacl::text FROM pg_proc WHERE proname = 'f'`, name),
    ];
    const source = await access();
    expect(JSON.stringify(source[1])).not.toContain('_anon');
    expect(JSON.stringify(source[1])).toContain('_authenticated');

    const archive = path.join(mkdtempSync(path.join(tmpdir(), 'default-privileges-')), 'archive');
    const env = () => ({
      ...process.env,
      ...connectionEnvironment(reconnect(url, { user: `${server.prefix}_postgres`, password: 'secret' })),
    });
    await run(path.join(server.bin, 'pg_dump'), ['-Fc', '-f', archive, '-n', 'public'], { env: env() });
    await openProject();
    const neutral = await neutralizeDefaultPrivileges(session);
    expect(neutral.entries).toHaveLength(3);
    const args = ['--exit-on-error', '--use-list', `${archive}.list`, '-d', name, archive];
    const { stdout } = await run(path.join(server.bin, 'pg_restore'), ['--list', archive]);
    // The schema is there; who owns it is the target's to say.
    writeFileSync(`${archive}.list`, stdout.replace(/^.* (SCHEMA|COMMENT|ACL) - .*$/gm, ''));
    await run(path.join(server.bin, 'pg_restore'), args, { env: env() });
    rmSync(path.dirname(archive), { recursive: true });
    expect(await access()).toEqual(source);
  });

  it('widen it when they are left as they are', async () => {
    await session.query('CREATE TABLE public.locked ()');
    expect(await can('anon', `has_table_privilege(?, 'public.locked', 'SELECT')`)).toBe('t');
  });

  it('narrow nothing either', async () => {
    await server.run(
      `ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
       ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres REVOKE ALL ON TYPES FROM PUBLIC, ~_postgres;
       ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres REVOKE ALL ON TABLES FROM ~_postgres`,
      name,
    );
    await neutralizeDefaultPrivileges(session);
    expect(await list('postgres')).toEqual([]);
    await session.query("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    expect(await can('anon', `has_function_privilege(?, 'public.f()', 'EXECUTE')`)).toBe('t');
  });

  it('of roles that the connected one may become are neutral too, others are left', async () => {
    await server.run(
      `CREATE SCHEMA "odd ""schema""";
       ALTER DEFAULT PRIVILEGES FOR ROLE "~_My ""app""" IN SCHEMA "odd ""schema""" GRANT SELECT ON TABLES TO PUBLIC;
       ALTER DEFAULT PRIVILEGES FOR ROLE "~_My ""app""" GRANT ALL ON SCHEMAS TO ~_anon WITH GRANT OPTION`,
      name,
    );
    const neutral = await neutralizeDefaultPrivileges(session);
    expect(neutral.entries.map(({ role, schema, objects }) => [role, schema, objects])).toContainEqual([
      `${server.prefix}_My "app"`,
      'odd "schema"',
      'TABLES',
    ]);
    expect(new Set((await list()).map(([role]) => role))).toEqual(new Set([`${server.prefix}_admin`]));
    expect(await list('admin')).toHaveLength(3);
  });

  it('are given back as they were, by the process that reset them or by hand', async () => {
    await server.run(
      `ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
       ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres GRANT SELECT, INSERT ON TABLES TO ~_anon WITH GRANT OPTION;
       ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres GRANT UPDATE ON TABLES TO ~_anon;
       ALTER DEFAULT PRIVILEGES FOR ROLE "~_My ""app""" GRANT USAGE ON SCHEMAS TO PUBLIC`,
      name,
    );
    const before = await list();
    expect(before.length).toBe(9);
    const neutral = await neutralizeDefaultPrivileges(session);
    expect(await list('postgres')).toEqual([]);
    // A part of the archive was restored before it failed.
    await server.run(
      `ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres IN SCHEMA public GRANT DELETE ON TABLES TO ~_admin;
       ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres REVOKE USAGE ON TYPES FROM PUBLIC`,
      name,
    );
    await neutral.restore(await server.open(url, `${server.prefix}_postgres`));
    await server.run(`ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres GRANT USAGE ON TYPES TO PUBLIC`, name);
    expect(await list()).toEqual(before);

    const { undo } = await neutralizeDefaultPrivileges(session);
    await server.run(undo.join(';\n'), name);
    expect(await list()).toEqual(before);
  });

  it('are not reset in part', async () => {
    const before = await list();
    const asked: string[] = [];
    const failing: Session = {
      ...session,
      async query(sql, values) {
        if (asked.push(sql) && sql.includes('REVOKE') && sql.includes('TABLES')) throw new Error('cut');
        return session.query(sql, values);
      },
    };
    await expect(neutralizeDefaultPrivileges(failing)).rejects.toThrow('cut');
    expect(asked.filter((sql) => sql.includes('REVOKE')).length).toBeGreaterThan(1);
    expect(await list()).toEqual(before);
    await session.query('CREATE TABLE public.still_open ()');
  });

  it('of a schema that is gone are not given back, and the others are', async () => {
    await server.run(
      `CREATE SCHEMA gone;
       ALTER DEFAULT PRIVILEGES FOR ROLE ~_postgres IN SCHEMA gone GRANT SELECT ON TABLES TO ~_anon`,
      name,
    );
    const neutral = await neutralizeDefaultPrivileges(session);
    await server.run('DROP SCHEMA gone', name);
    await neutral.restore(session);
    expect(await list('postgres')).toHaveLength(3);
  });

  it('where there are none are nothing to do', async () => {
    const empty = await server.createDatabase();
    const neutral = await neutralizeDefaultPrivileges(await server.open(empty));
    expect([neutral.entries, neutral.undo]).toEqual([[], []]);
  });

  it('of everybody are neutral for a superuser', async () => {
    const superuser = await server.open(url);
    const neutral = await neutralizeDefaultPrivileges(superuser);
    expect(neutral.entries).toHaveLength(6);
    expect(await list()).toEqual([]);
    await neutral.restore(superuser);
    expect(await list()).toHaveLength(6);
  });
});
