import { getHeapStatistics } from 'node:v8';
import { formatBytes, formatCount } from '../../report/quantity.ts';
import { ConfigurationError } from '../../runtime/errors.ts';

/**
 * Memory that an operation needs, in bytes: the descriptions of all tables are in memory at once, rows never
 * are. Measured with 20,000 and 100,000 tables of one column and a key (docs/benchmarks.md).
 */
const needs = {
  backup: { base: 250e6, perTable: 6e3 },
  restore: { base: 130e6, perTable: 20e3 },
} as const;

/** @throws ConfigurationError when this many tables need more memory than this process may take */
export function checkMemory(
  operation: keyof typeof needs,
  tables: number,
  limit = getHeapStatistics().heap_size_limit,
): void {
  const { base, perTable } = needs[operation];
  const needed = base + perTable * tables;
  if (needed <= limit) return;
  throw new ConfigurationError(
    `${operation}: ${formatCount(tables)} tables need about ${formatBytes(needed)} of memory, and this process may take ${formatBytes(limit)}`,
    `Set NODE_OPTIONS=--max-old-space-size=${Math.ceil(needed / 1e6)} on a machine that has it.`,
  );
}
