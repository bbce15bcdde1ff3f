import pg from 'pg';
import { openSession, type Session } from '../../src/postgres/session/connection.ts';
import { type ConnectionSettings, parseConnection } from '../../src/postgres/session/settings.ts';
import type { Cluster } from '../support/cluster.ts';
import { emptyContext } from '../support/context.ts';
import { copyOption } from '../support/copy-option.ts';

/** A database of a throwaway cluster, with a `pg` client of its own for whatever the test wants to arrange or to look at. */
export interface Database {
  readonly name: string;
  readonly url: string;
  readonly settings: ConnectionSettings;
  readonly client: pg.Client;
  /** Runs SQL, any number of statements, as the superuser. */
  run(sql: string): Promise<void>;
  /** The rows of a query as arrays of texts. */
  rows(sql: string, values?: unknown[]): Promise<string[][]>;
  /** A session as the tool opens it; closed with the database at the latest. */
  open(): Promise<Session>;
  close(): Promise<void>;
}

let made = 0;

export async function createDatabase(cluster: Cluster, options = ''): Promise<Database> {
  const name = `test_${++made}`;
  const admin = await connect(cluster.superuserUrl());
  await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 ${options} ${await copyOption(admin)}`);
  await admin.end();
  return openDatabase(cluster.superuserUrl(name));
}

export async function openDatabase(url: string): Promise<Database> {
  const settings = parseConnection('database-url', url, emptyContext);
  const client = await connect(url);
  const sessions: Session[] = [];
  return {
    name: settings.database,
    url,
    settings,
    client,
    async run(sql) {
      await client.query(sql);
    },
    async rows(sql, values) {
      const types = { getTypeParser: () => String };
      return (await client.query({ text: sql, values: values ?? [], rowMode: 'array', types })).rows;
    },
    async open() {
      const session = await openSession(settings);
      // What tests arrange themselves is named as people name it.
      await session.query('RESET search_path');
      sessions.push(session);
      return session;
    },
    async close() {
      for (const session of sessions) session.destroy();
      await client.end();
    },
  };
}

/** A client of `pg` that does not end the process when its server does. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** The same server and database, asked by another role. */
export function asRole(settings: ConnectionSettings, user: string, password: string): ConnectionSettings {
  return { ...settings, user, password };
}

/** Asks until the answer is yes: for what another process does in its own time. The runner's time limit is the only one. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
