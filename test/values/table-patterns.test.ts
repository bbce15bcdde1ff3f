import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePatterns } from '../../src/interface/inputs/database-values.ts';
import { compilePattern, createSelection, writePattern } from '../../src/values/table-patterns.ts';

const table = (qualified: string) => {
  const [schema = '', name = ''] = qualified.split('|');
  return { schema, name };
};

function matches(pattern: string, qualified: string): boolean {
  return createSelection([pattern], [])(table(qualified));
}

describe('a pattern', () => {
  it.each([
    ['*', 'any|thing'],
    ['*', 'two\nlines|two\nlines'],
    ['public.orders', 'public|orders'],
    ['orders', 'public|orders'],
    ['public.*', 'public|orders'],
    ['public.*', 'public|with.dot'],
    ['*.orders', 'sales|orders'],
    ['public.order*', 'public|orders'],
    ['public.*ers', 'public|orders'],
    ['public.o*r*s', 'public|orders'],
    ['pub*.*', 'publishing|x'],
    ['*.*', 'a|b'],
    ['public.2024_logs', 'public|2024_logs'],
    ['2024_logs', 'public|2024_logs'],
    ['7.7', '7|7'],
    ['Public.Orders', 'Public|Orders'],
    ['"public"."with.dot"', 'public|with.dot'],
    ['public."with*star"', 'public|with*star'],
    ['public."with""quote"', 'public|with"quote'],
    ['"a.b".*', 'a.b|x'],
    ['public.a+b(c)[d]{e}^$|f?\\', 'public|a+b(c)[d]{e}^$|f?\\'.replace('|f', '|f')],
    ['public.*', 'public|two\nlines'],
    ['public.two words', 'public|two words'],
    ['public.audit.log', 'public|audit.log'],
    ['public.audit.log', 'public.audit|log'],
    ['v1.2.t', 'v1.2|t'],
    ['v1.2.*', 'v1.2|anything'],
    ['"v1.2".t.u', 'v1.2|t.u'],
    ['v1.2."t.u"', 'v1.2|t.u'],
  ])('%s means %j', (pattern, qualified) => {
    const at = qualified.indexOf('|');
    const meant = { schema: qualified.slice(0, at), name: qualified.slice(at + 1) };
    expect(createSelection([pattern], [])(meant)).toBe(true);
  });

  it.each([
    ['public.orders', 'public|orders2'],
    ['public.orders', 'xpublic|orders'],
    ['public.orders', 'public|Orders'],
    ['orders', 'sales|orders'],
    ['public.*', 'publicity|orders'],
    ['public.*', 'sales|public.orders'],
    ['public."a.b"', 'public.a|b'],
    ['"v1.2".t', 'v1|2.t'],
    ['pub*', 'publishing|x'],
    ['"*".x', 'public|x'],
    ['public."o*"', 'public|orders'],
    ['public.ord.rs', 'public|orders'],
    ['public.or?ers', 'public|orders'],
  ])('%s does not mean %s', (pattern, qualified) => {
    let meant: boolean;
    try {
      meant = matches(pattern, qualified);
    } catch {
      meant = false; // refused, which is as good
    }
    expect(meant).toBe(false);
  });

  it.each(['', '.', 'a..b', '.a', 'a.', '"a', 'a"b".c', '"a"b', 'public.', '"a"."b"."c"', '"a".b."c"'])(
    'is refused when it is none: %j',
    (pattern) => {
      expect(() => compilePattern(pattern)).toThrow(/not a pattern/);
    },
  );

  it('in quotes means exactly the table of that name, whatever the name', () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
      .filter((text) => !text.includes('\0'));
    const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(name, name, name, (schema, one, other) => {
        const selection = createSelection([`${quote(schema)}.${quote(one)}`], []);
        expect(selection({ schema, name: one })).toBe(true);
        expect(selection({ schema, name: other })).toBe(one === other);
        expect(selection({ schema: other, name: one })).toBe(schema === other);
      }),
    );
  });

  it('without quotes means the table of that name, whatever plain characters it has', () => {
    const name = fc.stringMatching(/^[^".*\0]{1,12}$/u);
    fc.assert(
      fc.property(name, name, (schema, one) => {
        expect(createSelection([`${schema}.${one}`], [])({ schema, name: one })).toBe(true);
      }),
    );
  });
});

describe('a name', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((text) => !text.includes('\0'));

  it.each([
    ['public', 'orders', 'public.orders'],
    ['public', 'audit.log', 'public."audit.log"'],
    ['v1.2', 'T', '"v1.2".T'],
    ['public', 'two words', 'public.two words'],
    ['public', 'it"s, *', 'public."it""s, *"'],
  ])('of %s and %s is written as %s', (schema, table, written) => {
    expect(writePattern({ schema, name: table })).toBe(written);
  });

  it('is written so that it means the table and no other, in a list as well', () => {
    fc.assert(
      fc.property(name, name, name, name, (schema, one, elsewhere, other) => {
        const tables = [
          { schema, name: one },
          { schema: elsewhere, name: other },
        ];
        const read = parsePatterns(tables.map(writePattern).join(','));
        expect(read).toHaveLength(2);
        const selection = createSelection(read.slice(0, 1), []);
        expect(tables.map(selection)).toEqual([true, schema === elsewhere && one === other]);
      }),
    );
  });
});

describe('include and exclude', () => {
  const tables = ['public|a', 'public|b', 'audit|a', 'audit|log'].map(table);
  const chosen = (include: string[], exclude: string[]) =>
    tables.filter(createSelection(include, exclude)).map(({ schema, name }) => `${schema}.${name}`);

  it('leave everything in when both are empty', () => {
    expect(chosen([], [])).toHaveLength(4);
  });

  it('take what any include means', () => {
    expect(chosen(['public.*', 'audit.log'], [])).toEqual(['public.a', 'public.b', 'audit.log']);
  });

  it('let exclude win', () => {
    expect(chosen(['public.*', 'audit.*'], ['*.a'])).toEqual(['public.b', 'audit.log']);
    expect(chosen([], ['*'])).toEqual([]);
  });
});
