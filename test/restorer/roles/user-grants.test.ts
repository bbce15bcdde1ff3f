import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Definition } from '../../../src/format/supplement.ts';
import { readDefinitions } from '../../../src/postgres/catalog/definitions.ts';
import { openSession, type Session } from '../../../src/postgres/session/connection.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { grantToUsers } from '../../../src/restorer/roles/user-grants.ts';
import { reconnect } from '../../fixture/seed.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { emptyContext } from '../../support/context.ts';

let cluster: Cluster;
let wanted: Definition[];

const platform = `
  CREATE SCHEMA auth;
  CREATE TABLE auth.users (id int, "E-mail" text, name text);
  CREATE SEQUENCE auth.numbers;
  CREATE FUNCTION auth.age(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE TABLE public.own (id int)`;

beforeAll(async () => {
  cluster = await startCluster();
  await run(
    'postgres',
    `CREATE ROLE "Reader of it's"; CREATE ROLE writer; CREATE ROLE service_role; CREATE ROLE modest LOGIN PASSWORD 'modest'`,
  );
  await run('postgres', 'CREATE DATABASE source TEMPLATE template0');
  await run('source', platform);
  await run(
    'source',
    `GRANT SELECT ON auth.users TO "Reader of it's"; GRANT UPDATE ("E-mail") ON auth.users TO writer WITH GRANT OPTION;
     GRANT SELECT, INSERT ON auth.users TO writer; GRANT USAGE ON SEQUENCE auth.numbers TO writer;
     GRANT EXECUTE ON FUNCTION auth.age(int, text) TO "Reader of it's"; GRANT SELECT ON public.own TO writer;
     GRANT USAGE ON SCHEMA auth TO "Reader of it's"; GRANT USAGE, CREATE ON SCHEMA auth TO writer WITH GRANT OPTION;
     GRANT USAGE ON SCHEMA auth TO service_role; GRANT USAGE ON SCHEMA public TO writer`,
  );
  wanted = await read('source');
});
afterAll(() => cluster?.stop());

async function run(database: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.superuserUrl(database) });
  await client.connect();
  await client.query(sql);
  await client.end();
}

async function withSession<Result>(url: string, ask: (session: Session) => Promise<Result>): Promise<Result> {
  const session = await openSession(parseConnection('target-url', url, emptyContext, undefined));
  try {
    return await ask(session);
  } finally {
    await session.close();
  }
}

function read(database: string): Promise<Definition[]> {
  return withSession(cluster.superuserUrl(database), async (session) => {
    await session.query(`SET search_path = ''`);
    return await readDefinitions(session);
  });
}

const grantsIn = (definitions: readonly Definition[], schema: string) =>
  definitions.filter((definition) => definition.kind === 'grant' && definition.schema === schema);

it("gives the user's roles what they had on the platform's objects, and on no others", async () => {
  await run('postgres', 'CREATE DATABASE project TEMPLATE template0');
  await run('project', platform);
  const refused = await withSession(cluster.superuserUrl('project'), async (session) => {
    await session.query(`SET search_path = ''`);
    return await grantToUsers(session, wanted, new Set(['auth']));
  });
  expect(refused).toEqual([]);
  const found = await read('project');
  expect(grantsIn(found, 'auth')).toEqual(grantsIn(wanted, 'auth'));
  expect(grantsIn(wanted, 'auth')).toHaveLength(5);
  expect(grantsIn(found, 'public')).toEqual([]);
  // Of schemas too, but for what the platform gives its own roles, and never beyond the platform's schemas.
  const onSchemas = found.filter(({ kind, schema }) => kind === 'grant' && schema === null);
  expect(onSchemas.map(({ name, detail }) => [name, detail])).toEqual([
    [`schema auth to "Reader of it's"`, 'USAGE'],
    ['schema auth to writer', 'CREATE with grant option, USAGE with grant option'],
  ]);
});

it('gives what the connected role may pass on of a schema of the platform', async () => {
  await run('postgres', 'CREATE DATABASE passing TEMPLATE template0');
  await run('passing', `${platform}; GRANT USAGE ON SCHEMA auth TO modest WITH GRANT OPTION`);
  const url = reconnect(cluster.superuserUrl('passing'), { user: 'modest', password: 'modest' });
  const reader = wanted.filter(({ name }) => name === `schema auth to "Reader of it's"`);
  expect(reader).toHaveLength(1);
  const refused = await withSession(url, async (session) => {
    await session.query(`SET search_path = ''`);
    return await grantToUsers(session, reader, new Set(['auth']));
  });
  expect(refused).toEqual([]);
  expect((await read('passing')).filter(({ name }) => name === `schema auth to "Reader of it's"`)).toEqual(
    reader,
  );
});

it('tells each grant that the server refuses, with the statement', async () => {
  await run('postgres', 'CREATE DATABASE refusing TEMPLATE template0');
  await run('refusing', `${platform}; GRANT USAGE ON SCHEMA auth TO modest`);
  const url = reconnect(cluster.superuserUrl('refusing'), { user: 'modest', password: 'modest' });
  const refused = await withSession(url, async (session) => {
    await session.query(`SET search_path = ''`);
    return await grantToUsers(session, wanted, new Set(['auth']));
  });
  expect(refused.map(({ what }) => what)).toEqual([
    `grant schema auth to "Reader of it's"`,
    'grant schema auth to writer',
    'grant auth.age(integer, text) to "Reader of it\'s"',
    'grant auth.numbers writer',
    'grant auth.users "E-mail" to writer',
    "grant auth.users Reader of it's",
    'grant auth.users writer',
  ]);
  expect(refused[4]?.remedy).toContain(
    'GRANT UPDATE ("E-mail") ON "auth"."users" TO writer with grant option;',
  );
  expect(refused[2]?.remedy).toContain(
    `GRANT EXECUTE ON ROUTINE "auth"."age"(integer, text) TO "Reader of it's";`,
  );
  expect(grantsIn(await read('refusing'), 'auth')).toEqual([]);
});
