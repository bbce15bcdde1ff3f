import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { toolEnvironment } from '../../../src/postgres/client/environment.ts';
import { createQuoteFilter, runTool } from '../../../src/postgres/client/process.ts';

const complaints = `pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 215; 1417 16400 USER MAPPING USER MAPPING postgres SERVER far postgres
pg_restore: error: could not execute query: ERROR:  server "far" does not exist
HINT:  Create it first.
Command was: CREATE USER MAPPING FOR postgres SERVER far OPTIONS (
    password 'SECRET1'
HINT:  SECRET2
);

pg_restore: error: could not execute query: ERROR:  no
DETAIL:  Failing row contains (SECRET3
HINT:  SECRET4).
  and goes on with SECRET5
QUERY:  SELECT 'SECRET6'
CONTEXT:  SQL statement "SECRET7"
pg_dump: error: Dumping the contents of table "t" failed: PQgetResult() failed.
pg_dump: detail: Error message from server: ERROR:  invalid memory alloc request size 1200000003
LOCATION:  SECRET8
pg_dump: detail: Command was: COPY public.t (a) TO stdout
 WHERE SECRET9;
pg_dump: error: query failed: ERROR:  gone
pg_dump: detail: Query was: SELECT SECRET10
pg_dump: error: The command was: SELECT SECRET11`;

it('the complaints of a client program are told without what they quote', () => {
  const shown = complaints.split('\n').filter(createQuoteFilter()).join('\n');
  expect(shown).not.toMatch(/SECRET/);
  expect(shown).toContain('server "far" does not exist');
  expect(shown).toContain('Create it first.');
  expect(shown.match(/pg_restore: error/g)).toHaveLength(2);
  expect(shown).toContain('invalid memory alloc request');
});

it('an error of a client program quotes nothing, however long a statement is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'quotes-'));
  try {
    const tool = join(folder, 'pg_restore');
    writeFileSync(join(folder, 'said'), `${complaints}\nCommand was: ${"x 'SECRET12' ".repeat(50_000)}\n`);
    writeFileSync(tool, `#!/bin/sh\ncat ${join(folder, 'said')} >&2\nexit 1\n`);
    chmodSync(tool, 0o700);
    const run = runTool(tool, [], {
      env: toolEnvironment(process.env),
      signal: new AbortController().signal,
    });
    await expect(run).rejects.toThrow(/server "far" does not exist/);
    await expect(run).rejects.not.toThrow(/SECRET/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it.each(['LC_ALL', 'LC_MESSAGES', 'LANG', 'LANGUAGE'])(
  'a client program speaks the language in which it is read, whatever %s says',
  (name) => {
    const env = toolEnvironment({ PATH: process.env.PATH, [name]: 'de_DE.UTF-8' });
    // POSIX.1-2024, 8.2: LC_ALL goes before all others; and GNU's gettext translates nothing for C.
    expect(env.LC_ALL).toBe('C');
  },
);
