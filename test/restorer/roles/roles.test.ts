import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Role } from '../../../src/format/supplement.ts';
import { readGlobals } from '../../../src/postgres/catalog/globals.ts';
import { openSession, type Session } from '../../../src/postgres/session/connection.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { createRolesOf, finishRoles, planRoles, showPlan } from '../../../src/restorer/roles/roles.ts';
import type { RoleScope } from '../../../src/restorer/roles/statements.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { isReservedRole } from '../../../src/supabase/reserved-roles.ts';
import { connectionEnvironment } from '../../fixture/dump.ts';
import { createRoles, reconnect } from '../../fixture/seed.ts';
import { findServers, startCluster } from '../../support/cluster.ts';
import { emptyContext } from '../../support/context.ts';
import { makeServer, servers, type TestServer } from '../servers.ts';

const run = promisify(execFile);

it('the roles of a Supabase project are told from those of its user', () => {
  for (const name of ['anon', 'postgres', 'supabase_etl_admin', 'cli_login_x', 'pgsodium_keymaker']) {
    expect(isReservedRole(name)).toBe(true);
  }
  for (const name of ['app', 'anonymous', 'supabase', 'postgres_reader', 'pgsodium', 'Anon']) {
    expect(isReservedRole(name)).toBe(false);
  }
});

const nobody: Omit<Role, 'name'> = {
  superuser: false,
  inherit: true,
  createRole: false,
  createDatabase: false,
  login: false,
  replication: false,
  bypassRls: false,
  connectionLimit: -1,
  validUntil: null,
  comment: null,
  memberOf: [],
  settings: [],
  settingsHere: [],
};

describe.each(servers)('roles on PostgreSQL %i', (major, start) => {
  let server: TestServer;
  let url: string;
  let superuser: Session;
  let p: string;

  const member = (role: string, options: Partial<Role['memberOf'][number]> = {}) => ({
    role: `${p}_${role}`,
    admin: false,
    inherit: major >= 16 ? true : null,
    set: major >= 16 ? true : null,
    ...options,
  });
  const role = (name: string, properties: Partial<Role> = {}): Role => ({
    ...nobody,
    name: `${p}_${name}`,
    ...properties,
  });
  const dumpRoles = async () => {
    if (!server.hasDumpall) return undefined;
    const { stdout } = await run(
      path.join(server.bin, 'pg_dumpall'),
      ['--globals-only', '--no-role-passwords'],
      { env: { ...process.env, ...connectionEnvironment(url) } },
    );
    // Who granted a membership is not carried: on a new server it is whoever restores.
    const lines = stdout.split('\n').filter((line) => line.includes(p) && !line.startsWith('--'));
    return lines.map((line) => line.replace(/ GRANTED BY .*;/, ';')).sort();
  };
  const settingsOf = async (name: string) =>
    (
      await server.rows(
        `SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole
         WHERE rolname = '${p}_${name}' ORDER BY 1`,
      )
    ).flat();
  const attributesOf = async (name: string) =>
    (
      await server.rows(
        `SELECT concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcanlogin THEN 'LOGIN' END,
           CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
           CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
           CASE WHEN NOT rolinherit THEN 'NOINHERIT' END)
         FROM pg_roles WHERE rolname = '${p}_${name}'`,
      )
    )[0]?.[0];
  const groupsOf = async (name: string) =>
    (
      await server.rows(
        `SELECT DISTINCT r.rolname FROM pg_auth_members JOIN pg_roles r ON r.oid = roleid JOIN pg_roles m ON m.oid = member
         WHERE m.rolname = '${p}_${name}' ORDER BY 1`,
      )
    )
      .flat()
      .map((group) => group.replace(`${p}_`, ''));
  const restore = async (
    roles: readonly Role[],
    needed: readonly string[],
    scope: RoleScope,
    session = superuser,
  ) => {
    const plan = await planRoles(
      session,
      roles,
      needed.map((name) => `${p}_${name}`),
      scope,
    );
    const omitted = [...(await createRolesOf(session, plan)), ...(await finishRoles(session, plan))];
    return { plan, omitted, text: omitted.map(({ what, remedy }) => `${what}: ${remedy}`).join('\n') };
  };

  beforeAll(async () => {
    server = await start();
    p = server.prefix;
    url = await server.createDatabase();
    superuser = await server.open(url);
  });
  beforeEach(() => server.dropRoles(new URL(url).pathname.slice(1)));
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  it('come back as they were', async () => {
    const database = new URL(url).pathname.slice(1);
    const grants = `GRANT CONNECT ON DATABASE ${database} TO ~_member, ~_forever, ~_group`;
    await server.run(`
      CREATE ROLE ~_group NOLOGIN;
      CREATE ROLE "~_Odd ""one""\\ it's" LOGIN NOINHERIT CREATEDB CREATEROLE REPLICATION BYPASSRLS
        CONNECTION LIMIT 7 VALID UNTIL '2031-02-03 04:05:06+00';
      CREATE ROLE ~_forever LOGIN VALID UNTIL 'infinity';
      CREATE ROLE ~_member;
      GRANT ~_group TO ~_member WITH ADMIN OPTION;
      GRANT ~_group TO "~_Odd ""one""\\ it's";
      GRANT pg_read_all_data TO ~_member;
      COMMENT ON ROLE ~_group IS 'those who''re in';
      ALTER ROLE ~_member SET search_path = "$user", public, "My Schema", "a""b";
      ALTER ROLE ~_member SET session_preload_libraries = 'auto_explain', '$libdir/passwordcheck';
      ALTER ROLE ~_member SET temp_tablespaces = '';
      ALTER ROLE ~_member SET DateStyle = 'ISO, DMY';
      ALTER ROLE ~_member SET work_mem = '64MB';
      ALTER ROLE ~_member SET "app.settings.note" = 'a = b, ''c'' \\ "d"';
      ALTER ROLE ~_member IN DATABASE ${database} SET statement_timeout = '2min';
      ALTER ROLE ~_member IN DATABASE ${database} SET search_path = 'only, one';`);
    if (major >= 16) await server.run('GRANT ~_forever TO ~_member WITH INHERIT FALSE, SET FALSE');
    // Roles count in a backup where the database names them.
    await server.run(grants);
    const before = await dumpRoles();
    const settings = await settingsOf('member');
    if (before) expect(before.length).toBeGreaterThan(14);
    expect(settings).toHaveLength(8);

    const roles = (await readGlobals(superuser)).roles.filter(({ name }) => name.startsWith(p));
    expect(roles).toHaveLength(4);
    await server.run(`REVOKE ALL ON DATABASE ${database} FROM ~_member, ~_forever, ~_group`);
    for (const { name } of roles) await server.run(`DROP ROLE "${name.replaceAll('"', '""')}"`);
    const { omitted } = await restore(roles, [], 'plain');

    await server.run(grants);
    const after = (await readGlobals(superuser)).roles.filter(({ name }) => name.startsWith(p));
    expect(after).toEqual(roles);
    expect(await dumpRoles()).toEqual(before);
    expect(await settingsOf('member')).toEqual(settings);
    // Nothing is missing but what no connection can read.
    expect(omitted.map(({ what }) => what)).toEqual([`passwords of ${p}_Odd "one"\\ it's, ${p}_forever`]);
    expect(omitted[0]?.remedy).toContain(`ALTER ROLE "${p}_forever" PASSWORD '…';`);
    // A second restore finds everything.
    const again = await planRoles(superuser, roles, [], 'plain');
    expect(showPlan(again)).toEqual([]);
    expect(again).toMatchObject({ created: [], equipped: [], altered: [], listed: [] });
  });

  it('that the backup only names cannot log in, and are made once', async () => {
    const { plan, omitted } = await restore([], ['unknown', 'unknown'], 'plain');
    expect(plan.created.map(({ sql }) => sql)).toEqual([`CREATE ROLE "${p}_unknown" NOLOGIN`]);
    expect(await attributesOf('unknown')).toBe('');
    expect(omitted).toEqual([]);
  });

  it('are planned without being made, and the plan shows no key', async () => {
    const settings = [{ name: 'app.key', value: 'hush' }];
    const plan = await planRoles(superuser, [role('app', { settings })], [`${p}_needed`], 'plain');
    expect(showPlan(plan)).toEqual([
      `CREATE ROLE "${p}_needed" NOLOGIN`,
      `CREATE ROLE "${p}_app" NOLOGIN`,
      `ALTER ROLE "${p}_app" SET "app"."key" TO '…'`,
    ]);
    expect(await server.rows(`SELECT rolname FROM pg_roles WHERE rolname LIKE '%~%'`)).toEqual([]);
  });

  it('never become superusers', async () => {
    const { text } = await restore([role('chief', { superuser: true, login: true })], [], 'plain');
    expect(await attributesOf('chief')).toBe('LOGIN');
    expect(text).toContain(
      `SUPERUSER of role ${p}_chief: To make it one: ALTER ROLE "${p}_chief" SUPERUSER;`,
    );
  });

  it('of the platform are made only where something needs them, and without login', async () => {
    const name = `supabase_${p}`;
    const roles = [
      { ...role(''), name, login: true, bypassRls: true },
      { ...role(''), name: `${name}_idle`, login: true },
    ];
    const plan = await planRoles(superuser, roles, [name], 'plain');
    expect(plan.created.map(({ sql }) => sql)).toEqual([`CREATE ROLE "${name}" NOLOGIN BYPASSRLS`]);
    expect(plan.listed.map(({ what }) => what)).toEqual([`LOGIN of ${name}`]);
  });

  it('of the platform are left to it in a project, which makes them with what they are for', async () => {
    const name = `supabase_${p}`;
    const plan = await planRoles(
      superuser,
      [{ ...role(''), name, login: true }],
      [name, `${p}_own`],
      'supabase-project',
    );
    expect(plan.created.map((made) => made.name)).toEqual([`${p}_own`]);
    expect(plan.listed.map(({ what }) => what)).toEqual([`role ${name}`]);
    expect(plan.listed[0]?.remedy).toMatch(/Enable that feature/);
  });

  it('that exist are left alone on a server of others, and what they lack is told', async () => {
    await server.run(`CREATE ROLE ~_there LOGIN; CREATE ROLE ~_group; CREATE ROLE ~_same`);
    const { plan, omitted } = await restore(
      [
        role('there', {
          createDatabase: true,
          connectionLimit: 3,
          memberOf: [member('group'), member('new')],
          settings: [
            { name: 'work_mem', value: '1MB' },
            { name: 'app.key', value: 'hush' },
          ],
          settingsHere: [{ name: 'lock_timeout', value: '3s' }],
        }),
        role('same'),
        role('new'),
      ],
      [],
      'plain',
    );
    expect(await groupsOf('there')).toEqual([]);
    // In this database it serves nobody else.
    expect(await settingsOf('there')).toEqual(['lock_timeout=3s']);
    expect(plan.altered).toHaveLength(1);
    expect(omitted).toHaveLength(1);
    expect(omitted[0]?.what).toContain(`NOLOGIN CONNECTION LIMIT 3 of role ${p}_there`);
    for (const statement of [
      `ALTER ROLE "${p}_there" CREATEDB NOLOGIN CONNECTION LIMIT 3;`,
      `GRANT "${p}_group" TO "${p}_there"`,
      `GRANT "${p}_new" TO "${p}_there"`,
      `ALTER ROLE "${p}_there" SET "work_mem" TO '1MB';`,
      `ALTER ROLE "${p}_there" SET "app"."key" TO '…';`,
    ]) {
      expect(omitted[0]?.remedy).toContain(statement);
    }
    expect(JSON.stringify(omitted)).not.toContain('hush');
  });

  it.each(['supabase-image', 'supabase-project'] as const)(
    'that exist on a %s get the settings and memberships they lack',
    async (scope) => {
      const platform = `supabase_${p}_${scope.length}`;
      const idle = `${platform}_idle`;
      await server.run(`
        CREATE ROLE ~_there; CREATE ROLE ~_group; CREATE ROLE ${platform}; CREATE ROLE ${idle};
        ALTER ROLE ~_there SET work_mem = '1MB'; ALTER ROLE ~_there SET lock_timeout = '9s'`);
      const { omitted } = await restore(
        [
          role('there', {
            memberOf: [member('group', { admin: true })],
            settings: [
              { name: 'work_mem', value: '2MB' },
              { name: 'nosuch', value: '1' },
            ],
          }),
          role('app'),
          {
            ...role(''),
            name: platform,
            memberOf: [member('app'), { ...member(''), role: idle }],
            settings: [{ name: 'statement_timeout', value: '8s' }],
          },
        ],
        [],
        scope,
      );
      expect(await groupsOf('there')).toEqual(['group']);
      expect(await settingsOf('there')).toEqual(['lock_timeout=9s', 'work_mem=2MB']);
      const platformNow = (await readGlobals(superuser)).roles.find(({ name }) => name === platform);
      const groups = await server.rows(
        `SELECT pg_get_userbyid(roleid) FROM pg_auth_members WHERE member = '${platform}'::regrole`,
      );
      expect(groups.flat()).toEqual([`${p}_app`]);
      expect(platformNow === undefined || platformNow.settings.length === 1).toBe(true);
      expect(omitted).toEqual([
        {
          what: `setting nosuch of role ${p}_there`,
          why: expect.stringContaining('nosuch'),
          remedy: `Run as a role that can: ALTER ROLE "${p}_there" SET "nosuch" TO '1';`,
        },
      ]);
    },
  );

  it('of a drill are those that the archive needs, and nothing that exists is altered', async () => {
    await server.run(`CREATE ROLE ~_there; CREATE ROLE ~_group`);
    const { plan, omitted } = await restore(
      [
        role('there', {
          memberOf: [member('group'), member('app')],
          settings: [{ name: 'work_mem', value: '1MB' }],
          settingsHere: [{ name: 'work_mem', value: '1MB' }],
        }),
        role('idle', { login: true }),
        role('app', {
          superuser: true,
          login: true,
          createRole: true,
          createDatabase: true,
          replication: true,
          bypassRls: true,
          inherit: false,
          memberOf: [member('group'), member('idle')],
          settings: [{ name: 'work_mem', value: '1MB' }],
          comment: 'x',
        }),
      ],
      ['app'],
      'scratch',
    );
    expect(plan.created.map(({ name }) => name)).toEqual([`${p}_app`]);
    expect(await attributesOf('app')).toBe('BYPASSRLS NOINHERIT');
    expect(await groupsOf('app')).toEqual(['group']);
    expect([await groupsOf('there'), await settingsOf('there'), await settingsOf('app')]).toEqual([
      [],
      [],
      [],
    ]);
    expect(omitted).toEqual([]);
  });

  describe('made by a role that is no superuser', () => {
    const open = async (attributes: string) => {
      await server.run(`CREATE ROLE ~_creator LOGIN ${attributes} PASSWORD 'secret'`);
      return server.open(url, `${p}_creator`);
    };

    it('have what it may give, and the rest is told with the statement', async () => {
      const session = await open('CREATEROLE CREATEDB');
      const all = { createDatabase: true, createRole: true, replication: true, bypassRls: true };
      const { omitted } = await restore([role('app', { ...all, login: true })], [], 'plain', session);
      expect(await attributesOf('app')).toBe('LOGIN CREATEDB CREATEROLE');
      expect(omitted.map(({ what }) => what)).toEqual([
        `REPLICATION of role ${p}_app`,
        `BYPASSRLS of role ${p}_app`,
        `passwords of ${p}_app`,
      ]);
      expect(omitted[1]?.remedy).toBe(`Run as a role that can: ALTER ROLE "${p}_app" BYPASSRLS;`);
      expect(omitted[1]?.why).toMatch(/superuser|BYPASSRLS/);
    });

    it.runIf(major >= 16)('have on 16 and newer what it has itself', async () => {
      const session = await open('CREATEROLE REPLICATION BYPASSRLS');
      await restore(
        [role('app', { replication: true, bypassRls: true, createDatabase: true })],
        [],
        'plain',
        session,
      );
      expect(await attributesOf('app')).toBe('REPLICATION BYPASSRLS');
    });

    it('are its own to give things to until the end of the restore', async () => {
      const session = await open('CREATEROLE');
      await server.run(`GRANT CREATE ON DATABASE ${new URL(url).pathname.slice(1)} TO ~_creator`);
      const name = `${p}_owner`;
      const roles = [role('owner'), role('idle')];
      const plan = await planRoles(session, roles, [name], 'supabase-project');
      expect(await createRolesOf(session, plan)).toEqual([]);
      expect([...plan.borrowed]).toEqual([name]);
      await session.query(`CREATE SCHEMA "${p}"`);
      await server.run(`GRANT CREATE ON SCHEMA ~ TO ~_owner`, new URL(url).pathname.slice(1));
      await session.query(`CREATE TABLE "${p}".t (id int)`);
      await session.query(`ALTER TABLE "${p}".t OWNER TO "${name}"`);
      await session.query(`CREATE INDEX ON "${p}".t (id)`);
      await session.query(`INSERT INTO "${p}".t VALUES (1)`);
      expect(await finishRoles(session, plan)).toEqual([]);
      await expect(session.query(`SELECT FROM "${p}".t`)).rejects.toThrow('permission denied');
    });

    it('have it as a member where the backup says so', async () => {
      const session = await open('CREATEROLE');
      const roles = [role('app'), role('creator', { memberOf: [member('app', { admin: true })] })];
      const { omitted } = await restore(roles, ['app'], 'supabase-project', session);
      expect(await groupsOf('creator')).toEqual(['app']);
      await session.query(`SET ROLE "${p}_app"`);
      // It has attributes that the backup does not know.
      expect(omitted.map(({ what }) => what)).toEqual([`NOCREATEROLE NOLOGIN of role ${p}_creator`]);
    });

    it('go again after a drill', async () => {
      const session = await open('CREATEROLE');
      const roles = [role('app', { memberOf: [member('group')] }), role('group')];
      const needed = [`${p}_app`, `${p}_group`];
      const plan = await planRoles(session, roles, needed, 'scratch');
      expect(await createRolesOf(session, plan)).toEqual([]);
      expect(await groupsOf('app')).toEqual(['group']);
      for (const { name } of plan.created) await session.query(`DROP ROLE "${name}"`);
      expect(await server.rows(`SELECT rolname FROM pg_roles WHERE rolname LIKE '%~%'`)).toEqual([
        [`${p}_creator`],
      ]);
    });

    it('are asked for before anything is done when it may create none', async () => {
      const session = await open('');
      const refusal = planRoles(session, [role('app', { login: true })], [`${p}_app`], 'plain');
      await expect(refusal).rejects.toThrow(ConfigurationError);
      await expect(refusal).rejects.toThrow('target-url: the server lacks roles that own');
      await expect(refusal).rejects.toMatchObject({
        next: expect.stringContaining(`CREATE ROLE "${p}_app" LOGIN;`),
      });
      // Those that nothing needs are no reason to stop.
      const { omitted } = await restore([role('app', { login: true })], [], 'plain', session);
      expect(omitted.map(({ what }) => what)).toContain(`role ${p}_app`);
    });
  });

  it('that cannot be made stop the restore, but into a project', async () => {
    // The server keeps names that begin with pg_ for itself.
    const plan = (scope: RoleScope) => planRoles(superuser, [], ['pg_nosuch'], scope);
    const refusal = createRolesOf(superuser, await plan('plain'));
    await expect(refusal).rejects.toThrow(/^target-url: role pg_nosuch, .*cannot be created: .*reserved/);
    const omitted = await createRolesOf(superuser, await plan('supabase-project'));
    expect(omitted.map(({ what }) => what)).toEqual(['role pg_nosuch']);
  });

  it('and a lost connection is no refusal', async () => {
    const session = await server.open(url);
    const plan = await planRoles(session, [role('app')], [], 'plain');
    session.destroy();
    await expect(createRolesOf(session, plan)).rejects.toThrow();
  });
});

const majors = (await findServers()).map(({ major }) => major).filter((major) => major >= 15);

describe.each(majors)('the roles of a Supabase project on PostgreSQL %i', (major) => {
  let source: TestServer;
  let roles: Role[];
  const open = async (prepare: (url: string) => Promise<void>) => {
    const cluster = await startCluster({ major });
    const server = makeServer(cluster.superuserUrl(), cluster.binFolder, cluster);
    await prepare(server.url);
    return server;
  };
  const dump = async (server: TestServer) => {
    const env = { ...process.env, ...connectionEnvironment(server.url) };
    const args = ['--roles-only', '--no-role-passwords'];
    const { stdout } = await run(path.join(server.bin, 'pg_dumpall'), args, { env });
    const lines = stdout.split('\n').filter((line) => /^(CREATE|ALTER|GRANT (?!SET ON)|COMMENT)/.test(line));
    return lines.map((line) => line.replace(/ GRANTED BY .*;/, ';')).sort();
  };

  beforeAll(async () => {
    source = await open(createRoles);
    await source.run(`
      CREATE SCHEMA auth;
      CREATE ROLE app_admin; CREATE ROLE reporter LOGIN CONNECTION LIMIT 5 PASSWORD 'secret';
      GRANT app_admin TO authenticator;
      GRANT app_admin TO postgres WITH ADMIN OPTION;
      GRANT pg_read_all_data, authenticated TO reporter;
      ALTER ROLE reporter SET search_path = "$user", public, extensions;
      ALTER ROLE anon SET statement_timeout = '5s';
      ALTER ROLE authenticator SET "pgrst.db_schemas" = 'public, api'`);
    const session = await source.open(source.url);
    roles = (await readGlobals(session)).roles;
    expect(roles.length).toBeGreaterThan(13);
  });
  afterAll(() => source?.[Symbol.asyncDispose]());

  it('are the same in another project, restored by one that is no superuser', async () => {
    await using target = await open(createRoles);
    // On the platform supautils lets it.
    await target.run('GRANT SET ON PARAMETER pgrst.db_schemas TO postgres');
    const session = await openSession(
      parseConnection(
        'target-url',
        reconnect(target.url, { user: 'postgres', password: 'of-the-owner' }),
        emptyContext,
      ),
    );
    const plan = await planRoles(session, roles, ['app_admin', 'anon'], 'supabase-project');
    const omitted = [...(await createRolesOf(session, plan)), ...(await finishRoles(session, plan))];
    await session.close();
    expect(plan.created.map(({ name }) => name)).toEqual(['app_admin', 'reporter']);
    expect(omitted.map(({ what }) => what)).toEqual(['passwords of reporter']);
    expect(await dump(target)).toEqual(await dump(source));
  });

  it('are on a server of others what the archive needs, without login', async () => {
    await using target = await open(async () => undefined);
    const session = await target.open(target.url);
    const needed = ['anon', 'authenticated', 'service_role', 'authenticator', 'postgres'];
    const plan = await planRoles(session, roles, needed, 'plain');
    const omitted = [...(await createRolesOf(session, plan)), ...(await finishRoles(session, plan))];
    const made = await dump(target);
    const from = await dump(source);
    expect(made).toContain(
      'ALTER ROLE service_role WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION BYPASSRLS;',
    );
    // All that is said of them, but that they log in.
    const about = from.filter(
      (line) =>
        !/supabase_|dashboard_user|pgbouncer/.test(line) &&
        !/^ALTER ROLE (postgres|authenticator) WITH/.test(line),
    );
    expect(made).toEqual(expect.arrayContaining(about));
    expect(made.filter((line) => / LOGIN /.test(line)).map((line) => line.split(' ')[2])).toEqual([
      'reporter',
      'supabase_admin',
    ]);
    expect(omitted.map(({ what }) => what)).toEqual([
      'passwords of reporter',
      'LOGIN of authenticator, postgres',
    ]);
  });
});
