import { expect, test } from 'vitest';
import { findNearest, listNearest } from '../../src/values/nearest.ts';

const operations = ['backup', 'restore', 'list', 'pin', 'unpin', 'show', 'drill'];

test.each([
  ['bakup', 'backup'],
  ['BACKUP', 'backup'],
  ['restor', 'restore'],
  ['lits', 'list'],
  ['drlil', 'drill'],
  ['completely', undefined],
  ['x', undefined],
  ['', undefined],
])('the nearest to %j is %j', (word, wanted) => {
  expect(findNearest(word, operations)).toBe(wanted);
});

test('all that are near come nearest first', () => {
  expect(listNearest('orders', ['public', 'borders', 'orders_old', 'order'])).toEqual(['borders', 'order']);
});

test('a text of a megabyte is near to nothing, and found to be so at once', () => {
  const started = performance.now();
  expect(
    findNearest(
      'a'.repeat(1_000_000),
      Array.from({ length: 600 }, (_, index) => `zone-${index}`),
    ),
  ).toBe(undefined);
  expect(performance.now() - started).toBeLessThan(1000);
});
