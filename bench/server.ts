import { execFile } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { findServers, startCluster } from '../test/support/cluster.ts';

const { escapeIdentifier, escapeLiteral } = pg;

/** The same for every contender. Autovacuum is off: it would start in the middle of somebody's run. */
const clusterSettings = {
  autovacuum: 'off',
  checkpoint_timeout: '30min',
  fsync: 'on',
  max_wal_size: '4GB',
  shared_buffers: '512MB',
};

const reportedSettings = [
  ...Object.keys(clusterSettings),
  'full_page_writes',
  'maintenance_work_mem',
  'synchronous_commit',
  'wal_level',
];

/** Begins the comment on every database of ours; one without it is somebody else's and stays as it is. */
const marker = 'supabase-backup benchmark';

/** The PostgreSQL server that is backed up and restored into. */
export class BenchServer {
  readonly major: number;
  /** Its own `pg_dump` and `pg_restore`, which ours uses, too. */
  readonly binFolder: string;
  readonly #url: URL;
  readonly #stop: () => Promise<void>;

  private constructor(url: URL, major: number, binFolder: string, stop: () => Promise<void>) {
    this.#url = url;
    this.major = major;
    this.binFolder = binFolder;
    this.#stop = stop;
  }

  /** A throwaway cluster, or the server of `url`. */
  static async open(url: string | undefined): Promise<BenchServer> {
    if (url === undefined) {
      const cluster = await startCluster({ settings: clusterSettings });
      return new BenchServer(new URL(cluster.superuserUrl()), cluster.major, cluster.binFolder, () =>
        cluster.stop(),
      );
    }
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const answer = await client.query("SELECT current_setting('server_version_num')::int / 10000 AS major");
    await client.end();
    const { major } = answer.rows[0];
    const installed = (await findServers()).find((server) => server.major === major);
    if (!installed)
      throw new Error(`PostgreSQL ${major}, the major of BENCH_DATABASE_URL, is not installed here`);
    return new BenchServer(new URL(url), major, installed.binFolder, async () => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
  }

  /** With the password. Without TLS, unless BENCH_DATABASE_URL says otherwise. */
  url(database: string): string {
    const url = new URL(this.#url);
    url.pathname = `/${encodeURIComponent(database)}`;
    if (!url.searchParams.has('sslmode')) url.searchParams.set('sslmode', 'disable');
    return url.href;
  }

  /** For people: how every contender connects. */
  get connection(): string {
    const { hostname, searchParams } = new URL(this.url('postgres'));
    const loopback = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
    return `TCP${loopback ? ' over loopback' : ''}, sslmode ${searchParams.get('sslmode')}`;
  }

  /** The same connection for programs that use libpq. */
  env(database: string): NodeJS.ProcessEnv {
    const url = new URL(this.url(database));
    return {
      PGHOST: url.hostname,
      PGPORT: url.port || '5432',
      PGUSER: decodeURIComponent(url.username),
      PGPASSWORD: decodeURIComponent(url.password),
      PGDATABASE: database,
      PGSSLMODE: url.searchParams.get('sslmode') ?? '',
      PGGSSENCMODE: 'disable',
    };
  }

  /** Runs statements one after another on a connection of their own; returns the rows of the last. */
  async run(database: string, statements: readonly string[]): Promise<pg.QueryResultRow[]> {
    const client = new pg.Client({ connectionString: this.url(database) });
    client.on('error', () => {});
    await client.connect();
    try {
      let rows: pg.QueryResultRow[] = [];
      for (const statement of statements) rows = (await client.query(statement)).rows;
      return rows;
    } finally {
      await client.end();
    }
  }

  async describe(): Promise<{ version: string; settings: Record<string, string> }> {
    const [version] = await this.run('postgres', ["SELECT current_setting('server_version') AS version"]);
    const settings = await this.run('postgres', [
      `SELECT name, current_setting(name) AS value FROM pg_settings
       WHERE name IN (${reportedSettings.map(escapeLiteral).join(', ')}) ORDER BY name`,
    ]);
    return {
      version: version?.version,
      settings: Object.fromEntries(settings.map(({ name, value }) => [name, value])),
    };
  }

  /** Creates a database anew. Refuses to replace one that no benchmark has made. */
  async createDatabase(database: string): Promise<void> {
    await this.dropDatabase(database);
    await this.run('postgres', [
      `CREATE DATABASE ${escapeIdentifier(database)} TEMPLATE template0`,
      `COMMENT ON DATABASE ${escapeIdentifier(database)} IS ${escapeLiteral(`${marker}: unfinished`)}`,
    ]);
  }

  /** Makes a database anew that holds what another one, which nobody uses at the moment, holds. */
  async copyDatabase(from: string, database: string): Promise<void> {
    await this.dropDatabase(database);
    await this.run('postgres', [
      `CREATE DATABASE ${escapeIdentifier(database)} TEMPLATE ${escapeIdentifier(from)}`,
      `COMMENT ON DATABASE ${escapeIdentifier(database)} IS ${escapeLiteral(`${marker}: unfinished`)}`,
    ]);
  }

  async dropDatabase(database: string): Promise<void> {
    const comment = await this.#comment(database);
    if (comment === undefined) return;
    if (!comment.startsWith(marker)) {
      throw new Error(`the database ${database} exists, and no benchmark has made it; rename or drop it`);
    }
    await this.run('postgres', [`DROP DATABASE ${escapeIdentifier(database)} WITH (FORCE)`]);
  }

  /** Builds a database, unless it is there from an earlier run with the same `contents`. */
  async provide(database: string, contents: string, build: () => Promise<void>): Promise<'built' | 'found'> {
    const comment = `${marker}: ${contents}`;
    if ((await this.#comment(database)) === comment) return 'found';
    await this.createDatabase(database);
    await build();
    await this.run('postgres', [
      `COMMENT ON DATABASE ${escapeIdentifier(database)} IS ${escapeLiteral(comment)}`,
    ]);
    return 'built';
  }

  /** What one run has left to be written must not slow down the next. */
  async settle(seconds: number): Promise<void> {
    await this.run('postgres', ['CHECKPOINT']);
    await promisify(execFile)('sync');
    await setTimeout(seconds * 1000);
  }

  /** Undefined when there is no such database. */
  async #comment(database: string): Promise<string | undefined> {
    const [row] = await this.run('postgres', [
      `SELECT coalesce(shobj_description(oid, 'pg_database'), '') AS comment
       FROM pg_database WHERE datname = ${escapeLiteral(database)}`,
    ]);
    return row?.comment;
  }
}
