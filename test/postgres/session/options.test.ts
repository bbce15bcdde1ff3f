import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../../src/postgres/session/options.ts';

describe('options of a connection', () => {
  it.each([
    ['', []],
    ['-c geqo=off', [['geqo', 'off']]],
    [
      '-cgeqo=off --statement-timeout=5min',
      [
        ['geqo', 'off'],
        ['statement_timeout', '5min'],
      ],
    ],
    [String.raw`-c search_path=a,\ b\\c`, [['search_path', String.raw`a, b\c`]]],
    [
      '-c app.key=a=b  -c x.y=',
      [
        ['app.key', 'a=b'],
        ['x.y', ''],
      ],
    ],
  ])('%s is read as the server reads it', (text, expected) => {
    expect(parseOptions(text)).toEqual(expected.map(([name, value]) => ({ name, value })));
  });

  it.each(['-d 5', 'geqo=off', '-c', '-c geqo', '--geqo', '-B 32 -c geqo=off'])(
    '%s is something else, which only the server takes',
    (text) => {
      expect(parseOptions(text)).toBeUndefined();
    },
  );
});
