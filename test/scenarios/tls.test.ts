import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { createDatabase, createShop, query } from './shop.ts';

/*
 * A server that speaks TLS with a certificate of an authority that no machine knows, as Supabase's do, and lets nobody in without. OpenSSL
 * makes the certificates.
 */

const password = 'not-to-be-told-to-strangers';
let cluster: Cluster;
let folder: string;
let source: string;
let authority: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tls-'));
  cluster = await startCluster({ settings: { log_connections: 'on' } });
  authority = makeAuthority('ours');
  const shop = await createShop(cluster.superuserUrl(), 'shop');
  await query(shop, `CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '${password}'`);
  const data = join(cluster.folder, 'data');
  const { uid, gid } = statSync(data);
  for (const [name, text] of Object.entries(makeServer('ours', 'localhost'))) {
    writeFileSync(join(data, name), text, { mode: 0o600 });
    chownSync(join(data, name), uid, gid);
  }
  const rules = join(data, 'pg_hba.conf');
  writeFileSync(rules, `hostnossl all keeper all reject\n${readFileSync(rules, 'utf8')}`);
  await query(shop, 'ALTER SYSTEM SET ssl = on');
  await query(shop, 'SELECT pg_reload_conf()');
  source = asKeeper(shop);
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** By the name in the certificate. */
function asKeeper(url: string, host = 'localhost'): string {
  const changed = new URL(reconnect(url, { user: 'keeper' }));
  changed.password = password;
  changed.hostname = host;
  return changed.href;
}

const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });

function makeAuthority(name: string): string {
  openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`],
    ...['-keyout', `${name}.key`, '-out', `${name}.pem`],
  );
  return readFileSync(join(folder, `${name}.pem`), 'utf8');
}

function makeServer(signer: string, host: string): Record<string, string> {
  writeFileSync(join(folder, 'names'), `subjectAltName=DNS:${host}`);
  openssl(
    ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${host}`],
    ...['-keyout', 'server.key', '-out', 'server.csr'],
  );
  openssl(
    ...['x509', '-req', '-in', 'server.csr', '-CA', `${signer}.pem`, '-CAkey', `${signer}.key`],
    ...['-CAcreateserial', '-days', '2', '-extfile', 'names', '-out', 'server.crt'],
  );
  return Object.fromEntries(
    ['server.key', 'server.crt'].map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  );
}

const environment = (url: string, sslrootcert?: string): NodeJS.ProcessEnv => ({
  SUPABASE_BACKUP_DATABASE_URL: url,
  SUPABASE_BACKUP_TARGET_URL: url,
  ...(sslrootcert === undefined ? {} : { SUPABASE_BACKUP_SSLROOTCERT: sslrootcert }),
});

test.each([
  ['the certificate itself', () => authority],
  ['the path of a file with it', () => join(folder, 'ours.pem')],
])('a backup and a restore check who the server is, by %s', async (name, sslrootcert) => {
  const storage = join(folder, `repository of ${name}`);
  const strict = '?sslmode=verify-full';
  await succeed(['backup', '--storage', storage], { env: environment(source + strict, sslrootcert()) });
  const target = asKeeper(await createDatabase(cluster.superuserUrl(), 'target'));
  const restored = await succeed(['restore', '--storage', storage, '--json'], {
    env: environment(target + strict, sslrootcert()),
  });
  expect(restored).toMatchObject({ parity: 'equal' });
});

test('nobody who cannot prove it is told the password', async () => {
  const other = makeAuthority('other');
  const log = () => readFileSync(join(cluster.folder, 'log'), 'utf8');
  for (const [url, sslrootcert, says] of [
    [source, other, /the server's certificate is not trusted/],
    [asKeeper(source, '127.0.0.1'), authority, /the server's certificate is not trusted/],
  ] as const) {
    const before = log().length;
    const run = await runCli(['backup', '--storage', join(folder, 'never')], {
      env: environment(`${url}?sslmode=verify-full`, sslrootcert),
    });
    expectRefusal(run, { exitCode: 2, says, secrets: [password] });
    expect(log().slice(before)).not.toMatch(/keeper/);
  }
});

test('doctor says who is verified, and that a stranger is none without telling him the password', async () => {
  const checksOf = async (url: string, sslrootcert: string) => {
    const { stdout } = await runCli(['doctor', '--json'], { env: environment(url, sslrootcert) });
    const checks = readPrinted(stdout).outputs.checks as { name: string; state: string; reason: string }[];
    return (name: string) => checks.find((check) => check.name === name);
  };
  const strict = await checksOf(`${source}?sslmode=verify-full`, authority);
  expect(strict('tls')).toMatchObject({
    ...{
      state: 'ok',
      reason: expect.stringMatching(/^TLSv1\.[23]; the certificate and its name are verified$/),
    },
  });
  const lax = await checksOf(`${asKeeper(source, '127.0.0.1')}?sslmode=verify-ca`, authority);
  expect(lax('tls')).toMatchObject({
    state: 'warning',
    reason: expect.stringContaining('not that it belongs to'),
  });
  const stranger = await checksOf(`${source}?sslmode=verify-full`, makeAuthority('stranger'));
  expect(stranger('tls')).toMatchObject({ state: 'failed', reason: expect.stringContaining('not trusted') });
  expect(stranger('login')).toMatchObject({ state: 'unchecked', reason: 'TLS has failed' });
});
