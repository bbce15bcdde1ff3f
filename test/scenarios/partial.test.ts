import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { inWords } from './refusal.ts';
import { listFolder, readStoredManifest } from './repository-folder.ts';
import { createDatabase, createShop, describeDatabase, query } from './shop.ts';

let cluster: Cluster;
let folder: string;
let source: string;
let targets = 0;
const whole = (): string => join(folder, 'whole');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'partial-'));
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
  await succeed(['backup', '--storage', whole()], { env: { SUPABASE_BACKUP_DATABASE_URL: source } });
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function restoreInto(target: string, storage: string, words: readonly string[]) {
  const env = { SUPABASE_BACKUP_TARGET_URL: target };
  return runCli(['restore', '--storage', storage, ...words], { env });
}

/** Restores a part into a new database and tells what is there now, and what was said. */
async function restorePart(...words: string[]) {
  targets += 1;
  const target = await createDatabase(cluster.superuserUrl(), `part_${targets}`);
  const run = await restoreInto(target, whole(), words);
  expect(run, run.stderr).toMatchObject({ exitCode: 0 });
  expect(run.stdout).toMatch(/Parity: equal|"parity":"equal"/);
  return { target, run, tables: await describeDatabase(target) };
}

describe('a restore of', () => {
  test('one schema has its tables, view, sequence and foreign keys, and nothing else', async () => {
    const { target, tables } = await restorePart('--include', 'sales.*');
    expect(tables).toEqual({
      'sales.customers': 50,
      'sales.customers_id_seq': 1,
      'sales.orders': 0,
      'sales.orders_2025': 213,
      'sales.orders_2026': 187,
      'sales.totals': 50,
    });
    const keys = `SELECT count(*)::int AS keys FROM pg_constraint WHERE contype = 'f' AND conparentid = 0`;
    expect(await query(target, keys)).toEqual([{ keys: 1 }]);
    const [inserted] = await query(target, `INSERT INTO sales.customers (name) VALUES ('next') RETURNING id`);
    expect(inserted).toEqual({ id: 51 });
  });

  test('one table comes without the foreign key to a table that is not there, and says so', async () => {
    const { target, run, tables } = await restorePart('--include', 'private.notes');
    expect(tables).toEqual({ 'private.notes': 20 });
    expect(run.stdout).toMatch(/Left out, because something it needs is not restored:/);
    expect(run.stdout).toMatch(/fk constraint private\.notes.* +table sales\.customers/);
    expect(await query(target, 'SELECT polname FROM pg_policy')).toEqual([{ polname: 'nobody' }]);
    expect(await query(target, `SELECT relrowsecurity FROM pg_class WHERE relname = 'notes'`)).toEqual([
      { relrowsecurity: true },
    ]);
  });

  test('a partitioned table has its partitions with it', async () => {
    const { tables, run } = await restorePart('--include', 'sales.orders', '--json');
    expect(tables).toEqual({ 'sales.orders': 0, 'sales.orders_2025': 213, 'sales.orders_2026': 187 });
    expect(readPrinted(run.stdout).outputs).toMatchObject({ tables: 2, rows: 400, parity: 'equal' });
  });

  test('one table with an identity column can be written to', async () => {
    const { target, tables } = await restorePart('--include', 'sales.customers');
    expect(tables).toEqual({ 'sales.customers': 50, 'sales.customers_id_seq': 1 });
    const [inserted] = await query(target, `INSERT INTO sales.customers (name) VALUES ('next') RETURNING id`);
    expect(inserted).toEqual({ id: 51 });
  });

  test('one partition has its parent without the rows of the others', async () => {
    const { tables, run } = await restorePart('--include', 'sales.orders_2026');
    expect(tables).toEqual({ 'sales.orders': 0, 'sales.orders_2026': 187 });
    expect(run.stdout).toMatch(/rows of table sales\.orders +only its definition is needed/);
  });

  test('two tables of two schemas has both', async () => {
    const { tables } = await restorePart('--include', 'public.settings,private.notes,sales.customers');
    expect(tables).toEqual({
      'private.notes': 20,
      'public.settings': 3,
      'sales.customers': 50,
      'sales.customers_id_seq': 1,
    });
  });

  test('all but some leaves those out', async () => {
    const { tables } = await restorePart('--exclude', 'private.*,public.events,public.readings');
    expect(Object.keys(tables)).toEqual([
      'public.settings',
      'sales.customers',
      'sales.customers_id_seq',
      'sales.orders',
      'sales.orders_2025',
      'sales.orders_2026',
      'sales.totals',
    ]);
  });

  test('an exclude within an include wins', async () => {
    const { tables } = await restorePart('--include', 'public.*', '--exclude', 'public.events');
    expect(tables).toEqual({ 'public.readings': 12_000, 'public.settings': 3 });
  });

  test('a part goes into a database that holds another part, and not into one that holds the same', async () => {
    const { target } = await restorePart('--include', 'public.settings');
    const other = await restoreInto(target, whole(), ['--include', 'private.notes']);
    expect(other, other.stderr).toMatchObject({ exitCode: 0 });
    expect(await describeDatabase(target)).toEqual({ 'private.notes': 20, 'public.settings': 3 });
    const again = await restoreInto(target, whole(), ['--include', 'private.notes']);
    expect(again.exitCode).toBe(2);
    expect(inWords(again.stderr)).toMatch(/target-url: it has private\.notes already/);
    expect(await describeDatabase(target)).toEqual({ 'private.notes': 20, 'public.settings': 3 });
  });
});

describe('a dry run', () => {
  test.each([[[]], [['--include', 'sales.*']]])(
    'with %j changes nothing and says what it would do',
    async (words) => {
      targets += 1;
      const target = await createDatabase(cluster.superuserUrl(), `dry_${targets}`);
      const schemas = 'SELECT count(*)::int AS schemas FROM pg_namespace';
      const before = [await query(target, schemas), listFolder(whole())];
      const run = await restoreInto(target, whole(), ['--dry-run', ...words]);
      expect(run).toMatchObject({ exitCode: 0 });
      expect(run.stdout).toMatch(/dry run|would/i);
      expect(run.stdout).toContain('sales.orders_2025');
      expect(run.stdout.includes('public.readings')).toBe(words.length === 0);
      expect(run.stdout).not.toContain('Parity');
      expect(await describeDatabase(target)).toEqual({});
      expect([await query(target, schemas), listFolder(whole())]).toEqual(before);
      const asJson = await restoreInto(target, whole(), ['--dry-run', '--json', ...words]);
      const { outputs, details } = readPrinted(asJson.stdout);
      const tables = words.length === 0 ? 7 : 3;
      expect(outputs).toMatchObject({
        parity: 'skipped',
        tables,
        'recovered-to': null,
        'safety-backup-id': null,
      });
      expect(details).toMatchObject({ kind: 'planned', until: null, changes: 0, missing: [], staged: false });
      expect(details.replaced).toEqual({ tables: 0, rows: 0, lost: [] });
      expect(details.tables.map(({ name }: { name: string }) => name)).toHaveLength(tables);
    },
  );
});

describe('what --json prints', () => {
  test('is one object of the outputs that are promised, and nothing else stands on stdout', async () => {
    const storage = join(folder, 'json');
    const env = { SUPABASE_BACKUP_DATABASE_URL: source };
    const backedUp = await runCli(['backup', '--storage', storage, '--json'], { env });
    expect(readPrinted(backedUp.stdout).outputs).toEqual({
      'backup-id': expect.stringMatching(/^\d{8}T\d{6}Z-[0-9a-f]{4}$/),
      'backup-type': 'full',
      'base-id': null,
      'reused-share': 0,
      tables: 7,
      rows: 24_473,
      bytes: expect.any(Number),
      'stored-bytes': expect.any(Number),
      'new-bytes': expect.any(Number),
      objects: expect.any(Number),
      'duration-seconds': expect.any(Number),
      copies: null,
    });
    expect(readPrinted(backedUp.stdout).details).toMatchObject({
      label: null,
      pinned: false,
      mismatches: [],
    });
    const { outputs, details } = readPrinted((await runCli(['show', '--storage', storage, '--json'])).stdout);
    expect(details).toMatchObject({
      id: outputs['backup-id'],
      rows: 24_473,
      pinned: false,
      base: null,
      events: [],
    });
    expect(details.tables).toContainEqual({
      ...{ name: 'sales.orders_2025', rows: expect.any(Number), bytes: expect.any(Number) },
    });
    const listed = readPrinted((await runCli(['list', '--storage', storage, '--json'])).stdout);
    expect(listed.outputs.list).toMatchObject([{ id: details.id, kind: 'full', keep: true, rows: 24_473 }]);
    expect(JSON.stringify(listed.report)).toContain(details.id);
    expect(readPrinted((await runCli(['validate', '--storage', storage, '--json'])).stdout).outputs).toEqual({
      backups: 1,
      'objects-checked': expect.any(Number),
      damaged: 0,
      'read-from': null,
    });
    const target = await createDatabase(cluster.superuserUrl(), 'json');
    const restored = await restoreInto(target, storage, ['--json']);
    expect(readPrinted(restored.stdout).outputs).toEqual({
      'backup-id': expect.stringMatching(/^\d{8}T\d{6}Z-[0-9a-f]{4}$/),
      tables: 7,
      rows: 24_473,
      'recovered-to': null,
      parity: 'equal',
      'not-carried': 0,
      'safety-backup-id': null,
      'target-kind': 'plain',
      attempts: 1,
      'duration-seconds': expect.any(Number),
      ...{ 'rows-missing': null, 'rows-changed': null, 'rows-added': null, 'read-from': null },
      ...{ 'project-ref': null, 'project-status': null, 'managed-from': null, 'managed-to': null },
      'managed-restore': null,
    });
    expect(readPrinted(restored.stdout).details).toMatchObject({
      ...{ kind: 'restored', attempts: [], checks: [], replaced: { tables: 0, rows: 0, lost: [] } },
      phases: { total: expect.any(Number) },
    });
  });
});

describe('a backup of', () => {
  test('all but some tables records what it does not carry, and a restore says it', async () => {
    const storage = join(folder, 'excluding');
    const env = { SUPABASE_BACKUP_DATABASE_URL: source };
    const run = await runCli(['backup', '--storage', storage, '--exclude', 'public.events,private.*'], {
      env,
    });
    expect(run).toMatchObject({ exitCode: 0 });
    expect(run.stdout).toMatch(/Not in this backup:/);
    const { notCarried } = readStoredManifest(storage);
    expect(notCarried.map(({ what }) => what).sort()).toEqual([
      'rows of private.notes',
      'rows of public.events',
    ]);

    const target = await createDatabase(cluster.superuserUrl(), 'excluding');
    const restored = await restoreInto(target, storage, []);
    expect(restored, restored.stderr).toMatchObject({ exitCode: 0 });
    for (const { what, why } of notCarried) expect(restored.stdout).toMatch(new RegExp(`${what} +${why}`));
    expect(await describeDatabase(target)).toMatchObject({
      'private.notes': 0,
      'public.events': 0,
      'public.readings': 12_000,
      'sales.orders_2025': 213,
    });
  });

  test('a partitioned table means its partitions, to take them and to leave them out', async () => {
    const env = { SUPABASE_BACKUP_DATABASE_URL: source };
    const tables = async (name: string, ...words: string[]) => {
      await succeed(['backup', '--storage', join(folder, name), ...words], { env });
      return readStoredManifest(join(folder, name)).tables.map((table) => `${table.schema}.${table.name}`);
    };
    const partitions = ['sales.orders_2025', 'sales.orders_2026'];
    expect(await tables('only-orders', '--include', 'sales.orders')).toEqual(partitions);
    expect(await tables('no-orders', '--exclude', 'sales.orders')).not.toEqual(
      expect.arrayContaining(partitions),
    );
  });

  test('definitions only restores as definitions, and is never taken for the latest', async () => {
    const storage = join(folder, 'schema');
    const env = { SUPABASE_BACKUP_DATABASE_URL: source };
    const made = await succeed(['backup', '--storage', storage, '--backup-type', 'schema'], { env });
    expect(made).toMatchObject({ 'backup-type': 'schema', tables: 0, rows: 0 });
    const target = await createDatabase(cluster.superuserUrl(), 'definitions');
    expect((await restoreInto(target, storage, [])).exitCode).toBe(2);
    const restored = await restoreInto(target, storage, ['--backup-id', String(made['backup-id'])]);
    expect(restored, restored.stderr).toMatchObject({ exitCode: 0 });
    const tables = await describeDatabase(target);
    expect(Object.keys(tables)).toEqual(Object.keys(await describeDatabase(source)));
    expect(tables['public.readings']).toBe(0);
  });
});

describe('names with dots, quotes and commas', () => {
  const storage = () => join(folder, 'names');
  let named: string;
  beforeAll(async () => {
    named = await createDatabase(cluster.superuserUrl(), 'named');
    await query(
      named,
      `CREATE SCHEMA "v1.2"; CREATE TABLE "v1.2".t (id int PRIMARY KEY); INSERT INTO "v1.2".t VALUES (1);
       CREATE TABLE public."audit.log" (id int PRIMARY KEY); INSERT INTO public."audit.log" VALUES (1), (2);
       CREATE TABLE public."it""s, a table" (id int PRIMARY KEY); INSERT INTO public."it""s, a table" VALUES (1), (2), (3);
       CREATE TABLE public.other (id int PRIMARY KEY); INSERT INTO public.other VALUES (1)`,
    );
    await succeed(['backup', '--storage', storage()], { env: { SUPABASE_BACKUP_DATABASE_URL: named } });
  });

  test.each([
    ['public.audit.log', ['public."audit.log"']],
    ['public."audit.log"', ['public."audit.log"']],
    ['"v1.2".t', ['"v1.2".t']],
    ['v1.2.t', ['"v1.2".t']],
    ['v1.2.*', ['"v1.2".t']],
    ['"v1.2".*, public."it""s, a table"', ['"v1.2".t', 'public."it""s, a table"']],
  ])('are chosen as %s, for a restore, a rescue and a backup', async (pattern, names) => {
    targets += 1;
    const target = await createDatabase(cluster.superuserUrl(), `named_${targets}`);
    const run = await restoreInto(target, storage(), ['--include', pattern]);
    expect(run, run.stderr).toMatchObject({ exitCode: 0 });
    expect(Object.keys(await describeDatabase(target))).toEqual(names);

    const side = await restoreInto(named, storage(), [
      '--side-schema',
      `rescue_${targets}`,
      '--include',
      pattern,
    ]);
    expect(side, side.stderr).toMatchObject({ exitCode: 0 });
    // As it is printed, it can be typed.
    for (const name of names) expect(side.stdout).toContain(name);

    const without = join(folder, `without-${targets}`);
    await succeed(['backup', '--storage', without, '--exclude', pattern], {
      env: { SUPABASE_BACKUP_DATABASE_URL: named },
    });
    const left = readStoredManifest(without).tables.filter(({ schema }) => !schema.startsWith('rescue'));
    expect(left).toHaveLength(4 - names.length);
    await query(named, `DROP SCHEMA rescue_${targets} CASCADE`);
  });
});
