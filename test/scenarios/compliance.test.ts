import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { hasValidator, validate } from '../operations/report/compliance/validator.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { listFolder } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';

/*
 * Evidence of a repository that real runs have made, compared with what is counted in the files of the storage by nothing but a
 * parser of JSON.
 */

const minutes = 60_000;
const password = 'hunter2-hunter2';
const token = 'ghs_0123456789abcdefABCDEF';
const address = 'https://github.com/acme/shop/actions/runs/71';
const folder = mkdtempSync(join(tmpdir(), 'compliance-'));
const storage = join(folder, 'backups');
const output = join(folder, 'evidence');
const policy = join(folder, 'policy.yml');
const issue = {
  ...{
    number: 12,
    state: 'open',
    title: 'supabase-backup: backup of shop fails',
    body: `in [backup run 7](${address})`,
  },
  ...{
    html_url: 'https://github.com/acme/shop/issues/12',
    created_at: new Date().toISOString(),
    closed_at: null,
  },
  ...{ labels: ['supabase-backup'], user: { login: 'github-actions[bot]', type: 'Bot' } },
};
let cluster: Cluster;
let other: Cluster;
let gitHub: Server;
let source: string;
let identity: string;
let gone: string;
let report: Finished;
let before: Record<string, string>;

interface StoredRecord {
  readonly id: string;
  readonly at: string;
  // biome-ignore lint/suspicious/noExplicitAny: the test reads what is there, and knows no schema
  readonly content: any;
}

function readRecords(kind: string): StoredRecord[] {
  const path = join(storage, 'records', kind);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')))
    .sort((one, two) => (one.at < two.at ? -1 : 1));
}

// biome-ignore lint/suspicious/noExplicitAny: the schema has a test of its own
const readEvidence = (): any => JSON.parse(readFileSync(join(output, 'shop.json'), 'utf8'));

beforeAll(async () => {
  [cluster, other] = await Promise.all([startCluster(), startCluster()]);
  gitHub = createServer(({ url, headers }, response) => {
    if (url?.startsWith('/repos/acme/shop/issues?'))
      return response.end(JSON.stringify([issue, { ...issue, number: 13, user: null }]));
    const isRight =
      url === '/repos/acme/shop/actions/runs/71/approvals' && headers.authorization === `Bearer ${token}`;
    const approvals = [
      { state: 'approved', user: { login: 'octocat' }, environments: [{ name: 'production' }] },
    ];
    response.writeHead(isRight ? 200 : 404).end(JSON.stringify(isRight ? approvals : {}));
  });
  await new Promise<void>((resolve) => gitHub.listen(0, '127.0.0.1', resolve));
  source = await createDatabase(cluster.superuserUrl(), 'shop');
  await query(source, 'CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 500) n');
  identity = await generateIdentity();
  const recipient = await identityToRecipient(identity);
  const backup = (url = source) =>
    runCli(['backup', '--storage', storage, '--encryption-recipients', recipient], {
      env: { SUPABASE_BACKUP_DATABASE_URL: url },
    });
  const env = {
    ...{ SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity, SUPABASE_BACKUP_TARGET_URL: other.superuserUrl() },
    ...{ GITHUB_SERVER_URL: 'https://github.com', GITHUB_REPOSITORY: 'acme/shop', GITHUB_RUN_ID: '71' },
    ...{ GITHUB_RUN_ATTEMPT: '1', GITHUB_ACTOR: 'mona' },
  };
  const here = ['--storage', storage];
  expect(await backup()).toMatchObject({ exitCode: 0 });
  expect((await backup(reconnect(source, { user: 'supabase_admin', password }))).exitCode).not.toBe(0);
  expect(await backup()).toMatchObject({ exitCode: 0 });
  gone = String(readRecords('runs').find(({ content }) => content.backup !== null)?.content.backup);
  expect(await backup()).toMatchObject({ exitCode: 0 });
  await succeed(['validate', ...here], { env });
  await succeed(
    ['drill', ...here, '--rto-target', '20m', '--checks', 'SELECT count(*) = 500 FROM public.orders'],
    { env },
  );
  const wrong = ['--checks', 'SELECT count(*) = 7 FROM public.orders'];
  expect(await runCli(['drill', ...here, ...wrong], { env })).toMatchObject({ exitCode: 3 });
  await createDatabase(other.superuserUrl(), 'restored');
  const target = reconnect(other.superuserUrl(), { database: 'restored' });
  await succeed(['restore', ...here, '--environment', 'staging'], {
    env: { ...env, SUPABASE_BACKUP_TARGET_URL: target },
  });
  // Somebody removes a backup by hand, and a cleanup one by its rules.
  rmSync(join(storage, 'backups', `${gone}.json`));
  await runCli(['cleanup', ...here, '--retention', 'last=1 verified=1'], { env });
  writeFileSync(
    policy,
    `action: octo-org/supabase-backup@0123456789abcdef0123456789abcdef01234567\nrepository: acme/shop\nruns-on: self-hosted\nalarms: { rpo-target: 24h }\n` +
      `drill: { rto-target: 1s }\nretention: last=1 verified=1\ndatabases:\n  shop:\n    database-url: DATABASE_URL\n    storage: ${storage}\n`,
  );
  before = { ...listFolder(storage), runs: String(readRecords('runs').length) };
  report = await runCli(
    ['report', '--kind', 'compliance', '--policy', policy, '--output', output, '--json'],
    {
      env: {
        ...env,
        SUPABASE_BACKUP_GITHUB_TOKEN: token,
        GITHUB_API_URL: `http://127.0.0.1:${(gitHub.address() as AddressInfo).port}`,
      },
    },
  );
}, 4 * minutes);

afterAll(async () => {
  gitHub?.close();
  await Promise.all([cluster?.stop(), other?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

describe('the evidence of a repository that real runs have made', () => {
  test('is written for its user alone, and changes nothing that is stored', () => {
    expect(report, report.stderr).toMatchObject({ exitCode: 0 });
    expect(readPrinted(report.stdout).outputs).toMatchObject({ 'report-path': output });
    expect(readdirSync(output).sort()).toEqual(['shop.html', 'shop.json', 'shop.md']);
    expect({ ...listFolder(storage), runs: String(readRecords('runs').length) }).toEqual(before);
  });

  test.skipIf(!hasValidator)('fits the published schema', () => {
    expect(validate(readFileSync(join(output, 'shop.json'), 'utf8'))).toEqual([]);
  });

  test('has every piece of it in the storage, and leaves out none', () => {
    const text = readFileSync(join(output, 'shop.json'), 'utf8');
    const named = new Set(text.match(/(records|backups)\/[\w/-]+\.json/g));
    expect(named.size).toBeGreaterThan(10);
    for (const key of named) expect(existsSync(join(storage, key)), key).toBe(true);
    for (const kind of ['runs', 'drills', 'restores', 'validations', 'prunes'])
      for (const { id } of readRecords(kind)) expect(named).toContain(`records/${kind}/${id}.json`);
    for (const name of readdirSync(join(storage, 'backups'))) expect(named).toContain(`backups/${name}`);
  });

  test('has the digests that anybody can make again', () => {
    const { header, backups } = readEvidence();
    const shell = `cd '${storage}' && find backups records -name '*.json' | LC_ALL=C sort | sha256sum`;
    const made = execFileSync('sh', ['-c', shell], { encoding: 'utf8' });
    expect(made.split(' ')[0]).toBe(header.repository.digest.sha256);
    const digestOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    expect(header.policy).toEqual({ file: policy, sha256: digestOf(policy) });
    expect(backups.stored.length).toBeGreaterThan(0);
    for (const { evidence, sha256 } of backups.stored) expect(sha256).toBe(digestOf(join(storage, evidence)));
  });

  test('counts all runs, the failed one with what was done about it', () => {
    const { runs } = readEvidence();
    const records = readRecords('runs');
    const countOf = (outcome: string) => records.filter(({ content }) => content.outcome === outcome).length;
    expect([runs.total, runs.done, runs.no, runs.failed]).toEqual([
      records.length,
      ...['done', 'no', 'failed'].map(countOf),
    ]);
    expect(runs.failed).toBe(1);
    expect(runs.byOperation.reduce((sum: number, { total }: { total: number }) => sum + total, 0)).toBe(
      records.length,
    );
    const failed = runs.list.find(({ outcome }: { outcome: string }) => outcome === 'failed');
    const next = records.filter(
      ({ content }) => content.operation === 'backup' && content.outcome === 'done',
    )[1];
    expect(failed.failure.class).toMatch(/\/authentication$/);
    expect(failed.followUp.evidence).toBe(`records/runs/${next?.id}.json`);
  });

  test('accounts for every backup that was made: stored, removed or gone', () => {
    const { backups, disposal, gaps } = readEvidence();
    const made = readRecords('runs').flatMap(({ content }) =>
      content.operation === 'backup' && content.outcome === 'done' ? [content.backup] : [],
    );
    const [prune] = readRecords('prunes');
    const removed = prune?.content.removed.map(({ id }: { id: string }) => id) ?? [];
    const stored = readdirSync(join(storage, 'backups')).map((name) => name.slice(0, -5));
    const ids = (list: { id: string }[]) => list.map(({ id }) => id).sort();
    expect(ids(backups.stored)).toEqual(stored.sort());
    expect(ids(backups.removed)).toEqual(removed.sort());
    expect(ids(backups.gone)).toEqual([gone]);
    expect([...stored, ...removed, gone].sort()).toEqual(made.sort());
    expect(backups.total).toBe(made.length);
    expect(disposal.totals).toMatchObject({ cleanups: 1, backups: removed.length });
    expect(gaps.map(({ kind }: { kind: string }) => kind)).toContain('vanished-backups');
  });

  test('has drills with the target of their time, who ran them and where', () => {
    const { drills } = readEvidence();
    expect(drills).toHaveLength(readRecords('drills').length);
    const [passed, failed] = drills;
    expect(passed).toMatchObject({
      ...{
        outcome: 'passed',
        actor: 'mona',
        run: { url: address, attempt: 1 },
        parity: 'equal',
        fault: null,
      },
      ...{ rto: { target: 20 * minutes, verdict: 'met' }, rpo: { target: 86_400_000, verdict: 'met' } },
      ...{ checks: { asked: 1, failed: [] }, target: expect.stringContaining('127.0.0.1') },
    });
    expect(failed).toMatchObject({
      outcome: 'failed',
      fault: 'checks',
      rto: { verdict: 'no target' },
      nextPassed: null,
    });
  });

  test('has the restore with its actor and approver, and who can open the backups', async () => {
    const { restores, encryption } = readEvidence();
    expect(restores).toMatchObject([
      {
        ...{
          actor: 'mona',
          run: { url: address },
          outcome: 'equal',
          environment: 'staging',
          scope: 'whole backup',
        },
        ...{ approvals: [{ by: 'octocat', state: 'approved', environments: ['production'] }] },
        rto: { target: 1000, measured: expect.any(Number) },
      },
    ]);
    const recipient = await identityToRecipient(identity);
    const [{ backups }] = encryption.recipients;
    expect(encryption).toMatchObject({ unencrypted: 0, recipients: [{ recipient, backups }] });
    expect(backups).toBe(readdirSync(join(storage, 'backups')).length);
  });

  test('has the failure issues that were open, as GitHub tells them, and those of no stranger', () => {
    const { alarms, runs } = readEvidence();
    expect(alarms.issues).toMatchObject([{ number: 12, closedAt: null, url: issue.html_url }]);
    const negative = runs.list.find(({ outcome }: { outcome: string }) => outcome === 'no');
    expect(negative).toMatchObject({ operation: 'drill', issue: 12 });
  });

  test('holds no secret', () => {
    for (const name of readdirSync(output)) {
      const text = readFileSync(join(output, name), 'utf8');
      for (const secret of [password, identity, token]) expect(text).not.toContain(secret);
    }
  });
});
