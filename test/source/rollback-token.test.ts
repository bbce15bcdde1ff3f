import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readTables } from '../../src/postgres/catalog/tables.ts';
import { ownSchema } from '../../src/postgres/own-schema.ts';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { leaveToken, readRollbackTokens } from '../../src/source/rollback-token.ts';
import { asRole, createDatabase, type Database } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

let cluster: Cluster;
let database: Database;
const { signal } = new AbortController();

beforeAll(async () => {
  cluster = await startCluster({ settings: { autovacuum: 'off' } });
});
afterAll(async () => {
  await cluster?.stop();
});
beforeEach(async () => {
  database = await createDatabase(cluster);
  return () => database.close();
});

async function read() {
  const session = await database.open();
  const ledger = await readRollbackTokens(session);
  await session.close();
  return ledger;
}

describe('rollback tokens', () => {
  it('is not there before the first token', async () => {
    expect(await read()).toBeUndefined();
  });

  it('keeps each token with the transaction that wrote it', async () => {
    const tokens = [await leaveToken(database.settings, signal), await leaveToken(database.settings, signal)];
    const ledger = await read();
    expect(ledger?.map(({ token }) => token).sort()).toEqual(tokens.toSorted());
    const rows = await database.rows(`SELECT token, xmin FROM ${ownSchema}.tokens`);
    for (const [token, xmin] of rows) {
      expect(ledger?.find((entry) => entry.token === token)?.xid).toBe(BigInt(xmin ?? 0));
    }
    expect(tokens[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(tokens[0]).not.toBe(tokens[1]);
  });

  it('takes one transaction number for a token, the first one included', async () => {
    const next = async () =>
      BigInt((await database.rows('SELECT pg_snapshot_xmax(pg_current_snapshot())'))[0]?.[0] ?? 0);
    for (let n = 0; n < 2; n++) {
      const before = await next();
      await leaveToken(database.settings, signal);
      expect(await next()).toBe(before + 1n);
    }
  });

  it('is not seen by a snapshot from before', async () => {
    const session = await database.open();
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await session.query('SELECT 1');
    await leaveToken(database.settings, signal);
    expect(await readRollbackTokens(session)).toBeUndefined();
    await session.query('COMMIT');
    expect(await readRollbackTokens(session)).toHaveLength(1);
  });

  it('forgets all but the newest thousand', async () => {
    await leaveToken(database.settings, signal);
    await database.run(
      `INSERT INTO ${ownSchema}.tokens (token, xid) SELECT 'old ' || n, n::text::xid8 FROM generate_series(1, 1500) n`,
    );
    const last = await leaveToken(database.settings, signal);
    const kept = (await database.rows(`SELECT token FROM ${ownSchema}.tokens`)).flat();
    expect(kept.length).toBeGreaterThanOrEqual(1000);
    expect(kept.length).toBeLessThanOrEqual(1001);
    expect(kept).toContain(last);
    expect(kept).toContain('old 1500');
    expect(kept).not.toContain('old 1');
  });

  it('vouches for nothing once pg_dump has copied it', async () => {
    await leaveToken(database.settings, signal);
    await leaveToken(database.settings, signal);
    const copy = await createDatabase(cluster);
    const [dump, restore] = ['pg_dump', 'pg_restore'].map((name) => join(cluster.binFolder, name));
    const input = execFileSync(dump ?? '', ['-Fc', `--schema=${ownSchema}`, database.url]);
    execFileSync(restore ?? '', ['--single-transaction', `--dbname=${copy.url}`], { input });
    const session = await copy.open();
    expect(await copy.rows(`SELECT FROM ${ownSchema}.tokens`)).toHaveLength(2);
    expect(await readRollbackTokens(session)).toEqual([]);
    const token = await leaveToken(copy.settings, signal);
    expect(await readRollbackTokens(session)).toMatchObject([{ token }]);
    await copy.close();
  });

  it('is one still after VACUUM has frozen and moved it', async () => {
    const token = await leaveToken(database.settings, signal);
    for (const sql of ['VACUUM (FREEZE)', 'VACUUM (FULL)']) await database.run(`${sql} ${ownSchema}.tokens`);
    expect(await read()).toMatchObject([{ token }]);
  });

  it('is no table of the database', async () => {
    await database.run('CREATE TABLE mine (id int)');
    await leaveToken(database.settings, signal);
    const session = await database.open();
    expect((await readTables(session)).map(({ name }) => name)).toEqual(['mine']);
  });

  it('leaves a schema of somebody else’s alone, whose tables are tables of the database', async () => {
    await database.run(`CREATE SCHEMA ${ownSchema}; CREATE TABLE ${ownSchema}.tokens (token text, xid xid8)`);
    await expect(leaveToken(database.settings, signal)).rejects.toThrow(/it is not ours/);
    expect(await read()).toBeUndefined();
    expect(await database.rows(`SELECT * FROM ${ownSchema}.tokens`)).toEqual([]);
    const session = await database.open();
    expect((await readTables(session)).map(({ name }) => name)).toEqual(['tokens']);
  });

  it('that a role may not make is a mistake in the configuration', async () => {
    await database.run("CREATE ROLE weak LOGIN PASSWORD 'weak'");
    const refused = leaveToken(asRole(database.settings, 'weak', 'weak'), signal);
    await expect(refused).rejects.toBeInstanceOf(ConfigurationError);
    await expect(refused).rejects.toThrow(/permission denied/);
    expect(await read()).toBeUndefined();
  });
});
