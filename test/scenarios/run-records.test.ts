import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RecordContent } from '../../src/repository/records.ts';
import { reconnect } from '../fixture/seed.ts';
import { connect } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { startFakeS3 } from '../support/fake-s3.ts';
import { writePolicy } from '../support/policy-file.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type Finished, runCli, startCli } from '../support/run-cli.ts';
import { waitUntil } from './processes.ts';
import { flipBit, keyOf, listFolder, readStoredManifest } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';

/** Every run of an operation leaves a record in the repository, whatever it came to: that is what an audit asks for. */

const minutes = 60_000;
let cluster: Cluster;
let source: string;
let folder: string;
let storage: string;

beforeAll(async () => {
  cluster = await startCluster();
  source = await createDatabase(cluster.superuserUrl(), 'recorded');
  await query(source, 'CREATE TABLE t AS SELECT n FROM generate_series(1, 100) n');
});
afterAll(() => cluster?.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'run-records-'));
  storage = join(folder, 'backups');
  return () => rmSync(folder, { recursive: true, force: true });
});

function backup(url = source, ...words: string[]): Promise<Finished> {
  return runCli(['backup', '--storage', storage, ...words], { env: { SUPABASE_BACKUP_DATABASE_URL: url } });
}

/** The records, in the order of their names, of which two of one second may be in any. */
function readRuns(): RecordContent<'runs'>[] {
  const path = join(storage, 'records', 'runs');
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .sort()
    .map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')).content);
}

test(
  'a backup is recorded when it succeeds, when its answer is no, when it fails and when it is stopped; status tells the failures',
  async () => {
    expect(await backup()).toMatchObject({ exitCode: 0 });
    const stored = readStoredManifest(storage);
    const [first] = readRuns();
    expect(first).toMatchObject({
      ...{ operation: 'backup', outcome: 'done', exitCode: 0, failure: null, backup: stored.id },
      ...{ backupType: 'full', rows: 100, objects: stored.objects.length, run: null, host: 'machine' },
    });
    expect(Date.parse(first?.endedAt ?? '')).toBeGreaterThan(Date.parse(first?.startedAt ?? ''));

    const wrong = await backup(reconnect(source, { user: 'supabase_admin', password: 'hunter2' }));
    expect(wrong.exitCode).not.toBe(0);
    const failed = readRuns().find(({ outcome }) => outcome === 'failed');
    expect(failed).toMatchObject({ operation: 'backup', exitCode: wrong.exitCode, backup: null });
    expect(failed?.failure?.class).toMatch(/\/authentication$/);
    expect(JSON.stringify(failed)).not.toContain('hunter2');

    const holder = await connect(source);
    await holder.query('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
    const running = startCli(['backup', '--storage', storage], {
      env: { SUPABASE_BACKUP_DATABASE_URL: source },
    });
    await waitUntil('the backup waits for the table', async () => {
      const [row] = await query<{ n: number }>(
        source,
        'SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted',
      );
      return row?.n === 1;
    });
    running.child.kill('SIGINT');
    expect(await running.finished).toMatchObject({ exitCode: 130 });
    await holder.end();
    const stopped = readRuns().find(({ exitCode }) => exitCode === 130);
    expect(stopped).toMatchObject({ outcome: 'failed', failure: { class: 'Interruption' } });

    const status = await runCli(['status', '--storage', storage]);
    expect(status, status.stderr).toMatchObject({ exitCode: 0 });
    expect(status.stdout).toContain('backup: stopped by SIGINT');
    expect(status.stdout).toContain(`backup: ${failed?.failure?.message.slice(0, 30)}`);

    const objects = stored.objects.map(({ name }) => keyOf(name));
    for (const key of objects) flipBit(join(storage, key));
    expect(await runCli(['validate', '--storage', storage])).toMatchObject({ exitCode: 3 });
    expect(readRuns().find(({ operation }) => operation === 'validate')).toMatchObject({
      ...{ outcome: 'no', exitCode: 3, backupType: null },
      failure: {
        class: 'damage',
        message: expect.stringMatching(/^stored backups are damaged: backup \S+, /),
        next: null,
      },
    });
    // Looking is no run of its own.
    expect(readRuns()).toHaveLength(4);
  },
  2 * minutes,
);

test(
  'where there is no repository a failure makes none, and a storage that cannot be reached is a line for debugging',
  async () => {
    const before = listFolder(folder);
    const wrong = reconnect(source, { user: 'supabase_admin', password: 'hunter2' });
    const run = await backup(wrong, '--verbose');
    expect(run.exitCode).not.toBe(0);
    expect(run.stderr).toContain(
      'this run is not in the records of its repository: storage: there is no repository',
    );
    expect(listFolder(folder)).toEqual(before);
    const s3 = ['--s3-endpoint', 'http://127.0.0.1:1', '--s3-region', 'auto'];
    const unreachable = await runCli(['validate', '--verbose', '--storage', 's3://bucket/shelf', ...s3]);
    expect(unreachable.exitCode).not.toBe(0);
    expect(unreachable.stderr).toContain('this run is not in the records of its repository: ');
  },
  minutes,
);

test(
  'of a run that succeeds the record is one request more',
  async () => {
    const s3 = await startFakeS3();
    const words = ['--s3-endpoint', s3.endpoint, '--s3-region', 'auto'];
    storage = `s3://${s3.bucket}/shelf`;
    expect(await backup(source, ...words)).toMatchObject({ exitCode: 0 });
    s3.requests.length = 0;
    expect(await backup(source, ...words, '--backup-type', 'incremental')).toMatchObject({ exitCode: 0 });
    // The last thing before it gives the lock back.
    const after = s3.requests.slice(s3.requests.findLastIndex(({ method }) => method === 'POST') + 1);
    expect(after.map(({ method, key }) => `${method} ${key.replace(/[^/]*\.json$/, '')}`)).toEqual([
      'PUT shelf/records/runs/',
    ]);
    expect(
      s3.requests.filter(({ key }) => key.endsWith('repository.json')).map(({ method }) => method),
    ).toEqual(['GET', 'GET', 'GET']);
    await s3.close();
  },
  minutes,
);

test(
  'status counts how the recorded runs ended, and judges the schedules of a policy by what they left',
  async () => {
    expect(await backup()).toMatchObject({ exitCode: 0 });
    expect((await backup(reconnect(source, { password: 'hunter2' }))).exitCode).not.toBe(0);
    const policy = join(folder, 'policy.yml');
    writePolicy(
      policy,
      `databases:
  shop: { database-url: DATABASE_URL, storage: ${storage} }
schedules: { full: 17 2 * * *, capture: false, schema: false, archive: false, drill: false }
`,
    );
    const words = ['--policy', policy, '--workflows', join(folder, 'workflows')];
    const status = await runCli(['status', '--storage', storage, ...words]);
    expect(status, status.stderr).toMatchObject({ exitCode: 0 });
    expect(status.stdout).toMatch(/\nbackup +2 +1 +0 +1 +50%\nall +2 +1 +0 +1 +50%\n/);
    expect(status.stdout).toMatch(
      /schedules of shop .*\n.*\nfull +17 2 \* \* \* .* 26 h 00 min .* in time +not measured/,
    );
    expect(status.stdout).toMatch(/\ncleanup .* never .* in time/);
    const other = await runCli(['status', '--storage', join(folder, 'other'), ...words]);
    expect(other).toMatchObject({ exitCode: 2 });
    expect(other.stderr).toContain('policy: no database of');
    const json = readPrinted((await runCli(['status', '--storage', storage, '--json'])).stdout).outputs;
    expect(json).toMatchObject({ 'success-share': 0.5, 'lag-bytes': null });
  },
  2 * minutes,
);
