import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { createDatabase, createShop, query } from './shop.ts';

/*
 * Every way to say where a database is that psql takes: what reaches it there reaches it here, by our own sessions and by pg_dump, and what is
 * refused there is refused here.
 */

const password = 'a:b\\c %d';
let cluster: Cluster;
let standby: Cluster;
let folder: string;
let home: string;
let shop: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reach-'));
  home = mkdtempSync(join(folder, 'home-'));
  [cluster, standby] = await Promise.all([startCluster(), startCluster()]);
  shop = await createShop(cluster.superuserUrl(), 'shop');
  for (const role of ['keeper', 'holder'])
    await query(shop, `CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${password}'`);
  // What cannot be written stands in for a standby, which libpq tells apart by the same question.
  await createShop(standby.superuserUrl(), 'shop');
  await query(standby.superuserUrl(), `CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '${password}'`);
  await query(standby.superuserUrl(), 'ALTER SYSTEM SET default_transaction_read_only = on');
  await query(standby.superuserUrl(), 'SELECT pg_reload_conf()');
  await speakTls();
});
afterAll(async () => {
  await Promise.all([cluster?.stop(), standby?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });

/** With certificates of one authority: for the server, and for `holder`, who needs no password with his. */
async function speakTls(): Promise<void> {
  openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=authority'],
    ...['-keyout', 'authority.key', '-out', 'authority.pem'],
  );
  writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  for (const name of ['localhost', 'holder']) {
    openssl(
      ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`],
      ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
    );
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'authority.pem', '-CAkey', 'authority.key'],
      ...['-CAcreateserial', '-days', '2', '-extfile', 'names', '-out', `${name}.pem`],
    );
  }
  openssl('pkcs8', '-topk8', '-in', 'holder.key', '-out', 'closed.key', '-passout', 'pass:of the key');
  for (const name of ['holder.key', 'closed.key']) chmodSync(join(folder, name), 0o600);
  const data = join(cluster.folder, 'data');
  const { uid, gid } = statSync(data);
  const put = (from: string, to: string) => {
    writeFileSync(join(data, to), readFileSync(join(folder, from)), { mode: 0o600 });
    chownSync(join(data, to), uid, gid);
  };
  put('localhost.key', 'server.key');
  put('localhost.pem', 'server.crt');
  put('authority.pem', 'authority.pem');
  const rules = join(data, 'pg_hba.conf');
  writeFileSync(
    rules,
    `hostssl all holder all cert\nhost all holder all reject\n${readFileSync(rules, 'utf8')}`,
  );
  await query(shop, "ALTER SYSTEM SET ssl_ca_file = 'authority.pem'");
  await query(shop, 'ALTER SYSTEM SET ssl = on');
  await query(shop, 'SELECT pg_reload_conf()');
}

const encoded = encodeURIComponent(password);
const at = (query: string, { user = `keeper:${encoded}`, host = '127.0.0.1', port = cluster.port } = {}) =>
  `postgresql://${user}@${host}:${port}/shop${query === '' ? '' : `?${query}`}`;
const of = (name: string) => encodeURIComponent(join(folder, name));

/** Whether psql gets in. It reads no settings of its own. */
async function psqlTakes(url: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const words = ['--no-psqlrc', '--no-password', '--tuples-only', '--command', 'SELECT 1', url];
  const options = { env: { PATH: process.env.PATH, HOME: home, PGCONNECT_TIMEOUT: '5', ...env } };
  return promisify(execFile)(join(cluster.binFolder, 'psql'), words, options).then(
    () => true,
    () => false,
  );
}

let repositories = 0;
async function weTake(url: string, env: NodeJS.ProcessEnv): Promise<{ taken: boolean; said: string }> {
  repositories += 1;
  const words = ['--storage', join(folder, `repository-${repositories}`), '--backup-type', 'schema'];
  const run = await runCli(['backup', ...words], {
    env: { HOME: home, SUPABASE_BACKUP_DATABASE_URL: url, ...env },
  });
  return { taken: run.exitCode === 0, said: run.stderr };
}

const closed = 1;
const tls = () => `sslmode=verify-full&sslrootcert=${of('authority.pem')}`;
const holder = { user: 'holder', host: 'localhost' };

/** Each with what psql of this machine makes of it */
const ways: [name: string, url: () => string, env?: () => NodeJS.ProcessEnv][] = [
  ['channel_binding=prefer', () => at('channel_binding=prefer')],
  ['channel_binding=require without TLS', () => at('channel_binding=require&sslmode=disable')],
  ['channel_binding=require with TLS', () => at('channel_binding=require&sslmode=require')],
  ['parameters that change nothing', () => at('keepalives=1&keepalives_idle=30&tcp_user_timeout=30000')],
  [
    'more of them',
    () => at('client_encoding=UTF8&fallback_application_name=x&sslcompression=0&gssencmode=disable'),
  ],
  ['several hosts, the first of which is closed', () => at('', { host: `127.0.0.1:${closed},127.0.0.1` })],
  [
    'several hosts in the query',
    () => `postgresql://keeper:${encoded}@/shop?host=127.0.0.1,127.0.0.1&port=${closed},${cluster.port}`,
  ],
  [
    'one port for several hosts',
    () => `postgresql://keeper:${encoded}@/shop?host=127.0.0.1,localhost&port=${cluster.port}`,
  ],
  ['several hosts, all closed', () => at('', { host: `127.0.0.1:${closed},127.0.0.1`, port: closed })],
  [
    'a server that can be written, of two',
    () => at('target_session_attrs=read-write', { host: `127.0.0.1:${standby.port},127.0.0.1` }),
  ],
  [
    'a server that can be written, where there is none',
    () => at('target_session_attrs=read-write', { port: standby.port }),
  ],
  ['a server that cannot', () => at('target_session_attrs=read-only', { port: standby.port })],
  ['an address beside the name', () => at(`hostaddr=127.0.0.1&${tls()}`, { host: 'localhost' })],
  ['an address beside another name', () => at(`hostaddr=127.0.0.1&${tls()}`, { host: 'db.example.com' })],
  ['an address that the certificate has', () => at(tls())],
  ['the oldest TLS that is spoken', () => at('sslmode=require&ssl_min_protocol_version=TLSv1.3')],
  ['a TLS that is too old', () => at('sslmode=require&ssl_max_protocol_version=TLSv1.1')],
  ['ssl=true, as JDBC has it', () => at('ssl=true')],
  [
    'a client certificate',
    () => at(`${tls()}&sslcert=${of('holder.pem')}&sslkey=${of('holder.key')}`, holder),
  ],
  [
    'a certificate whose key is closed',
    () =>
      at(
        `${tls()}&sslcert=${of('holder.pem')}&sslkey=${of('closed.key')}&sslpassword=of%20the%20key`,
        holder,
      ),
  ],
  [
    'a certificate whose key stays closed',
    () => at(`${tls()}&sslcert=${of('holder.pem')}&sslkey=${of('closed.key')}&sslpassword=other`, holder),
  ],
  ['no certificate where one is wanted', () => at(tls(), holder)],
  [
    'the folder of a socket',
    () =>
      `postgresql://keeper:${encoded}@/shop?host=${encodeURIComponent(cluster.folder)}&port=${cluster.port}`,
  ],
  [
    'a pass file by its variable',
    () => at('', { user: 'keeper' }),
    () => ({ PGPASSFILE: join(folder, 'pass') }),
  ],
  ['a pass file in the URL', () => at(`passfile=${of('pass')}`, { user: 'keeper' })],
  ['a pass file that others may read', () => at(`passfile=${of('open')}`, { user: 'keeper' })],
  [
    'a pass file without this host',
    () => at(`passfile=${of('pass')}`, { user: 'keeper', host: 'localhost' }),
  ],
  [
    'a service by its variable',
    () => 'postgresql:///',
    () => ({ PGSERVICE: 'shop', PGSERVICEFILE: join(folder, 'services') }),
  ],
  [
    'a service in the URL, over which the URL wins',
    () => `postgresql:///shop?service=closed&port=${cluster.port}`,
    () => ({ PGSERVICEFILE: join(folder, 'services') }),
  ],
  [
    'a service that is not there',
    () => 'postgresql:///shop?service=other',
    () => ({ PGSERVICEFILE: join(folder, 'services') }),
  ],
  ['a parameter that nobody knows', () => at('chanel_binding=prefer')],
];

describe('where psql gets in, a backup is taken, and where not, it is refused', () => {
  beforeAll(() => {
    const field = password.replace(/[\\:]/g, '\\$&');
    const lines = `# of the tests\n127.0.0.1:${cluster.port}:other:*:wrong\n127.0.0.1:*:shop:keeper:${field}\n`;
    writeFileSync(join(folder, 'pass'), lines, { mode: 0o600 });
    writeFileSync(join(folder, 'open'), lines, { mode: 0o644 });
    const service = (name: string, port: number) =>
      `[${name}]\n# of the tests\nhost=127.0.0.1\nport=${port}\nuser=keeper\npassword=${password}\ndbname=shop\n`;
    writeFileSync(join(folder, 'services'), service('shop', cluster.port) + service('closed', closed));
  });

  test.each(ways)('%s', async (_, url, env = () => ({})) => {
    const [psql, ours] = await Promise.all([psqlTakes(url(), env()), weTake(url(), env())]);
    expect(ours, ours.said).toMatchObject({ taken: psql });
    expect(ours.said).not.toContain(password);
    expect(ours.said).not.toContain('DeprecationWarning');
    expect(ours.said).not.toContain('This is a bug');
  });
});

test('a restore into several hosts takes the one that can be written', async () => {
  const storage = join(folder, 'repository');
  await succeed(['backup', '--storage', storage], { env: { SUPABASE_BACKUP_DATABASE_URL: at('') } });
  const target = await createDatabase(cluster.superuserUrl(), 'target');
  const url = new URL(reconnect(target, { user: 'keeper', password }));
  const several = url.href.replace('@127.0.0.1', `@127.0.0.1:${standby.port},127.0.0.1`);
  expect(
    await succeed(['restore', '--storage', storage], { env: { SUPABASE_BACKUP_TARGET_URL: several } }),
  ).toMatchObject({ parity: 'equal' });
});
