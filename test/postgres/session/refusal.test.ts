import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openSession } from '../../../src/postgres/session/connection.ts';
import { isCrowded } from '../../../src/postgres/session/refusal.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { emptyContext } from '../../support/context.ts';

let server: Server | undefined;
afterEach(() => {
  server?.close();
  server = undefined;
});

/** A server that says one thing to whoever connects, as the protocol has it; and how many have connected. */
async function startRefusing(code: string, message: string, hint?: string) {
  const connections = { count: 0 };
  const fields = [`SFATAL`, `VFATAL`, `C${code}`, `M${message}`, ...(hint === undefined ? [] : [`H${hint}`])];
  const body = Buffer.from(`${fields.map((field) => `${field}\0`).join('')}\0`);
  const head = Buffer.alloc(5, 'E');
  head.writeInt32BE(body.length + 4, 1);
  server = createServer((socket) => {
    connections.count += 1;
    socket.on('error', () => undefined).on('data', () => socket.end(Buffer.concat([head, body])));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return { url: `postgresql://me:TopSecret@127.0.0.1:${port}/d?sslmode=disable`, connections };
}

/** What poolers and servers say (Supavisor, PgBouncer, PostgreSQL), what it is about, and what helps. */
const refusals: [code: string, message: string, what: RegExp, next: RegExp][] = [
  [
    'XX000',
    '(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked',
    /refuses all logins for a while/,
    /Wait 10 minutes without any attempt/,
  ],
  [
    'XX000',
    '(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15',
    /no free session/,
    /jobs \+ 4 sessions.*raise the pool size/,
  ],
  ['53300', 'too many connections for role "me"', /no free session/, /limit of the role/],
  ['53300', 'sorry, too many clients already', /no free session/, /[Uu]se jobs: 1/],
  ['08P01', 'unsupported startup parameter: options', /refuses a parameter/, /ignore_startup_parameters/],
  ['XX000', 'Tenant or user not found', /knows no such project/, /region in the host name.*paused/],
  ['XX000', 'Address not in tenant allow_list: {1,2,3,4}', /block this address/, /Network restrictions/],
  ['28000', 'connection requires a valid client certificate', /client certificate/, /sslcert and sslkey/],
  [
    '28000',
    'no pg_hba.conf entry for host "1.2.3.4", no encryption',
    /not let this user connect from here/,
    /sslmode=require/,
  ],
  ['28000', 'role "me" is not permitted to log in', /cannot log in/, /LOGIN/],
  [
    '28P01',
    'password authentication failed for user "me"',
    /refused the user or the password/,
    /poolers block/,
  ],
  ['28P01', 'SASL authentication failed', /refused the user or the password/, /Do not guess/],
  ['3D000', 'database "d" does not exist', /no such database/, /Correct the database name/],
  [
    '42501',
    'permission denied for database "d"',
    /not have permission to connect/,
    /GRANT CONNECT ON DATABASE "d" TO "me"/,
  ],
  [
    '55000',
    'database "d" is not currently accepting connections',
    /not accept connections/,
    /ALLOW_CONNECTIONS/,
  ],
  [
    '57P03',
    'the database system is starting up',
    /starting, stopping or recovering/,
    /when the server is up/,
  ],
  ['XX000', '(EDBHANDLEREXITED) connection to database closed', /cannot reach the database/, /is up/],
  ['08P01', 'server login has been failing, try again later', /cannot reach the database/, /is up/],
];

describe('a refusal', () => {
  it.each(refusals)('%s %s says what it is about, and what helps', async (code, message, what, next) => {
    const { url, connections } = await startRefusing(code, message, 'Ask for more.');
    const error = await openSession(parseConnection('database-url', url, emptyContext)).then(
      () => {
        throw new Error('it was let in');
      },
      (refused: unknown) => refused as Error & { next: string },
    );
    expect(error.message).toMatch(what);
    expect(error.message).toContain(message);
    expect(error.message).toContain(`SQLSTATE ${code}`);
    expect(error.message).toContain('Ask for more');
    expect(error.next).toMatch(next);
    expect(`${error.message} ${error.next}`).not.toContain('TopSecret');
    // One more would prolong some of them; without what is refused it may be let in.
    expect(connections.count).toBe(message.includes('startup parameter') ? 2 : 1);
    expect(isCrowded(error)).toBe(/no free session/.test(error.message));
  });

  it('of an unknown kind is told as it is said, and nothing is asked to be tried again', async () => {
    const { url } = await startRefusing('XX999', 'the moon is full');
    const error = await openSession(parseConnection('database-url', url, emptyContext)).catch(
      (refused) => refused,
    );
    expect(error.message).toMatch(/cannot connect: the moon is full; SQLSTATE XX999/);
    expect(error).not.toBeInstanceOf(ConfigurationError);
    expect(error.next).not.toMatch(/again/);
  });
});
