import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../../src/format/manifest.ts';
import type { Supplement } from '../../../src/format/supplement.ts';
import {
  type ArchiveEntry,
  describeEntry,
  readContents,
} from '../../../src/postgres/client/table-of-contents.ts';
import { clientEnvironment } from '../../../src/postgres/session/client-variables.ts';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { ArchiveRestore } from '../../../src/restorer/archive/restore.ts';
import { createChoice, selectPart } from '../../../src/restorer/archive/selection.ts';
import { steps } from '../../../src/restorer/archive/steps.ts';
import { emptyDatabase } from '../../../src/restorer/clean/clean.ts';
import { removePart } from '../../../src/restorer/clean/part.ts';
import { readTargetFacts } from '../../../src/restorer/foresight/facts.ts';
import { type Prospect, previewRefusals, previewRestore } from '../../../src/restorer/foresight/foresight.ts';
import { fitPart } from '../../../src/restorer/part/part.ts';
import { applyDatabase } from '../../../src/restorer/roles/database.ts';
import { createRolesOf, finishRoles, planRoles, type RolePlan } from '../../../src/restorer/roles/roles.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { readThrough } from '../../../src/source/archive/describe.ts';
import { seedDatabase } from '../../fixture/seed.ts';
import { connect } from '../../postgres/database.ts';
import { createContext, emptyContext } from '../../support/context.ts';
import { servers, type TestServer } from '../servers.ts';

/* What is foreseen is compared with what the server refuses of the same archive in the same database. */

const folder = mkdtempSync(path.join(tmpdir(), 'foresight-'));
const context = createContext({ temporaryFolder: folder });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Source {
  readonly archive: string;
  readonly entries: readonly ArchiveEntry[];
  readonly supplement: Supplement;
  readonly tables: Prospect['tables'];
}

interface Target {
  readonly url: string;
  /** null: the superuser */
  readonly user: string | null;
}

/** What of a group of refusals comes by itself, and is not told. */
const unsaid = new Set([
  ...[
    'ACL',
    'COMMENT',
    'SECURITY LABEL',
    'SEQUENCE SET',
    'SEQUENCE OWNED BY',
    'TABLE ATTACH',
    'INDEX ATTACH',
  ],
  ...['CONSTRAINT', 'INDEX', 'DEFAULT', 'TRIGGER', 'FK CONSTRAINT', 'MATERIALIZED VIEW DATA', 'ROW SECURITY'],
]);

describe.each(servers)('on PostgreSQL %i', (major, start) => {
  let server: TestServer;
  let guest: string;
  let made = 0;

  beforeAll(async () => {
    server = await start();
    guest = `${server.prefix}_guest`;
    await server.run(
      `CREATE ROLE ${guest} LOGIN PASSWORD 'secret'; CREATE ROLE ~_friend; GRANT ~_friend TO ${guest}; CREATE ROLE ~_stranger`,
    );
  }, 60_000);
  afterAll(() => server?.[Symbol.asyncDispose]());

  const nameOf = (url: string) => new URL(url).pathname.slice(1);
  const client = () => ({
    major,
    version: String(major),
    pgDump: `${server.bin}/pg_dump`,
    pgRestore: `${server.bin}/pg_restore`,
  });

  /** Everything of it belongs to the guest, unless another is told. */
  async function createSource(sql: string, owner = guest): Promise<Source> {
    const url = await server.createDatabase();
    await server.run(
      `ALTER ROLE ${owner} SUPERUSER; SET ROLE ${owner}; ${sql}; RESET ROLE; ALTER ROLE ${owner} NOSUPERUSER`,
      nameOf(url),
    );
    return dumpSource(url);
  }

  async function dumpSource(url: string): Promise<Source> {
    made += 1;
    const archive = path.join(folder, `${major}-${made}`);
    const settings = parseConnection('database-url', url, emptyContext);
    const env = clientEnvironment(settings, process.env, () => '');
    execFileSync(client().pgDump, ['-Fc', '-s', '-f', archive], { env });
    const roles = await server.rows('SELECT rolname FROM pg_roles');
    const entries = await readContents(
      client(),
      archive,
      roles.map(([name = '']) => name),
      context,
    );
    const session = await server.open(url);
    await applySettings(session, 'UTF8');
    const supplement = { ...(await readThrough(session)), answers: [], freshness: [] };
    const tables = await session.query<{ oid: number; schema: string; name: string; rows: number }>(
      `SELECT c.oid, n.nspname AS schema, c.relname AS name, 10 AS rows FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information)'`,
    );
    await session.close();
    return { archive, entries, supplement, tables };
  }

  /** A database of the guest's, unless another is told. */
  async function createTarget(sql = '', user: string | null = guest, owner = guest): Promise<Target> {
    const url = await server.createDatabase(owner);
    if (sql !== '') await server.run(sql, nameOf(url));
    return { url, user };
  }

  async function plan(
    source: Source,
    target: Target,
    session: Session,
  ): Promise<Prospect & { roles: RolePlan }> {
    // As planRestore leaves them: schemas that are there are not made.
    const schemas = (await server.rows('SELECT nspname FROM pg_namespace', nameOf(target.url))).map(
      ([name]) => name,
    );
    const entries = source.entries.filter(
      ({ kind, name }) => kind !== 'SCHEMA' || name === 'public' || !schemas.includes(name),
    );
    const { supplement, tables } = source;
    const own = supplement.roles.filter(({ name }) => name.startsWith(server.prefix));
    const roles = await planRoles(session, own, [], 'plain');
    return {
      ...{ entries, tables, supplement, roles, part: undefined, renewed: [], kind: 'plain' },
      guards: new Set(entries.filter(({ kind }) => kind === 'POLICY' || kind === 'ROW SECURITY')),
    };
  }

  /** What is foreseen, and what then happens. */
  async function compare(
    source: Source,
    target: Target,
    chosen: Partial<Pick<Prospect, 'entries' | 'part'>> = {},
  ) {
    const session = await server.open(target.url, target.user ?? undefined);
    const prospect = { ...(await plan(source, target, session)), ...chosen };
    const lines = await previewRestore(session, prospect);
    const facts = await readTargetFacts(session);
    const { groups } = await previewRefusals(session, prospect, facts, new Set());
    await createRolesOf(session, prospect.roles);
    await session.close();
    const settings = parseConnection('target-url', target.url, emptyContext);
    const connected =
      target.user === null ? settings : { ...settings, user: target.user, password: 'secret' };
    const restored = new ArchiveRestore(
      {
        ...{ path: source.archive, client: client(), entries: prospect.entries, settings: connected },
        ...{ encoding: 'UTF8', searchPaths: { candidates: [], needed: undefined }, jobs: 1 },
        env: clientEnvironment(connected, process.env, () => ''),
        refusedExtensions: 'lost',
        extensionOwners: new Map<string, string>(),
      },
      context,
    );
    for (const step of steps) if (restored.has(step)) await restored.run(step);
    const isSaid = ({ kind }: ArchiveEntry) => !unsaid.has(kind);
    const gone = restored.findGone(...new Set(prospect.entries.map(({ kind }) => kind)));
    const all = groups.flatMap(({ direct, following }) => [...direct, ...following]);
    return {
      lines,
      prospect,
      foreseen: all.filter(isSaid).map(describeEntry).sort(),
      refused: gone.filter(isSaid).map(describeEntry).sort(),
      omissions: restored.notCarried,
    };
  }

  it('foresees nothing of what comes', async () => {
    const source = await createSource(
      `
      CREATE EXTENSION hstore; CREATE SCHEMA app; 
      CREATE TABLE app.t (id int PRIMARY KEY, h public.hstore, UNIQUE (h)); CREATE TYPE app.e AS ENUM ('a'); CREATE DOMAIN app.d AS app.e;
      CREATE TYPE app.pair AS (a int, b app.e); CREATE TYPE app.span AS RANGE (subtype = int);
      CREATE VIEW app.v AS SELECT * FROM app.t;
      CREATE FUNCTION app.f(a text DEFAULT '; language c; immutable; leakproof') RETURNS int LANGUAGE plpgsql SET search_path = app, pg_temp SET work_mem = '8MB' AS 'BEGIN RETURN 1; END';
      CREATE AGGREGATE app.total(int) (sfunc = int4pl, stype = int);
      CREATE CAST (app.pair AS text) WITH INOUT;
      CREATE PUBLICATION p FOR TABLE app.t;
      ALTER DEFAULT PRIVILEGES FOR ROLE ~_friend GRANT SELECT ON TABLES TO ${guest}`,
    );
    const { lines, foreseen, refused } = await compare(source, await createTarget());
    expect(refused).toEqual([]);
    expect(foreseen).toEqual([]);
    expect(lines).toEqual([]);
  });

  const ofSuperusers = `
    CREATE TYPE public.word;
    CREATE FUNCTION public.word_in(cstring) RETURNS public.word LANGUAGE internal IMMUTABLE STRICT AS 'textin';
    CREATE FUNCTION public.word_out(public.word) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
    CREATE TYPE public.word (INPUT = public.word_in, OUTPUT = public.word_out);
    CREATE TYPE public.shell;
    CREATE TABLE public.words (w public.word); CREATE VIEW public.all_words AS SELECT * FROM public.words;
    CREATE TABLE public.plain (id int);
    CREATE FUNCTION public.quick(int) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'int4up';
    CREATE FUNCTION public.tight() RETURNS int LANGUAGE sql LEAKPROOF AS 'SELECT 1';
    CREATE FUNCTION public.supported(int) RETURNS int LANGUAGE sql SUPPORT pg_catalog.generate_series_int4_support AS 'SELECT 1';
    CREATE AGGREGATE public.mean(numeric) (sfunc = numeric_avg_accum, stype = internal, finalfunc = numeric_avg);
    CREATE CAST (point AS bytea) WITH INOUT; CREATE CAST (bytea AS text) WITHOUT FUNCTION;
    CREATE OPERATOR FAMILY public.family USING btree;
    CREATE TEXT SEARCH TEMPLATE public.template (lexize = dsimple_lexize);
    CREATE FUNCTION public.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION public.on_ddl();
    CREATE PUBLICATION everything FOR ALL TABLES;
    ${major >= 15 ? 'CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA public;' : ''}
    CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
    CREATE TABLE public.modern (id int) USING heap2`;

  it('foresees what only a superuser makes, and what needs it with its rows', async () => {
    const source = await createSource(ofSuperusers);
    const { lines, foreseen, refused } = await compare(source, await createTarget());
    expect(foreseen).toEqual(refused);
    expect(foreseen).toEqual(
      expect.arrayContaining(['table public.words', 'view public.all_words', 'function public.tight()']),
    );
    expect(foreseen).not.toContain('table public.modern');
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^The server will probably refuse .*because only a superuser can create such an object.*cannot be restored either: 1 table with 10 rows \(public\.words\) and .*view public\.all_words/,
      ),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^The target will have no access method heap2, so public\.modern will use/),
    );
    expect(lines.length).toBeLessThan(8);
  });

  it('foresees none of that for a superuser', async () => {
    const source = await createSource(ofSuperusers);
    const { lines, foreseen, refused } = await compare(source, await createTarget('', null));
    expect({ lines, foreseen, refused }).toEqual({ lines: [], foreseen: [], refused: [] });
  });

  const withServer = `
    CREATE EXTENSION postgres_fdw; CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR ~_friend SERVER away;
    CREATE FOREIGN TABLE public.far (id int) SERVER away;
    CREATE VIEW public.farther AS SELECT * FROM public.far;
    CREATE TABLE public.near (id int)`;

  it('foresees extensions that only a superuser creates, with servers, mappings and tables of them', async () => {
    const source = await createSource(withServer);
    const { lines, foreseen, refused } = await compare(source, await createTarget());
    expect(foreseen).toEqual(refused);
    expect(foreseen).toEqual(
      [
        'extension - postgres_fdw',
        'foreign table public.far',
        'server away',
        `user mapping USER MAPPING ${server.prefix}_friend SERVER away`,
        'view public.farther',
      ].map((name) => name.replace('- ', '')),
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('Have a superuser create it in the target first');
  });

  it('foresees a server whose wrapper the role may not use', async () => {
    const source = await createSource(withServer);
    const shut = await compare(source, await createTarget('CREATE EXTENSION postgres_fdw'));
    expect(shut.foreseen).toEqual(shut.refused);
    expect(shut.foreseen).toContain('server away');
    expect(shut.lines[0]).toContain('no USAGE on the foreign data wrapper postgres_fdw');
    const open = `CREATE EXTENSION postgres_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO ${guest}`;
    const free = await compare(source, await createTarget(open));
    expect({ lines: free.lines, refused: free.refused }).toEqual({ lines: [], refused: [] });
  });

  it('foresees what goes into a schema that it may not create in', async () => {
    const source = await createSource(`
      CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY); CREATE TABLE app.u (id int REFERENCES app.t);
      CREATE VIEW app.v AS SELECT * FROM app.t; CREATE TABLE public.plain (id int)`);
    const shut = await compare(
      source,
      await createTarget(`CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO ${guest}`),
    );
    expect(shut.foreseen).toEqual(shut.refused);
    expect(shut.lines).toContainEqual(
      expect.stringMatching(
        /refuse 2 tables with 20 rows \(app\.t, app\.u\), because the connected role has no CREATE on the schema app of the target; .*: view app\.v\./,
      ),
    );
    const free = await compare(
      source,
      await createTarget(`CREATE SCHEMA app; GRANT ALL ON SCHEMA app TO ${guest}`),
    );
    expect({ lines: free.lines, refused: free.refused }).toEqual({ lines: [], refused: [] });
  });

  it('refuses a database that it may not create in, before anything', async () => {
    const source = await createSource('CREATE TABLE public.t (id int)');
    const target = await createTarget('', guest, `${server.prefix}_stranger`);
    const session = await server.open(target.url, guest);
    const prospect = await plan(source, target, session);
    await expect(previewRestore(session, prospect)).rejects.toThrow(ConfigurationError);
    await expect(previewRestore(session, prospect)).rejects.toThrow(/has no CREATE on the database/);
    await expect(session.query('CREATE SCHEMA supabase_backup')).rejects.toThrow(/permission denied/);
    await server.run(`GRANT CREATE ON DATABASE ${nameOf(target.url)} TO ${guest}`);
    expect(await previewRestore(session, prospect)).toEqual([
      expect.stringContaining('has no CREATE on the schema public'),
    ]);
    await session.close();
  });

  it('foresees functions under settings that the target does not know or the role may not set', async () => {
    const source = await createSource(`
      CREATE FUNCTION public.loud() RETURNS int LANGUAGE sql SET log_statement = 'all' AS 'SELECT 1';
      CREATE FUNCTION public.own() RETURNS int LANGUAGE sql SET app.tenant = 'a, nosuch=b' SET work_mem = '8MB' AS 'SELECT 1';
      CREATE FUNCTION public.fine() RETURNS int LANGUAGE sql SET search_path = "$user", public, "x=y" SET datestyle = 'ISO, DMY' AS 'SELECT 1'`);
    const { foreseen, refused, lines } = await compare(source, await createTarget());
    expect(foreseen).toEqual(['function public.loud()', 'function public.own()']);
    expect(refused).toEqual(foreseen);
    expect(lines).toContainEqual(
      expect.stringContaining('the connected role cannot set the setting app.tenant'),
    );
    const free = await compare(source, await createTarget('', null));
    expect({ lines: free.lines, refused: free.refused }).toEqual({ lines: [], refused: [] });
  });

  it('foresees a function under a setting that is gone, also for a superuser', async () => {
    const source = await createSource(`
      CREATE FUNCTION public.gone() RETURNS int LANGUAGE sql AS 'SELECT 1';
      CREATE VIEW public.v AS SELECT public.gone();
      UPDATE pg_proc SET proconfig = '{nosuch_setting=on}' WHERE proname = 'gone'`);
    const { foreseen, refused, lines } = await compare(source, await createTarget('', null));
    expect(foreseen).toEqual(['function public.gone()', 'view public.v']);
    expect(refused).toEqual(foreseen);
    expect(lines).toEqual([expect.stringContaining('the target does not know the setting nosuch_setting')]);
  });

  it('foresees settings of the database and of roles that the server refuses', async () => {
    await server.run(`ALTER ROLE ~_stranger RESET ALL; ALTER ROLE ${guest} RESET ALL`);
    const source = await createSource('CREATE TABLE public.t (id int)');
    const database = { ...source.supplement.database, owner: guest, comment: null, grants: null };
    const settings = ['work_mem', 'log_statement', 'app.key', 'nosuch_setting', 'shared_buffers'].map(
      (name) => ({
        name,
        value: name === 'work_mem' ? '8MB' : name === 'shared_buffers' ? '8MB' : 'all',
      }),
    );
    const roles = source.supplement.roles.map((role) =>
      [guest, `${server.prefix}_stranger`].includes(role.name)
        ? { ...role, settingsHere: settings.filter(({ name }) => name === 'work_mem') }
        : role,
    );
    const supplement = { ...source.supplement, roles, database: { ...database, settings } };
    for (const owner of [guest, `${server.prefix}_stranger`]) {
      const target = await createTarget(`GRANT ALL ON SCHEMA public TO ${guest}`, guest, owner);
      await server.run(`GRANT CREATE ON DATABASE ${nameOf(target.url)} TO ${guest}`);
      const session = await server.open(target.url, guest);
      const prospect = await plan({ ...source, supplement }, target, session);
      const lines = (await previewRestore(session, prospect)).filter((line) => line.includes('setting '));
      const refused = [
        ...(await applyDatabase(session, supplement.database, 'plain')),
        ...(await finishRoles(session, prospect.roles)),
      ].filter(({ what }) => what.startsWith('setting '));
      await session.close();
      const what = refused.map((omission) => omission.what.replace(' in this database', ''));
      expect(what.length).toBeGreaterThan(1);
      for (const name of what) expect(lines.filter((line) => line.includes(name))).toHaveLength(1);
      const told = lines.flatMap((line) => [
        ...line.matchAll(/setting \S+ of (?:the database|role [^\s,]+)/g),
      ]);
      expect(told.map(([name]) => name).sort()).toEqual(what.sort());
    }
  });

  it('foresees grants on what is not its own, and default privileges of others', async () => {
    const source = await createSource(`
      CREATE EXTENSION hstore; CREATE TABLE public.t (id int);
      GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO ~_friend; GRANT SELECT ON pg_catalog.pg_authid TO ~_friend;
      GRANT SELECT ON public.t TO ~_friend;
      REVOKE EXECUTE ON FUNCTION public.akeys(public.hstore) FROM PUBLIC;
      ALTER DEFAULT PRIVILEGES FOR ROLE ~_stranger GRANT SELECT ON TABLES TO ~_friend`);
    const target = await createTarget();
    const { lines, omissions } = await compare(source, target);
    expect(lines).toContainEqual(
      expect.stringMatching(
        /probably refuse grants on pg_catalog\.FUNCTION .*, grants on pg_catalog\.TABLE pg_authid, because .*the connected role does not have the right/,
      ),
    );
    expect(lines).toContainEqual(expect.stringMatching(/may refuse grants on public\.FUNCTION akeys/));
    expect(lines.join()).not.toContain('TABLE t');
    expect(lines).toContainEqual(
      expect.stringMatching(
        /refuse default privileges of \S+_stranger, because only a member of that role can alter them/,
      ),
    );
    expect(omissions.map(({ what }) => what)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^default acl/),
        expect.stringMatching(/^acl pg_catalog/),
      ]),
    );
    const granted = `SELECT has_function_privilege('~_friend', 'pg_catalog.pg_read_file(text)', 'EXECUTE'), has_table_privilege('~_friend', 'public.t', 'SELECT'),
      has_function_privilege('~_stranger', 'public.akeys(public.hstore)', 'EXECUTE')`;
    expect(await server.rows(granted, nameOf(target.url))).toEqual([['f', 't', 't']]);
  });

  it('foresees owners that will not have their things', async () => {
    const source = await createSource(
      `CREATE SCHEMA app; ALTER SCHEMA app OWNER TO ${guest}; CREATE TABLE app.t (id int);
       CREATE SCHEMA theirs; ALTER SCHEMA theirs OWNER TO ~_friend; CREATE TABLE theirs.t (id int);
       CREATE FUNCTION theirs.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION theirs.f() OWNER TO ~_stranger`,
      '~_friend',
    );
    const target = await createTarget();
    const { lines, omissions } = await compare(source, target);
    expect(
      omissions
        .filter(({ what }) => what.startsWith('owner '))
        .map(({ what }) => what)
        .sort(),
    ).toEqual(['owner app.t', 'owner theirs.f()']);
    expect(lines).toEqual([
      `The connected role cannot act as ${server.prefix}_stranger, so their objects will belong to the connected role.`,
      expect.stringContaining(`to the connected role: ${server.prefix}_friend in app.`),
    ]);
  });

  it('foresees names that the target has given to something else', async () => {
    const source = await createSource(
      `CREATE TABLE public.hstore (id int PRIMARY KEY); CREATE TABLE public.t (id int, CONSTRAINT gist_hstore_ops UNIQUE (id)); CREATE DOMAIN public.ghstore AS int`,
    );
    const { lines, foreseen, refused } = await compare(
      source,
      await createTarget('CREATE EXTENSION hstore', null),
    );
    expect(foreseen).toEqual(refused);
    expect(foreseen).toEqual(['domain public.ghstore', 'table public.hstore']);
    expect(lines).toEqual([expect.stringContaining('because another object in the target has the name')]);
  });

  it('foresees a language that the target has not', async () => {
    const source = await createSource(`
      CREATE FUNCTION public.f() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END'; CREATE TABLE public.t (id int DEFAULT public.f())`);
    const missing = await compare(source, await createTarget('DROP EXTENSION plpgsql', null));
    expect(missing.foreseen).toEqual(missing.refused);
    expect(missing.foreseen).toEqual(['function public.f()', 'table public.t']);
    const shut = await compare(source, await createTarget('REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC'));
    expect(shut.foreseen).toEqual(shut.refused);
    expect(shut.lines[0]).toContain('no USAGE on the language plpgsql');
  });

  const fitInto = (source: Source, session: Session, include: readonly string[]) => {
    const names = new Map(source.tables.map((table) => [table.oid, table]));
    const selection = selectPart(source.entries, names, createChoice({ include, exclude: [] }));
    const manifest = { tables: source.tables as Manifest['tables'] };
    return fitPart(session, 'plain', { manifest, include, exclude: [], contents: source.entries, selection });
  };

  const shop = `
    CREATE TABLE public.orders (id int PRIMARY KEY); CREATE TABLE public.lines (id int PRIMARY KEY, order_id int REFERENCES public.orders);
    CREATE TYPE public.pair AS (a int)`;

  it('foresees that clean is refused what the role does not own', async () => {
    const source = await createSource(shop);
    const include = ['public.orders', 'public.pair'];
    const give = (...names: string[]) => names.map((name) => `ALTER ${name} OWNER TO ${guest}`).join('; ');
    for (const [theirs, told] of [
      [give('TABLE public.lines'), 'table public.orders, type public.pair'],
      [give('TABLE public.lines', 'TABLE public.orders'), 'type public.pair'],
      [give('TYPE public.pair', 'TABLE public.orders'), 'table public.lines (its foreign key)'],
      [give('TYPE public.pair', 'TABLE public.orders', 'TABLE public.lines'), undefined],
    ] as const) {
      // The schema is nobody's of the guest's: its owner may drop what is in it.
      const target = await createTarget(
        `${shop}; ALTER SCHEMA public OWNER TO ~_stranger; GRANT ALL ON SCHEMA public TO ${guest}; ${theirs}`,
      );
      const session = await server.open(target.url, guest);
      await applySettings(session, 'UTF8');
      const part = await fitInto(source, session, include);
      const prospect = { ...(await plan(source, target, session)), entries: part.selection.entries, part };
      const lines = await previewRestore(session, prospect);
      expect(lines.filter((line) => line.startsWith('With clean'))).toEqual(
        told === undefined
          ? []
          : [
              `With clean, the restore would be refused, because the connected role ${guest} does not own ${told}. Connect as their owner or as a superuser.`,
            ],
      );
      const removing = removePart(session, part.chosen, async () => {});
      if (told === undefined) await removing;
      else await expect(removing).rejects.toThrow(/must be owner of|permission denied for/);
      await session.close();
    }
  });

  it('foresees that a database which others share cannot be emptied', async () => {
    const source = await createSource(shop);
    for (const [sql, told] of [
      ['CREATE SCHEMA theirs; CREATE TABLE theirs.t (id int)', 'schema theirs'],
      ['CREATE PUBLICATION p', 'publication p'],
      [
        `CREATE TABLE public.t (id int); CREATE SCHEMA ours AUTHORIZATION ${guest}; CREATE TABLE ours.t (id int)`,
        undefined,
      ],
    ] as const) {
      const target = await createTarget(`CREATE TABLE public.mine (id int); ${sql}`);
      const session = await server.open(target.url, guest);
      const lines = await previewRestore(session, await plan(source, target, session));
      expect(lines).toEqual(told === undefined ? [] : [expect.stringContaining(`does not own ${told}.`)]);
      const emptying = emptyDatabase(session, 'plain');
      if (told === undefined) await emptying;
      else await expect(emptying).rejects.toThrow(/must be owner of|permission denied for/);
      await session.close();
    }
  });

  it('foresees that a part meets a type of the name of its table', async () => {
    const source = await createSource(`${shop}; CREATE TABLE public.other (id int)`);
    const target = await createTarget(
      'CREATE DOMAIN public.orders AS int; CREATE TABLE public.used (id int); CREATE TABLE public.order (id int)',
      null,
    );
    const session = await server.open(target.url);
    await applySettings(session, 'UTF8');
    const part = await fitInto(source, session, ['public.orders', 'public.other']);
    await session.close();
    const { lines, foreseen, refused } = await compare(source, target, {
      entries: part.selection.entries,
      part,
    });
    expect(foreseen).toEqual(['table public.orders']);
    expect(refused).toEqual(foreseen);
    expect(lines).toEqual([
      expect.stringMatching(
        /^The server will probably refuse 1 table with 10 rows \(public\.orders\), because another object in the target has the name/,
      ),
    ]);
  });

  it('foresees that the restore ends where a policy cannot be made that keeps rows away', async () => {
    const source = await createSource(`
      CREATE FUNCTION public.allowed() RETURNS bool LANGUAGE sql LEAKPROOF AS 'SELECT true';
      CREATE TABLE public.t (id int); ALTER TABLE public.t ENABLE ROW LEVEL SECURITY;
      CREATE POLICY guard ON public.t AS RESTRICTIVE USING (public.allowed())`);
    const { lines, foreseen, refused } = await compare(source, await createTarget());
    expect(foreseen).toEqual(['function public.allowed()', 'policy public.t guard']);
    expect(refused).toEqual(foreseen);
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^The restore would stop before it grants privileges, because without policy public\.t guard/,
      ),
    );
  });

  it.skipIf(major >= 17)('foresees tablespaces that are missing, or not the role’s', async () => {
    const space = `${server.prefix}_fast`;
    const admin = await connect(server.url);
    await admin.query('SET allow_in_place_tablespaces = on');
    await admin.query(`CREATE TABLESPACE ${space} LOCATION ''`);
    await admin.end();
    const source = await createSource(
      `CREATE TABLE public.t (id int, CONSTRAINT "a key" PRIMARY KEY (id) USING INDEX TABLESPACE ${space}) TABLESPACE ${space}; CREATE TABLE public.u (id int);
       CREATE INDEX u_id ON public.u (id) TABLESPACE ${space}`,
    );
    const shut = await compare(source, await createTarget());
    expect(shut.lines).toEqual([
      expect.stringMatching(
        /^The connected role has no CREATE on the tablespace \S+_fast, so that public\.t, .*public\.u_id will be/,
      ),
    ]);
    expect(shut.refused).toEqual([]);
    await server.run(`GRANT CREATE ON TABLESPACE ${space} TO ${guest}`);
    const free = await compare(source, await createTarget());
    expect({ lines: free.lines, refused: free.refused }).toEqual({ lines: [], refused: [] });
    for (const [name = ''] of await server.rows(
      `SELECT datname FROM pg_database WHERE datname LIKE '~\\_%'`,
    )) {
      await server.run(`DROP DATABASE ${name} WITH (FORCE)`);
    }
    await server.run(`DROP TABLESPACE ${space}`);
    const missing = await compare(source, await createTarget('', null));
    expect(missing.refused).toEqual([]);
    expect(missing.omissions.map(({ what }) => what)).toEqual([`tablespace ${space}`]);
    expect(missing.lines).toEqual([
      expect.stringMatching(
        /^The target has no tablespace \S+_fast, so that public\.t, public\..*, public\.u_id will be in the default one/,
      ),
    ]);
  });

  it.skipIf(major >= 17)('foresees of a database with everything in it exactly what is refused', async () => {
    const { superuserUrl } = await seedDatabase({
      ...{ superuserUrl: server.url, owner: `${server.prefix}_app`, database: `${server.prefix}_fixture` },
      ...{ tinyTables: 5, bulkRows: 10 },
    });
    const source = await dumpSource(superuserUrl);
    const all = await compare(source, await createTarget('', null));
    expect({ foreseen: all.foreseen, refused: all.refused }).toEqual({ foreseen: [], refused: [] });
    const some = await compare(source, await createTarget());
    expect(some.foreseen).toEqual(some.refused);
    expect(some.foreseen.length).toBeGreaterThan(20);
    expect(some.lines.length).toBeLessThan(12);
  });
});
