import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../../src/postgres/identifier.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { createDatabase, type Database } from './database.ts';

let cluster: Cluster;
let database: Database;
beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
});
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
});

/** Whatever PostgreSQL can hold as text, quotes and backslashes often. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom("'", '"', '\\', '%', '$', '\n', '--', '/*', ';', 'E', ' '),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    {
      maxLength: 8,
    },
  )
  .map((parts) => parts.join('').replaceAll('\0', ''));

describe('quoting, judged by the server', () => {
  it.each(['on', 'off'])(
    'gives every literal its own value, standard_conforming_strings %s',
    async (setting) => {
      await database.run(`SET standard_conforming_strings = ${setting}; SET escape_string_warning = off`);
      await fc.assert(
        fc.asyncProperty(text, async (value) => {
          expect(await database.rows(`SELECT${quoteLiteral(value)}, ${quoteLiteral(value)}`)).toEqual([
            [value, value],
          ]);
        }),
      );
      await database.run('RESET standard_conforming_strings');
    },
  );

  it('gives every identifier its own name', async () => {
    const name = text.filter((value) => value !== '' && Buffer.byteLength(value) <= 63);
    await fc.assert(
      fc.asyncProperty(name, async (value) => {
        const { fields } = await database.client.query(`SELECT 1 AS ${quoteIdentifier(value)}`);
        expect(fields[0]?.name).toBe(value);
        // What the server quotes and what we quote are the same identifier.
        const [[quoted]] = (await database.rows('SELECT quote_ident($1)', [value])) as [[string]];
        expect([value, quoteIdentifier(value)]).toContain(quoted);
      }),
    );
  });

  it('names a table in its schema, whatever both are called', async () => {
    const name = text.filter((value) => value !== '' && Buffer.byteLength(value) <= 40);
    await fc.assert(
      fc.asyncProperty(name, name, async (schema, table) => {
        await database.run(`
          BEGIN; CREATE SCHEMA ${quoteIdentifier(`s${schema}`)}; CREATE TABLE ${quoteQualified(`s${schema}`, table)} ()`);
        const found = await database.rows(
          'SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1 AND relname = $2',
          [`s${schema}`, table],
        );
        await database.run('ROLLBACK');
        expect(found).toEqual([['1']]);
      }),
      { numRuns: 40 },
    );
  });
});
