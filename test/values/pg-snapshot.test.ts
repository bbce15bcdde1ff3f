import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isVisible, parseSnapshot, widenXid } from '../../src/values/pg-snapshot.ts';
import { createDatabase, type Database } from '../postgres/database.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';

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

const snapshots = fc
  .record({
    xmin: fc.bigInt(1n, 2n ** 63n - 100n),
    width: fc.bigInt(0n, 20n),
    running: fc.uniqueArray(fc.bigInt(0n, 19n)),
  })
  .map(({ xmin, width, running }) => {
    const between = running.filter((offset) => offset < width).sort((one, other) => Number(one - other));
    return `${xmin}:${xmin + width}:${between.map((offset) => xmin + offset).join(',')}`;
  });

describe('a snapshot as text', () => {
  it('sees what the server says that it sees', async () => {
    const cases = fc.sample(
      snapshots.chain((text) => {
        const { xmin } = parseSnapshot(text);
        const low = xmin > 3n ? xmin - 3n : 1n;
        return fc.tuple(
          fc.constant(text),
          fc.array(fc.bigInt(low, xmin + 23n), { minLength: 5, maxLength: 5 }),
        );
      }),
      { numRuns: 200, seed: 1 },
    );
    const asked = cases.flatMap(([text, xids]) => xids.map((xid) => [text, String(xid)] as const));
    const answers = await database.rows(
      'SELECT pg_visible_in_snapshot(x::xid8, s::pg_snapshot) FROM unnest($1::text[], $2::text[]) AS q (s, x)',
      [asked.map(([text]) => text), asked.map(([, xid]) => xid)],
    );
    expect(asked.map(([text, xid]) => isVisible(parseSnapshot(text), BigInt(xid)))).toEqual(
      answers.map(([answer]) => answer === 't'),
    );
  });

  it.each(['', '10', '10:20', '10:20:x', '10:20:11,', 'a:b:c'])('is not %j', (text) => {
    expect(() => parseSnapshot(text)).toThrow('not a snapshot');
  });
});

describe('a transaction number of 32 bits', () => {
  it('is the one below the next that ends in them', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 64n - 1n), fc.bigInt(1n, 2n ** 32n - 1n), (next, back) => {
        fc.pre(back < next);
        const xid = next - back;
        expect(widenXid(Number(BigInt.asUintN(32, xid)), next)).toBe(xid);
      }),
    );
  });
});
