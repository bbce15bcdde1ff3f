import { expect, it } from 'vitest';
import { estimateEgress, estimateStorageCost } from '../../../src/operations/status/costs.ts';
import { shelve } from '../../repository/backups/freshness-example.ts';

const gigabytes = 1e9;
const growth = { kind: 'measured', bytes: 50 * gigabytes, points: 9 } as const;

it('storage costs what is stored by the price, and with what a month adds', () => {
  expect(estimateStorageCost(100 * gigabytes, growth, 0.02)).toEqual({ now: 2, inAMonth: 3 });
  expect(estimateStorageCost(100 * gigabytes, growth, 0)).toEqual({ now: 0, inAMonth: 0 });
});

it('a cost that rests on no measure, or on no price, is none', () => {
  const unmeasured = { kind: 'unmeasured', points: 2 } as const;
  expect(estimateStorageCost(gigabytes, unmeasured, 1)).toEqual({ now: 1, inAMonth: undefined });
  expect(estimateStorageCost(gigabytes, growth, undefined)).toBeUndefined();
});

it('egress is the text of the newest full backup, not of an incremental one', () => {
  const of = (bytes: number) => ({ totals: { rows: 1, bytes, stored: 1, added: 1 } });
  const usable = [
    shelve(1, { kind: 'incremental', ...of(9) }),
    shelve(2, of(10 * gigabytes)),
    shelve(3, of(1)),
  ];
  expect(estimateEgress(usable)).toEqual({ bytes: 10 * gigabytes, dollars: expect.closeTo(0.9, 9) });
  expect(estimateEgress(usable.slice(0, 1))).toBeUndefined();
});
