import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type FakeResults, type Fault, startFakeResults } from '../support/fake-results.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type ActionRun, runAction } from '../support/run-action.ts';
import { runCli } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { createDatabase, createShop, describeDatabase, query } from './shop.ts';

/** dist/index.cjs on a runner, each run with an environment of its own, over one artifact. */

let cluster: Cluster;
let folder: string;
let source: string;
let fake: FakeResults;
let identity: string;
let recipient: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'artifact-'));
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
  fake = await startFakeResults();
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
});
afterAll(async () => {
  await fake?.close();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  fake.artifacts.length = 0;
  fake.requests.length = 0;
  fake.fault = () => undefined;
});

/** The file that tells a run of its event. */
function describeEvent(repository: object): string {
  const path = join(folder, `event-${JSON.stringify(repository).length}.json`);
  writeFileSync(path, JSON.stringify({ schedule: '17 3 * * *', ...repository }));
  return path;
}
const ofPrivate = () => describeEvent({ repository: { private: true, visibility: 'private' } });
const ofPublic = () => describeEvent({ repository: { private: false, visibility: 'public' } });

function step(
  runId: string,
  operation: string,
  inputs: Record<string, string> = {},
  event = ofPrivate(),
): Promise<ActionRun> {
  return runAction(
    {
      operation,
      storage: 'artifact://db',
      'github-token': fake.token,
      'encryption-identity': operation === 'backup' ? '' : identity,
      ...(operation === 'backup' && { 'database-url': source, 'encryption-recipients': recipient }),
      ...inputs,
    },
    { env: { ...fake.environment(runId), GITHUB_EVENT_PATH: event } },
  );
}

async function succeedIn(...words: Parameters<typeof step>): Promise<ActionRun> {
  const run = await step(...words);
  expect(run, run.stdout + run.stderr).toMatchObject({ exitCode: 0, leftInRunnerTemp: [] });
  return run;
}

const names = (): string[] => fake.artifacts.map(({ name }) => name);

test('a backup of one run is listed, validated and restored by others', async () => {
  const made = await succeedIn('1', 'backup', { 'artifact-retention-days': '14' });
  const id = made.outputs.get('backup-id') ?? '';
  expect(names()).toEqual(['db']);
  const days = (Number(fake.artifacts[0]?.expiresAt) - Date.now()) / 86_400_000;
  expect(Math.round(days)).toBe(14);

  const listed = await succeedIn('2', 'list');
  expect(JSON.parse(listed.outputs.get('list') ?? '')).toMatchObject([{ id }]);
  expect(names()).toEqual(['db']);

  expect((await succeedIn('3', 'validate')).outputs.get('damaged')).toBe('0');
  const target = await createDatabase(cluster.superuserUrl(), 'restored');
  const restored = await succeedIn('4', 'restore', { 'target-url': target });
  expect(restored.outputs.get('parity')).toBe('equal');
  expect(await describeDatabase(target)).toEqual(await describeDatabase(source));
  // What the validation and the restore recorded is in the artifacts of their runs.
  expect(fake.artifacts.map(({ runId }) => runId)).toEqual(['1', '3', '4']);
  const shown = await succeedIn('5', 'list');
  expect(shown.stdout).toMatch(new RegExp(`${id}.*verified|verified.*${id}`, 's'));

  await succeedIn('6', 'backup', { 'backup-type': 'incremental' });
  const both = await succeedIn('6', 'validate');
  expect(both.outputs.get('backups')).toBe('2');
  expect(names()).toEqual(['db', 'db', 'db', 'db~2']);
}, 120_000);

describe('on a laptop', () => {
  const laptop = (): NodeJS.ProcessEnv => ({
    GITHUB_REPOSITORY: fake.repository,
    GITHUB_API_URL: fake.environment('0').GITHUB_API_URL,
    SUPABASE_BACKUP_GITHUB_TOKEN: fake.token,
  });

  test('the artifact can be read, and not be written', async () => {
    await succeedIn('1', 'backup');
    const listed = await runCli(['list', '--storage', 'artifact://db', '--json'], { env: laptop() });
    expect(listed, listed.stderr).toMatchObject({ exitCode: 0 });
    expect(readPrinted(listed.stdout).outputs.list).toHaveLength(1);

    const target = await createDatabase(cluster.superuserUrl(), 'laptop');
    const restored = await runCli(['restore', '--storage', 'artifact://db', '--json'], {
      env: { ...laptop(), SUPABASE_BACKUP_TARGET_URL: target, SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity },
    });
    expect(restored, restored.stderr).toMatchObject({ exitCode: 0 });
    expect(restored.stderr).toMatch(/warning: .*only the action, in a GitHub Actions run, can write/);

    const refused = await runCli(['backup', '--storage', 'artifact://db'], {
      env: { ...laptop(), SUPABASE_BACKUP_DATABASE_URL: source },
    });
    expectRefusal(refused, { exitCode: 2, says: /only the action, in a GitHub Actions run, can write/ });
    expect(fake.artifacts).toHaveLength(1);
  });

  test('a token is asked for', async () => {
    const run = await runCli(['list', '--storage', 'artifact://db'], {
      env: { ...laptop(), SUPABASE_BACKUP_GITHUB_TOKEN: '' },
    });
    expectRefusal(run, { exitCode: 2, says: /github-token: an artifact:\/\/ storage needs it/ });
  });
});

describe('an unencrypted backup', () => {
  const clear = { 'encryption-recipients': '' };

  test('is refused in a public repository, and allowed in a private one', async () => {
    const refused = await step('1', 'backup', clear, ofPublic());
    expect(refused.exitCode).toBe(1);
    expect(refused.lines).toContainEqual(
      expect.stringMatching(
        /^::error::encryption-recipients: is empty; acme\/shop is public, and anybody with an account on GitHub can download its artifacts%0A→ Create a key with `supabase-backup keygen`/,
      ),
    );
    expect(fake.artifacts).toEqual([]);
    await succeedIn('2', 'backup', clear, ofPrivate());
    expect(names()).toEqual(['db']);
  });

  test('is refused where nobody says that the repository is private', async () => {
    for (const event of [describeEvent({}), join(folder, 'absent.json'), '']) {
      const run = await step('1', 'backup', clear, event);
      expect(run.exitCode).toBe(1);
      expect(run.stdout).toContain('it is not known whether acme/shop is public');
    }
  });

  test('is refused in every storage, and encrypted is allowed in every one', async () => {
    const inFolder = { storage: join(folder, 'repository') };
    const refused = await step('1', 'backup', { ...clear, ...inFolder }, ofPublic());
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout).toContain('one mistake with the storage away from everybody');
    await succeedIn('1', 'backup', inFolder, ofPublic());
  });

  test('is stored in a public repository by whoever says so', async () => {
    const run = await succeedIn('1', 'backup', { ...clear, 'allow-unencrypted': 'true' }, ofPublic());
    expect(run.lines).toContainEqual(
      expect.stringMatching(
        /^::warning::the backup is stored unencrypted, as allow-unencrypted says: anybody/,
      ),
    );
  });
});

test('of two runs at once the later has the backups of both', async () => {
  await succeedIn('1', 'backup');
  let quick: Promise<ActionRun> | undefined;
  fake.fault = async ({ what, content }): Promise<Fault | undefined> => {
    if (what === 'CreateArtifact' && content.workflow_run_backend_id === '2' && quick === undefined) {
      quick = step('3', 'backup', { label: 'quick' });
      await quick;
    }
    return undefined;
  };
  const slow = await succeedIn('2', 'backup', { label: 'slow' });
  expect(await quick).toMatchObject({ exitCode: 0 });
  expect(slow.stdout).toContain('::warning::another run stored artifact://db meanwhile');
  fake.fault = () => undefined;
  const validated = await succeedIn('4', 'validate');
  expect(validated.outputs.get('backups')).toBe('3');
  expect(validated.outputs.get('damaged')).toBe('0');
}, 120_000);

test('a cleanup that overlaps with a backup loses nothing of it', async () => {
  await succeedIn('1', 'backup');
  await query(source, `INSERT INTO sales.customers (name) VALUES ('late')`);
  await succeedIn('2', 'backup');
  let late: Promise<ActionRun> | undefined;
  fake.fault = async ({ what, content }): Promise<Fault | undefined> => {
    if (what === 'CreateArtifact' && content.workflow_run_backend_id === '3' && late === undefined) {
      late = step('4', 'backup', { 'backup-type': 'incremental' });
      await late;
    }
    return undefined;
  };
  await succeedIn('3', 'cleanup', { retention: 'last=1 verified=1', 'grace-period': '1h' });
  expect(await late).toMatchObject({ exitCode: 0 });
  fake.fault = () => undefined;
  const validated = await succeedIn('5', 'validate');
  expect(validated.outputs.get('damaged')).toBe('0');
  expect(Number(validated.outputs.get('backups'))).toBeGreaterThanOrEqual(2);
}, 120_000);

test('a backup whose artifact cannot be stored fails', async () => {
  fake.fault = ({ what }) =>
    what === 'FinalizeArtifact' ? { status: 403, message: 'Artifact storage quota has been hit' } : undefined;
  const run = await step('1', 'backup');
  expect(run).toMatchObject({ exitCode: 1, leftInRunnerTemp: [] });
  expect(run.lines).toContainEqual(
    expect.stringMatching(/^::error::an artifact could not be stored: .*quota has been hit.*%0A→ /),
  );
  expect([...run.outputs.keys()]).toEqual(['announced']);
});

test('a failed backup whose artifact cannot be stored either tells what failed first', async () => {
  const blocker = new pg.Client({ connectionString: source });
  await blocker.connect();
  try {
    await blocker.query('BEGIN; LOCK TABLE sales.customers IN ACCESS EXCLUSIVE MODE');
    fake.fault = ({ what }) => (what === 'CreateArtifact' ? { status: 403, message: 'quota' } : undefined);
    const run = await step('1', 'backup', { 'lock-timeout': '1' });
    expect(run.exitCode).toBe(1);
    expect(run.lines).toContainEqual(
      expect.stringMatching(/^::error::a table could not be locked within 1 s/),
    );
  } finally {
    await blocker.end();
  }
});

test("what a fork's pull request stored is no repository of ours", async () => {
  await succeedIn('1', 'backup');
  const forked = fake.artifacts[0];
  if (forked === undefined) throw new Error('nothing is stored');
  forked.headRepositoryId = 666;
  const run = await step('2', 'list');
  expect(run.exitCode).toBe(1);
  expect(run.stdout).toContain('there is no repository at artifact://db');
});
