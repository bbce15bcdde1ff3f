import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { makeAuthority } from '../support/private-authority.ts';
import { runCli, startCli, succeed } from '../support/run-cli.ts';
import { createDatabase, createShop, query } from './shop.ts';

/**
 * Short-lived tokens in the place of a password, as far as a plain server has them: passwords of several kB, asked for in clear text over TLS
 * (who checks a token needs all of it), and passwords that end while a run is under way. No Supabase project was asked.
 */

/** As long as a token with many claims */
const part = (bytes: number) => randomBytes(bytes).toString('base64url');
const token = `${part(60)}.${part(4500)}.${part(256)}`;

let cluster: Cluster;
let folder: string;
let source: string;
let server: pg.Client;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tokens-'));
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
  const { key, certificate } = makeAuthority(folder, ['localhost']);
  const data = join(cluster.folder, 'data');
  const { uid, gid } = statSync(data);
  for (const [name, text] of Object.entries({ 'server.key': key, 'server.crt': certificate })) {
    writeFileSync(join(data, name), text, { mode: 0o600 });
    chownSync(join(data, name), uid, gid);
  }
  const rules = join(data, 'pg_hba.conf');
  const ours = 'hostssl all clear all password\nhostnossl all clear all reject\n';
  writeFileSync(rules, ours + readFileSync(rules, 'utf8'));
  server = new pg.Client({ connectionString: source });
  await server.connect();
  for (const role of ['clear', 'scram'])
    await server.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${token}'`);
  await server.query('ALTER SYSTEM SET ssl = on');
  await server.query('SELECT pg_reload_conf()');
});
afterAll(async () => {
  await server?.end();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await server.query("ALTER ROLE scram VALID UNTIL 'infinity'");
});

const expire = () => server.query("ALTER ROLE scram VALID UNTIL '2020-01-01'");

describe.each(['scram', 'clear'])('a token of %s, of several kB', (user) => {
  test.each(['in the URL', 'in PGPASSWORD'])('%s, opens every session and client program', async (place) => {
    const storage = join(folder, `${user} ${place}`);
    const bare = new URL(reconnect(source, { user, password: '' }));
    bare.searchParams.set('sslmode', 'require');
    const inUrl = reconnect(bare.href, { password: token });
    const at = (url: string) =>
      place === 'in the URL' ? inUrl.replace(new URL(inUrl).pathname, new URL(url).pathname) : url;
    const env = place === 'in the URL' ? {} : { PGPASSWORD: token };
    const args = ['backup', '--storage', storage, '--allow-unencrypted'];
    const backup = await runCli(args, { env: { ...env, SUPABASE_BACKUP_DATABASE_URL: at(bare.href) } });
    expect(backup.exitCode, backup.stderr).toBe(0);
    const copy = reconnect(bare.href, { database: 'copy' });
    await createDatabase(cluster.superuserUrl(), 'copy');
    const restore = await runCli(['restore', '--storage', storage], {
      env: { ...env, SUPABASE_BACKUP_TARGET_URL: at(copy) },
    });
    expect(restore.exitCode, restore.stderr).toBe(0);
    for (const run of [backup, restore]) expect(run.stdout + run.stderr).not.toContain(token.slice(0, 80));
  });
});

describe('a password that ends in the middle of', () => {
  const asKeeper = (url: string) => reconnect(url, { user: 'scram', password: token });
  const said = 'the server refuses the password that it accepted earlier in this run';

  test('a backup lets the sessions that stand go on, and is told where a new one is needed', async () => {
    const holder = new pg.Client({ connectionString: source });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE public.settings');
    const running = startCli(['backup', '--storage', join(folder, 'ended'), '--allow-unencrypted'], {
      env: { SUPABASE_BACKUP_DATABASE_URL: asKeeper(source) },
    });
    try {
      await waitFor("SELECT FROM pg_stat_activity WHERE usename = 'scram' AND wait_event_type = 'Lock'");
      await expire();
    } finally {
      await holder.end();
    }
    const run = await running.finished;
    expect(run.exitCode, run.stderr).toBe(1);
    expect(run.stderr).toContain(said);
    expect(run.stderr).toContain('Use a password or token that is valid for the whole run');
    expect(run.stderr).not.toContain('Reset the password');
  });

  test('a restore is told with what became of the target', async () => {
    const storage = join(folder, 'whole');
    await succeed(['backup', '--storage', storage, '--allow-unencrypted'], {
      env: { SUPABASE_BACKUP_DATABASE_URL: asKeeper(source) },
    });
    const copy = await createDatabase(cluster.superuserUrl(), 'ended');
    const running = startCli(['restore', '--storage', storage, '--verify', 'none'], {
      env: { SUPABASE_BACKUP_TARGET_URL: asKeeper(copy) },
    });
    await waitFor("SELECT FROM pg_stat_activity WHERE usename = 'scram' AND query ~ '^COPY .* FROM STDIN'");
    await expire();
    const run = await running.finished;
    expect(run.exitCode, run.stderr).toBe(1);
    expect(run.stderr).toContain(said);
    expect(run.stderr).toContain('the target is incomplete');
    // Those that stood brought their rows.
    const [{ count } = { count: '' }] = await query(copy, 'SELECT count(*) FROM public.readings');
    expect(count).toBe('12000');
  });

  test('nothing is the usual mistake, which is told as that', async () => {
    await expire();
    const run = await runCli(['backup', '--storage', join(folder, 'never'), '--allow-unencrypted'], {
      env: { SUPABASE_BACKUP_DATABASE_URL: asKeeper(source) },
    });
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain('the server refused the user or the password');
    expect(run.stderr).not.toContain('earlier in this run');
  });
});

async function waitFor(question: string): Promise<void> {
  for (const until = performance.now() + 60_000; performance.now() < until; await delay(2)) {
    if ((await server.query(question)).rows.length > 0) return;
  }
  throw new Error(`never: ${question}`);
}
