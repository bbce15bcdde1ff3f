import { describe, expect, it } from 'vitest';
import type { Definition } from '../../../src/format/supplement.ts';
import { matchDescriptions, versionOf } from '../../../src/postgres/catalog/description.ts';

const line = (overrides: Partial<Definition>): Definition => ({
  ...{ kind: 'table', schema: null, relation: null, name: '', detail: '' },
  ...overrides,
});

const itself = (version: number, major?: number): Definition[] => [
  line({ kind: 'description', detail: String(version) }),
  ...(major === undefined ? [] : [line({ kind: 'description', name: 'server', detail: String(major) })]),
];

const kindsOf = (lines: readonly Definition[]) => lines.map(({ kind }) => kind);

const everything = [
  line({ kind: 'table', schema: 'app', name: 't' }),
  line({ kind: 'rights', name: 'type x to PUBLIC' }),
  line({ kind: 'rights', name: 'type x to pg_monitor' }),
  line({ kind: 'language details', name: 'talk' }),
  line({ kind: 'owner grant', name: 'schema app' }),
  line({ kind: 'maintain', schema: 'app', relation: 't' }),
  line({ kind: 'not null constraint', schema: 'app', relation: 't' }),
];

describe('two descriptions', () => {
  it.each([
    ['no version', [], ['table']],
    ['the second version', itself(2), ['table', 'rights']],
    ['a server of 15', itself(3, 15), ['table', 'rights', 'rights', 'language details', 'owner grant']],
    [
      'a server of 17',
      itself(3, 17),
      ['table', 'rights', 'rights', 'language details', 'owner grant', 'maintain'],
    ],
    ['a server of 18', itself(3, 18), kindsOf(everything)],
  ])('are compared in what one of %s can tell', (_what, old, kinds) => {
    const { expected, found } = matchDescriptions(old, [...itself(3, 18), ...everything]);
    expect(expected).toEqual([]);
    expect(kindsOf(found)).toEqual(kinds);
  });

  it('have a version, also where it is not said', () => {
    expect([versionOf([]), versionOf(itself(2)), versionOf([...itself(3, 15), ...everything])]).toEqual([
      1, 2, 3,
    ]);
  });

  it('differ in how a subscription streams where nothing said means the same to both', () => {
    const subscribed = (how: string) =>
      line({ kind: 'subscription details', name: 's', detail: `connection x; streaming ${how}; binary` });
    const match = (from: number, want: string, to: number, have: string) => {
      const { expected, found } = matchDescriptions(
        [...itself(3, from), subscribed(want)],
        [...itself(3, to), subscribed(have)],
      );
      return expected[0]?.detail === found[0]?.detail;
    };
    expect([
      match(15, 'off', 17, 'on'),
      match(18, 'off', 18, 'parallel'),
      match(17, 'on', 18, 'parallel'),
    ]).toEqual([false, false, false]);
    expect([
      match(15, 'off', 18, 'parallel'),
      match(15, 'off', 18, 'off'),
      match(15, 'on', 18, 'on'),
    ]).toEqual([true, true, true]);
  });

  it('are compared without what older ones told and pg_dump does not write', () => {
    const key = (relation: string, name: string, columns = 'k') =>
      line({
        kind: 'constraint',
        schema: 'app',
        relation,
        name,
        detail: `FOREIGN KEY (${columns}) REFERENCES app.x(id)`,
      });
    const told = [
      line({ kind: 'type', schema: 'app', name: 'Mood' }),
      line({ kind: 'table', schema: 'app', name: 'parts', detail: 'permanent' }),
      line({
        kind: 'table',
        schema: 'app',
        name: 'a b',
        detail: 'permanent; partition of app.parts FOR VALUES IN (1)',
      }),
      line({
        kind: 'table',
        schema: 'app',
        name: 'leaf',
        detail: 'permanent; partition of app."a b" DEFAULT',
      }),
      line({ kind: 'comment', schema: 'app', name: 'type app."Mood"', detail: 'a' }),
      key('parts', 'to_x'),
      key('leaf', 'other', 'id'),
    ];
    const passed = [
      line({ kind: 'comment', schema: 'app', name: 'type app.parts', detail: 'a' }),
      line({ kind: 'comment', schema: 'app', name: 'type app."Mood"[]', detail: 'a' }),
      key('a b', 'again'),
      key('leaf', 'again'),
    ];
    expect(matchDescriptions([...itself(2), ...told, ...passed], []).expected).toEqual(told);
    expect(matchDescriptions([...itself(3, 15), ...told, ...passed], []).expected).toEqual([
      ...told,
      ...passed,
    ]);
  });
});
