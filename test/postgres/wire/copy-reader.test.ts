import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runTool } from '../../../src/postgres/client/process.ts';
import { clientEnvironment } from '../../../src/postgres/session/client-variables.ts';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { ServerError } from '../../../src/postgres/session/server-error.ts';
import { ReusingSocket } from '../../../src/postgres/session/socket.ts';
import { copyOut, type RowSink, simpleQuery } from '../../../src/postgres/wire/copy-reader.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { connect, createDatabase, type Database, until } from '../database.ts';

/** Keeps everything it was given, and where it was flushed and where each COPY ended. */
class Sink implements RowSink {
  buffer: Buffer;
  length = 0;
  readonly parts: Buffer[] = [];
  /** Places in the whole text */
  readonly cuts: number[] = [];
  readonly copies: { rows: number; end: number }[] = [];
  #total = 0;
  readonly #makeRoom: () => Promise<void>;

  constructor(size: number, makeRoom: () => Promise<void> = async () => {}) {
    this.buffer = Buffer.alloc(size);
    this.#makeRoom = makeRoom;
  }

  async flush(): Promise<void> {
    const { buffer, length } = this;
    this.parts.push(Buffer.from(buffer.subarray(0, length)));
    this.#total += length;
    this.cuts.push(this.#total);
    await this.#makeRoom();
    // Another buffer, as a pool would give: what is still written to the old one is lost.
    buffer.fill('!');
    this.buffer = Buffer.alloc(buffer.length);
    this.length = 0;
  }

  endCopy(rows: number): void {
    this.copies.push({ rows, end: this.#total + this.length });
  }

  get text(): Buffer {
    return Buffer.concat([...this.parts, this.buffer.subarray(0, this.length)]);
  }
}

function message(type: string, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(5);
  header.write(type);
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

const copyOutResponse = message('H', Buffer.from([0, 0, 1, 0, 0]));
const copyDone = message('c');
const complete = (rows: number) => message('C', Buffer.from(`COPY ${rows}\0`));
const ready = message('Z', Buffer.from('I'));
const notice = message('N', Buffer.from('SNOTICE\0C00000\0Mby the way\0\0'));
const parameter = message('S', Buffer.from('TimeZone\0UTC\0'));
const refusal = message('E', Buffer.from('SERROR\0C22012\0Mdivision by zero\0Dof what\0\0'));

const copyOf = (rows: readonly Uint8Array[]) =>
  Buffer.concat([copyOutResponse, ...rows.map((row) => message('d', row)), copyDone, complete(rows.length)]);

/** A loopback connection with the test at the server's end. */
class Wire {
  readonly server = createServer({ noDelay: true });
  client!: Socket;
  far!: Socket;
  destroyed = 0;
  readonly #makeSocket: () => Socket;

  constructor(makeSocket: () => Socket) {
    this.#makeSocket = makeSocket;
  }

  async open(): Promise<void> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const accepted = once(this.server, 'connection');
    this.client = this.#makeSocket().connect((this.server.address() as { port: number }).port, '127.0.0.1');
    this.client.on('error', () => undefined);
    this.far = (await accepted)[0] as Socket;
    this.far.on('error', () => undefined);
  }

  get session(): Session {
    return {
      stream: this.client,
      destroy: () => {
        this.destroyed++;
        this.client.destroy();
      },
    } as Session;
  }

  /** Sends the bytes cut into chunks that arrive as such: the next one leaves when the one before was received. */
  async send(bytes: Buffer, sizes: readonly number[] = [bytes.length]): Promise<void> {
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
      const before = this.client.bytesRead;
      const chunk = bytes.subarray(at, at + size);
      this.far.write(chunk);
      at += chunk.length;
      while (this.client.bytesRead < before + chunk.length && !this.client.destroyed) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  close(): void {
    this.client.destroy();
    this.far.destroy();
    this.server.close();
  }
}

describe.each([
  ['an ordinary socket', () => new Socket()],
  ['a socket that reads into one buffer', () => new ReusingSocket()],
])('the COPY reader on %s, with a test at its other end', (_what, makeSocket) => {
  let wire: Wire;
  beforeEach(async () => {
    wire = new Wire(makeSocket);
    await wire.open();
  });
  afterEach(() => wire.close());

  const row = fc.oneof(
    { weight: 6, arbitrary: fc.uint8Array({ maxLength: 12 }) },
    { weight: 2, arbitrary: fc.uint8Array({ minLength: 60, maxLength: 70 }) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 100, maxLength: 400 }) },
    { weight: 1, arbitrary: fc.constant(new Uint8Array()) },
  );
  const copies = fc.array(fc.array(row, { maxLength: 12 }), { minLength: 1, maxLength: 4 });
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 3000 })), {
    minLength: 1,
    maxLength: 6,
  });

  it('gives out exactly the rows, whatever the rows, the chunks and the buffer', async () => {
    await fc.assert(
      fc.asyncProperty(
        copies,
        sizes,
        fc.integer({ min: 1, max: 300 }),
        fc.boolean(),
        async (lists, chunks, size, slowly) => {
          const sink = new Sink(
            size,
            slowly ? () => new Promise((resolve) => setImmediate(resolve)) : undefined,
          );
          const copied = copyOut(wire.session, 'COPY …', sink);
          const bytes = Buffer.concat([
            ...lists.flatMap((rows, at) => [at % 2 ? notice : parameter, copyOf(rows)]),
            ready,
          ]);
          await wire.send(bytes, chunks);
          await copied;

          expect(sink.text.equals(Buffer.concat(lists.flat()))).toBe(true);
          expect(sink.copies.map((copy) => copy.rows)).toEqual(lists.map((rows) => rows.length));
          // A cut lies between two rows, or inside of one that no buffer could hold.
          const spans: { from: number; to: number }[] = [];
          const ends = lists.map((rows) => {
            for (const { length } of rows) {
              const from = spans.at(-1)?.to ?? 0;
              spans.push({ from, to: from + length });
            }
            return spans.at(-1)?.to ?? 0;
          });
          expect(sink.copies.map((copy) => copy.end)).toEqual(ends);
          for (const cut of sink.cuts) {
            const inside = spans.find(({ from, to }) => from < cut && cut < to);
            if (inside) expect(inside.to - inside.from).toBeGreaterThan(size);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('fills a buffer to the last byte before it asks for room', async () => {
    const sink = new Sink(10);
    const copied = copyOut(wire.session, 'COPY …', sink);
    await wire.send(Buffer.concat([copyOf([Buffer.from('12345'), Buffer.from('67890')]), ready]));
    await copied;
    expect(sink.cuts).toEqual([]);
    expect(sink.text.toString()).toBe('1234567890');
  });

  it('sends the statements as they are, in one message', async () => {
    const copied = copyOut(wire.session, 'COPY a TO STDOUT; COPY "ü" TO STDOUT', new Sink(10));
    const [sent] = (await once(wire.far, 'data')) as [Buffer];
    expect(sent).toEqual(simpleQuery('COPY a TO STDOUT; COPY "ü" TO STDOUT'));
    expect(sent.readUInt32BE(1)).toBe(sent.length - 1);
    expect(sent.subarray(5).toString()).toBe('COPY a TO STDOUT; COPY "ü" TO STDOUT\0');
    await wire.send(Buffer.concat([copyOf([]), copyOf([]), ready]));
    await copied;
  });

  it('holds the socket back while the sink makes room', async () => {
    const release = Promise.withResolvers<void>();
    let asked = 0;
    const sink = new Sink(1000, () => {
      asked++;
      return release.promise;
    });
    const copied = copyOut(wire.session, 'COPY …', sink);
    const rows = Array.from({ length: 20_000 }, () => Buffer.alloc(1000, 'x'));
    wire.far.write(Buffer.concat([copyOf(rows), ready]));
    await until(() => asked === 1);
    // Everything that the kernel and the stream can hold has been taken; no more arrives however long one waits.
    let read = -1;
    await until(async () => {
      const same = read === wire.client.bytesRead;
      read = wire.client.bytesRead;
      await new Promise((resolve) => setTimeout(resolve, 30));
      return same;
    });
    expect(wire.client.isPaused()).toBe(true);
    expect(read).toBeLessThan(5_000_000);
    expect(asked).toBe(1);
    release.resolve();
    await copied;
    expect(sink.copies).toEqual([{ rows: 20_000, end: 20_000_000 }]);
  });

  it('rejects with the server’s error midway, and only when the server is ready again', async () => {
    const sink = new Sink(100);
    const copied = copyOut(wire.session, 'COPY …', sink);
    let settled = false;
    const watched = copied.catch((error: unknown) => {
      settled = true;
      return error;
    });
    await wire.send(
      Buffer.concat([
        copyOf([Buffer.from('a\n')]),
        copyOutResponse,
        message('d', Buffer.from('b\n')),
        refusal,
      ]),
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    await wire.send(ready);
    const error = await watched;
    expect(error).toBeInstanceOf(ServerError);
    expect(error).toMatchObject({ code: '22012', message: 'division by zero', detail: 'of what' });
    expect(sink.copies).toEqual([{ rows: 1, end: 2 }]);
    expect(wire.destroyed).toBe(0);
  });

  it('gives the socket back to its former listeners, after success and after an error', async () => {
    const heard: string[] = [];
    wire.client.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
    const first = copyOut(wire.session, 'COPY …', new Sink(100));
    await wire.send(Buffer.concat([copyOf([Buffer.from('row')]), ready]));
    await first;
    await wire.send(Buffer.from('one'));
    const second = copyOut(wire.session, 'COPY …', new Sink(100)).catch(() => undefined);
    await wire.send(Buffer.concat([refusal, ready]));
    await second;
    await wire.send(Buffer.from('two'));
    await until(() => heard.length === 2);
    expect(heard).toEqual(['one', 'two']);
    expect(wire.client.listenerCount('data')).toBe(1);
  });

  it.each([
    ['before the first row', Buffer.alloc(0)],
    ['inside a header', Buffer.concat([copyOutResponse, Buffer.from([0x64, 0, 0])])],
    ['inside a row', Buffer.concat([copyOutResponse, message('d', Buffer.from('row')).subarray(0, 6)])],
    ['between rows', Buffer.concat([copyOutResponse, message('d', Buffer.from('row\n'))])],
    ['after the last row', copyOf([Buffer.from('row\n')])],
  ])('rejects when the connection ends %s', async (_where, bytes) => {
    const copied = copyOut(wire.session, 'COPY …', new Sink(100));
    const rejected = expect(copied).rejects.toThrow(/connection was lost/);
    if (bytes.length > 0) await wire.send(bytes);
    wire.far.destroy();
    await rejected;
  });

  it('rejects when the connection ends while the sink makes room', async () => {
    const asked = Promise.withResolvers<void>();
    const sink = new Sink(4, () => {
      asked.resolve();
      return new Promise(() => {});
    });
    const copied = copyOut(wire.session, 'COPY …', sink);
    const rejected = expect(copied).rejects.toThrow(/connection was lost/);
    await wire.send(copyOf([Buffer.from('1234'), Buffer.from('5678')]));
    await asked.promise;
    wire.client.destroy();
    await rejected;
  });

  it('says why the server ended the connection, when it did say', async () => {
    const copied = copyOut(wire.session, 'COPY …', new Sink(100));
    const rejected = expect(copied).rejects.toThrow(/terminating connection/);
    const farewell = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'));
    await wire.send(Buffer.concat([copyOutResponse, farewell]));
    wire.far.end();
    await rejected;
  });

  it('rejects at once when the connection is gone already', async () => {
    wire.far.destroy();
    await until(() => wire.client.destroyed);
    await expect(copyOut(wire.session, 'COPY …', new Sink(100))).rejects.toThrow(/connection was lost/);
  });

  it('ends the session when the sink fails, because the rest of the rows cannot be stopped', async () => {
    const sink = new Sink(4, () => Promise.reject(new Error('the storage is full')));
    const copied = copyOut(wire.session, 'COPY …', sink);
    const rejected = expect(copied).rejects.toThrow('the storage is full');
    await wire.send(copyOf([Buffer.from('1234'), Buffer.from('5678')]));
    await rejected;
    expect(wire.destroyed).toBe(1);
  });
});

describe('the COPY reader, with PostgreSQL', () => {
  let cluster: Cluster;
  let database: Database;
  beforeAll(async () => {
    cluster = await startCluster();
    database = await createDatabase(cluster);
    await database.run(`
      CREATE TABLE many AS SELECT i AS id, repeat(chr(97 + i % 26), i % 90) AS filler, i::numeric / 7 AS n
        FROM generate_series(1, 30000) AS i;
      CREATE TABLE odd (id int, b bytea, t text);
      INSERT INTO odd VALUES (1, '\\x000a0d5c', E'tab\\there\\nand \\\\.'), (2, NULL, ''), (3, '', NULL);
      CREATE TABLE wide AS SELECT i AS id, repeat(md5(i::text), 40000) AS big FROM generate_series(1, 6) AS i;
      CREATE TABLE empty (id int);
      CREATE TABLE bare ();
      INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES;`);
  });
  afterAll(async () => {
    await database?.close();
    await cluster?.stop();
  });

  it.each([
    ['many', 100_000],
    ['many', 1 << 22],
    ['odd', 64],
    ['wide', 1_000_000],
    ['wide', 5_000_000],
    ['empty', 64],
    ['bare', 64],
  ])('reads %s through a buffer of %i bytes as psql does', async (table, size) => {
    const psql = await runTool(`${cluster.binFolder}/psql`, ['-X', '-q', '-c', `COPY ${table} TO STDOUT`], {
      env: clientEnvironment(database.settings, process.env, () => ''),
      signal: new AbortController().signal,
    });
    const session = await database.open();
    const sink = new Sink(size);
    await copyOut(session, `COPY ${table} TO STDOUT`, sink);
    expect(sink.text.equals(Buffer.from(psql.stdout))).toBe(true);
    const [[count]] = (await database.rows(`SELECT count(*) FROM ${table}`)) as [[string]];
    expect(sink.copies).toEqual([{ rows: Number(count), end: sink.text.length }]);
    await session.close();
  });

  it('reads several statements in one round trip, each with its rows', async () => {
    const session = await database.open();
    const sink = new Sink(1000);
    await copyOut(
      session,
      'COPY odd TO STDOUT; COPY empty TO STDOUT; COPY bare TO STDOUT; COPY many TO STDOUT',
      sink,
    );
    expect(sink.copies.map((copy) => copy.rows)).toEqual([3, 0, 2, 30_000]);
    await session.close();
  });

  it('leaves a session that answers, after rows and after an error among them', async () => {
    const session = await database.open();
    const sink = new Sink(1000);
    const failing =
      'COPY odd TO STDOUT; COPY (SELECT 1 / (id - 20000) FROM many) TO STDOUT; COPY bare TO STDOUT';
    await expect(copyOut(session, failing, sink)).rejects.toThrow(ServerError);
    expect(sink.copies.map((copy) => copy.rows)).toEqual([3]);
    expect(await session.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const again = new Sink(1000);
    await copyOut(session, 'COPY odd TO STDOUT', again);
    expect(again.copies).toHaveLength(1);
    expect(await session.query('SELECT $1::text AS text', ['after'])).toEqual([{ text: 'after' }]);
    await session.close();
  });

  it('rejects when the server ends the session midway', async () => {
    const session = await database.open();
    const [row] = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const sink = new Sink(64, async () => {
      await database.rows('SELECT pg_terminate_backend($1)', [row?.pid]);
    });
    await expect(copyOut(session, 'COPY wide TO STDOUT', sink)).rejects.toThrow(
      /terminating connection|connection was lost/,
    );
    await expect(session.lost).rejects.toThrow();
  });

  it('rejects when the server ended the session between two COPYs', async () => {
    const session = await database.open();
    const [row] = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await copyOut(session, 'COPY odd TO STDOUT', new Sink(64));
    const admin = await connect(database.url);
    await admin.query('SELECT pg_terminate_backend($1)', [row?.pid]);
    await admin.end();
    await session.lost.catch(() => undefined);
    await until(() => session.stream.destroyed);
    await expect(copyOut(session, 'COPY odd TO STDOUT', new Sink(64))).rejects.toThrow(/connection was lost/);
  });
});
