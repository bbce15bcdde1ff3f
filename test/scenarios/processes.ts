import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';

/** Only Linux tells the environment and the arguments of processes in files. */
export const hasProc = process.platform === 'linux';

export interface Process {
  readonly pid: number;
  /** The arguments, separated by NUL. */
  readonly arguments: string;
}

/** The processes that inherited this text in their environment. Programs that we start inherit few variables, any `LC_…` among them. */
export function findProcesses(mark: string): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark)) return [];
        return [{ pid: Number(pid), arguments: readFileSync(`/proc/${pid}/cmdline`, 'utf8') }];
      } catch {
        return [];
      }
    });
}

export interface ServerSession {
  readonly pid: number;
  readonly state: string | null;
  readonly query: string;
}

/** Watches a server over one connection, so that a look takes no longer than a round trip. */
export class Watcher {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(superuserUrl: string): Promise<Watcher> {
    const client = new pg.Client({ connectionString: superuserUrl });
    client.on('error', () => {});
    await client.connect();
    return new Watcher(client);
  }

  /** Our sessions in a database, the oldest first: in a backup that is the one that holds the snapshot. */
  async sessions(database: string): Promise<ServerSession[]> {
    const { rows } = await this.#client.query<ServerSession>(
      `SELECT pid, state, query FROM pg_stat_activity
       WHERE application_name = 'supabase-backup' AND datname = $1 AND pid <> pg_backend_pid() ORDER BY backend_start, pid`,
      [database],
    );
    return rows;
  }

  /** Waits for sessions that satisfy `wanted`. Throws when they do not in time. */
  async until(
    database: string,
    wanted: (sessions: ServerSession[]) => boolean,
    milliseconds = 15_000,
  ): Promise<ServerSession[]> {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const sessions = await this.sessions(database);
      if (wanted(sessions)) return sessions;
      if (Date.now() > deadline) {
        throw new Error(`after ${milliseconds} ms the sessions are: ${JSON.stringify(sessions)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async terminate(pid: number): Promise<void> {
    await this.#client.query('SELECT pg_terminate_backend($1)', [pid]);
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => {});
  }
}

/** Waits for something to become true. Throws when it does not in time. */
export async function waitUntil(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  milliseconds = 15_000,
): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`not in ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
