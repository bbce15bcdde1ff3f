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
