import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { toolEnvironment } from '../../src/postgres/environment.ts';
import { createQuoteFilter, runTool } from '../../src/postgres/process.ts';

const complaints = `pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 215; 1417 16400 USER MAPPING USER MAPPING postgres SERVER far postgres
pg_restore: error: could not execute query: ERROR:  server "far" does not exist
DETAIL:  Failing row contains (SECRET1).
  and goes on with SECRET2
CONTEXT:  SQL statement "SECRET3"
HINT:  Create it first.
Command was: CREATE USER MAPPING FOR postgres SERVER far OPTIONS (
    password 'SECRET4'
);

pg_restore: error: could not execute query: ERROR:  no
QUERY:  SELECT 'SECRET5'`;

it('the complaints of a client program are told without what they quote', () => {
  const shown = complaints.split('\n').filter(createQuoteFilter()).join('\n');
  expect(shown).not.toMatch(/SECRET/);
  expect(shown).toContain('server "far" does not exist');
  expect(shown).toContain('Create it first.');
  expect(shown.match(/pg_restore: error/g)).toHaveLength(2);
});

it('an error of a client program quotes nothing, however long a statement is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'quotes-'));
  try {
    const tool = join(folder, 'pg_restore');
    writeFileSync(join(folder, 'said'), `${complaints}\nCommand was: ${"x 'SECRET6' ".repeat(50_000)}\n`);
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
