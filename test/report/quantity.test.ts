import { expect, test } from 'vitest';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatRate,
  formatShare,
} from '../../src/report/quantity.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [12_345, '12.3 kB'],
  [999_499, '999 kB'],
  [999_500, '1.00 MB'],
  [1_230_000_000, '1.23 GB'],
  [4e15, '4.00 PB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, '0 ms'],
  [340.4, '340 ms'],
  [999.6, '1.0 s'],
  [12_345, '12.3 s'],
  [59_960, '1 min 00 s'],
  [185_000, '3 min 05 s'],
  [7_620_000, '2 h 07 min'],
])('%d milliseconds are %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

test('counts have thousands separators, and nouns their number', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567');
  expect(formatCount(12_345_678_901_234_567_890n)).toBe('12,345,678,901,234,567,890');
  expect(formatCounted(1, 'table')).toBe('1 table');
  expect(formatCounted(1200, 'policy', 'policies')).toBe('1,200 policies');
});

test('rates and shares', () => {
  expect(formatRate(45_600_000, 1000)).toBe('45.6 MB/s');
  expect(formatShare(1, 8)).toBe('12.5%');
  expect(formatShare(0, 0)).toBe('100%');
});

test('amounts of money', () => {
  expect([0, 0.0001, 0.00999, 0.01, 1234.567].map(formatAmount)).toEqual([
    '0.00',
    ...['less than 0.01', 'less than 0.01', '0.01', '1234.57'],
  ]);
});
