import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Definition } from '../../src/format/supplement.ts';
import type { Parity } from '../../src/parity/compare.ts';
import type { ParityScope } from '../../src/parity/scope.ts';
import { laterOwner } from '../../src/postgres/catalog/ownership-queries.ts';
import { particularKinds } from '../../src/postgres/catalog/particulars.ts';
import { withoutMarks } from '../../src/postgres/catalog/printed-text.ts';
import { connectionEnvironment } from '../fixture/dump.ts';
import { createRoles, reconnect, seedDatabase } from '../fixture/seed.ts';
import {
  compareRecorded as compare,
  linesOf,
  type Recorded,
  recordDatabase as record,
  runSql as run,
} from '../restorer/replay/recorded.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { makeScope } from './example.ts';

/*
 * A comparison sees what was changed, and nothing else. The copies are made with pg_dump and psql: what they keep and what they lose is none
 * of our doing.
 */

const minutes = 60_000;
const owner = 'app_owner';
const { escapeIdentifier: quote } = pg;
const { TESTBED_PG17_URL, TESTBED_PG17_BIN } = process.env;
let cluster: Cluster;

async function createDatabase(name: string, options = 'TEMPLATE template0'): Promise<string> {
  await run(cluster.superuserUrl(), `CREATE DATABASE ${quote(name)} ${options}`);
  return cluster.superuserUrl(name);
}

/** pg_dump | psql, as everybody does it. */
async function copyDatabase(from: string, to: string, bin = cluster.binFolder): Promise<void> {
  const source = connectionEnvironment(from);
  const shell = `${Object.keys(source)
    .map((name) => `${name}="$FROM_${name}"`)
    .join(' ')} "$DUMP" | "$LOAD" -X -q -o /dev/null -v ON_ERROR_STOP=1`;
  await promisify(execFile)('/bin/bash', ['-o', 'pipefail', '-c', shell], {
    env: {
      ...process.env,
      ...connectionEnvironment(to),
      ...Object.fromEntries(Object.entries(source).map(([name, value]) => [`FROM_${name}`, value])),
      DUMP: join(bin, 'pg_dump'),
      LOAD: join(bin, 'psql'),
    },
  });
}

beforeAll(async () => {
  cluster = await startCluster();
}, minutes);
afterAll(async () => {
  await cluster?.stop();
});

describe('a copy of the fixture', () => {
  let recorded: Recorded;
  let copies = 0;
  beforeAll(async () => {
    const { superuserUrl } = await seedDatabase({
      superuserUrl: cluster.superuserUrl(),
      database: 'source',
      owner,
      tinyTables: 20,
      bulkRows: 500,
      sessionDefaults: false,
    });
    recorded = await record(superuserUrl, {
      checks: ['SELECT sum(id) FROM public.internal_billing', 'SELECT 1 / 0'],
      freshness: [{ schema: 'public', table: 'todos', column: 'inserted_at' }],
    });
    await copyDatabase(superuserUrl, await createDatabase('copy'));
  }, 2 * minutes);

  /** Compares a copy of the copy, in which something was done. */
  async function change(sql: string, scope: Partial<ParityScope> = {}): Promise<Parity> {
    const url = await createDatabase(`changed_${++copies}`, 'TEMPLATE copy');
    await run(url, sql);
    return compare(url, recorded, scope);
  }

  it('is equal to it, in every group', async () => {
    const parity = await compare(cluster.superuserUrl('copy'), recorded);
    expect(linesOf(parity, 'different')).toEqual([]);
    expect(parity.equal).toBe(true);
    expect(Object.entries(parity.groups).filter(([, lines]) => lines.length === 0)).toEqual([]);
    expect(linesOf(parity, 'not carried')).toEqual([
      expect.stringMatching(
        /^database grants: .*CREATE to dashboard_user.* → CONNECT to PUBLIC; TEMPORARY to PUBLIC$/,
      ),
      'database owner: app_owner → supabase_admin',
      expect.stringMatching(/^check SELECT 1 \/ 0: failed: division by zero/),
    ]);
  });

  const particular = ({ kind, name }: Definition) =>
    particularKinds.has(kind) || (kind === 'description' && name !== '');

  it('is equal to what the second version of the description has told of it', async () => {
    const { supplement, manifest } = recorded;
    const row = { kind: 'comment', schema: 'public', relation: null, name: 'type public.todos', detail: 'x' };
    const definitions = supplement.definitions
      .filter((line) => !particular(line))
      .map((line) => (line.kind === 'description' ? { ...line, detail: '2' } : line));
    const counted = { ...manifest.facts.objects, comment: 1 + (manifest.facts.objects.comment ?? 0) };
    const parity = await compare(cluster.superuserUrl('copy'), {
      manifest: { ...manifest, facts: { ...manifest.facts, objects: counted } },
      supplement: { ...supplement, definitions: [...definitions, row] },
    });
    expect(linesOf(parity, 'different')).toEqual([]);
    expect(parity.groups.definitions.length).toBeGreaterThan(3000);
  });

  it('is equal to what the first one has told of it', async () => {
    const { supplement, manifest } = recorded;
    const later =
      /^(description|large object|rights|grant option|column order|tablespace|operator family members|database)$/;
    const definitions = supplement.definitions
      .filter((line) => !particular(line))
      .filter(({ kind, name }) => !later.test(kind) && !(kind === 'owner' && laterOwner.test(name)))
      .map((line) => {
        const text = /definition ([^ -~].*|CREATE RULE.*)$/s.exec(line.detail);
        const digest = createHash('sha256')
          .update(withoutMarks(text?.[1] ?? ''))
          .digest('hex');
        const detail =
          text === null ? line.detail : `${line.detail.slice(0, text.index)}definition ${digest} of 15`;
        return { ...line, detail: withoutMarks(detail) };
      });
    const parity = await compare(cluster.superuserUrl('copy'), {
      manifest,
      supplement: { ...supplement, definitions },
    });
    expect(linesOf(parity, 'different')).toEqual([]);
    expect(parity.groups.definitions.length).toBeGreaterThan(3000);
  });

  it.each<[string, string, string[]]>([
    [
      'a grant to anon',
      'GRANT SELECT ON public.internal_billing TO anon',
      ['WIDER table anon on public.internal_billing: nothing → SELECT'],
    ],
    [
      'a privilege less',
      'REVOKE DELETE ON public.profiles FROM anon',
      [
        'table anon on public.profiles: DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE → INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE',
      ],
    ],
    [
      'a disabled trigger',
      'ALTER TABLE auth.users DISABLE TRIGGER on_auth_user_created',
      [
        'trigger auth.users on_auth_user_created: CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user(); enabled → CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user(); disabled',
      ],
    ],
    [
      'another policy',
      'ALTER POLICY members ON public.organizations TO anon',
      [
        'policy public.organizations members: permissive for select to authenticated using (public.is_member(id)) → permissive for select to anon using (public.is_member(id))',
      ],
    ],
    [
      'a table without row level security',
      'ALTER TABLE public.memberships DISABLE ROW LEVEL SECURITY',
      ['WIDER row level security public.memberships: enabled → nothing', 'count row level security: * → *'],
    ],
    [
      'a view that shows what its owner sees',
      'ALTER VIEW public.open_todos RESET (security_invoker)',
      ['view public.open_todos: * → *'],
    ],
    [
      'rows that are gone',
      'DELETE FROM public.internal_billing WHERE id = 2',
      [
        'table public.internal_billing: 2 rows → 1 rows',
        'check SELECT sum(id) FROM public.internal_billing: * → *',
      ],
    ],
    [
      'a sequence that was set back',
      "SELECT setval('public.organizations_id_seq', 1, false)",
      ['sequence public.organizations_id_seq: * → 1 (not called)'],
    ],
    [
      'fresher data',
      "UPDATE public.todos SET inserted_at = 'infinity' WHERE id = (SELECT min(id) FROM public.todos)",
      ['newest value public.todos.inserted_at: * → infinity'],
    ],
    [
      'a large object more',
      'SELECT lo_create(4711)',
      ['large object 4711: nothing → owner supabase_admin; 0 bytes; sha256 *', 'count large object: * → *'],
    ],
  ])('with %s differs in that', async (_what, sql, expected) => {
    const parity = await change(sql);
    const lines = linesOf(parity, 'different');
    expect(parity.equal).toBe(false);
    expect(lines).toEqual(
      expected.map((line) =>
        expect.stringMatching(
          new RegExp(
            `^${line
              .split('*')
              .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
              .join('.*')}$`,
            's',
          ),
        ),
      ),
    );
  });

  it.runIf(TESTBED_PG17_URL && TESTBED_PG17_BIN)(
    'is equal to it on a newer major',
    async () => {
      const [admin, name] = [TESTBED_PG17_URL ?? '', `parity_${process.pid}`];
      await createRoles(admin, owner);
      await run(admin, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
      try {
        const url = reconnect(admin, { database: name });
        await copyDatabase(cluster.superuserUrl('source'), url, TESTBED_PG17_BIN);
        const parity = await compare(url, recorded);
        expect(linesOf(parity, 'different')).toEqual([]);
        await run(url, 'ALTER VIEW public.open_todos RESET (security_invoker)');
        expect(linesOf(await compare(url, recorded), 'different')).toEqual([
          expect.stringContaining('view public.open_todos: '),
        ]);
      } finally {
        await run(admin, `DROP DATABASE ${name} WITH (FORCE)`);
      }
    },
    minutes,
  );

  it('says of a sequence that it is behind its column', async () => {
    const { groups } = await change("SELECT setval('public.organizations_id_seq', 1, false)");
    const line = groups.sequences.find(({ what }) => what === 'public.organizations_id_seq');
    expect(line).toMatchObject({ status: 'different' });
    expect(line?.why).toMatch(/^behind: public\.organizations\.id is at \d+$/);
    const others = groups.sequences.filter(({ why }) => why !== undefined).filter((other) => other !== line);
    expect(others).toEqual([
      {
        kind: 'sequence',
        what: 'shapes.events_id_seq',
        expected: '2',
        found: '2',
        status: 'equal',
        why: 'behind: shapes.events.id is at 500, as in the source',
      },
    ]);
  });

  it('is equal as far as a part goes', async () => {
    const kept = recorded.manifest.tables.filter(({ name }) => name === 'audit_log');
    const entry = { id: 1, catalogOid: 0, oid: 0, owner: '', needs: [] };
    const selection = {
      ...makeScope().selection,
      entries: [{ ...entry, kind: 'TABLE', schema: 'public', name: 'audit_log' }],
    };
    const part = { whole: false, tables: kept, selection };
    const parity = await change('DROP TABLE public.internal_billing CASCADE', part);
    expect(linesOf(parity, 'different')).toEqual([]);
    expect(parity.groups.definitions.map(({ kind }) => kind)).toContain('column');
    expect(parity.groups.definitions.filter(({ what }) => !/\.audit_log\b/.test(what))).toEqual([]);
    const opened = await change(
      'GRANT SELECT ON public.audit_log TO PUBLIC; ALTER TABLE public.audit_log ADD x int',
      part,
    );
    expect(linesOf(opened, 'different')).toContain('column public.audit_log x: nothing → integer');
  });
});

describe('a copy in a new Supabase project, made with pg_dump and psql', () => {
  it(
    'shows all that anybody can reach there and could not before',
    async () => {
      await createRoles(cluster.superuserUrl(), owner);
      const source = await createDatabase('locked', `OWNER ${owner} TEMPLATE template0`);
      const asOwner = { user: owner, password: 'of-the-owner' };
      const grants = 'anon, authenticated, service_role';
      await run(source, `GRANT USAGE ON SCHEMA public TO ${grants}; GRANT ALL ON SCHEMA public TO ${owner}`);
      await run(
        reconnect(source, asOwner),
        `DO $$ BEGIN
         FOR n IN 1..58 LOOP EXECUTE format('CREATE TABLE public.t%s (id int)', n); END LOOP;
         FOR n IN 1..132 LOOP
           EXECUTE format('CREATE FUNCTION public.f%s() RETURNS int LANGUAGE sql SECURITY DEFINER AS ''SELECT 1''', n);
           EXECUTE format('REVOKE EXECUTE ON FUNCTION public.f%s() FROM PUBLIC', n);
         END LOOP;
       END $$;
       GRANT SELECT ON public.t1, public.t2, public.t3 TO anon;
       GRANT EXECUTE ON FUNCTION public.f1(), public.f2(), public.f3(), public.f4(), public.f5() TO anon`,
      );
      const target = await createDatabase('fresh', `OWNER ${owner} TEMPLATE template0`);
      const kinds = ['TABLES', 'SEQUENCES', 'FUNCTIONS'];
      const defaults = kinds.map(
        (kind) =>
          `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA public GRANT ALL ON ${kind} TO ${grants};`,
      );
      await run(
        target,
        `GRANT USAGE ON SCHEMA public TO ${grants}; GRANT ALL ON SCHEMA public TO ${owner}; ${defaults.join('\n')}`,
      );
      await copyDatabase(source, reconnect(target, asOwner));

      const { equal, groups, reach } = await compare(target, await record(source));
      expect(equal).toBe(false);
      expect(reach.find(({ grantee }) => grantee === 'anon')).toEqual({
        grantee: 'anon',
        tables: { expected: 3, found: 58 },
        definers: { expected: 5, found: 132 },
      });
      const wider = groups.privileges.filter((line) => line.wider);
      const ofAnon = wider.filter(({ what }) => what.startsWith('anon on '));
      expect(ofAnon.filter(({ kind }) => kind === 'table')).toHaveLength(58);
      expect(ofAnon.filter(({ kind }) => kind === 'function')).toHaveLength(127);
      expect(wider.every(({ status }) => status === 'different')).toBe(true);
      expect(groups.privileges.slice(0, wider.length)).toEqual(wider);
    },
    minutes,
  );
});
