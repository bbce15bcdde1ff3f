import { describe, expect, it } from 'vitest';
import { RefusalReader } from '../../../src/restorer/archive/refusal.ts';

function read(text: string): RefusalReader {
  const reader = new RefusalReader();
  for (const line of text.split('\n')) reader.read(line);
  reader.end();
  return reader;
}

const from = (id: number) =>
  `pg_restore: while PROCESSING TOC:\npg_restore: from TOC entry ${id}; 1259 16400 TABLE t owner\n`;

describe('the words of pg_restore', () => {
  it('tell which entries the server refused, and why, in its own language', () => {
    const { refusals, failure } = read(
      `${from(215)}pg_restore: error: could not execute query: FEHLER:  keine Berechtigung\nHINT:  Frag jemanden.\nCommand was: CREATE TABLE t ();\n\n\npg_restore: creating TABLE "u"\n` +
        `${from(216)}pg_restore: error: COPY failed for table "u": ERROR:  no\nsuch thing\nCONTEXT:  COPY u, line 1`,
    );
    expect(failure).toBeUndefined();
    expect(refusals).toEqual([
      { id: 215, concerns: 'object', message: 'keine Berechtigung', hint: 'Frag jemanden.' },
      { id: 216, concerns: 'object', message: 'no such thing', hint: undefined },
    ]);
  });

  it.each(['public.t OWNER TO x', 'public."odd; name" OWNER TO "a b"'])(
    'tell that only the owner was refused: %s',
    (what) => {
      const { refusals } = read(
        `${from(215)}pg_restore: error: could not execute query: ERROR:  must be member of role "x"\nCommand was: ALTER TABLE ${what};\n\n`,
      );
      expect(refusals).toMatchObject([{ id: 215, concerns: 'owner' }]);
    },
  );

  it('tell what the server does not have, which the entry comes without', () => {
    const { refusals } = read(
      `${from(215)}pg_restore: error: could not set default_tablespace to fast: ERROR:  invalid value for parameter "default_tablespace": "fast"`,
    );
    expect(refusals).toMatchObject([{ id: 215, concerns: 'setting', message: 'tablespace fast' }]);
    const newer = read(
      `${from(215)}pg_restore: error: could not set "default_tablespace" to elsewhere: ERROR:  invalid value for parameter "default_tablespace": "elsewhere"`,
    );
    expect(newer.refusals).toMatchObject([{ concerns: 'setting', message: 'tablespace elsewhere' }]);
    const method = read(
      `${from(215)}pg_restore: error: could not set default_table_access_method: ERROR:  invalid value for parameter "default_table_access_method": "heap2"\nDETAIL:  Table access method "heap2" does not exist.`,
    );
    expect(method.refusals).toMatchObject([{ concerns: 'setting', message: 'access method heap2' }]);
    const partitioned = read(
      `${from(215)}pg_restore: error: could not alter table access method: ERROR:  access method "heap2" does not exist\nCommand was: ALTER TABLE public.p SET ACCESS METHOD heap2;`,
    );
    expect(partitioned.refusals).toMatchObject([{ concerns: 'setting', message: 'access method heap2' }]);
  });

  it('say nothing of what pg_restore sets for itself and an older server does not know', () => {
    const { refusals, failure } = read(
      'pg_restore: while INITIALIZING:\npg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"\nCommand was: SET transaction_timeout = 0;',
    );
    expect({ refusals, failure }).toEqual({ refusals: [], failure: undefined });
  });

  it('that a statement holds are not its own, as far as they do not look the same', () => {
    const { refusals } = read(
      `${from(215)}pg_restore: error: could not execute query: ERROR:  no\nCommand was: CREATE FUNCTION f() AS $$\n  pg_restore: error: could not execute query: FATAL:  x\n$$`,
    );
    expect(refusals).toHaveLength(1);
  });

  it('that a statement holds are not its own where they are more than it has counted', () => {
    const quoted = ['FATAL:  x', 'ERROR:  y', 'server closed the connection unexpectedly'].map(
      (words) => `\npg_restore: error: could not execute query: ${words}`,
    );
    const { refusals, failure } = read(
      `${from(215)}pg_restore: error: could not execute query: ERROR:  no\nCommand was: COMMENT ON TABLE t IS 'a${quoted.join('')}';\n\n\n` +
        `pg_restore: warning: errors ignored on restore: 1`,
    );
    expect(failure).toBeUndefined();
    expect(refusals).toMatchObject([{ id: 215, message: 'no' }]);
  });

  it('count all where one entry has several errors', () => {
    const error = (words: string) =>
      `pg_restore: error: could not execute query: ERROR:  ${words}\nCommand was: ALTER TABLE t x;\n\n\n`;
    const { refusals } = read(
      `${from(215)}${error('one')}${error('two')}pg_restore: warning: errors ignored on restore: 2`,
    );
    expect(refusals.map(({ message }) => message)).toEqual(['one', 'two']);
  });

  it('quote no rows in a hint', () => {
    const { refusals } = read(
      `${from(215)}pg_restore: error: could not execute query: ERROR:  no\nDETAIL:  Failing row contains (a\nHINT:  b, SECRET).\nQUERY:  SELECT 1`,
    );
    expect(refusals).toMatchObject([{ message: 'no', hint: undefined }]);
  });

  it.each([
    [
      'a server that goes down',
      `${from(1)}pg_restore: error: could not execute query: FATAL:  terminating connection`,
    ],
    [
      'a lost connection',
      `${from(1)}pg_restore: error: could not execute query: server closed the connection unexpectedly`,
    ],
    ['no connection', 'pg_restore: error: connection to server failed'],
  ])('are no refusal when they are about %s', (_what, text) => {
    const { refusals, failure } = read(text);
    expect(refusals).toEqual([]);
    expect(failure).toBeDefined();
  });
});
