import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type ActionRun, runAction } from '../support/run-action.ts';
import { findObject, flipBit, listBackups, readStoredManifest } from './repository-folder.ts';
import { createDatabase, createShop, describeDatabase } from './shop.ts';

/** dist/index.cjs as a runner starts it: one step after another over one repository. */

let cluster: Cluster;
let folder: string;
let source: string;
const storage = (): string => join(folder, 'repository');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'action-'));
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function step(operation: string, inputs: Record<string, string> = {}): Promise<ActionRun> {
  // A runner passes every input of action.yml, those that are not given as empty texts.
  const empty = {
    label: '',
    include: '',
    exclude: '',
    'encryption-identity': '',
    'backup-id': '',
    share: '',
  };
  return runAction({ ...empty, operation, storage: storage(), ...inputs });
}

const annotations = (run: ActionRun): string[] => run.lines.filter((line) => /^::(error|warning)/.test(line));

test('backup writes its outputs and a summary', async () => {
  const run = await step('backup', { 'database-url': source, label: 'release | 2.4\\n' });
  expect(run, run.stdout).toMatchObject({ exitCode: 0 });
  expect(annotations(run)).toEqual([]);
  const [id = ''] = listBackups(storage());
  expect(Object.fromEntries(run.outputs)).toEqual({
    'backup-id': id,
    'backup-type': 'full',
    'base-id': '',
    'reused-share': '0',
    tables: '7',
    rows: '24473',
    bytes: expect.stringMatching(/^\d+$/),
    'stored-bytes': expect.stringMatching(/^\d+$/),
    'new-bytes': expect.stringMatching(/^\d+$/),
    objects: expect.stringMatching(/^\d+$/),
    'duration-seconds': expect.stringMatching(/^\d+(\.\d)?$/),
  });
  expect(run.summary).toMatch(
    /^### ✅ Backup of \S+: [\d,]+ rows, \S+ \S+ stored, NOT encrypted\n\nBackup `\S+`/,
  );
  expect(run.summary).toContain(`Backup \`${id}\`, "release \\| 2.4\\\\n". Never restored yet`);
  expect(run.summary).toMatch(/^\| what \| value \|\n\| --- \| ---: \|$/m);
  expect(run.summary).toMatch(/^\| public\.readings \| 12,000 \| /m);
  expect(run.leftInRunnerTemp).toEqual([]);
});

test('validate reads back what backup stored', async () => {
  const run = await step('validate');
  expect(run, run.stdout).toMatchObject({ exitCode: 0 });
  expect(run.outputs.get('backups')).toBe('1');
  expect(run.outputs.get('damaged')).toBe('0');
  expect(run.summary).toContain('### ✅ Validation: nothing is damaged');
});

test('restore folds its steps into groups, and sets parity', async () => {
  const target = await createDatabase(cluster.superuserUrl(), 'restored');
  const run = await step('restore', { 'target-url': target });
  expect(run, run.stdout).toMatchObject({ exitCode: 0 });
  expect(run.outputs.get('parity')).toBe('equal');
  expect(run.outputs.get('backup-id')).toBe(listBackups(storage())[0]);
  expect(run.summary).toContain('### ✅ Parity: equal');
  expect(run.lines.filter((line) => line.startsWith('::group::')).length).toBeGreaterThan(2);
  expect(run.lines.filter((line) => line.startsWith('::group::')).length).toBe(
    run.lines.filter((line) => line === '::endgroup::').length,
  );
  expect(await describeDatabase(target)).toEqual(await describeDatabase(source));
});

test('a restore into a database that is not empty fails the step with what to do', async () => {
  const target = await createDatabase(cluster.superuserUrl(), 'again');
  expect((await step('restore', { 'target-url': target })).exitCode).toBe(0);
  const run = await step('restore', { 'target-url': target });
  expect(run.exitCode).toBe(1);
  expect(annotations(run)).toEqual([
    expect.stringMatching(
      /^::error::target-url: the database is not empty: .*%0A→ Restore into a new database/,
    ),
  ]);
  expect([...run.outputs.keys()]).toEqual(['announced']);
  expect(run.summary).toMatch(/^### ❌ restore failed\n/);
  expect(run.stdout).not.toMatch(/^\s+at /m);
});

test('a wrong operation and a server that is not there fail the step', async () => {
  const wrong = await step('back-up');
  expect(wrong.exitCode).toBe(1);
  expect(annotations(wrong)).toEqual([
    expect.stringMatching(/^::error::operation: there is none named "back-up"/),
  ]);
  const away = await step('backup', { 'database-url': 'postgresql://u:pass-word@127.0.0.1:1/db' });
  expect(away.exitCode).toBe(1);
  expect(annotations(away)).toEqual([
    expect.stringMatching(/^::error::database-url: .*nothing answers there/),
  ]);
  expect(listBackups(storage())).toHaveLength(1);
});

test('damage fails the step although the validation did its work: outputs and summary are there', async () => {
  const { key } = findObject(readStoredManifest(storage()), 'public.readings');
  flipBit(join(storage(), key));
  const run = await step('validate');
  expect(run.exitCode).toBe(1);
  expect(annotations(run)).toEqual([
    expect.stringMatching(
      /^::error::validate: stored backups are damaged: backup \S+, table public\.readings/,
    ),
  ]);
  expect(run.outputs.get('damaged')).toBe('1');
  expect(run.summary).toContain('### ❌ Validation: DAMAGED');
  expect(run.summary).toMatch(/^(?:\| `\S+` \| |<tr><td><code>\S+<\/code><\/td><td>)table public\.readings/m);
  flipBit(join(storage(), key));
  expect((await step('validate')).exitCode).toBe(0);
});

test('an input under its former name does what it did, with a warning', async () => {
  const storage = join(folder, 'former-name');
  const backup = await step('backup', {
    storage,
    'database-url': source,
    ledger: 'true',
    'rollback-token': 'false',
  });
  expect(backup.exitCode, backup.stdout).toBe(0);
  expect(annotations(backup)).toEqual([
    '::warning::the input ledger is named rollback-token now. The former name still works',
  ]);
  const show = await step('show', { storage });
  expect(show.summary).toMatch(/\| rollback token \| [0-9a-f]{32} \|/);
});

test('a status as OpenMetrics is printed for the log, and the summary is its report', async () => {
  const run = await step('status', { format: 'openmetrics', database: 'shop' });
  expect(run, run.stdout).toMatchObject({ exitCode: 0 });
  expect(run.stdout).toContain('supabase_backup_limit_broken{database="shop",limit="max-age"} 0\n');
  expect(run.stdout).not.toContain('HEALTHY');
  expect(run.summary).toContain('HEALTHY');
  const findings = JSON.parse(run.outputs.get('findings') ?? '') as { kind: string }[];
  expect(findings.map(({ kind }) => kind)).toContain('max-age');
});
