import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareData, type DataDump, dumpData, dumpSchema } from '../fixture/dump.ts';
import { createRoles, reconnect, type Seeded, seedDatabase } from '../fixture/seed.ts';
import { type Cluster, findServers, startCluster } from '../support/cluster.ts';
import { type FakeS3, startFakeS3 } from '../support/fake-s3.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli } from '../support/run-cli.ts';

/*
 * The promise of the project: a database backed up by a role that is no superuser comes back so that pg_dump, which knows
 * nothing of us, writes the same text of both, byte for byte.
 */

const minutes = 60_000;
const owner = 'app_owner';
const folder = mkdtempSync(path.join(tmpdir(), 'round-trip-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Server {
  readonly major: number;
  readonly superuserUrl: string;
  /** Folder of pg_dump and pg_restore of this major */
  readonly bin: string;
}

interface Stored {
  readonly major: number;
  readonly storage: string;
  readonly schema: string;
  readonly data: DataDump;
}

/** What the servers have stored, for the restore into a newer major at the end. */
const stored: Stored[] = [];

const { TESTBED_PG17_URL, TESTBED_PG17_BIN, TESTBED_S3_ENDPOINT } = process.env;

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function createDatabase(server: Server, database: string): Promise<string> {
  await dropDatabase(server, database);
  await query(
    server.superuserUrl,
    `CREATE DATABASE ${pg.escapeIdentifier(database)} TEMPLATE template0 ENCODING 'UTF8'`,
  );
  return reconnect(server.superuserUrl, { database });
}

function dropDatabase(server: Server, database: string): Promise<void> {
  return query(server.superuserUrl, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(database)} WITH (FORCE)`);
}

async function run(
  operation: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Record<string, unknown>> {
  const result = await runCli([operation, '--json', ...args], { env });
  expect(result, result.stderr).toMatchObject({ exitCode: 0 });
  return readPrinted(result.stdout).outputs;
}

function describeRoundTrip(open: () => Promise<Server>, close?: () => Promise<void>): void {
  let server: Server;
  let source: Seeded;
  let schema: string;
  let data: DataDump;
  const client = () => ['--client-path', server.bin];
  const databases = ['sb_source', 'sb_target'];

  beforeAll(async () => {
    server = await open();
    for (const database of databases) await dropDatabase(server, database);
    source = await seedDatabase({
      superuserUrl: server.superuserUrl,
      database: 'sb_source',
      owner,
      tinyTables: 300,
      bulkRows: 200_000,
    });
    schema = await dumpSchema(source.superuserUrl, server.bin);
    data = await dumpData(source.superuserUrl, server.bin);
  }, 5 * minutes);
  afterAll(async () => {
    if (!server) return;
    for (const database of databases) await dropDatabase(server, database);
    await close?.();
  });

  async function expectRestored(args: readonly string[], env: Record<string, string> = {}): Promise<void> {
    const target = await createDatabase(server, 'sb_target');
    const outputs = await run('restore', [...args, ...client()], {
      SUPABASE_BACKUP_TARGET_URL: target,
      ...env,
    });
    expect(outputs).toMatchObject({ parity: 'equal' });
    expect(await dumpSchema(target, server.bin)).toBe(schema);
    expect(compareData(data, await dumpData(target, server.bin))).toEqual([]);
  }

  it(
    'backs up the whole fixture as a role that is no superuser, and restores it byte for byte',
    async () => {
      const storage = path.join(folder, `plain-${server.major}`);
      const outputs = await run('backup', ['--storage', storage, ...client()], {
        SUPABASE_BACKUP_DATABASE_URL: source.ownerUrl,
      });
      expect(outputs.tables).toBeGreaterThan(450);
      await expectRestored(['--storage', storage]);
      stored.push({ major: server.major, storage, schema, data });
    },
    5 * minutes,
  );

  it(
    'does the same encrypted, and a second backup of an unchanged database stores nothing but its archive',
    async () => {
      const storage = path.join(folder, `encrypted-${server.major}`);
      const identity = await generateX25519Identity();
      const backup = [
        '--storage',
        storage,
        '--encryption-recipients',
        await identityToRecipient(identity),
        ...client(),
      ];
      const first = await run('backup', backup, { SUPABASE_BACKUP_DATABASE_URL: source.ownerUrl });
      const second = await run('backup', backup, { SUPABASE_BACKUP_DATABASE_URL: source.ownerUrl });
      expect(second.rows).toBe(first.rows);
      expect(Number(second['new-bytes'])).toBeLessThan(Number(first['new-bytes']) / 3);
      const key = { SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity };
      expect(await run('validate', ['--storage', storage, ...client()], key)).toMatchObject({
        backups: 2,
        damaged: 0,
      });
      await expectRestored(['--storage', storage], key);
    },
    5 * minutes,
  );

  it(
    'does the same through S3',
    async () => {
      const strict = TESTBED_S3_ENDPOINT !== undefined;
      let fake: FakeS3 | undefined;
      if (!strict) fake = await startFakeS3();
      try {
        const prefix = `round-trip-${process.pid}-${server.major}`;
        const s3 = [
          '--storage',
          `s3://${fake?.bucket ?? 'testbed'}/${prefix}`,
          '--s3-endpoint',
          fake?.endpoint ?? TESTBED_S3_ENDPOINT ?? '',
        ];
        const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'secret-of-the-test' };
        await run('backup', [...s3, ...client()], {
          SUPABASE_BACKUP_DATABASE_URL: source.ownerUrl,
          ...credentials,
        });
        await expectRestored(s3, credentials);
      } finally {
        await fake?.close();
      }
    },
    5 * minutes,
  );
}

const clusters: Cluster[] = [];
afterAll(async () => {
  for (const cluster of clusters) await cluster.stop();
});

for (const { major } of await findServers()) {
  describe(`PostgreSQL ${major}`, () => {
    describeRoundTrip(async () => {
      const cluster = await startCluster({ major });
      clusters.push(cluster);
      return { major, superuserUrl: cluster.superuserUrl('postgres'), bin: cluster.binFolder };
    });
  });
}

describe.skipIf(TESTBED_PG17_URL === undefined)('PostgreSQL 17 of the testbed', () => {
  const server: Server = { major: 17, superuserUrl: TESTBED_PG17_URL ?? '', bin: TESTBED_PG17_BIN ?? '' };
  describeRoundTrip(async () => server);

  it(
    'takes the backup of an older major: the rows are the same',
    async () => {
      const older = stored.find((entry) => entry.major < 17);
      expect(older, 'a backup of an older major was made above').toBeDefined();
      if (!older) return;
      await createRoles(server.superuserUrl, owner);
      const target = await createDatabase(server, 'sb_upgraded');
      try {
        const outputs = await run('restore', ['--storage', older.storage, '--client-path', server.bin], {
          SUPABASE_BACKUP_TARGET_URL: target,
        });
        expect(outputs).toMatchObject({ parity: 'equal' });
        expect(compareData(older.data, await dumpData(target, server.bin))).toEqual([]);
      } finally {
        await dropDatabase(server, 'sb_upgraded');
      }
    },
    5 * minutes,
  );
});
