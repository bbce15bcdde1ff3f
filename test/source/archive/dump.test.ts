import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTables, type TableInfo } from '../../../src/postgres/catalog/tables.ts';
import type { ClientTools } from '../../../src/postgres/client/find.ts';
import { quoteQualified } from '../../../src/postgres/identifier.ts';
import { clientEnvironment } from '../../../src/postgres/session/client-variables.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { dumpArchive } from '../../../src/source/archive/dump.ts';
import { excludePatterns } from '../../../src/source/archive/exclude-patterns.ts';
import { BufferPool } from '../../../src/source/rows/buffer-pool.ts';
import { takeSnapshot } from '../../../src/source/snapshot/snapshot.ts';
import { createDatabase, type Database, until } from '../../postgres/database.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { CollectingLog } from '../../support/context.ts';

let cluster: Cluster;
const folder = mkdtempSync(path.join(tmpdir(), 'archive-'));
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const client = (): ClientTools => ({
  major: cluster.major,
  version: String(cluster.major),
  pgDump: `${cluster.binFolder}/pg_dump`,
  pgRestore: `${cluster.binFolder}/pg_restore`,
});

/** Dumps with the rows of some tables left out, and returns the archive's script. */
async function dump(
  database: Database,
  excluded: (table: TableInfo) => boolean,
  schemaOnly = false,
  tools = client(),
): Promise<string> {
  const signal = new AbortController().signal;
  const snapshot = await takeSnapshot(database.settings, () => true, {
    lockTimeoutSeconds: 10,
    signal,
    log: new CollectingLog(),
  });
  const stored: Buffer[] = [];
  const pieces = await dumpArchive(snapshot, tools, snapshot.tables.filter(excluded), {
    settings: database.settings,
    schemaOnly,
    env: clientEnvironment(database.settings, process.env, () => ''),
    pool: new BufferPool(3, 10_000),
    store: async (plaintext) => ({ name: String(stored.push(Buffer.from(plaintext)) - 1) }),
    signal,
  });
  await snapshot.close();
  const bytes = Buffer.concat(
    pieces.map(
      ({ holder, offset, length }) =>
        stored[Number(holder.object?.name)]?.subarray(offset, offset + length) as Buffer,
    ),
  );
  const file = path.join(folder, 'one.dump');
  writeFileSync(file, bytes);
  return execFileSync(client().pgRestore, ['-f', '-', file], { maxBuffer: 1 << 30 }).toString('latin1');
}

const specials = [...'"\'\\.*?+|()[]{}^$-_/%&#@!~`<>=:;, \t\nA0é🎉'];
const names = [
  ...specials.map((character) => `x${character}y`),
  ...specials.filter((character) => character !== 'A').map((character) => character),
  'a"."b',
  'a|b',
  '"|"',
  '.*',
  'x.y"|"x',
  '\\d',
  '^x',
  'UPPER',
  'upper',
  'x'.repeat(63),
];

describe('a pg_dump of another major', () => {
  const reserved = 'kept_by_server=7';

  /** Writes what an old pg_dump writes: whatever is in the catalog. */
  function makeOther(lines: string): ClientTools {
    const pgDump = path.join(folder, 'pg_dump');
    writeFileSync(pgDump, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
    return { ...client(), major: cluster.major + 1, version: `${cluster.major + 1}.1`, pgDump };
  }

  it('that writes what the server keeps for itself is refused, with the remedy', async () => {
    const database = await createDatabase(cluster);
    await database.run(`CREATE TABLE t (id int); CREATE TABLE u (id int);
      UPDATE pg_attribute SET attoptions = '{n_distinct=3,${reserved}}' WHERE attrelid = 'u'::regclass AND attname = 'id';
      ALTER TABLE t ALTER id SET (n_distinct = 5);`);
    const naive = makeOther(`echo "ALTER TABLE ONLY public.u ALTER COLUMN id SET (n_distinct=3, ${reserved});"
      exec ${client().pgDump} "$@"`);
    const error = await dump(database, () => true, false, naive).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain(`the option ${reserved.split('=')[0]}`);
    expect((error as ConfigurationError).next).toContain(
      `postgresql-client-${cluster.major} in its newest version`,
    );
    await database.close();
  });

  it('is taken where the server keeps nothing, or it knows of it', async () => {
    const database = await createDatabase(cluster);
    await database.run('CREATE TABLE t (id int)');
    const knowing = makeOther(`exec ${client().pgDump} "$@"`);
    expect(await dump(database, () => true, false, knowing)).toContain('CREATE TABLE public.t');
    await database.close();
  });
});

describe('the rows left out of the archive', () => {
  it('are exactly those of the named tables, whatever their names', async () => {
    const database = await createDatabase(cluster, "ENCODING 'UTF8'");
    for (const schema of ['public', 'a|b', '.*', 'with "quotes" and.dots']) {
      if (schema !== 'public')
        await database.run(`CREATE SCHEMA ${quoteQualified(schema, 'x').replace(/\."x"$/, '')}`);
      await database.run(
        [...new Set(names)]
          .map((name, at) => {
            const table = quoteQualified(schema, name);
            return `CREATE TABLE ${table} (marker text); INSERT INTO ${table} VALUES ('<${schema.length}:${at}>')`;
          })
          .join(';'),
      );
    }
    const session = await database.open();
    const tables = await readTables(session);
    const markers = new Map<number, string>();
    for (const table of tables) {
      const [row] = await session.query<{ marker: string }>(
        `SELECT marker FROM ${quoteQualified(table.schema, table.name)}`,
      );
      markers.set(table.oid, row?.marker ?? '');
    }
    // Half of them at a time, so that a pattern that means too much shows as well as one that means too little.
    for (const half of [0, 1]) {
      const script = await dump(database, (table) => table.oid % 2 === half);
      const found = tables.filter((table) => script.includes(markers.get(table.oid) as string));
      expect(found.map((table) => [table.schema, table.name])).toEqual(
        tables.filter((table) => table.oid % 2 !== half).map((table) => [table.schema, table.name]),
      );
    }
    await database.close();
  });

  it('are those of the named tables in a database that is not UTF-8', async () => {
    const database = await createDatabase(cluster, "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    await database.run(`CREATE TABLE "bücher" (t text); INSERT INTO "bücher" VALUES ('left-out');
      CREATE TABLE "straßen" (t text); INSERT INTO "straßen" VALUES ('stays')`);
    const script = await dump(database, (table) => table.name === 'bücher');
    expect(script).toContain('stays');
    expect(script).not.toContain('left-out');
    await database.close();
  });

  it('are all, when only definitions are wanted', async () => {
    const database = await createDatabase(cluster);
    await database.run(`CREATE TABLE t AS SELECT 'row'::text AS left_out_row`);
    const script = await dump(database, () => false, true);
    expect(script).toContain('CREATE TABLE public.t');
    expect(script).not.toContain('COPY public.t');
    await database.close();
  });

  it('are named in few patterns', () => {
    const tables = Array.from({ length: 5000 }, (_, at) => ({
      schema: 's',
      name: `${at} ${'"é'.repeat(15)}`,
    }));
    const patterns = excludePatterns(tables);
    expect(patterns.length).toBeLessThanOrEqual(10);
    // MAX_ARG_STRLEN of Linux
    for (const pattern of patterns) expect(Buffer.byteLength(pattern)).toBeLessThan(120 * 1024);
    expect(excludePatterns([])).toEqual([]);
  });
});

it('carries sequences and large objects as the snapshot saw them', async () => {
  const database = await createDatabase(cluster);
  await database.run(`CREATE SEQUENCE s; SELECT setval('s', 4711); SELECT lo_from_bytea(5000, 'large')`);
  const script = await dump(database, () => true);
  expect(script).toMatch(/setval\('public\.s', 4711, true\)/);
  expect(script).toMatch(/lo_create\('5000'\)|lo_open\('5000'/);
  await database.close();
});

it('fails with what pg_dump said', async () => {
  const database = await createDatabase(cluster);
  const signal = new AbortController().signal;
  const snapshot = await takeSnapshot(database.settings, () => true, {
    lockTimeoutSeconds: 10,
    signal,
    log: new CollectingLog(),
  });
  const dumping = dumpArchive({ ...snapshot, exported: '00000000-00000000-1' }, client(), [], {
    settings: database.settings,
    schemaOnly: false,
    env: clientEnvironment(database.settings, process.env, () => ''),
    pool: new BufferPool(3, 10_000),
    store: async () => ({ name: '' }),
    signal,
  });
  await expect(dumping).rejects.toThrow(/pg_dump exited with 1: .*snapshot/s);
  await snapshot.close();
  await database.close();
});

it('names who keeps pg_dump waiting, and quotes nothing of what that asked', async () => {
  const database = await createDatabase(cluster);
  await database.run('CREATE TABLE t (a int)');
  const signal = new AbortController().signal;
  const snapshot = await takeSnapshot(database.settings, () => true, {
    lockTimeoutSeconds: 0.5,
    signal,
    log: new CollectingLog(),
  });
  const other = await database.open();
  const waiting = other.query('ALTER TABLE t ADD COLUMN b int');
  await until(async () => (await database.rows('SELECT FROM pg_locks WHERE NOT granted')).length > 0);
  const dumping = dumpArchive(snapshot, client(), [], {
    settings: database.settings,
    schemaOnly: false,
    env: clientEnvironment(database.settings, { ...process.env, LC_ALL: 'de_DE.UTF-8' }, () => ''),
    pool: new BufferPool(3, 10_000),
    store: async () => ({ name: '' }),
    signal,
  });
  const error = await dumping.catch((reason: Error) => reason);
  expect(String(error)).toMatch(/timeout; public\.t is waited for by process \d+/);
  expect(String(error)).not.toMatch(/query was/i);
  await snapshot.close();
  await waiting;
  await database.close();
});
