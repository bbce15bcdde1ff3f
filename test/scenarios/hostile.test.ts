import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readSequences } from '../../src/postgres/catalog/facts.ts';
import { openSession } from '../../src/postgres/session/connection.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { emptyContext } from '../support/context.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli } from '../support/run-cli.ts';
import { createDatabase, query } from './shop.ts';
import { createHostileDatabase, prepareServer } from './tenant.ts';

/*
 * A database in which somebody who may create things has made what would run as the backup's role, a superuser, if a statement of ours named
 * something that it does not qualify, or took a relation for what it is called. Each of these notes its caller in a table of its own database,
 * by way of dblink, so that a transaction that is read-only or rolled back keeps it as well.
 */

const minute = 60_000;
let cluster: Cluster;
let folder: string;
let url: string;
let tenant: string;
let calls: () => Promise<unknown[]>;
let made = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '1GB' } });
  await prepareServer(cluster);
}, minute);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  made += 1;
  ({ url, tenant, calls } = await createHostileDatabase(cluster, `hostile_${made}`));
});

/** Functions that fit what statements call more closely than the server's own, were they looked for in `public` first */
const overloads: readonly (readonly [name: string, types: readonly string[], result: string])[] = [
  ['format', ['text', 'text', 'name', 'name'], 'text'],
  ['format', ['text', 'name', 'name'], 'text'],
  ['format', ['text', 'name', 'name', 'name'], 'text'],
  ['format', ['text', 'regclass', 'text', 'int', 'name', 'text', 'interval', 'text'], 'text'],
  ['to_jsonb', ['text'], 'jsonb'],
  ['obj_description', ['oid', 'text'], 'text'],
  ['shobj_description', ['oid', 'text'], 'text'],
  ['pg_relation_size', ['oid'], 'bigint'],
  ['acldefault', ['text', 'oid'], 'aclitem[]'],
  ['pg_advisory_xact_lock', ['int'], 'void'],
  ['concat_ws', ['text', 'text', 'text'], 'text'],
  ['array_to_string', ['text[]', 'text'], 'text'],
  ['to_regclass', ['unknown'], 'regclass'],
  ['greatest_of', ['text'], 'text'],
];
const operators: readonly (readonly [name: string, left: string, right: string])[] = [
  ...(['=', '<>', '>='] as const).map((name) => [name, 'oid', 'int'] as const),
  ['=', 'oid', 'regclass'],
  ['=', '"char"', 'text'],
  ['=', 'name', 'text'],
  ['||', 'name', 'text'],
];

const traps = [
  ...overloads
    .filter(([, types]) => !types.includes('unknown'))
    .map(
      ([name, types, result]) =>
        `CREATE FUNCTION public.${name}(${types.join(', ')}) RETURNS ${result} LANGUAGE plpgsql AS $$ BEGIN PERFORM ext.note('${name}(${types.join(', ')})');
           ${result === 'void' ? 'RETURN' : 'RETURN NULL'}; END $$`,
    ),
  ...operators.map(
    ([name, left, right], index) =>
      `CREATE FUNCTION public.trap_${index}(${left}, ${right}) RETURNS ${name === '||' ? 'text' : 'boolean'} LANGUAGE plpgsql AS $$
         BEGIN PERFORM ext.note('operator ${name} (${left.replaceAll('"', '')}, ${right})'); RETURN NULL; END $$;
       CREATE OPERATOR public.${name} (LEFTARG = ${left}, RIGHTARG = ${right}, FUNCTION = public.trap_${index})`,
  ),
  `CREATE FUNCTION public.gather(text, name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM ext.note('json_agg(name)'); RETURN NULL; END $$;
   CREATE AGGREGATE public.json_agg(name) (SFUNC = public.gather, STYPE = text)`,
].join(';\n');

const run = (words: readonly string[], target?: string) =>
  runCli([...words, '--storage', join(folder, `${made}`)], {
    env: {
      SUPABASE_BACKUP_DATABASE_URL: url,
      ...(target === undefined ? {} : { SUPABASE_BACKUP_TARGET_URL: target }),
    },
  });

describe('nothing of a tenant runs as the backup', () => {
  test(
    'of functions and operators that fit better than the server’s own, in any operation',
    async () => {
      await query(tenant, traps);
      const copy = await createDatabase(cluster.superuserUrl(), `copy_${made}`);
      const operations: (readonly [readonly string[], string?])[] = [
        [['backup', '--rollback-token', 'true']],
        [['backup', '--exclude', 'public.nothing_of_it', '--rollback-token', 'true']],
        [['backup', '--exclude', 'public.orders']],
        [['backup', '--backup-type', 'incremental', '--rollback-token', 'true']],
        [['capture']],
        [['restore', '--dry-run'], url],
        [['restore', '--dry-run', '--clean'], url],
        [['restore'], copy],
        [
          [
            'restore',
            '--include',
            'public.orders',
            '--clean',
            '--safety-backup',
            'false',
            '--confirm',
            'RESTORE PRODUCTION',
          ],
          copy,
        ],
        [['restore', '--include', 'public.orders', '--side-schema', 'beside'], copy],
        [['drill'], cluster.superuserUrl()],
      ];
      for (const [words, target] of operations) {
        const done = await run(words, target);
        expect([0, 2, 3], `${words.join(' ')}: ${done.stderr}`).toContain(done.exitCode);
        expect(await calls(), words.join(' ')).toEqual([]);
      }
    },
    3 * minute,
  );

  test(
    'of relations that have the names of ours, of the platform’s and of extensions’',
    async () => {
      await query(
        tenant,
        `CREATE SCHEMA supabase_backup;
         COMMENT ON SCHEMA supabase_backup IS 'Ledger of supabase-backup: tokens that tell a rolled back database. Not backed up; may be dropped.';
         CREATE FUNCTION supabase_backup.f(w text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM ext.note(w); RETURN w; END $$;
         CREATE VIEW supabase_backup.tokens AS SELECT supabase_backup.f('tokens') AS token, '1'::xid8 AS xid, now() AS left_at;
         CREATE VIEW supabase_backup.unfinished_restore AS SELECT to_jsonb(supabase_backup.f('mark')) AS mark;
         CREATE SCHEMA cron; CREATE VIEW cron.job AS SELECT 1 AS jobid, '* * * * *'::text AS schedule, supabase_backup.f('cron.job') AS command;
         CREATE SCHEMA vault; CREATE VIEW vault.secrets AS SELECT supabase_backup.f('vault.secrets') AS x;
         CREATE SCHEMA storage; CREATE VIEW storage.objects AS SELECT supabase_backup.f('storage.objects') AS x;
         CREATE SCHEMA pgmq; CREATE TABLE pgmq.q_mail (id int); CREATE FUNCTION pgmq.create(text) RETURNS void LANGUAGE sql AS 'SELECT ext.note($1)'`,
      );
      const done = await run(['backup']);
      expect(done, done.stderr).toMatchObject({ exitCode: 0 });
      expect(done.stdout).not.toMatch(/root key of the vault|files of Storage/);
      const ledger = await run(['backup', '--rollback-token', 'true']);
      // What he keeps there is no ledger, and is in the backup like anything of his.
      await query(tenant, 'CREATE TABLE supabase_backup.kept AS SELECT 1 AS id');
      const again = await run(['backup', '--json']);
      expect(readPrinted(again.stdout).outputs).toMatchObject({ tables: 3 });
      expect(ledger.stderr).toMatch(
        /rollback-token: the token cannot be written \(the schema supabase_backup belongs to tenant\)/,
      );
      await run(['restore', '--dry-run'], url);
      await run(['restore', '--clean', '--safety-backup', 'false', '--confirm', 'RESTORE PRODUCTION'], url);
      expect(await calls()).toEqual([]);
    },
    minute,
  );

  test(
    'of a trigger on a table that has the name of the ledger’s',
    async () => {
      await run(['backup', '--rollback-token', 'true']);
      await query(
        url,
        `GRANT USAGE ON SCHEMA supabase_backup TO tenant; GRANT TRIGGER ON supabase_backup.tokens TO tenant`,
      );
      await query(
        tenant,
        `CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM ext.note('trigger'); RETURN new; END $$;
         CREATE TRIGGER x BEFORE INSERT ON supabase_backup.tokens FOR EACH ROW EXECUTE FUNCTION public.f()`,
      );
      const done = await run(['backup', '--rollback-token', 'true']);
      expect(done.stderr).toMatch(/it belongs to somebody else, or has triggers or rules/);
      expect(await calls()).toEqual([]);
    },
    minute,
  );

  test(
    'of functions of constants in the indexes of a table, which whoever plans with it would call',
    async () => {
      await query(
        tenant,
        `CREATE SCHEMA mine; CREATE FUNCTION mine.trap(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM ext.note('index'); RETURN 1; END $$;
         CREATE TABLE mine.t (id int); INSERT INTO mine.t SELECT generate_series(1, 1000);
         CREATE INDEX i ON mine.t ((mine.trap(1) + id)) WHERE mine.trap(2) = 1; CREATE STATISTICS mine.s ON (mine.trap(3) + id), id FROM mine.t`,
      );
      await query(cluster.superuserUrl('noted'), 'TRUNCATE public.calls');
      for (const words of [['backup'], ['backup', '--backup-type', 'incremental']]) {
        const done = await run(words);
        expect(done, done.stderr).toMatchObject({ exitCode: 0 });
      }
      expect(await calls()).toEqual([]);
    },
    minute,
  );

  test(
    'when a view takes the name of a sequence after the snapshot',
    async () => {
      await query(
        tenant,
        `CREATE SCHEMA mine; CREATE SEQUENCE mine.s; CREATE FUNCTION mine.f() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM ext.note('view'); RETURN 1; END $$`,
      );
      const session = await openSession(parseConnection('database-url', url, emptyContext));
      await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
      await session.query('SELECT FROM pg_class');
      await query(
        tenant,
        `BEGIN; ALTER SEQUENCE mine.s RENAME TO gone; CREATE VIEW mine.s AS SELECT mine.f() AS last_value, false AS is_called; COMMIT`,
      );
      expect(session.guarded).toBe(true);
      await expect(readSequences(session)).rejects.toThrow(/sequence "mine"\."s": renamed or dropped/);
      session.destroy();
      expect(await calls()).toEqual([]);
    },
    minute,
  );
});
