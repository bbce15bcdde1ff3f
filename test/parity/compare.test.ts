import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Answer, Definition, Privilege, Role } from '../../src/format/supplement.ts';
import { compareAnswers, compareFreshness } from '../../src/parity/answers.ts';
import { compareDefinitions } from '../../src/parity/definitions.ts';
import type { DefinitionContext } from '../../src/parity/explanations.ts';
import { compareGlobals } from '../../src/parity/globals.ts';
import { collectKnownDifferences, collectRestored, tellLosses } from '../../src/parity/known-differences.ts';
import { compareObjects } from '../../src/parity/objects.ts';
import { comparePrivileges } from '../../src/parity/privileges.ts';
import type { ParityScope } from '../../src/parity/scope.ts';
import type { OmissionSubject } from '../../src/parity/subject.ts';
import type { ArchiveEntry } from '../../src/postgres/client/table-of-contents.ts';
import { redactDefinition } from '../../src/report/redact.ts';
import { makeManifest } from '../repository/example.ts';
import { leave, makeLine, makeScope, makeSupplement } from './example.ts';

const define = (overrides: Partial<Definition> = {}): Definition => ({
  kind: 'policy',
  schema: 'public',
  relation: 'todos',
  name: 'own',
  detail: 'permissive for all to public using (true)',
  ...overrides,
});

const entry = (kind: string, name: string, overrides: Partial<ArchiveEntry> = {}): ArchiveEntry => ({
  id: 1,
  catalogOid: 0,
  oid: 0,
  kind,
  schema: 'public',
  name,
  owner: 'postgres',
  needs: [],
  ...overrides,
});

const restoring = (...entries: ArchiveEntry[]): ParityScope['selection'] => ({
  entries,
  tables: new Set(),
  leftOut: [],
  definitionsOnly: [],
});

function context(overrides: Partial<ParityScope> = {}): DefinitionContext {
  const scope = makeScope(overrides);
  return {
    scope,
    known: collectKnownDifferences(scope, { notCarried: [] }),
    isRestored: collectRestored(scope.selection),
    schemas: new Set(['public', 'auth']),
    withRows: true,
    major: 15,
    present: new Set(['public', 'auth']),
  };
}

const project = (overrides: Partial<ParityScope> = {}) =>
  context({ kind: 'supabase-project', managed: new Set(['auth', 'storage']), ...overrides });

describe('definitions', () => {
  const compare = (expected: Definition[], found: Definition[], within = context()) =>
    compareDefinitions(expected, found, within).map(({ what, expected, found, status, why }) => ({
      what,
      expected,
      found,
      status,
      ...(why === undefined ? {} : { why }),
    }));
  const statuses = (expected: Definition[], found: Definition[], within = context()) =>
    compare(expected, found, within).map(({ status, why }) =>
      why === undefined ? status : `${status}: ${why}`,
    );

  it('are equal when kind, place, name and detail are, in any order', () => {
    const other = define({ name: 'other' });
    expect(statuses([define(), other], [other, define()])).toEqual(['equal', 'equal']);
  });

  it('differ by their detail, when one is gone, and when one is new', () => {
    expect(compare([define({ detail: 'a' })], [define({ detail: 'b' })])).toEqual([
      { what: 'public.todos own', expected: 'a', found: 'b', status: 'different' },
    ]);
    expect(compare([define({ detail: 'a' })], [])).toMatchObject([{ found: 'nothing', status: 'different' }]);
    expect(compare([], [define({ detail: 'a' })])).toMatchObject([
      { expected: 'nothing', status: 'different' },
    ]);
  });

  it('of one name are compared together', () => {
    const cast = (detail: string) =>
      define({ kind: 'cast', schema: null, relation: null, name: 'a AS b', detail });
    expect(statuses([cast('x'), cast('y')], [cast('y'), cast('x')])).toEqual(['equal']);
    expect(statuses([cast('x'), cast('y')], [cast('x')])).toEqual(['different']);
  });

  it('of which an older version kept the digest count within one major only', () => {
    const view = (detail: string) => define({ kind: 'view', relation: null, name: 'v', detail });
    const text = ' SELECT 1 AS a;';
    const digest = createHash('sha256').update(text).digest('hex');
    const [now, other] = [text, ' SELECT 2 AS a;'].map((query) =>
      view(`with security_invoker=true; definition \u0002${query}\u0003`),
    ) as [Definition, Definition];
    const kept = (major: number) => view(`with security_invoker=true; definition ${digest} of ${major}`);
    expect(statuses([kept(15)], [now])).toEqual(['equal']);
    expect(statuses([kept(15)], [other])).toEqual(['different']);
    expect(statuses([kept(14)], [other])).toEqual(['equal']);
    expect(statuses([view(`definition ${digest} of 14`)], [other])).toEqual(['different']);
  });

  it('without marks are the same as with them', () => {
    const [old, now] = [define({ detail: 'using (true)' }), define({ detail: 'using (\u0002true\u0003)' })];
    expect(compare([old], [now])).toMatchObject([
      { expected: 'using (true)', found: 'using (true)', status: 'equal' },
    ]);
  });

  it('of a materialized view differ in its being populated where the backup has rows', () => {
    const view = (detail: string) => define({ kind: 'materialized view', relation: null, name: 'v', detail });
    const [full, empty] = [view('columns a; populated; x'), view('columns a; not populated; x')];
    expect(statuses([full], [empty])).toEqual(['different']);
    const without = { ...context(), withRows: false };
    expect(statuses([full], [empty], without)).toEqual(['equal']);
    expect(statuses([full], [view('columns b; not populated; x')], without)).toEqual(['different']);
  });

  it.each<[string, Partial<Definition>, string]>([
    ['itself', {}, 'policy public.todos own'],
    ['its relation', {}, 'table public.todos'],
    ['its schema', {}, 'schema public'],
    ['a constraint by its kind', { kind: 'constraint', name: 'fk' }, 'fk constraint public.todos fk'],
    ['row security', { kind: 'row level security', name: '' }, 'row security public.todos'],
    ['a function', { kind: 'function', relation: null, name: 'f(integer)' }, 'function public.f(integer)'],
    ['the owner of a function', { kind: 'owner', relation: null, name: 'f()' }, 'function public.f()'],
    ['the comment on its relation by its entry', { kind: 'comment', name: '' }, 'comment public.TABLE todos'],
    ['the comment on a column', { kind: 'comment', name: 'id' }, 'comment public.COLUMN todos.id'],
    ['a grant by its entry', { kind: 'grant', name: 'reader' }, 'acl public.TABLE todos'],
    ['a grant to pass on', { kind: 'grant option', name: 'id to anon' }, 'acl public.TABLE todos'],
    [
      'a grant on a function',
      { kind: 'grant', relation: null, name: 'f(integer) to "Reader"' },
      'acl public.FUNCTION f(integer)',
    ],
    [
      'a grant on a schema',
      { kind: 'grant', schema: null, relation: null, name: 'schema app to reader' },
      'acl SCHEMA app',
    ],
    [
      'the comment on a trigger',
      { kind: 'comment', name: 'trigger on insert' },
      'comment public.TRIGGER on insert ON todos',
    ],
    [
      'the comment on a constraint',
      { kind: 'comment', name: 'table constraint fk' },
      'comment public.CONSTRAINT fk ON todos',
    ],
    [
      'the comment on a function',
      { kind: 'comment', relation: null, name: 'function public.f(integer)' },
      'comment public.FUNCTION f(integer)',
    ],
    [
      'the comment on one',
      { kind: 'comment', relation: null, name: 'function public.f()' },
      'function public.f()',
    ],
  ])('that were left out by the name of %s are not carried, with the reason', (_what, subject, what) => {
    const why = 'the server refused it';
    expect(statuses([define(subject)], [], context({ notCarried: [leave(what, { why })] }))).toEqual([
      `not carried: ${why}`,
    ]);
    // The manifest of a backup has nothing but the words.
    const stored = collectKnownDifferences(makeScope(), { notCarried: [{ what, why, remedy: '' }] });
    expect(statuses([define(subject)], [], { ...context(), known: stored })).toEqual([`not carried: ${why}`]);
  });

  it('of which the backup left the rows out are not carried, by the words of its manifest', () => {
    const stored = { what: 'rows of public.todos', why: 'left out', remedy: '' };
    const within = { ...context(), known: collectKnownDifferences(makeScope(), { notCarried: [stored] }) };
    const table = define({ kind: 'table', relation: null, name: 'todos' });
    expect(statuses([table], [], within)).toEqual(['not carried: left out']);
    expect(statuses([{ ...table, name: 'todo' }], [], within)).toEqual(['different']);
  });

  it('that are lost are different, with the reason, whatever else was said of them', () => {
    const what = 'policy public.todos own';
    const within = context({
      notCarried: [
        leave(what, { why: 'the server refused it', lost: true }),
        leave('table public.todos', { why: 'not asked for' }),
      ],
    });
    expect(statuses([define()], [], within)).toEqual(['different: the server refused it']);
    expect(statuses([define()], [define()], within)).toEqual(['equal']);
    expect(statuses([define({ name: 'other' })], [], within)).toEqual(['not carried: not asked for']);
  });

  it('that are lost and in no line get one', () => {
    const lost = { what: 'rows of public.places', why: 'no postgis', remedy: '', lost: true } as const;
    const other = { what: 'role reader', why: 'refused', remedy: '' };
    const line = {
      kind: 'lost',
      what: 'rows of public.places',
      expected: 'there',
      found: 'nothing',
      why: 'no postgis',
    };
    expect(tellLosses([lost, other], [])).toEqual([{ ...line, status: 'different' }]);
    expect(tellLosses([lost], [makeLine({ status: 'different', why: 'no postgis' })])).toEqual([]);
    expect(tellLosses([lost], [makeLine({ status: 'not carried', why: 'no postgis' })])).toHaveLength(1);
  });

  it.each<[string, OmissionSubject, Partial<Definition>]>([
    ['policy', { kind: 'part', type: 'policy', table: { schema: 'public', name: 'todos' }, name: 'own' }, {}],
    [
      'column',
      { kind: 'column', table: { schema: 'public', name: 'todos' }, name: 'at' },
      { kind: 'column', name: 'at' },
    ],
    [
      'owner',
      { kind: 'owner', entry: { kind: 'FUNCTION', schema: 'public', name: 'f' } },
      { kind: 'owner', relation: null, name: 'f' },
    ],
    [
      'table, of which these are the rows,',
      { kind: 'rows', table: { schema: 'public', name: 'todos' } },
      { kind: 'table', relation: null, name: 'todos' },
    ],
  ])(
    'are explained by what was left out of the %s, whatever it is called for people',
    (_of, subject, about) => {
      const omission = leave('', { subject, what: 'words', why: 'refused', lost: true });
      const within = context({ notCarried: [omission] });
      const [line] = compareDefinitions([define(about)], [], within);
      expect(line).toMatchObject({ status: 'different', why: 'refused', because: [omission] });
      const [other] = compareDefinitions([define({ ...about, schema: 'auth' })], [], within);
      expect(other?.because).toBeUndefined();
    },
  );

  it('are not excused by what was said of another one', () => {
    const what = ['policy public.todos own files', 'policy public.todo own', 'trigger public.todos own'];
    const within = context({ notCarried: what.map((name) => leave(name)) });
    expect(statuses([define()], [], within)).toEqual(['different']);
  });

  it('that need an extension which the server lacks are not carried', () => {
    const needs = entry('EXTENSION', 'postgis', { schema: undefined });
    const leftOut = [{ entry: entry('TABLE', 'places'), needs }];
    const within = context({ selection: { ...restoring(), leftOut } });
    const column = define({ kind: 'column', relation: 'places', name: 'at', detail: 'geometry' });
    const extension = define({ kind: 'extension', schema: null, relation: null, name: 'postgis' });
    expect(statuses([column, extension], [], within)).toEqual([
      'not carried: it needs extension postgis, which is not restored',
      'not carried: the server does not have it',
    ]);
  });

  it('of an extension differ in the version without harm, and in nothing else', () => {
    const extension = (detail: string) =>
      define({ kind: 'extension', schema: null, relation: null, name: 'hstore', detail });
    const old = extension('schema extensions; version 1.7');
    expect(statuses([old], [extension('schema extensions; version 1.8')])).toEqual([
      'not carried: version 1.7 in the source; the server has 1.8',
    ]);
    expect(statuses([old], [extension('schema public; version 1.8')])).toEqual(['different']);
    const made = context({ selection: restoring(entry('EXTENSION', 'hstore', { schema: undefined })) });
    expect(statuses([old], [], made)).toEqual(['different']);
  });

  it('of a part are compared for what was restored', () => {
    const within = context({
      whole: false,
      selection: restoring(entry('TABLE', 'todos'), entry('FUNCTION', 'f(integer)')),
    });
    const lines = compareDefinitions(
      [
        define(),
        define({ relation: 'elsewhere' }),
        define({ kind: 'table', relation: null, name: 'todos' }),
        define({ kind: 'function', relation: null, name: 'f(integer)' }),
        define({ kind: 'function', relation: null, name: 'g()' }),
        define({ kind: 'publication table', name: 'supabase_realtime' }),
        define({ kind: 'event trigger', schema: null, relation: null, name: 'e' }),
      ],
      [],
      within,
    );
    expect(lines.map(({ kind, what }) => `${kind} ${what}`)).toEqual([
      'policy public.todos own',
      'table public.todos',
      'function public.f(integer)',
    ]);
  });

  it('show no key that stands in them, and still that they differ', () => {
    const webhook = (key: string) =>
      define({
        kind: 'trigger',
        detail: `EXECUTE FUNCTION supabase_functions.http_request('https://x', '${key}')`,
      });
    const [line] = compare([webhook('one')], [webhook('two')]);
    expect(line?.status).toBe('different');
    expect(line?.expected).not.toBe(line?.found);
    expect(JSON.stringify(line)).not.toMatch(/one|two/);
    const token = 'eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl';
    expect(redactDefinition(`'Bearer abc.def' ${token} postgres://user:hunter2@host sb_secret_abc`)).toBe(
      `'Bearer …' eyJ… postgres://user:…@host sb_secret_…`,
    );
  });

  it.each([
    ['a name of quotes', `EXECUTE FUNCTION public."${'""'.repeat(60)}"()`],
    ['many functions', 'EXECUTE FUNCTION '.repeat(60_000)],
    ['many arguments', `EXECUTE FUNCTION f(${"'a', ".repeat(100_000)}`],
    ['many addresses', '://a:'.repeat(100_000)],
  ])('are shown in time, whatever somebody writes: %s', (_, detail) => {
    const started = performance.now();
    redactDefinition(detail);
    compare([define({ kind: 'trigger', detail })], [define({ kind: 'trigger', detail: `${detail} ` })]);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('show no argument behind a name of quotes and parentheses', () => {
    const detail = `EXECUTE FUNCTION public."a""(b"('SECRET', ')')`;
    expect(redactDefinition(detail)).toBe(`EXECUTE FUNCTION public."a""(b"(…)`);
    expect(redactDefinition('EXECUTE PROCEDURE f()')).toBe('EXECUTE PROCEDURE f()');
  });
});

describe("definitions of what is not the user's", () => {
  const line = (kind: string, name: string, detail: string, schema: string | null = null) =>
    define({ kind, schema, relation: null, name, detail });
  const judgeLines = (expected: Definition[], found: Definition[], within = context()) =>
    compareDefinitions(expected, found, within).map(({ status, why, wider }) =>
      [wider ? 'wider' : '', status, why ?? ''].filter((part) => part !== '').join(': '),
    );

  it('are not carried where an extension did not bring their schema', () => {
    const defaults = line('default privileges', 'tables of supabase_admin to postgres', 'SELECT', 'cron');
    expect(judgeLines([defaults], [])).toEqual([
      'not carried: the target has no schema cron: its extension did not bring it',
    ]);
    const within = { ...context(), present: new Set(['public', 'cron']) };
    expect(judgeLines([defaults], [], within)).toEqual(['different']);
  });

  it('are told where a database is made otherwise, and are no difference', () => {
    expect(
      judgeLines(
        [
          line('database', 'encoding', 'LATIN1'),
          line('database', 'collation', 'libc'),
          line('database', 'connection limit', '7'),
        ],
        [line('database', 'encoding', 'UTF8'), line('database', 'collation', 'icu')],
      ),
    ).toEqual([
      expect.stringMatching(/^equal: .*another encoding/),
      expect.stringMatching(/^equal: .*another collation/),
      expect.stringMatching(/^not carried: /),
    ]);
  });

  it('have rights that must be there, and may not be more', () => {
    const rights = (grantee: string, detail: string) =>
      line('rights', `function each(hstore) to ${grantee}`, detail, 'extensions');
    const missing = 'the target has no such object: its extension is missing there, or of another version';
    for (const within of [context(), project({ managed: new Set(['extensions']) })]) {
      const lines = (want: Definition, have?: Definition) =>
        judgeLines([want], have === undefined ? [] : [have], { ...within, schemas: new Set(['extensions']) });
      expect(lines(rights('PUBLIC', ''), rights('PUBLIC', 'EXECUTE'))).toEqual(['wider: different']);
      expect(lines(rights('reader', 'EXECUTE'), rights('reader', ''))).toEqual(['different']);
      expect(lines(rights('reader', 'EXECUTE'))).toEqual([`not carried: ${missing}`]);
    }
    const left = context({ notCarried: [leave('role reader')] });
    expect(judgeLines([rights('reader', 'EXECUTE')], [rights('reader', '')], left)).toEqual([
      'not carried: refused',
    ]);
  });

  it('have an owner that no restore can choose', () => {
    const owner = (name: string) => line('owner', 'extension pgmq', name);
    expect(judgeLines([owner('postgres')], [owner('supabase_admin')])).toEqual([
      expect.stringMatching(/^not carried: an extension belongs to whoever created it/),
    ]);
  });

  it('are large objects, whose content is compared where it can be read', () => {
    const object = (detail: string) => line('large object', '1', `owner a; ${detail}`);
    const [one, other] = ['a', 'b'].map((digit) => object(`3 bytes; sha256 ${digit.repeat(64)}`)) as [
      Definition,
      Definition,
    ];
    const unread = object('content not readable');
    expect(judgeLines([one], [other])).toEqual(['different']);
    expect(judgeLines([one], [unread])).toEqual(['equal']);
    expect(judgeLines([unread], [{ ...one, detail: one.detail.replace('owner a', 'owner b') }])).toEqual([
      'different',
    ]);
    expect(judgeLines([one], [], { ...context(), withRows: false })).toEqual([
      expect.stringMatching(/^not carried: /),
    ]);
  });

  it('stand in an order, as far as both have the columns', () => {
    const order = (detail: string) => define({ kind: 'column order', name: '', detail });
    expect(judgeLines([order('a, "b, c", d')], [order('"b, c", d, e')])).toEqual(['equal']);
    expect(judgeLines([order('a, "b, c"')], [order('"b, c", a')])).toEqual(['different']);
  });
});

describe('definitions of a project', () => {
  const statuses = (expected: Definition[], found: Definition[], within = project()) =>
    compareDefinitions(expected, found, within).map(({ status }) => status);
  const column = define({ kind: 'column', schema: 'auth', relation: 'users', name: 'phone', detail: 'text' });
  const trigger = (called: string) =>
    define({
      kind: 'trigger',
      schema: 'auth',
      relation: 'users',
      name: 'new_user',
      detail: `… EXECUTE FUNCTION ${called}(); enabled`,
    });

  it("in the platform's schemas are the platform's", () => {
    expect(statuses([column], [{ ...column, detail: 'varchar' }])).toEqual(['not carried']);
    expect(statuses([column], [])).toEqual(['not carried']);
    expect(statuses([], [column])).toEqual(['not carried']);
    expect(statuses([trigger('auth.f')], [])).toEqual(['not carried']);
  });

  it('that a user has made there must be there', () => {
    expect(statuses([trigger('public.handle_new_user')], [])).toEqual(['different']);
    expect(statuses([define({ schema: 'storage', relation: 'objects' })], [])).toEqual(['different']);
    const made = project({ selection: restoring(entry('TRIGGER', 'users new_user', { schema: 'auth' })) });
    const disabled = { ...trigger('auth.f'), detail: 'disabled' };
    expect(statuses([trigger('auth.f')], [disabled], made)).toEqual(['different']);
  });

  it('elsewhere are compared like any, and what the target brings of schemas that the source lacks is told', () => {
    expect(statuses([define()], [])).toEqual(['different']);
    expect(statuses([], [define()])).toEqual(['different']);
    expect(statuses([], [define({ schema: 'pgmq' })])).toEqual(['not carried']);
    expect(statuses([], [define({ schema: 'pgmq' })], context())).toEqual(['different']);
  });
});

describe('privileges', () => {
  const grant = (grantee: string, privileges: string[], overrides: Partial<Privilege> = {}): Privilege => ({
    kind: 'table',
    schema: 'public',
    name: 'todos',
    column: null,
    grantee,
    privileges,
    definer: false,
    ...overrides,
  });
  const compare = (expected: Privilege[], found: Privilege[], within = context(), roles = ['anon']) =>
    comparePrivileges(expected, found, {
      ...within,
      roles: new Set(roles),
      unknown: new Set(['service_role']),
    });
  const statuses = (...args: Parameters<typeof compare>) =>
    compare(...args).lines.map(({ what, status, wider }) => `${what}: ${wider ? 'wider, ' : ''}${status}`);

  it('that are wider are different, and come first', () => {
    const [select, all] = [grant('anon', ['SELECT']), grant('anon', ['INSERT', 'SELECT'])];
    expect(statuses([select], [select])).toEqual(['anon on public.todos: equal']);
    expect(statuses([grant('PUBLIC', ['SELECT']), select], [all])).toEqual([
      'anon on public.todos: wider, different',
      'PUBLIC on public.todos: different',
    ]);
    expect(statuses([], [select])).toEqual(['anon on public.todos: wider, different']);
    expect(statuses([all], [select])).toEqual(['anon on public.todos: different']);
    expect(statuses([grant('anon', ['INSERT'])], [select])).toEqual([
      'anon on public.todos: wider, different',
    ]);
  });

  it('of a role of the API that neither the database nor the target knows are no matter', () => {
    expect(statuses([grant('service_role', ['SELECT']), grant('anon', ['SELECT'])], [])).toEqual([
      'anon on public.todos: different',
    ]);
  });

  it('that are wider are excused by nothing that was left out, those that are fewer are', () => {
    const within = context({ notCarried: [leave('view public.todos')] });
    expect(statuses([grant('anon', ['SELECT'])], [], within)).toEqual(['anon on public.todos: not carried']);
    expect(statuses([], [grant('anon', ['SELECT'])], within)).toEqual([
      'anon on public.todos: wider, different',
    ]);
  });

  it.each<[string, Partial<Privilege>]>([
    ['acl public.TABLE todos', {}],
    ['acl public.COLUMN todos.id', { kind: 'column', column: 'id' }],
    ['acl public.TABLE todos', { kind: 'column', column: 'id' }],
    ['acl public.SEQUENCE todos', { kind: 'sequence' }],
    ['acl public.FUNCTION f(integer)', { kind: 'function', name: 'f(integer)' }],
    ['acl SCHEMA public', { kind: 'schema', name: '' }],
    ['role anon', {}],
  ])('that are fewer because of %s, which was not restored, are not carried', (what, overrides) => {
    const within = context({ notCarried: [leave(what)] });
    const [line] = compare([grant('anon', ['SELECT'], overrides)], [], within).lines;
    expect(line).toMatchObject({ status: 'not carried', why: 'refused' });
  });

  it('of columns are seen together with those of their table', () => {
    const column = grant('anon', ['SELECT'], { kind: 'column', column: 'id' });
    expect(statuses([grant('anon', ['SELECT'])], [column])).toEqual([
      'anon on public.todos: different',
      'anon on public.todos.id: equal',
    ]);
    expect(statuses([column], [grant('anon', ['SELECT'])])).toEqual([
      'anon on public.todos: wider, different',
      'anon on public.todos.id: equal',
    ]);
  });

  it('of a role that the source did not have are those of everybody there', () => {
    const open = grant('PUBLIC', ['SELECT']);
    expect(statuses([open], [open, grant('anon', ['SELECT'])], context(), [])).toEqual([
      'PUBLIC on public.todos: equal',
      'anon on public.todos: equal',
    ]);
    expect(statuses([open], [open, grant('anon', ['SELECT', 'UPDATE'])], context(), [])).toContain(
      'anon on public.todos: wider, different',
    );
    expect(statuses([open], [open, grant('anon', ['SELECT'])])).toContain(
      'anon on public.todos: wider, different',
    );
  });

  it("of the platform's objects are the platform's, those of what was restored there are not", () => {
    const ofUsers = grant('anon', ['SELECT'], { schema: 'auth', name: 'users' });
    expect(statuses([], [ofUsers], project())).toEqual(['anon on auth.users: wider, not carried']);
    const made = project({ selection: restoring(entry('VIEW', 'users', { schema: 'auth' })) });
    expect(statuses([], [ofUsers], made)).toEqual(['anon on auth.users: wider, different']);
    expect(statuses([], [grant('anon', ['SELECT'])], project())).toEqual([
      'anon on public.todos: wider, different',
    ]);
  });

  it('add up to what can be reached, through schemas that may be used', () => {
    const usage = grant('anon', ['USAGE'], { kind: 'schema', name: '' });
    const definer = grant('anon', ['EXECUTE'], { kind: 'function', name: 'f()', definer: true });
    const found = [
      usage,
      definer,
      { ...definer, name: 'g()', definer: false },
      grant('anon', ['SELECT']),
      grant('anon', ['UPDATE'], { kind: 'column', column: 'id' }),
      grant('anon', ['UPDATE'], { kind: 'column', column: 'id', name: 'other' }),
      grant('anon', ['REFERENCES', 'TRIGGER'], { name: 'unreadable' }),
      grant('anon', ['SELECT'], { schema: 'closed' }),
    ];
    expect(compare([usage], found).reach).toEqual([
      { grantee: 'anon', tables: { expected: 0, found: 2 }, definers: { expected: 0, found: 1 } },
    ]);
  });
});

describe('answers', () => {
  const answer = (overrides: Partial<Answer> = {}): Answer => ({
    sql: 'SELECT count(*) FROM public.orders',
    rows: 1,
    digest: 'a'.repeat(64),
    sample: '3',
    ...overrides,
  });
  const failed = answer({ rows: null, digest: null, sample: 'no such table' });
  const compare = (expected: Answer, found: Answer | undefined, whole = true) =>
    compareAnswers([expected], found ? [found] : [], { whole })[0];

  it('are equal by their digest, and not carried where the source had none or a part was restored', () => {
    expect(compare(answer(), answer())).toMatchObject({ status: 'equal' });
    expect(compare(answer(), answer({ digest: 'b'.repeat(64), sample: '2' }))).toMatchObject({
      status: 'different',
      expected: '1 row, aaaaaaaa…: 3',
      found: '1 row, bbbbbbbb…: 2',
    });
    expect(compare(answer(), failed)).toMatchObject({ status: 'different', found: 'failed: no such table' });
    expect(compare(failed, failed)).toMatchObject({ status: 'not carried', why: 'it failed at the source' });
    expect(compare(failed, answer())).toMatchObject({ status: 'not carried' });
    expect(compare(answer(), undefined, false)).toMatchObject({ status: 'not carried', found: 'not asked' });
  });

  it('about freshness are compared as they are', () => {
    const column = { schema: 'public', table: 'orders', column: 'at', newest: '2026-11-20 02:00:00+00' };
    const statuses = (newest: string | null, found: Parameters<typeof compareFreshness>[1][number]) =>
      compareFreshness([{ ...column, newest }], [found], () => undefined).map(({ status, found }) => [
        status,
        found,
      ]);
    expect(statuses(column.newest, { newest: column.newest })).toEqual([['equal', column.newest]]);
    expect(statuses(column.newest, { newest: null })).toEqual([['different', 'no rows']]);
    expect(statuses(null, { newest: null })).toEqual([['equal', 'no rows']]);
    expect(statuses(null, { refused: 'no such column' })).toEqual([['different', 'no such column']]);
  });
});

describe('the server', () => {
  const role = (overrides: Partial<Role> = {}): Role => ({
    name: 'anon',
    superuser: false,
    inherit: true,
    createRole: false,
    createDatabase: false,
    login: false,
    replication: false,
    bypassRls: false,
    connectionLimit: -1,
    validUntil: null,
    comment: null,
    memberOf: [],
    settings: [],
    settingsHere: [],
    ...overrides,
  });
  const { database } = makeSupplement();
  const job = {
    name: 'nightly',
    schedule: '0 3 * * *',
    command: 'SELECT 1',
    database: 'postgres',
    username: 'postgres',
    active: true,
  };
  const compare = (
    expected: Parameters<typeof makeSupplement>[0],
    found: Parameters<typeof makeSupplement>[0],
    notCarried: ParityScope['notCarried'] = [],
    kind: ParityScope['kind'] = 'plain',
  ) =>
    compareGlobals(
      makeSupplement(expected),
      makeSupplement(found),
      { kind, notCarried },
      collectKnownDifferences({ ...makeScope(), notCarried }, { notCarried: [] }),
    )
      .filter((line) => line.status !== 'equal')
      .map(({ kind, what, status }) => `${kind} ${what}: ${status}`);

  it('is told of settings, comment and jobs that differ, of roles as of what belongs to it', () => {
    const settings = [{ name: 'app.key', value: 'hunter2' }];
    expect(compare({ database: { ...database, settings } }, {})).toEqual([
      'database setting app.key: different',
    ]);
    expect(compare({ database: { ...database, comment: 'x' } }, {})).toEqual(['database comment: different']);
    expect(compare({ cronJobs: [job] }, { cronJobs: [{ ...job, active: false }] })).toEqual([
      'cron job nightly: different',
    ]);
    expect(compare({ roles: [role({ login: true })] }, { roles: [role()] })).toEqual([
      'role anon: not carried',
    ]);
    expect(compare({ roles: [role()] }, { roles: [role({ bypassRls: true })] })).toEqual([
      'role anon: different',
    ]);
    const owner = {
      ...database,
      owner: 'other',
      grants: [{ grantee: 'PUBLIC', privilege: 'CONNECT', grantable: false }],
    };
    expect(compare({ database: owner }, {})).toEqual([
      'database grants: not carried',
      'database owner: not carried',
    ]);
  });

  it('is excused by what the restore has said', () => {
    const left = (subject: OmissionSubject) => [leave('', { subject })];
    const settings = [{ name: 'app.key', value: 'hunter2' }];
    expect(
      compare(
        { database: { ...database, settings } },
        {},
        left({ kind: 'database setting', name: 'app.key' }),
      ),
    ).toEqual(['database setting app.key: not carried']);
    expect(
      compare({ cronJobs: [job] }, {}, [leave('', { what: '1 cron job', subject: { kind: 'cron jobs' } })]),
    ).toEqual(['cron job nightly: not carried']);
    expect(compare({ cronJobs: [job] }, {}, left({ kind: 'cron jobs' }))).toEqual([
      'cron job nightly: not carried',
    ]);
    expect(compare({ cronJobs: [job] }, {}, left({ kind: 'cron job', name: 'nightly' }))).toEqual([
      'cron job nightly: not carried',
    ]);
    expect(compare({ cronJobs: [job] }, {}, left({ kind: 'cron job', name: 'other' }))).toEqual([
      'cron job nightly: different',
    ]);
  });

  it('is excused where the restore has said so, each by what was said of it', () => {
    const left = (subject: OmissionSubject) => [leave('', { subject })];
    const settings = [{ name: 'app.key', value: 'hunter2' }];
    const wanted = { database: { ...database, settings, comment: 'ours' } };
    expect(compare(wanted, {}, left({ kind: 'database setting', name: 'app.key' }))).toEqual([
      'database setting app.key: not carried',
      'database comment: different',
    ]);
    expect(compare(wanted, {}, left({ kind: 'database', property: 'comment' }))).toEqual([
      'database setting app.key: different',
      'database comment: not carried',
    ]);
  });

  it.each([
    ['supabase-project', 'app.settings.jwt_secret', 'not carried'],
    ['supabase-project', 'app.settings.other', 'not carried'],
    ['supabase-project', 'app.other', 'different'],
    ['supabase-image', 'app.settings.jwt_secret', 'not carried'],
    ['supabase-image', 'app.settings.other', 'different'],
    ['plain', 'app.settings.jwt_secret', 'different'],
  ] as const)('of a %s differs in %s: %s', (kind, name, status) => {
    const wanted = { database: { ...database, settings: [{ name, value: 'theirs' }] } };
    for (const there of [[], [{ name, value: 'own' }]]) {
      const found = { database: { ...database, settings: there } };
      expect(compare(wanted, found, [], kind)).toEqual([`database setting ${name}: ${status}`]);
    }
  });

  it('shows no value of a setting of an application', () => {
    const settings = [{ name: 'app.key', value: 'hunter2' }];
    const lines = compareGlobals(
      makeSupplement({ database: { ...database, settings }, roles: [role({ settings })] }),
      makeSupplement(),
      makeScope(),
      () => undefined,
    );
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });
});

it('numbers of objects differ for a reason only where definitions say so', () => {
  const manifest = makeManifest({
    facts: { ...makeManifest().facts, objects: { table: 2, 'large object': 1 } },
  });
  const compare = (definitions: ReturnType<typeof makeLine>[]) =>
    compareObjects(manifest, { table: 1 }, definitions, 3).map(({ what, status }) => `${what}: ${status}`);
  expect(compare([])).toEqual(['large object: different', 'table: different']);
  expect(compare([makeLine({ status: 'not carried', found: 'nothing' })])).toEqual([
    'large object: different',
    'table: not carried',
  ]);
  const counted = { ...manifest, facts: { ...manifest.facts, objects: { operator: 2 } } };
  expect(compareObjects(counted, { operator: 1 }, [], 2).map(({ status }) => status)).toEqual(['different']);
  expect(compareObjects(counted, { operator: 1 }, [], 1)).toEqual([]);
});
