import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { connectMcp, type McpClient } from '../support/mcp-client.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { createDatabase, query } from './shop.ts';

/* What an assistant plans, a person runs: the lines of a plan do what it says, and nothing newer. */

let cluster: Cluster;
let folder: string;
let shop: string;
let env: Record<string, string>;
let mcp: McpClient;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'restore-plan-'));
  cluster = await startCluster();
  shop = await createDatabase(cluster.superuserUrl(), 'shop');
  await query(
    shop,
    `CREATE TABLE public.orders (id int PRIMARY KEY, note text);
     INSERT INTO public.orders SELECT n, 'note ' || n FROM generate_series(1, 50) n;
     CREATE TABLE public.settings (key text PRIMARY KEY);
     INSERT INTO public.settings VALUES ('colour'), ('tabs'), ('size');`,
  );
  env = {
    PATH: `${cluster.binFolder}:${process.env.PATH}`,
    SUPABASE_BACKUP_STORAGE: join(folder, 'repository'),
    SUPABASE_BACKUP_DATABASE_URL: shop,
  };
  // Planning needs neither a source nor a target.
  mcp = await connectMcp({ era: '2025', env: { ...env, SUPABASE_BACKUP_DATABASE_URL: '' } });
});
afterAll(async () => {
  await mcp?.[Symbol.asyncDispose]();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const take = async (...words: string[]) =>
  String((await succeed(['backup', ...words], { env }))['backup-id']);

async function plan(args: Record<string, unknown>) {
  const { answer, text } = await mcp.call('restore_plan', args);
  expect(answer, text).toBeDefined();
  return answer;
}

/** Runs a line as a shell would, with the bundle in place of the program's name. */
async function runLine(line: string, target: string) {
  const printed = execFileSync('sh', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' });
  const [program, ...words] = printed.split('\0').slice(0, -1);
  expect(program).toBe('supabase-backup');
  return runCli([...words, '--json'], { env: { ...env, SUPABASE_BACKUP_TARGET_URL: target } });
}

test('restores the planned tables of the planned backup, although a newer one is there by then', async () => {
  const planned = await take();
  const { answer: before } = await mcp.call('restore_plan', { include: 'public.settings' });
  expect(before).toMatchObject({ backup: { id: planned }, target: 'empty', lost: null, words: null });
  await query(shop, 'DELETE FROM public.settings');
  const newer = await take();
  const target = await createDatabase(cluster.superuserUrl(), 'tables');
  const looked = await runLine(before.preview, target);
  expect(looked.exitCode).toBe(0);
  expect(await query(target, `SELECT 1 FROM pg_tables WHERE schemaname = 'public'`)).toEqual([]);
  const restored = await runLine(before.command, target);
  expect(readPrinted(restored.stdout).outputs).toMatchObject({ 'backup-id': planned, parity: 'equal' });
  expect(await query(target, 'SELECT key FROM public.settings')).toHaveLength(3);

  const same = await plan({ 'backup-id': planned, include: 'public.settings', digest: before.digest });
  expect(same).toMatchObject({ digest: before.digest, isSame: true });
  const now = await plan({ include: 'public.settings', digest: before.digest });
  expect(now).toMatchObject({ backup: { id: newer }, isSame: false });
});

test('brings the database to the planned moment, and counts what is lost', async () => {
  const base = await take();
  const capture = () => succeed(['capture', '--unlimited-wal'], { env });
  await capture();
  await query(shop, `INSERT INTO public.orders SELECT n, 'late' FROM generate_series(101, 110) n`);
  await capture();
  const bound = await plan({ 'recovery-target-time': 'latest', target: 'production' });
  await query(shop, `INSERT INTO public.orders SELECT n, 'later' FROM generate_series(201, 203) n`);
  await capture();

  expect(bound.until).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  expect(bound.command).toContain(
    `--backup-id ${bound.backup.id} --recovery-target-time ${bound.until} --clean`,
  );
  expect(bound.workflow).toContain(`-f recovery-target-time=${bound.until}`);
  expect(bound.lost).toMatchObject({ capturedTransactions: 0, capturedChanges: 0 });
  const again = await plan({
    'recovery-target-time': bound.until,
    target: 'production',
    digest: bound.digest,
  });
  expect(again).toMatchObject({ backup: { id: bound.backup.id }, until: bound.until, isSame: true });
  // Counted are whole captures, so that as many are lost at most.
  expect(again.lost.capturedTransactions).toBeGreaterThanOrEqual(1);
  expect(again.lost.capturedChanges).toBe(3);

  const target = await createDatabase(cluster.superuserUrl(), 'moment');
  const words = bound.command.replace(' --clean', '').replace("'…'", "'RESTORE PRODUCTION'");
  const restored = await runLine(words, target);
  expect(readPrinted(restored.stdout).outputs).toMatchObject({ 'recovered-to': bound.until });
  expect(await query(target, 'SELECT 1 FROM public.orders')).toHaveLength(60);
  expect(base).not.toBe('');

  const never = await mcp.call('restore_plan', { 'recovery-target-time': '2020-01-01T00:00:00Z' });
  expect(never.isError).toBe(true);
  expect(never.text).toContain('cannot be reached');
  expect(never.text).toContain('nearest point in time');
});

test('refuses what no line could say, or no restore do', async () => {
  for (const [args, why] of [
    [{ include: 'public."a\u202eb"' }, 'invisible characters'],
    [{ target: 'beside' }, 'include: is required'],
    [
      { target: 'beside', include: 'public.orders', 'recovery-target-time': 'latest' },
      'not from a point in time',
    ],
    [{ target: 'live' }, 'target: cannot be'],
    [{ 'backup-id': '20200101T000000Z-0000' }, 'backup-id: '],
    [{ digest: 'abc' }, 'digest: is no digest'],
  ] as const) {
    const refused = await mcp.call('restore_plan', args);
    expect(refused.isError, why).toBe(true);
    expect(refused.text).toContain(why);
  }
});
