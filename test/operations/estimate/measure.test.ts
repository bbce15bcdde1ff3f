import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseInputs } from '../../../src/interface/inputs/parse.ts';
import type { InputName } from '../../../src/interface/inputs/schema.ts';
import type { EstimateInputs } from '../../../src/interface/inputs/types.ts';
import { countKept, readBasis } from '../../../src/operations/estimate/basis.ts';
import { estimate } from '../../../src/operations/estimate/estimate.ts';
import { measureDatabase } from '../../../src/operations/estimate/measure.ts';
import { renderText } from '../../../src/report/text.ts';
import { createDatabase, type Database } from '../../postgres/database.ts';
import { smallPolicy } from '../../schedule/setting.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createContext } from '../../support/context.ts';

let cluster: Cluster;
let database: Database;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'estimate-'));
  cluster = await startCluster();
  database = await createDatabase(cluster);
  await database.run(`
    CREATE TABLE orders AS SELECT id, 'order number ' || id AS title, now() AS at FROM generate_series(1, 60000) id;
    CREATE TABLE pictures AS SELECT id, decode(repeat(md5(id::text), 2000), 'hex') AS bytes FROM generate_series(1, 60) id;
    CREATE TABLE empty (id int);
    ANALYZE orders;`);
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
  rmSync(folder, { recursive: true });
});

function inputsOf(given: Partial<Record<InputName, string>> = {}): EstimateInputs {
  const all: Partial<Record<InputName, string>> = {
    ...{ operation: 'estimate', 'database-url': database.url },
    ...given,
  };
  return parseInputs((name) => all[name], {}) as EstimateInputs;
}
const context = createContext({ env: {}, now: () => new Date() });

describe('an estimate', () => {
  it('is near what pg_dump writes of the same tables, and near their rows', async () => {
    const { size } = await measureDatabase(inputsOf(), context);
    const words = ['--data-only', '--dbname', database.url];
    const dump = execFileSync(path.join(cluster.binFolder, 'pg_dump'), words, { maxBuffer: 1e9 });
    expect(size.wireBytes / dump.length).toBeGreaterThan(0.85);
    expect(size.wireBytes / dump.length).toBeLessThan(1.15);
    expect(size.tables).toBe(3);
    expect(Math.abs(size.rows - 60_060)).toBeLessThan(2000);
    expect(size.uncounted).toBe(0);
    expect(size.storedBytes).toBeLessThan(size.wireBytes / 2);
    const [[whole]] = (await database.rows('SELECT pg_database_size(current_database())')) as [[string]];
    expect(size.databaseBytes).toBe(Number(whole));
  });

  it('is the same for a role that owns nothing, and sees all', async () => {
    await database.run(`
      CREATE ROLE keeper LOGIN BYPASSRLS PASSWORD 'p'; GRANT pg_read_all_data TO keeper;
      CREATE ROLE owner; ALTER TABLE orders OWNER TO owner; ALTER TABLE orders ENABLE ROW LEVEL SECURITY;`);
    const url = database.url.replace(/\/\/[^@]+@/, '//keeper:p@');
    const { size: whole } = await measureDatabase(inputsOf(), context);
    const { size } = await measureDatabase(inputsOf({ 'database-url': url }), context);
    expect(size.sample?.tables).toBe(2);
    expect(size.wireBytes).toBe(whole.wireBytes);
  });

  it('calls nothing that the owner of a table has put into an index of it', async () => {
    await database.run(`
      CREATE FUNCTION trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'called'; END $$;
      CREATE TABLE trapped AS SELECT id, repeat('x', 100) AS text FROM generate_series(1, 40000) id;
      ALTER FUNCTION trap(int) OWNER TO owner; ALTER TABLE trapped OWNER TO owner;
      CREATE STATISTICS watched ON (trap(id)), text FROM trapped;`);
    const url = database.url.replace(/\/\/[^@]+@/, '//keeper:p@');
    const { size } = await measureDatabase(inputsOf({ 'database-url': url }), context);
    expect(size.tables).toBe(4);
    expect(size.sample?.tables).toBe(2);
    await database.run('DROP TABLE trapped');
  });

  it('changes nothing, and leaves out what a backup leaves out', async () => {
    const count = () => database.rows('SELECT count(*) FROM pg_class');
    const before = await count();
    const { size } = await measureDatabase(inputsOf({ exclude: 'public.pictures' }), context);
    expect(size.tables).toBe(2);
    expect(await count()).toEqual(before);
    await expect(measureDatabase(inputsOf({ exclude: 'public.picture' }), context)).rejects.toThrow(
      'exclude: no table of this database matches public.picture',
    );
  });

  it('is told with what it rests on', async () => {
    const outcome = await estimate(inputsOf({ jobs: '2' }), context);
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { tables: 3, 'kept-backups': 24 } });
    const text = renderText(outcome.report);
    expect(text).toContain('with 2 jobs');
    expect(text).toMatch(/those of a sample: .* of 2 tables, read by one connection at /);
    expect(text).toContain('A full backup every night is reckoned with.');
    expect(Number(outcome.outputs['estimated-seconds'])).toBeGreaterThan(0);
  });
});

describe('what is reckoned with', () => {
  it('is the retention and the schedule of the policy, where there is one', async () => {
    const policy = path.join(folder, 'policy.yml');
    const schedules = 'schedules:\n  full: 17 2 * * 0\n  incremental: 17 3 * * *\n  archive: false\n';
    writeFileSync(policy, `${smallPolicy}retention: last=3 weekly=4\n${schedules}`);
    const now = () => new Date('2026-11-20T00:00:00Z');
    const basis = await readBasis(inputsOf({ policy }), createContext({ env: {}, now }));
    // Sundays from 20 November to 20 December 2026: 22, 29, 6, 13
    expect(basis).toMatchObject({ source: 'policy', fullBackups: 4, allBackups: 34 });
    expect(countKept(basis.retention, basis.allBackups)).toBe(7);
    await expect(
      readBasis(inputsOf({ policy, database: 'other' }), createContext({ env: {}, now })),
    ).rejects.toThrow('has no database "other"');
  });

  it.each([
    ['daily=7 weekly=5 monthly=12', 24],
    ['within=7d', 7],
    ['last=1', 3],
  ])('%s keeps at most %i of a backup a night', (retention, kept) => {
    expect(countKept(inputsOf({ retention }).retention, 30)).toBe(kept);
  });
});
