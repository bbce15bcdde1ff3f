import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Supplement } from '../../../src/format/supplement.ts';
import { readGlobals } from '../../../src/postgres/catalog/globals.ts';
import { openSession, type Session } from '../../../src/postgres/session/connection.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { applyDatabase, keepReachable } from '../../../src/restorer/roles/database.ts';
import { findDifferent, showSet, writeSet } from '../../../src/restorer/roles/stored-settings.ts';
import { emptyContext } from '../../support/context.ts';
import { servers, type TestServer } from '../servers.ts';

describe('a stored setting', () => {
  it.each([
    ['search_path', '"$user", public, "a""b", Quoted', `'$user', 'public', 'a"b', 'quoted'`],
    ['search_path', '""', `''`],
    ['search_path', '', `''`],
    ['search_path', '"only, one"', `'only, one'`],
    ['session_preload_libraries', '"$libdir/a b", Plain', `'$libdir/a b', 'Plain'`],
    ['datestyle', 'ISO, DMY', `'ISO, DMY'`],
    ['app.note', `it's \\ here`, `E'it''s \\\\ here'`],
  ])('%s = %s is written as %s', (name, value, written) => {
    const variable = name.split('.').map((part) => `"${part}"`);
    expect(writeSet({ name, value })).toBe(`SET ${variable.join('.')} TO ${written}`);
  });

  it('of a name with a dot may be a secret, and is not shown', () => {
    expect(showSet({ name: 'app.key', value: 'hush' })).toBe(`SET "app"."key" TO '…'`);
    expect(showSet({ name: 'work_mem', value: '1MB' })).toBe(`SET "work_mem" TO '1MB'`);
  });

  it('is the same whatever the case of its name', () => {
    const there = [{ name: 'timezone', value: 'UTC' }];
    expect(findDifferent([{ name: 'TimeZone', value: 'UTC' }], there)).toEqual([]);
    expect(findDifferent([{ name: 'TimeZone', value: 'utc' }], there)).toHaveLength(1);
  });
});

describe.each(servers)('the database on PostgreSQL %i', (_major, start) => {
  let server: TestServer;
  let url: string;
  let name: string;
  let session: Session;
  beforeAll(async () => {
    server = await start();
    await server.run(`CREATE ROLE ~_a; CREATE ROLE ~_b; CREATE ROLE ~_owner LOGIN PASSWORD 'secret'`);
  });
  beforeEach(async () => {
    url = await server.createDatabase();
    name = new URL(url).pathname.slice(1);
    session = await server.open(url);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  const read = async (): Promise<Supplement['database']> =>
    (await readGlobals(await server.open(url))).database;
  const asBefore = async (): Promise<Supplement['database']> => {
    const { owner, grants, connectionLimit, surroundings } = await read();
    return { owner, comment: null, settings: [], grants, connectionLimit, surroundings };
  };

  it('is not limited to fewer connections than the restore still needs, unless they are none to the role', async () => {
    await server.run(`ALTER DATABASE ${name} OWNER TO ~_owner`);
    const wanted = { ...(await asBefore()), connectionLimit: 3 };
    const own = await server.open(url, `${server.prefix}_owner`);
    const told = await applyDatabase(own, wanted, 'supabase-project');
    expect(told.map(({ what, remedy }) => [what, remedy])).toEqual([
      ['database connection limit', `Run as a role that can: ALTER DATABASE "${name}" CONNECTION LIMIT 3;`],
    ]);
    expect((await read()).connectionLimit).toBe(-1);
    expect(await applyDatabase(session, wanted, 'scratch')).toEqual([]);
    expect((await read()).connectionLimit).toBe(-1);
    expect(await applyDatabase(session, wanted, 'supabase-project')).toEqual([]);
    expect((await read()).connectionLimit).toBe(3);
  });

  it('has its settings, comment and grants again', async () => {
    await server.run(`
      ALTER DATABASE ${name} SET search_path = "$user", public, "Odd ""one""";
      ALTER DATABASE ${name} SET statement_timeout = '5s';
      ALTER DATABASE ${name} SET "app.settings.note" = 'it''s \\ = x';
      COMMENT ON DATABASE ${name} IS 'the shop''s';
      ALTER DATABASE ${name} CONNECTION LIMIT 77;
      REVOKE ALL ON DATABASE ${name} FROM PUBLIC;
      GRANT CONNECT ON DATABASE ${name} TO ~_a;
      GRANT CREATE ON DATABASE ${name} TO ~_b WITH GRANT OPTION`);
    const before = await read();
    url = await server.createDatabase();
    name = new URL(url).pathname.slice(1);
    await server.run(`
      GRANT TEMPORARY ON DATABASE ${name} TO ~_b;
      GRANT CONNECT ON DATABASE ${name} TO ~_a WITH GRANT OPTION;
      ALTER DATABASE ${name} SET lock_timeout = '9s'`);
    expect(before.connectionLimit).toBe(77);
    expect(await applyDatabase(await server.open(url), before, 'plain')).toEqual([]);
    const after = await read();
    const own = { name: 'lock_timeout', value: '9s' };
    expect({ ...after, settings: after.settings.filter((setting) => setting.name !== own.name) }).toEqual(
      before,
    );
    expect(after.settings).toContainEqual(own);
  });

  it('has the default grants again, whoever owns it', async () => {
    const before = await asBefore();
    expect(before.grants).toBeNull();
    await server.run(`
      ALTER DATABASE ${name} OWNER TO ~_owner;
      REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC; GRANT CREATE ON DATABASE ${name} TO ~_a`);
    const omitted = await applyDatabase(session, before, 'plain');
    expect(omitted).toEqual([
      {
        what: 'database owner',
        subject: { kind: 'database', property: 'owner' },
        why: `it belonged to ${before.owner}; this database existed before and belongs to ${server.prefix}_owner`,
        remedy: `To change that: ALTER DATABASE "${name}" OWNER TO "${before.owner}";`,
      },
    ]);
    const now = (await read()).grants?.filter(({ grantee }) => grantee !== `${server.prefix}_owner`);
    expect(now?.map(({ grantee, privilege }) => `${grantee} ${privilege}`)).toEqual([
      'PUBLIC CONNECT',
      'PUBLIC TEMPORARY',
    ]);
  });

  it('that is as in the backup is not touched', async () => {
    const before = await read();
    // Nothing but the owner may be asked to alter it.
    await server.run(`CREATE ROLE ~_nobody LOGIN PASSWORD 'secret'`);
    const nobody = await server.open(url, `${server.prefix}_nobody`);
    expect(await applyDatabase(nobody, before, 'plain')).toEqual([]);
    expect(await read()).toEqual(before);
    await server.run('DROP ROLE ~_nobody');
  });

  it('refuses what its server does not have, and the rest comes all the same', async () => {
    const before = await asBefore();
    const grants = [
      { grantee: 'no such role', privilege: 'CONNECT', grantable: false },
      { grantee: `${server.prefix}_a`, privilege: 'CREATE', grantable: false },
    ];
    const settings = [
      { name: 'nosuch', value: 'x' },
      { name: 'work_mem', value: '2MB' },
    ];
    const omitted = await applyDatabase(session, { ...before, settings, grants }, 'supabase-image');
    expect(omitted.map(({ what }) => what)).toEqual(['setting nosuch of the database', 'database grants']);
    expect(omitted[1]?.remedy).toContain(`GRANT CONNECT ON DATABASE "${name}" TO "no such role";`);
    const after = await read();
    expect(after.settings).toEqual([{ name: 'work_mem', value: '2MB' }]);
    expect(after.grants).toContainEqual(grants[1]);
  });

  it.each(['supabase-project', 'scratch'] as const)('of a %s keeps its grants', async (scope) => {
    const before = await asBefore();
    const settings = [{ name: 'work_mem', value: '2MB' }];
    const omitted = await applyDatabase(session, { ...before, comment: 'new', settings, grants: [] }, scope);
    expect(omitted).toEqual([]);
    expect(await read()).toEqual({ ...before, comment: 'new', settings });
  });

  it('stays reachable when it is to load what the server lacks', async () => {
    const before = await asBefore();
    const settings = [
      { name: 'session_preload_libraries', value: 'nowhere' },
      { name: 'work_mem', value: '2MB' },
    ];
    const wanted = { ...before, settings };
    const connect = async () => (await openSession(parseConnection('target-url', url, emptyContext))).close();
    expect(await applyDatabase(session, wanted, 'plain')).toEqual([]);
    await expect(connect()).rejects.toThrow(/nowhere/);
    const told = await keepReachable(session, wanted, connect);
    expect(told).toMatchObject([
      {
        what: 'setting session_preload_libraries of the database',
        why: expect.stringMatching(/^nobody could connect with it: .*could not access file "nowhere"/),
      },
    ]);
    expect((await read()).settings).toEqual([{ name: 'work_mem', value: '2MB' }]);
  });

  it("of a project keeps the project's own key, and shows no other", async () => {
    const setting = { name: 'app.settings.jwt_secret', value: 'of-the-source' };
    await server.run(`ALTER DATABASE ${name} SET "app.settings.jwt_secret" = 'of-the-target'`);
    const before = { ...(await asBefore()), settings: [setting] };
    const omitted = await applyDatabase(session, before, 'supabase-project');
    expect((await read()).settings).toEqual([{ ...setting, value: 'of-the-target' }]);
    expect(omitted.map(({ what }) => what)).toEqual(['setting app.settings.jwt_secret of the database']);
    expect(JSON.stringify(omitted)).not.toContain('of-the-source');
    expect(await applyDatabase(session, before, 'plain')).toEqual([]);
    expect((await read()).settings).toEqual([setting]);
  });
});
