import { execFile } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/format/manifest.ts';
import type { Supplement } from '../../src/format/supplement.ts';
import { compareData, connectionEnvironment, dumpData, dumpSchema } from '../fixture/dump.ts';
import { oddNames } from '../fixture/names.ts';
import { reconnect, seedDatabase } from '../fixture/seed.ts';
import { bootstrapSuperuser, type Cluster, findServers, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';

/*
 * The script is the promise that a backup outlives its tool. It runs here with nothing on its PATH but what it says it needs.
 */

const script = join(import.meta.dirname, '../../recover/recover-by-hand.sh');
const cli = join(import.meta.dirname, '../../dist/cli.cjs');
/** Written by version 0.1.0, before there was format 2 of manifests */
const ofFormat1 = join(import.meta.dirname, '../fixture/repository-of-format-1');
const minutes = 60_000;

const unixTools =
  'sh awk basename cat df dirname find grep head mktemp rm sed sha256sum sort tail tr wc zstd age'.split(' ');

function findTool(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));
}

const missing = unixTools.filter((name) => findTool(name) === undefined);
if ((await findServers()).length === 0) missing.push('postgres');
if (missing.length > 0)
  console.warn(`recovery by hand is not tested: ${missing.join(', ')} is not on this machine`);

interface Ended {
  status: number;
  stdout: string;
  stderr: string;
}

function run(file: string, args: string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env, cwd, maxBuffer: 1 << 28 };
    execFile(file, args, options, (error, stdout, stderr) =>
      resolve({
        status: error === null ? 0 : typeof error.code === 'number' ? error.code : -1,
        stdout,
        stderr,
      }),
    );
  });
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** A role with a space in it, because listings of archives put the owner behind a name with no delimiter. */
const owner = 'app owner';
const quote = pg.escapeIdentifier;

/** Small, but with every shape of table that a manifest can hold; all made by one who is no superuser. */
const schema = `
  CREATE SCHEMA shapes;
  CREATE SCHEMA "a";
  ALTER SCHEMA public OWNER TO "app owner";
  CREATE SCHEMA "a b";
  CREATE SCHEMA "line
end";
  CREATE TABLE "line
end"."table
of lines" ("col
umn" text, " " int);
  INSERT INTO "line
end"."table
of lines" VALUES ('x', 1);
  CREATE TABLE "a b".t (v int);
  INSERT INTO "a b".t VALUES (1), (2);

  CREATE TYPE shapes.mood AS ENUM ('good', 'bad');
  CREATE TABLE shapes.parents (id bigserial PRIMARY KEY, name text NOT NULL CHECK (name <> ''), mood shapes.mood);
  INSERT INTO shapes.parents (name, mood) SELECT 'parent ' || n, 'good' FROM generate_series(1, 100) AS n;
  CREATE TABLE shapes.children (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent bigint NOT NULL REFERENCES shapes.parents ON DELETE CASCADE,
    double bigint GENERATED ALWAYS AS (parent * 2) STORED);
  INSERT INTO shapes.children (parent) SELECT n FROM generate_series(1, 50) AS n;
  CREATE MATERIALIZED VIEW shapes.summary AS SELECT mood, count(*) AS n FROM shapes.parents GROUP BY mood;
  CREATE INDEX ON shapes.summary (mood);
  CREATE TABLE shapes.empty (v int);
  CREATE TABLE shapes.no_columns ();
  INSERT INTO shapes.no_columns DEFAULT VALUES;
  INSERT INTO shapes.no_columns DEFAULT VALUES;
  CREATE TABLE shapes.partitioned (n int, v text) PARTITION BY RANGE (n);
  CREATE TABLE shapes.part_one PARTITION OF shapes.partitioned FOR VALUES FROM (0) TO (10);
  CREATE TABLE shapes.part_two PARTITION OF shapes.partitioned DEFAULT;
  INSERT INTO shapes.partitioned SELECT n, 'p' || n FROM generate_series(0, 19) AS n;
  CREATE TABLE shapes.inherited (extra text) INHERITS (shapes.parents);
  INSERT INTO shapes.inherited (name, extra) VALUES ('heir', 'x');
  ALTER TABLE shapes.parents ENABLE ROW LEVEL SECURITY;
  ALTER TABLE shapes.parents FORCE ROW LEVEL SECURITY;
  CREATE POLICY nobody ON shapes.parents USING (false);
  CREATE TABLE shapes.moods (m shapes.mood) PARTITION BY HASH (m);
  CREATE TABLE shapes.moods_0 PARTITION OF shapes.moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE shapes.moods_1 PARTITION OF shapes.moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  INSERT INTO shapes.moods VALUES ('good'), ('bad'), ('bad');
  CREATE FUNCTION shapes.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
  CREATE TRIGGER refuse BEFORE INSERT ON shapes.children FOR EACH ROW EXECUTE FUNCTION shapes.refuse();

  CREATE TABLE shapes.texts (id int, v text, b bytea);
  INSERT INTO shapes.texts VALUES
    (1, E'\\\\.', '\\x5c2e'), (2, E'\\\\.\\n\\\\.\\r\\n\\\\.', '\\x00ff'), (3, E'\\r', ''), (4, E'\\n', NULL), (5, '', NULL), (6, NULL, NULL),
    (7, E'a\\tb\\\\tc\\\\', '\\x0a0d09'), (8, E'\\\\N', NULL), (9, ':name :"name" :''name''', NULL), (10, E'\\u0001\\u0002', NULL), (11, 'héllo 🐘', NULL);
  CREATE TABLE shapes.only_text (v text);
  INSERT INTO shapes.only_text VALUES (E'\\\\.'), (''), (NULL), (E'\\\\connect x'), ('--'), ('COMMIT;');
  CREATE TABLE shapes.times (i interval, t timestamptz, d date, m numeric, f float8);
  INSERT INTO shapes.times VALUES ('-1 day +02:03:04', '2026-03-04 05:06:07.123456+09', '2026-03-04', 'NaN', 0.1::float8 + 0.2::float8),
    ('1 year -2 mons +3 days -04:05:06', '0044-03-15 12:00:00+00 BC', 'infinity', 1e-20, '-Infinity');

  CREATE TABLE shapes.bytes (id int PRIMARY KEY, b bytea);
  INSERT INTO shapes.bytes SELECT n, sha256(n::text::bytea) FROM generate_series(1, 1000) AS n;
  REVOKE INSERT ON shapes.bytes FROM "app owner";
  CREATE TABLE shapes.longer_than_an_object (id int, v text);
  INSERT INTO shapes.longer_than_an_object VALUES (1, 'before'), (2, repeat('0123456789abcdef', 2400000)), (3, 'after');
  CREATE TABLE shapes.many_ranges (id int PRIMARY KEY, v text);
  ALTER TABLE shapes.many_ranges ALTER COLUMN v SET STORAGE PLAIN;
  INSERT INTO shapes.many_ranges SELECT n, repeat(md5(n::text), 60) FROM generate_series(1, 45000) AS n;
  SELECT setval('shapes.parents_id_seq', 4242, false);
  SELECT lo_from_bytea(700001, decode(repeat('00ff5c0a', 5000), 'hex')), lo_from_bytea(700002, '');
  ${oddNames
    .slice(0, 48)
    .map(
      (name) =>
        `CREATE TABLE a.${quote(name)} (${quote(name)} text, "second  column" int);
         INSERT INTO a.${quote(name)} VALUES (${pg.escapeLiteral(name)}, 1);`,
    )
    .join('\n')}
`;

/** What pg_dump leaves out. */
const globals = `
  CREATE ROLE "Team ""of"" it's" NOINHERIT LOGIN CONNECTION LIMIT 3 VALID UNTIL '2030-01-02 03:04:05+00' IN ROLE reader;
  COMMENT ON ROLE reader IS 'reads; it''s all';
  ALTER ROLE reader SET statement_timeout = '3s';
  ALTER ROLE reader SET search_path = "$user", "a b", public, "it's";
  ALTER ROLE "Team ""of"" it's" IN DATABASE source SET work_mem = '7MB';
  ALTER DATABASE source SET search_path = '';
  ALTER DATABASE source SET application_name = 'it''s; a "name"';
  COMMENT ON DATABASE source IS 'a comment';
  REVOKE TEMPORARY ON DATABASE source FROM PUBLIC;
  GRANT CREATE ON DATABASE source TO reader WITH GRANT OPTION`;

describe.skipIf(missing.length > 0)('recovery by hand', () => {
  const folder = mkdtempSync(join(tmpdir(), 'recover-'));
  const tools = join(folder, 'tools');
  const plain = join(folder, 'plain repository');
  const encrypted = join(folder, 'encrypted');
  const identityFile = join(folder, 'key.txt');
  let cluster: Cluster;
  let sourceUrl: string;
  let recipient: string;

  beforeAll(async () => {
    cluster = await startCluster();
    mkdirSync(tools);
    for (const name of unixTools) symlinkSync(realpathSync(findTool(name) as string), join(tools, name));
    for (const name of ['psql', 'pg_restore']) symlinkSync(join(cluster.binFolder, name), join(tools, name));

    await query(
      cluster.superuserUrl(),
      `CREATE ROLE ${quote(owner)} LOGIN BYPASSRLS PASSWORD 'p@ss word'; CREATE ROLE reader`,
    );
    sourceUrl = await createDatabase('source');
    await query(sourceUrl, schema);
    await query(sourceUrl, 'GRANT SELECT ON shapes.texts TO reader');
    await query(cluster.superuserUrl('source'), globals);

    const identity = await generateX25519Identity();
    recipient = await identityToRecipient(identity);
    writeFileSync(identityFile, `# created: today\n# public key: ${recipient}\n${identity}\n`);
    await backUp(sourceUrl, plain);
    await backUp(sourceUrl, encrypted, { ENCRYPTION_RECIPIENTS: recipient });
  }, 3 * minutes);

  afterAll(async () => {
    await cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function createDatabase(name: string, ownedBy = owner): Promise<string> {
    await query(cluster.superuserUrl(), `DROP DATABASE IF EXISTS ${quote(name)} WITH (FORCE)`);
    await query(
      cluster.superuserUrl(),
      `CREATE DATABASE ${quote(name)} OWNER ${quote(ownedBy)} TEMPLATE template0 ENCODING 'UTF8'`,
    );
    return ownedBy === owner
      ? reconnect(cluster.superuserUrl(name), { user: owner, password: 'p@ss word' })
      : cluster.superuserUrl(name);
  }

  async function backUp(url: string, storage: string, inputs: Record<string, string> = {}): Promise<string> {
    const { status, stdout, stderr } = await run(
      process.execPath,
      [cli, 'backup', '--json', '--storage', storage],
      {
        PATH: process.env.PATH,
        SUPABASE_BACKUP_DATABASE_URL: url,
        SUPABASE_BACKUP_CLIENT_PATH: cluster.binFolder,
        ...Object.fromEntries(
          Object.entries(inputs).map(([name, value]) => [`SUPABASE_BACKUP_${name}`, value]),
        ),
      },
    );
    expect(stderr + (status === 0 ? '' : `exit ${status}`)).not.toMatch(/error|exit/);
    return readPrinted(stdout).outputs['backup-id'];
  }

  /** Runs the script where there is nothing else, in a folder of its own that must be empty in the end. */
  async function recover(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const scratch = mkdtempSync(join(folder, 'scratch-'));
    const ended = await run(
      join(tools, 'sh'),
      [script, ...args],
      { PATH: tools, TMPDIR: scratch, HOME: scratch, ...env },
      folder,
    );
    expect(readdirSync(scratch)).toEqual([]);
    return ended;
  }

  async function expectEqual(left: string, right: string): Promise<void> {
    expect(await dumpSchema(right, cluster.binFolder)).toBe(await dumpSchema(left, cluster.binFolder));
    const [one, other] = [await dumpData(left, cluster.binFolder), await dumpData(right, cluster.binFolder)];
    expect(compareData(one, other)).toEqual([]);
  }

  it(
    'restores a backup as the owner of the target, whatever output formats and limits are set there',
    async () => {
      const target = await createDatabase('restored');
      for (const setting of [
        `datestyle = 'German, DMY'`,
        `intervalstyle = 'sql_standard'`,
        `timezone = 'Asia/Kolkata'`,
        `bytea_output = 'escape'`,
        `statement_timeout = '300ms'`,
        `client_encoding = 'LATIN1'`,
      ])
        await query(cluster.superuserUrl('restored'), `ALTER DATABASE restored SET ${setting}`);
      const { status, stdout, stderr } = await recover([plain, 'latest', target]);
      expect({ status, stderr }).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('Restored backup'),
      });
      expect(stdout).toContain('equal\t45000 of 45000 rows\tshapes.many_ranges\n');
      expect(stdout).not.toContain('DIFFERENT');
      await query(cluster.superuserUrl('restored'), `ALTER DATABASE restored RESET ALL`);
      await expectEqual(sourceUrl, target);
    },
    2 * minutes,
  );

  it('restores a backup of format 1', async () => {
    const target = await createDatabase('old', bootstrapSuperuser);
    const [id = ''] = backupIds(ofFormat1).sort();
    const { status, stdout, stderr } = await recover([ofFormat1, id, target]);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stdout).toBe('equal\t3 of 3 rows\tpublic.customers\n');
    expect(await query(target, 'SELECT name FROM public.customers ORDER BY id')).toEqual(
      ['Ada', 'Grace', 'Edsger'].map((name) => ({ name })),
    );
  });

  it(
    'prints roles, settings and grants that make another server and its database what the source was',
    async () => {
      await using other = await startCluster({ major: cluster.major });
      await query(other.superuserUrl(), 'CREATE DATABASE source TEMPLATE template0');
      const printed = await recover([
        '--globals',
        encrypted,
        'latest',
        other.superuserUrl('source'),
        identityFile,
      ]);
      expect(printed).toMatchObject({ status: 0, stderr: expect.stringContaining('Checking the SHA-256') });
      const file = join(folder, 'globals.sql');
      writeFileSync(file, printed.stdout);
      const ran = await run(
        join(tools, 'psql'),
        ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', other.superuserUrl('source'), '-f', file],
        { PATH: tools },
      );
      expect(ran).toMatchObject({ status: 0, stderr: '' });
      expect(await dumpGlobals(other)).toEqual(await dumpGlobals(cluster));
    },
    2 * minutes,
  );

  /** What pg_dumpall and pg_dump --create say of roles and of the database, less what is of no backup. */
  async function dumpGlobals({ binFolder, superuserUrl }: Cluster): Promise<string[]> {
    const env = { PATH: process.env.PATH, ...connectionEnvironment(superuserUrl('source')) };
    const lines: string[] = [];
    for (const [tool, ...args] of [
      ['pg_dumpall', '--roles-only', '--no-role-passwords'],
      ['pg_dump', '--create', '--schema-only', '--exclude-schema=*'],
    ] as [string, ...string[]][]) {
      const dumped = await run(join(binFolder, tool), args, env);
      expect(dumped).toMatchObject({ status: 0 });
      lines.push(...dumped.stdout.split('\n'));
    }
    return lines
      .filter((line) => /^(CREATE ROLE|ALTER ROLE|GRANT|REVOKE|COMMENT|ALTER DATABASE)/.test(line))
      .filter((line) => !/supabase_admin|OWNER TO/.test(line.replace(/ GRANTED BY .*/, '')))
      .sort();
  }

  it('is a test of ranges, of rows longer than an object, and of tables that share one', () => {
    const manifest = readManifest(plain);
    const table = (name: string) => manifest.tables.find((table) => table.name === name);
    expect(table('many_ranges')?.ranges.length).toBeGreaterThan(1);
    expect(table('longer_than_an_object')?.ranges[0]?.pieces.length).toBeGreaterThan(1);
    const used = manifest.tables
      .filter((table) => table.schema === 'a')
      .map((table) => table.ranges[0]?.pieces[0]);
    expect(new Set(used.map((piece) => piece?.object)).size).toBe(1);
    expect(used.length).toBeGreaterThan(40);
  });

  it(
    'restores an encrypted backup into the database that the environment names',
    async () => {
      const target = await createDatabase('restored');
      const env = connectionEnvironment(target);
      const { status, stderr } = await recover(
        [encrypted, backupIds(encrypted)[0] ?? '', '-', identityFile],
        env,
      );
      expect({ status, stderr }).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('encryption: age'),
      });
      await expectEqual(sourceUrl, target);
    },
    2 * minutes,
  );

  it('refuses an encrypted backup without its identity, and touches nothing', async () => {
    const target = await createDatabase('refused');
    const without = await recover([encrypted, 'latest', target]);
    expect(without.status).toBe(1);
    expect(without.stderr).toContain('the backup is encrypted: give the file with the age identity');

    const otherFile = join(folder, 'other.txt');
    writeFileSync(otherFile, await generateX25519Identity());
    const wrong = await recover([encrypted, 'latest', target, otherFile]);
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toMatch(/object [0-9a-f]{64} does not decrypt; does the identity belong/);
    expect(await query(target, `SELECT 1 FROM pg_class WHERE relname = 'parents'`)).toEqual([]);
  });

  it('names a damaged and a missing object before it touches the target', async () => {
    const target = await createDatabase('refused');
    const copy = join(folder, 'damaged');
    cpSync(plain, copy, { recursive: true });
    const [first, last] = [
      readManifest(copy).objects[0]?.name ?? '',
      readManifest(copy).objects.at(-1)?.name ?? '',
    ];
    appendFileSync(join(copy, 'objects', first.slice(0, 2), first), 'x');
    rmSync(join(copy, 'objects', last.slice(0, 2), last));
    const { status, stderr } = await recover([copy, 'latest', target]);
    expect(status).toBe(1);
    expect(stderr).toContain(`objects/${first.slice(0, 2)}/${first}: FAILED`);
    expect(stderr).toContain(`objects/${last.slice(0, 2)}/${last}: FAILED open or read`);
    expect(stderr).toContain('stored objects are missing or damaged, and nothing was restored');
    expect(await query(target, `SELECT 1 FROM pg_class WHERE relname = 'parents'`)).toEqual([]);
  });

  it('refuses a manifest that was changed or cut', async () => {
    const target = await createDatabase('refused');
    const copy = join(folder, 'changed');
    cpSync(plain, copy, { recursive: true });
    const file = join(copy, 'backups', `${backupIds(copy)[0]}.json`);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('"rows":45000', '"rows":45001'));
    expect((await recover([copy, 'latest', target])).stderr).toContain(
      'error: the seal of the manifest does not fit its content',
    );
    writeFileSync(file, text.slice(0, 5000));
    expect(await recover([copy, 'latest', target])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('error: the manifest is truncated or damaged'),
    });
  });

  it(
    'exits with 1 when a table has other rows than recorded',
    async () => {
      const target = await createDatabase('different');
      const copy = join(folder, 'miscounted');
      cpSync(plain, copy, { recursive: true });
      // Without repository.json there is no key, and so no seal to betray the change.
      rmSync(join(copy, 'repository.json'));
      const file = join(copy, 'backups', `${backupIds(copy)[0]}.json`);
      writeFileSync(file, readFileSync(file, 'utf8').replace('"rows":45000', '"rows":45001'));
      expect((await recover([copy, 'latest', target])).stderr).toContain(
        'error: nobody can tell who made this backup: there is no repository.json with a key',
      );
      const { status, stdout, stderr } = await recover(['--unsealed', copy, 'latest', target]);
      expect(status).toBe(1);
      expect(stdout).toContain('DIFFERENT\t45000 of 45001 rows\tshapes.many_ranges\n');
      expect(stderr).toContain('note: the seal of the manifest is not checked');
      expect(stderr).toContain('error: tables have other numbers of rows');
    },
    minutes,
  );

  it('checks the seal with a key that is kept outside of the repository', async () => {
    const storage = join(folder, 'key outside');
    const key = '5b'.repeat(32);
    await query(await createDatabase('tiny'), 'CREATE TABLE t (v int); INSERT INTO t VALUES (1)');
    const tinyUrl = reconnect(sourceUrl, { database: 'tiny' });
    await backUp(tinyUrl, storage, { REPOSITORY_KEY: key });
    const target = await createDatabase('restored_tiny');
    const wrong = await recover([storage, 'latest', target], {
      SUPABASE_BACKUP_REPOSITORY_KEY: '5c'.repeat(32),
    });
    expect(wrong).toMatchObject({
      status: 1,
      stderr: 'error: SUPABASE_BACKUP_REPOSITORY_KEY is not the key of this repository.\n',
    });
    const right = await recover([storage, 'latest', target], { SUPABASE_BACKUP_REPOSITORY_KEY: key });
    expect(right.status).toBe(0);
    expect(right.stderr).not.toContain('note:');
    const empty = await createDatabase('restored_tiny');
    for (const args of [[], ['--globals']]) {
      expect(await recover([...args, storage, 'latest', empty])).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringContaining('the key of this repository is kept outside of it. Give it as'),
      });
    }
    expect(await query(empty, `SELECT 1 FROM pg_class WHERE relname = 't'`)).toEqual([]);
    const without = await recover(['--unsealed', storage, 'latest', empty]);
    expect(without.status).toBe(0);
    expect(without.stderr).toContain('note: the seal of the manifest is not checked');
    const repository = join(storage, 'repository.json');
    const config = JSON.parse(readFileSync(repository, 'utf8'));
    writeFileSync(
      repository,
      JSON.stringify({ ...config, key: { held: 'repository', value: '5d'.repeat(32) } }),
    );
    forge(storage, () => undefined);
    const replaced = await recover([storage, 'latest', empty], { SUPABASE_BACKUP_REPOSITORY_KEY: key });
    expect(replaced.stderr).toBe(
      'error: SUPABASE_BACKUP_REPOSITORY_KEY is not the key of this repository.\n',
    );
  });

  describe('with the key that is kept outside, of a repository.json that somebody cut', () => {
    const storage = join(folder, 'cut');
    const file = join(storage, 'repository.json');
    const key = '5b'.repeat(32);
    let config: Record<string, unknown>;
    let target: string;

    beforeAll(async () => {
      await query(await createDatabase('tiny'), 'CREATE TABLE t (v int); INSERT INTO t VALUES (1)');
      await backUp(reconnect(sourceUrl, { database: 'tiny' }), storage, { REPOSITORY_KEY: key });
      config = JSON.parse(readFileSync(file, 'utf8'));
      // What one writes who has no key: the seal is his own.
      writeFileSync(file, JSON.stringify({ ...config, key: { held: 'repository', value: '00'.repeat(32) } }));
      forge(storage, (manifest) => Object.assign(manifest, { label: 'forged' }));
      target = await createDatabase('restored_tiny');
    }, minutes);

    const cut: [string, () => void][] = [
      ['nothing', () => writeFileSync(file, JSON.stringify(config))],
      ['all of it', () => undefined],
      ['all of its content', () => writeFileSync(file, '')],
      ['all of its fields', () => writeFileSync(file, '{}')],
      ['everything but a list', () => writeFileSync(file, '[]')],
      ['its id', () => writeFileSync(file, JSON.stringify({ ...config, id: undefined }))],
      ['its id, which is null', () => writeFileSync(file, JSON.stringify({ ...config, id: null }))],
      ['its format', () => writeFileSync(file, JSON.stringify({ ...config, format: undefined }))],
      ['its check', () => writeFileSync(file, JSON.stringify({ ...config, key: { held: 'outside' } }))],
      ['its key', () => writeFileSync(file, JSON.stringify({ ...config, key: undefined }))],
      ['its file, which is a folder', () => mkdirSync(file)],
    ];

    it.each(cut)('nothing is believed: %s', async (_, cutAway) => {
      rmSync(file, { recursive: true, force: true });
      cutAway();
      const { status, stderr } = await recover([storage, 'latest', target], {
        SUPABASE_BACKUP_REPOSITORY_KEY: key,
      });
      expect({ status, stderr }).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/^error: (the seal |nobody can tell |repository\.json |.* is no file)/),
      });
      expect(await query(target, `SELECT 1 FROM pg_class WHERE relname = 't'`)).toEqual([]);
    });
  });

  describe('of a forged backup, sealed with the right key,', () => {
    const storage = join(folder, 'forged');
    const mark = join(folder, 'THE_SHELL_WAS_REACHED');
    const command = `\\! /bin/touch '${mark}'`;
    let honest: string;
    let target: string;

    beforeAll(async () => {
      await query(await createDatabase('tiny'), 'CREATE TABLE t (v int); INSERT INTO t VALUES (1)');
      await backUp(reconnect(sourceUrl, { database: 'tiny' }), storage);
      honest = join(folder, 'honest');
      cpSync(storage, honest, { recursive: true });
      target = await createDatabase('restored_tiny');
    }, minutes);

    const odd: [string, (manifest: Manifest) => void][] = [
      [
        'the name of an object',
        (m) =>
          Object.assign(first(m.objects), { name: `${first(m.objects).name} 1 0 1\nend\ncopy ${command} #` }),
      ],
      ['the hash of an object', (m) => Object.assign(first(m.objects), { sha256: `x\n${'0'.repeat(64)}` })],
      ['the size of an object', (m) => Object.assign(first(m.objects), { stored: '1' })],
      [
        'the scheme of its encryption',
        (m) => Object.assign(m.encryption, { scheme: `none 1 a[$(touch\t${mark})] 1 1 1` }),
      ],
      ['its time', (m) => Object.assign(m.source, { snapshotAt: `now none 1 a[$(touch\t${mark})]` })],
      [
        'its encoding, under which a quote may be half of a character',
        (m) => Object.assign(m.source, { encoding: 'SJIS' }),
      ],
      ['a setting', (m) => Object.assign(m.source.settings, { client_encoding: 'SJIS' })],
      ['the number of rows', (m) => Object.assign(first(m.tables), { rows: '1' })],
      [
        'the place of a piece',
        (m) => Object.assign(first(first(first(m.tables).ranges).pieces), { offset: -1 }),
      ],
      [
        'the object of a piece',
        (m) => Object.assign(first(first(first(m.tables).ranges).pieces), { object: 99 }),
      ],
      ['a column', (m) => Object.assign(first(m.tables), { columns: [null] })],
      ['an object of the archive', (m) => Object.assign(m.archive, { objects: [99] })],
      ['an object that unpacks to a terabyte', (m) => Object.assign(first(m.objects), { bytes: 2 ** 40 })],
      ['a role', (m) => Object.assign(m.facts, { roles: [{ name: 'x' }] })],
    ];

    it.each(odd)('%s does not reach the shell', async (_, change) => {
      cpSync(honest, storage, { recursive: true, force: true });
      forge(storage, change);
      const { status, stderr } = await recover([storage, 'latest', target]);
      expect({ status, stderr }).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('error: the manifest is not of format 1 or 2: '),
      });
      expect(existsSync(mark)).toBe(false);
      expect(await query(target, `SELECT 1 FROM pg_class WHERE relname = 't'`)).toEqual([]);
    });

    it.each([
      ['a later one', 3, 'has format 3; this script reads formats 1 and 2.'],
      ['none', undefined, 'has format none; this script reads formats 1 and 2.'],
    ])('whose format is %s is refused', async (_, format, says) => {
      cpSync(honest, storage, { recursive: true, force: true });
      forge(storage, (m) => Object.assign(m, { format }));
      const { status, stderr } = await recover([storage, 'latest', target]);
      expect({ status, stderr }).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`error: the manifest ${says}`),
      });
    });

    it('an object unpacks to no more than it is said to hold', async () => {
      cpSync(honest, storage, { recursive: true, force: true });
      const bomb = zstdCompressSync(Buffer.alloc(400 * 1024 * 1024));
      const sha256 = createHash('sha256').update(bomb).digest('hex');
      const path = join(storage, 'objects', sha256.slice(0, 2), sha256);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, bomb);
      forge(storage, (m) => {
        m.archive.objects = [m.objects.push({ name: sha256, bytes: 1000, stored: bomb.length, sha256 }) - 1];
      });
      // No file of more than 20 MB may be written.
      const limited = ['-c', 'ulimit -f 40000 && exec sh "$0" "$@"', script, storage, 'latest', target];
      expect(await run(join(tools, 'sh'), limited, { PATH: tools, TMPDIR: folder }, folder)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('does not hold 1000 bytes'),
      });
    });

    it('an archive of one object many times does not fill the disk', async () => {
      cpSync(honest, storage, { recursive: true, force: true });
      forge(storage, (m) => {
        const [index = 0] = m.archive.objects;
        Object.assign(m.objects[index] as object, { bytes: 33_554_432 });
        m.archive.objects = new Array(100_000).fill(index);
      });
      expect(await recover([storage, 'latest', target])).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(
          /^error: the archive of this backup needs \d+ MB in .*, of which \d+ are free/m,
        ),
      });
    });

    it('what is in the place of an object is a file, or the script does not wait for it', async () => {
      rmSync(storage, { recursive: true });
      cpSync(honest, storage, { recursive: true });
      const { name } = first(readManifest(storage).objects);
      const path = join(storage, 'objects', name.slice(0, 2), name);
      rmSync(path);
      await run('mkfifo', [path], process.env);
      expect(await recover([storage, 'latest', target])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`objects/${name.slice(0, 2)}/${name} is no file`),
      });
      rmSync(path);
      writeFileSync(path, '');
      truncateSync(path, 2 ** 42);
      expect(await recover([storage, 'latest', target])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('stored objects are larger than any is'),
      });
      rmSync(path);
    });

    it('a manifest of another database is refused, though the key that both repositories have sealed it', async () => {
      for (const change of [{ systemIdentifier: '7' }, { database: 'another' }]) {
        cpSync(honest, storage, { recursive: true, force: true });
        forge(storage, (m) => Object.assign(m.source, change));
        expect(await recover([storage, 'latest', target])).toMatchObject({
          status: 1,
          stderr: expect.stringContaining('error: the manifest is of another database'),
        });
      }
    });

    it('names of tables and columns stay on their line, whatever control characters they have', async () => {
      cpSync(honest, storage, { recursive: true, force: true });
      forge(storage, (m) =>
        Object.assign(first(m.tables), { name: `t\n${command}\n\\"`, columns: [`v\r\v\f\n${command}`] }),
      );
      const { status, stdout } = await recover([storage, 'latest', await createDatabase('forged')]);
      expect({ status, stdout: stdout.split('\n').length }).toEqual({ status: 1, stdout: 1 });
      expect(existsSync(mark)).toBe(false);
    });

    it('privileges and options of memberships are printed as what they are, and nothing else', async () => {
      cpSync(honest, storage, { recursive: true, force: true });
      const globalsOf = async (change: (supplement: Supplement) => void) => {
        forgeSupplement(storage, change);
        const { status, stdout } = await recover(['--globals', storage, 'latest', target]);
        const file = join(folder, 'forged.sql');
        writeFileSync(file, stdout);
        await run(join(tools, 'psql'), ['-X', '-q', '-d', target, '-f', file], { PATH: tools });
        expect(existsSync(mark)).toBe(false);
        return { status, stdout };
      };
      const privilege = `CONNECT ON DATABASE x TO y;\n${command}\n--`;
      const granted = await globalsOf(({ database }) => {
        database.grants = [
          { grantee: 'reader', privilege, grantable: false },
          { grantee: 'reader', privilege: 'CREATE', grantable: false },
        ];
      });
      expect(granted.status).toBe(0);
      expect(granted.stdout).toContain('GRANT "create" ON DATABASE restored_tiny TO reader;');
      for (const option of ['inherit', 'set']) {
        const member = {
          role: 'reader',
          admin: false,
          inherit: true,
          set: true,
          [option]: `true;\n${command}\n--`,
        };
        const asked = await globalsOf(({ roles }) => Object.assign(first(roles), { memberOf: [member] }));
        expect(asked.status).not.toBe(0);
      }
      const limited = await globalsOf(({ roles }) =>
        Object.assign(first(roles), { name: 'of nobody', memberOf: [], connectionLimit: ` 3 \n` }),
      );
      expect(limited.stdout).toMatch(/^CREATE ROLE "of nobody".* CONNECTION LIMIT 3\b/m);
    });

    it('a statement reaches the server, and psql takes no command out of it', async () => {
      cpSync(honest, storage, { recursive: true, force: true });
      const addition = { schema: 'public', table: 't', what: 'policy public.t p' };
      forgeSupplement(storage, (supplement) => {
        supplement.additions = [
          { ...addition, sql: `SELECT 1;\n${command}\n`, guards: false },
          { ...addition, sql: `CREATE POLICY p ON public.t USING (E'\\\\' <> 'x')`, guards: true },
        ];
      });
      const { status, stderr } = await recover([storage, 'latest', await createDatabase('forged')]);
      expect(status).toBe(1);
      expect(stderr).toContain('syntax error at or near "\\"');
      expect(existsSync(mark)).toBe(false);
      const url = reconnect(sourceUrl, { database: 'forged' });
      expect(await query(url, 'SELECT polname FROM pg_policy')).toEqual([{ polname: 'p' }]);

      forgeSupplement(storage, (supplement) => {
        supplement.additions = [
          { ...addition, sql: 'CREATE POLICY p ON public.t USING (gone())', guards: true },
        ];
      });
      const guarded = await recover([storage, 'latest', await createDatabase('forged')]);
      expect(guarded).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('so nothing was granted to anybody'),
      });
    });

    it('the commands of docs/recover-by-hand.md stop at the name of an object', async () => {
      cpSync(honest, storage, { recursive: true, force: true });
      forge(storage, (m) => Object.assign(first(m.objects), { name: `x\n${command}` }));
      const [, reading = ''] = readCommands();
      const env = {
        PATH: tools,
        PGCLIENTENCODING: 'UTF8',
        ...connectionEnvironment(await createDatabase('forged')),
      };
      const program = `set -eu\nBACKUP=${backupIds(storage)[0]}\n${reading}`;
      expect(await run(join(tools, 'sh'), ['-c', program], env, storage)).toMatchObject({
        status: 3,
        stderr: expect.stringContaining('the manifest has an object whose name is none'),
      });
    });
  });

  it('lists backups, and takes the newest with rows for the latest', async () => {
    const storage = join(folder, 'several');
    await query(await createDatabase('tiny'), 'CREATE TABLE t (v int); INSERT INTO t VALUES (1)');
    const tinyUrl = reconnect(sourceUrl, { database: 'tiny' });
    const first = await backUp(tinyUrl, storage);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await query(tinyUrl, 'INSERT INTO t VALUES (2)');
    const second = await backUp(tinyUrl, storage, { LABEL: 'a label with "kind":"schema" in it' });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const third = await backUp(tinyUrl, storage, { BACKUP_TYPE: 'schema' });
    writeFileSync(join(storage, 'backups', 'notes.json'), '{}');
    expect(await recover(['--list', storage])).toMatchObject({
      status: 0,
      stdout: `${first}\n${second}\n${third}  definitions only\n`,
    });

    const target = await createDatabase('restored_tiny');
    expect(await recover([storage, 'latest', target])).toMatchObject({
      status: 0,
      stdout: 'equal\t2 of 2 rows\tpublic.t\n',
    });
    const again = await recover([storage, first, target]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain(
      'the database is not empty: it has 1 tables, views or sequences, for one public.t',
    );
    const definitions = await recover([storage, third, await createDatabase('restored_tiny')]);
    expect(definitions.status).toBe(0);
    expect(await query(reconnect(sourceUrl, { database: 'restored_tiny' }), 'SELECT * FROM t')).toEqual([]);
  });

  it('names the roles that the server lacks, and creates no others', async () => {
    const storage = join(folder, 'roles');
    const tinyUrl = await createDatabase('tiny');
    await query(cluster.superuserUrl(), 'CREATE ROLE "gone Role"');
    await query(tinyUrl, 'CREATE TABLE t (v int); GRANT SELECT ON t TO "gone Role"');
    await backUp(tinyUrl, storage);
    await createDatabase('tiny');
    await query(cluster.superuserUrl(), 'DROP ROLE "gone Role"');
    const { status, stderr } = await recover([storage, 'latest', await createDatabase('restored_tiny')]);
    expect(status).toBe(1);
    expect(stderr).toContain('for example: CREATE ROLE "gone Role";');
  });

  it('shows what the server refuses, and brings the rest', async () => {
    const storage = join(folder, 'refused');
    const tinyUrl = await createDatabase('tiny');
    await query(
      tinyUrl,
      `CREATE TABLE a (v int); INSERT INTO a VALUES (1), (1); CREATE INDEX a_v ON a (v); CREATE TABLE b (v int CHECK (v > 0)); INSERT INTO b VALUES (2);
       GRANT SELECT ON b TO PUBLIC; CREATE INDEX b_v ON b (v)`,
    );
    const damage = `UPDATE pg_index SET indisunique = true WHERE indexrelid = 'public.a_v'::regclass`;
    await query(reconnect(cluster.superuserUrl(), { database: 'tiny' }), damage);
    await backUp(tinyUrl, storage);
    const target = await createDatabase('restored_tiny');
    const { status, stderr } = await recover([storage, 'latest', target]);
    expect(status).toBe(1);
    expect(stderr).toContain('could not create unique index "a_v"');
    expect(stderr).toContain('error: the server refused what is shown above; everything else is restored');
    const url = reconnect(sourceUrl, { database: 'restored_tiny' });
    expect(
      await query(
        url,
        `SELECT (SELECT count(*)::int FROM a) AS a, (SELECT count(*)::int FROM b) AS b, to_regclass('b_v') IS NOT NULL AS b_v, has_table_privilege('pg_monitor', 'b', 'SELECT') AS granted`,
      ),
    ).toEqual([{ a: 2, b: 1, b_v: true, granted: true }]);
  });

  it('grants nothing where a policy could not be made', async () => {
    const storage = join(folder, 'open');
    const tinyUrl = await createDatabase('tiny');
    await query(
      tinyUrl,
      `CREATE EXTENSION hstore; CREATE FUNCTION sees(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'; ALTER EXTENSION hstore ADD FUNCTION sees(int);
       CREATE TABLE a (v int); INSERT INTO a VALUES (1); ALTER TABLE a ENABLE ROW LEVEL SECURITY;
       CREATE POLICY few ON a AS RESTRICTIVE USING (sees(v)); GRANT SELECT ON a TO PUBLIC`,
    );
    await backUp(tinyUrl, storage);
    const { status, stderr } = await recover([storage, 'latest', await createDatabase('restored_tiny')]);
    expect(status).toBe(1);
    expect(stderr).toContain('nothing was granted to anybody');
    const url = reconnect(sourceUrl, { database: 'restored_tiny' });
    expect(await query(url, `SELECT has_table_privilege('pg_monitor', 'a', 'SELECT') AS granted`)).toEqual([
      { granted: false },
    ]);
  });

  it('tells what is wrong with its arguments and its machine', async () => {
    expect(await recover(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('Usage:') });
    expect(await recover([plain])).toMatchObject({ status: 2, stderr: expect.stringContaining('Usage:') });
    expect((await recover([folder, 'latest', '-'])).stderr).toContain('is no repository');
    expect((await recover([plain, '20260101T000000Z-0000', '-'])).stderr).toContain(
      'there is no backup 20260101T000000Z-0000',
    );
    expect((await recover([plain, 'latest', '-', './nowhere'])).stderr).toContain('cannot be read');

    const fewer = join(folder, 'fewer tools');
    cpSync(tools, fewer, { recursive: true, verbatimSymlinks: true });
    rmSync(join(fewer, 'zstd'));
    expect((await recover([plain, 'latest', '-'], { PATH: fewer })).stderr).toBe(
      'error: zstd is not installed. Install zstd.\n',
    );
    const refused = await recover([plain, 'latest', 'postgresql://nobody:x@127.0.0.1:1/x']);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('Connection refused');
  });

  it(
    'is what docs/recover-by-hand.md says, done without the script',
    async () => {
      const [settings, ...commands] = readCommands();
      expect(settings).toContain('export PGCLIENTENCODING=UTF8');
      const target = await createDatabase('by_the_book');
      const copy = join(folder, 'by the book');
      cpSync(encrypted, copy, { recursive: true });
      const program = [
        'set -eu',
        `BACKUP=${backupIds(copy)[0]}`,
        `IDENTITY=${identityFile}`,
        ...commands,
      ].join('\n');
      const env = { PATH: tools, PGCLIENTENCODING: 'UTF8', ...connectionEnvironment(target) };
      const { status, stderr } = await run(join(tools, 'sh'), ['-c', program], env, copy);
      expect({
        status,
        stderr: stderr.replaceAll(/^NOTICE.*\n|^drop cascades.*\n|^DETAIL.*\n/gm, ''),
      }).toEqual({
        status: 0,
        stderr: '',
      });
      await expectEqual(sourceUrl, target);
      expect(readdirSync(copy).sort()).toEqual(readdirSync(encrypted).sort());
    },
    2 * minutes,
  );

  it(
    'restores the fixture',
    async () => {
      const storage = join(folder, 'fixture');
      const superuserUrl = cluster.superuserUrl();
      const seeded = await seedDatabase({
        superuserUrl,
        database: 'fixture_source',
        owner: 'app_owner',
        tinyTables: 30,
        bulkRows: 2000,
      });
      await backUp(seeded.superuserUrl, storage, { ENCRYPTION_RECIPIENTS: recipient });
      const target = await createDatabase('fixture_restored', 'app_owner');
      const { status, stdout, stderr } = await recover([storage, 'latest', target, identityFile]);
      expect({ status, stderr }).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('Restored backup'),
      });
      expect(stdout).not.toContain('DIFFERENT');
      await expectEqual(seeded.superuserUrl, target);
    },
    5 * minutes,
  );
});

function backupIds(storage: string): string[] {
  return readdirSync(join(storage, 'backups')).map((file) => file.replace('.json', ''));
}

const manifestFile = (storage: string) => join(storage, 'backups', `${backupIds(storage)[0]}.json`);

function readManifest(storage: string): Manifest {
  return JSON.parse(readFileSync(manifestFile(storage), 'utf8'));
}

/** Changes the manifest as one can who holds the key of the repository, which stands in it by default. */
function forge(storage: string, change: (manifest: Manifest) => unknown): void {
  const { key, id } = JSON.parse(readFileSync(join(storage, 'repository.json'), 'utf8'));
  const { seal: _, ...manifest } = readManifest(storage) as Manifest & { seal: string };
  change(manifest);
  const open = JSON.stringify(manifest).slice(0, -1);
  // As docs/format.md has it of format 2.
  const bound = createHmac('sha256', Buffer.from(key.value, 'hex')).update(
    `supabase-backup repository ${id}`,
  );
  const seal = createHmac('sha256', bound.digest()).update(`manifest\0${open}}`).digest('hex');
  writeFileSync(manifestFile(storage), `${open},"seal":"${seal}"}\n`);
}

function forgeSupplement(storage: string, change: (supplement: Supplement) => unknown): void {
  const path = (name: string) => join(storage, 'objects', name.slice(0, 2), name);
  forge(storage, (manifest) => {
    const parts = manifest.supplement.objects.map((index) => manifest.objects[index]?.name ?? '');
    const supplement = JSON.parse(parts.map((name) => zstdDecompressSync(readFileSync(path(name)))).join(''));
    change(supplement);
    const plaintext = Buffer.from(JSON.stringify(supplement));
    const stored = zstdCompressSync(plaintext);
    const sha256 = createHash('sha256').update(stored).digest('hex');
    mkdirSync(dirname(path(sha256)), { recursive: true });
    writeFileSync(path(sha256), stored);
    manifest.supplement = { bytes: plaintext.length, objects: [manifest.objects.length] };
    manifest.objects.push({ name: sha256, bytes: plaintext.length, stored: stored.length, sha256 });
  });
}

function first<T>(list: readonly T[]): T {
  const [value] = list;
  if (value === undefined) throw new Error('there is none');
  return value;
}

/** The blocks of docs/recover-by-hand.md that are to be run in one shell */
function readCommands(): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs/recover-by-hand.md'), 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1] ?? '');
}
