import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compareData, dumpData } from '../fixture/dump.ts';
import { connect, until } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { copyData, dataFolder, runAsOwner, shutDown } from './data-folder.ts';
import { Ladder } from './ladder.ts';
import { expectRefusal } from './refusal.ts';
import { flipBit, keyOf, listBackups, listFolder } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';

/**
 * What an incremental backup is built upon, and when it is not: the base and its objects, the history of the database, and a recheck
 * that finds what no rule can. Numbers are those of the list of ways in which an incremental backup can be wrong.
 */

let cluster: Cluster;
let ladder: Ladder;
let made = 0;
const ladders: Ladder[] = [];

beforeAll(async () => {
  // A transaction is committed asynchronously where a test asks for it, and nothing hurries its way to the disk then.
  cluster = await startCluster({
    settings: { autovacuum: 'off', wal_writer_delay: '2s', max_wal_senders: '4' },
  });
});
afterAll(async () => {
  for (const each of ladders) each[Symbol.dispose]();
  await cluster?.stop();
});

const seed = `
  -- Over 1 MiB, so that it shares its object with no other table and can be checked again alone.
  CREATE TABLE calm (id int PRIMARY KEY, text text);
  INSERT INTO calm SELECT n, repeat(md5(n::text), 12) FROM generate_series(1, 3000) n;
  CREATE TABLE lively (id int PRIMARY KEY, text text);
  INSERT INTO lively SELECT n, 'first ' || n FROM generate_series(1, 100) n;
  CREATE UNLOGGED TABLE unlogged (id int);
  INSERT INTO unlogged SELECT n FROM generate_series(1, 100) n;
  CREATE SEQUENCE counter;`;

/** A database of its own for each test, with a full backup unless told otherwise. */
async function climbOn(
  server: Cluster,
  options: { words?: readonly string[]; base?: boolean } = {},
): Promise<Ladder> {
  const source = await createDatabase(server.superuserUrl(), `source_${++made}`);
  ladder = new Ladder({ superuserUrl: server.superuserUrl(), bin: server.binFolder }, source);
  ladders.push(ladder);
  await change(seed);
  ladder.words = options.words ?? [];
  if (options.base !== false) await ladder.take('full');
  return ladder;
}

const change = (sql: string) => query(ladder.source, sql);
const touch = () => change("UPDATE lively SET text = text || '+' WHERE id % 10 = 0");

describe('the base', () => {
  beforeEach(() => climbOn(cluster).then(() => undefined));

  test('is missing: everything is read', async () => {
    await climbOn(cluster, { base: false });
    const rung = await ladder.take('incremental');
    expect(rung.manifest).toMatchObject({
      kind: 'full',
      base: null,
      fullBecause: expect.stringMatching(/no backup/),
    });
    expect(rung.outputs).toMatchObject({ 'backup-type': 'full', 'base-id': null, 'reused-share': 0 });
    await ladder.expectRestored();
  });

  test('is passed over when it holds definitions only', async () => {
    const base = ladder.latest;
    await touch();
    await ladder.take('schema');
    ladder.latest = base;
    await touch();
    // Between the two ids there is the one of the schema backup.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await ladder.climb({ read: ['lively'], reused: ['calm'] });
  });

  test('is passed over when its manifest is damaged, and the one before it is taken', async () => {
    const base = ladder.latest;
    await touch();
    const damaged = await ladder.step();
    flipBit(join(ladder.storage, 'backups', `${damaged.id}.json`));
    await touch();
    ladder.latest = damaged;
    const rung = await ladder.take('incremental');
    expect(rung.manifest).toMatchObject({ kind: 'incremental', base: base?.id });
    expect(rung.run.stderr).toContain('the backup does not build on it');
    await ladder.expectRestored();
    for (const id of [base?.id, rung.id]) flipBit(join(ladder.storage, 'backups', `${id}.json`));
    expect((await ladder.take('incremental')).manifest).toMatchObject({ kind: 'full', base: null });
    await ladder.expectRestored();
  });

  test.for([
    ['is missing', (file: string) => rmSync(file)],
    ['is shorter than recorded', (file: string) => truncateSync(file, statSync(file).size - 1)],
  ] as const)(
    'has an object that %s: its rows are stored anew, and all backups restore',
    async ([, harm]) => {
      const base = ladder.latest;
      const objects = base?.manifest.objects ?? [];
      const rows = new Set(
        base?.manifest.tables.flatMap(({ ranges }) =>
          ranges.flatMap(({ pieces }) => pieces.map(({ object }) => object)),
        ),
      );
      for (const index of rows) harm(join(ladder.storage, keyOf(objects[index]?.name ?? '')));
      const anew = await ladder.climb({ read: ['calm', 'lively'] });
      expect(anew.outputs['new-bytes']).toBeGreaterThan(10_000);
      await ladder.restore(base?.id);
      // Nobody writes between these two, so the archive of the first is to be taken over; it is lost, too.
      const idle = await ladder.take('incremental');
      for (const index of idle.manifest.archive.objects)
        harm(join(ladder.storage, keyOf(idle.manifest.objects[index]?.name ?? '')));
      const rung = await ladder.step();
      expect(rung.outputs['new-bytes']).toBeGreaterThan(0);
      await ladder.expectRestored();
    },
  );

  test('is encrypted for others: everything is read', async () => {
    const [alice, bob] = [await generateX25519Identity(), await generateX25519Identity()];
    const encrypt = async (identity: string) => [
      '--encryption-recipients',
      await identityToRecipient(identity),
    ];
    ladder.env = { SUPABASE_BACKUP_ENCRYPTION_IDENTITY: `${alice}\n${bob}` };
    await touch();
    await ladder.climb({ kind: 'full', because: /encrypted for others/ }, await encrypt(alice));
    await touch();
    await ladder.climb({ read: ['lively'], reused: ['calm'] }, await encrypt(alice));
    await ladder.climb({ kind: 'full', because: /encrypted for others/ }, await encrypt(bob));
    await ladder.climb({ kind: 'full', because: /encrypted for others/ }, ['--allow-unencrypted']);
  });

  test('holds other tables: what it lacks is read, what is not wanted is left out', async () => {
    await touch();
    const part = await ladder.step({ reused: ['calm'] }, ['--include', 'public.calm']);
    expect(part.manifest.tables.map(({ name }) => name)).toEqual(['calm']);
    await ladder.climb({ read: ['lively', 'unlogged'], reused: ['calm'] });
    await touch();
    const rest = await ladder.step({ read: ['lively'] }, ['--exclude', 'public.calm']);
    expect(rest.manifest.tables.map(({ name }) => name)).toEqual(['lively', 'unlogged']);
    await change("UPDATE calm SET text = 'changed while it was left out' WHERE id = 5");
    await ladder.climb({ read: ['calm'], reused: ['lively'] });
  });
});

describe('a database nobody writes to', () => {
  test('costs a manifest, and not even a new archive', async () => {
    await climbOn(cluster);
    await change("SELECT nextval('counter'); CHECKPOINT");
    await ladder.take('incremental');
    const before = Object.keys(listFolder(ladder.storage)).filter((key) => key.startsWith('objects/'));
    const base = ladder.latest;
    const rung = await ladder.step();
    expect(rung.outputs['new-bytes']).toBe(0);
    expect(Object.keys(listFolder(ladder.storage)).filter((key) => key.startsWith('objects/'))).toEqual(
      before,
    );
    expect(archiveOf(rung)).toEqual(archiveOf(base));
    await ladder.expectRestored();
  });

  test('stays one when the only writes are the tokens of its backups', async () => {
    await climbOn(cluster, { words: ['--rollback-token'] });
    const first = await ladder.step();
    const second = await ladder.step();
    const third = await ladder.step();
    expect(third.manifest.source.snapshot).not.toBe(second.manifest.source.snapshot);
    expect(archiveOf(third)).toEqual(archiveOf(first));
    expect(third.manifest.source.token).not.toBe(second.manifest.source.token);
    await change('DROP SCHEMA supabase_backup CASCADE');
    await ladder.expectRestored();
  });

  test('is none when another transaction wrote beside the tokens', async () => {
    await climbOn(cluster, { words: ['--rollback-token'] });
    await ladder.step();
    await touch();
    await ladder.step({ read: ['lively'], reused: ['calm'] });
    await change('DROP SCHEMA supabase_backup CASCADE');
    await ladder.expectRestored();
  });

  test('#21 is read where a crash of a server process has emptied it', async () => {
    await climbOn(cluster);
    await crashProcess();
    const [row] = await change('SELECT count(*)::int FROM unlogged');
    expect(row).toEqual({ count: 0 });
    const rung = await ladder.climb({ read: ['unlogged'] });
    expect(rung.manifest.tables.find(({ name }) => name === 'unlogged')?.rows).toBe(0);
  });
});

function archiveOf(rung: Ladder['latest']): unknown {
  return rung?.manifest.archive.objects.map((index) => rung.manifest.objects[index]?.name);
}

/** Kills one session as the kernel does when memory runs out: the server recovers without being started again. */
async function crashProcess(): Promise<void> {
  const [started] = await change('SELECT pg_postmaster_start_time()::text AS at');
  const victim = await connect(ladder.source);
  const { rows } = await victim.query('SELECT pg_backend_pid() AS pid');
  process.kill(rows[0].pid, 'SIGKILL');
  await until(async () => {
    try {
      // A new set of processes, and connections are let in again.
      await victim.query('SELECT 1');
      return false;
    } catch {
      return true;
    }
  });
  await until(() =>
    change('SELECT 1').then(
      () => true,
      () => false,
    ),
  );
  expect(await change('SELECT pg_postmaster_start_time()::text AS at')).toEqual([started]);
}

describe('the history of the database', () => {
  test('#30 goes through a crash of a server process, which takes back what was committed asynchronously, unless the base has waited for it', async () => {
    await climbOn(cluster, { base: false });
    await change('CHECKPOINT');
    await change("SET synchronous_commit = off; UPDATE lively SET text = 'asynchronous' WHERE id = 1");
    await ladder.take('full');
    await crashProcess();
    // Were it lost, this would get its number and its place, in another history.
    await change("UPDATE lively SET text = 'after the crash' WHERE id = 1");
    await ladder.climb({ read: ['lively', 'unlogged'], reused: ['calm'] });
  });

  test('#30 goes on after a restart, which may hide a volume put back: everything is read, nothing stored again', async () => {
    await climbOn(cluster);
    await shutDown(cluster);
    await cluster.start();
    const rung = await ladder.climb({ kind: 'full', because: /the server was started again/ });
    expect(rung.outputs['new-bytes']).toBeLessThan(Number(rung.outputs['stored-bytes']) / 2);
    await touch();
    await ladder.climb({ read: ['lively'], reused: ['calm'] });
  });

  test('#21 goes through a crash of the whole server, which empties unlogged tables', async () => {
    await climbOn(cluster);
    await cluster.crash();
    await cluster.start();
    await ladder.climb({ kind: 'full', because: /the server was started again/ });
    expect(await query(await ladder.restore(), 'SELECT FROM unlogged')).toEqual([]);
  });

  test('#32 ends with the database: one made anew under its name is read', async () => {
    await climbOn(cluster);
    await createDatabase(cluster.superuserUrl(), `source_${made}`);
    await change(seed.replaceAll('first', 'other'));
    await ladder.climb({ kind: 'full', because: /the database was made anew/ });
  });

  test('#30 is rolled back with its volume: found by the start of the server, and by the token of the ledger alone', async () => {
    await climbOn(cluster, { base: false });
    const aside = join(cluster.folder, 'aside');
    await shutDown(cluster);
    await copyData(dataFolder(cluster), aside);
    await cluster.start();
    await change("UPDATE lively SET text = 'history A' WHERE id = 7");
    const base = await ladder.take('full', ['--rollback-token']);
    await shutDown(cluster);
    await copyData(aside, dataFolder(cluster));
    await cluster.start();
    await change("UPDATE lively SET text = 'history B' WHERE id = 7");
    // Beyond where the base was, by every number that there is.
    await change(
      'DO $$ BEGIN FOR i IN 1..200 LOOP INSERT INTO lively VALUES (-i); COMMIT; END LOOP; DELETE FROM lively WHERE id < 0; END $$',
    );
    await change("SELECT pg_logical_emit_message(false, 'x', repeat('x', 4000000))");
    const [now] = await change(
      `SELECT to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started`,
    );
    const copies = ['with', 'without'].map((name) => {
      const folder = mkdtempSync(join(tmpdir(), `ladder-${name}-`));
      cpSync(ladder.storage, folder, { recursive: true });
      return folder;
    });

    const honest = await ladder.climb({ kind: 'full', because: /the server was started again/ });
    expect(honest.manifest.tables.find(({ name }) => name === 'lively')?.rows).toBe(100);

    const [withToken, withoutToken] = copies.map((folder) => {
      const copy = new Ladder(ladder.server, ladder.source, folder);
      copy.latest = base;
      ladders.push(copy);
      return copy;
    }) as [Ladder, Ladder];
    await withToken.amend(base.id, ({ source }) => {
      source.postmasterStartedAt = now?.started;
    });
    await withToken.climb({ kind: 'full', because: /lacks the rollback token of the base/ });

    // And without it nothing tells: this is what the ledger is for.
    await withoutToken.amend(base.id, ({ source }) => {
      source.postmasterStartedAt = now?.started;
      source.token = null;
    });
    await withoutToken.step({ reused: ['lively'] });
    const [text] = await query(await withoutToken.restore(), 'SELECT text FROM lively WHERE id = 7');
    expect(text).toEqual({ text: 'history A' });
  });

  test('#31 #33 is shared by a clone, which reads everything once', async () => {
    await climbOn(cluster);
    await using clone = await startCluster({ settings: { autovacuum: 'off' } });
    await shutDown(clone);
    await shutDown(cluster);
    await copyData(dataFolder(cluster), dataFolder(clone));
    await cluster.start();
    // The password of the clone is the one of the original now.
    const password = new URL(cluster.superuserUrl()).password;
    const url = (database: string) => clone.superuserUrl(database).replace(/:[0-9a-f]+@/, `:${password}@`);
    const starting = clone.start().catch(() => undefined);
    await until(() =>
      query(url('postgres'), 'SELECT 1').then(
        () => true,
        () => false,
      ),
    );
    const original = ladder.source;
    ladder.source = url(new URL(original).pathname.slice(1));
    await touch();
    await ladder.climb({ kind: 'full', because: /the server was started again/ });
    ladder.source = original;
    await ladder.climb({ kind: 'full', because: /the server was started again/ });
    await clone.crash();
    await starting;
  });

  test('#31 is another one on another server: the repository is bound to its own', async () => {
    await climbOn(cluster);
    await using other = await startCluster();
    ladder.source = await createDatabase(other.superuserUrl(), `source_${made}`);
    await change(seed);
    const before = listBackups(ladder.storage);
    expectRefusal(await ladder.run('incremental'), {
      exitCode: 2,
      says: /storage: .* holds backups of database/,
    });
    expect(listBackups(ladder.storage)).toEqual(before);
  });
});

describe('the numbers of transactions', () => {
  test('#1 come round: a new row with the number and the place of an old one is seen', async () => {
    await using server = await startCluster({ settings: { autovacuum: 'off' } });
    await climbOn(server);
    // Below the numbers of the base, in the next epoch; what was written before must be frozen to be seen from there.
    const [position] = await change('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin');
    for (const database of ['postgres', 'template1'])
      await query(server.superuserUrl(database), 'VACUUM FREEZE');
    await change('VACUUM FREEZE');
    const base = await ladder.take('full');
    await shutDown(server);
    const next = Number(position?.xmin) - 20;
    await runAsOwner(server, 'pg_resetwal', ['-f', '-e', '1', '-x', String(next), '-D', dataFolder(server)]);
    await server.start();
    const [place] = await change('SELECT ctid::text FROM lively WHERE id = 100');
    await change('DELETE FROM lively WHERE id = 100');
    await change('VACUUM lively');
    await change("INSERT INTO lively VALUES (100, 'of the next epoch')");
    const [row] = await change(
      'SELECT ctid::text, xmin::text::int AS xmin, txid_current() > 4294967296 AS epoch FROM lively WHERE id = 100',
    );
    expect(row).toMatchObject({ ctid: place?.ctid, epoch: true });
    expect(row?.xmin).toBeLessThan(Number(position?.xmin));
    const [now] = await change(
      `SELECT to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started`,
    );
    await ladder.amend(base.id, ({ source }) => {
      source.postmasterStartedAt = now?.started;
      source.lsn = '0/0';
    });
    await ladder.climb({ kind: 'full', because: /two billion transactions/ });
    // The numbers of the last epoch look new for a while, which costs a needless read.
    await touch();
    await ladder.climb({ read: ['lively'] });
  });
});

describe('the recheck', () => {
  test('#29 finds a value that changed on the disk: the run fails, names it, and reads everything', async () => {
    await climbOn(cluster);
    await touch();
    await ladder.step({ reused: ['calm'] });
    await touch();
    const [file] = await change(
      "SELECT pg_relation_filepath('calm') AS path, (SELECT text FROM calm WHERE id = 1234) AS text",
    );
    const base = ladder.latest;
    await shutDown(cluster);
    const path = join(dataFolder(cluster), file?.path);
    const bytes = readFileSync(path);
    const at = bytes.indexOf(file?.text);
    expect(at).toBeGreaterThan(0);
    bytes[at] = 'Z'.charCodeAt(0);
    writeFileSync(path, bytes);
    await cluster.start();
    const [now] = await change(
      `SELECT to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started`,
    );
    await ladder.amend(base?.id ?? '', ({ source }) => {
      source.postmasterStartedAt = now?.started;
    });
    const run = await ladder.run('incremental', ['--recheck', '100%']);
    expect(run, run.stderr).toMatchObject({ exitCode: 3 });
    expect(run.stderr).toMatch(/public\.calm.*its rows are not what backup .* stored/);
    const rung = ladder.describe(run);
    expect(rung.manifest).toMatchObject({
      kind: 'full',
      base: null,
      fullBecause: expect.stringMatching(/read again differs from backup/),
    });
    const target = await ladder.restore();
    expect(
      compareData(
        await dumpData(ladder.source, cluster.binFolder),
        await dumpData(target, cluster.binFolder),
      ),
    ).toEqual([]);
    expect((await query(target, 'SELECT text FROM calm WHERE id = 1234'))[0]?.text).toMatch(/^Z/);
    // And the next one builds upon that.
    await touch();
    await ladder.climb({ read: ['lively'], reused: ['calm'] }, ['--recheck', '100%']);
  });

  test('#28 #29 finds a row that pg_surgery removed without a transaction', async ({ skip }) => {
    await climbOn(cluster, { base: false });
    const [found] = await change("SELECT FROM pg_available_extensions WHERE name = 'pg_surgery'");
    if (found === undefined) skip('the contrib module pg_surgery is not installed');
    await change('CREATE EXTENSION pg_surgery');
    await ladder.take('full');
    await change("SELECT heap_force_kill('calm', ARRAY(SELECT ctid FROM calm WHERE id = 5))");
    const run = await ladder.run('incremental', ['--recheck', '100%']);
    expect(run, run.stderr).toMatchObject({ exitCode: 3 });
    expect(run.stderr).toContain('public.calm');
    ladder.describe(run);
    await change('REINDEX TABLE calm');
    await ladder.expectRestored();
  });

  test('of a sound repository finds nothing', async () => {
    await climbOn(cluster);
    await ladder.climb({}, ['--recheck', '100%']);
    await touch();
    await ladder.climb({ reused: ['calm'] }, ['--recheck', '100%']);
  });
});
