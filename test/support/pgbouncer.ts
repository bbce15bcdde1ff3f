import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { query } from '../scenarios/shop.ts';
import type { Cluster } from './cluster.ts';

/** PgBouncer of Debian, Fedora or Homebrew; undefined where there is none. */
const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'].find(existsSync);
export const hasPgBouncer = program !== undefined;

export interface PgBouncer {
  /** The same database, user and password, by way of the pooler */
  through(url: string): string;
  /** What it has written */
  log(): string;
  stop(): Promise<void>;
}

/**
 * Starts it in session mode before a cluster, as it comes, with further lines of its configuration.
 *
 * @param users names and passwords that it knows
 */
export async function startPgBouncer(
  cluster: Cluster,
  users: Readonly<Record<string, string>>,
  lines: readonly string[] = [],
): Promise<PgBouncer> {
  if (program === undefined) throw new Error('PgBouncer is not installed (apt-get install pgbouncer)');
  const folder = mkdtempSync(join(tmpdir(), 'pgbouncer-'));
  const port = 32_000 + Math.floor(Math.random() * 700);
  const file = (name: string) => join(folder, name);
  writeFileSync(
    file('users'),
    Object.entries(users)
      .map(([name, password]) => `"${name}" "${password}"\n`)
      .join(''),
  );
  writeFileSync(
    file('configuration'),
    [
      '[databases]',
      `* = host=127.0.0.1 port=${cluster.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${file('users')}`,
      'pool_mode = session',
      `logfile = ${file('log')}`,
      ...lines,
      '',
    ].join('\n'),
  );
  const { uid, gid } = statSync(join(cluster.folder, 'data'));
  for (const path of [folder, file('users'), file('configuration')]) chownSync(path, uid, gid);
  // It refuses to run as root, as servers do.
  const child = spawn(program, ['--quiet', file('configuration')], { uid, gid, stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const through = (url: string) => {
    const changed = new URL(url);
    changed.port = String(port);
    return changed.href;
  };
  const pooler: PgBouncer = {
    through,
    log: () => (existsSync(file('log')) ? readFileSync(file('log'), 'utf8') : ''),
    async stop() {
      child.kill('SIGKILL');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const [user = '', password = ''] = Object.entries(users)[0] ?? [];
  const url = new URL(through(cluster.superuserUrl()));
  [url.username, url.password] = [user, encodeURIComponent(password)];
  for (let attempt = 0; ; attempt++) {
    try {
      await query(url.href, 'SELECT 1');
      return pooler;
    } catch (cause) {
      if (attempt < 100) await new Promise((resolve) => setTimeout(resolve, 50));
      else {
        const said = pooler.log();
        await pooler.stop();
        throw new Error(`PgBouncer did not start: ${said}`, { cause });
      }
    }
  }
}
