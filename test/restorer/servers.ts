import { randomBytes } from 'node:crypto';
import { openSession, type Session } from '../../src/postgres/session/connection.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { reconnect } from '../fixture/seed.ts';
import { connect } from '../postgres/database.ts';
import { findServers, startCluster } from '../support/cluster.ts';
import { emptyContext } from '../support/context.ts';

const { TESTBED_PG17_URL, TESTBED_PG17_BIN } = process.env;

/** A server of which a test may be the superuser. Its roles are told from others' by a prefix of their names. */
export interface TestServer extends AsyncDisposable {
  readonly url: string;
  /** Folder of its client programs; pg_dumpall of the testbed does not find pg_dump. */
  readonly bin: string;
  readonly hasDumpall: boolean;
  /** Nobody else's roles and databases begin with it. */
  readonly prefix: string;
  /** Runs SQL as the superuser, `~` standing for the prefix. */
  run(sql: string, database?: string): Promise<void>;
  rows(sql: string, database?: string): Promise<string[][]>;
  /** A new database, and its URL for the superuser */
  createDatabase(owner?: string): Promise<string>;
  /** Drops all roles of the prefix, and what they have in a database. */
  dropRoles(database: string): Promise<void>;
  /** A session as the tool opens it, for the superuser or another role with password `secret` */
  open(url: string, user?: string): Promise<Session>;
}

/** The installed majors from 15 up, and the one of the testbed, which other tests use at the same time. */
export const servers: readonly [major: number, start: () => Promise<TestServer>][] = [
  ...(await findServers())
    .filter(({ major }) => major >= 15)
    .map(({ major }): [number, () => Promise<TestServer>] => [
      major,
      async () => {
        const cluster = await startCluster({ major });
        return makeServer(cluster.superuserUrl(), cluster.binFolder, cluster);
      },
    ]),
  ...(TESTBED_PG17_URL && TESTBED_PG17_BIN
    ? [
        [17, async () => makeServer(TESTBED_PG17_URL, TESTBED_PG17_BIN)] as [
          number,
          () => Promise<TestServer>,
        ],
      ]
    : []),
];

export function makeServer(url: string, bin: string, own?: AsyncDisposable): TestServer {
  const prefix = `t${randomBytes(4).toString('hex')}`;
  const databases: string[] = [];
  const sessions: Session[] = [];
  const query = async (sql: string, database?: string) => {
    const client = await connect(database === undefined ? url : reconnect(url, { database }));
    try {
      const types = { getTypeParser: () => String };
      const text = sql.replaceAll('~', prefix);
      const result: unknown = await client.query({ text, rowMode: 'array', types });
      return (result as { rows?: string[][] }).rows ?? [];
    } finally {
      await client.end();
    }
  };
  const dropRoles = async (database: string) => {
    const roles = await query(`SELECT format('%I', rolname) FROM pg_roles WHERE rolname LIKE '%~%'`);
    for (const [role] of roles) await query(`DROP OWNED BY ${role} CASCADE`, database);
    for (const [role] of roles) await query(`DROP ROLE ${role}`);
  };
  return {
    url,
    bin,
    hasDumpall: own !== undefined,
    prefix,
    rows: query,
    dropRoles,
    run: async (sql, database) => void (await query(sql, database)),
    async createDatabase(owner) {
      const name = `${prefix}_${databases.length}`;
      await query(
        `CREATE DATABASE ${name} TEMPLATE template0${owner === undefined ? '' : ` OWNER ${owner}`}`,
      );
      databases.push(name);
      return reconnect(url, { database: name });
    },
    async open(target, user) {
      const as = user === undefined ? target : reconnect(target, { user, password: 'secret' });
      const session = await openSession(parseConnection('target-url', as, emptyContext));
      sessions.push(session);
      return session;
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      if (own) return own[Symbol.asyncDispose]();
      for (const name of databases) await query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await dropRoles(new URL(url).pathname.slice(1));
    },
  };
}
