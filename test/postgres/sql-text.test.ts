import { describe, expect, it } from 'vitest';
import { putOnOneLine } from '../../src/postgres/sql-text.ts';

describe('a statement on one line', () => {
  it.each([
    ['CREATE INDEX x\n    ON t  (a);\n', 'CREATE INDEX x ON t (a);'],
    [`WHERE v <> 'p  q'  AND  w = ''`, `WHERE v <> 'p  q' AND w = ''`],
    [`ON "m  v"  ("a  ""b")`, `ON "m  v" ("a  ""b")`],
    [`E'it\\'s  \\\\'  ||  'a''  b'`, `E'it\\'s  \\\\' || 'a''  b'`],
    ['AS $$ a  $ b $$  || $x$ c  $$ $x$  ;', 'AS $$ a  $ b $$ || $x$ c  $$ $x$ ;'],
    [`name'  `, `name'`],
  ])('keeps what stands in quotes: %s', (sql, line) => {
    expect(putOnOneLine(sql)).toBe(line);
  });
});
