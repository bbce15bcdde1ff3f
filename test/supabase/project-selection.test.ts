import { describe, expect, it } from 'vitest';
import type { ArchiveEntry } from '../../src/postgres/client/table-of-contents.ts';
import { selectForProject } from '../../src/supabase/project-selection.ts';
import type { TargetCatalog } from '../../src/supabase/target-catalog.ts';
import { makeManifest } from '../repository/example.ts';

const [example] = makeManifest().tables;
if (example === undefined) throw new Error('the example has no table');

let ids = 0;
function entry(kind: string, schema: string | undefined, name: string, more: Partial<ArchiveEntry> = {}) {
  ids += 1;
  return { id: ids, catalogOid: 0, oid: ids, kind, schema, name, owner: 'postgres', needs: [], ...more };
}

/** A project of which only what a test needs is told. */
function target(
  present: readonly ArchiveEntry[],
  columns: Readonly<Record<string, readonly string[]>> = {},
  options: { writable?: boolean; managed?: readonly string[] } = {},
): TargetCatalog {
  const { writable = true, managed = ['auth', 'storage'] } = options;
  const names = new Set(present.map(({ kind, schema, name }) => `${kind} ${schema} ${name}`));
  return {
    managed: new Set(managed),
    extensions: new Map([['pgcrypto', '1.3']]),
    findTable: ({ schema, name }) => {
      const found = columns[`${schema}.${name}`];
      return found === undefined ? undefined : { columns: found, writable };
    },
    has: ({ kind, schema, name }) => names.has(`${kind} ${schema} ${name}`),
  };
}

const options = { assumable: new Set(['postgres']), extensions: [], archivedRows: new Map<number, number>() };

const authSchema = entry('SCHEMA', undefined, 'auth', { owner: 'supabase_admin' });
const users = entry('TABLE', 'auth', 'users', { owner: 'supabase_auth_admin', needs: [authSchema.id] });
const usersTable = {
  ...example,
  oid: users.oid,
  schema: 'auth',
  name: 'users',
  columns: ['id', 'email'],
  rows: 3,
  root: null,
};
const fresh = () => target([authSchema, users], { 'auth.users': ['id', 'email'] });

describe('into a project', () => {
  it('definitions that it has are not restored, nor is what belongs to them', () => {
    const parts = [
      entry('COMMENT', 'auth', 'TABLE users', { needs: [users.id] }),
      entry('ACL', 'auth', 'TABLE users', { needs: [users.id], owner: 'supabase_auth_admin' }),
      entry('ACL', undefined, 'SCHEMA auth', { needs: [authSchema.id] }),
    ];
    const selection = selectForProject([authSchema, users, ...parts], [usersTable], fresh(), options);
    expect(selection.entries).toEqual([]);
    expect(selection.notCarried).toEqual([]);
    expect(selection.present).toEqual([{ table: usersTable, missing: [] }]);
  });

  it('what the user has on them is brought', () => {
    const call = entry('FUNCTION', 'public', 'handle_new_user()');
    const trigger = entry('TRIGGER', 'auth', 'users on_created', {
      owner: 'supabase_auth_admin',
      needs: [users.id, call.id],
    });
    const policy = entry('POLICY', 'auth', 'users mine', { owner: 'supabase_auth_admin', needs: [users.id] });
    const own = entry('FUNCTION', 'auth', 'mine()', { needs: [authSchema.id] });
    const comment = entry('COMMENT', 'auth', 'FUNCTION mine()', { needs: [own.id] });
    const all = [authSchema, users, call, trigger, policy, own, comment];
    const { entries } = selectForProject(all, [], fresh(), options);
    expect(entries).toEqual([call, trigger, policy, own, comment]);
  });

  it("a trigger of the platform's own is not the user's", () => {
    const guard = entry('FUNCTION', 'auth', 'guard()', { owner: 'supabase_auth_admin' });
    const trigger = entry('TRIGGER', 'auth', 'users guard', {
      owner: 'supabase_auth_admin',
      needs: [users.id, guard.id],
    });
    const { entries, notes } = selectForProject([users, guard, trigger], [], target([users, guard]), options);
    expect(entries).toEqual([]);
    expect(notes).toEqual([expect.stringContaining('trigger auth.users guard')]);
  });

  it('a table that it lacks is told with its rows, and what needs it by its own name', () => {
    const gone = entry('TABLE', 'auth', 'tokens', { owner: 'supabase_auth_admin' });
    const index = entry('INDEX', 'auth', 'tokens_idx', { owner: 'supabase_auth_admin', needs: [gone.id] });
    const view = entry('VIEW', 'public', 'mine', { needs: [gone.id] });
    const key = entry('FK CONSTRAINT', 'public', 'todos token_fkey', { needs: [gone.id] });
    const lost = { ...usersTable, oid: gone.oid, name: 'tokens', rows: 7 };
    const selection = selectForProject([gone, index, view, key], [lost], fresh(), options);
    expect(selection.entries).toEqual([]);
    expect(selection.notCarried.map(({ what }) => what)).toEqual([
      'table auth.tokens',
      'view public.mine',
      'fk constraint public.todos token_fkey',
    ]);
    expect(selection.notCarried[0]?.why).toContain('7 rows');
    expect(selection.lost).toEqual([lost]);
  });

  it('a table that it lacks and that was empty is no loss', () => {
    const gone = entry('TABLE', 'auth', 'tokens', { owner: 'supabase_auth_admin' });
    const empty = { ...usersTable, oid: gone.oid, name: 'tokens', rows: 0 };
    const selection = selectForProject([gone], [empty], fresh(), options);
    expect(selection.notCarried).toEqual([]);
    expect(selection.lost).toEqual([]);
    expect(selection.notes).toEqual([expect.stringContaining('table auth.tokens')]);
  });

  it("a user's schema with a name of the platform is the user's", () => {
    const schema = entry('SCHEMA', undefined, 'topology');
    const table = entry('TABLE', 'topology', 'maps', { needs: [schema.id] });
    const { entries } = selectForProject([schema, table], [], fresh(), options);
    expect(entries).toEqual([schema, table]);
  });

  it('a part of the platform that is off there is not made by hand', () => {
    const schema = entry('SCHEMA', undefined, 'supabase_functions', { owner: 'supabase_admin' });
    const hook = entry('FUNCTION', 'supabase_functions', 'http_request()', {
      owner: 'supabase_functions_admin',
      needs: [schema.id],
    });
    const trigger = entry('TRIGGER', 'public', 'todos webhook', { needs: [hook.id] });
    const selection = selectForProject([schema, hook, trigger], [], fresh(), options);
    expect(selection.entries).toEqual([]);
    expect(selection.notCarried.map(({ what }) => what)).toEqual([
      'schema supabase_functions',
      'trigger public.todos webhook',
    ]);
    expect(new Set(selection.notCarried.map(({ remedy }) => remedy))).toEqual(
      new Set(['Enable Database Webhooks in the target and restore again.']),
    );
  });

  it('a key to a table of the platform is brought', () => {
    const todos = entry('TABLE', 'public', 'todos');
    const key = entry('FK CONSTRAINT', 'public', 'todos user_fkey', { needs: [todos.id, users.id] });
    expect(selectForProject([users, todos, key], [], fresh(), options).entries).toEqual([todos, key]);
  });

  it('an extension that it has stays, in its version and with its grants', () => {
    const extension = entry('EXTENSION', undefined, 'pgcrypto', { owner: '' });
    const comment = entry('COMMENT', undefined, 'EXTENSION pgcrypto', { owner: '', needs: [extension.id] });
    const armor = entry('FUNCTION', 'extensions', 'armor(bytea)');
    const grant = entry('ACL', 'extensions', 'FUNCTION armor(bytea)');
    const selection = selectForProject([extension, comment, grant], [], target([armor]), {
      ...options,
      extensions: [{ name: 'pgcrypto', schema: 'extensions', version: '1.2' }],
    });
    expect(selection.entries).toEqual([]);
    expect(selection.notes).toEqual(['extension pgcrypto: version 1.3, where the source had 1.2']);
  });

  it('rows go where there is a place for them, and the platform keeps its own', () => {
    const migrations = entry('TABLE', 'auth', 'schema_migrations', { owner: 'supabase_auth_admin' });
    const tables = [usersTable, { ...usersTable, oid: migrations.oid, name: 'schema_migrations' }];
    const there = { 'auth.users': ['id'], 'auth.schema_migrations': ['version'] };
    const both = [users, migrations];
    const selection = selectForProject(both, tables, target(both, there), options);
    expect(selection.present).toEqual([{ table: usersTable, missing: ['email'] }]);
    expect(selection.notes).toEqual(['rows of auth.schema_migrations: the target keeps its own']);
    const closed = selectForProject(both, tables, target(both, there, { writable: false }), options);
    expect(closed.present).toEqual([]);
    expect(closed.notCarried.map(({ what }) => what)).toEqual(['rows of auth.users']);
  });

  it('rows that an extension keeps in a table that is closed are lost, but secrets, for which there is a way', () => {
    const rows = entry('TABLE DATA', 'tiger', 'loader_platform', {
      owner: 'supabase_admin',
      needs: [99_999],
    });
    const secrets = entry('TABLE DATA', 'vault', 'secrets', { owner: 'supabase_admin', needs: [99_998] });
    const columns = { 'vault.secrets': ['id'], 'tiger.loader_platform': ['os'] };
    const closed = target([], columns, { writable: false });
    const archivedRows = new Map([rows, secrets].map(({ id }) => [id, 2]));
    const filled = selectForProject([rows, secrets], [], closed, { ...options, archivedRows });
    expect(filled).toMatchObject({ entries: [], secrets });
    expect(filled.notCarried).toEqual([
      {
        what: 'table data tiger.loader_platform',
        of: rows,
        why: 'the connected role cannot insert into that table of the target; 2 rows are lost',
        remedy: expect.any(String),
        lost: true,
      },
    ]);
    const empty = selectForProject([rows, secrets], [], closed, options);
    expect(empty).toMatchObject({ entries: [], secrets: undefined, notCarried: [] });
  });

  it('what Realtime keeps of a day is no loss on another day, nor are numbers of jobs', () => {
    const day = entry('TABLE', 'realtime', 'messages_2026_11_22', { owner: 'supabase_realtime_admin' });
    const key = entry('CONSTRAINT', 'realtime', 'messages_2026_11_22 messages_2026_11_22_pkey', {
      ...{ owner: 'supabase_realtime_admin', needs: [day.id] },
    });
    const jobs = entry('SEQUENCE SET', 'cron', 'jobid_seq', { owner: 'supabase_admin' });
    const table = { ...usersTable, oid: day.oid, schema: 'realtime', name: day.name, rows: 4 };
    const there = target([], {}, { managed: ['realtime', 'cron'] });
    const selection = selectForProject([day, key, jobs], [table], there, options);
    expect(selection).toMatchObject({ entries: [], created: [], lost: [] });
    expect(selection.notCarried).toEqual([
      expect.objectContaining({ what: 'table realtime.messages_2026_11_22' }),
    ]);
    expect(selection.notCarried[0]?.lost).toBeUndefined();
  });

  it("default privileges of the platform's roles are the platform's affair", () => {
    const ours = entry('DEFAULT ACL', 'public', 'DEFAULT PRIVILEGES FOR TABLES');
    const theirs = entry('DEFAULT ACL', 'public', 'DEFAULT PRIVILEGES FOR TABLES', {
      owner: 'supabase_admin',
    });
    const { entries, notes } = selectForProject([ours, theirs], [], fresh(), options);
    expect(entries).toEqual([ours]);
    expect(notes).toEqual([expect.stringMatching(/supabase_admin in schema public/)]);
  });
});
