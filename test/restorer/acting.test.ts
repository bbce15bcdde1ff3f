import { expect, it } from 'vitest';
import type { Definition, Supplement } from '../../src/format/supplement.ts';
import { describeActing } from '../../src/restorer/acting.ts';

const roles = [
  { name: 'postgres', superuser: true },
  { name: 'app', superuser: false },
] as Supplement['roles'];
const functions = (...owners: string[]) =>
  owners.map((owner) => ({ kind: 'FUNCTION', owner, schema: 'app', name: 'ours(integer)' }));
const volatile = new Set(['pg_read_file', 'query_to_xml']);

/** A table of `tenant` with one definition that is evaluated, or not */
const describe = (line: Partial<Definition>, kind = 'TABLE', owner = 'tenant') =>
  describeActing(
    'root',
    [{ kind, owner, schema: 'app', name: 't' }, ...functions('postgres')],
    {
      roles,
      definitions: [{ kind: 'constraint', schema: 'app', relation: 't', name: 'c', detail: '', ...line }],
    },
    volatile,
  );

it('names the roles whose functions a superuser runs, those of the most first', () => {
  const made = functions('tenant', 'app', 'app', 'postgres');
  const text = describeActing('root', made, { roles, definitions: [] }, volatile);
  expect(text).toContain('run as root, a superuser');
  expect(text).toContain('They belong to app (2), tenant (1).');
});

it('names five of many', () => {
  const made = functions('a', 'b', 'c', 'd', 'e', 'f', 'g');
  const text = describeActing('root', made, { roles, definitions: [] }, volatile);
  expect(text).toContain('e (1) and 2 roles more.');
});

it('says nothing of what superusers of the source have made, nor of what evaluates nothing', () => {
  const nothing = { roles, definitions: [] };
  expect(describeActing('root', functions('postgres'), nothing, volatile)).toBeUndefined();
  expect(describe({ detail: 'CHECK ((pg_read_file(x) IS NOT NULL))' }, 'TABLE', 'postgres')).toBeUndefined();
});

it.each<[string, Partial<Definition>, string?]>([
  ['a check that reads a file', { detail: "CHECK ((pg_read_file('/etc/passwd'::text) IS NOT NULL))" }],
  ['a check with a function of an extension', { detail: "CHECK ((ext.dblink_exec('x'::text) <> ''::text))" }],
  ['one with quotes', { detail: 'CHECK (("Ext"."Call"(a) > 0))' }],
  ['a generated column', { kind: 'column', name: 'a', detail: 'text; generated \u0002ext.f(b)\u0003' }],
  [
    'a partition key',
    {
      kind: 'table',
      relation: null,
      name: 't',
      detail: 'permanent; partitioned by \u0002RANGE (ext.f(a))\u0003',
    },
  ],
  [
    'a domain',
    {
      kind: 'type',
      relation: null,
      name: 't',
      detail: 'domain over text; check CHECK ((query_to_xml(VALUE) IS NOT NULL))',
    },
    'DOMAIN',
  ],
])('names whose it is: %s', (_what, line, kind) => {
  expect(describe(line, kind)).toMatch(
    /as root, a superuser\. The tables and domains belong to tenant \(1\)\./,
  );
});

it.each<[string, Partial<Definition>]>([
  [
    'what only computes',
    { detail: "CHECK (((length(a) > 0) AND (b = ANY (ARRAY['pg_read_file('::text]))))" },
  ],
  ['a function that is named by its owner', { detail: 'CHECK ((app.ours(a) > 0))' }],
  ['a default', { kind: 'column', name: 'a', detail: 'text; default \u0002ext.f(1)\u0003' }],
  ['a foreign key', { detail: 'FOREIGN KEY (a) REFERENCES app.t(a)' }],
])('and does not of %s', (_what, line) => {
  expect(describe(line)).toBeUndefined();
});
