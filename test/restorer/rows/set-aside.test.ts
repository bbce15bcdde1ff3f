import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { ChecksAside } from '../../../src/restorer/rows/set-aside.ts';
import { createDatabase, type Database } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';

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

describe('a check that was taken away', () => {
  it('is told with the statement that adds it when the server does not take it again, and the others come', async () => {
    await database.run(`CREATE FUNCTION public.small(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 < 5';
      CREATE TABLE public.t (n int, CONSTRAINT small CHECK (public.small(n)), CONSTRAINT positive CHECK (n > 0));
      COMMENT ON CONSTRAINT positive ON public.t IS 'more than none'`);
    const checks = new ChecksAside();
    expect(await checks.take(session, { schema: 'public', name: 't' }, undefined)).toBe(true);
    await database.run('DROP FUNCTION public.small(int)');
    expect(await checks.giveBack(session, ['public'])).toEqual([
      {
        what: 'constraint public.t small',
        subject: {
          kind: 'part',
          type: 'constraint',
          table: { schema: 'public', name: 't' },
          name: 'small',
        },
        why: expect.stringMatching(
          /^rows came only without it, and the server did not take it again \(function public\.small\(integer\) does not exist/,
        ),
        remedy:
          'Fix the cause, then run: ALTER TABLE public.t ADD CONSTRAINT small CHECK (public.small(n)) NOT VALID;',
        lost: true,
      },
    ]);
    expect(
      await session.query(
        `SELECT conname, convalidated, obj_description(oid, 'pg_constraint') AS comment FROM pg_constraint WHERE conrelid = 'public.t'::regclass`,
      ),
    ).toEqual([{ conname: 'positive', convalidated: true, comment: 'more than none' }]);
  });

  it('is told of each table that would have inherited it', async () => {
    await database.run(`CREATE FUNCTION public.odd(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 1';
      CREATE TABLE public.top (n int, CONSTRAINT "Odd" CHECK (public.odd(n)), CONSTRAINT own CHECK (public.odd(n)) NO INHERIT);
      CREATE TABLE public.heir () INHERITS (public.top);
      CREATE TABLE public.stubborn (CONSTRAINT "Odd" CHECK (public.odd(n))) INHERITS (public.top)`);
    const checks = new ChecksAside();
    await checks.take(session, { schema: 'public', name: 'top' }, undefined);
    await database.run('ALTER FUNCTION public.odd(int) RENAME TO strange');
    const told = await checks.giveBack(session, []);
    expect(told.map(({ what }) => what).toSorted()).toEqual([
      'constraint public.heir Odd',
      'constraint public.top Odd',
      'constraint public.top own',
    ]);
  });
});
