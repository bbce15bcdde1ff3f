import { expect, it } from 'vitest';
import { median } from '../../src/values/median.ts';

it('the median is in the middle, in whatever order the values come', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 100])).toBe(7);
  expect(median([3])).toBe(3);
  expect(median([])).toBeNaN();
});
