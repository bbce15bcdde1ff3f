import { execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { type Account, prepareData } from './data-template.ts';
import { hasPackagedServer, preparePackagedServer } from './packaged-server.ts';

const run = promisify(execFile);

/** The bootstrap superuser, named as on Supabase so that `postgres` stays free for the non-superuser owner. */
export const bootstrapSuperuser = 'supabase_admin';

export interface ClusterOptions {
  /** Wanted server major; without it the newest one installed. */
  major?: number;
  /** Server settings, over the defaults below. `fsync` is off unless set. */
  settings?: Record<string, string>;
  /** The bootstrap superuser; another than Supabase's for a server that has never heard of it. */
  superuser?: string;
}

export interface Server {
  major: number;
  /** Folder with initdb, postgres, and the client tools of the same major. */
  binFolder: string;
}

export interface Cluster extends Server {
  host: string;
  port: number;
  /** Everything of the cluster (data, socket, log) is inside; `stop` removes it. */
  folder: string;
  /** A connection URL of the bootstrap superuser, password included. */
  superuserUrl(database?: string): string;
  /** Starts the server again after `crash`; the port stays the same. Does nothing when it runs. */
  start(): Promise<void>;
  /** Ends the server without a checkpoint: the next `start` goes through crash recovery. */
  crash(): Promise<void>;
  /** Ends the server and removes its folder. May be called twice. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const defaultSettings: Record<string, string> = {
  autovacuum_naptime: '10min',
  fsync: 'off',
  // Only a machine that loses its power needs them, and who copies databases has checkpoints all the time.
  full_page_writes: 'off',
  // Not one query runs long enough.
  jit: 'off',
  listen_addresses: '127.0.0.1',
  log_timezone: 'UTC',
  max_connections: '100',
  // pg_dump locks every table in one transaction, and the fixture has thousands.
  max_locks_per_transaction: '256',
  max_prepared_transactions: '10',
  max_replication_slots: '10',
  max_wal_senders: '10',
  shared_buffers: '64MB',
  timezone: 'UTC',
  wal_level: 'logical',
};

/** Every PostgreSQL server installed on this machine, newest major first. */
export async function findServers(): Promise<Server[]> {
  const folders = new Set<string>();
  for (const folder of (process.env.PATH ?? '').split(delimiter)) folders.add(folder);
  try {
    folders.add((await run('pg_config', ['--bindir'])).stdout.trim());
  } catch {
    // pg_config is part of the development packages; most machines lack it.
  }
  const roots: [folder: string, pattern: RegExp, bin: string][] = [
    ['/usr/lib/postgresql', /^\d+$/, 'bin'],
    ['/usr', /^pgsql-\d+$/, 'bin'],
    ['/opt/homebrew/opt', /^postgresql(@\d+)?$/, 'bin'],
    ['/usr/local/opt', /^postgresql(@\d+)?$/, 'bin'],
    ['/Applications/Postgres.app/Contents/Versions', /^\d+$/, 'bin'],
  ];
  for (const [root, pattern, bin] of roots) {
    if (!existsSync(root)) continue;
    for (const name of readdirSync(root)) if (pattern.test(name)) folders.add(join(root, name, bin));
  }
  const servers = new Map<number, Server>();
  for (const folder of folders) {
    if (folder === '' || !existsSync(join(folder, 'postgres'))) continue;
    // A folder on the PATH may hold links to some of the programs only.
    const binFolder = dirname(realpathSync(join(folder, 'postgres')));
    if (!['initdb', 'pg_dump', 'pg_restore'].every((name) => existsSync(join(binFolder, name)))) continue;
    const { stdout } = await run(join(binFolder, 'postgres'), ['--version']);
    const major = Number(/\(PostgreSQL\) (\d+)/.exec(stdout)?.[1]);
    if (major > 0 && !servers.has(major)) servers.set(major, { major, binFolder });
  }
  return [...servers.values()].sort((a, b) => b.major - a.major);
}

async function findServer(major: number | undefined): Promise<Server> {
  const servers = await findServers();
  const found = major === undefined ? servers[0] : servers.find((server) => server.major === major);
  if (found) return found;
  if (hasPackagedServer(major)) return preparePackagedServer(major);
  const wanted = `PostgreSQL ${major ?? 'server'}`;
  const others =
    servers.length > 0 ? ` (found only major ${servers.map((server) => server.major).join(', ')})` : '';
  throw new Error(
    `${wanted} is not installed${others}. Install it with "apt-get install postgresql${major ? `-${major}` : ''}" ` +
      `(Debian, Ubuntu; apt.postgresql.org has every major), "dnf install postgresql-server" (Fedora) or ` +
      `"brew install postgresql@${major ?? 17}" (macOS).`,
  );
}

/** postgres refuses to run as root, so root hands its servers to an unprivileged user. */
function serverAccount(): Account {
  if (process.getuid?.() !== 0) return {};
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const fields = accounts.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    'Running as root, and neither "postgres" nor "nobody" exists to run a PostgreSQL server; run as another user.',
  );
}

/**
 * A port that nothing listens on, below those that systems give to outgoing connections: one of these would be gone by the time the server
 * starts, or starts again.
 */
async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = randomInt(10_000, 32_000);
    if (await isFree(port)) return port;
  }
  throw new Error('no port between 10000 and 32000 is free');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const listener = createServer();
    listener.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(false) : reject(error),
    );
    listener.listen(port, '127.0.0.1', () => listener.close(() => resolve(true)));
  });
}

/*
 * The server's parent is a shell that also watches a pipe from this process: however this process ends, SIGKILL
 * included, the pipe closes, the server gets an immediate shutdown and its folder is removed.
 */
const supervisor = `
exec 3<&0
folder=$1; shift
"$@" 3<&- </dev/null & server=$!
{ read -r _ <&3; : >"$folder/abandoned"; kill -QUIT $server; } & watcher=$!
wait $server
if [ -e "$folder/abandoned" ]; then rm -rf "$folder"; else kill $watcher; fi`;

/** Starts a throwaway server on a free loopback port. Throws when none is installed or it does not come up. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const server = await findServer(options.major);
  const superuser = options.superuser ?? bootstrapSuperuser;
  const account = serverAccount();
  const folder = mkdtempSync(join(tmpdir(), 'pg-'));
  const data = join(folder, 'data');
  const logFile = join(folder, 'log');
  let port = await findFreePort();

  const removeFolder = () => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  const superuserUrl = (database = 'postgres') =>
    `postgresql://${superuser}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;

  if (account.uid !== undefined) chownSync(folder, account.uid, account.gid);
  let password: string;
  try {
    password = await prepareData(server, { superuser, account }, folder);
  } catch (cause) {
    removeFolder();
    throw new Error(`initdb of PostgreSQL ${server.major} failed: ${(cause as Error).message}`, { cause });
  }

  const settings = { ...defaultSettings, ...options.settings };
  let stopped = false;
  let running: { exited: Promise<void>; abandon(): void } | undefined;

  function signalServer(signal: NodeJS.Signals): void {
    try {
      process.kill(Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]), signal);
    } catch {
      // Already gone.
    }
  }

  async function start(): Promise<void> {
    if (stopped) throw new Error('The cluster was stopped and its folder is gone; start a new one.');
    if (running) return;
    const log = openSync(logFile, 'a');
    const child = spawn(
      '/bin/sh',
      [
        ...['-c', supervisor, 'supervisor', folder, join(server.binFolder, 'postgres')],
        ...['-D', data, '-p', String(port), '-k', folder],
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { ...account, cwd: folder, stdio: ['pipe', log, log] },
    );
    closeSync(log);
    child.stdin?.on('error', () => {});
    let alive = true;
    const exited = new Promise<void>((resolve) => {
      const end = () => {
        alive = false;
        running = undefined;
        resolve();
      };
      child.once('exit', end);
      child.once('error', end);
    });
    running = { exited, abandon: () => child.stdin?.end() };
    const deadline = Date.now() + 60_000;
    for (;;) {
      const client = new pg.Client({ connectionString: superuserUrl() });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.end();
        return;
      } catch (cause) {
        await client.end().catch(() => {});
        if (alive && Date.now() < deadline) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          continue;
        }
        const tail = readFileSync(logFile, 'utf8').split('\n').slice(-15).join('\n');
        running?.abandon();
        await exited;
        throw new Error(`PostgreSQL ${server.major} did not start. Its log ends with:\n${tail}`, { cause });
      }
    }
  }

  /** Of two that found the same port free at once, one takes another. */
  async function startOnFreePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await start();
      } catch (error) {
        if (attempt === 5 || !(error as Error).message.includes('Address already in use')) throw error;
        rmSync(logFile);
        port = await findFreePort();
      }
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const current = running;
    if (!current) return;
    signalServer(signal);
    await current.exited;
  }

  async function stop(): Promise<void> {
    if (stopped) return;
    stopped = true;
    // Nothing is worth keeping: an immediate shutdown spares the checkpoint.
    await end('SIGQUIT');
    removeFolder();
  }

  try {
    await startOnFreePort();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ...server,
    host: '127.0.0.1',
    port,
    folder,
    superuserUrl,
    start,
    crash: () => end('SIGQUIT'),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
