import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compareData, dumpData, dumpSchema } from '../fixture/dump.ts';
import { createRoles, seedDatabase } from '../fixture/seed.ts';
import { makeProjectTarget } from '../fixture/target.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type Finished, runCli, startCli } from '../support/run-cli.ts';
import { Watcher, waitUntil } from './processes.ts';
import { expectRefusal, inWords } from './refusal.ts';
import { findObject, flipBit, listBackups, listFolder, readStoredManifest } from './repository-folder.ts';
import { createDatabase, createShop, describeDatabase, query } from './shop.ts';

/* A restore replaces what there is: it asks first whoever answers for it, keeps what was there, and says what it has left behind. */

const minutes = 60_000;
const owner = 'app_owner';
const words = ['--confirm', 'RESTORE PRODUCTION'];

let cluster: Cluster;
let folder: string;
/** Holds one backup of `shop`. */
let storage: string;
let safety: string;
let source: string;
let made = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'guard-'));
  cluster = await startCluster();
  await createRoles(cluster.superuserUrl(), owner);
  source = await createShop(cluster.superuserUrl(), 'shop');
  const run = await runCli(['backup', '--storage', join(folder, 'backed-up')], {
    env: { SUPABASE_BACKUP_DATABASE_URL: source },
  });
  expect(run, run.stderr).toMatchObject({ exitCode: 0 });
}, minutes);
// Who changes the database brings it back; of the repository each test has a copy.
beforeEach(() => {
  storage = join(folder, `storage-${++made}`);
  safety = join(folder, `safety-${made}`);
  cpSync(join(folder, 'backed-up'), storage, { recursive: true });
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function restore(target: string, ...options: string[]): Promise<Finished> {
  return runCli(['restore', '--storage', storage, ...options], {
    env: { SUPABASE_BACKUP_TARGET_URL: target, GITHUB_ACTOR: 'octocat' },
  });
}

/** A database that somebody uses. */
async function createOther(): Promise<string> {
  const url = await createDatabase(cluster.superuserUrl(), 'other');
  await query(url, `CREATE TABLE public.kept (id int); INSERT INTO public.kept VALUES (1), (2); ANALYZE`);
  return url;
}

/** Runs a restore that must be refused, with nothing changed anywhere. */
async function expectUntouched(
  target: string,
  says: RegExp | RegExp[],
  options: string[],
  exitCode = 2,
): Promise<void> {
  const before = [await describeDatabase(target), listFolder(storage)];
  expectRefusal(await restore(target, ...options), { exitCode, says, secrets: [target] });
  expect([await describeDatabase(target), listFolder(storage)]).toEqual(before);
}

/** What the records of restores say, oldest first. */
function readRecords(): Record<string, unknown>[] {
  const path = join(storage, 'records', 'restores');
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')))
    .sort((one, other) => (one.at < other.at ? -1 : 1))
    .map(({ content }) => content);
}

const outputsOf = (run: Finished): Record<string, unknown> => {
  expect(run.stdout, run.stderr).toMatch(/^\{/);
  return readPrinted(run.stdout).outputs;
};

const dump = async (url: string) => ({
  schema: await dumpSchema(url, cluster.binFolder),
  data: await dumpData(url, cluster.binFolder),
});

describe('a restore is refused', () => {
  test('into what is not empty, whatever was typed', async () => {
    const other = await createOther();
    await expectUntouched(
      other,
      [/target-url: the database is not empty: it has table public\.kept/, /→ .*clean/],
      words,
    );
    expect(readRecords()).toEqual([]);
  });

  test('into the database that was backed up, without the words', async () => {
    await expectUntouched(
      source,
      [
        /confirm: .*\/shop needs a confirmation: it is the database that was backed up; its 7 tables with about 24,\d{3} rows/,
        /→ .*RESTORE PRODUCTION/,
      ],
      ['--clean'],
    );
  });

  test.each(['production', 'PRODUCTION', 'production-restore', 'shop'])(
    'where the environment is %s, even if it is empty',
    async (name) => {
      const empty = await createDatabase(cluster.superuserUrl(), 'empty');
      await expectUntouched(empty, new RegExp(`environment is ${name}; it is empty`), [
        '--environment',
        name,
      ]);
    },
  );

  test('with other words', async () => {
    await expectUntouched(source, /confirm: is not the words/, [
      '--clean',
      '--confirm',
      'restore production',
    ]);
  });

  test('without a place for the safety backup of another database', async () => {
    const other = await createOther();
    await expectUntouched(
      other,
      [/safety-storage: is required, .*is not the database of this repository/, /safety-backup: false/],
      ['--clean'],
    );
  });

  test('into a Supabase project that is not empty, without the words', async () => {
    await query(cluster.superuserUrl(), 'DROP DATABASE IF EXISTS project WITH (FORCE)');
    const project = await seedDatabase({
      superuserUrl: cluster.superuserUrl(),
      database: 'project',
      owner,
      application: false,
    });
    await query(
      project.superuserUrl,
      `INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'a@example.invalid')`,
    );
    const attempt = (...options: string[]) => restore(project.ownerUrl, ...options);
    expectRefusal(await attempt(), {
      exitCode: 2,
      says: /the database is not empty: it has .*rows of auth\.users/,
    });
    expectRefusal(await attempt('--clean', '--safety-storage', safety), {
      exitCode: 2,
      says: /confirm: .*it is a Supabase project that is not empty/,
    });
    const [users] = await query(project.superuserUrl, 'SELECT count(*)::int AS n FROM auth.users');
    expect(users).toEqual({ n: 1 });
    expect(existsSync(safety)).toBe(false);
  });

  test.each([
    ['a fallback without staging', /fallback: is given without staging-url/, ['--fallback', '2']],
    [
      'a place for a safety backup that is not taken',
      /safety-storage: no safety backup is taken without clean/,
      ['--safety-storage', './x'],
    ],
    [
      'a place for a safety backup that is not wanted',
      /safety-storage: .* with safety-backup: false/,
      ['--clean', '--safety-backup', 'false', '--safety-storage', './x'],
    ],
    [
      'a side schema and clean',
      /side-schema: cannot be used together with clean/,
      ['--side-schema', 's', '--include', 'public.*', '--clean'],
    ],
    ['a side schema without tables', /include: is required with side-schema/, ['--side-schema', 's']],
  ])('for %s, before anything is opened', async (_what, says, options) => {
    const run = await runCli(['restore', '--storage', join(folder, 'nowhere'), ...options], {
      env: { SUPABASE_BACKUP_TARGET_URL: 'postgresql://nobody@127.0.0.1:1/nowhere' },
    });
    expectRefusal(run, { exitCode: 2, says });
  });

  test('and a dry run tells it all, and changes nothing', async () => {
    const before = [await describeDatabase(source), listFolder(storage)];
    const run = await restore(source, '--dry-run', '--environment', 'production');
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    expect(run.stdout).toMatch(/The target is not empty: it has sequence sales\.customers_id_seq, table/);
    expect(run.stdout).toMatch(
      /has to be confirmed: it is the database that was backed up, environment is production/,
    );
    expect(inWords(run.stdout)).toMatch(/Missing: target-url: the database is not empty/);
    expect(inWords(run.stdout)).toMatch(/Missing: confirm: /);
    expect([await describeDatabase(source), listFolder(storage)]).toEqual(before);
    const planned = await restore(source, '--dry-run', '--clean', ...words);
    expect(planned.stdout).toContain(
      `The target would be backed up to ${storage} before anything is removed`,
    );
    expect(planned.stdout).not.toContain('Missing');
    const other = await createOther();
    const lossy = await restore(other, '--dry-run', '--clean');
    expect(lossy.stdout).toMatch(
      /With clean its 1 table with about 2 rows would be replaced; 1 table with about 2 rows of that does not come back, because the backup has no rows of them: public\.kept/,
    );
    expect(listBackups(storage)).toHaveLength(1);
  });

  test('when the safety backup fails, and the target keeps what it has', async () => {
    const other = await createOther();
    writeFileSync(safety, 'a file where a folder should be');
    const before = await describeDatabase(other);
    const run = await restore(other, '--clean', '--safety-storage', safety);
    expect(run.exitCode).not.toBe(0);
    expectRefusal(run, {
      exitCode: run.exitCode ?? -1,
      says: [/the safety backup of the target failed, and nothing was touched/, /safety-backup: false/],
    });
    expect(await describeDatabase(other)).toEqual(before);
    expect(readRecords()).toMatchObject([{ outcome: 'failed', safetyBackup: null }]);
  });
});

describe('a restore that was asked for', () => {
  test(
    'replaces the database that was backed up, whose last state is kept and can be had again',
    async () => {
      const [original = ''] = listBackups(storage);
      const good = await dump(source);
      await query(
        source,
        `DELETE FROM public.events WHERE id > 100; DROP VIEW sales.totals; CREATE TABLE public.later (id int)`,
      );
      const damaged = await dump(source);
      const run = await restore(source, '--json', '--clean', '--environment', 'production', ...words);
      expect(run, run.stderr).toMatchObject({ exitCode: 0 });
      const outputs = outputsOf(run);
      expect(outputs).toMatchObject({
        parity: 'equal',
        'backup-id': original,
        'target-kind': 'plain',
        attempts: 1,
      });
      const id = String(outputs['safety-backup-id']);
      expect(listBackups(storage)).toEqual([original, id].sort());
      const now = await dump(source);
      expect(now.schema).toBe(good.schema);
      expect(compareData(good.data, now.data)).toEqual([]);
      const { totals } = JSON.parse(readFileSync(join(storage, 'backups', `${id}.json`), 'utf8'));
      expect(readRecords()).toMatchObject([
        {
          ...{
            backup: original,
            outcome: 'equal',
            actor: 'octocat',
            environment: 'production',
            confirmed: true,
          },
          ...{ safetyBackup: id, staging: [], kind: 'plain', whole: true },
          safety: {
            rows: totals.rows,
            bytes: totals.bytes,
            storedBytes: totals.stored,
            newBytes: totals.added,
          },
        },
      ]);

      // The latest backup is now the safety backup, which shows the database in trouble: `latest` must not mean it.
      const again = await createDatabase(cluster.superuserUrl(), 'again');
      const latest = await restore(again, '--json');
      expect(outputsOf(latest)).toMatchObject({ 'backup-id': original });
      expect(latest.stderr).toContain(`${id} is a safety backup`);
      const back = await createDatabase(cluster.superuserUrl(), 'back');
      expect(outputsOf(await restore(back, '--json', '--backup-id', id))).toMatchObject({ parity: 'equal' });
      const kept = await dump(back);
      expect(kept.schema).toBe(damaged.schema);
      expect(compareData(damaged.data, kept.data)).toEqual([]);
      // Nor does it to those who only look, or prove.
      const looked = await runCli(['show', '--storage', storage]);
      expect(looked.stdout).toContain(original);
      expect(looked.stderr).toContain(`${id} is a safety backup`);
      const drilled = await runCli(['drill', '--json', '--storage', storage], {
        env: { SUPABASE_BACKUP_TARGET_URL: cluster.superuserUrl() },
      });
      expect(outputsOf(drilled)).toMatchObject({ 'backup-id': original, drill: 'passed' });
      const shown = await runCli(['show', '--storage', storage, '--backup-id', id]);
      expect(shown.stdout).toContain(`before restore of ${original}`);
      expect(shown.stdout).toMatch(/pinned +yes/);
    },
    2 * minutes,
  );

  test(
    'keeps the last state of another database elsewhere, or not at all',
    async () => {
      const other = await createOther();
      const run = await restore(other, '--json', '--clean', '--safety-storage', safety);
      expect(outputsOf(run)).toMatchObject({ parity: 'equal' });
      expect(listBackups(safety)).toEqual([outputsOf(run)['safety-backup-id']]);
      expect(listBackups(storage)).toHaveLength(1);
      await query(other, 'CREATE TABLE public.more (id int)');
      const second = await restore(other, '--json', '--clean', '--safety-backup', 'false');
      expect(outputsOf(second)).toMatchObject({ parity: 'equal', 'safety-backup-id': null });
      expect(listBackups(safety)).toHaveLength(1);
    },
    minutes,
  );

  test('answers no when a check on the restored database does', async () => {
    const target = await createDatabase(cluster.superuserUrl(), 'checked');
    const checks = join(folder, 'checks.sql');
    writeFileSync(
      checks,
      `SELECT count(*) = 50 FROM sales.customers\nSELECT count(*) = 1 FROM private.notes\n`,
    );
    const run = await restore(target, '--checks', checks);
    expect(run.exitCode).toBe(3);
    expect(run.stdout).toContain('1 of 2 checks passed');
    expect(readRecords()).toMatchObject([
      { outcome: 'failed', why: expect.stringMatching(/^1 of 2 checks failed: SELECT .* \(answer: /) },
    ]);
  });
});

describe('a database with everything in it, emptied and restored', () => {
  let id = '';
  let schema: string;
  let url: { owner: string; superuser: string };
  const repository = () => join(folder, 'fixture');
  const options = (kind: string) => ['--target-kind', kind, '--clean', '--safety-backup', 'false', ...words];

  beforeAll(async () => {
    const seeded = await seedDatabase({
      superuserUrl: cluster.superuserUrl(),
      database: 'everything',
      ...{ owner, tinyTables: 50, bulkRows: 500 },
    });
    url = { owner: seeded.ownerUrl, superuser: seeded.superuserUrl };
    const run = await runCli(['backup', '--json', '--storage', repository()], {
      env: { SUPABASE_BACKUP_DATABASE_URL: seeded.ownerUrl },
    });
    id = String(outputsOf(run)['backup-id']);
    schema = await dumpSchema(url.superuser, cluster.binFolder);
  }, 2 * minutes);

  test.each(['plain', 'supabase-image'])(
    'is what it was, as a target of kind %s',
    async (kind) => {
      await query(
        url.superuser,
        `UPDATE auth.users SET email = NULL; TRUNCATE bulk.narrow; DROP SCHEMA routines CASCADE; CREATE TABLE public.later AS SELECT 1 AS one;
         SELECT lo_create(0); ALTER DATABASE everything SET work_mem = '7MB'; GRANT ALL ON SCHEMA public TO PUBLIC;
         CREATE EVENT TRIGGER late ON ddl_command_end EXECUTE FUNCTION extensions.notify_api_of_ddl()`,
      );
      const run = await runCli(['restore', '--storage', repository(), '--backup-id', id, ...options(kind)], {
        env: { SUPABASE_BACKUP_TARGET_URL: url.superuser },
      });
      expect(run, `${run.stdout}${run.stderr}`).toMatchObject({ exitCode: 0 });
      expect(await dumpSchema(url.superuser, cluster.binFolder)).toBe(schema);
    },
    2 * minutes,
  );
});

describe('a Supabase project, emptied and restored', () => {
  test(
    'is what a fresh one becomes, and is backed up before',
    async () => {
      const superuserUrl = cluster.superuserUrl();
      const { ownerUrl } = await seedDatabase({
        superuserUrl,
        database: 'origin',
        ...{ owner, tinyTables: 20, bulkRows: 200, superuserObjects: false },
      });
      const repository = join(folder, 'origin');
      const backup = await runCli(['backup', '--storage', repository], {
        env: { SUPABASE_BACKUP_DATABASE_URL: ownerUrl },
      });
      expect(backup, backup.stderr).toMatchObject({ exitCode: 0 });
      const project = await makeProjectTarget({ superuserUrl, database: 'hosted', owner });
      // As the platform has it: the role may delete rows of its tables, those of Storage behind a guard.
      await query(
        project.superuserUrl,
        `GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA auth, vault TO ${owner}`,
      );
      const bring = (...options: string[]) =>
        runCli(['restore', '--json', '--storage', repository, ...options], {
          env: { SUPABASE_BACKUP_TARGET_URL: project.url },
        });
      const first = await bring();
      expect([0, 3], first.stderr).toContain(first.exitCode);
      expect(await query(project.superuserUrl, 'SELECT count(*)::int AS n FROM auth.users')).toEqual([
        { n: 50 },
      ]);
      const fresh = await dump(project.superuserUrl);
      await query(
        project.superuserUrl,
        `UPDATE auth.users SET email = NULL; UPDATE storage.objects SET name = 'lost/' || name; DROP SCHEMA routines CASCADE`,
      );
      const damaged = await dump(project.superuserUrl);
      const second = await bring('--clean', '--safety-storage', safety, ...words);
      expect(second.exitCode, second.stderr).toBe(first.exitCode);
      expect(outputsOf(second)).toMatchObject({
        'target-kind': 'supabase-project',
        parity: outputsOf(first).parity,
      });
      const now = await dump(project.superuserUrl);
      expect(now.schema).toBe(fresh.schema);
      expect(compareData(fresh.data, now.data)).toEqual([]);
      expect(listBackups(safety)).toEqual([outputsOf(second)['safety-backup-id']]);
      expect(damaged.schema).not.toBe(fresh.schema);
    },
    2 * minutes,
  );
});

describe('a restore that was killed midway', () => {
  test(
    'is found by the next, which starts over with clean and asks for nothing more',
    async () => {
      const target = await createDatabase(cluster.superuserUrl(), 'killed');
      const [id] = listBackups(storage);
      const running = startCli(['restore', '--storage', storage], {
        env: { SUPABASE_BACKUP_TARGET_URL: target, GITHUB_ACTOR: 'octocat' },
      });
      await waitUntil('the mark says that definitions are being restored', async () => {
        const [there] = await query<{ mark: string | null }>(
          target,
          `SELECT to_regclass('supabase_backup.unfinished_restore') AS mark`,
        );
        if (there?.mark == null) return false;
        const [mark] = await query<{ step: string }>(
          target,
          `SELECT mark ->> 'step' AS step FROM supabase_backup.unfinished_restore`,
        );
        return mark?.step === 'Definitions';
      });
      running.child.kill('SIGKILL');
      await running.finished;
      const watcher = await Watcher.open(cluster.superuserUrl());
      // pg_restore outlives the one that started it, and may not have connected yet.
      await waitUntil('pg_restore has ended', async () => {
        const before = JSON.stringify(await describeDatabase(target));
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const sessions = await watcher.sessions('killed');
        return sessions.length === 0 && JSON.stringify(await describeDatabase(target)) === before;
      });
      await watcher.close();

      await expectUntouched(
        target,
        [
          /not empty: it has a restore of backup \S+, begun \S+ by octocat, that stopped at the step "\w+/,
          /clean/,
        ],
        [],
      );
      // A backup of the unfinished database carries no mark.
      const meanwhile = join(folder, 'meanwhile');
      const kept = await runCli(['backup', '--storage', meanwhile], {
        env: { SUPABASE_BACKUP_DATABASE_URL: target },
      });
      expect(kept, kept.stderr).toMatchObject({ exitCode: 0 });
      const [manifest = ''] = readdirSync(join(meanwhile, 'backups'));
      expect(readFileSync(join(meanwhile, 'backups', manifest), 'utf8')).not.toContain('unfinished_restore');

      const run = await restore(target, '--json', '--clean');
      expect(outputsOf(run)).toMatchObject({ parity: 'equal', 'backup-id': id, 'safety-backup-id': null });
      expect((await dump(target)).schema).toBe((await dump(source)).schema);
    },
    2 * minutes,
  );

  test('says what was done, and the two ways on, when it fails by itself', async () => {
    const target = await createDatabase(cluster.superuserUrl(), 'failing');
    const [id = ''] = listBackups(storage);
    const { key } = findObject(readStoredManifest(storage, id), 'public.events');
    flipBit(join(storage, key));
    const run = await restore(target);
    expectRefusal(run, {
      exitCode: 1,
      says: [
        /public\.events.*; the restore stopped after preflight, roles, definitions, and the target is incomplete/,
        new RegExp(`→ .*Then start over with backup-id ${id} and clean, or restore into a new database`),
      ],
    });
    expect(readRecords()).toMatchObject([
      { outcome: 'failed', why: expect.stringContaining('public.events') },
    ]);
    flipBit(join(storage, key));
    expect(outputsOf(await restore(target, '--json', '--clean'))).toMatchObject({ parity: 'equal' });
  });
});
