import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/format/manifest.ts';
import { outputSettings } from '../../src/postgres/session/output-settings.ts';
import { followLineage, type Position } from '../../src/source/lineage.ts';

const base: Manifest['source'] = {
  database: 'postgres',
  databaseOid: 5,
  systemIdentifier: '7300000000000000001',
  timeline: 1,
  postmasterStartedAt: '2026-11-01T00:00:00.123456Z',
  serverVersion: 150018,
  encoding: 'UTF8',
  settings: { ...outputSettings },
  snapshot: '1000:1000:',
  lsn: '16/B374D848',
  snapshotAt: '2026-11-20T02:17:01.654321Z',
  token: null,
  definitions: 'd'.repeat(64),
};

function at(overrides: Partial<Position> = {}, identity: Partial<Position['identity']> = {}): Position {
  return {
    identity: {
      database: base.database,
      databaseOid: base.databaseOid,
      systemIdentifier: base.systemIdentifier,
      timeline: base.timeline,
      postmasterStartedAt: base.postmasterStartedAt,
      serverVersion: base.serverVersion,
      serverEncoding: 'UTF8',
      ...identity,
    },
    encoding: 'UTF8',
    visible: '1100:1100:',
    lsn: '16/B374D849',
    ...overrides,
  };
}

const entry = (token: string, xid: number | bigint) => ({ token, xid: BigInt(xid) });

describe('a base on the same history', () => {
  it('is good for what was written before the oldest transaction that it did not see ended', () => {
    expect(followLineage(base, at(), undefined)).toEqual({ kind: 'active', since: 1000n });
    expect(followLineage({ ...base, snapshot: '900:1000:900,950' }, at(), undefined)).toEqual({
      kind: 'active',
      since: 900n,
    });
  });

  it('is all there is when no number was assigned and none was under way', () => {
    expect(followLineage(base, at({ visible: '1000:1000:' }), undefined)).toEqual({ kind: 'idle' });
  });

  it('is not when one was under way then or is now, though no number was assigned', () => {
    for (const [then, now] of [
      ['999:1000:999', '1000:1000:'],
      ['999:1000:999', '999:1000:999'],
      ['1000:1000:', '1000:1001:1000'],
    ] as const) {
      expect(followLineage({ ...base, snapshot: then }, at({ visible: now }), undefined).kind).toBe('active');
    }
  });

  it('is still all there is when only tokens were written', () => {
    const ledger = [entry('a', 999), entry('b', 1000), entry('c', 1001)];
    expect(followLineage(base, at({ visible: '1002:1002:' }), ledger)).toEqual({ kind: 'idle' });
    // One of the numbers is somebody else's.
    expect(followLineage(base, at({ visible: '1003:1003:' }), ledger).kind).toBe('active');
    // A token that this snapshot does not see yet does not count.
    expect(followLineage(base, at({ visible: '1001:1001:' }), ledger)).toEqual({ kind: 'idle' });
    expect(followLineage(base, at({ visible: '1002:1002:' }), ledger.slice(0, 2)).kind).toBe('active');
  });

  it('is still all there is when only tokens and records were written', () => {
    const ledger = [entry('a', 1000)];
    expect(followLineage(base, at({ visible: '1003:1003:' }), ledger, [1001n, 1002n])).toEqual({
      kind: 'idle',
    });
    expect(followLineage(base, at({ visible: '1003:1003:' }), ledger, [1001n]).kind).toBe('active');
    // One transaction that has written both counts once.
    expect(followLineage(base, at({ visible: '1002:1002:' }), ledger, [1000n]).kind).toBe('active');
    expect(followLineage(base, at({ visible: '1001:1001:' }), undefined, [1000n])).toEqual({ kind: 'idle' });
  });

  it('needs its token where it left one', () => {
    const left = { ...base, token: 'mine' };
    expect(followLineage(left, at(), [entry('other', 990), entry('mine', 1001)]).kind).toBe('active');
  });
});

describe('a base that is not built upon', () => {
  it.each<[string, Position, RegExp, Partial<Manifest['source']>?]>([
    ['of another server', at({}, { systemIdentifier: '1' }), /another server/],
    ['of a database made anew', at({}, { databaseOid: 6 }), /made anew/],
    ['of another version', at({}, { serverVersion: 150019 }), /another version/],
    ['of another timeline', at({}, { timeline: 2 }), /new timeline/],
    [
      'of before a start',
      at({}, { postmasterStartedAt: '2026-11-02T00:00:00.000000Z' }),
      /started again at 2026-11-02/,
    ],
    ['in another encoding', at({ encoding: 'SQL_ASCII' }), /other settings/],
    [
      'with another setting',
      at(),
      /other settings/,
      { settings: { ...outputSettings, DateStyle: 'German' } },
    ],
    ['with a setting fewer', at(), /other settings/, { settings: { DateStyle: 'ISO, YMD' } }],
    ['with a setting more', at(), /other settings/, { settings: { ...outputSettings, more: '1' } }],
    ['ahead in the log', at({ lsn: '16/B374D847' }), /log is behind/],
    ['ahead in the log by its high half', at({ lsn: '9/FFFFFFFF' }), /log is behind/],
    ['ahead in numbers', at({ visible: '999:999:' }), /numbers are behind/],
    ['ahead in its oldest number', at({ visible: '999:1100:999' }), /numbers are behind/],
    ['without its token', at(), /lacks the rollback token/, { token: 'mine' }],
  ])('%s', (_, now, why, overrides = {}) => {
    for (const ledger of [undefined, [], [entry('other', 1050)]]) {
      expect(followLineage({ ...base, ...overrides }, now, ledger)).toEqual({
        kind: 'broken',
        why: expect.stringMatching(why),
      });
    }
  });

  it('of two thousand million numbers ago', () => {
    const window = (width: bigint) =>
      followLineage(base, at({ visible: `${1000n + width}:${1000n + width}:` }), undefined);
    expect(window(2n ** 31n).kind).toBe('broken');
    expect(window(2n ** 32n)).toEqual({ kind: 'broken', why: expect.stringContaining('two billion') });
    expect(window(2n ** 31n - 2n ** 24n).kind).toBe('broken');
    expect(window(2n ** 31n - 2n ** 24n - 1n)).toEqual({ kind: 'active', since: 1000n });
  });

  it('as far as a transaction that began long before it', () => {
    const old = { ...base, snapshot: `5:${2n ** 31n}:5` };
    expect(followLineage(old, at({ visible: `${2n ** 31n}:${2n ** 31n}:` }), undefined).kind).toBe('broken');
  });
});

it('never passes for idle when a number was assigned that is no token’s', () => {
  fc.assert(
    fc.property(
      fc.nat(20),
      fc.nat(20),
      fc.nat(20),
      fc.uniqueArray(fc.integer({ min: 980, max: 1040 })),
      (running, assigned, runningNow, tokens) => {
        const then = `${1000 - running}:1000:`;
        const now = 1000 + assigned;
        const visible = `${Math.max(1000 - running, now - runningNow)}:${now}:`;
        const ledger = tokens.map((xid) => entry(String(xid), xid));
        const lineage = followLineage({ ...base, snapshot: then }, at({ visible }), ledger);
        const others = Array.from({ length: assigned }, (_, index) => 1000 + index).filter(
          (xid) => !tokens.includes(xid),
        );
        if (lineage.kind === 'idle') expect([running, others]).toEqual([0, []]);
        else expect(lineage).toEqual({ kind: 'active', since: BigInt(1000 - running) });
      },
    ),
  );
});
