import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DecodedRow, readDecodedRows } from '../../../src/postgres/decoding/decoded-rows.ts';
import {
  type Change,
  type ColumnValue,
  parseChange,
  parseTables,
  readHead,
  unchanged,
} from '../../../src/postgres/decoding/test-decoding.ts';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { copyOut, type RowSink } from '../../../src/postgres/wire/copy-reader.ts';
import { IntegrityError } from '../../../src/runtime/errors.ts';
import { servers, type TestServer } from '../../restorer/servers.ts';

type RowChange = Extract<Change, { kind: 'insert' | 'update' | 'delete' }>;

async function* parts(...texts: (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function collect(text: AsyncIterable<Buffer>, encoding?: 'latin1'): Promise<DecodedRow[]> {
  let all: DecodedRow[] = [];
  for await (const rows of readDecodedRows(text, encoding)) all = all.concat(rows);
  return all;
}

/** Keeps all of a COPY. */
class WholeSink implements RowSink {
  buffer: Buffer = Buffer.alloc(1 << 16);
  length = 0;
  readonly chunks: Buffer[] = [];
  async flush(): Promise<void> {
    this.chunks.push(Buffer.from(this.buffer.subarray(0, this.length)));
    this.length = 0;
  }
  endCopy(): void {
    this.chunks.push(Buffer.from(this.buffer.subarray(0, this.length)));
    this.length = 0;
  }
}

function valuesOf(columns: readonly ColumnValue[] | undefined): Record<string, ColumnValue['value']> {
  return Object.fromEntries((columns ?? []).map(({ name, value }) => [name, value]));
}

describe.each(servers)('what PostgreSQL %i decodes', (_major, start) => {
  let server: TestServer;
  let url: string;
  let session: Session;
  let slot: string;

  beforeAll(async () => {
    server = await start();
    url = await server.createDatabase();
    session = await server.open(url);
    await applySettings(session, 'UTF8');
    slot = `${server.prefix}_slot`;
    await session.query('SELECT pg_create_logical_replication_slot($1, $2)', [slot, 'test_decoding']);
  });
  afterAll(async () => {
    await session?.query('SELECT pg_drop_replication_slot($1)', [slot]);
    await server?.[Symbol.asyncDispose]();
  });

  const database = () => new URL(url).pathname.slice(1);

  /** Runs SQL, and reads what it changed as a capture does. */
  async function decode(sql: string): Promise<Change[]> {
    await server.run(sql, database());
    const sink = new WholeSink();
    const options = `'include-xids', '1', 'include-timestamp', '1', 'skip-empty-xacts', '1'`;
    await copyOut(
      session,
      `COPY (SELECT lsn, xid, data FROM pg_logical_slot_get_changes('${slot}', NULL, NULL, ${options})) TO STDOUT`,
      sink,
    );
    const rows = await collect(parts(...sink.chunks));
    return rows.map(({ data, xid }) => {
      const change = parseChange(data);
      const head = readHead(data);
      expect(head.kind).toBe(change.kind);
      if ('table' in change && 'tables' in head) {
        expect(parseTables(head.tables)).toEqual([change.table]);
        expect(head.hasOld).toBe(change.kind === 'insert' || change.old !== undefined);
      }
      if ('xid' in change) expect(change.xid).toBe(xid);
      return change;
    });
  }

  async function decodeRows(sql: string): Promise<RowChange[]> {
    return (await decode(sql)).filter((change): change is RowChange => 'table' in change);
  }

  it('has a beginning, an end with its time, and every row between', async () => {
    await server.run('CREATE TABLE public.plain (id int PRIMARY KEY, name text)', database());
    const before = BigInt(Date.now()) * 1000n;
    const changes = await decode(
      `BEGIN; INSERT INTO public.plain VALUES (1, 'one'), (2, NULL);
       UPDATE public.plain SET name = 'zwei' WHERE id = 2; UPDATE public.plain SET id = 3 WHERE id = 2;
       DELETE FROM public.plain WHERE id = 1; COMMIT`,
    );
    const table = { schema: 'public', name: 'plain' };
    const row = (id: string, name: string | null) => [
      { name: 'id', value: id },
      { name: 'name', value: name },
    ];
    expect(changes.slice(1, -1)).toEqual([
      { kind: 'insert', table, row: row('1', 'one') },
      { kind: 'insert', table, row: row('2', null) },
      { kind: 'update', table, old: undefined, row: row('2', 'zwei') },
      { kind: 'update', table, old: [{ name: 'id', value: '2' }], row: row('3', 'zwei') },
      { kind: 'delete', table, old: [{ name: 'id', value: '1' }] },
    ]);
    const [begin, commit] = [changes[0], changes.at(-1)];
    if (begin?.kind !== 'begin' || commit?.kind !== 'commit') throw new Error('no transaction');
    expect(commit.xid).toBe(begin.xid);
    expect(commit.at).toBeGreaterThan(before - 60_000_000n);
    expect(commit.at).toBeLessThan(BigInt(Date.now()) * 1000n + 60_000_000n);
  });

  const nastyNames = [
    'plain',
    'Upper Case',
    'a.b',
    'quote"d',
    '""',
    "it's",
    'with ] and [',
    'a]:b',
    ': INSERT:',
    'new-tuple:',
    ' new-tuple: x[integer]:1',
    'a, b',
    'größe 🐘',
    'line\nbreak',
    'tab\tand \\ and \r',
    'select',
  ];

  it.each(nastyNames)('finds its way in the name %j', async (name) => {
    const quoted = `"${name.replaceAll('"', '""')}"`;
    const domain = `${quoted}.${quoted.slice(0, -1)}]: type"`;
    await server.run(
      `CREATE SCHEMA ${quoted}; CREATE DOMAIN ${domain} AS text;
       CREATE TABLE ${quoted}.${quoted} (${quoted} ${domain}, other ${domain}[], PRIMARY KEY (${quoted}))`,
      database(),
    );
    const values = nastyNames.map((value) => `('${value.replaceAll("'", "''")}')`);
    const changes = await decodeRows(
      `INSERT INTO ${quoted}.${quoted} VALUES ${values}; UPDATE ${quoted}.${quoted} SET ${quoted} = ${quoted} || '!';
       DELETE FROM ${quoted}.${quoted}`,
    );
    expect(changes.map(({ table }) => table)).toEqual(changes.map(() => ({ schema: name, name })));
    const value = nastyNames[0] ?? '';
    const count = nastyNames.length;
    expect(changes).toHaveLength(3 * count);
    expect(changes.slice(0, count).map((change) => change.kind === 'insert' && change.row[0])).toEqual(
      nastyNames.map((text) => ({ name, value: text })),
    );
    const update = changes[count];
    if (update?.kind !== 'update') throw new Error('no update');
    expect(update.old).toEqual([{ name, value }]);
    expect(update.row).toEqual([
      { name, value: `${value}!` },
      { name: 'other', value: null },
    ]);
    expect(changes.slice(2 * count).map((change) => change.kind === 'delete' && change.old)).toEqual(
      nastyNames.map((text) => [{ name, value: `${text}!` }]),
    );
    const truncates = await decode(`TRUNCATE ${quoted}.${quoted}`);
    expect(truncates[1]).toMatchObject({ kind: 'truncate', tables: [{ schema: name, name }] });
  });

  it('gives values as the input functions take them', async () => {
    await server.run(
      `CREATE TYPE public.mood AS ENUM ('so so', 'it''s fine', 'null');
       CREATE TYPE public.pair AS (a int, "b c" text);
       CREATE DOMAIN public.positive AS int CHECK (VALUE > 0);
       CREATE TABLE public.kinds (
         id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, i2 int2, i8 int8, o oid, n numeric, f4 float4, f8 float8, b bool, bits bit(3),
         vb varbit, t text, vc varchar(9), c char(5), ch "char", nm name, by bytea, j json, jb jsonb, x xml, u uuid, m money,
         ts timestamp, tz timestamptz, d date, ti time, tt timetz, iv interval, r int4range, tr tstzrange, mr nummultirange,
         ip inet, mac macaddr, pt point, ta text[], ma int[][], pa public.pair[], e public.mood, ea public.mood[], p public.pair,
         po public.positive, rc regclass, tv tsvector, dbl int GENERATED ALWAYS AS (i2 * 2) STORED)`,
      database(),
    );
    await server.run('CREATE TABLE public.again (LIKE public.kinds INCLUDING ALL)', database());
    const rows = [
      [
        `-32768, 9223372036854775807, 4294967295, 'NaN', 'NaN', '-Infinity', true, B'101', B'', 'it''s', 'null', 'ab', 'x', 'n', '\\x00ff27'`,
        `'{"a": [1, "]:"]}', '{"b": "\\"x\\" ''y''"}', '<a b="c"/>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '-1234.5'`,
        `'infinity', '2026-01-02 03:04:05.678901+05', '0044-03-15 BC', '24:00', '04:05:06.7+08:30', '-1 year 2 mons -3 days 04:05:06.000007'`,
        `'[1,5)', '(,2026-01-01]', '{[1,2],(3,)}', '10.0.0.1/8', '08:00:2b:01:02:03', '(1,2)', '{"a,b",NULL,"null","it''s \\\\ \\"q\\""}'`,
        `'{{1,2},{3,4}}', ARRAY[ROW(1, 'x y')::public.pair, NULL], 'it''s fine', '{"so so",null}', ROW(NULL, 'a]: "b"')`,
        `7, 'pg_class', 'a:1 ''it''''s'':2'`,
      ],
      [
        `0, -1, 0, '-123456789012345678901234567890.000001', '1e-30', '1.7976931348623157e308', false, NULL, B'1', '', E'a\\nb\\tc\\\\d\\re', '', '', NULL, ''`,
        `'null', 'null', NULL, NULL, NULL, NULL, '-infinity', NULL, NULL, NULL, '0'`,
        `'empty', NULL, '{}', '::1', NULL, NULL, '{}', '{}', '{}', 'null', NULL, NULL, NULL, NULL, ''`,
      ],
      [Array.from({ length: 41 }, () => 'NULL').join(', ')],
    ];
    const names = await server.rows(
      `SELECT attname FROM pg_attribute WHERE attrelid = 'public.kinds'::regclass AND attnum BETWEEN 2 AND 42 ORDER BY attnum`,
      database(),
    );
    const changes = await decodeRows(
      rows
        .map((row) => `INSERT INTO public.kinds (${names.join(', ')}) VALUES (${row.join(', ')})`)
        .join('; '),
    );
    expect(changes).toHaveLength(rows.length);
    for (const change of changes) {
      if (change.kind !== 'insert') throw new Error('no insert');
      const row = change.row.filter(({ name }) => name !== 'dbl');
      await session.query(
        `INSERT INTO public.again (${row.map(({ name }) => `"${name}"`).join(', ')}) OVERRIDING SYSTEM VALUE
         VALUES (${row.map((_, index) => `$${index + 1}`).join(', ')})`,
        row.map(({ value }) => value),
      );
    }
    const texts = (table: string) =>
      server.rows(`SELECT t::text FROM public.${table} AS t ORDER BY id`, database());
    expect(await texts('again')).toEqual(await texts('kinds'));
    await decode('SELECT 1');
  });

  it('tells a value that was stored out of line and is the same from one that is null', async () => {
    await server.run(
      'CREATE TABLE public.wide (id int PRIMARY KEY, big text, small text); ALTER TABLE public.wide ALTER big SET STORAGE EXTERNAL',
      database(),
    );
    const [insert, update] = await decodeRows(
      `INSERT INTO public.wide VALUES (1, repeat('x''y', 3000), NULL); UPDATE public.wide SET small = 'unchanged-toast-datum'`,
    );
    expect(insert?.kind === 'insert' && valuesOf(insert.row)).toEqual({
      id: '1',
      big: "x'y".repeat(3000),
      small: null,
    });
    expect(update?.kind === 'update' && valuesOf(update.row)).toEqual({
      id: '1',
      big: unchanged,
      small: 'unchanged-toast-datum',
    });
  });

  it('tells what is known of the row as it was', async () => {
    await server.run(
      `CREATE TABLE public.whole (id int, a text, b json); ALTER TABLE public.whole REPLICA IDENTITY FULL;
       CREATE TABLE public.by_index (id int, code text NOT NULL UNIQUE); ALTER TABLE public.by_index REPLICA IDENTITY USING INDEX by_index_code_key;
       CREATE TABLE public.nothing (id int PRIMARY KEY); ALTER TABLE public.nothing REPLICA IDENTITY NOTHING;
       CREATE TABLE public.keyless (id int)`,
      database(),
    );
    const olds = (changes: RowChange[]) =>
      changes.map((change) =>
        change.kind === 'insert' ? 'insert' : change.old === undefined ? undefined : valuesOf(change.old),
      );
    const work = (table: string, set: string) =>
      decodeRows(
        `INSERT INTO public.${table} VALUES (1); UPDATE public.${table} SET ${set}; DELETE FROM public.${table}`,
      );
    expect(olds(await work('whole', 'id = NULL'))).toEqual(['insert', { id: '1' }, {}]);
    expect(olds(await work('nothing', 'id = 2'))).toEqual(['insert', undefined, undefined]);
    expect(olds(await work('keyless', 'id = 2'))).toEqual(['insert', undefined, undefined]);
    expect(
      olds(
        await decodeRows(
          `INSERT INTO public.by_index VALUES (1, 'a'); UPDATE public.by_index SET id = 2; UPDATE public.by_index SET code = 'b';
           DELETE FROM public.by_index`,
        ),
      ),
    ).toEqual(['insert', undefined, { code: 'a' }, { code: 'b' }]);
  });

  it('reads rows without columns, rows that move between partitions, and several tables emptied at once', async () => {
    await server.run(
      `CREATE TABLE public.bare (); ALTER TABLE public.bare REPLICA IDENTITY FULL;
       CREATE TABLE public.parted (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
       CREATE TABLE public."part.1" PARTITION OF public.parted FOR VALUES IN (1);
       CREATE TABLE public.part2 PARTITION OF public.parted FOR VALUES IN (2);
       CREATE TABLE public.numbered (id serial)`,
      database(),
    );
    const bare = await decodeRows('INSERT INTO public.bare DEFAULT VALUES; DELETE FROM public.bare');
    expect(bare.map(({ kind }) => kind)).toEqual(['insert', 'delete']);
    expect(bare[0]).toMatchObject({ row: [] });
    const moved = await decodeRows(
      'INSERT INTO public.parted VALUES (1, 1); UPDATE public.parted SET part = 2',
    );
    expect(moved.map(({ kind, table }) => [kind, table.name])).toEqual([
      ['insert', 'part.1'],
      ['delete', 'part.1'],
      ['insert', 'part2'],
    ]);
    const emptied = (await decode('TRUNCATE public.parted, public.numbered RESTART IDENTITY CASCADE'))[1];
    expect(emptied).toMatchObject({ kind: 'truncate', restartSequences: true, cascade: true });
    expect(emptied?.kind === 'truncate' && emptied.tables.map(({ name }) => name).sort()).toEqual([
      'numbered',
      'part.1',
      'part2',
      'parted',
    ]);
    const plain = (await decode('TRUNCATE public.numbered'))[1];
    expect(plain).toMatchObject({ kind: 'truncate', restartSequences: false, cascade: false });
  });

  it('passes over messages', async () => {
    const kinds = (
      await decode(
        `SELECT pg_logical_emit_message(true, 'a, sz: 1 content:', 'x'), pg_logical_emit_message(false, '', E'a\nb')`,
      )
    ).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'message')).toHaveLength(2);
  });
});

describe('a text that test_decoding did not write', () => {
  it.each([
    '',
    'BEGIN',
    'BEGIN x',
    'COMMIT 7',
    'COMMIT 7 (at yesterday)',
    'table public.t',
    'table t: INSERT: a[integer]:1',
    'table public.t: MERGE: a[integer]:1',
    'table public.t: INSERT: a[integer]:1 ',
    'table public.t: INSERT: a[integer]:',
    'table public.t: INSERT: a[integer]:one',
    "table public.t: INSERT: a[text]:'one",
    "table public.t: INSERT: a[text]:'one'two'",
    'table public.t: INSERT: a[integer]1',
    'table public.t: INSERT: "a[integer]:1',
    'table public.t: INSERT: a[integer:1',
    'table public.t: INSERT: a[integer]:1 new-tuple: a[integer]:1',
    'table public.t: UPDATE: old-key: a[integer]:1',
    'table public.t: TRUNCATE: maybe',
    'table public.t, public.u: DELETE: (no-tuple-data)',
    'message: transactional: 2 prefix: x, sz: 1 content:x',
  ])('is an error: %j', (data) => {
    expect(() => parseChange(data)).toThrow(IntegrityError);
  });

  it('is never shown beyond the name of the table', () => {
    const message = (data: string) => {
      try {
        parseChange(data);
      } catch (error) {
        return (error as Error).message;
      }
      throw new Error('it was taken');
    };
    expect(message('table public.t: INSERT: password[text]:secret')).toBe(
      'a change is in an unknown format: "table public.t…"',
    );
    expect(message(`password: 'secret' and more`)).not.toContain('secret');
    expect(message('table "a secret: INSERT')).not.toContain('INSERT');
  });

  it('is an error or a change, and never takes long', () => {
    const words = [
      ...[
        'table ',
        'public.t',
        '"',
        "'",
        ': INSERT:',
        ': UPDATE:',
        ' old-key:',
        ' new-tuple:',
        ' a[integer]:',
        '[',
        ']',
      ],
      ...[
        ':',
        ' ',
        'null',
        '1',
        ' (no-tuple-data)',
        'COMMIT ',
        'BEGIN ',
        ', ',
        '.',
        'message: transactional: 1 prefix: ',
        '\\',
        '\n',
      ],
    ];
    const piece = fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 5 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          parseChange(pieces.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(IntegrityError);
        }
      }),
      { numRuns: 3000 },
    );
    const start = performance.now();
    for (const text of [
      "table public.t: INSERT: a[text]:'",
      'table "',
      'message: transactional: 1 prefix: ',
      '',
    ]) {
      for (const filler of ["''", '""', ', sz: 1', ' ', '1', '[]', '(']) {
        expect(() => parseChange(text + filler.repeat(200_000))).toThrow(IntegrityError);
      }
    }
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('the text of a segment', () => {
  const rows = [
    { lsn: '0/1A', xid: 740, data: 'BEGIN 740' },
    { lsn: 'FF/2B', xid: 740, data: "table public.t: INSERT: a[text]:'tab\tline\nback\\slash\r größe 🐘'" },
    { lsn: '0/0', xid: 4294967295, data: '' },
  ];
  const escapeData = (data: string) =>
    data.replace(/[\\\t\n\r]/g, (found) => ({ '\\': '\\\\', '\t': '\\t', '\n': '\\n' })[found] ?? '\\r');
  const text = Buffer.from(
    rows.map(({ lsn, xid, data }) => `${lsn}\t${xid}\t${escapeData(data)}\n`).join(''),
  );

  it('is the same rows wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 6 }), async (cuts) => {
        const places = [0, ...cuts.sort((one, other) => one - other), text.length];
        const pieces = places.slice(1).map((place, index) => text.subarray(places[index], place));
        expect(await collect(parts(...pieces))).toEqual(rows.map((row) => ({ ...row, long: [] })));
      }),
    );
  });

  it('may have rows longer than a block, and many of them', async () => {
    const long = `0/1\t5\t${'x'.repeat(3_000_000)}\n`;
    const short = '0/2\t6\ty\n'.repeat(300_000);
    const found = await collect(parts(long + short, long));
    expect(found).toHaveLength(300_002);
    expect([found[0]?.data.length, found.at(-1)?.data.length]).toEqual([3_000_000, 3_000_000]);
  });

  it.each([1, 7_000_003, 100_000_000])(
    'has values that are too long for a string as bytes, in pieces of %i',
    { timeout: 60_000 },
    async (size) => {
      const value = Buffer.from(`it's "one"; b\\n\n\t${'é'.repeat(40)}`.repeat(size === 1 ? 2 : 700_000));
      const sql = value.toString().replaceAll("'", "''");
      const data = `table public."a 'b": UPDATE: old-key: "o""'"[text]:'short' new-tuple: a["t'"]:'${sql}' b[text]:null c[text]:'${sql}' d[text]:'\0'`;
      const whole = Buffer.from(`0/1\t5\t${escapeData(data)}\n0/2\t6\ty\n`);
      const pieces: Buffer[] = [];
      for (let at = 0; at < whole.length; at += size) pieces.push(whole.subarray(at, at + size));
      const found = await collect(parts(...pieces));
      const [row, next] = found;
      expect([row?.lsn, row?.xid, row?.long.length, next?.data]).toEqual(['0/1', 5, size === 1 ? 0 : 2, 'y']);
      const change = parseChange(row?.data ?? '', row?.long);
      if (change.kind !== 'update') throw new Error('no update');
      expect(valuesOf(change.old)).toEqual({ 'o"\'': 'short' });
      const { a, b, c, d } = valuesOf(change.row);
      expect([b, d]).toEqual([null, '\0']);
      for (const got of [a, c]) expect(value.equals(Buffer.from(got as string | Buffer))).toBe(true);
    },
  );

  it('with a quote that nothing closes in a long row is an error', async () => {
    const row = Buffer.from(`0/1\t5\ttable public.t: INSERT: a[text]:'${'x'.repeat(70_000_000)}\n`);
    await expect(collect(parts(row))).rejects.toThrow(IntegrityError);
  });

  it('keeps every byte where its encoding is not known', async () => {
    const [found] = await collect(parts(Buffer.from('0/1\t5\t\xff\xfe\n', 'latin1')), 'latin1');
    expect(found?.data).toBe('\xff\xfe');
  });

  it.each(['0/1\t5\tx', '0/1\t5\n', 'x\t5\tx\n', '0/1\tfive\tx\n', '0/1\t5\t\\N\n', '0/1\n5\tx\n'])(
    'is an error: %j',
    async (damaged) => {
      await expect(collect(parts(damaged))).rejects.toThrow(IntegrityError);
    },
  );
});
