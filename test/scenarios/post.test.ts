import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, startBundle } from '../support/run-cli.ts';
import { createShop, query } from './shop.ts';

/** dist/post.cjs, as a runner starts it at the end of a job: the inputs of the step, and the state that its main part saved. */

let cluster: Cluster;
let folder: string;
let source: string;
let stateFile: string;

const runUrl = 'https://github.example/acme/shop/actions/runs/7';
const runner = {
  GITHUB_ACTIONS: 'true',
  GITHUB_SERVER_URL: 'https://github.example',
  GITHUB_REPOSITORY: 'acme/shop',
  GITHUB_RUN_ID: '7',
};
const storage = (): string => join(folder, 'repository');
const locks = (): string[] => readdirSync(join(storage(), 'locks'));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'post-'));
  stateFile = join(folder, 'state');
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
  await start('index.cjs').finished;
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => writeFileSync(stateFile, ''));

function start(file: 'index.cjs' | 'post.cjs', env: NodeJS.ProcessEnv = {}) {
  return startBundle(file, [], {
    env: {
      ...runner,
      RUNNER_TEMP: folder,
      GITHUB_STATE: stateFile,
      INPUT_OPERATION: 'backup',
      INPUT_STORAGE: storage(),
      'INPUT_DATABASE-URL': source,
      'INPUT_ALLOW-UNENCRYPTED': 'true',
      'INPUT_LOCK-TIMEOUT': '600',
      ...env,
    },
  });
}

/** As the runner hands what was saved to the post part. */
function readState(): Record<string, string> {
  const entries = readFileSync(stateFile, 'utf8').matchAll(/^(\w+)<<(\S+)\n(.*)\n\2$/gm);
  return Object.fromEntries([...entries].map(([, name, , value = '']) => [`STATE_${name}`, value]));
}

function runPost(state: Record<string, string>, env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return start('post.cjs', { ...state, ...env }).finished;
}

/** Kills a backup that waits for a table, and so holds its lock. */
async function killBackup(): Promise<void> {
  const blocker = new pg.Client({ connectionString: source });
  await blocker.connect();
  await blocker.query('BEGIN; LOCK TABLE sales.customers IN ACCESS EXCLUSIVE MODE');
  const running = start('index.cjs');
  await expect
    .poll(() => query(source, `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`), {
      timeout: 20_000,
    })
    .not.toEqual([]);
  running.child.kill('SIGKILL');
  await running.finished;
  await blocker.end();
}

function plant(name: string, holder: string, holderId?: string): string {
  const content = {
    format: 1,
    operation: 'backup',
    mode: 'shared',
    holder,
    holderId,
    since: new Date().toISOString(),
    ttlSeconds: 1800,
  };
  writeFileSync(join(storage(), 'locks', name), JSON.stringify(content));
  return name;
}

test('the lock of a step that was killed is removed, and that of another job of the run stays', async () => {
  await killBackup();
  const state = readState();
  expect(state).toEqual({ STATE_step: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  expect(locks()).toHaveLength(1);
  const step = '00000000-0000-4000-8000-000000000000';
  const other = plant('other.json', `${runUrl}, step ${step}`, step);
  // An older version gave its locks no id.
  const older = plant('older.json', runUrl);
  const run = await runPost(state);
  expect(run, run.stdout + run.stderr).toMatchObject({ exitCode: 0 });
  expect(run.stdout).toContain('1 lock that it had left is released');
  expect(locks().sort()).toEqual([older, other]);
  for (const name of locks()) rmSync(join(storage(), 'locks', name));
});

test('nothing is done when the step ended by itself, well or not', async () => {
  for (const env of [{}, { 'INPUT_DATABASE-URL': 'postgresql://u:p@127.0.0.1:1/db' }]) {
    writeFileSync(stateFile, '');
    await start('index.cjs', env).finished;
    const state = readState();
    expect(state.STATE_ended).toBe('true');
    const left = plant('left.json', `${runUrl}, step ${state.STATE_step}`, state.STATE_step);
    expect(await runPost(state)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(locks()).toEqual([left]);
    rmSync(join(storage(), 'locks', left));
  }
});

test('nothing is done without a main part, and for inputs that it refused too', async () => {
  const without = await runPost({});
  expect(without.exitCode).toBe(0);
  expect(without.stdout.replaceAll(/^::add-mask::.*\n/gm, '')).toBe('');
  const run = await runPost({ STATE_step: 'x' }, { INPUT_STORAGE: '' });
  expect(run.exitCode).toBe(0);
  expect(run.stdout).toContain('::warning::storage: is required for backup');
});

test('a storage that is away is a warning, and no secret is told', async () => {
  const run = await runPost({ STATE_step: 'x' }, { INPUT_STORAGE: join(folder, 'nothing-here') });
  expect(run.exitCode).toBe(0);
  expect(run.stdout).toMatch(/^::warning::locks of the step that was stopped may be left in .*nothing-here/m);
  const unmasked = run.stdout.split('\n').filter((line) => !line.startsWith('::add-mask::'));
  expect(unmasked.join('\n')).not.toContain(source);
});
