import { once } from 'node:events';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession } from '../../../src/postgres/session/connection.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { ConfigurationError, SourceError, TargetError } from '../../../src/runtime/errors.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { emptyContext } from '../../support/context.ts';
import { createDatabase, type Database, until } from '../database.ts';

let cluster: Cluster;
let database: Database;
beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});

const sessions = async () =>
  (
    await database.rows(
      "SELECT FROM pg_stat_activity WHERE application_name = 'supabase-backup' AND datname = current_database()",
    )
  ).length;

describe('a session', () => {
  it('gives counts and oids as numbers, truth as truth, and all else as the server writes it', async () => {
    const session = await database.open();
    const [row] = await session.query(
      'SELECT 7::bigint AS b, 8::oid AS o, true AS t, 1.50::numeric AS n, NULL::int AS x, now()::date AS d',
    );
    expect(row).toEqual({
      b: 7,
      o: 8,
      t: true,
      n: '1.50',
      x: null,
      d: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    });
    await session.close();
  });

  it('has no timeouts, whatever the database sets', async () => {
    await database.run(`ALTER DATABASE ${database.name} SET statement_timeout = '1s';
      ALTER DATABASE ${database.name} SET idle_in_transaction_session_timeout = '1s'`);
    const session = await database.open();
    const [row] = await session.query(
      "SELECT current_setting('statement_timeout') AS one, current_setting('idle_in_transaction_session_timeout') AS two",
    );
    expect(row).toEqual({ one: '0', two: '0' });
    await session.close();
    await database.run(`ALTER DATABASE ${database.name} RESET ALL`);
  });

  it('tells that it was lost, and not that it was closed', async () => {
    const lost = await database.open();
    const closed = await database.open();
    const [row] = await lost.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await database.rows('SELECT pg_terminate_backend($1)', [row?.pid]);
    await expect(lost.lost).rejects.toThrow();
    let told = false;
    closed.lost.catch(() => {
      told = true;
    });
    await closed.close();
    await until(async () => (await sessions()) === 0);
    expect(told).toBe(false);
  });

  it('says of whatever is asked after its connection broke why that broke', async () => {
    const session = await database.open();
    const asked = session.query('SELECT pg_sleep(60)').catch((error: Error) => error.message);
    session.stream.destroy(new Error('read ECONNRESET'));
    const words = 'the connection to the server was lost: read ECONNRESET';
    expect(await asked).toBe(words);
    await expect(session.query('SELECT 1')).rejects.toThrow(words);
  });

  it('ends at once when its signal aborts, whatever it is doing', async () => {
    const controller = new AbortController();
    const session = await openSession(database.settings, controller.signal);
    const sleeping = session.query('SELECT pg_sleep(1000)').catch((error: unknown) => error);
    const asleep = "FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'";
    await until(async () => (await database.rows(`SELECT ${asleep}`)).length === 1);
    controller.abort();
    expect(await sleeping).toBeInstanceOf(Error);
    expect(session.stream.destroyed).toBe(true);
    // Asleep, the server's end does not notice.
    await database.rows(`SELECT pg_terminate_backend(pid) ${asleep}`);
  });

  it('is not opened when the signal has aborted', async () => {
    await expect(openSession(database.settings, AbortSignal.abort(new Error('too late')))).rejects.toThrow(
      'too late',
    );
  });

  it('does not survive an abort while it was being opened', async () => {
    const controller = new AbortController();
    let aborted = false;
    const links: Socket[] = [];
    // A wire that aborts when the server's first answer is on its way.
    const proxy = createServer((near) => {
      const far = connectSocket(cluster.port, '127.0.0.1');
      links.push(near, far);
      for (const socket of [near, far]) socket.on('error', () => undefined);
      near.pipe(far);
      far.on('data', (bytes) => {
        if (!aborted) controller.abort(new Error('the user asked'));
        aborted = true;
        near.write(bytes);
      });
      far.on('close', () => near.destroy());
      near.on('close', () => far.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as { port: number };
    try {
      const opening = openSession(
        { ...database.settings, host: '127.0.0.1', port, sslMode: 'disable' },
        controller.signal,
      );
      const outcome = await opening.then(
        () => 'opened',
        (error: Error) => error.message,
      );
      expect(outcome).toBe('the user asked');
      await until(async () => (await sessions()) === 0);
    } finally {
      for (const socket of links) socket.destroy();
      proxy.close();
    }
  });
});

describe('a connection that is refused says why', () => {
  it('of a password that is asked for in clear text, which is not sent without TLS', async () => {
    // What stands in between: it has no TLS, and asks as servers may.
    const heard: Buffer[] = [];
    const server = createServer((socket) => {
      socket
        .on('error', () => undefined)
        .on('data', (data) => {
          heard.push(data);
          if (data.length === 8 && data.readInt32BE(4) === 80877103) socket.write('N');
          else socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
        });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const url = `postgresql://me:TopSecret@127.0.0.1:${port}/d`;
    await expect(openSession(parseConnection('database-url', url, emptyContext))).rejects.toThrow(
      /asks for the password in clear text, over a connection that need not have TLS; it was not sent/,
    );
    expect(Buffer.concat(heard).toString('latin1')).not.toContain('TopSecret');
    server.close();
  });

  const refused = async (overrides: object) =>
    openSession({ ...database.settings, ...overrides }).then(
      () => {
        throw new Error('it was not refused');
      },
      (error: unknown) => error as Error & { next: string },
    );

  it.each<[string, { password?: string } & Record<string, unknown>, RegExp]>([
    ['a wrong password', { password: 'wr0ng-secret' }, /refused the user or the password/],
    ['no such user', { user: 'nobody_here' }, /refused the user or the password/],
    ['no such database', { database: 'nowhere' }, /no such database/],
    ['nobody listening', { host: '127.0.0.1', port: 1 }, /nothing answers/],
    ['no socket', { host: '/nonexistent', sslMode: 'disable' }, /nothing answers/],
    ['no TLS', { sslMode: 'require' }, /does not offer TLS/],
    ['no TLS to verify', { sslMode: 'verify-full' }, /does not offer TLS/],
  ])('for %s, without the password', async (_what, overrides, message) => {
    const error = await refused(overrides);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/^database-url: /);
    expect(error.message).toMatch(message);
    expect(error.next).toMatch(/./);
    expect(`${error.message}${error.next}`).not.toContain(overrides.password ?? database.settings.password);
  });

  it('as the target’s fault for a target', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    expect(await refused({ port, sslMode: 'disable', input: 'target-url' })).toBeInstanceOf(TargetError);
    expect(await refused({ port, sslMode: 'disable' })).toBeInstanceOf(SourceError);
    server.close();
  });
});
